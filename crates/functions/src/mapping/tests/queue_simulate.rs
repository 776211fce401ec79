//! Seeded runs of a queue's mapping: a function that fails, deletes that fail, settings that change, messages that show again
//! under the mapping's feet, and kills. The queue is a double that is stricter than SQS: a handle works once, and only while
//! its message is hidden.

use super::world::{World, answers, raises};
use crate::mapping::ports::{MessageQueues, QueueFacts, QueueFault, QueueMessage};
use crate::mapping::queue::{QueueReader, QueueTask};
use crate::mapping::status::Status;
use crate::{FunctionResponse, InvokeError};
use async_trait::async_trait;
use millrace_base::{Arn, Clock, Millis, Scope};
use millrace_testkit::{SimClock, SimDice};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const SEEDS: u64 = 500;
const CONCURRENCY_MAX: u64 = 7;
const VISIBILITY_MS: Millis = 30_000;

/// A queue in memory.
struct Double {
    clock: SimClock,
    dice: SimDice,
    state: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    messages: BTreeMap<u64, Message>,
    /// Messages that the function has done, or that nobody wants.
    done: BTreeSet<u64>,
    fifo: bool,
}

#[derive(Default)]
struct Message {
    group: u64,
    visible_at: Millis,
    receives: u32,
    handle: String,
}

#[async_trait]
impl MessageQueues for Double {
    fn find(&self, _: &Arn) -> Option<QueueFacts> {
        let fifo = self.state.lock().fifo;
        Some(QueueFacts { fifo, visibility_secs: (VISIBILITY_MS / 1000) as u32 })
    }

    /// Never waits: an empty answer is a wait that was given up.
    async fn receive(&self, _: &Arn, max: usize) -> Result<Vec<QueueMessage>, QueueFault> {
        if self.dice.one_in(20) {
            return Err(QueueFault("the disk is full".to_owned()));
        }
        let (now, mut found) = (self.clock.now(), Vec::new());
        let queue = &mut *self.state.lock();
        let hidden: BTreeSet<u64> =
            queue.messages.values().filter(|one| one.visible_at > now).map(|one| one.group).collect();
        for (id, message) in &mut queue.messages {
            let held = queue.fifo && hidden.contains(&message.group);
            if found.len() < max && message.visible_at <= now && !held {
                (message.visible_at, message.receives) = (now + VISIBILITY_MS, message.receives + 1);
                message.handle = format!("{id}/{}", message.receives);
                found.push(shown(*id, message));
            }
        }
        Ok(found)
    }

    async fn delete(&self, _: &Arn, handles: Vec<String>) -> Result<(), QueueFault> {
        if self.dice.one_in(6) {
            return Err(QueueFault("the disk is full".to_owned()));
        }
        let queue = &mut *self.state.lock();
        for handle in handles {
            let id = handle.split('/').next().unwrap().parse().unwrap();
            assert!(queue.done.contains(&id), "message {id} was deleted before it was done");
            if queue.messages.get(&id).is_some_and(|message| message.handle == handle) {
                queue.messages.remove(&id);
            }
        }
        Ok(())
    }

    async fn change_visibility(&self, _: &Arn, handles: Vec<String>, secs: u32) -> Result<(), QueueFault> {
        let visible_at = self.clock.now() + Millis::from(secs) * 1000;
        for message in self.state.lock().messages.values_mut() {
            if handles.contains(&message.handle) {
                message.visible_at = visible_at;
            }
        }
        Ok(())
    }
}

fn shown(id: u64, message: &Message) -> QueueMessage {
    QueueMessage {
        message_id: id.to_string(),
        receipt_handle: message.handle.clone(),
        body: json!({ "id": id, "group": message.group, "wanted": !id.is_multiple_of(7) }).to_string(),
        attributes: vec![("MessageGroupId".to_owned(), message.group.to_string())],
        message_attributes: Vec::new(),
        md5_of_body: String::new(),
        md5_of_message_attributes: None,
    }
}

