//! Asynchronous invocations (`InvocationType: Event`): accepted means durable, and durable means that the function runs.
//!
//! ```text
//! submit ─► catalog ─► lane of its function ─► invoke ─► done, again later (60 s, 120 s), or given up
//!                                                          └─► destinations and dead-letter queue, until they took it
//! ```
//! Functions run at least once: what a crash interrupts is done again. Decisions are in `event.rs`, the order in `lanes.rs`;
//! here is the driver.

mod event;
mod lanes;
mod store;

use crate::mapping::{Destinations, sending};
use crate::{Edge, EventConfig, FailureRecord, FunctionKey, FunctionSource, Invocation, Invoke, InvokeError, Permits};
use bytes::Bytes;
use event::{Delivery, Event, Next, Pace};
use lanes::Lanes;
use millrace_base::{Arn, Clock, Dice, Millis};
use millrace_catalog::{Catalog, CatalogError};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use store::Store;
use tokio::sync::{Notify, watch};

/// The largest event of an asynchronous invocation.
pub const ASYNC_EVENT_BYTES_MAX: usize = 1024 * 1024;
/// So many events may wait in all. More are refused: their ids would fill the memory.
const WAITING_MAX: usize = 200_000;
/// A catalog that failed is asked again after this.
const STORE_PAUSE: Duration = Duration::from_secs(1);
/// At shutdown, events that run get so long to end; the others run again after the next start.
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// What [`Events`] are made of.
pub struct EventsParts {
    /// Where events are kept.
    pub catalog: Catalog,
    /// Runs functions.
    pub invoke: Arc<dyn Invoke>,
    /// Knows how often to try and where to send what was given up.
    pub source: Arc<dyn FunctionSource>,
    /// Takes records of what ended and what was given up.
    pub destinations: Arc<dyn Destinations>,
    /// What functions' roles may do.
    pub permits: Arc<dyn Permits>,
    /// Is told what becomes of events.
    pub observer: Arc<dyn EventObserver>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Names of events.
    pub dice: Arc<dyn Dice>,
}

/// Is told what becomes of asynchronous invocations.
pub trait EventObserver: Send + Sync + 'static {
    /// One was accepted.
    fn accepted(&self, _function: &FunctionKey) {}
    /// One is handed to its function, so long after it was accepted.
    fn attempted(&self, _function: &FunctionKey, _age: Millis) {}
    /// One ended without its function having done it.
    fn dropped(&self, _function: &FunctionKey) {}
    /// A record could not be delivered: to the dead-letter queue, or to a destination.
    fn undelivered(&self, _function: &FunctionKey, _to_dead_letters: bool, _reason: &str) {}
}

/// Watches nothing.
pub struct UnobservedEvents;

impl EventObserver for UnobservedEvents {}

/// The queue of asynchronous invocations. Cheap to clone.
#[derive(Clone)]
pub struct Events {
    shared: Arc<Shared>,
}

struct Shared {
    parts: EventsParts,
    pace: Pace,
    store: Store,
    lanes: Mutex<Lanes>,
    woken: Notify,
    /// Becomes true at shutdown; those who hold a receiver are at work.
    stop: watch::Sender<bool>,
}

impl Events {
    /// Takes up what waits in the catalog. Needs a tokio runtime.
    pub fn open(parts: EventsParts) -> Result<Self, CatalogError> {
        Self::with_pace(parts, Pace::default())
    }

    fn with_pace(parts: EventsParts, pace: Pace) -> Result<Self, CatalogError> {
        let store = Store::new(parts.catalog.clone());
        let mut lanes = Lanes::default();
        for (id, event) in store.list()? {
            lanes.add(&event.function, event.due, id);
        }
        let (woken, stop) = (Notify::new(), watch::channel(false).0);
        let shared = Arc::new(Shared { parts, pace, store, lanes: Mutex::new(lanes), woken, stop });
        tokio::spawn(drive(shared.clone()));
        Ok(Self { shared })
    }

    /// Accepts an event: it is durable on return, and its function will run.
    ///
    /// Fails when there is no such function, when the event is too large, or when too many wait (`Throttled`).
    pub async fn submit(&self, invocation: Invocation) -> Result<(), InvokeError> {
        self.shared.accept(invocation).await
    }

