//! What `millrace trace` asks of a server: where a record was put, and what each stage made of it.
//!
//! | route | asks | answers |
//! | --- | --- | --- |
//! | `GET /_millrace/trace?id=ID&stream=NAME&since=MILLIS` | a correlation id, a sequence number, or a text of the record | [`Journey`] |

mod find;
mod follow;
pub mod notes;

use axum::Router;
use axum::extract::{Extension, Json, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use millrace_api::Caller;
use millrace_base::{Clock, Millis};
use millrace_log::Log;
use millrace_watch::journey::{Journeys, Put, Step};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;

/// The rooms behind the route.
#[derive(Clone)]
pub struct Tracing {
    /// The streams.
    pub log: Arc<dyn Log>,
    /// What was noted.
    pub journeys: Journeys,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// A journey, or several if the id names several records.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Journey {
    /// The records that the id names, at most [`find::RECORDS_MAX`].
    pub records: Vec<TracedRecord>,
    /// True when the search for a text ended before it had seen everything.
    pub incomplete: bool,
    /// What happened to them, in order of time.
    pub hops: Vec<Hop>,
}

/// A record of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TracedRecord {
    /// The stream's name.
    pub stream: Arc<str>,
    /// For example `shardId-000000000000`.
    pub shard: String,
    /// Its position.
    pub index: u64,
    /// Its sequence number; none when its stream no longer holds it.
    pub sequence_number: Option<String>,
    /// When it arrived.
    pub arrival: Option<Millis>,
    /// Its key.
    pub partition_key: Option<String>,
}

/// Something that happened to the records, or to what was made of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    /// How many streams lie before it: 0 for what happened to the records themselves.
    pub depth: usize,
    /// What.
    pub event: HopEvent,
    /// How often the same happened again; what is told is the first time.
    #[serde(default)]
    pub repeats: u32,
}

/// A put or a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HopEvent {
    /// Records came in.
    Put(Put),
    /// Records were worked on.
    Step(Step),
}

/// What is asked.
#[derive(Debug, Deserialize)]
struct Asked {
    id: String,
    stream: Option<String>,
    since: Option<Millis>,
}

/// The route.
pub fn router(tracing: Tracing) -> Router {
    Router::new().route("/_millrace/trace", get(trace)).with_state(tracing)
}

async fn trace(
    State(tracing): State<Tracing>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<Asked>,
) -> Response {
    let work = move || {
        let found = find::records(&tracing, &caller.scope, &asked.id, asked.stream.as_deref(), asked.since)?;
        let hops = follow::hops(&tracing.journeys, &found.ranges).map_err(|error| error.to_string())?;
        Ok::<_, String>(Journey { records: found.records, incomplete: found.incomplete, hops })
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(journey)) => Json(journey).into_response(),
        Ok(Err(reason)) => refused(&reason),
        Err(_) => refused("the search ended unexpectedly; the server's log says why"),
    }
}

fn refused(reason: &str) -> Response {
    let body = Json(json!({ "__type": "TraceException", "message": reason }));
    (StatusCode::BAD_REQUEST, body).into_response()
}
