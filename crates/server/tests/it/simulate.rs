//! The whole pipeline in a seeded world: producers → log → SQL windows → log → lake, on a disk that fails and a process that
//! dies. An auditor holds the lake against what the log holds.
//!
//! `MILLRACE_SEEDS=5000 cargo test -p millrace simulate` runs more seeds; `MILLRACE_SEED=7` runs one.

use crate::sealed::{all_sealed, catalog, view};
use bytes::Bytes;
use futures::executor::block_on;
use millrace_base::{Disk, Scope};
use millrace_deliver::{
    Bucket, Buckets, BulkError, BulkIndex, Deliveries, DocumentOutcome, IndexDocument, LocalLake, ObjectStore, Runner,
    Transform, TransformError,
};
use millrace_log::{
    Commit, LocalLog, Log, LogOptions, LogParts, NewRecord, Shard, StreamInfo, StreamKey, StreamMode, StreamSpec,
    hash_key,
};
use millrace_process::connect::{Connectors, Environment};
use millrace_process::graph::JobGraph;
use millrace_process::{CheckpointStore, Job, Parts, Progress};
use millrace_schema::registry::Registry;
use millrace_schema::tables::Tables;
use millrace_sql::{Outcome, Session, SessionOptions};
use millrace_testkit::{Call, SimClock, SimDice, SimDisk};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

const SEEDS: u64 = 1_000;
const ACTIONS: u64 = 50;
const START: i64 = 1_769_846_700_000;
/// Out of order by at most this much, which is the watermark's bound: no event is late.
const JITTER_MS: u64 = 4_000;
const WINDOW_MS: u64 = 10_000;

const SQL: &str = "
SET 'parallelism.default' = '2';
CREATE TABLE orders (id BIGINT, k STRING, ts TIMESTAMP(3), v BIGINT, WATERMARK FOR ts AS ts - INTERVAL '4' SECOND)
WITH ('connector' = 'kinesis', 'stream' = 'orders', 'source.init.position' = 'TRIM_HORIZON', 'format' = 'json');
CREATE TABLE totals (window_start TIMESTAMP(3), k STRING, n BIGINT, total BIGINT)
WITH ('connector' = 'kinesis', 'stream' = 'totals', 'format' = 'json');
INSERT INTO totals SELECT window_start, k, COUNT(*), SUM(v)
FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end, k;
";

/// No delivery stream here has an index.
struct NoIndex;

#[async_trait::async_trait]
impl BulkIndex for NoIndex {
    async fn bulk(&self, _: &str, _: &str, _: &[IndexDocument]) -> Result<Vec<DocumentOutcome>, BulkError> {
        Err(BulkError("there is no index".to_owned()))
    }
}

/// Nor a function.
struct NoFunction;

#[async_trait::async_trait]
impl Transform for NoFunction {
    async fn transform(&self, lambda_arn: &str, _: bytes::Bytes) -> Result<bytes::Bytes, TransformError> {
        Err(TransformError::NotFound(lambda_arn.to_owned()))
    }
}

/// One process.
struct World {
    disk: SimDisk,
    /// What this process sees of it.
    shared: Arc<dyn Disk>,
    clock: SimClock,
    dice: Arc<SimDice>,
    log: Arc<LocalLog>,
    lake: Arc<LocalLake>,
    graph: Arc<JobGraph>,
    parts: millrace_deliver::Parts,
    job: Option<Job>,
    runners: Vec<Runner>,
}

/// What was put: its window, key and value, and whether the log acknowledged it.
struct Put {
    window: u64,
    key: u64,
    value: u64,
    acknowledged: bool,
}

pub(crate) fn stream(name: &str) -> StreamKey {
    StreamKey { scope: Scope::default(), name: name.into() }
}

fn graph() -> JobGraph {
    let mut session = Session::new(SessionOptions::default());
    let outcomes = millrace_sql::parse(SQL).unwrap().into_iter().map(|statement| session.execute(&statement).unwrap());
    let graphs = outcomes.filter_map(|outcome| if let Outcome::Job(graph) = outcome { Some(graph) } else { None });
    graphs.last().expect("the script has an INSERT")
}