    /// How many events wait or run.
    pub fn waiting(&self) -> usize {
        self.shared.lanes.lock().len()
    }

    /// Starts nothing new and waits a moment for what runs. What does not end runs again after the next start.
    pub async fn shut_down(&self) {
        self.shared.stop.send_replace(true);
        self.shared.woken.notify_one();
        let _ = tokio::time::timeout(DRAIN_MAX, self.shared.stop.closed()).await;
    }
}

async fn drive(shared: Arc<Shared>) {
    let stopping = shared.stop.subscribe();
    while !*stopping.borrow() {
        let now = shared.parts.clock.now();
        let (ready, next) = {
            let mut lanes = shared.lanes.lock();
            (lanes.take(now), lanes.next_due())
        };
        for (function, id) in ready {
            let (shared, at_work) = (shared.clone(), shared.stop.subscribe());
            tokio::spawn(async move {
                shared.step(&function, id).await;
                shared.woken.notify_one();
                drop(at_work);
            });
        }
        let pause = next.map(|due| Duration::from_millis(u64::try_from(due - now).unwrap_or(0)));
        tokio::select! {
            () = shared.woken.notified() => {}
            () = tokio::time::sleep(pause.unwrap_or(Duration::MAX)), if pause.is_some() => {}
        }
    }
}

impl Shared {
    async fn accept(&self, invocation: Invocation) -> Result<(), InvokeError> {
        match self.parts.source.resolve(&invocation.function, invocation.qualifier.as_deref()) {
            // It will be ready by the time that it runs, or tried again.
            Ok(_) | Err(InvokeError::NotReady(_)) => {}
            Err(error) => return Err(error),
        }
        let bytes = invocation.payload.len();
        if bytes > ASYNC_EVENT_BYTES_MAX {
            return Err(InvokeError::TooLarge { bytes, kind: "Event", bytes_max: ASYNC_EVENT_BYTES_MAX });
        }
        if self.lanes.lock().len() >= WAITING_MAX {
            return Err(InvokeError::Throttled { reason: "ConcurrentInvocationLimitExceeded" });
        }
        let text = |bytes: &Bytes| {
            String::from_utf8(bytes.to_vec()).map_err(|_| InvokeError::Failed("the event is not UTF-8".to_owned()))
        };
        let now = self.parts.clock.now();
        let event = Event {
            function: invocation.function.clone(),
            qualifier: invocation.qualifier.as_deref().map(str::to_owned),
            request_id: invocation.request_id.to_string(),
            payload: text(&invocation.payload)?,
            client_context: invocation.client_context.as_ref().map(text).transpose()?,
            accepted: now,
            due: now,
            attempts: 0,
            refusals: 0,
            deliveries: Vec::new(),
        };
        let id = format!("{now:016x}-{}", self.parts.dice.uuid());
        self.store.put(&id, event).await.map_err(InvokeError::Failed)?;
        self.lanes.lock().add(&invocation.function, now, id);
        self.parts.observer.accepted(&invocation.function);
        self.woken.notify_one();
        Ok(())
    }

    /// Does what an event waits for: runs its function or delivers one record.
    async fn step(&self, function: &FunctionKey, id: String) {
        let next = match self.store.get(&id).await {
            Ok(Some(event)) => self.advance(event).await,
            Ok(None) => Next::Forget,
            Err(error) => {
                tracing::warn!("an asynchronous invocation of {function} waits: {error}");
                let due = self.parts.clock.now() + STORE_PAUSE.as_millis() as i64;
                self.lanes.lock().again(function, due, id);
                return;
            }
        };
        let (due, written) = match &next {
            Next::Keep(event) => (event.due, self.store.put(&id, (**event).clone()).await),
            Next::Forget => (0, self.store.delete(&id).await),
        };
        if let Err(error) = written {
            // What was done is not noted, and will be done again: at least once.
            tracing::warn!("an asynchronous invocation of {function} will be repeated: {error}");
            let due = self.parts.clock.now() + STORE_PAUSE.as_millis() as i64;
            self.lanes.lock().again(function, due, id);
            return;
        }
        let mut lanes = self.lanes.lock();
        match next {
            Next::Keep(_) => lanes.again(function, due, id),
            Next::Forget => lanes.done(function),
        }
    }

