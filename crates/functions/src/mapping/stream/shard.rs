//! The machine of one shard: reads, fills lanes, and keeps the checkpoint.
//!
//! [`Shard::step`] never waits: it says what is to be done ([`Task`]), and is told how it went ([`Shard::complete`]). A lane
//! has one task at a time, so records of one key are called in order; lanes do not wait for each other.

use super::Applied;
use super::lane::{Lane, Work};
use super::tickets::Tickets;
use crate::mapping::aggregate;
use crate::mapping::event::{Item, PAYLOAD_BYTES_MAX, ShardFacts, Spot};
use crate::mapping::filter::Subject;
use crate::mapping::permits::may_send;
use crate::mapping::ports::{DestinationError, FailureRecord, MappingParts};
use crate::mapping::progress::{Checkpoint, CheckpointWriter, OpenWindow};
use crate::mapping::status::Status;
use crate::{FunctionResponse, Invocation, InvokeError};
use bytes::Bytes;
use millrace_base::{Arn, Millis};
use millrace_log::{Bookmark, LogError, ReaderKind, Record, ShardReader, StreamKey, StreamReader, hash_key};
use std::sync::Arc;

/// Read at once.
const READ_RECORDS: usize = 10_000;
const READ_BYTES: usize = 4 << 20;
/// Records of a shard that are read and not done: two full batches a lane, but so many at least. A lane that is stuck lets
/// the others of its shard go on for this far.
const HELD_RECORDS_MIN: usize = 20_000;
/// The bytes of those that wait, as events: two full payloads and some.
const HELD_BYTES: usize = 16 << 20;
const _: () = assert!(HELD_BYTES > 2 * PAYLOAD_BYTES_MAX);

/// Something to be done for a lane.
pub(crate) enum Task {
    /// Call the function.
    Call(usize, Invocation),
    /// Send what was given up.
    Deliver(usize, Arn, Arc<FailureRecord>),
}

/// How it went.
pub(crate) enum Outcome {
    /// The call.
    Called(usize, Result<FunctionResponse, InvokeError>),
    /// The delivery.
    Delivered(usize, Result<(), DestinationError>),
}

impl Task {
    /// Does it.
    pub(crate) async fn run(self, parts: MappingParts) -> Outcome {
        match self {
            Self::Call(lane, invocation) => Outcome::Called(lane, parts.invoke.invoke(invocation).await),
            Self::Deliver(lane, destination, record) => {
                Outcome::Delivered(lane, parts.destinations.deliver(&destination, &record).await)
            }
        }
    }

    /// Does it, if the function's role may.
    pub(crate) async fn run_as(self, parts: MappingParts, applied: Arc<Applied>) -> Outcome {
        if let Self::Deliver(lane, destination, record) = &self
            && let Err(reason) = may_send(&parts, &applied, destination, record)
        {
            return Outcome::Delivered(*lane, Err(DestinationError { destination: destination.to_string(), reason }));
        }
        self.run(parts).await
    }
}

/// What a step found.
#[derive(Default)]
pub(crate) struct Step {
    /// To be done now.
    pub(crate) tasks: Vec<Task>,
    /// When to step again at the latest.
    pub(crate) wake_at: Option<Millis>,
    /// Whether the next record of the shard is a reason to step.
    pub(crate) reads: bool,
    /// Step again at once: there is more to read.
    pub(crate) again: bool,
    /// The shard is closed and all of it is done.
    pub(crate) done: bool,
    /// So many records expired before they were read.
    pub(crate) lost: u64,
    /// The shard could not be read.
    pub(crate) failed: Option<LogError>,
}

impl Step {
    pub(super) fn wake(&mut self, at: Millis) {
        self.wake_at = Some(self.wake_at.map_or(at, |wake| wake.min(at)));
    }
}

