//! Where the runner and a runtime client meet: the Lambda Runtime API without HTTP.
//!
//! ```text
//!              next            answer (response or error)
//!   Starting ──────► Waiting ─work─► Busy ──────► Waiting …
//!      └─ init_error ─► Failed
//! ```
//! The client asks for work and answers it; the runner offers work and waits for events. One invocation at a time.

use bytes::Bytes;
use millrace_base::Millis;
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::{Mutex as AsyncMutex, mpsc};

/// The largest answer of a function: 6 MB and what AWS adds for its envelope.
pub const RESPONSE_BYTES_MAX: usize = 6 * 1024 * 1024 + 100;
/// A process makes at most three events before somebody looks: ready, then one answer or an init error.
const EVENTS_MAX: usize = 4;

/// One invocation as the runtime client gets it.
#[derive(Debug, Clone)]
pub struct Work {
    /// `Lambda-Runtime-Aws-Request-Id`.
    pub request_id: Arc<str>,
    /// `Lambda-Runtime-Deadline-Ms`.
    pub deadline: Millis,
    /// `Lambda-Runtime-Invoked-Function-Arn`.
    pub arn: Arc<str>,
    /// `Lambda-Runtime-Trace-Id`.
    pub trace_id: String,
    /// `Lambda-Runtime-Client-Context`, JSON.
    pub client_context: Option<Bytes>,
    /// The event.
    pub payload: Bytes,
}

/// Why a call of the runtime client is refused, in AWS's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The answer is for an invocation that this process does not have.
    #[error("Invalid request ID")]
    RequestId,
    /// The call does not fit what the process was doing.
    #[error("State transition is not allowed")]
    State,
    /// The answer is larger than [`RESPONSE_BYTES_MAX`].
    #[error("Exceeded maximum allowed payload size ({RESPONSE_BYTES_MAX} bytes).")]
    TooLarge,
}

/// What a runtime client did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// It asked for work for the first time: initialisation is over.
    Ready,
    /// Initialisation failed; the error as the client described it.
    InitError(Bytes),
    /// An invocation ended.
    Answer {
        /// False for a response, true for an error.
        failed: bool,
        /// The response, or the error as the client described it.
        payload: Bytes,
    },
    /// The response was too large.
    TooLarge,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Starting,
    Waiting,
    Busy(Arc<str>),
    Failed,
}

/// One process's side of the Runtime API. The door calls the public methods.
pub struct Exchange {
    state: Mutex<State>,
    offered: AsyncMutex<mpsc::Receiver<Work>>,
    events: mpsc::Sender<Event>,
}

/// The runner's side.
pub(crate) struct Client {
    pub work: mpsc::Sender<Work>,
    pub events: mpsc::Receiver<Event>,
}

impl Exchange {
    /// Both sides.
    pub(crate) fn new() -> (Arc<Self>, Client) {
        let (work, offered) = mpsc::channel(1);
        let (events, receiver) = mpsc::channel(EVENTS_MAX);
        let exchange = Self { state: Mutex::new(State::Starting), offered: AsyncMutex::new(offered), events };
        (Arc::new(exchange), Client { work, events: receiver })
    }

    /// `GET /runtime/invocation/next`: waits for work; `None` when there will never be any.
    pub async fn next(&self) -> Option<Work> {
        let first = {
            let mut state = self.state.lock();
            let first = *state == State::Starting;
            if first {
                *state = State::Waiting;
            }
            first
        };
        if first {
            self.tell(Event::Ready);
        }
        let mut offered = self.offered.lock().await;
        let work = offered.recv().await?;
        *self.state.lock() = State::Busy(work.request_id.clone());
        Some(work)
    }

    /// `POST /runtime/invocation/ID/response`.
    pub fn respond(&self, request_id: &str, payload: Bytes) -> Result<(), Refused> {
        self.end(request_id)?;
        if payload.len() > RESPONSE_BYTES_MAX {
            self.tell(Event::TooLarge);
            return Err(Refused::TooLarge);
        }
        self.tell(Event::Answer { failed: false, payload });
        Ok(())
    }

    /// `POST /runtime/invocation/ID/error`.
    pub fn fail(&self, request_id: &str, payload: Bytes) -> Result<(), Refused> {
        self.end(request_id)?;
        self.tell(Event::Answer { failed: true, payload });
        Ok(())
    }

    /// `POST /runtime/init/error`.
    pub fn init_error(&self, payload: Bytes) -> Result<(), Refused> {
        let mut state = self.state.lock();
        if *state != State::Starting {
            return Err(Refused::State);
        }
        *state = State::Failed;
        self.tell(Event::InitError(payload));
        Ok(())
    }

    /// True while the client has work that it did not answer.
    pub(crate) fn is_busy(&self) -> bool {
        matches!(*self.state.lock(), State::Busy(_))
    }

    fn end(&self, request_id: &str) -> Result<(), Refused> {
        let mut state = self.state.lock();
        match &*state {
            State::Busy(current) if **current == *request_id => *state = State::Waiting,
            State::Busy(_) => return Err(Refused::RequestId),
            State::Starting | State::Waiting | State::Failed => return Err(Refused::State),
        }
        Ok(())
    }

    fn tell(&self, event: Event) {
        // Full only when nobody looks any more: the runner gave the process up.
        let _ = self.events.try_send(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(id: &str) -> Work {
        let (request_id, arn, payload) = (id.into(), "arn".into(), Bytes::from_static(b"{}"));
        Work { request_id, deadline: 0, arn, trace_id: String::new(), client_context: None, payload }
    }

    #[tokio::test]
    async fn an_invocation_is_answered_once() {
        let (exchange, mut client) = Exchange::new();
        client.work.send(work("a")).await.unwrap();
        assert_eq!(&*exchange.next().await.unwrap().request_id, "a");
        assert_eq!(client.events.recv().await, Some(Event::Ready));
        assert_eq!(exchange.respond("b", Bytes::new()), Err(Refused::RequestId));
        assert_eq!(exchange.respond("a", Bytes::from_static(b"1")), Ok(()));
        assert_eq!(exchange.fail("a", Bytes::new()), Err(Refused::State));
        let answer = Event::Answer { failed: false, payload: Bytes::from_static(b"1") };
        assert_eq!(client.events.recv().await, Some(answer));
    }

    #[tokio::test]
    async fn a_response_over_the_limit_is_refused_and_ends_the_invocation() {
        let (exchange, mut client) = Exchange::new();
        client.work.send(work("a")).await.unwrap();
        exchange.next().await.unwrap();
        assert_eq!(exchange.respond("a", vec![b' '; RESPONSE_BYTES_MAX + 1].into()), Err(Refused::TooLarge));
        assert_eq!(client.events.recv().await, Some(Event::Ready));
        assert_eq!(client.events.recv().await, Some(Event::TooLarge));
    }

    #[tokio::test]
    async fn a_poll_that_is_given_up_loses_no_work() {
        let (exchange, client) = Exchange::new();
        let poll = tokio::time::timeout(std::time::Duration::from_millis(5), exchange.next()).await;
        assert!(poll.is_err());
        client.work.send(work("a")).await.unwrap();
        assert_eq!(&*exchange.next().await.unwrap().request_id, "a");
    }

    #[tokio::test]
    async fn an_init_error_comes_only_before_the_first_poll() {
        let (exchange, mut client) = Exchange::new();
        assert_eq!(exchange.init_error(Bytes::from_static(b"e")), Ok(()));
        assert_eq!(client.events.recv().await, Some(Event::InitError(Bytes::from_static(b"e"))));
        assert_eq!(exchange.init_error(Bytes::new()), Err(Refused::State));
    }
}
