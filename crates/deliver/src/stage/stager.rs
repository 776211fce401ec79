//! The state machine that stages: every call of [`Stager::step`] does one bounded piece of work, or asks the function once.

use super::event::{Envelope, Outcome, Refusal, Taken, event, read};
use super::progress::{Batch, StageProgress, staged_key};
use super::staged::{Failed, Staged, What};
use super::waiting::Waiting;
use crate::DeliverError;
use crate::definition::{DeliveryStreamDefinition, LambdaProcessor};
use crate::deliveries::{current, reader_of, source_key};
use crate::observer::{DeliveryName, Processed, Run, Taken as TakenRecords, Transformed};
use crate::permits;
use crate::run::{Parts, Positions, Progress, Readers, Stats, Step, catalog_key, uuid};
use bytes::Bytes;
use millrace_base::{Millis, Scope, ShardId};
use millrace_log::{LogError, NewRecord, Placed, Producer, StreamKey};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Pauses between tries: this, doubled each time, up to the maximum.
const BACKOFF_MS: Millis = 100;
const BACKOFF_MS_MAX: Millis = 30_000;
/// So many staged records may wait for the second half: when the store is away, the source keeps the rest.
const AHEAD_RECORDS_MAX: u64 = 20_000;
/// How often it is looked whether the second half has caught up.
const AHEAD_MS: Millis = 200;
/// How often a delivery stream without a function looks whether it has one now, unless it is told.
const IDLE_MS: Millis = 10_000;
/// The only writer of a staged stream.
const PRODUCER: &str = "staging";

/// The first half of one delivery stream. Without a Lambda processor it has nothing to do.
pub struct Stager {
    parts: Parts,
    scope: Scope,
    name: String,
    key: String,
    progress: Option<StageProgress>,
    readers: Readers,
    /// What it reads, and whether that is a Kinesis stream.
    source: Option<(StreamKey, bool)>,
    waiting: Waiting,
    batch: Option<Asked>,
    attempts: u32,
    retry_at: Millis,
    stats: Arc<Stats>,
}

/// A batch that is written down.
struct Asked {
    records: Vec<Taken>,
    to: Positions,
    /// How often the function was asked.
    tries: u32,
    /// What is to be staged, once the answer is there.
    answer: Option<Answered>,
}

/// What is to be staged of a batch.
#[derive(Clone)]
struct Answered {
    records: Vec<NewRecord>,
    /// How many of them stem from each record of the batch.
    counts: Vec<u8>,
    call: Asking,
}

/// A call of the function.
#[derive(Clone)]
struct Asking {
    function: String,
    began: Millis,
    failure: Option<String>,
}

fn worked() -> Step {
    Step { worked: true, wake_at: None, reads: true }
}

fn pause(at: Millis) -> Step {
    Step { worked: false, wake_at: Some(at), reads: false }
}

impl Stager {
    /// Opens the first half of a delivery stream, which counts in `stats`, the second half's.
    pub fn open(parts: Parts, scope: &Scope, name: &str, stats: Arc<Stats>) -> Self {
        Self {
            parts,
            scope: scope.clone(),
            name: name.to_owned(),
            key: catalog_key(scope, name),
            progress: None,
            readers: Readers::default(),
            source: None,
            waiting: Waiting::default(),
            batch: None,
            attempts: 0,
            retry_at: Millis::MIN,
            stats,
        }
    }

    /// What it failed with, while it tries again and again.
    pub fn trouble(&self) -> Option<String> {
        self.stats.staging_error.lock().clone()
    }

    /// Does the next piece of work. Failures are kept in the counters and tried again later; none is lost. Cancel-safe: a
    /// step that is dropped is done again by the next stager that opens.
    pub async fn step(&mut self) -> Step {
        let now = self.parts.clock.now();
        if now < self.retry_at {
            return pause(self.retry_at);
        }
        let step = self.advance(now).await;
        let oldest = self.waiting.oldest().into_iter().chain(self.batch.iter().flat_map(Asked::oldest)).min();
        self.stats.oldest_staging.store(oldest.unwrap_or(0), Ordering::Relaxed);
        match step {
            Ok(step) => {
                if step.worked {
                    (self.attempts, self.retry_at) = (0, Millis::MIN);
                    *self.stats.staging_error.lock() = None;
                }
                step
            }
            Err(error) => self.again(error.to_string()),
        }
    }

