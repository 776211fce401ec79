//! What `millrace doctor` asks of a server: the figures that tell whether something is wrong, and with what.
//!
//! | route | answers |
//! | --- | --- |
//! | `GET /_millrace/vitals` | [`Vitals`] of the caller's account and region |

use super::ages::Behind;
use super::analytics::application_of;
use super::hot_keys::HotKey;
use super::lambda::FunctionError;
use super::{Lookout, Space, space};
use axum::Router;
use axum::extract::{Extension, Json, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use millrace_api::Caller;
use millrace_base::{Millis, Scope, ShardId};
use millrace_functions::{FunctionKey, Functions, Mappings};
use millrace_log::{ReaderKind, StreamKey};
use millrace_watch::{MetricKey, Metrics, Stat, Summary};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// How far back counts go.
pub const LATELY_MS: Millis = 300_000;

/// So many keys of a shard are told.
const HOT_KEYS: usize = 10;

/// The rooms behind the route.
#[derive(Clone)]
pub struct Examination {
    /// Who looks once a second; none when nothing is counted.
    pub lookout: Option<Arc<Lookout>>,
    /// Event source mappings.
    pub mappings: Mappings,
    /// Functions.
    pub functions: Functions,
    /// Streams that could not be opened, and why.
    pub damaged: Arc<Vec<(StreamKey, String)>>,
    /// Whether AWS's quotas are kept.
    pub quotas: bool,
}

/// Figures of a running server.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Vitals {
    /// The time by the server's clock.
    pub now: Millis,
    /// False when the server was started with `--telemetry off`, and most of this is unknown.
    pub counted: bool,
    /// Whether AWS's quotas of a shard are kept.
    pub quotas: bool,
    /// The data folder.
    pub data: String,
    /// The room on its disk.
    pub disk: Option<Space>,
    /// Streams that cannot be used, and why.
    pub damaged: Vec<(String, String)>,
    /// Why nothing can be written to queues any more.
    pub queues_shut: Option<String>,
    /// Those who read streams inside the server.
    pub readers: Vec<ReaderVitals>,
    /// Shards whose quota was used up lately.
    pub throttled: Vec<ThrottledShard>,
    /// Puts that failed lately, by stream, for reasons other than quotas and schemas.
    pub failed_puts: Vec<(String, u64)>,
    /// Streams whose records broke the contract with their schema lately.
    #[serde(default)]
    pub unlike: Vec<UnlikeVitals>,
    /// Batches of event source mappings that are tried again and again.
    pub stuck: Vec<StuckVitals>,
    /// Event source mappings whose last result is a problem.
    pub mappings: Vec<MappingVitals>,
    /// Functions that read streams, or failed lately.
    pub functions: Vec<FunctionVitals>,
    /// Delivery streams.
    pub deliveries: Vec<DeliveryVitals>,
    /// Jobs of applications.
    pub jobs: Vec<JobVitals>,
    /// Bulk requests that the index refused lately with status 429, and answers of its API with 5xx.
    pub search: (u64, u64),
    /// Queues that hold messages: how many, the age of the oldest, and by how many they grew lately.
    pub queues: Vec<QueueVitals>,
}

/// Somebody who reads a shard.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ReaderVitals {
    /// `function`, `delivery` or `application`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The mapping's id.
    pub mapping: Option<String>,
    /// The registered consumer that it reads as.
    pub consumer: Option<String>,
    /// Of what.
    pub stream: String,
    /// Which shard.
    pub shard: String,
    /// Records that are not done.
    pub records: u64,
    /// The age of the oldest of them.
    pub age_ms: Millis,
    /// For how long it has not moved.
    pub still_ms: Millis,
    /// Why its shard cannot be read.
    pub damage: Option<String>,
}

/// A shard whose quota was used up.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ThrottledShard {
    /// The stream.
    pub stream: String,
    /// The shard's id.
    pub shard: String,
    /// Records that were refused in the last one or two minutes.
    pub records: u64,
    /// The keys that it gets most of, with their share of its bytes, from 0 to 1.
    pub hot_keys: Vec<(String, f64)>,
    /// How many open shards the stream has.
    pub shards: usize,
}

/// Records that do not conform to their stream's schema.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct UnlikeVitals {
    /// The stream.
    pub stream: String,
    /// How many lately.
    pub records: u64,
    /// Whether they were taken with a warning; else they were refused.
    #[serde(default)]
    pub is_warning: bool,
    /// The schema: `REGISTRY/NAME`; none when the last one was before the server's start.
    pub schema: Option<String>,
    /// Why the last one does not conform.
    pub reason: Option<String>,
}