/// One shard of one mapping at work.
pub(crate) struct Shard {
    pub(super) parts: MappingParts,
    writer: Arc<CheckpointWriter>,
    pub(crate) status: Arc<Status>,
    pub(super) applied: Arc<Applied>,
    pub(super) facts: ShardFacts,
    /// The stream's, also when the mapping names a consumer.
    pub(super) stream_arn: String,
    incarnation: u64,
    reader: Box<dyn ShardReader>,
    /// Up to where it is done.
    mark: Bookmark,
    /// Records before were done by an earlier process.
    from: Spot,
    pub(super) ended: bool,
    accepts: bool,
    pub(super) tickets: Tickets,
    pub(super) lanes: Vec<Lane>,
    /// Records since the lanes last had a full batch among them.
    gathered: usize,
    pub(super) window: Option<OpenWindow>,
    pub(super) window_floor: Millis,
    /// Counts changes of the window, so that each is saved once.
    pub(super) window_changes: u64,
    saved: (Spot, bool, u64),
}

impl Shard {
    /// What it works by.
    pub(crate) fn applied(&self) -> Arc<Applied> {
        self.applied.clone()
    }

    /// Opens a shard where its checkpoint stands.
    pub(crate) fn open(
        parts: MappingParts,
        writer: Arc<CheckpointWriter>,
        status: Arc<Status>,
        applied: Arc<Applied>,
        key: &StreamKey,
        ready: super::Ready,
    ) -> Result<Self, LogError> {
        let super::Ready { shard, checkpoint } = ready;
        let reader = parts.log.reader(key, shard.id, checkpoint.index)?;
        let facts = ShardFacts { region: applied.region.clone(), source_arn: applied.source_arn.clone(), shard };
        let from = checkpoint.spot();
        let mark = parts.log.readership().enter(who(&applied), key, facts.shard.id, from.index);
        Ok(Self {
            parts,
            writer,
            status,
            facts,
            stream_arn: key.scope.arn("kinesis", &format!("stream/{}", key.name)).to_string(),
            incarnation: checkpoint.incarnation,
            reader,
            mark,
            from,
            ended: false,
            accepts: true,
            tickets: Tickets::from(from),
            lanes: lanes(if checkpoint.window.is_some() { 1 } else { applied.settings.parallelization_factor }),
            gathered: 0,
            window: checkpoint.window,
            window_floor: checkpoint.window_floor,
            window_changes: 0,
            saved: (from, false, 0),
            applied,
        })
    }

    /// Works by other settings from now on; what is on its way is finished by the old ones.
    pub(crate) fn reconfigure(&mut self, applied: Arc<Applied>) {
        self.applied = applied;
        let filters = &self.applied.filters;
        let facts = &self.facts;
        let mut dropped = Vec::new();
        for lane in &mut self.lanes {
            dropped.extend(lane.sift(|item| filters.accepts(&subject(facts, item))));
        }
        self.count("FilteredOutEventCount", dropped.len());
        dropped.into_iter().for_each(|ticket| self.tickets.done(ticket));
    }

    /// Mapping and shard, for messages to people.
    pub(crate) fn label(&self) -> String {
        let (uuid, function) = (&self.applied.uuid, &self.applied.function_arn);
        format!("event source mapping {uuid} ({}, {} to {function})", self.stream_arn, self.facts.shard.id)
    }

    /// Why a lane does not get on, if one does not.
    pub(crate) fn trouble(&self) -> Option<&str> {
        self.lanes.iter().find_map(Lane::trouble)
    }

    /// Begins nothing new from now on.
    pub(crate) fn stop(&mut self) {
        self.accepts = false;
    }

    /// Whether nothing is on its way.
    pub(crate) fn is_still(&self) -> bool {
        self.lanes.iter().all(Lane::is_still)
    }

    /// Waits until the shard has something to read. Cancel-safe.
    pub(crate) async fn wait(&mut self) {
        if self.reader.wait().await.is_err() {
            // The next read says why.
        }
    }