/// Group and id of what was done, in order.
type Order = Arc<Mutex<Vec<(u64, u64)>>>;

struct Run {
    seed: u64,
    dice: SimDice,
    world: World,
    queue: Arc<Double>,
    arn: Arn,
    uuid: String,
    reader: QueueReader,
    pending: Vec<QueueTask>,
    order: Order,
    sent: u64,
    called: BTreeSet<u64>,
}

#[test]
fn every_message_is_done_before_it_is_deleted() {
    for seed in 0..SEEDS {
        let mut run = Run::new(seed);
        for _ in 0..120 {
            run.act();
        }
        run.finish();
    }
}

/// Does what it gets, in order, up to where it fails.
fn function(
    seed: u64,
    reports: bool,
    queue: &Arc<Double>,
    order: &Order,
) -> impl FnMut(&Value) -> Result<FunctionResponse, InvokeError> + use<> {
    let (dice, queue, order) = (SimDice::new(seed ^ 0xe), queue.clone(), order.clone());
    move |event| {
        if dice.one_in(10) {
            return Err(InvokeError::Throttled { reason: "ReservedFunctionConcurrentInvocationLimitExceeded" });
        }
        let bodies: Vec<Value> = event["Records"]
            .as_array()
            .unwrap()
            .iter()
            .map(|record| serde_json::from_str(record["body"].as_str().unwrap()).unwrap())
            .collect();
        let fails = dice.one_in(4).then(|| dice.below(bodies.len() as u64) as usize);
        let done = match fails {
            None => bodies.len(),
            Some(at) if reports => at,
            Some(_) => return raises(),
        };
        for body in &bodies[..done] {
            let id = body["id"].as_u64().unwrap();
            if queue.state.lock().done.insert(id) {
                order.lock().push((body["group"].as_u64().unwrap(), id));
            }
        }
        let failed: Vec<_> =
            bodies[done..].iter().map(|body| json!({ "itemIdentifier": body["id"].to_string() })).collect();
        answers(json!({ "batchItemFailures": failed }).to_string())
    }
}

