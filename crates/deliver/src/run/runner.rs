//! The state machine of one delivery stream: every call of [`Runner::step`] does one bounded piece of work.

use super::cut::{Bulk, ShardBirths, Task, plan};
use super::lane::{Held, Lanes};
use super::object::{Put, Source};
use super::progress::{Applied, Cut, Lane, Positions, Progress, catalog_key};
use super::shape::{Shape, Target};
use super::stats::Stats;
use crate::DeliverError;
use crate::deliveries::{current, source_key};
use crate::index::BulkIndex;
use crate::store::ObjectStore;
use futures::FutureExt;
use millrace_base::{Clock, Millis, Scope};
use millrace_catalog::Catalog;
use millrace_log::{Log, LogError, ShardReader, StreamInfo, StreamKey};
use millrace_schema::tables::Tables;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Read from a shard at once: small, so that buffers end near their size.
const READ_BYTES: usize = 1 << 20;
const READ_RECORDS: usize = 5_000;
/// All buffers of one delivery stream; at this size the largest is delivered early. Two buffers of AWS's greatest size.
const HELD_BYTES_MAX: usize = 256 << 20;
/// Lanes of one delivery stream (AWS: 500 active partitions); at this number all are delivered early.
const LANES_MAX: usize = 500;
/// How often the table and definition are looked at while records wait.
const CHECK_MS: Millis = 10_000;
/// Pauses between tries: this, doubled each time, up to the maximum.
const BACKOFF_MS: Millis = 100;
const BACKOFF_MS_MAX: Millis = 30_000;

/// What a delivery stream works with.
#[derive(Clone)]
pub struct Parts {
    /// Definitions and progress.
    pub catalog: Catalog,
    /// Where records come from.
    pub log: Arc<dyn Log>,
    /// The tables that give columns.
    pub tables: Tables,
    /// Where objects go.
    pub store: Arc<dyn ObjectStore>,
    /// Where documents go.
    pub index: Arc<dyn BulkIndex>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// True when the next step should follow at once.
    pub worked: bool,
    /// When to step again at the latest, if nothing arrives before.
    pub wake_at: Option<Millis>,
    /// False while a failing store or index is waited for: then arriving records do not matter.
    pub reads: bool,
}

/// One delivery stream at work.
pub struct Runner {
    parts: Parts,
    scope: Scope,
    key: String,
    progress: Progress,
    shape: Shape,
    readers: BTreeMap<u32, Reading>,
    /// Up to where the shards are read into the lanes.
    read: Positions,
    births: ShardBirths,
    lanes: Lanes,
    work: Option<Work>,
    attempts: u32,
    retry_at: Millis,
    checked_at: Millis,
    outdated: bool,
    reload: Arc<AtomicBool>,
    stats: Arc<Stats>,
}

struct Reading {
    reader: Box<dyn ShardReader>,
    ended: bool,
}

/// A cut that is being carried out, lane by lane.
struct Work {
    lanes: VecDeque<Lane>,
    lane: Option<(Lane, Vec<Held>)>,
    tasks: Option<VecDeque<Task>>,
}

impl Runner {
    /// Opens a delivery stream where its progress stands. `reload` set to true makes it look at its definition again.
    pub fn open(parts: Parts, scope: &Scope, name: &str, reload: Arc<AtomicBool>) -> Result<Self, DeliverError> {
        let key = catalog_key(scope, name);
        let progress = Progress::load(&parts.catalog, &key)?.ok_or_else(|| {
            DeliverError::NotFound(format!("Firehose {name} under account {} not found.", scope.account))
        })?;
        let shape = Shape::of(&progress.applied)?;
        Ok(Self {
            parts,
            scope: scope.clone(),
            key,
            progress,
            shape,
            readers: BTreeMap::new(),
            read: Positions::new(),
            births: ShardBirths::new(),
            lanes: Lanes::default(),
            work: None,
            attempts: 0,
            retry_at: Millis::MIN,
            checked_at: Millis::MIN,
            outdated: false,
            reload,
            stats: Arc::default(),
        })
    }

