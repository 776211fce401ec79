//! Seeded runs: a function that fails, a destination that is away, settings that change, shards that split and merge, and a
//! process that is killed at any moment; and an auditor who knows every record.
//!
//! `MAPPING_SEEDS=5000 cargo test -p millrace-functions simulate` runs more; `MAPPING_SEED=7` runs one.

use super::world::{World, answers, raises, texts};
use crate::mapping::stream::{Outcome, Shard, Task};
use crate::{FunctionResponse, InvokeError};
use millrace_base::{Scope, ShardId};
use millrace_log::hash_key;
use millrace_testkit::SimDice;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const SEEDS: u64 = 600;
const ACTIONS: u64 = 90;

/// What the function and the destination have had.
#[derive(Default)]
struct Ledger {
    /// Records in the order in which they were first done: processed or given up.
    handled: Vec<u64>,
    known: BTreeSet<u64>,
}

impl Ledger {
    fn handle(&mut self, id: u64) {
        if self.known.insert(id) {
            self.handled.push(id);
        }
    }
}

/// A record as it was appended.
struct Sent {
    key: String,
    poison: bool,
    filtered: bool,
    acknowledged: bool,
}

struct Run {
    seed: u64,
    dice: SimDice,
    world: World,
    uuid: String,
    ledger: Arc<Mutex<Ledger>>,
    sent: Vec<Sent>,
    shards: BTreeMap<ShardId, Shard>,
    done: BTreeSet<ShardId>,
    pending: Vec<(ShardId, Task)>,
    retries_end: bool,
    filters: bool,
}

#[test]
fn every_record_is_handled_in_order_whatever_happens() {
    let setting = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    match setting("MAPPING_SEED") {
        Some(seed) => run(seed),
        None => (0..setting("MAPPING_SEEDS").unwrap_or(SEEDS)).for_each(run),
    }
}

fn id_of(text: &str) -> u64 {
    serde_json::from_str::<Value>(text).unwrap()["id"].as_u64().unwrap()
}

/// A function that fails on poison always and on others by chance, and processes the rest.
fn function(
    seed: u64,
    ledger: &Arc<Mutex<Ledger>>,
    reports: bool,
) -> impl FnMut(&Value) -> Result<FunctionResponse, InvokeError> + use<> {
    let (dice, ledger) = (SimDice::new(seed ^ 0xf), ledger.clone());
    move |event| {
        if dice.one_in(12) {
            return Err(InvokeError::Throttled { reason: "ReservedFunctionConcurrentInvocationLimitExceeded" });
        }
        let mut ledger = ledger.lock();
        let unlucky = dice.one_in(5);
        let texts = texts(event);
        let bad = texts.iter().position(|text| text.contains("poison"));
        let by_chance = unlucky.then(|| dice.below(texts.len() as u64) as usize);
        let bad = bad.into_iter().chain(by_chance).min();
        match bad {
            None => {
                texts.iter().for_each(|text| ledger.handle(id_of(text)));
                answers("null")
            }
            Some(at) if reports && !dice.one_in(4) => {
                texts[..at].iter().for_each(|text| ledger.handle(id_of(text)));
                let id = &event["Records"][at]["kinesis"]["sequenceNumber"];
                answers(json!({ "batchItemFailures": [{ "itemIdentifier": id }] }).to_string())
            }
            Some(_) => raises(),
        }
    }
}

