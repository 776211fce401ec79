//! The state machine of one delivery stream: every call of [`Runner::step`] does one bounded piece of work.

use super::cut::{Bulk, Plan, Task};
use super::lane::{Held, Lanes};
use super::object::{Put, Source};
use super::progress::{Applied, Cut, Lane, Positions, Progress, catalog_key};
use super::readers::Readers;
use super::shape::{Shape, Target};
use super::stats::Stats;
use crate::DeliverError;
use crate::definition::Destination;
use crate::deliveries::{current, reader_of, source_key};
use crate::index::BulkIndex;
use crate::observer::{Delivered, DeliveryName, DeliveryObserver, DestinationKind, Run, Taken};
use crate::permits::{self, Permits};
use crate::stage::{Failed, STAGING, StageProgress, Staged, create_staged_stream, staged_key};
use crate::store::ObjectStore;
use crate::transform::Transform;
use millrace_base::{Clock, Millis, Scope, ShardId};
use millrace_catalog::Catalog;
use millrace_log::{Log, LogError, Record, StreamKey};
use millrace_schema::glue::Schemas;
use millrace_schema::registry::Registry;
use millrace_schema::tables::Tables;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// All buffers of one delivery stream; at this size the largest is delivered early. Two buffers of AWS's greatest size.
const HELD_BYTES_MAX: usize = 256 << 20;
/// Lanes of one delivery stream (AWS: 500 active partitions); at this number all are delivered early.
const LANES_MAX: usize = 500;
/// How often the table and definition are looked at while records wait.
const CHECK_MS: Millis = 10_000;
/// How often it is looked whether the first half has ended.
const ENDING_MS: Millis = 100;
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
    /// The schemas that records may name.
    pub registry: Registry,
    /// Where objects go.
    pub store: Arc<dyn ObjectStore>,
    /// Where documents go.
    pub index: Arc<dyn BulkIndex>,
    /// The functions of Lambda processors.
    pub transform: Arc<dyn Transform>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What roles may do.
    pub permits: Arc<dyn Permits>,
    /// Is told what is done.
    pub observer: Arc<dyn DeliveryObserver>,
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
    readers: Readers,
    lanes: Lanes,
    work: Option<Work>,
    attempts: u32,
    retry_at: Millis,
    checked_at: Millis,
    outdated: bool,
    reload: Arc<AtomicBool>,
    stats: Arc<Stats>,
}

/// A cut that is being carried out, lane by lane.
struct Work {
    lanes: VecDeque<Lane>,
    load: Option<Load>,
}

/// The records of the lane whose turn it is.
struct Load {
    lane: Lane,
    records: Vec<Held>,
    /// What they cost in memory.
    cost: usize,
    plan: Option<Plan>,
}