/// A batch that is tried again and again.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StuckVitals {
    /// The mapping's id.
    pub mapping: String,
    /// Its function.
    pub function: String,
    /// The shard's id.
    pub shard: String,
    /// The position of the first record.
    pub first: u64,
    /// How many records.
    pub records: usize,
    /// Tries in vain.
    pub tries: u32,
    /// For how long.
    pub for_ms: Millis,
    /// Whether the function failed; else it was not reached.
    pub failed: bool,
    /// Why.
    pub reason: String,
}

/// An event source mapping.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MappingVitals {
    /// Its id.
    pub uuid: String,
    /// Its function.
    pub function: String,
    /// Its source's ARN.
    pub source: String,
    /// `LastProcessingResult`.
    pub last_result: String,
    /// How long it gathers records, at the most.
    pub gathers_secs: u64,
    /// `ParallelizationFactor`.
    pub parallelization: u64,
    /// Whether it halves a batch that fails.
    pub bisects: bool,
    /// Where goes what it gives up.
    pub on_failure: Option<String>,
}

/// A function.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FunctionVitals {
    /// Its name.
    pub name: String,
    /// Calls lately.
    pub invocations: u64,
    /// Calls that failed.
    pub errors: u64,
    /// What the last call that failed since the server's start failed with.
    #[serde(default)]
    pub last_error: Option<FunctionError>,
    /// Calls that were refused.
    pub throttles: u64,
    /// How long half of the calls take at the most, in milliseconds.
    pub p50_ms: Option<f64>,
    /// How long 99 of 100 calls take at the most, in milliseconds.
    pub p99_ms: Option<f64>,
    /// Records of asynchronous invocations that could not be delivered lately.
    pub undelivered: u64,
}

/// A delivery stream.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DeliveryVitals {
    /// Its name.
    pub name: String,
    /// The age of the oldest record that is read and not delivered, in milliseconds.
    pub freshness_ms: Millis,
    /// Its buffer's interval.
    pub interval_secs: u64,
    /// What it fails with.
    pub error: Option<String>,
    /// Tries that failed since the server started.
    pub retries: u64,
    /// Documents that the index refused with status 429 since the server started.
    pub rejected: u64,
    /// Records that could not be converted or processed, lately.
    pub unconverted: u64,
    /// Why the last of them could not be.
    #[serde(default)]
    pub unconverted_reason: Option<String>,
    /// Records written to the error prefix since the server started.
    pub failed: u64,
}

/// A job of an application.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct JobVitals {
    /// The application.
    pub application: String,
    /// The job's id.
    pub job: String,
    /// Why it does not run.
    pub failure: Option<String>,
    /// Whether that is a checkpoint that fails.
    pub is_checkpoint: bool,
    /// Checkpoints that failed since the server started.
    pub failed_checkpoints: u64,
    /// Times that it began again since the server started.
    pub restarts: u64,
}

/// A queue.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct QueueVitals {
    /// Its name.
    pub name: String,
    /// Messages that wait.
    pub visible: u64,
    /// By how many it grew lately.
    pub grew: i64,
}

/// The route.
pub fn router(examination: Examination) -> Router {
    Router::new().route("/_millrace/vitals", get(vitals)).with_state(examination)
}

async fn vitals(State(examination): State<Examination>, Extension(caller): Extension<Caller>) -> Response {
    match tokio::task::spawn_blocking(move || examination.take(&caller.scope)).await {
        Ok(vitals) => Json(vitals).into_response(),
        Err(stopped) => {
            let error = json!({ "__type": "InternalFailure", "message": stopped.to_string() });
            (StatusCode::INTERNAL_SERVER_ERROR, Json(error)).into_response()
        }
    }
}