fn run(seed: u64) {
    let dice = SimDice::new(seed);
    let world = World::new(seed, 1 + dice.below(2) as u32);
    let (reports, retries_end, filters) = (dice.one_in(2), dice.one_in(2), dice.one_in(3));
    let mut more = settings(&dice);
    more["MaximumRetryAttempts"] = if retries_end { json!(dice.below(3)) } else { json!(-1) };
    more["FunctionResponseTypes"] = if reports { json!(["ReportBatchItemFailures"]) } else { json!([]) };
    more["DestinationConfig"] = json!({ "OnFailure": { "Destination": super::world::DLQ_ARN } });
    if filters {
        more["FilterCriteria"] = json!({ "Filters": [{ "Pattern": r#"{"data": {"wanted": [true]}}"# }] });
    }
    let uuid = world.create(more).unwrap()["UUID"].as_str().unwrap().to_owned();
    let ledger = Arc::<Mutex<Ledger>>::default();
    world.behave(function(seed, &ledger, reports));
    let mut run = Run {
        seed,
        dice,
        world,
        uuid,
        ledger,
        sent: Vec::new(),
        shards: BTreeMap::new(),
        done: BTreeSet::new(),
        pending: Vec::new(),
        retries_end,
        filters,
    };
    run.look();
    for _ in 0..ACTIONS {
        run = run.act();
    }
    run.finish();
}

fn settings(dice: &SimDice) -> Value {
    json!({
        "BatchSize": 1 + dice.below(7),
        "MaximumBatchingWindowInSeconds": dice.below(2),
        "ParallelizationFactor": 1 + dice.below(4),
        "BisectBatchOnFunctionError": dice.one_in(2),
    })
}

impl Run {
    fn act(mut self) -> Self {
        match self.dice.below(24) {
            0..=4 => self.append(),
            5..=9 => drop(self.step()),
            10..=17 => self.finish_one(),
            18 => drop(self.world.clock.advance(self.dice.below(40_000) as i64)),
            19 => self.flush(),
            20 => *self.world.around.refuses.lock() = self.dice.below(3) as u32,
            21 if self.dice.one_in(3) => self.reshard(),
            21 => self.update(),
            22 if self.dice.one_in(2) => self.world.disk.die_after(1 + self.dice.below(40)),
            23 if self.dice.one_in(2) => self = self.kill(),
            _ => {}
        }
        self
    }

    fn append(&mut self) {
        let mut batch = Vec::new();
        for _ in 0..1 + self.dice.below(6) {
            let id = self.sent.len();
            let (key, filtered) = (format!("k{}", self.dice.below(6)), self.filters && self.dice.one_in(3));
            let poison = self.retries_end && self.dice.one_in(10);
            let note = if poison { "poison" } else { "fine" };
            batch.push((key.clone(), json!({ "id": id, "wanted": !filtered, "note": note }).to_string()));
            self.sent.push(Sent { key, poison, filtered, acknowledged: false });
        }
        let records: Vec<_> = batch.iter().map(|(key, data)| (key.as_str(), data.as_bytes())).collect();
        let acknowledged = self.world.put(&records);
        let first = self.sent.len() - batch.len();
        self.sent[first..].iter_mut().for_each(|sent| sent.acknowledged = acknowledged);
    }

    /// Steps every shard once; shards that are done make room for their children. True when there is nothing to wait for.
    fn step(&mut self) -> bool {
        let now = self.world.clock.advance(0);
        let (mut ended, mut idle) = (Vec::new(), true);
        for (id, shard) in &mut self.shards {
            let step = shard.step(now);
            idle &= step.tasks.is_empty() && step.wake_at.is_none() && !step.again && !step.done;
            self.pending.extend(step.tasks.into_iter().map(|task| (*id, task)));
            if step.done {
                ended.push(*id);
            }
        }
        self.one_call_a_key();
        for id in ended {
            self.shards.remove(&id);
            self.done.insert(id);
        }
        self.look();
        idle && self.pending.is_empty()
    }

    /// Opens what is ready, as the driver does: after its checkpoints are written.
    fn look(&mut self) {
        if self.world.writer.flush().is_err() {
            return;
        }
        let running: BTreeSet<_> = self.shards.keys().copied().collect();
        for (id, shard) in self.world.shards(&self.uuid) {
            if !running.contains(&id) {
                assert!(!self.done.contains(&id), "seed {}: {id} was opened again after it was done", self.seed);
                self.parents_are_handled(id);
                self.shards.insert(id, shard);
            }
        }
    }

    /// Every record of a shard's parents is handled.
    fn parents_are_handled(&self, id: ShardId) {
        let info = self.world.parts.log.stream(&self.world.orders()).unwrap();
        let Some(shard) = info.shards.iter().find(|shard| shard.id == id) else { return };
        for parent in [shard.parent, shard.adjacent_parent].into_iter().flatten() {
            self.are_handled(parent, u64::MAX);
        }
    }

    /// All records of a shard before an index are processed, given up or filtered.
    fn are_handled(&self, shard: ShardId, before: u64) {
        let log = &self.world.parts.log;
        let mut reader = log.reader(&self.world.orders(), shard, 0).unwrap();
        loop {
            // A dead disk shows nothing; the audit comes again after the kill.
            let Ok(batch) = reader.read(1000, 1 << 20) else { return };
            if batch.records.is_empty() {
                return;
            }
            for record in batch.records.iter().filter(|record| record.index < before) {
                let id = id_of(std::str::from_utf8(&record.data).unwrap());
                let handled = self.ledger.lock().known.contains(&id) || self.sent[id as usize].filtered;
                assert!(handled, "seed {}: record {id} was passed in {shard}", self.seed);
            }
        }
    }

    /// No key is with two calls at once.
    fn one_call_a_key(&self) {
        let mut keys = BTreeSet::new();
        for (shard, task) in &self.pending {
            let Task::Call(_, invocation) = task else { continue };
            let event: Value = serde_json::from_slice(&invocation.payload).unwrap();
            let of_call: BTreeSet<String> =
                texts(&event).iter().map(|text| self.sent[id_of(text) as usize].key.clone()).collect();
            for key in of_call {
                assert!(keys.insert(key), "seed {}: two calls of {shard} share a key", self.seed);
            }
        }
    }

    /// Carries out one task, in any order.
    fn finish_one(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let at = self.dice.below(self.pending.len() as u64) as usize;
        let (id, task) = self.pending.swap_remove(at);
        let outcome = self.carry_out(task);
        let now = self.world.clock.advance(0);
        if let Some(shard) = self.shards.get_mut(&id) {
            shard.complete(outcome, now);
        }
    }

    fn carry_out(&mut self, task: Task) -> Outcome {
        let record = match &task {
            Task::Deliver(_, _, record) => Some(record.clone()),
            Task::Call(..) => None,
        };
        let outcome = self.world.run(task);
        if let (Some(record), Outcome::Delivered(_, Ok(()))) = (record, &outcome) {
            let object: Value = serde_json::from_slice(&record.object).unwrap();
            let payload: Value = serde_json::from_str(object["payload"].as_str().unwrap()).unwrap();
            texts(&payload).iter().for_each(|text| self.ledger.lock().handle(id_of(text)));
        }
        outcome
    }

    fn flush(&mut self) {
        if self.world.writer.flush().is_ok() {
            self.audit_checkpoints();
        }
    }

    fn audit_checkpoints(&self) {
        for (shard, checkpoint) in self.world.checkpoints(&self.uuid) {
            self.are_handled(shard, checkpoint.index);
        }
    }

    fn reshard(&mut self) {
        let (log, key) = (&self.world.parts.log, self.world.orders());
        let info = log.stream(&key).unwrap();
        let open: Vec<_> = info.shards.iter().filter(|shard| shard.closed.is_none()).collect();
        // A disk that dies refuses.
        if open.len() > 1 && self.dice.one_in(2) {
            let mut sorted = open.clone();
            sorted.sort_by_key(|shard| shard.range.start);
            let _ = log.merge_shards(&key, sorted[0].id, sorted[1].id);
        } else if open.len() < 5 {
            let shard = self.dice.pick(&open);
            // Between two keys that the records have, so that both children get some.
            let middle = hash_key(format!("k{}", self.dice.below(6)).as_bytes());
            let start = if middle > shard.range.start + 1 && middle < shard.range.end {
                middle
            } else {
                shard.range.start + (shard.range.end - shard.range.start) / 2
            };
            let _ = log.split_shard(&key, shard.id, start);
        }
        self.world.clock.advance(1_000);
    }

    fn update(&mut self) {
        let body = settings(&self.dice);
        if self.world.mappings().update(&Scope::default(), &self.uuid, body).is_ok() {
            let applied = self.world.applied(&self.uuid);
            self.shards.values_mut().for_each(|shard| shard.reconfigure(applied.clone()));
        }
    }

    /// Some calls were made whose answers nobody heard; the rest never was.
    fn kill(mut self) -> Self {
        while !self.pending.is_empty() && self.dice.one_in(2) {
            let (_, task) = self.pending.pop().unwrap();
            self.carry_out(task);
        }
        self.pending.clear();
        self.shards.clear();
        let power = self.dice.one_in(2);
        self.world = self.world.restart(power);
        self.audit_checkpoints();
        let checkpoints = self.world.checkpoints(&self.uuid);
        self.done = checkpoints.iter().filter(|(_, checkpoint)| checkpoint.done).map(|(shard, _)| *shard).collect();
        self.look();
        self
    }

    fn finish(mut self) {
        self = self.kill();
        *self.world.around.refuses.lock() = 0;
        for _ in 0..2_000 {
            if self.step() {
                break;
            }
            while !self.pending.is_empty() {
                self.finish_one();
            }
            self.world.clock.advance(5_000);
        }
        self.flush();
        let info = self.world.parts.log.stream(&self.world.orders()).unwrap();
        for shard in &info.shards {
            self.are_handled(shard.id, u64::MAX);
            let tail = self.world.parts.log.bounds(&self.world.orders(), shard.id).unwrap().tail;
            // A shard that never had a record has no checkpoint.
            let stands = self.world.checkpoints(&self.uuid).get(&shard.id).map_or(0, |checkpoint| checkpoint.index);
            assert_eq!(stands, tail, "seed {}: {}", self.seed, shard.id);
        }
        self.audit_order();
    }

    fn audit_order(&self) {
        let ledger = self.ledger.lock();
        let mut last: BTreeMap<&str, u64> = BTreeMap::new();
        for id in &ledger.handled {
            let sent = &self.sent[*id as usize];
            if let Some(before) = last.insert(&sent.key, *id) {
                assert!(before < *id, "seed {}: {} was handled {before} before {id}", self.seed, sent.key);
            }
            assert!(!sent.filtered, "seed {}: record {id} passed the filter", self.seed);
        }
        for (id, sent) in self.sent.iter().enumerate() {
            let handled = ledger.known.contains(&(id as u64));
            assert!(handled || sent.filtered || !sent.acknowledged, "seed {}: record {id} was lost", self.seed);
        }
        let poison = self.sent.iter().any(|sent| sent.poison && sent.acknowledged && !sent.filtered);
        assert!(!poison || !self.world.around.delivered.lock().is_empty(), "seed {}", self.seed);
    }
}