impl Run {
    fn new(seed: u64) -> Self {
        let dice = SimDice::new(seed);
        let mut world = World::new(seed, 1);
        let (fifo, reports) = (dice.one_in(2), dice.one_in(2));
        let state = Queue { fifo, ..Queue::default() };
        let double = Double { clock: world.clock.clone(), dice: SimDice::new(seed ^ 0xd), state: Mutex::new(state) };
        let queue = Arc::new(double);
        world.parts.queues = queue.clone();
        let arn =
            if fifo { "arn:aws:sqs:us-east-1:000000000000:q.fifo" } else { "arn:aws:sqs:us-east-1:000000000000:q" };
        let mut more = settings(&dice, fifo);
        more["EventSourceArn"] = json!(arn);
        more["StartingPosition"] = Value::Null;
        more["FunctionResponseTypes"] = if reports { json!(["ReportBatchItemFailures"]) } else { json!([]) };
        more["FilterCriteria"] = json!({ "Filters": [{ "Pattern": r#"{"body": {"wanted": [true]}}"# }] });
        let uuid = world.create(more).unwrap()["UUID"].as_str().unwrap().to_owned();
        let order = Order::default();
        world.behave(function(seed, reports, &queue, &order));
        let arn: Arn = arn.parse().unwrap();
        let reader = QueueReader::new(world.parts.clone(), arn.clone(), Arc::<Status>::default(), world.applied(&uuid));
        Self {
            seed,
            dice,
            world,
            queue,
            arn,
            uuid,
            reader,
            pending: Vec::new(),
            order,
            sent: 0,
            called: BTreeSet::new(),
        }
    }

    fn act(&mut self) {
        match self.dice.below(16) {
            0..=2 => self.send(),
            3..=5 => self.step(),
            6..=11 => self.finish_one(),
            12 => drop(self.world.clock.advance(self.dice.below(12_000) as Millis)),
            13 => self.update(),
            _ if self.dice.one_in(5) => self.restart(),
            _ => {}
        }
    }

    fn send(&mut self) {
        for _ in 0..1 + self.dice.below(12) {
            self.sent += 1;
            let mut queue = self.queue.state.lock();
            if self.sent.is_multiple_of(7) {
                queue.done.insert(self.sent);
            }
            queue.messages.insert(self.sent, Message { group: self.dice.below(4), ..Message::default() });
        }
    }

    fn step(&mut self) {
        let step = self.reader.step(self.world.clock.now());
        let (new, batch_size) = (step.tasks, self.world.applied(&self.uuid).settings.batch_size);
        let is_call = |task: &&QueueTask| matches!(task, QueueTask::Call(..));
        for task in &new {
            let QueueTask::Call(id, invocation) = task else { continue };
            let event: Value = serde_json::from_slice(&invocation.payload).unwrap();
            // A batch that is called again has the size that it had at first.
            let is_new = self.called.insert(*id);
            assert!(!is_new || event["Records"].as_array().unwrap().len() <= batch_size, "seed {}", self.seed);
        }
        self.pending.extend(new);
        let calls = self.pending.iter().filter(is_call).count();
        assert!(calls <= CONCURRENCY_MAX as usize, "seed {}: {calls} calls at once", self.seed);
    }

    fn finish_one(&mut self) {
        if !self.pending.is_empty() {
            let at = self.dice.below(self.pending.len() as u64) as usize;
            let task = self.pending.swap_remove(at);
            let outcome = super::world::block(task.run(self.world.parts.clone(), self.arn.clone()));
            self.pending.extend(self.reader.complete(outcome, self.world.clock.now()));
        }
    }

    fn update(&mut self) {
        let body = settings(&self.dice, self.queue.state.lock().fifo);
        self.world.mappings().update(&Scope::default(), &self.uuid, body).unwrap();
        self.reader.reconfigure(self.world.applied(&self.uuid));
    }

    /// Some calls were made whose answers nobody heard.
    fn restart(&mut self) {
        while !self.pending.is_empty() && self.dice.one_in(2) {
            let task = self.pending.pop().unwrap();
            super::world::block(task.run(self.world.parts.clone(), self.arn.clone()));
        }
        self.pending.clear();
        self.called.clear();
        let (parts, applied) = (self.world.parts.clone(), self.world.applied(&self.uuid));
        self.reader = QueueReader::new(parts, self.arn.clone(), Arc::default(), applied);
    }

    fn finish(mut self) {
        for _ in 0..4_000 {
            self.step();
            while self.pending.iter().any(|task| !matches!(task, QueueTask::Receive(_))) {
                self.finish_one();
            }
            self.finish_one();
            self.world.clock.advance(1_500);
            if self.queue.state.lock().messages.is_empty() {
                break;
            }
        }
        let queue = self.queue.state.lock();
        assert!(queue.messages.is_empty(), "seed {}: {} messages are left", self.seed, queue.messages.len());
        assert_eq!(queue.done.len() as u64, self.sent, "seed {}", self.seed);
        if queue.fifo {
            let mut last = BTreeMap::new();
            for (group, id) in self.order.lock().iter() {
                let before = last.insert(*group, *id).unwrap_or(0);
                assert!(before < *id, "seed {}: group {group} had {before} before {id}", self.seed);
            }
        }
    }
}

fn settings(dice: &SimDice, fifo: bool) -> Value {
    let window = if fifo { 0 } else { dice.below(3) };
    let size = if window == 0 { 1 + dice.below(10) } else { 1 + dice.below(40) };
    json!({
        "BatchSize": size,
        "MaximumBatchingWindowInSeconds": window,
        "ScalingConfig": { "MaximumConcurrency": 2 + dice.below(CONCURRENCY_MAX - 1) },
    })
}