impl Examination {
    /// The figures of an account and region.
    pub fn take(&self, scope: &Scope) -> Vitals {
        let of_scope = |(stream, why): &(StreamKey, String)| {
            (stream.scope == *scope).then(|| (stream.name.to_string(), why.clone()))
        };
        let damaged = self.damaged.iter().filter_map(of_scope).collect();
        let mappings = self.mappings(scope);
        let Some(lookout) = &self.lookout else {
            return Vitals { damaged, mappings, quotas: self.quotas, ..Vitals::default() };
        };
        let (rooms, metrics) = (&lookout.rooms, &lookout.meters.metrics);
        let now = rooms.clock.now();
        let lately = Lately { metrics, scope, now };
        lookout.meters.functions.keep_stuck(|mapping| mappings.iter().any(|other| other.uuid == mapping));
        let readers: Vec<ReaderVitals> = lookout
            .ages
            .readers()
            .into_iter()
            .filter(|behind| behind.reading.stream.scope == *scope)
            .map(|behind| reader(behind, now))
            .collect();
        Vitals {
            now,
            counted: true,
            quotas: self.quotas,
            data: rooms.data.display().to_string(),
            disk: space(&rooms.data),
            damaged,
            queues_shut: rooms.queues.healthy().err().map(|error| error.to_string()),
            throttled: throttled(lookout, scope),
            failed_puts: lately.failed_puts(&rooms.log.streams(scope)),
            unlike: unlike(lookout, scope, &lately),
            stuck: stuck(lookout, scope, now),
            functions: self.function_vitals(lookout, scope, &lately),
            deliveries: deliveries(lookout, scope, &lately),
            jobs: jobs(lookout, scope),
            search: (lately.search("ThreadpoolWriteRejected"), lately.search("5xx")),
            queues: queues(lookout, scope, &lately),
            readers,
            mappings,
        }
    }

    /// The hottest keys of each open shard of a stream, with their shares of its bytes in the last one or two minutes.
    pub fn hot_keys(&self, scope: &Scope, stream: &str) -> Result<Vec<(ShardId, Vec<HotKey>)>, String> {
        let uncounted = || "nothing is counted: the server runs with --telemetry off".to_owned();
        let lookout = self.lookout.as_ref().ok_or_else(uncounted)?;
        let key = StreamKey { scope: scope.clone(), name: stream.into() };
        let info = lookout.rooms.log.stream(&key).map_err(|error| error.to_string())?;
        let (sketches, now) = (lookout.meters.streams.hot_keys(), lookout.rooms.clock.now());
        let open = info.shards.iter().filter(|shard| shard.closed.is_none());
        let found = open.map(|shard| {
            let keys = sketches.of(&key, shard.id, now).into_iter();
            (shard.id, keys.take(HOT_KEYS).collect())
        });
        Ok(found.collect())
    }

    fn mappings(&self, scope: &Scope) -> Vec<MappingVitals> {
        let (mut all, mut marker) = (Vec::new(), None::<String>);
        // A catalog that cannot be read is told by every other call.
        while let Ok(page) = self.mappings.list(scope, None, None, marker.as_deref(), None) {
            all.extend(page.mappings.iter().map(mapping));
            match page.next_marker {
                Some(next) => marker = Some(next),
                None => break,
            }
        }
        all
    }

    fn function_vitals(&self, lookout: &Lookout, scope: &Scope, lately: &Lately<'_>) -> Vec<FunctionVitals> {
        let (functions, _) = self.functions.list(scope, false, None, usize::MAX);
        let names = functions.iter().map(|function| text(function, "/FunctionName"));
        let called =
            names.map(|name| lately.function(name)).filter(|function| function.invocations + function.throttles > 0);
        let told = called.map(|function| {
            let key = FunctionKey { scope: scope.clone(), name: function.name.as_str().into() };
            FunctionVitals { last_error: lookout.meters.functions.last_error(&key), ..function }
        });
        told.collect()
    }
}