    /// What it failed with, while it tries again and again.
    pub fn trouble(&self) -> Option<String> {
        if self.attempts == 0 { None } else { self.stats.last_error.lock().clone() }
    }

    /// Its counters.
    pub fn stats(&self) -> Arc<Stats> {
        self.stats.clone()
    }

    /// Does the next piece of work. Failures are kept in the counters and tried again later; none is lost.
    pub async fn step(&mut self) -> Step {
        let now = self.parts.clock.now();
        if now < self.retry_at {
            return Step { worked: false, wake_at: Some(self.retry_at), reads: false };
        }
        let step = self.advance(now).await;
        self.stats.oldest_pending.store(self.lanes.oldest().unwrap_or(0), Ordering::Relaxed);
        match step {
            Ok(step) => {
                if step.worked && self.attempts > 0 {
                    (self.attempts, self.retry_at) = (0, Millis::MIN);
                    *self.stats.last_error.lock() = None;
                }
                step
            }
            Err(error) => {
                let pause = BACKOFF_MS.saturating_mul(1 << self.attempts.min(20)).min(BACKOFF_MS_MAX);
                self.attempts += 1;
                self.retry_at = now + pause;
                Stats::add(&self.stats.retries, 1);
                *self.stats.last_error.lock() = Some(error.to_string());
                Step { worked: false, wake_at: Some(self.retry_at), reads: false }
            }
        }
    }

    /// Waits until a shard has something to read or ends. Cancel-safe.
    pub async fn wait(&mut self) {
        let waits: Vec<_> = self
            .readers
            .values_mut()
            .filter(|reading| !reading.ended)
            .map(|reading| reading.reader.wait().boxed())
            .collect();
        if waits.is_empty() {
            return futures::future::pending().await;
        }
        let _ = futures::future::select_all(waits).await;
    }

    async fn advance(&mut self, now: Millis) -> Result<Step, DeliverError> {
        let worked = Step { worked: true, wake_at: None, reads: true };
        if self.work.is_some() {
            self.carry_out(now).await?;
            return Ok(worked);
        }
        match self.open_readers() {
            // What was read before its stream was deleted is still delivered.
            Err(DeliverError::Log(LogError::NoStream(_))) if !self.lanes.by_lane.is_empty() => {}
            other => other?,
        }
        if let Some(cut) = &self.progress.cut {
            let behind =
                self.readers.iter().any(|(shard, reading)| !reading.ended && self.read.get(shard) < cut.to.get(shard));
            let lanes = cut.lanes.clone().into();
            if behind && self.read(now)? {
                return Ok(worked);
            }
            self.work = Some(Work { lanes, lane: None, tasks: None });
            return Ok(worked);
        }
        self.check_definition(now)?;
        let due = self.due(now);
        if !due.is_empty() {
            self.cut(due, now)?;
            return Ok(worked);
        }
        if self.outdated && self.progress.is_caught_up(&self.read) {
            self.apply_definition()?;
            return Ok(worked);
        }
        if self.read(now)? {
            return Ok(worked);
        }
        let interval = self.shape.interval_ms;
        let wake_at = self.lanes.by_lane.values().map(|buffer| buffer.since + interval).min();
        Ok(Step { worked: false, wake_at, reads: true })
    }

    /// Opens readers for the shards that have none; a stream that was deleted and created again is read from its start.
    fn open_readers(&mut self) -> Result<(), DeliverError> {
        if self.readers.values().any(|reading| !reading.ended) {
            return Ok(());
        }
        let source = source_key(&self.scope, &self.progress.applied.stream.definition)?;
        let info = self.parts.log.stream(&source)?;
        if info.incarnation != self.progress.incarnation {
            if !self.lanes.by_lane.is_empty() {
                // First what was read of the stream before; its turn comes without readers.
                return Ok(());
            }
            self.progress.incarnation = info.incarnation;
            (self.progress.base, self.progress.delivered, self.progress.cut) = (Positions::new(), Vec::new(), None);
            self.progress.save(&self.parts.catalog, &self.key)?;
            (self.readers, self.read, self.lanes) = (BTreeMap::new(), Positions::new(), Lanes::default());
        }
        self.open_shards(&source, &info)
    }

