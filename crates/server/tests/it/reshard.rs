//! A job on its threads over a stream whose shards change under it: every key in order, every row once.
#![allow(clippy::disallowed_methods, reason = "threads and real time, where the driver is tested")]

use crate::simulate::stream;
use bytes::Bytes;
use futures::executor::block_on;
use millrace_base::{Disk, Scope, SystemClock};
use millrace_catalog::Catalog;
use millrace_log::{Commit, LocalLog, Log, LogOptions, LogParts, NewRecord, StreamMode, StreamSpec};
use millrace_process::connect::{Connectors, Environment};
use millrace_process::graph::JobGraph;
use millrace_process::{CheckpointStore, Job, JobError, Parts, RunOptions, Stop, run_job};
use millrace_sql::{Outcome, Session, SessionOptions};
use millrace_testkit::{SimDice, SimDisk};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const BATCHES: u64 = 400;
const KEYS: u64 = 16;

const SQL: &str = "
SET 'parallelism.default' = '3';
SET 'execution.checkpointing.interval' = '5 ms';
CREATE TABLE orders (k STRING, n BIGINT)
WITH ('connector' = 'kinesis', 'stream' = 'orders', 'source.init.position' = 'TRIM_HORIZON', 'format' = 'json');
CREATE TABLE copies (k STRING, n BIGINT) WITH ('connector' = 'kinesis', 'stream' = 'copies', 'format' = 'json');
INSERT INTO copies SELECT k, n FROM orders;
";

struct World {
    disk: SimDisk,
    log: Arc<LocalLog>,
    graph: JobGraph,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut session = Session::new(SessionOptions::default());
        let mut graph = JobGraph::default();
        for statement in millrace_sql::parse(SQL).unwrap() {
            if let Outcome::Job(job) = session.execute(&statement).unwrap() {
                graph = job;
            }
        }
        let disk = SimDisk::new(seed);
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let catalog = Catalog::open(&*shared, Path::new("/data/catalog")).unwrap();
        let options = LogOptions { commit: Commit::Inline, segment_bytes: 64 << 10, ..LogOptions::default() };
        let parts = LogParts { clock: Arc::new(SystemClock), disk: shared, catalog, dir: "/data/log".into() };
        let log = LocalLog::open(parts, options).unwrap();
        for (name, shard_count) in [("orders", 3), ("copies", 1)] {
            let mode = StreamMode::Provisioned;
            let spec = StreamSpec { shard_count, mode, retention_hours: 24, record_kib_max: 1024 };
            log.create_stream(&stream(name), spec).unwrap();
        }
        Self { disk, log, graph }
    }

    /// Opens the job and runs it on its threads.
    fn start(&self) -> (Stop, JoinHandle<Result<(), JobError>>) {
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        let environment = Environment {
            scope: Scope::default(),
            log: Some(self.log.clone()),
            disk: disk.clone(),
            clock: Arc::new(SystemClock),
            dice: Arc::new(SimDice::new(7)),
            job: "copies".into(),
        };
        let parts = Parts { environment, connectors: Connectors::default() };
        let job = Job::open(&self.graph, parts, Some(CheckpointStore::new(disk, "/data/jobs"))).unwrap();
        let stop = Stop::new();
        let its_stop = stop.clone();
        let run = move || run_job(job, RunOptions { stop: its_stop, report: &mut |_| {} }).map(|_| ());
        (stop, std::thread::spawn(run))
    }

    fn put(&self, batch: u64) {
        let record = |key: u64| NewRecord {
            partition_key: Bytes::from(format!("k{key}")),
            explicit_hash: None,
            data: json!({ "k": format!("k{key}"), "n": batch }).to_string().into(),
        };
        block_on(self.log.append(&stream("orders"), (0..KEYS).map(record).collect(), None)).unwrap();
    }

    /// By key, what was copied, in the order of the copies.
    fn copies(&self) -> BTreeMap<String, Vec<u64>> {
        let info = self.log.stream(&stream("copies")).unwrap();
        let mut reader = self.log.reader(&stream("copies"), info.shards[0].id, 0).unwrap();
        let mut found: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        loop {
            let batch = reader.read(10_000, 16 << 20).unwrap();
            if batch.records.is_empty() {
                return found;
            }
            for record in batch.records {
                let row: Value = serde_json::from_slice(&record.data).unwrap();
                found.entry(row["k"].as_str().unwrap().to_owned()).or_default().push(row["n"].as_u64().unwrap());
            }
        }
    }
}

#[test]
fn keys_keep_their_order_through_lanes_whose_shards_change() {
    for seed in 0..4 {
        let (world, dice) = (World::new(seed), SimDice::new(seed));
        let mut running = world.start();
        for batch in 0..BATCHES {
            world.put(batch);
            if dice.one_in(12) {
                world.log.set_shard_count(&stream("orders"), 1 + dice.below(6) as u32).unwrap();
            }
            if dice.one_in(60) {
                running.0.stop();
                running.1.join().unwrap().unwrap();
                running = world.start();
            }
            if dice.one_in(4) {
                std::thread::sleep(Duration::from_millis(dice.below(3)));
            }
        }
        let until = Instant::now() + Duration::from_secs(30);
        let is_done =
            |copies: &BTreeMap<String, Vec<u64>>| copies.values().map(Vec::len).sum::<usize>() as u64 >= BATCHES * KEYS;
        while !is_done(&world.copies()) && Instant::now() < until && !running.1.is_finished() {
            std::thread::sleep(Duration::from_millis(10));
        }
        running.0.stop();
        running.1.join().unwrap().unwrap();
        let copies = world.copies();
        assert_eq!(copies.len() as u64, KEYS);
        for (key, numbers) in copies {
            assert!(numbers.iter().copied().eq(0..BATCHES), "seed {seed}: {key} was copied as {numbers:?}");
        }
    }
}