    async fn advance(&self, event: Event) -> Next {
        let config = self.parts.source.event_config(&event.function, event.qualifier.as_deref());
        if event.deliveries.is_empty() {
            self.attempt(event, &config).await
        } else {
            self.deliver(event, &config).await
        }
    }

    async fn attempt(&self, event: Event, config: &EventConfig) -> Next {
        let qualifier: Option<Arc<str>> = event.qualifier.as_deref().map(Into::into);
        let arn = format!("{}:{}", event.function.arn(), qualifier.as_deref().unwrap_or("$LATEST"));
        let (observer, now) = (&self.parts.observer, self.parts.clock.now());
        if event.is_late(config, now) {
            observer.dropped(&event.function);
            return event.expired(config, &arn, self.parts.clock.now());
        }
        let resolved = self.parts.source.resolve(&event.function, qualifier.as_deref());
        if resolved.is_ok_and(|version| version.reserved_concurrency == Some(0)) {
            observer.dropped(&event.function);
            return event.switched_off(config, &arn, self.parts.clock.now());
        }
        observer.attempted(&event.function, (now - event.accepted).max(0));
        let outcome = self
            .parts
            .invoke
            .invoke(Invocation {
                function: event.function.clone(),
                qualifier,
                request_id: event.request_id.as_str().into(),
                payload: Bytes::from(event.payload.clone()),
                client_context: event.client_context.clone().map(Bytes::from),
            })
            .await;
        let function = event.function.clone();
        let succeeded = outcome.as_ref().is_ok_and(|response| !response.failed);
        let next = event.after_attempt(outcome.as_ref(), (config, &self.pace), &arn, self.parts.clock.now());
        let is_over = match &next {
            Next::Forget => true,
            Next::Keep(event) => !event.deliveries.is_empty(),
        };
        if is_over && !succeeded {
            observer.dropped(&function);
        }
        next
    }

    async fn deliver(&self, event: Event, config: &EventConfig) -> Next {
        let delivery = &event.deliveries[0];
        let delivered = match delivery.destination.parse::<Arn>() {
            Ok(arn) => match self.may_send(&event, &arn, &delivery.record()) {
                Err(reason) => Err(reason),
                Ok(()) if &*arn.service == "lambda" => {
                    self.call(&arn, delivery).await.map_err(|error| error.to_string())
                }
                Ok(()) => {
                    let delivered = self.parts.destinations.deliver(&arn, &delivery.record()).await;
                    delivered.map_err(|error| error.to_string())
                }
            },
            Err(error) => Err(error.to_string()),
        };
        if let Err(reason) = &delivered {
            let to_dead_letters = config.dead_letter.as_deref() == Some(delivery.destination.as_str());
            self.parts.observer.undelivered(&event.function, to_dead_letters, reason);
            tracing::warn!("the record of an asynchronous invocation of {} waits: {reason}", event.function);
        }
        event.after_delivery(delivered.is_ok(), config, &self.pace, self.parts.clock.now())
    }
}

impl Shared {
    /// Whether the function's role lets it send its record there.
    fn may_send(&self, event: &Event, destination: &Arn, record: &FailureRecord) -> Result<(), String> {
        let (action, resource) = sending(destination, record);
        let qualifier = event.qualifier.as_deref();
        self.parts.permits.check(&Edge { function: &event.function, qualifier, action, resource: &resource })
    }

    /// A function that is a destination gets the record as an event of its own.
    async fn call(&self, function: &Arn, delivery: &Delivery) -> Result<(), InvokeError> {
        let mut parts = function.resource.splitn(3, ':').skip(1);
        let name = parts.next().ok_or_else(|| InvokeError::NotFound(function.to_string()))?;
        self.accept(Invocation {
            function: FunctionKey { scope: function.scope.clone(), name: name.into() },
            qualifier: parts.next().map(Into::into),
            request_id: self.parts.dice.uuid().into(),
            payload: Bytes::from(delivery.message.clone()),
            client_context: None,
        })
        .await
    }
}

#[cfg(test)]
mod tests;