    fn open_shards(&mut self, source: &StreamKey, info: &StreamInfo) -> Result<(), DeliverError> {
        for shard in &info.shards {
            self.births.insert(shard.id.0, shard.created_secs);
            if !self.readers.contains_key(&shard.id.0) {
                let read = self.read.get(&shard.id.0).or_else(|| self.progress.base.get(&shard.id.0));
                let from = read.copied().unwrap_or(0);
                let reader = self.parts.log.reader(source, shard.id, from)?;
                self.read.insert(shard.id.0, from);
                self.readers.insert(shard.id.0, Reading { reader, ended: false });
            }
        }
        Ok(())
    }

    /// Reads once from every shard; true when there was something.
    fn read(&mut self, now: Millis) -> Result<bool, DeliverError> {
        let (mut found, mut ended) = (false, false);
        for (&shard, reading) in &mut self.readers {
            if reading.ended {
                continue;
            }
            let batch = match reading.reader.read(READ_RECORDS, READ_BYTES) {
                Ok(batch) => batch,
                Err(error) => {
                    // A reader of a stream that is gone will not come back to life; a new one goes on where this one stood.
                    self.readers.clear();
                    return Err(error.into());
                }
            };
            (reading.ended, ended) = (batch.ended, ended || batch.ended);
            self.read.insert(shard, batch.next);
            found |= !batch.records.is_empty();
            for record in batch.records {
                Stats::add(&self.stats.records_in, 1);
                Stats::add(&self.stats.bytes_in, record.data.len());
                let (lane, failure) = self.shape.lane(&record.data);
                if self.progress.is_pending(&lane, shard, record.index) {
                    let held = Held { shard, index: record.index, arrival: record.arrival, data: record.data, failure };
                    self.lanes.push(lane, held, now);
                }
            }
        }
        if ended {
            self.open_children()?;
        }
        Ok(found || ended)
    }

    /// After a shard ended: its children, if the stream was resharded.
    fn open_children(&mut self) -> Result<(), DeliverError> {
        let source = source_key(&self.scope, &self.progress.applied.stream.definition)?;
        let info = self.parts.log.stream(&source)?;
        self.open_shards(&source, &info)
    }

    /// The lanes that are to be delivered now.
    fn due(&self, now: Millis) -> Vec<Lane> {
        let all = || self.lanes.by_lane.keys().cloned().collect();
        if self.outdated || self.lanes.by_lane.len() > LANES_MAX {
            return all();
        }
        let ripe = self.lanes.by_lane.iter().filter(|(_, buffer)| {
            buffer.bytes >= self.shape.size_bytes || now - buffer.since >= self.shape.interval_ms
        });
        let ripe: Vec<_> = ripe.map(|(lane, _)| lane.clone()).collect();
        if ripe.is_empty() && self.lanes.cost >= HELD_BYTES_MAX {
            return self.lanes.largest().cloned().into_iter().collect();
        }
        ripe
    }

    /// Writes down that these lanes are delivered up to where the shards are read.
    fn cut(&mut self, lanes: Vec<Lane>, now: Millis) -> Result<(), DeliverError> {
        let cut = Cut { at: now, lanes: lanes.clone(), to: self.read.clone() };
        let progress = Progress { cut: Some(cut), ..self.progress.clone() };
        progress.save(&self.parts.catalog, &self.key)?;
        self.progress = progress;
        self.work = Some(Work { lanes: lanes.into(), lane: None, tasks: None });
        Ok(())
    }

