//! What `millrace dlq` asks of a server: which queues take what failed, and what lies in them, without receiving it.
//!
//! | route | asks | answers |
//! | --- | --- | --- |
//! | `GET /_millrace/dlq` | | [`DeadLetterQueue`]s, by name |
//! | `GET /_millrace/dlq/NAME?max=N&after=HANDLE` | a page of a queue | [`DeadLetter`]s, in order |
//! | `POST /_millrace/dlq/NAME/discard` | `{"handles": […]}` | how many are gone |

pub mod failure;

use self::failure::Failure;
use axum::Router;
use axum::extract::{Extension, Json, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use millrace_api::Caller;
use millrace_base::{Arn, Millis, Scope};
use millrace_functions::{Functions, Mappings};
use millrace_queue::{Delivered, QueueError, QueueKey, Queues};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Messages that one answer holds at most.
const PAGE_MAX: usize = 1000;
/// The first messages of a queue that nothing names, which are looked at for failures.
const LOOKED_AT: usize = 10;

/// The rooms behind the routes.
#[derive(Clone)]
pub struct DeadLetters {
    /// The queues.
    pub queues: Queues,
    /// What mappings do with what fails.
    pub mappings: Mappings,
    /// What functions do with events that fail.
    pub functions: Functions,
}

/// A queue that takes what failed elsewhere.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeadLetterQueue {
    /// Its name.
    pub name: String,
    /// Messages that wait, are in flight, and are delayed.
    pub messages: usize,
    /// When the oldest message was sent.
    pub oldest: Option<Millis>,
    /// The time by the server's clock.
    pub now: Millis,
    /// What gives up its messages to it.
    pub feeds: Vec<Feed>,
}

/// Something that gives up what fails to a queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Feed {
    /// A queue, after so many receives.
    Queue(String, u32),
    /// An event source mapping: its source's ARN and its function's.
    Mapping(String, String),
    /// A function's asynchronous events.
    Events(String),
    /// A queue, by its ARN, that no longer does.
    FormerQueue(String),
    /// An event source mapping that is gone, or gives them elsewhere: its source's ARN and its function's.
    FormerMapping(String, String),
    /// A function, by its ARN, whose asynchronous events go elsewhere.
    FormerEvents(String),
}

/// A message that lies in a queue.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Its id.
    pub id: String,
    /// Discards it, and is where the next page begins.
    pub handle: String,
    /// Its body.
    pub body: String,
    /// When it was sent.
    pub sent: Millis,
    /// How often it was received.
    pub received: u32,
    /// The ARN of the queue that gave it up.
    pub source: Option<String>,
}

/// Which page.
#[derive(Debug, Deserialize)]
struct Page {
    after: Option<String>,
    max: Option<usize>,
}

/// Which messages go.
#[derive(Debug, Deserialize)]
struct Discard {
    handles: Vec<String>,
}

/// The routes.
pub fn router(rooms: DeadLetters) -> Router {
    Router::new()
        .route("/_millrace/dlq", get(list))
        .route("/_millrace/dlq/{name}", get(peek))
        .route("/_millrace/dlq/{name}/discard", post(discard))
        .with_state(rooms)
}

async fn list(State(rooms): State<DeadLetters>, Extension(caller): Extension<Caller>) -> Response {
    let listed = tokio::task::spawn_blocking(move || rooms.list(&caller.scope)).await;
    match listed {
        Ok(Ok(queues)) => Json(queues).into_response(),
        Ok(Err(message)) => failed(StatusCode::INTERNAL_SERVER_ERROR, "InternalFailure", message),
        Err(stopped) => failed(StatusCode::INTERNAL_SERVER_ERROR, "InternalFailure", stopped.to_string()),
    }
}

async fn peek(
    State(rooms): State<DeadLetters>,
    Path(name): Path<String>,
    Query(page): Query<Page>,
    Extension(caller): Extension<Caller>,
) -> Response {
    let key = QueueKey::new(&caller.scope, &name);
    let max = page.max.unwrap_or(PAGE_MAX).min(PAGE_MAX);
    let work = move || rooms.queues.peek(&key, page.after.as_deref(), max);
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(messages)) => Json(messages.into_iter().map(letter).collect::<Vec<_>>()).into_response(),
        Ok(Err(error)) => refused(&name, &error),
        Err(stopped) => failed(StatusCode::INTERNAL_SERVER_ERROR, "InternalFailure", stopped.to_string()),
    }
}

async fn discard(
    State(rooms): State<DeadLetters>,
    Path(name): Path<String>,
    Extension(caller): Extension<Caller>,
    Json(discard): Json<Discard>,
) -> Response {
    let key = QueueKey::new(&caller.scope, &name);
    match rooms.queues.discard(&key, discard.handles).await {
        Ok(outcomes) => Json(json!({ "discarded": outcomes.iter().filter(|o| o.is_ok()).count() })).into_response(),
        Err(error) => refused(&name, &error),
    }
}