fn text(value: &Value, place: &str) -> String {
    value.pointer(place).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn mapping(mapping: &Value) -> MappingVitals {
    let number = |place: &str| mapping.pointer(place).and_then(Value::as_u64).unwrap_or(0);
    let function = text(mapping, "/FunctionArn");
    MappingVitals {
        uuid: text(mapping, "/UUID"),
        function: function.split(':').nth(6).unwrap_or_default().to_owned(),
        source: text(mapping, "/EventSourceArn"),
        last_result: text(mapping, "/LastProcessingResult"),
        gathers_secs: number("/MaximumBatchingWindowInSeconds") + number("/TumblingWindowInSeconds"),
        parallelization: number("/ParallelizationFactor"),
        bisects: mapping.pointer("/BisectBatchOnFunctionError").and_then(Value::as_bool) == Some(true),
        on_failure: Some(text(mapping, "/DestinationConfig/OnFailure/Destination")).filter(|arn| !arn.is_empty()),
    }
}

fn reader(behind: Behind, now: Millis) -> ReaderVitals {
    let Behind { reading, records, age_ms, moved, damage, .. } = behind;
    let (kind, name) = match reading.reader.kind {
        ReaderKind::Function => ("function", reading.reader.name.to_string()),
        ReaderKind::Delivery => ("delivery", reading.reader.name.to_string()),
        ReaderKind::Application => {
            let name = application_of(&reading.reader.name).map(|(_, name)| name);
            ("application", name.unwrap_or_else(|| reading.reader.name.to_string()))
        }
    };
    ReaderVitals {
        kind: kind.to_owned(),
        name,
        mapping: reading.reader.mapping.map(|mapping| mapping.to_string()),
        consumer: reading.reader.consumer.map(|consumer| consumer.to_string()),
        stream: reading.stream.name.to_string(),
        shard: reading.shard.to_string(),
        records,
        age_ms,
        still_ms: (now - moved).max(0),
        damage,
    }
}

fn throttled(lookout: &Lookout, scope: &Scope) -> Vec<ThrottledShard> {
    let (streams, now) = (&lookout.meters.streams, lookout.rooms.clock.now());
    let found = streams.throttled_lately().into_iter().filter(|(stream, ..)| stream.scope == *scope);
    let shown = found.map(|(stream, shard, records)| ThrottledShard {
        records,
        shard: shard.to_string(),
        hot_keys: streams
            .hot_keys()
            .of(&stream, shard, now)
            .into_iter()
            .take(3)
            .map(|hot| (hot.key, hot.share))
            .collect(),
        shards: lookout
            .rooms
            .log
            .stream(&stream)
            .map_or(0, |info| info.shards.iter().filter(|shard| shard.closed.is_none()).count()),
        stream: stream.name.to_string(),
    });
    shown.collect()
}

fn unlike(lookout: &Lookout, scope: &Scope, lately: &Lately<'_>) -> Vec<UnlikeVitals> {
    let streams = lookout.rooms.log.streams(scope).into_iter();
    let each = streams.flat_map(|name| [(name.clone(), false), (name, true)]);
    let shown = each.filter_map(|(name, is_warning)| {
        let records = lately.unlike(&name, is_warning) as u64;
        let key = StreamKey { scope: scope.clone(), name };
        let (schema, reason) = lookout.meters.streams.last_unlike(&key, !is_warning).unzip();
        let stream = key.name.to_string();
        (records > 0).then_some(UnlikeVitals { stream, records, is_warning, schema, reason })
    });
    shown.collect()
}

fn stuck(lookout: &Lookout, scope: &Scope, now: Millis) -> Vec<StuckVitals> {
    let found = lookout.meters.functions.stuck().into_iter().filter(|stuck| stuck.function.scope == *scope);
    let shown = found.map(|stuck| StuckVitals {
        mapping: stuck.mapping,
        function: stuck.function.name.to_string(),
        shard: stuck.shard,
        first: stuck.range.0,
        records: stuck.records,
        tries: stuck.tries,
        for_ms: (now - stuck.since).max(0),
        failed: stuck.failed,
        reason: stuck.reason,
    });
    shown.collect()
}

fn deliveries(lookout: &Lookout, scope: &Scope, lately: &Lately<'_>) -> Vec<DeliveryVitals> {
    let (rejected, unconverted) = (lookout.meters.deliveries.rejected(), lookout.meters.deliveries.unconverted());
    let running = lookout.rooms.deliveries.running().into_iter().filter(|running| running.scope == *scope);
    let shown = running.map(|running| {
        let stats = running.stats;
        let definition = lookout.rooms.deliveries.get(scope, &running.name);
        let interval_secs = definition.ok().and_then(|stream| stream.definition.interval_secs()).unwrap_or(300);
        let name = [("DeliveryStreamName", running.name.as_str())];
        DeliveryVitals {
            freshness_ms: stats.oldest_pending.map_or(0, |arrival| (lately.now - arrival).max(0)),
            interval_secs,
            error: stats.last_error,
            retries: stats.retries,
            rejected: rejected.get(&(scope.clone(), running.name.clone())).copied().unwrap_or(0),
            unconverted: lately.sum("AWS/Firehose", "FailedConversion.Records", name) as u64,
            unconverted_reason: unconverted.get(&(scope.clone(), running.name.clone())).cloned(),
            failed: stats.records_failed,
            name: running.name,
        }
    });
    shown.collect()
}

fn jobs(lookout: &Lookout, scope: &Scope) -> Vec<JobVitals> {
    let found = lookout.meters.applications.jobs().into_iter().filter_map(|(job, state)| {
        let (owner, application) = application_of(&job)?;
        (owner == *scope).then_some(JobVitals {
            application,
            job,
            failure: state.failure,
            is_checkpoint: state.is_checkpoint,
            failed_checkpoints: state.failed_checkpoints,
            restarts: state.restarts,
        })
    });
    found.collect()
}

fn queues(lookout: &Lookout, scope: &Scope, lately: &Lately<'_>) -> Vec<QueueVitals> {
    let counts = lookout.rooms.queues.all_counts().into_iter();
    let held = counts.filter(|(key, counts)| key.scope == *scope && counts.depth.visible > 0);
    let shown = held.map(|(key, counts)| {
        let visible = counts.depth.visible as u64;
        let name = [("QueueName", &*key.name)];
        let before = lately.summary("AWS/SQS", "ApproximateNumberOfMessagesVisible", name);
        let least = if before.is_empty() { visible as f64 } else { before.statistics.min };
        QueueVitals { name: key.name.to_string(), visible, grew: visible as i64 - least as i64 }
    });
    shown.collect()
}

/// Metrics of the last minutes.
struct Lately<'a> {
    metrics: &'a Metrics,
    scope: &'a Scope,
    now: Millis,
}