    fn again(&mut self, reason: String) -> Step {
        let wait = BACKOFF_MS.saturating_mul(1 << self.attempts.min(20)).min(BACKOFF_MS_MAX);
        self.attempts += 1;
        self.retry_at = self.parts.clock.now() + wait;
        Stats::add(&self.stats.retries, 1);
        *self.stats.staging_error.lock() = Some(reason);
        pause(self.retry_at)
    }

    /// Waits until a shard has something to read or ends. Cancel-safe.
    pub async fn wait(&mut self) {
        self.readers.wait().await;
    }

    async fn advance(&mut self, now: Millis) -> Result<Step, DeliverError> {
        if self.progress.as_ref().is_none_or(|progress| progress.ended) {
            self.progress = StageProgress::load(&self.parts.catalog, &self.key)?.filter(|progress| !progress.ended);
            (self.readers, self.waiting) = (Readers::default(), Waiting::default());
            if self.progress.is_none() {
                return Ok(pause(now + IDLE_MS));
            }
        }
        if self.batch.is_some() {
            return self.ask().await;
        }
        match self.open_readers() {
            // What was read before its stream was deleted is still staged.
            Err(DeliverError::Log(LogError::NoStream(_))) if !self.waiting.is_empty() => {}
            other => other?,
        }
        let Some(progress) = &mut self.progress else { return Ok(pause(now + IDLE_MS)) };
        if let Some(Batch { to, .. }) = progress.batch.clone() {
            if self.readers.is_behind(&to) && self.read(now)? {
                return Ok(worked());
            }
            self.batch = Some(Asked { records: self.waiting.take(&to, now), to, tries: 0, answer: None });
            return Ok(worked());
        }
        let Some(lambda) = current(&self.parts.catalog, &self.scope, &self.name)?.definition.lambda() else {
            progress.ended = true;
            progress.save(&self.parts.catalog, &self.key)?;
            return Ok(worked());
        };
        self.go_on(&lambda, now)
    }

    fn go_on(&mut self, lambda: &LambdaProcessor, now: Millis) -> Result<Step, DeliverError> {
        if self.waiting.is_due(lambda, now) {
            if self.is_ahead()? {
                return Ok(pause(now + AHEAD_MS));
            }
            self.cut(lambda, now)?;
            return Ok(worked());
        }
        if self.read(now)? {
            return Ok(worked());
        }
        Ok(Step { worked: false, wake_at: self.waiting.due_at(lambda), reads: true })
    }

    /// Whether more is staged than the second half should have before it.
    fn is_ahead(&self) -> Result<bool, DeliverError> {
        let tail = self.parts.log.bounds(&staged_key(&self.scope, &self.name), ShardId(0))?.tail;
        Ok(tail.saturating_sub(self.stats.staged_read.load(Ordering::Relaxed)) > AHEAD_RECORDS_MAX)
    }

    /// Opens readers for the shards that have none; a stream that was deleted and created again is read from its start.
    fn open_readers(&mut self) -> Result<(), DeliverError> {
        let Some(progress) = self.progress.as_mut().filter(|_| !self.readers.is_open()) else { return Ok(()) };
        let definition = current(&self.parts.catalog, &self.scope, &self.name)?.definition;
        let source = source_key(&self.scope, &definition)?;
        let info = self.parts.log.stream(&source)?;
        if info.incarnation != progress.incarnation {
            if !self.waiting.is_empty() {
                // First what was read of the stream before; its turn comes without readers.
                return Ok(());
            }
            (progress.incarnation, progress.base, progress.batch) = (info.incarnation, Positions::new(), None);
            progress.save(&self.parts.catalog, &self.key)?;
            self.readers = Readers::default();
        }
        self.source = Some((source.clone(), definition.kinesis_stream_source_configuration.is_some()));
        let who = reader_of(&self.scope, &self.name);
        self.readers.open(&*self.parts.log, &who, (&source, &info), &progress.base)
    }

    /// Reads once from every shard; true when there was something.
    fn read(&mut self, now: Millis) -> Result<bool, DeliverError> {
        let source = current(&self.parts.catalog, &self.scope, &self.name)?.definition;
        let source = source.kinesis_stream_source_configuration.as_ref();
        permits::may_read(&self.parts, (&self.scope, &self.name), source)?;
        let (waiting, stats, births) = (&mut self.waiting, &self.stats, self.readers.births.clone());
        let mut count = (0, 0);
        let found = self.readers.read(|shard, record| {
            Stats::add(&stats.records_in, 1);
            Stats::add(&stats.bytes_in, record.data.len());
            count = (count.0 + 1, count.1 + record.data.len() as u64);
            let sequence = births.get(&shard).map(|shard| shard.number(record.index, record.arrival));
            let taken = Taken {
                shard,
                index: record.index,
                arrival: record.arrival,
                sequence: sequence.map(|number| number.to_string()).unwrap_or_default(),
                partition_key: record.partition_key,
                data: record.data,
            };
            waiting.push(taken, now);
        })?;
        let (records, bytes) = count;
        if let (Some((_, is_kinesis)), true) = (&self.source, records > 0) {
            let taken = TakenRecords { is_kinesis: *is_kinesis, records, bytes };
            self.parts.observer.taken(&DeliveryName { scope: &self.scope, name: &self.name }, &taken);
        }
        Ok(found.any())
    }