    /// Does the next task of the cut; after the last one moves the positions.
    async fn carry_out(&mut self, now: Millis) -> Result<(), DeliverError> {
        let (Some(work), Some(cut)) = (&mut self.work, &self.progress.cut) else { return Ok(()) };
        if work.lane.is_none() {
            let Some(lane) = work.lanes.pop_front() else { return self.complete() };
            let records = self.lanes.take(&lane, &cut.to, now);
            work.lane = Some((lane, records));
        }
        let Some((lane, records)) = &work.lane else { return Ok(()) };
        let source = Source { scope: &self.scope, shape: &self.shape, lane, records, at: cut.at };
        if work.tasks.is_none() {
            work.tasks = Some(plan(&source, &self.births)?);
        }
        let Some(tasks) = &mut work.tasks else { return Ok(()) };
        match tasks.front_mut() {
            None => (work.lane, work.tasks) = (None, None),
            Some(Task::Put(put)) => {
                put_object(&self.parts, &self.stats, put).await?;
                tasks.pop_front();
            }
            Some(Task::Bulk(bulk)) => {
                let put = bulk_documents(&self.parts, &self.stats, &source, bulk, now).await?;
                tasks.pop_front();
                tasks.extend(put.map(Task::Put));
            }
        }
        Ok(())
    }

    fn complete(&mut self) -> Result<(), DeliverError> {
        let mut progress = self.progress.clone();
        progress.complete(&self.lanes.first_pending(), &self.read);
        progress.save(&self.parts.catalog, &self.key)?;
        (self.progress, self.work) = (progress, None);
        Ok(())
    }

    /// Looks whether the definition or its table has changed, when told to and from time to time.
    fn check_definition(&mut self, now: Millis) -> Result<(), DeliverError> {
        let told = self.reload.swap(false, Ordering::AcqRel);
        if self.outdated || (!told && now - CHECK_MS < self.checked_at) {
            return Ok(());
        }
        self.checked_at = now;
        match self.current() {
            Ok(applied) => self.outdated = applied != self.progress.applied,
            // A table that is gone for a moment is no reason to stop: records are delivered as before.
            Err(error) => *self.stats.last_error.lock() = Some(error.to_string()),
        }
        Ok(())
    }

    fn current(&self) -> Result<Applied, DeliverError> {
        let name = &self.progress.applied.stream.definition.delivery_stream_name;
        let stream = current(&self.parts.catalog, &self.scope, name)?;
        Applied::of(stream, &self.scope, &self.parts.tables)
    }

    /// Switches to the current definition; only when nothing is pending.
    fn apply_definition(&mut self) -> Result<(), DeliverError> {
        let applied = self.current()?;
        let shape = Shape::of(&applied)?;
        // Nothing waits, so everything that was read is delivered, and the lanes of the old definition mean nothing now.
        let mut progress = Progress { applied, delivered: Vec::new(), ..self.progress.clone() };
        progress.base.extend(&self.read);
        progress.save(&self.parts.catalog, &self.key)?;
        (self.progress, self.shape, self.outdated) = (progress, shape, false);
        Ok(())
    }
}

async fn put_object(parts: &Parts, stats: &Stats, put: &Put) -> Result<(), DeliverError> {
    parts.store.put(&put.bucket, &put.key, put.content.clone()).await?;
    Stats::add(&stats.objects, 1);
    Stats::add(&stats.bytes_out, put.content.len());
    Stats::add(if put.failed { &stats.records_failed } else { &stats.records_out }, put.records);
    Ok(())
}

/// Indexes the documents; what the index does not take becomes an object.
async fn bulk_documents(
    parts: &Parts,
    stats: &Stats,
    source: &Source<'_>,
    bulk: &mut Bulk,
    now: Millis,
) -> Result<Option<Put>, DeliverError> {
    let Target::Documents(documents) = &source.shape.target else { return Ok(None) };
    let before = bulk.waiting.len() + bulk.failed.len();
    let done = bulk.attempt(documents, parts.index.as_ref(), now).await;
    let indexed = before - bulk.waiting.len() - bulk.failed.len();
    Stats::add(&stats.records_out, indexed);
    done.map_err(|reason| {
        DeliverError::Store(crate::StoreError::Failed {
            bucket: documents.index.clone(),
            key: bulk.index.clone(),
            reason,
        })
    })?;
    Ok(bulk.failures(source))
}