impl Lately<'_> {
    fn summary<'b>(
        &self,
        namespace: &str,
        name: &str,
        dimensions: impl IntoIterator<Item = (&'b str, &'b str)>,
    ) -> Summary {
        let key = MetricKey::new(self.scope, namespace, name, dimensions);
        let mut all = Summary::default();
        for (_, summary) in self.metrics.summaries(&key, None, self.now - LATELY_MS..self.now + 1, 1_000) {
            all.merge(&summary);
        }
        all
    }

    fn sum<'b>(&self, namespace: &str, name: &str, dimensions: impl IntoIterator<Item = (&'b str, &'b str)>) -> f64 {
        self.summary(namespace, name, dimensions).statistics.sum
    }

    fn function(&self, name: String) -> FunctionVitals {
        let of = |metric: &str| self.summary("AWS/Lambda", metric, [("FunctionName", name.as_str())]);
        let durations = of("Duration");
        let percentile = |stat: &str| stat.parse::<Stat>().ok().and_then(|stat| stat.of(&durations));
        let undelivered = of("DeadLetterErrors").statistics.sum + of("DestinationDeliveryFailures").statistics.sum;
        FunctionVitals {
            invocations: of("Invocations").statistics.sum as u64,
            errors: of("Errors").statistics.sum as u64,
            last_error: None,
            throttles: of("Throttles").statistics.sum as u64,
            p50_ms: percentile("p50"),
            p99_ms: percentile("p99"),
            undelivered: undelivered as u64,
            name,
        }
    }

    /// Records that a stream's schema refused, or warned of.
    fn unlike(&self, stream: &str, is_warning: bool) -> f64 {
        let metric = if is_warning { "SchemaWarnedRecords" } else { "SchemaRefusedRecords" };
        self.sum("Millrace/Kinesis", metric, [("StreamName", stream)])
    }

    fn failed_puts(&self, streams: &[Arc<str>]) -> Vec<(String, u64)> {
        let failed = streams.iter().map(|stream| {
            let of = |metric: &str| self.summary("AWS/Kinesis", metric, [("StreamName", &**stream)]).statistics;
            let single = of("PutRecord.Success");
            let throttled = of("WriteProvisionedThroughputExceeded").sum - of("PutRecords.ThrottledRecords").sum;
            let failed = of("PutRecords.FailedRecords").sum + (single.count - single.sum - throttled).max(0.0);
            (stream.to_string(), (failed - self.unlike(stream, false)).max(0.0) as u64)
        });
        failed.filter(|(_, failed)| *failed > 0).collect()
    }

    /// All domains tell the same figures of the one index.
    fn search(&self, metric: &str) -> u64 {
        let domains = self.metrics.list(self.scope, |key| &*key.namespace == "AWS/ES" && &*key.name == metric);
        let sums: BTreeSet<u64> = domains
            .iter()
            .map(|key| {
                let dimensions = key.dimensions.iter().map(|(name, value)| (&**name, &**value));
                self.sum("AWS/ES", metric, dimensions) as u64
            })
            .collect();
        sums.last().copied().unwrap_or(0)
    }
}