fn refused(name: &str, error: &QueueError) -> Response {
    match error {
        QueueError::NoQueue(_) => {
            let message = format!("there is no queue '{name}': `millrace dlq list` names those that take failures");
            failed(StatusCode::NOT_FOUND, "AWS.SimpleQueueService.NonExistentQueue", message)
        }
        QueueError::Key(why) => {
            let message = format!("the messages of '{name}' are sealed by a key that cannot be used now: {why}");
            failed(StatusCode::BAD_REQUEST, "KMSInvalidStateException", message)
        }
        other => failed(StatusCode::INTERNAL_SERVER_ERROR, "InternalFailure", other.to_string()),
    }
}

fn failed(status: StatusCode, code: &str, message: String) -> Response {
    (status, Json(json!({ "__type": code, "message": message }))).into_response()
}

fn letter(message: Delivered) -> DeadLetter {
    DeadLetter {
        id: message.message_id,
        handle: message.receipt_handle,
        body: String::from_utf8_lossy(&message.body).into_owned(),
        sent: message.system.sent,
        received: message.system.receive_count,
        source: message.system.dead_letter_source,
    }
}

impl DeadLetters {
    /// The first messages of a queue, as many as asked for; none is received by that.
    pub fn letters(&self, scope: &Scope, name: &str, max: usize) -> Result<Vec<DeadLetter>, QueueError> {
        let messages = self.queues.peek(&QueueKey::new(scope, name), None, max)?;
        Ok(messages.into_iter().map(letter).collect())
    }

    /// Queues for what failed, by name.
    pub fn list(&self, scope: &Scope) -> Result<Vec<DeadLetterQueue>, String> {
        let mut feeds: BTreeMap<QueueKey, Vec<Feed>> = BTreeMap::new();
        for info in self.queues.queues(scope) {
            if let Some(redrive) = &info.settings.redrive {
                let feed = Feed::Queue(info.key.name.to_string(), redrive.max_receive_count);
                feeds.entry(redrive.target.clone()).or_default().push(feed);
            }
        }
        for mapping in self.mappings(scope)? {
            let feed = Feed::Mapping(text(&mapping, "/EventSourceArn"), text(&mapping, "/FunctionArn"));
            note(&mut feeds, &mapping, "/DestinationConfig/OnFailure/Destination", feed);
        }
        for (function, config) in self.event_configs(scope)? {
            for place in ["/DestinationConfig/OnFailure/Destination", "/DeadLetterConfig/TargetArn"] {
                note(&mut feeds, &config, place, Feed::Events(function.clone()));
            }
        }
        self.former(scope, &mut feeds);
        let now = self.queues.now();
        let described = feeds.into_iter().filter_map(|(key, mut feeds)| {
            feeds.dedup();
            // A queue that something names and nobody made is not there.
            let counts = self.queues.counts(&key).ok()?;
            let depth = counts.depth;
            Some(DeadLetterQueue {
                name: key.name.to_string(),
                messages: depth.visible + depth.in_flight + depth.delayed,
                oldest: counts.oldest_sent,
                now,
                feeds,
            })
        });
        Ok(described.collect())
    }

    /// Queues that nothing names any more and that still hold what failed.
    fn former(&self, scope: &Scope, feeds: &mut BTreeMap<QueueKey, Vec<Feed>>) {
        for info in self.queues.queues(scope) {
            if feeds.contains_key(&info.key) {
                continue;
            }
            // A queue that was deleted in between holds nothing.
            for message in self.queues.peek(&info.key, None, LOOKED_AT).unwrap_or_default() {
                let feed = match Failure::of(&letter(message)) {
                    Failure::Batch(batch) => Feed::FormerMapping(batch.stream, batch.called.function),
                    Failure::Event(event) => Feed::FormerEvents(event.called.function),
                    Failure::Message(source) => Feed::FormerQueue(source),
                    Failure::Other => continue,
                };
                let known = feeds.entry(info.key.clone()).or_default();
                if !known.contains(&feed) {
                    known.push(feed);
                }
            }
        }
    }

    fn mappings(&self, scope: &Scope) -> Result<Vec<Value>, String> {
        let (mut all, mut marker) = (Vec::new(), None::<String>);
        loop {
            let page = self.mappings.list(scope, None, None, marker.as_deref(), None).map_err(|e| e.to_string())?;
            all.extend(page.mappings);
            match page.next_marker {
                Some(next) => marker = Some(next),
                None => return Ok(all),
            }
        }
    }

    /// What functions say of events that fail, by the functions' names: their own configurations, and those of their events.
    fn event_configs(&self, scope: &Scope) -> Result<Vec<(String, Value)>, String> {
        let (functions, _) = self.functions.list(scope, false, None, usize::MAX);
        let mut configs = Vec::new();
        for function in functions {
            let name = text(&function, "/FunctionName");
            let (events, _) =
                self.functions.event_invokes(scope, &name, None, usize::MAX).map_err(|error| error.to_string())?;
            configs.push((name.clone(), function));
            configs.extend(events.into_iter().map(|config| (name.clone(), config)));
        }
        Ok(configs)
    }
}

fn text(value: &Value, place: &str) -> String {
    value.pointer(place).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn note(feeds: &mut BTreeMap<QueueKey, Vec<Feed>>, config: &Value, place: &str, feed: Feed) {
    let target: Option<Arn> = text(config, place).parse().ok();
    if let Some(key) = target.and_then(|arn| QueueKey::of_arn(&arn)) {
        feeds.entry(key).or_default().push(feed);
    }
}