    /// Does what can be done now.
    pub(crate) fn step(&mut self, now: Millis) -> Step {
        let mut step = Step::default();
        self.relane(now);
        if self.accepts && !self.ended && self.has_room() {
            match self.read(now, &mut step) {
                Ok(found) => step.again = found && !self.ended && self.has_room(),
                Err(error) => step.failed = Some(error),
            }
        }
        for lane in 0..self.lanes.len() {
            self.advance(lane, now, &mut step);
        }
        step.done = self.ended && self.window.is_none() && self.lanes.iter().all(Lane::is_empty);
        step.reads = self.accepts && !self.ended && self.has_room();
        self.save(step.done);
        step
    }

    /// Takes in how a task went.
    pub(crate) fn complete(&mut self, outcome: Outcome, now: Millis) {
        match outcome {
            Outcome::Called(lane, result) => {
                if let Work::Calling(batch) = std::mem::take(&mut self.lanes[lane].work) {
                    self.answered(lane, batch, result, now);
                }
            }
            Outcome::Delivered(lane, result) => {
                if let Work::Delivering(lost) = std::mem::take(&mut self.lanes[lane].work) {
                    self.delivered(lane, lost, result, now);
                }
            }
        }
        self.save(false);
    }

    /// Whether lanes may begin something.
    pub(super) fn begins(&self) -> bool {
        self.accepts && self.lanes.len() == self.lanes_wanted()
    }

    /// A window has one state, so its shard has one lane until it is closed.
    fn lanes_wanted(&self) -> usize {
        if self.window.is_some() { 1 } else { self.applied.settings.parallelization_factor }
    }

    fn has_room(&self) -> bool {
        let lanes = self.lanes.len();
        let records_max = HELD_RECORDS_MIN.max(2 * self.applied.settings.batch_size * lanes);
        let bytes: usize = self.lanes.iter().map(|lane| lane.waiting_bytes).sum();
        self.tickets.len() < records_max && bytes < HELD_BYTES
    }

    /// Changes the number of lanes, once nothing is on its way.
    fn relane(&mut self, now: Millis) {
        let wanted = self.lanes_wanted();
        if self.lanes.len() == wanted || !self.is_still() {
            return;
        }
        let old = std::mem::replace(&mut self.lanes, lanes(wanted));
        let mut items: Vec<Item> = old.into_iter().flat_map(Lane::into_items).collect();
        items.sort_by_key(|item| item.ticket);
        items.into_iter().for_each(|item| self.enqueue(item, now));
    }

    fn enqueue(&mut self, item: Item, now: Millis) {
        let lanes = self.lanes.len();
        let lane = if lanes == 1 { 0 } else { (hash_key(&item.partition_key) % lanes as u128) as usize };
        self.lanes[lane].push(item, now);
        if lanes == 1 {
            return;
        }
        // A batch is gathered from the shard and parted among its lanes: more lanes make records wait little longer.
        self.gathered += 1;
        if self.gathered >= self.applied.settings.batch_size {
            self.gathered = 0;
            self.lanes.iter_mut().for_each(|lane| lane.is_ripe = !lane.waiting().is_empty());
        }
    }

    /// Reads once; true when there was something.
    fn read(&mut self, now: Millis, step: &mut Step) -> Result<bool, LogError> {
        let expected = self.tickets.next_read();
        let batch = self.reader.read(READ_RECORDS, READ_BYTES)?;
        let found = !batch.records.is_empty();
        let first = batch.records.first().map_or(batch.next, |record| record.index);
        if first > expected.index && expected.index > 0 {
            // The stream's retention was shorter than the function was slow, as on AWS; there it goes unsaid.
            step.lost = first - expected.index;
            let lost = step.lost;
            self.status
                .problem(format_args!("{lost} records of {} expired before they were processed", self.facts.shard.id));
        }
        self.count("PolledEventCount", batch.records.len());
        for record in batch.records {
            self.admit(record, now);
        }
        self.tickets.read_to(self.from.max(Spot { index: batch.next, sub: 0 }));
        self.ended = batch.ended;
        Ok(found || batch.ended)
    }

