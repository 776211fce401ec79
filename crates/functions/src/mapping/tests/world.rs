//! A process of simulated parts, a function that does as it is told, and a destination that remembers.

use crate::mapping::definition::Mapping;
use crate::mapping::ports::*;
use crate::mapping::progress::{self, Checkpoint, CheckpointWriter};
use crate::mapping::status::Status;
use crate::mapping::stream::{self, Applied, Outcome, Shard, Task};
use crate::mapping::{MappingError, Mappings};
use crate::{FunctionKey, FunctionResponse, Invocation, Invoke, InvokeError};
use async_trait::async_trait;
use bytes::Bytes;
use millrace_base::{Arn, Clock, Disk, Millis, Scope, ShardId};
use millrace_catalog::Catalog;
use millrace_log::{Commit, LocalLog, LogOptions, LogParts, NewRecord, StreamKey, StreamMode, StreamSpec};
use millrace_testkit::{SimClock, SimDice, SimDisk};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub(super) const START: Millis = 1_790_000_000_000;
pub(super) const STREAM_ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/orders";
pub(super) const DLQ_ARN: &str = "arn:aws:sqs:us-east-1:000000000000:dlq";
pub(super) const ROLE: &str = "arn:aws:iam::000000000000:role/f";

type Answer = Result<FunctionResponse, InvokeError>;
type Behaviour = Box<dyn FnMut(&Value) -> Answer + Send>;

/// A function that answers by a closure, and remembers its events.
pub(super) struct Script {
    pub(super) behaviour: Mutex<Behaviour>,
    pub(super) events: Mutex<Vec<Value>>,
}

#[async_trait]
impl Invoke for Script {
    async fn invoke(&self, invocation: Invocation) -> Answer {
        assert_eq!(&*invocation.function.name, "f");
        assert!(invocation.payload.len() <= 6 << 20);
        let event: Value = serde_json::from_slice(&invocation.payload).unwrap();
        let answer = (self.behaviour.lock())(&event);
        self.events.lock().push(event);
        answer
    }
}

/// A function that went well.
pub(super) fn answers(payload: impl Into<Bytes>) -> Answer {
    Ok(FunctionResponse {
        executed_version: "$LATEST".into(),
        failed: false,
        payload: payload.into(),
        log_tail: Bytes::new(),
    })
}