    /// Writes down which records the function is asked about next.
    fn cut(&mut self, lambda: &LambdaProcessor, now: Millis) -> Result<(), DeliverError> {
        let Some(progress) = &mut self.progress else { return Ok(()) };
        let to = self.waiting.next_batch(lambda);
        let batch = Some(Batch { to: to.clone(), at: now });
        let next = StageProgress { batch, epoch: progress.epoch + 1, lambda: lambda.clone(), ..progress.clone() };
        next.save(&self.parts.catalog, &self.key)?;
        *progress = next;
        self.batch = Some(Asked { records: self.waiting.take(&to, now), to, tries: 0, answer: None });
        Ok(())
    }

    /// Asks the function about the batch, once; when the answer is there, stages it.
    async fn ask(&mut self) -> Result<Step, DeliverError> {
        let (Some(progress), Some(batch)) = (&self.progress, &mut self.batch) else { return Ok(worked()) };
        if batch.answer.is_none() {
            let delivered = Progress::load(&self.parts.catalog, &self.key)?;
            let definition = match delivered {
                Some(delivered) => delivered.applied.stream.definition,
                None => current(&self.parts.catalog, &self.scope, &self.name)?.definition,
            };
            // As the definition has it now: who mends it need not wait until the old one's tries are over.
            let now = current(&self.parts.catalog, &self.scope, &self.name)?.definition.lambda();
            let lambda = now.unwrap_or_else(|| progress.lambda.clone());
            let envelope = envelope(&self.scope, &self.name, progress, &definition);
            batch.tries += 1;
            let began = self.parts.clock.now();
            let outcomes = if batch.records.is_empty() {
                Ok(Vec::new())
            } else {
                let who = (&self.scope, self.name.as_str());
                let answer = match permits::may_call(&self.parts, who, definition.lambda_role()?, &lambda.lambda_arn) {
                    Ok(()) => {
                        let event = event(&envelope, &batch.records);
                        self.parts.transform.transform(&lambda.lambda_arn, event).await
                    }
                    Err(denied) => Err(denied),
                };
                let answer = answer.map_err(Refusal::from).and_then(|answer| read(&answer, &batch.records));
                let processed = Processed {
                    records: batch.records.len(),
                    bytes: batch.records.iter().map(|taken| taken.data.len()).sum(),
                    took_ms: (self.parts.clock.now() - began).max(0),
                    ok: answer.is_ok(),
                };
                let name = DeliveryName { scope: &self.scope, name: &self.name };
                self.parts.observer.processed(&name, &processed);
                answer
            };
            let failure = outcomes.as_ref().err().map(|refusal| refusal.message.clone());
            let call = Asking { function: lambda.lambda_arn.clone(), began, failure };
            let trial = Trial { lambda: &lambda, tries: batch.tries, at: self.parts.clock.now() };
            match outcomes {
                Err(refusal) if batch.tries <= lambda.retries => {
                    let reason = format!("{} ({}, try {})", refusal.message, lambda.lambda_arn, batch.tries);
                    self.tell(&call, &[], &[]);
                    return Ok(self.again(reason));
                }
                outcomes => {
                    let (records, counts) = trial.staged(&batch.records, outcomes, definition.keeps_sources());
                    batch.answer = Some(Answered { records, counts, call });
                }
            }
        }
        self.stage().await?;
        Ok(worked())
    }