    fn admit(&mut self, record: Record, now: Millis) {
        let Some(users) = aggregate::split(&record.data) else {
            let (partition_key, data) = (record.partition_key, record.data);
            return self.offer(Spot { index: record.index, sub: 0 }, record.arrival, partition_key, data, now);
        };
        for (sub, user) in users.into_iter().enumerate() {
            let hash = user.explicit_hash.unwrap_or_else(|| hash_key(&user.partition_key));
            if !(self.facts.shard.range.start..=self.facts.shard.range.end).contains(&hash) {
                self.count("DeaggregatedOutOfRangeEventCount", 1);
            }
            let spot = Spot { index: record.index, sub: sub as u32 };
            self.offer(spot, record.arrival, user.partition_key, user.data, now);
        }
    }

    /// Takes a record in, unless it is done already or the filters drop it.
    fn offer(&mut self, spot: Spot, arrival: Millis, partition_key: Bytes, data: Bytes, now: Millis) {
        if spot < self.from {
            return;
        }
        let (data, passes) = self.decoded(data, spot, arrival);
        let mut item = Item { ticket: 0, spot, arrival, partition_key, data };
        let filters = &self.applied.filters;
        if !passes && !filters.is_open() && !filters.accepts(&subject(&self.facts, &item)) {
            return self.count("FilteredOutEventCount", 1);
        }
        item.ticket = self.tickets.issue(spot);
        self.enqueue(item, now);
    }

    /// A record that names its schema as JSON, when the mapping asks for it. One that cannot be read goes to the function as it
    /// is, past the filters (true), which could not see into it: nothing is lost unsaid.
    fn decoded(&self, data: Bytes, spot: Spot, arrival: Millis) -> (Bytes, bool) {
        if !self.applied.decodes {
            return (data, false);
        }
        match self.parts.text.json(&self.applied.scope, &data) {
            None => (data, false),
            Some(Ok(json)) => (json, false),
            Some(Err(reason)) => {
                let sequence = self.facts.sequence(spot.index, arrival);
                self.status.problem(format_args!("record {sequence} is passed on as it is: {reason}"));
                (data, true)
            }
        }
    }

    /// Hands the checkpoint over, if it moved.
    fn save(&mut self, done: bool) {
        let at = (self.tickets.lowest(), done, self.window_changes);
        if at == self.saved {
            return;
        }
        self.saved = at;
        self.mark.set(at.0.index);
        let checkpoint = Checkpoint {
            incarnation: self.incarnation,
            index: at.0.index,
            sub: at.0.sub,
            done,
            window_floor: self.window_floor,
            window: self.window.clone(),
        };
        self.writer.put(&self.applied.uuid, self.facts.shard.id, checkpoint);
    }

    pub(super) fn count(&self, metric: &'static str, events: usize) {
        if events > 0 && self.applied.settings.counts_events() {
            self.parts.meter.count(&self.applied.arn, metric, events as u64);
        }
    }
}

/// A mapping as a reader of its stream.
fn who(applied: &Applied) -> StreamReader {
    let function = &applied.settings.function;
    // `arn:…:stream/NAME/consumer/CONSUMER:SECONDS`, when the mapping names one.
    let consumer = applied.source_arn.split_once("/consumer/").map(|(_, consumer)| {
        let name = consumer.rsplit_once(':').map_or(consumer, |(name, _)| name);
        Arc::from(name)
    });
    StreamReader {
        kind: ReaderKind::Function,
        scope: function.scope.clone(),
        name: function.name.clone(),
        mapping: Some(applied.uuid.as_str().into()),
        consumer,
    }
}

fn lanes(count: usize) -> Vec<Lane> {
    (0..count).map(|_| Lane::default()).collect()
}

fn subject<'a>(facts: &ShardFacts, item: &'a Item) -> Subject<'a> {
    Subject::Record {
        data: &item.data,
        partition_key: &item.partition_key,
        sequence: facts.sequence_of(item).to_string(),
        arrival: item.arrival,
    }
}