impl World {
    fn new(seed: u64, dice: &Arc<SimDice>, graph: Arc<JobGraph>) -> Self {
        let world = Self::open(SimDisk::new(seed), SimClock::at(START), dice.clone(), graph.clone(), false);
        let bucket = Bucket { name: "lake".into(), scope: Scope::default(), created: START };
        Buckets::new(world.parts.catalog.clone()).create(&bucket).unwrap();
        for (name, shard_count) in [("orders", 2), ("totals", 1)] {
            let mode = StreamMode::Provisioned;
            let spec = StreamSpec { shard_count, mode, retention_hours: 24, record_kib_max: 1024 };
            world.log.create_stream(&stream(name), spec).unwrap();
            let definition = json!({
                "DeliveryStreamName": name,
                "DeliveryStreamType": "KinesisStreamAsSource",
                "KinesisStreamSourceConfiguration": {
                    "KinesisStreamARN": format!("arn:aws:kinesis:us-east-1:000000000000:stream/{name}"),
                    "RoleARN": "arn:aws:iam::000000000000:role/firehose",
                },
                "ExtendedS3DestinationConfiguration": {
                    "BucketARN": "arn:aws:s3:::lake",
                    "RoleARN": "arn:aws:iam::000000000000:role/firehose",
                    "Prefix": format!("{name}/"),
                    "BufferingHints": { "IntervalInSeconds": 20, "SizeInMBs": 1 },
                    "ProcessingConfiguration": {
                        "Enabled": true,
                        "Processors": [{ "Type": "AppendDelimiterToRecord" }],
                    },
                },
            });
            Deliveries::open(world.parts.clone()).create(&Scope::default(), definition).unwrap();
        }
        let (disk, clock) = (world.disk.clone(), world.clock.clone());
        // Two processes must never have the data open at once.
        drop(world);
        Self::open(disk, clock, dice.clone(), graph, true)
    }

    fn open(disk: SimDisk, clock: SimClock, dice: Arc<SimDice>, graph: Arc<JobGraph>, works: bool) -> Self {
        let shared = view(&disk);
        let catalog = catalog(&disk, Path::new("/data/catalog")).unwrap();
        let options = LogOptions { commit: Commit::Inline, segment_bytes: 64 << 10, ..LogOptions::default() };
        let log_parts = LogParts {
            clock: Arc::new(clock.clone()),
            disk: shared.clone(),
            catalog: catalog.clone(),
            dir: "/data/log".into(),
        };
        let log = LocalLog::open(log_parts, options).unwrap();
        let buckets = Buckets::new(catalog.clone());
        let lake = Arc::new(LocalLake::open(shared.clone(), Path::new("/data/lake"), buckets).unwrap());
        let parts = millrace_deliver::Parts {
            permits: Arc::new(millrace_deliver::Unlimited),
            observer: Arc::new(millrace_deliver::Unobserved),
            tables: Tables::new(catalog.clone()),
            registry: Registry::new(catalog.clone(), Arc::new(clock.clone()), Arc::new(SimDice::new(11))),
            catalog,
            log: log.clone(),
            store: lake.clone(),
            index: Arc::new(NoIndex),
            transform: Arc::new(NoFunction),
            clock: Arc::new(clock.clone()),
        };
        let mut world = Self { disk, shared, clock, dice, log, lake, graph, parts, job: None, runners: Vec::new() };
        if works {
            world.runners = ["orders", "totals"].map(|name| world.runner(name)).into();
            world.job = Some(world.open_job());
        }
        world
    }

    fn runner(&self, name: &str) -> Runner {
        let reload = Arc::new(AtomicBool::new(false));
        Runner::open(self.parts.clone(), &Scope::default(), name, reload).unwrap()
    }

    fn open_job(&self) -> Job {
        let disk = self.shared.clone();
        let environment = Environment {
            scope: Scope::default(),
            log: Some(self.log.clone()),
            disk: disk.clone(),
            clock: Arc::new(self.clock.clone()),
            dice: self.dice.clone(),
            job: "totals".into(),
        };
        let parts = Parts { environment, connectors: Connectors::default() };
        Job::open(&self.graph, parts, Some(CheckpointStore::new(disk, "/data/jobs"))).unwrap()
    }

    /// Runs the job for a while. One that failed is gone until the next process.
    fn process(&mut self, steps: u64, checkpoint: bool) {
        let Some(mut job) = self.job.take() else { return };
        for _ in 0..steps {
            match job.step() {
                Ok(Progress::Worked) => {}
                Ok(_) => break,
                Err(_) => return,
            }
        }
        if !checkpoint || job.checkpoint().is_ok() {
            self.job = Some(job);
        }
    }