/// A function that raised.
pub(super) fn raises() -> Answer {
    let payload = Bytes::from_static(br#"{"errorMessage": "boom", "errorType": "Error"}"#);
    answers(payload).map(|response| FunctionResponse { failed: true, ..response })
}

/// Everything around mappings: functions, consumers, queues, destinations, counts.
#[derive(Default)]
pub(super) struct Around {
    /// Delivered records, with their destination.
    pub(super) delivered: Mutex<Vec<(String, FailureRecord)>>,
    /// Deliveries that fail from now on.
    pub(super) refuses: Mutex<u32>,
    pub(super) counts: Mutex<BTreeMap<&'static str, u64>>,
    pub(super) queues: Mutex<BTreeMap<String, QueueFacts>>,
    /// Messages that a receive finds, and what was deleted and shown.
    pub(super) messages: Mutex<VecDeque<QueueMessage>>,
    pub(super) deleted: Mutex<Vec<String>>,
    pub(super) shown: Mutex<Vec<String>>,
    pub(super) delete_fails: Mutex<u32>,
    pub(super) arrived: tokio::sync::Notify,
    /// The consumer `fan` is registered no more.
    pub(super) deregistered: AtomicBool,
}

impl FunctionFinder for Around {
    fn find(&self, function: &FunctionKey, qualifier: Option<&str>) -> Option<FunctionFacts> {
        let known = matches!(&*function.name, "f" | "g") && matches!(qualifier, None | Some("live"));
        known.then(|| FunctionFacts { role: ROLE.to_owned(), timeout_secs: 30 })
    }
}

impl StreamConsumers for Around {
    fn exists(&self, consumer: &Arn) -> bool {
        !self.deregistered.load(Ordering::Relaxed) && consumer.resource.ends_with("/consumer/fan:1790000000")
    }
}

impl Meter for Around {
    fn count(&self, mapping: &Arn, metric: &'static str, events: u64) {
        assert!(mapping.resource.starts_with("event-source-mapping:"));
        *self.counts.lock().entry(metric).or_default() += events;
    }
    fn iterator_age(&self, function: &FunctionKey, age: Millis) {
        assert!(&*function.name == "f" && age >= 0);
    }
}

#[async_trait]
impl Destinations for Around {
    async fn deliver(&self, destination: &Arn, record: &FailureRecord) -> Result<(), DestinationError> {
        if *self.refuses.lock() > 0 {
            *self.refuses.lock() -= 1;
            return Err(DestinationError { destination: destination.to_string(), reason: "it is away".to_owned() });
        }
        self.delivered.lock().push((destination.to_string(), record.clone()));
        Ok(())
    }
}

#[async_trait]
impl MessageQueues for Around {
    fn find(&self, queue: &Arn) -> Option<QueueFacts> {
        self.queues.lock().get(queue.name()).cloned()
    }
    async fn receive(&self, queue: &Arn, max: usize) -> Result<Vec<QueueMessage>, QueueFault> {
        loop {
            let arrived = self.arrived.notified();
            if MessageQueues::find(self, queue).is_none() {
                return Err(QueueFault("The specified queue does not exist.".to_owned()));
            }
            let found: Vec<_> = {
                let mut messages = self.messages.lock();
                let count = max.min(messages.len());
                messages.drain(..count).collect()
            };
            if !found.is_empty() {
                return Ok(found);
            }
            arrived.await;
        }
    }
    async fn delete(&self, _: &Arn, handles: Vec<String>) -> Result<(), QueueFault> {
        if *self.delete_fails.lock() > 0 {
            *self.delete_fails.lock() -= 1;
            return Err(QueueFault("the disk is full".to_owned()));
        }
        self.deleted.lock().extend(handles);
        Ok(())
    }
    async fn change_visibility(&self, _: &Arn, handles: Vec<String>, secs: u32) -> Result<(), QueueFault> {
        assert_eq!(secs, 0);
        self.shown.lock().extend(handles);
        Ok(())
    }
}

/// Records that begin with 3 name a schema: the rest is their JSON, unless it begins with `!`.
struct Marked;

impl RecordText for Marked {
    fn json(&self, _: &Scope, record: &[u8]) -> Option<Result<Bytes, String>> {
        let rest = record.strip_prefix(&[3])?;
        Some(if rest.starts_with(b"!") { Err("no such version".to_owned()) } else { Ok(rest.to_vec().into()) })
    }
}

/// Everything that one process has open, and what outlives it.
pub(super) struct World {
    pub(super) disk: SimDisk,
    pub(super) clock: SimClock,
    pub(super) dice: Arc<SimDice>,
    pub(super) script: Arc<Script>,
    pub(super) around: Arc<Around>,
    pub(super) parts: MappingParts,
    pub(super) writer: Arc<CheckpointWriter>,
}

impl World {
    /// A process on an empty disk, with the stream `orders`.
    pub(super) fn new(seed: u64, shards: u32) -> Self {
        let script = Script { behaviour: Mutex::new(Box::new(|_| answers("null"))), events: Mutex::default() };
        let dice = Arc::new(SimDice::new(seed));
        let world = Self::open(SimDisk::new(seed), SimClock::at(START), dice, Arc::new(script), Arc::default());
        let spec = StreamSpec {
            shard_count: shards,
            mode: StreamMode::Provisioned,
            retention_hours: 24,
            record_kib_max: 10240,
        };
        world.parts.log.create_stream(&world.orders(), spec).unwrap();
        world
    }

    fn open(disk: SimDisk, clock: SimClock, dice: Arc<SimDice>, script: Arc<Script>, around: Arc<Around>) -> Self {
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let catalog = Catalog::open(shared.as_ref(), Path::new("/data/catalog")).unwrap();
        let parts = LogParts {
            clock: Arc::new(clock.clone()),
            disk: shared,
            catalog: catalog.clone(),
            dir: "/data/log".into(),
        };
        let options = LogOptions { commit: Commit::Inline, segment_bytes: 1 << 20, ..LogOptions::default() };
        let parts = MappingParts {
            log: LocalLog::open(parts, options).unwrap(),
            invoke: script.clone(),
            functions: around.clone(),
            consumers: around.clone(),
            queues: around.clone(),
            destinations: around.clone(),
            permits: Arc::new(crate::Unlimited),
            meter: around.clone(),
            text: Arc::new(Marked),
            clock: Arc::new(clock.clone()),
            dice: dice.clone(),
            catalog: catalog.clone(),
        };
        Self { disk, clock, dice, script, around, parts, writer: Arc::new(CheckpointWriter::new(catalog)) }
    }

    /// The process dies, with the machine or without, and a new one opens what is there.
    pub(super) fn restart(self, power: bool) -> Self {
        let Self { disk, clock, dice, script, around, parts, writer } = self;
        disk.die_after(1);
        drop((parts, writer));
        if power {
            disk.crash()
        } else {
            disk.kill()
        }
        Self::open(disk, clock, dice, script, around)
    }

    pub(super) fn orders(&self) -> StreamKey {
        StreamKey { scope: Scope::default(), name: "orders".into() }
    }

    pub(super) fn behave(&self, behaviour: impl FnMut(&Value) -> Answer + Send + 'static) {
        *self.script.behaviour.lock() = Box::new(behaviour);
    }

    /// Appends records; false when the log refused.
    pub(super) fn put(&self, records: &[(&str, &[u8])]) -> bool {
        let record = |(key, data): &(&str, &[u8])| NewRecord {
            partition_key: Bytes::copy_from_slice(key.as_bytes()),
            explicit_hash: None,
            data: Bytes::copy_from_slice(data),
        };
        let appended = self.parts.log.append(&self.orders(), records.iter().map(record).collect(), None);
        block(appended).is_ok()
    }

    pub(super) fn mappings(&self) -> Mappings {
        Mappings::open(self.parts.clone())
    }

    /// Creates a mapping of the stream from its start, with more members; returns its answer.
    pub(super) fn create(&self, more: Value) -> Result<Value, MappingError> {
        let mut body = json!({ "FunctionName": "f", "EventSourceArn": STREAM_ARN, "StartingPosition": "TRIM_HORIZON" });
        for (name, value) in more.as_object().unwrap() {
            match value {
                Value::Null => drop(body.as_object_mut().unwrap().remove(name)),
                value => body[name] = value.clone(),
            }
        }
        self.mappings().create(&Scope::default(), body)
    }

    /// The mapping's settings as they are stored.
    pub(super) fn applied(&self, uuid: &str) -> Arc<Applied> {
        let key = format!("{}/{uuid}", Scope::default());
        let mapping = self.parts.catalog.get::<Mapping>("event-source-mappings", &key).unwrap().unwrap();
        Arc::new(Applied::of(&mapping).unwrap())
    }

    pub(super) fn checkpoints(&self, uuid: &str) -> BTreeMap<ShardId, Checkpoint> {
        progress::load(&self.parts.catalog, uuid).unwrap()
    }

    /// Opens the shards that are ready.
    pub(super) fn shards(&self, uuid: &str) -> BTreeMap<ShardId, Shard> {
        let applied = self.applied(uuid);
        let info = self.parts.log.stream(&self.orders()).unwrap();
        let ready = stream::ready(&info, &self.checkpoints(uuid));
        let open = |ready: stream::Ready| {
            let (id, status) = (ready.shard.id, Arc::<Status>::default());
            let shard =
                Shard::open(self.parts.clone(), self.writer.clone(), status, applied.clone(), &self.orders(), ready);
            (id, shard.unwrap())
        };
        ready.into_iter().map(open).collect()
    }

    pub(super) fn run(&self, task: Task) -> Outcome {
        block(task.run(self.parts.clone()))
    }

    /// Steps a shard and carries out what it asks for, in order, until nothing is left to do now. The number of calls.
    pub(super) fn settle(&self, shard: &mut Shard) -> usize {
        let mut calls = 0;
        loop {
            let step = shard.step(self.clock.now());
            assert!(step.failed.is_none());
            if step.tasks.is_empty() && !step.again {
                return calls;
            }
            for task in step.tasks {
                calls += usize::from(matches!(task, Task::Call(..)));
                let outcome = self.run(task);
                shard.complete(outcome, self.clock.now());
            }
        }
    }

    /// The same, with the clock going on to the end of each pause, for `ms` at most.
    pub(super) fn settle_for(&self, shard: &mut Shard, ms: Millis) -> usize {
        let end = self.clock.now() + ms;
        let mut calls = 0;
        loop {
            calls += self.settle(shard);
            match shard.step(self.clock.now()).wake_at {
                Some(at) if at <= end => self.clock.set(at.max(self.clock.now())),
                _ => return calls,
            }
        }
    }

    /// The texts that the function's calls had, call by call.
    pub(super) fn calls(&self) -> Vec<Vec<String>> {
        self.script.events.lock().iter().map(texts).collect()
    }

    /// The records that were given up.
    pub(super) fn given_up(&self) -> Vec<Value> {
        let delivered = self.around.delivered.lock();
        delivered.iter().map(|(_, record)| serde_json::from_slice(&record.message).unwrap()).collect()
    }
}

/// The data of an event's records.
pub(super) fn texts(event: &Value) -> Vec<String> {
    let text = |record: &Value| {
        let data = record["kinesis"]["data"].as_str().unwrap();
        String::from_utf8(base64_simd::STANDARD.decode_to_vec(data).unwrap()).unwrap()
    };
    event["Records"].as_array().unwrap().iter().map(text).collect()
}

/// Runs a future to its end on this thread.
pub(super) fn block<F: Future>(future: F) -> F::Output {
    futures::executor::block_on(future)
}