impl Runner {
    /// Opens a delivery stream where its progress stands. `reload` set to true makes it look at its definition again.
    pub fn open(parts: Parts, scope: &Scope, name: &str, reload: Arc<AtomicBool>) -> Result<Self, DeliverError> {
        let key = catalog_key(scope, name);
        let progress = Progress::load(&parts.catalog, &key)?.ok_or_else(|| {
            DeliverError::NotFound(format!("Firehose {name} under account {} not found.", scope.account))
        })?;
        let schemas = Schemas::new(parts.registry.clone(), scope.clone());
        let shape = Shape::of(&progress.applied, progress.staged, schemas)?;
        Ok(Self {
            parts,
            scope: scope.clone(),
            key,
            progress,
            shape,
            readers: Readers::default(),
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
        if self.progress.staged {
            self.stats.staged_read.store(self.readers.read.get(&0).copied().unwrap_or(0), Ordering::Relaxed);
        }
        self.stats.partitions.store(self.lanes.by_lane.len() as u64, Ordering::Relaxed);
        self.stats.oldest_pending.store(self.oldest().unwrap_or(0), Ordering::Relaxed);
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

    /// When the oldest record arrived that waits in a lane, or is on its way to its destination.
    fn oldest(&self) -> Option<Millis> {
        let under_way = self.work.iter().filter_map(|work| work.load.as_ref()).flat_map(|load| &load.records);
        under_way.map(|held| held.arrival).chain(self.lanes.oldest()).min()
    }

    /// Waits until a shard has something to read or ends. Cancel-safe.
    pub async fn wait(&mut self) {
        self.readers.wait().await;
    }

    /// Whether it reads what the first half has staged.
    pub fn is_staged(&self) -> bool {
        self.progress.staged
    }

    async fn advance(&mut self, now: Millis) -> Result<Step, DeliverError> {
        let worked = Step { worked: true, wake_at: None, reads: true };
        if self.work.is_some() {
            self.carry_out(now).await?;
            self.read_on(now);
            return Ok(worked);
        }
        match self.open_readers() {
            // What was read before its stream was deleted is still delivered.
            Err(DeliverError::Log(LogError::NoStream(_))) if !self.lanes.by_lane.is_empty() => {}
            other => other?,
        }
        if let Some(cut) = &self.progress.cut {
            let (behind, lanes) = (self.readers.is_behind(&cut.to), cut.lanes.clone().into());
            if behind && self.read(now)? {
                return Ok(worked);
            }
            self.work = Some(Work { lanes, load: None });
            return Ok(worked);
        }
        self.check_definition(now)?;
        let due = self.due(now);
        if !due.is_empty() {
            self.cut(due, now)?;
            return Ok(worked);
        }
        if self.outdated && self.progress.is_caught_up(&self.readers.read) && self.apply_definition()? {
            return Ok(worked);
        }
        if self.read(now)? {
            return Ok(worked);
        }
        let interval = self.shape.interval_ms;
        let ripe_at = self.lanes.by_lane.values().map(|buffer| buffer.since + interval).min();
        // While the first half comes to its end nothing tells when it has.
        let wake_at = if self.outdated { Some(now + ENDING_MS) } else { ripe_at };
        Ok(Step { worked: false, wake_at, reads: true })
    }

    /// Opens readers for the shards that have none and whose turn has come; a stream that was deleted and created again is read from its start.
    fn open_readers(&mut self) -> Result<(), DeliverError> {
        if self.readers.is_open() {
            return Ok(());
        }
        let source = self.source()?;
        let info = self.parts.log.stream(&source)?;
        if info.incarnation != self.progress.incarnation {
            if !self.lanes.by_lane.is_empty() {
                // First what was read of the stream before; its turn comes without readers.
                return Ok(());
            }
            (self.progress.incarnation, self.progress.began) = (info.incarnation, Some(Positions::new()));
            (self.progress.base, self.progress.delivered, self.progress.cut) = (Positions::new(), Vec::new(), None);
            self.progress.save(&self.parts.catalog, &self.key)?;
            (self.readers, self.lanes) = (Readers::default(), Lanes::default());
        }
        let who = reader_of(&self.scope, &self.progress.applied.stream.definition.delivery_stream_name);
        self.readers.open(&*self.parts.log, &who, (&source, &info), &self.progress.base)
    }

    /// What is read: the source, or what the first half makes of it.
    fn source(&self) -> Result<StreamKey, DeliverError> {
        let definition = &self.progress.applied.stream.definition;
        match self.progress.staged {
            true => Ok(staged_key(&self.scope, &definition.delivery_stream_name)),
            false => source_key(&self.scope, definition),
        }
    }

    /// Reads between the steps of a cut, so that its object's making is no reason to fall behind: as long as there is room and
    /// no other definition waits for the end of what was read.
    fn read_on(&mut self, now: Millis) {
        let Some(work) = &self.work else { return };
        let held = self.lanes.cost + work.load.as_ref().map_or(0, |load| load.cost);
        let room = held < HELD_BYTES_MAX && self.lanes.by_lane.len() <= LANES_MAX;
        if room && !self.outdated && self.readers.is_open() {
            // What it fails with the next read finds, too; the cut is no worse off.
            let _ = self.read(now);
        }
    }

    /// Reads once from every shard; true when there was something.
    fn read(&mut self, now: Millis) -> Result<bool, DeliverError> {
        if !self.progress.staged {
            let definition = &self.progress.applied.stream.definition;
            let source = definition.kinesis_stream_source_configuration.as_ref();
            permits::may_read(&self.parts, (&self.scope, &definition.delivery_stream_name), source)?;
        }
        let (shape, progress, lanes, stats) = (&self.shape, &self.progress, &mut self.lanes, &self.stats);
        let mut count = (0, 0);
        let found = self.readers.read(|shard, record| {
            count = (count.0 + 1, count.1 + record.data.len() as u64);
            let (lane, held) = held(shape, progress.staged, shard, record);
            if !progress.staged {
                Stats::add(&stats.records_in, 1);
                Stats::add(&stats.bytes_in, held.data.len());
            }
            if progress.is_pending(&lane, shard, held.index) {
                lanes.push(lane, held, now);
            }
        })?;
        // What was staged was taken by the first half.
        let (records, bytes) = count;
        if records > 0 && !self.progress.staged {
            let definition = &self.progress.applied.stream.definition;
            let is_kinesis = definition.kinesis_stream_source_configuration.is_some();
            self.parts.observer.taken(&self.delivery_name(), &Taken { is_kinesis, records, bytes });
        }
        Ok(found.any())
    }

    fn delivery_name(&self) -> DeliveryName<'_> {
        let name = &self.progress.applied.stream.definition.delivery_stream_name;
        DeliveryName { scope: &self.scope, name }
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
        let cut = Cut { at: now, lanes: lanes.clone(), to: self.readers.read.clone() };
        let progress = Progress { cut: Some(cut), ..self.progress.clone() };
        progress.save(&self.parts.catalog, &self.key)?;
        self.progress = progress;
        self.work = Some(Work { lanes: lanes.into(), load: None });
        Ok(())
    }

    /// Does the next task of the cut; after the last one moves the positions.
    async fn carry_out(&mut self, now: Millis) -> Result<(), DeliverError> {
        let stream = self.source()?;
        let (Some(work), Some(cut)) = (&mut self.work, &self.progress.cut) else { return Ok(()) };
        let Some(Load { lane, records, plan, .. }) = &mut work.load else {
            let Some(lane) = work.lanes.pop_front() else { return self.complete() };
            let before = self.lanes.cost;
            let records = self.lanes.take(&lane, &cut.to, now);
            work.load = Some(Load { lane, records, cost: before - self.lanes.cost, plan: None });
            return Ok(());
        };
        let source = Source { scope: &self.scope, stream: &stream, shape: &self.shape, lane, records, at: cut.at };
        let births = &self.readers.births;
        let Some(Plan { tasks, .. }) = plan.as_mut().filter(|plan| plan.is_made()) else {
            *plan = Some(match plan.take() {
                None => Plan::begin(&source, births)?,
                Some(plan) => plan.step(&source, births)?,
            });
            return Ok(());
        };
        match tasks.front_mut() {
            None => work.load = None,
            Some(Task::Put(put)) => {
                let definition = &self.progress.applied.stream.definition;
                let who = (&self.scope, definition.delivery_stream_name.as_str());
                let role = definition.object_role(put.copy)?;
                permits::may_put(&self.parts, who, role, (&put.bucket, &put.key))?;
                if let Destination::S3(s3) = definition.destination()? {
                    permits::may_convert(&self.parts, who, s3)?;
                }
                put_object(&self.parts, &self.stats, &source, put, now).await?;
                tasks.pop_front();
            }
            Some(Task::Bulk(bulk)) => {
                let definition = &self.progress.applied.stream.definition;
                let who = (&self.scope, definition.delivery_stream_name.as_str());
                if let Destination::Search(search) = definition.destination()? {
                    permits::may_index(&self.parts, who, &search.role_arn, (&search.domain_arn, &bulk.index))?;
                }
                let put = bulk_documents(&self.parts, &self.stats, &source, bulk, now).await?;
                tasks.pop_front();
                tasks.extend(put.map(Task::Put));
            }
        }
        Ok(())
    }

    fn complete(&mut self) -> Result<(), DeliverError> {
        let mut progress = self.progress.clone();
        progress.complete(&self.lanes.first_pending(), &self.readers.read);
        let info = self.parts.log.stream(&self.source()?).ok();
        if let Some(info) = info.filter(|info| info.incarnation == progress.incarnation) {
            let delivered = progress.delivered.iter_mut().map(|(_, to)| to);
            self.readers.forget(&info, delivered.chain([&mut progress.base]));
            progress.delivered.retain(|(_, to)| !to.is_empty());
        }
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
            Ok(applied) => {
                let is_staged = applied.stream.definition.lambda().is_some();
                self.outdated = applied != self.progress.applied || is_staged != self.progress.staged;
            }
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

    /// Switches to the current definition; only when nothing is pending. False while the first half has not ended yet.
    fn apply_definition(&mut self) -> Result<bool, DeliverError> {
        let applied = self.current()?;
        let lambda = applied.stream.definition.lambda();
        let stage = StageProgress::load(&self.parts.catalog, &self.key)?.filter(|_| self.progress.staged);
        if let Some(stage) = &stage
            && (stage.ended || lambda.is_none())
        {
            return self.unstage(applied, stage);
        }
        // Nothing waits, so everything that was read is delivered, and the lanes of the old definition mean nothing now.
        let mut progress = Progress { applied, delivered: Vec::new(), ..self.progress.clone() };
        progress.base.extend(&self.readers.read);
        progress.began = Some(progress.base.clone());
        match lambda.filter(|_| !self.progress.staged) {
            None => progress.save(&self.parts.catalog, &self.key)?,
            Some(lambda) => {
                // From here on the first half reads the source, and this one what that makes of it.
                let stage = StageProgress::new(lambda, progress.incarnation, progress.base);
                let name = &progress.applied.stream.definition.delivery_stream_name;
                progress.incarnation = create_staged_stream(&*self.parts.log, &self.scope, name)?;
                (progress.base, progress.staged) = (Positions::new(), true);
                self.parts.catalog.update(|transaction| {
                    transaction.put(STAGING, &self.key, &stage)?;
                    transaction.put(super::progress::TABLE, &self.key, &progress)
                })?;
            }
        }
        self.switch(progress)?;
        Ok(true)
    }

    /// Reads the source itself from where the first half has ended, once all that it staged is delivered.
    fn unstage(&mut self, applied: Applied, stage: &StageProgress) -> Result<bool, DeliverError> {
        let staged = staged_key(&self.scope, &applied.stream.definition.delivery_stream_name);
        let tail = self.parts.log.bounds(&staged, ShardId(0))?.tail;
        if !stage.ended || self.readers.read.get(&0).copied().unwrap_or(0) < tail {
            return Ok(false);
        }
        let progress = Progress {
            applied,
            incarnation: stage.incarnation,
            base: stage.base.clone(),
            delivered: Vec::new(),
            cut: None,
            staged: false,
            began: Some(stage.base.clone()),
        };
        self.parts.catalog.update(|transaction| {
            transaction.delete(STAGING, &self.key)?;
            transaction.put(super::progress::TABLE, &self.key, &progress)
        })?;
        self.switch(progress)?;
        match self.parts.log.delete_stream(&staged) {
            Ok(()) | Err(LogError::NoStream(_)) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    fn switch(&mut self, progress: Progress) -> Result<(), DeliverError> {
        let schemas = Schemas::new(self.parts.registry.clone(), self.scope.clone());
        self.shape = Shape::of(&progress.applied, progress.staged, schemas)?;
        if progress.staged != self.progress.staged {
            self.readers = Readers::default();
        }
        // A function may have come or gone since: the next check tells.
        (self.progress, self.outdated, self.checked_at) = (progress, false, Millis::MIN);
        Ok(())
    }
}

/// The lane of a record, and the record as it waits there.
fn held(shape: &Shape, staged: bool, shard: u32, record: Record) -> (Lane, Held) {
    let Record { index, arrival, data, .. } = record;
    let held = |arrival, data, failure| Held { shard, index, arrival, data, failure };
    if !staged {
        let (lane, failure) = shape.lane(&data, BTreeMap::new());
        return (lane, held(arrival, data, failure));
    }
    match Staged::decode(data.clone()) {
        Ok(staged) => {
            let (lane, failure) = shape.staged_lane(staged.what, &staged.data);
            (lane, held(staged.arrival, staged.data, failure))
        }
        // Written by a later Millrace: whoever reads the failures finds all of it.
        Err(reason) => (Lane::Failures, held(arrival, data, Some(Box::new(Failed::unreadable(reason))))),
    }
}

impl Source<'_> {
    fn runs(&self) -> Vec<Run> {
        Run::of(self.records.iter().map(|held| (held.shard, held.index)))
    }

    fn name(&self) -> DeliveryName<'_> {
        DeliveryName { scope: self.scope, name: &self.shape.name }
    }
}

async fn put_object(
    parts: &Parts,
    stats: &Stats,
    source: &Source<'_>,
    put: &Put,
    now: Millis,
) -> Result<(), DeliverError> {
    let began = parts.clock.now();
    let done = parts.store.put(&put.bucket, &put.key, put.content.clone()).await;
    let failure = done.as_ref().err().map(ToString::to_string);
    let is_backup = put.copy || matches!(source.shape.target, Target::Documents(_));
    let ok = failure.is_none();
    let delivered = Delivered {
        kind: if is_backup { DestinationKind::Backup } else { DestinationKind::S3 },
        target: (&put.bucket, &put.key),
        stream: source.stream,
        runs: source.runs(),
        records: if ok { put.records } else { 0 },
        bytes: if ok { put.content.len() } else { 0 },
        rejected: 0,
        began,
        oldest_ms: (now - source.oldest()).max(0),
        failure: failure.as_deref(),
    };
    parts.observer.delivered(&source.name(), &delivered);
    done?;
    if let Some(converted) = &put.conversion {
        parts.observer.converted(&source.name(), converted);
    }
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
    let began = parts.clock.now();
    let done = bulk.attempt(documents, parts.index.as_ref(), now).await;
    let indexed = before - bulk.waiting.len() - bulk.failed.len();
    Stats::add(&stats.records_out, indexed);
    let bytes = if indexed == 0 { 0 } else { source.records.iter().map(|held| held.data.len()).sum() };
    let delivered = Delivered {
        kind: DestinationKind::Search,
        target: (&documents.domain_arn, &bulk.index),
        stream: source.stream,
        runs: source.runs(),
        records: indexed,
        bytes,
        rejected: bulk.rejected,
        began,
        oldest_ms: (now - source.oldest()).max(0),
        failure: done.as_ref().err().map(String::as_str),
    };
    parts.observer.delivered(&source.name(), &delivered);
    done.map_err(|reason| {
        DeliverError::Store(crate::StoreError::Failed {
            bucket: documents.index.clone(),
            key: bulk.index.clone(),
            reason,
        })
    })?;
    Ok(bulk.failures(source))
}