    fn deliver(&mut self, steps: u64) {
        for runner in &mut self.runners {
            for _ in 0..steps {
                if !block_on(runner.step()).worked {
                    break;
                }
            }
        }
    }

    fn put(&self, dice: &SimDice, now_ms: u64, puts: &mut Vec<Put>) {
        let mut records = Vec::new();
        let first = puts.len();
        for _ in 0..1 + dice.below(6) {
            let (at, key, value) = (now_ms + dice.below(JITTER_MS), dice.below(3), dice.below(100));
            records.push(order(puts.len(), key, at, value, None));
            puts.push(Put { window: at / WINDOW_MS * WINDOW_MS, key, value, acknowledged: false });
        }
        let acknowledged = block_on(self.log.append(&stream("orders"), records, None)).is_ok();
        puts[first..].iter_mut().for_each(|put| put.acknowledged = acknowledged);
    }

    /// Splits, merges or scales a stream. A change that the disk fails is no matter of this simulation.
    fn reshard(&self, dice: &SimDice) {
        let names = ["orders", "orders", "totals"];
        let key = stream(names[dice.below(3) as usize]);
        let Ok(info) = self.log.stream(&key) else { return };
        let open = open(&info);
        let at = dice.below(open.len() as u64) as usize;
        let _ = match dice.below(3) {
            0 => self.log.split_shard(&key, open[at].id, open[at].range.start / 2 + open[at].range.end / 2),
            1 if at + 1 < open.len() => self.log.merge_shards(&key, open[at].id, open[at + 1].id),
            _ => self.log.set_shard_count(&key, 1 + dice.below(4) as u32),
        };
    }

    /// The process dies, with the machine or without, and a new one opens what is there.
    fn restart(self, power: bool) -> Self {
        let (disk, clock, dice, graph) = (self.disk.clone(), self.clock.clone(), self.dice.clone(), self.graph.clone());
        disk.die_after(1);
        drop(self);
        if power {
            disk.crash()
        } else {
            disk.kill()
        }
        Self::open(disk, clock, dice, graph, true)
    }

    /// The lines of all objects below a prefix.
    fn lines(&self, prefix: &str) -> Vec<Value> {
        let objects = block_on(self.lake.list("lake", prefix)).unwrap();
        let contents = objects.iter().map(|object| block_on(self.lake.get("lake", &object.key)).unwrap());
        contents.flat_map(|content| parse_lines(&content)).collect()
    }

    /// The ids that the log itself holds, each with how often.
    fn logged(&self) -> BTreeMap<u64, u32> {
        let mut found = BTreeMap::new();
        for shard in &self.log.stream(&stream("orders")).unwrap().shards {
            let mut reader = self.log.reader(&stream("orders"), shard.id, 0).unwrap();
            loop {
                let batch = reader.read(1000, 1 << 20).unwrap();
                if batch.records.is_empty() {
                    break;
                }
                for record in batch.records {
                    let order: Value = serde_json::from_slice(&record.data).unwrap();
                    *found.entry(order["id"].as_u64().unwrap()).or_default() += 1;
                }
            }
        }
        found
    }
}

/// The shards that take records, in order of their ranges.
fn open(info: &StreamInfo) -> Vec<&Shard> {
    let mut open: Vec<_> = info.shards.iter().filter(|shard| shard.closed.is_none()).collect();
    open.sort_by_key(|shard| shard.range.start);
    open
}

