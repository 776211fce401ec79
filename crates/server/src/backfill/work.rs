//! The work on one job: prepare, read the lake, read the log to the tip, swap, read what arrived until then.

use super::job::{Job, Phase, Place, TABLE, Through};
use super::lake::Known;
use super::write::{Batch, Refused, Target, stopped};
use super::{Parts, Trouble, copy, shards, swap};
use futures::future::join_all;
use millrace_base::{Millis, ShardId};
use millrace_deliver::records_of;
use millrace_log::{Log, Record, Shard, StreamInfo, StreamKey};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Records that one read of a shard takes at most.
const RECORDS_MAX: usize = 1000;
/// The same for a function, whose batches they are.
const CALLED_MAX: usize = 300;
const READ_BYTES_MAX: usize = 4 << 20;
/// How often a job is saved at most. What was done since is done again after a crash.
const SAVE_MS: Millis = 500;
/// Pauses between a failure and the next try: this, doubled each time, up to the maximum.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// What one read of a shard found.
pub struct Round {
    id: ShardId,
    shard: Shard,
    /// The records, in order.
    pub records: Vec<Record>,
    /// The index that is read next.
    pub next: u64,
    /// It was read to its end.
    pub ended: bool,
    /// There may be more.
    full: bool,
}

/// Works on a job until it is done, cannot go on, or is stopped.
pub async fn run(parts: Parts, job: Job, stop: Arc<AtomicBool>) {
    let (saved, known) = (parts.clock.now(), Known::default());
    let mut work = Work { role: String::new(), saved, parts, job, stop: stop.clone(), known };
    let mut pause = PAUSE;
    while work.job.is_open() && !stop.load(Ordering::Acquire) {
        match work.step().await {
            Ok(()) => {
                pause = PAUSE;
                work.job.trouble = None;
                work.save(false);
            }
            Err(Trouble::Never(why)) => {
                tracing::warn!("backfill {} cannot go on: {why}", work.job.id);
                work.job.phase = Phase::Failed(why);
            }
            Err(Trouble::Again(why)) => {
                tracing::warn!("backfill {} waits and tries again: {why}", work.job.id);
                work.job.trouble = Some(why);
                work.save(true);
                // Its time is over, or the job is stopped: either ends the pause.
                let _ = tokio::time::timeout(pause, stopped(&stop)).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    }
    work.save(true);
}

/// A job at work.
pub struct Work {
    /// The rooms.
    pub parts: Parts,
    /// How far it is.
    pub job: Job,
    /// Whether it is to stop where it is.
    pub stop: Arc<AtomicBool>,
    /// What it need not find out again.
    pub known: Known,
    /// The function's role.
    role: String,
    saved: Millis,
}

impl Work {
    fn save(&mut self, now: bool) {
        let at = self.parts.clock.now();
        if !now && at - self.saved < SAVE_MS {
            return;
        }
        (self.saved, self.job.updated) = (at, at);
        if let Err(error) = self.parts.catalog.put(TABLE, &self.job.key(), &self.job) {
            tracing::warn!(
                "backfill {} could not be saved: after a crash more of it is done again: {error}",
                self.job.id
            );
        }
    }

    /// Goes to the next phase, durably: what it does must not be repeated by the one before it.
    pub fn enter(&mut self, phase: Phase) -> Result<(), Trouble> {
        self.job.phase = phase;
        let saved = self.parts.catalog.put(TABLE, &self.job.key(), &self.job);
        saved.map_err(|error| Trouble::Again(error.to_string()))
    }

    async fn step(&mut self) -> Result<(), Trouble> {
        if self.job.spec.to_lake.is_some() {
            return self.step_lake().await;
        }
        match self.job.phase {
            Phase::Preparing => {
                swap::prepare(&self.parts, &self.job)?;
                copy::make(&self.parts, &self.job).await?;
                self.job.prepared = true;
                self.enter(Phase::Reading)
            }
            Phase::Reading if self.job.lake.done < self.job.lake.objects.len() => self.read_object().await,
            Phase::Reading => match self.read_log().await? {
                true => Ok(()),
                false => self.at_the_tip(),
            },
            Phase::Swapping => {
                swap::swap(&self.parts, &mut self.job)?;
                self.bound()?;
                self.enter(Phase::Draining)
            }
            Phase::Draining => match self.read_log().await? {
                true => Ok(()),
                false => {
                    copy::remove(&self.parts, &self.job);
                    self.enter(Phase::Done)
                }
            },
            Phase::Done | Phase::Failed(_) | Phase::Cancelled => Ok(()),
        }
    }

    fn at_the_tip(&mut self) -> Result<(), Trouble> {
        swap::marks(&self.parts, &mut self.job)?;
        self.enter(Phase::Swapping)
    }

    /// Everything that arrived until now is still this job's; what comes later is the live writer's.
    fn bound(&mut self) -> Result<(), Trouble> {
        let (log, info) = (self.parts.log.clone(), self.stream()?);
        shards::readable(&*log, &info, &mut self.job)?;
        for (shard, place) in self.job.shards.iter_mut().filter(|(_, place)| !place.ended && place.until.is_none()) {
            let tail = log.bounds(&info.key, ShardId(*shard))?.tail;
            place.until = Some(tail);
            place.ended = place.next >= tail;
        }
        Ok(())
    }

    /// What is read, unless it is another one of the same name by now.
    pub fn stream(&self) -> Result<Arc<StreamInfo>, Trouble> {
        let key = StreamKey { scope: self.job.scope.clone(), name: self.job.spec.stream.as_str().into() };
        let info = self.parts.log.stream(&key)?;
        match info.incarnation == self.job.incarnation {
            true => Ok(info),
            false => Err(Trouble::Never(format!(
                "stream {} was deleted and made anew meanwhile: begin again with --again",
                self.job.spec.stream
            ))),
        }
    }

    fn target(&mut self) -> Result<Target, Trouble> {
        if let (Through::Function { name, .. }, true) = (&self.job.spec.through, self.role.is_empty()) {
            let settings = copy::settings(&self.parts, &self.job.scope, name);
            let settings = settings.map_err(|refusal| Trouble::Never(refusal.to_string()))?;
            self.role = settings["Role"].as_str().unwrap_or_default().to_owned();
        }
        Ok(Target::of(&self.job, self.role.clone(), self.stop.clone()))
    }

    fn records_max(&self) -> usize {
        if matches!(self.job.spec.through, Through::Function { .. }) { CALLED_MAX } else { RECORDS_MAX }
    }

    fn note(&mut self, records: usize, refused: &Refused) {
        self.job.records += records as u64;
        refused.iter().for_each(|(place, why)| self.job.refuse(place, why));
    }

    /// Reads one object of the lake.
    async fn read_object(&mut self) -> Result<(), Trouble> {
        let (target, info) = (self.target()?, self.stream()?);
        let object = self.job.lake.objects[self.job.lake.done].clone();
        let place = format!("s3://{}/{}", object.bucket, object.key);
        let content = self.parts.store.get(&object.bucket, &object.key).await;
        let content = content.map_err(|error| Trouble::Again(error.to_string()))?;
        let read = tokio::task::spawn_blocking(move || records_of(&content)).await;
        let read = read.map_err(|stopped| Trouble::Again(stopped.to_string()))?;
        let texts = read.map_err(|why| Trouble::Never(format!("{place}: {why}")))?;
        let Some(shard) = info.shards.first() else {
            return Err(Trouble::Never(format!("{} has no shards", info.key)));
        };
        let arrival = object.oldest.max(0);
        let record = |(index, data): (usize, _)| Record {
            index: index as u64,
            arrival,
            partition_key: bytes::Bytes::from_static(b"lake"),
            data,
        };
        let records: Vec<Record> = texts.into_iter().enumerate().map(record).collect();
        for part in records.chunks(self.records_max()) {
            let batch = Batch { shard: shard.clone(), records: part.to_vec() };
            let refused = target.write(&self.parts, batch).await?;
            let refused = refused.into_iter().map(|(at, why)| (format!("{place} {at}"), why)).collect();
            self.note(part.len(), &refused);
        }
        self.job.lake.done += 1;
        Ok(())
    }

    /// Reads each shard once, and writes what it found; false when all of them are at their ends or at the tip.
    async fn read_log(&mut self) -> Result<bool, Trouble> {
        let (target, info) = (self.target()?, self.stream()?);
        let rounds = self.look(&info).await?;
        let mut more = rounds.iter().any(|round| round.full || round.ended);
        let target = &target;
        let parts = &self.parts;
        let writes = rounds.into_iter().map(|round| async move {
            let (id, next, ended, count) = (round.id, round.next, round.ended, round.records.len());
            let batch = Batch { shard: round.shard, records: round.records };
            let written = if count == 0 { Ok(Refused::new()) } else { target.write(parts, batch).await };
            written.map(|refused| (id, next, ended, count, refused))
        });
        let written = join_all(writes).await;
        let mut trouble = None;
        for outcome in written {
            match outcome {
                Ok((id, next, ended, count, refused)) => {
                    if let Some(place) = self.job.shards.get_mut(&id.0) {
                        (place.next, place.ended) = (next, ended);
                    }
                    self.note(count, &refused);
                }
                Err(error) => trouble = Some(error),
            }
        }
        if let Some(error) = trouble {
            return Err(error);
        }
        // Behind the swap the way ends where the tip was then.
        if self.job.phase == Phase::Draining {
            more = self.job.shards.values().any(|place| !place.ended);
        }
        Ok(more)
    }

    /// What is there to read now, of every shard that can be read.
    async fn look(&mut self, info: &Arc<StreamInfo>) -> Result<Vec<Round>, Trouble> {
        let log = self.parts.log.clone();
        let ids = match self.job.phase {
            Phase::Draining => shards::ready(info, &self.job.shards),
            _ => shards::readable(&*log, info, &mut self.job)?,
        };
        let places: Vec<(ShardId, Place)> =
            ids.into_iter().filter_map(|id| Some((id, *self.job.shards.get(&id.0)?))).collect();
        let (info, max) = (info.clone(), self.records_max());
        let read = move || {
            let found = places.into_iter().map(|(id, place)| read_shard(&*log, &info, (id, place), max));
            found.collect::<Result<Vec<_>, Trouble>>()
        };
        let read = tokio::task::spawn_blocking(read).await;
        read.unwrap_or_else(|stopped| Err(Trouble::Again(stopped.to_string())))
    }
}

/// Reads a shard once, from where its place is.
pub fn read_shard(
    log: &dyn Log,
    info: &StreamInfo,
    (id, place): (ShardId, Place),
    max: usize,
) -> Result<Round, Trouble> {
    let gone = || {
        Trouble::Never(format!(
            "the retention of stream {} has removed records of {id} before they were read: run the same command with --again, \
             which takes them from the lake if it has them",
            info.key.name
        ))
    };
    let shard = info.shards.iter().find(|shard| shard.id == id).ok_or_else(gone)?;
    let mut reader = log.reader(&info.key, id, place.next)?;
    if reader.position() > place.next {
        return Err(gone());
    }
    let found = reader.read(max, READ_BYTES_MAX)?;
    let until = place.until.unwrap_or(u64::MAX);
    let full = found.next_arrival.is_some();
    let mut records = found.records;
    records.retain(|record| record.index < until);
    let next = found.next.min(until);
    Ok(Round {
        id,
        shard: shard.clone(),
        records,
        next,
        ended: found.ended || next >= until,
        full: full && next < until,
    })
}