    async fn stage(&mut self) -> Result<(), DeliverError> {
        let (Some(progress), Some(batch)) = (&self.progress, &self.batch) else { return Ok(()) };
        if let Some(Answered { records, counts, call }) = batch.answer.clone() {
            let mut placed = Vec::new();
            if !records.is_empty() {
                let producer = Producer { id: PRODUCER.into(), epoch: progress.epoch };
                let appended = self.parts.log.append(&staged_key(&self.scope, &self.name), records, Some(producer));
                placed = appended.await?;
            }
            self.tell(&call, &placed, &counts);
        }
        let (Some(progress), Some(batch)) = (&mut self.progress, &self.batch) else { return Ok(()) };
        let mut next = StageProgress { batch: None, ..progress.clone() };
        next.base.extend(&batch.to);
        let source = current(&self.parts.catalog, &self.scope, &self.name)?;
        let info = self.parts.log.stream(&source_key(&self.scope, &source.definition)?);
        if let Some(info) = info.ok().filter(|info| info.incarnation == next.incarnation) {
            self.readers.forget(&info, [&mut next.base].into_iter());
        }
        next.save(&self.parts.catalog, &self.key)?;
        (*progress, self.batch) = (next, None);
        Ok(())
    }

    /// Tells whoever follows records what came of a call about the batch.
    fn tell(&self, call: &Asking, placed: &[Placed], counts: &[u8]) {
        let (Some(batch), Some((stream, _))) = (&self.batch, &self.source) else { return };
        let transformed = Transformed {
            stream,
            runs: Run::of(batch.records.iter().map(|taken| (taken.shard, taken.index))),
            function: &call.function,
            staged: &staged_key(&self.scope, &self.name),
            placed,
            counts,
            began: call.began,
            failure: call.failure.as_deref(),
        };
        self.parts.observer.transformed(&DeliveryName { scope: &self.scope, name: &self.name }, &transformed);
    }
}

impl Asked {
    fn oldest(&self) -> Option<Millis> {
        self.records.iter().map(|taken| taken.arrival).min()
    }
}

fn envelope(scope: &Scope, name: &str, progress: &StageProgress, definition: &DeliveryStreamDefinition) -> Envelope {
    let source = definition.kinesis_stream_source_configuration.as_ref();
    let identity = format!("{scope}\n{name}\n{}\n{}\n{:?}", progress.incarnation, progress.epoch, progress.base);
    Envelope {
        // The same at every try, so that a function can tell a batch that it has seen.
        invocation_id: uuid(&Sha256::digest(identity).into()),
        source_kinesis_stream_arn: source.map(|source| source.kinesis_stream_arn.clone()),
        delivery_stream_arn: scope.arn("firehose", &format!("deliverystream/{name}")).to_string(),
        region: scope.region.to_string(),
    }
}

/// The last try of a batch.
struct Trial<'a> {
    lambda: &'a LambdaProcessor,
    tries: u32,
    at: Millis,
}

impl Trial<'_> {
    fn failed(&self, code: &str, message: &str) -> What {
        What::Failed(Failed {
            attempts_made: self.tries,
            error_code: code.to_owned(),
            error_message: message.to_owned(),
            attempt_ending_timestamp: Some(self.at),
            lambda_arn: Some(self.lambda.lambda_arn.clone()),
        })
    }

    /// What is to be staged, and how much of it stems from each record.
    fn staged(
        &self,
        records: &[Taken],
        outcomes: Result<Vec<Outcome>, Refusal>,
        with_sources: bool,
    ) -> (Vec<NewRecord>, Vec<u8>) {
        let outcomes: Vec<(Option<What>, Option<Bytes>)> = match outcomes {
            Ok(outcomes) => outcomes.into_iter().map(|outcome| self.one(outcome)).collect(),
            Err(refusal) => records.iter().map(|_| (Some(self.failed(refusal.code, &refusal.message)), None)).collect(),
        };
        let (mut staged, mut counts) = (Vec::new(), Vec::with_capacity(records.len()));
        for (taken, (what, data)) in records.iter().zip(outcomes) {
            let source = with_sources.then_some((What::Source, taken.data.clone()));
            let outcome = what.map(|what| (what, data.unwrap_or_else(|| taken.data.clone())));
            counts.push(u8::from(source.is_some()) + u8::from(outcome.is_some()));
            staged.extend(source.into_iter().chain(outcome).map(|(what, data)| NewRecord {
                partition_key: Bytes::from_static(b"0"),
                explicit_hash: None,
                data: Staged { arrival: taken.arrival, what, data }.encode(),
            }));
        }
        (staged, counts)
    }

    fn one(&self, outcome: Outcome) -> (Option<What>, Option<Bytes>) {
        match outcome {
            Outcome::Staged(what, data) => (Some(what), Some(data)),
            Outcome::Dropped => (None, None),
            Outcome::ProcessingFailed => {
                let what = self.failed("Lambda.ProcessingFailedStatus", "ProcessingFailed status set for record");
                (Some(what), None)
            }
        }
    }
}
