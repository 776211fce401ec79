//! What `millrace replay` asks of a server beside AWS's API: what a replay would read and write again, and how far it is.
//!
//! | route | answers |
//! | --- | --- |
//! | `GET /_millrace/applications/NAME/replay?snapshot=S` | [`ReplayPlan`] |
//! | `GET /_millrace/applications/NAME/readings` | [`Readings`] |

use super::snapshots::{Restorable, lost, stands};
use super::{Application, Applications, key};
use axum::Router;
use axum::extract::{Extension, Json, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use millrace_api::Caller;
use millrace_api::analytics::AnalyticsError;
use millrace_base::{Millis, Scope};
use millrace_log::{ReaderKind, StreamKey};
use millrace_process::graph::{ConnectorSpec, Operator};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a replay would do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReplayPlan {
    /// When the snapshot was taken.
    pub taken: Millis,
    /// Whether the application runs now.
    pub running: bool,
    /// What is read again, up to now.
    pub shards: Vec<PlannedShard>,
    /// What is written again.
    pub sinks: Vec<PlannedSink>,
    /// Why it cannot be done: what the retention has removed.
    pub lost: Option<String>,
}

/// A shard that is read again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedShard {
    /// The stream's name.
    pub stream: String,
    /// The shard's id.
    pub shard: String,
    /// The first index that is read again.
    pub from: u64,
    /// The index behind the last record that is there now.
    pub tail: u64,
    /// Whether the shard takes no records any more.
    pub closed: bool,
}

/// A table that is written again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedSink {
    /// Its name in the SQL.
    pub table: String,
    /// True when rows that were written before are overwritten; false when they are seen again.
    pub overwrites: bool,
    /// What happens, for people.
    pub effect: String,
}

/// How far an application's jobs are.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Readings {
    /// Whether it is to run.
    pub running: bool,
    /// Why a job does not run.
    pub failure: Option<String>,
    /// Every shard that is being read, by each job that reads it.
    pub readings: Vec<Reading>,
}

/// How far one job is in one shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// The stream's name.
    pub stream: String,
    /// The shard's id.
    pub shard: String,
    /// The index that is read next.
    pub next: u64,
}

#[derive(Debug, Deserialize)]
struct Asked {
    snapshot: String,
}

/// The routes.
pub fn router(applications: Arc<Applications>) -> Router {
    Router::new()
        .route("/_millrace/applications/{name}/replay", get(plan_replay))
        .route("/_millrace/applications/{name}/readings", get(readings))
        .with_state(applications)
}

async fn plan_replay(
    State(applications): State<Arc<Applications>>,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
    Extension(caller): Extension<Caller>,
) -> Response {
    answer(move || applications.plan_replay(&caller.scope, &name, &asked.snapshot)).await
}

async fn readings(
    State(applications): State<Arc<Applications>>,
    Path(name): Path<String>,
    Extension(caller): Extension<Caller>,
) -> Response {
    answer(move || applications.readings(&caller.scope, &name)).await
}

async fn answer<T: Serialize + Send + 'static>(
    work: impl FnOnce() -> Result<T, AnalyticsError> + Send + 'static,
) -> Response {
    let failed = |status: StatusCode, code: &str, message: String| {
        (status, Json(json!({ "__type": code, "message": message }))).into_response()
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(answer)) => Json(answer).into_response(),
        Ok(Err(AnalyticsError::NotFound(message))) => {
            failed(StatusCode::NOT_FOUND, "ResourceNotFoundException", message)
        }
        Ok(Err(AnalyticsError::Failed(message))) => {
            failed(StatusCode::INTERNAL_SERVER_ERROR, "InternalFailure", message)
        }
        Ok(Err(error)) => failed(StatusCode::BAD_REQUEST, "InvalidArgumentException", error.to_string()),
        Err(stopped) => failed(StatusCode::INTERNAL_SERVER_ERROR, "InternalFailure", stopped.to_string()),
    }
}

impl Applications {
    fn plan_replay(&self, scope: &Scope, name: &str, snapshot: &str) -> Result<ReplayPlan, AnalyticsError> {
        let application = self.known(scope, name)?;
        let taken = self.snapshot(scope, name, snapshot)?.created;
        let jobs = self.restorable(scope, &application, snapshot)?;
        let stands = stands(scope, &jobs);
        let gone = self.gone(&stands);
        let mut shards: BTreeMap<(StreamKey, u32), u64> = BTreeMap::new();
        for stand in &stands {
            let from = shards.entry((stand.stream.clone(), stand.shard.0)).or_insert(stand.position);
            *from = stand.position.min(*from);
        }
        Ok(ReplayPlan {
            taken,
            running: !application.stopped,
            shards: self.planned(&shards),
            sinks: sinks(&jobs),
            lost: (!gone.is_empty()).then(|| lost(name, snapshot, &gone)),
        })
    }

