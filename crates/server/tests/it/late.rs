//! Jobs over the log: late rows kept exactly once whatever dies, shards that fall silent, stopping, and idleness.
#![allow(clippy::disallowed_methods, reason = "threads and real time, where the driver is tested")]

use crate::simulate::stream;
use bytes::Bytes;
use futures::executor::block_on;
use millrace_base::{Clock, Disk, Scope, ShardId, SystemClock};
use millrace_catalog::Catalog;
use millrace_log::{Commit, LocalLog, Log, LogOptions, LogParts, NewRecord, Producer, StreamMode, StreamSpec};
use millrace_process::connect::{Connectors, Environment};
use millrace_process::graph::JobGraph;
use millrace_process::{CheckpointStore, Counters, Job, Parts, Progress, RunOptions, Stop, run_job};
use millrace_sql::{Outcome, Session, SessionOptions};
use millrace_testkit::{SimClock, SimDice, SimDisk};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const BATCHES: u64 = 40;
const BATCH_ROWS: u64 = 10;

const SQL: &str = "
SET 'table.exec.source.idle-timeout' = '30 s';
SET 'execution.checkpointing.interval' = '10 ms';
CREATE TABLE orders (id BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '2' SECOND)
WITH ('connector' = 'kinesis', 'stream' = 'orders', 'source.init.position' = 'TRIM_HORIZON', 'format' = 'json');
CREATE TABLE totals (window_start TIMESTAMP(3), n BIGINT, ids BIGINT)
WITH ('connector' = 'kinesis', 'stream' = 'totals', 'format' = 'json');
CREATE TABLE late (id BIGINT, ts TIMESTAMP(3)) WITH ('connector' = 'kinesis', 'stream' = 'late', 'format' = 'json');
SET 'table.exec.late-events.sink' = 'late';
INSERT INTO totals SELECT window_start, COUNT(*), SUM(id)
FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end;
";

/// What outlives a process.
struct World {
    disk: SimDisk,
    clock: Arc<dyn Clock>,
    graph: JobGraph,
}

type Failed = Box<dyn std::error::Error>;

impl World {
    fn new(seed: u64, clock: Arc<dyn Clock>, shard_count: u32) -> Self {
        let mut session = Session::new(SessionOptions::default());
        let mut graph = JobGraph::default();
        for statement in millrace_sql::parse(SQL).unwrap() {
            if let Outcome::Job(job) = session.execute(&statement).unwrap() {
                graph = job;
            }
        }
        let world = Self { disk: SimDisk::new(seed), clock, graph };
        let log = world.log().unwrap();
        for (name, shard_count) in [("orders", shard_count), ("totals", 1), ("late", 1)] {
            let mode = StreamMode::Provisioned;
            let spec = StreamSpec { shard_count, mode, retention_hours: 24, record_kib_max: 1024 };
            log.create_stream(&stream(name), spec).unwrap();
        }
        world
    }

    fn log(&self) -> Result<Arc<LocalLog>, Failed> {
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        let catalog = Catalog::open(&*disk, Path::new("/data/catalog"))?;
        let options = LogOptions { commit: Commit::Inline, segment_bytes: 16 << 10, ..LogOptions::default() };
        let parts = LogParts { clock: self.clock.clone(), disk, catalog, dir: "/data/log".into() };
        Ok(LocalLog::open(parts, options)?)
    }

    fn job(&self, log: &Arc<LocalLog>) -> Result<Job, Failed> {
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        let environment = Environment {
            scope: Scope::default(),
            log: Some(log.clone()),
            disk: disk.clone(),
            clock: self.clock.clone(),
            dice: Arc::new(SimDice::new(7)),
            job: "totals".into(),
        };
        let parts = Parts { environment, connectors: Connectors::default() };
        Ok(Job::open(&self.graph, parts, Some(CheckpointStore::new(disk, "/data/jobs")))?)
    }

    /// One process: puts what is missing, processes, and ends when all is done and nothing is under way.
    fn live(&self, dice: &SimDice, put: &mut u64) -> Result<(), Failed> {
        let log = self.log()?;
        let mut job = self.job(&log)?;
        loop {
            if *put <= BATCHES && dice.one_in(2) {
                append(&log, *put, batch(*put))?;
                *put += 1;
            }
            match job.step()? {
                Progress::Idle if *put > BATCHES => return Ok(job.checkpoint()?),
                _ if dice.one_in(3) => job.checkpoint()?,
                _ => {}
            }
        }
    }
}

/// The rows of one put: every seventh is half a minute behind. The last put closes all windows.
fn batch(nth: u64) -> Vec<NewRecord> {
    if nth == BATCHES {
        return vec![order(1_000_000, 3_600, 0)];
    }
    let row = |id: u64| order(id, if id % 7 == 3 { (id / 4).saturating_sub(30) } else { id / 4 }, 0);
    (nth * BATCH_ROWS..(nth + 1) * BATCH_ROWS).map(row).collect()
}

