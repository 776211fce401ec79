//! What the console asks of a server beside AWS's APIs.
//!
//! | route | answers |
//! | --- | --- |
//! | `GET /_millrace/doctor` | `{"healthy", "findings"}`: what is wrong, as `millrace doctor` says it |
//! | `GET /_millrace/hot-keys/STREAM` | `{"shards": [{"shard", "keys": [{"key", "share"}]}]}` of the last one or two minutes |
//! | `GET /_millrace/jobs` | `{"applications"}`: with their plans, operator by operator |
//!
//! All are of the caller's account and region.

use crate::applications::Applications;
use crate::cli::doctor::{LETTERS_MAX, rules};
use crate::dlq::DeadLetters;
use crate::meters::vitals::Examination;
use axum::Router;
use axum::extract::{Extension, Json, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use millrace_api::Caller;
use millrace_base::Scope;
use serde_json::{Value, json};
use std::sync::Arc;

/// The rooms behind the routes.
#[derive(Clone)]
pub struct Console {
    /// Figures of everything.
    pub examination: Examination,
    /// What failed.
    pub dead_letters: DeadLetters,
    /// Applications.
    pub applications: Arc<Applications>,
}

/// Why a route has no answer: the status, and AWS's word for it.
type Refusal = (StatusCode, &'static str, String);

/// The routes.
pub fn router(console: Console) -> Router {
    Router::new()
        .route("/_millrace/doctor", get(doctor))
        .route("/_millrace/hot-keys/{stream}", get(hot_keys))
        .route("/_millrace/jobs", get(jobs))
        .with_state(console)
}

async fn doctor(State(console): State<Console>, Extension(caller): Extension<Caller>) -> Response {
    answer(move || console.findings(&caller.scope)).await
}

async fn hot_keys(
    State(console): State<Console>,
    Path(stream): Path<String>,
    Extension(caller): Extension<Caller>,
) -> Response {
    answer(move || console.hot_keys(&caller.scope, &stream)).await
}

async fn jobs(State(console): State<Console>, Extension(caller): Extension<Caller>) -> Response {
    answer(move || {
        let shown = console.applications.shown(&caller.scope).map_err(internal)?;
        Ok(json!({ "applications": shown }))
    })
    .await
}

/// Rooms wait for locks and disks, so they are asked on a thread that may.
async fn answer(work: impl FnOnce() -> Result<Value, Refusal> + Send + 'static) -> Response {
    let done = tokio::task::spawn_blocking(work).await;
    match done.unwrap_or_else(|stopped| Err(internal(stopped))) {
        Ok(answer) => Json(answer).into_response(),
        Err((status, code, message)) => (status, Json(json!({ "__type": code, "message": message }))).into_response(),
    }
}

fn internal(error: impl std::fmt::Display) -> Refusal {
    (StatusCode::INTERNAL_SERVER_ERROR, "InternalFailure", error.to_string())
}

impl Console {
    fn findings(&self, scope: &Scope) -> Result<Value, Refusal> {
        let vitals = self.examination.take(scope);
        let mut letters = Vec::new();
        for queue in self.dead_letters.list(scope).map_err(internal)?.into_iter().filter(|queue| queue.messages > 0) {
            let grew = vitals.queues.iter().find(|other| other.name == queue.name).map_or(0, |queue| queue.grew);
            // A queue that was deleted in between holds nothing.
            let messages = self.dead_letters.letters(scope, &queue.name, LETTERS_MAX).unwrap_or_default();
            letters.push(rules::Letters { queue, messages, grew });
        }
        let findings = rules::findings(&vitals, &letters);
        Ok(json!({ "healthy": findings.is_empty(), "findings": findings }))
    }

    fn hot_keys(&self, scope: &Scope, stream: &str) -> Result<Value, Refusal> {
        let unknown = |why| (StatusCode::NOT_FOUND, "ResourceNotFoundException", why);
        let shards = self.examination.hot_keys(scope, stream).map_err(unknown)?.into_iter().map(|(shard, keys)| {
            let keys: Vec<Value> = keys.into_iter().map(|hot| json!({ "key": hot.key, "share": hot.share })).collect();
            json!({ "shard": shard.to_string(), "keys": keys })
        });
        Ok(json!({ "shards": shards.collect::<Vec<_>>() }))
    }
}