    /// The shards of a snapshot, and those that followed them since.
    fn planned(&self, from: &BTreeMap<(StreamKey, u32), u64>) -> Vec<PlannedShard> {
        let mut planned: BTreeMap<(StreamKey, u32), PlannedShard> = BTreeMap::new();
        let streams: std::collections::BTreeSet<&StreamKey> = from.keys().map(|(stream, _)| stream).collect();
        for stream in streams {
            let Ok(info) = self.log.stream(stream) else { continue };
            for shard in &info.shards {
                let Ok(bounds) = self.log.bounds(stream, shard.id) else { continue };
                let key = (stream.clone(), shard.id.0);
                let mut parents = shard.parent.iter().chain(&shard.adjacent_parent);
                let follows = parents.any(|parent| planned.contains_key(&(stream.clone(), parent.0)));
                let Some(first) = from.get(&key).copied().or(follows.then_some(bounds.trim)) else { continue };
                planned.insert(
                    key,
                    PlannedShard {
                        stream: stream.name.to_string(),
                        shard: shard.id.to_string(),
                        from: first.max(bounds.trim),
                        tail: bounds.tail,
                        closed: shard.closed.is_some(),
                    },
                );
            }
        }
        planned.into_values().collect()
    }

    fn readings(&self, scope: &Scope, name: &str) -> Result<Readings, AnalyticsError> {
        let application: Application = self.known(scope, name)?;
        let key = key(scope, name);
        let failure = self.running.lock().get(&key).and_then(|jobs| jobs.iter().find_map(|job| job.failure()));
        let prefix = format!("{key}/{}/", application.generation);
        let its = |reading: &millrace_log::Reading| {
            reading.reader.kind == ReaderKind::Application && reading.reader.name.starts_with(&prefix)
        };
        let shown = |reading: millrace_log::Reading| Reading {
            stream: reading.stream.name.to_string(),
            shard: reading.shard.to_string(),
            next: reading.next,
        };
        let readings = self.log.readership().list().into_iter().filter(its).map(shown).collect();
        Ok(Readings { running: !application.stopped, failure, readings })
    }
}

fn sinks(jobs: &[Restorable]) -> Vec<PlannedSink> {
    let nodes = jobs.iter().flat_map(|job| &job.graph.nodes);
    let tables = nodes.filter_map(|node| match &node.operator {
        Operator::Sink(table) => Some(table),
        _ => None,
    });
    tables.map(effect).collect()
}

fn effect(table: &ConnectorSpec) -> PlannedSink {
    let option = |name: &str| table.options.get(name).map_or("?", String::as_str);
    let (overwrites, effect) = match table.connector.as_str() {
        "opensearch" if !table.primary_key.is_empty() => {
            (true, format!("index {}: documents are overwritten by their primary key", option("index")))
        }
        "opensearch" => {
            (false, format!("index {}: rows are added again, because the table has no PRIMARY KEY", option("index")))
        }
        "kinesis" => {
            let stream = table.options.get("stream").or(table.options.get("stream.arn")).map_or("?", String::as_str);
            (false, format!("stream {stream}: its readers see the rows since the snapshot again"))
        }
        "filesystem" => {
            (false, format!("files in {}: rows are written again, beside those that are there", option("path")))
        }
        "blackhole" => (true, "nothing is kept".to_owned()),
        other => (false, format!("{other}: rows are written again")),
    };
    PlannedSink { table: table.table.clone(), overwrites, effect }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_what_would_be_seen_again() {
        let table = |connector: &str, primary_key: Vec<usize>| ConnectorSpec {
            table: "t".to_owned(),
            connector: connector.to_owned(),
            options: BTreeMap::from([("index".to_owned(), "i".to_owned()), ("stream".to_owned(), "s".to_owned())]),
            fields: Vec::new(),
            metadata: Vec::new(),
            partition_by: Vec::new(),
            primary_key,
        };
        assert!(effect(&table("opensearch", vec![0])).overwrites);
        assert!(!effect(&table("opensearch", Vec::new())).overwrites);
        assert!(effect(&table("kinesis", Vec::new())).effect.contains("stream s: its readers see"));
    }
}