fn order(id: u64, second: u64, hash: u128) -> NewRecord {
    let ts = format!("2026-01-31 {:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60);
    let data = json!({ "id": id, "ts": ts }).to_string();
    NewRecord { partition_key: Bytes::from_static(b"k"), explicit_hash: Some(hash), data: data.into() }
}

/// Appends once, however often it is tried.
fn append(log: &Arc<LocalLog>, nth: u64, records: Vec<NewRecord>) -> Result<(), Failed> {
    let producer = Producer { id: "shop".into(), epoch: nth + 1 };
    block_on(log.append(&stream("orders"), records, Some(producer)))?;
    Ok(())
}

/// What a stream with one shard holds, sorted.
fn rows(log: &Arc<LocalLog>, name: &str) -> Vec<Value> {
    let mut reader = log.reader(&stream(name), ShardId(0), 0).unwrap();
    let mut found = Vec::new();
    loop {
        let batch = reader.read(1000, 1 << 20).unwrap();
        if batch.records.is_empty() {
            found.sort_by_key(Value::to_string);
            return found;
        }
        found.extend(batch.records.iter().map(|record| serde_json::from_slice::<Value>(&record.data).unwrap()));
    }
}

fn still() -> Arc<dyn Clock> {
    Arc::new(SimClock::at(1_769_846_700_000))
}

#[test]
fn late_rows_are_kept_exactly_once_whatever_dies() {
    let calm = World::new(0, still(), 1);
    calm.live(&SimDice::new(0), &mut 0).unwrap();
    let log = calm.log().unwrap();
    let (totals, late) = (rows(&log, "totals"), rows(&log, "late"));
    let counted: u64 = totals.iter().map(|row| row["n"].as_u64().unwrap()).sum();
    assert_eq!(counted + late.len() as u64, BATCHES * BATCH_ROWS, "the row that closes the windows is in none yet");
    assert!(late.len() > 30, "{late:?}");
    let mut deaths = 0;
    let seeds = std::env::var("MILLRACE_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(40);
    for seed in 0..seeds {
        let (world, dice) = (World::new(seed, still(), 1), SimDice::new(seed));
        let (mut put, mut lives) = (0, 0_u64);
        loop {
            // Every life is longer than the one before, so that one of them reaches the end.
            world.disk.die_after(1 + dice.below(60 + 40 * lives));
            let lived = world.live(&dice, &mut put);
            world.disk.crash();
            let Err(error) = lived else { break };
            lives += 1;
            assert!(lives < 200, "seed {seed}: no life reaches the end: {error}");
        }
        deaths += lives;
        world.disk.die_after(u64::MAX);
        let log = world.log().unwrap();
        assert_eq!(rows(&log, "late"), late, "seed {seed} after {lives} deaths");
        assert_eq!(rows(&log, "totals"), totals, "seed {seed} after {lives} deaths");
    }
    assert!(deaths > 2 * seeds, "only {deaths} deaths");
}

#[test]
fn a_silent_shard_holds_windows_back_only_until_its_timeout() {
    let clock = SimClock::at(1_769_846_700_000);
    let world = World::new(0, Arc::new(clock.clone()), 2);
    let log = world.log().unwrap();
    let mut job = world.job(&log).unwrap();
    append(&log, 0, vec![order(1, 1, 0), order(2, 5, 0), order(3, 20, 0)]).unwrap();
    let rest = |job: &mut Job| {
        while job.step().unwrap() == Progress::Worked {}
        job.checkpoint().unwrap();
    };
    rest(&mut job);
    clock.advance(29_999);
    rest(&mut job);
    assert!(rows(&log, "totals").is_empty(), "the second shard may still have rows");
    clock.advance(1);
    rest(&mut job);
    assert_eq!(rows(&log, "totals"), [json!({ "window_start": "2026-01-31 00:00:00", "n": 2, "ids": 3 })]);
    // When it speaks again, its rows are as late as those of the others.
    append(&log, 1, vec![order(4, 2, u128::MAX), order(5, 21, u128::MAX)]).unwrap();
    rest(&mut job);
    assert_eq!(rows(&log, "late"), [json!({ "id": 4, "ts": "2026-01-31 00:00:02" })]);
}

#[test]
fn a_stopped_job_goes_on_and_an_idle_one_takes_no_checkpoints() {
    let world = World::new(0, Arc::new(SystemClock), 1);
    let log = world.log().unwrap();
    for nth in 0..=BATCHES {
        append(&log, nth, batch(nth)).unwrap();
        if nth % 10 == 0 {
            idle(&world, &log);
        }
    }
    let counters = idle(&world, &log);
    assert!(counters.checkpoints <= 1, "nothing came, but {counters:?}");
    let calm = World::new(0, still(), 1);
    calm.live(&SimDice::new(0), &mut 0).unwrap();
    let wanted = calm.log().unwrap();
    assert_eq!(rows(&log, "totals"), rows(&wanted, "totals"));
    assert_eq!(rows(&log, "late"), rows(&wanted, "late"));
}

/// Runs the job on its threads for long enough to take many checkpoints, then stops it.
fn idle(world: &World, log: &Arc<LocalLog>) -> Counters {
    let job = world.job(log).unwrap();
    let stop = Stop::new();
    let its_stop = stop.clone();
    let thread = std::thread::spawn(move || run_job(job, RunOptions { stop: its_stop, report: &mut |_| {} }));
    std::thread::sleep(Duration::from_millis(250));
    stop.stop();
    thread.join().unwrap().unwrap()
}