fn parse_lines(content: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(content).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn order(id: usize, key: u64, at_ms: u64, value: u64, shard: Option<u128>) -> NewRecord {
    let partition_key = Bytes::from(format!("k{key}"));
    let explicit_hash = shard.or_else(|| Some(hash_key(&partition_key)));
    let ts = timestamp(at_ms);
    let data = json!({ "id": id, "k": format!("k{key}"), "ts": ts, "v": value }).to_string();
    NewRecord { partition_key, explicit_hash, data: data.into() }
}

/// Milliseconds of one day as SQL writes them.
fn timestamp(at_ms: u64) -> String {
    let (hours, minutes) = (at_ms / 3_600_000, at_ms / 60_000 % 60);
    format!("2026-01-31 {hours:02}:{minutes:02}:{:02}.{:03}", at_ms / 1000 % 60, at_ms % 1000)
}

#[test]
fn lake_and_windows_hold_what_the_log_holds() {
    let setting = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let graph = Arc::new(graph());
    match setting("MILLRACE_SEED") {
        Some(seed) => run(seed, &graph),
        None => (0..setting("MILLRACE_SEEDS").unwrap_or(SEEDS)).for_each(|seed| run(seed, &graph)),
    }
}

fn run(seed: u64, graph: &Arc<JobGraph>) {
    let dice = Arc::new(SimDice::new(seed));
    let mut world = World::new(seed, &dice, graph.clone());
    let (mut puts, mut now_ms) = (Vec::new(), 3_600_000);
    for _ in 0..ACTIONS {
        match dice.below(15) {
            14 => world.reshard(&dice),
            0..=4 => {
                // Both shards move on in time, or the one that stands still would hold the windows back.
                now_ms += dice.below(3_000);
                world.put(&dice, now_ms, &mut puts);
            }
            5..=7 => world.process(dice.below(20), dice.one_in(2)),
            8..=9 => world.deliver(dice.below(12)),
            10 => drop(world.clock.advance(dice.below(30_000) as i64)),
            11 => world.disk.die_after(1 + dice.below(60)),
            12 if dice.one_in(3) => {
                let call = *dice.pick(&[Call::Write, Call::Sync, Call::SyncDir]);
                let nth = 1 + dice.below(8);
                let folder = *dice.pick(&["log", "jobs", "lake"]);
                world.disk.fail(call, nth, folder);
            }
            _ if dice.one_in(3) => world = world.restart(dice.one_in(2)),
            _ => {}
        }
    }
    world = world.restart(true);
    finish(seed, &mut world, now_ms);
    audit(seed, &world, &puts);
}

/// The day ends: an event far ahead in each shard closes every window, and everything comes to rest.
fn finish(seed: u64, world: &mut World, now_ms: u64) {
    let info = world.log.stream(&stream("orders")).unwrap();
    let end = |shard: &&Shard| order(usize::MAX >> 12, 9, now_ms + 3_600_000, 0, Some(shard.range.start));
    let ends = open(&info).iter().map(end).collect();
    block_on(world.log.append(&stream("orders"), ends, None)).unwrap();
    for _ in 0..3 {
        world.process(10_000, true);
        assert!(world.job.is_some(), "seed {seed}: the job failed on a healthy disk");
        world.deliver(500);
        world.clock.advance(61_000);
        world.deliver(500);
    }
}

fn audit(seed: u64, world: &World, puts: &[Put]) {
    let logged = world.logged();
    let mut expected: BTreeMap<(String, String), (u64, u64)> = BTreeMap::new();
    for (id, put) in puts.iter().enumerate() {
        let count = logged.get(&(id as u64)).copied().unwrap_or(0);
        assert!(count == 1 || (count == 0 && !put.acknowledged), "seed {seed}: order {id} is {count} times in the log");
        if count == 1 {
            let row = expected.entry((timestamp(put.window), format!("k{}", put.key))).or_default();
            *row = (row.0 + 1, row.1 + put.value);
        }
    }
    let mut delivered: BTreeMap<u64, u32> = BTreeMap::new();
    for order in world.lines("orders/") {
        *delivered.entry(order["id"].as_u64().unwrap()).or_default() += 1;
    }
    assert_eq!(delivered, logged, "seed {seed}: the lake differs from the log");
    let mut totals: BTreeMap<(String, String), (u64, u64)> = BTreeMap::new();
    for row in world.lines("totals/") {
        let text = |name: &str| row[name].as_str().unwrap().to_owned();
        let window = text("window_start");
        let window = if window.contains('.') { window } else { window + ".000" };
        let values = (row["n"].as_u64().unwrap(), row["total"].as_u64().unwrap());
        let twice = totals.insert((window, text("k")), values);
        assert!(twice.is_none(), "seed {seed}: {row} was delivered twice");
    }
    assert_eq!(totals, expected, "seed {seed}: the windows differ from the log");
}

#[test]
fn the_same_holds_when_everything_is_sealed() {
    let setting = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let graph = Arc::new(graph());
    all_sealed(|| match setting("MILLRACE_SEED") {
        Some(seed) => run(seed, &graph),
        None => (0..setting("MILLRACE_SEEDS").unwrap_or(SEEDS / 4)).for_each(|seed| run(seed, &graph)),
    });
}
