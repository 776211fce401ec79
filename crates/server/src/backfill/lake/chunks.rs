//! The work on a lake: objects are made chunk by chunk, each written down once it is whole.

use super::super::job::{LakeObject, LakeWork, Phase, Place};
use super::super::work::{Work, read_shard};
use super::super::{Trouble, shards};
use super::{Seam, Staging, changed, prepare};
use bytes::Bytes;
use millrace_base::{Millis, ShardId};
use millrace_deliver::{Handover, Rebuilder, Rebuilt, Reread, StoreError, count_records, failures_of, records_of};
use millrace_log::StreamInfo;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A chunk's payload: one object of the size that Firehose converts by default, if all of it goes to one place.
const CHUNK_BYTES_MAX: usize = 64 << 20;
const READ_RECORDS: usize = 5_000;
/// The shard of records that have none: they come from the lake.
const LAKE_SHARD: u32 = u32::MAX;

/// What a job remembers while it runs, and finds out again after a crash.
#[derive(Default)]
pub struct Known {
    rebuilder: Option<Arc<Rebuilder>>,
    seam: Option<Arc<Seam>>,
    /// What chunks that were cut off have left is removed.
    is_clear: bool,
}

/// A chunk that was read.
struct Chunk {
    records: Vec<Reread>,
    shards: BTreeMap<u32, Place>,
    lake_done: usize,
}

fn again(error: impl std::fmt::Display) -> Trouble {
    Trouble::Again(error.to_string())
}

impl Work {
    /// The next piece of work on a lake.
    pub async fn step_lake(&mut self) -> Result<(), Trouble> {
        match self.job.phase {
            Phase::Preparing => {
                prepare(&self.parts, &mut self.job).await?;
                self.enter(Phase::Reading)
            }
            Phase::Reading => {
                self.clear().await?;
                if let Some(object) = self.job.lake.objects.get(self.job.lake.done).cloned() {
                    return self.rebuild_object(&object).await;
                }
                if self.job.shards.values().any(|place| !place.ended) {
                    return self.rebuild_records().await;
                }
                self.check().await?;
                self.enter(Phase::Swapping)
            }
            Phase::Swapping | Phase::Draining => {
                let work = self.lake()?;
                self.staging(&work).swap().await.map_err(again)?;
                self.job.swaps = vec![self.told(&work)];
                self.enter(Phase::Done)
            }
            Phase::Done | Phase::Failed(_) | Phase::Cancelled => Ok(()),
        }
    }

    fn lake(&self) -> Result<LakeWork, Trouble> {
        self.job.to_lake.clone().ok_or_else(|| Trouble::Never("it has no lake".to_owned()))
    }

    fn staging<'a>(&'a self, work: &'a LakeWork) -> Staging<'a> {
        Staging { store: &*self.parts.store, bucket: &work.bucket, id: &self.job.id }
    }

    async fn clear(&mut self) -> Result<(), Trouble> {
        if !self.known.is_clear {
            let work = self.lake()?;
            self.staging(&work).clear_from(work.chunk).await.map_err(again)?;
            self.known.is_clear = true;
        }
        Ok(())
    }

    /// Whether the delivery stream is still what it was when it went over: then nothing but what is known lies in the lake.
    fn still(&self, work: &LakeWork, now: Option<&Handover>) -> Result<(), Trouble> {
        let is_same = now.is_some() && now == work.handover.as_ref();
        if is_same { Ok(()) } else { Err(changed(self.job.spec.view())) }
    }

    fn rebuilder(&mut self, info: &StreamInfo) -> Result<Arc<Rebuilder>, Trouble> {
        let (work, delivery) = (self.lake()?, self.job.spec.view());
        let now = self.parts.deliveries.handover(&self.job.scope, delivery).map_err(again)?;
        self.still(&work, now.as_ref())?;
        if self.known.rebuilder.is_none() {
            let made = self.parts.deliveries.rebuilder(&self.job.scope, delivery, info).map_err(again)?;
            let made = made.ok_or_else(|| changed(delivery))?;
            self.still(&work, Some(made.handover()))?;
            self.known.rebuilder = Some(Arc::new(made));
        }
        self.known.rebuilder.clone().ok_or_else(|| changed(delivery))
    }

    /// Makes objects of what an object holds and the log does not.
    async fn rebuild_object(&mut self, object: &LakeObject) -> Result<(), Trouble> {
        let info = self.stream()?;
        let rebuilder = self.rebuilder(&info)?;
        if object.seam && self.known.seam.is_none() {
            self.known.seam = Some(Arc::new(Seam::of(&self.parts, &self.job, &info).await?));
        }
        let content = self.parts.store.get(&object.bucket, &object.key).await.map_err(again)?;
        let seam = self.known.seam.clone().filter(|_| object.seam);
        let (since, number) = (self.lake()?.since, self.job.lake.done as u64);
        let (of, delimits) = (object.clone(), rebuilder.delimits());
        let read = move || read_object(&of, &content, seam.as_deref(), since, delimits);
        let read = tokio::task::spawn_blocking(read).await.map_err(again)?;
        let records = read.map_err(|why| Trouble::Never(format!("s3://{}/{}: {why}", object.bucket, object.key)))?;
        let reread = |(row, (arrival, data)): (usize, (Millis, Bytes))| {
            // Objects have less than 2^32 rows, and jobs less objects.
            Reread { shard: LAKE_SHARD, index: (number << 32) | row as u64, arrival, data }
        };
        let records = records.into_iter().enumerate().map(reread).collect();
        let lake_done = self.job.lake.done + 1;
        self.write(&rebuilder, Chunk { records, shards: self.job.shards.clone(), lake_done }).await
    }

    /// Makes objects of the next records of the log.
    async fn rebuild_records(&mut self) -> Result<(), Trouble> {
        let info = self.stream()?;
        let rebuilder = self.rebuilder(&info)?;
        let bytes_max = rebuilder.object_bytes().min(CHUNK_BYTES_MAX);
        let (log, stop, shards) = (self.parts.log.clone(), self.stop.clone(), self.job.shards.clone());
        let lake_done = self.job.lake.done;
        let read = move || {
            let mut chunk = Chunk { records: Vec::new(), shards, lake_done };
            let mut bytes = 0;
            while bytes < bytes_max && !stop.load(Ordering::Acquire) {
                let open = shards::ready(&info, &chunk.shards);
                if open.is_empty() {
                    break;
                }
                for id in open {
                    bytes += chunk.read(id, |place| read_shard(&*log, &info, (id, place), READ_RECORDS))?;
                }
            }
            match stop.load(Ordering::Acquire) {
                true => Ok(None),
                false => chunk.ended_or_read(bytes, &info).map(Some),
            }
        };
        let read = tokio::task::spawn_blocking(read).await.map_err(again)?;
        match read? {
            Some(chunk) => self.write(&rebuilder, chunk).await,
            None => Ok(()),
        }
    }

    /// Makes a chunk's objects, keeps them beside the lake, and writes down that they are whole.
    async fn write(&mut self, rebuilder: &Arc<Rebuilder>, chunk: Chunk) -> Result<(), Trouble> {
        let (maker, at) = (rebuilder.clone(), self.parts.clock.now());
        let Chunk { records, shards, lake_done } = chunk;
        let count = records.len() as u64;
        let make = move || {
            let made = maker.objects(records, at)?;
            let rows = |object: &Rebuilt| match object.failure {
                None => count_records(&object.content).unwrap_or(object.records as u64),
                Some(_) => object.records as u64,
            };
            Ok(made.into_iter().map(|object| (rows(&object), object)).collect::<Vec<_>>())
        };
        let made = tokio::task::spawn_blocking(make).await.map_err(again)?;
        let made = made.map_err(|error: millrace_deliver::DeliverError| Trouble::Never(error.to_string()))?;
        let mut work = self.lake()?;
        for (_, object) in &made {
            let written = self.staging(&work).write(work.chunk, &object.key, object.content.clone()).await;
            written.map_err(|error| match error {
                StoreError::BadKey { .. } => Trouble::Never(error.to_string()),
                _ => again(error),
            })?;
        }
        work.chunk += 1;
        work.objects += made.len() as u64;
        work.rebuilt += made.iter().map(|(rows, _)| rows).sum::<u64>();
        for (_, object) in &made {
            if let Some(why) = &object.failure {
                self.job.refuse_many(object.records as u64, &object.key, why);
            }
        }
        self.job.records += count;
        (self.job.shards, self.job.lake.done, self.job.to_lake) = (shards, lake_done, Some(work));
        self.enter(Phase::Reading)
    }

    /// Whether what was rebuilt may take its place.
    async fn check(&mut self) -> Result<(), Trouble> {
        let work = self.lake()?;
        let now = self.parts.deliveries.handover(&self.job.scope, self.job.spec.view()).map_err(again)?;
        self.still(&work, now.as_ref())?;
        let replaced = self.staging(&work).marked().await.map_err(again)?;
        let replaced = replaced.ok_or_else(|| {
            Trouble::Never("what it built beside the lake is gone: begin again with --again".to_owned())
        })?;
        let mut before = 0;
        for key in &replaced {
            match self.parts.store.get(&work.bucket, key).await {
                // A damaged object holds nothing that could be lost.
                Ok(content) => before += count_records(&content).unwrap_or(0),
                Err(StoreError::NoSuchKey { .. }) => {}
                Err(error) => return Err(again(error)),
            }
        }
        self.job.before = before;
        if work.rebuilt < before && !self.job.consent.allow_fewer {
            return Err(Trouble::Never(format!(
                "what was rebuilt has {} records, what it would replace {before}: it was not put in place. Run the same command with \
                 --allow-fewer if that is right",
                work.rebuilt
            )));
        }
        Ok(())
    }

    fn told(&self, work: &LakeWork) -> String {
        let (delivery, before) = (self.job.spec.view(), self.job.before);
        let done = format!(
            "the lake of {delivery} has {} objects with {} records in place of {} with {before}",
            work.objects, work.rebuilt, work.replaced
        );
        match work.keeps_older {
            true => {
                format!("{done}; what arrived before {} stays as it was", super::calendar::timestamp(work.since, "Z"))
            }
            false => done,
        }
    }
}

impl Chunk {
    /// Reads a shard once; gives the bytes that it found.
    fn read(
        &mut self,
        id: ShardId,
        read: impl FnOnce(Place) -> Result<super::super::work::Round, Trouble>,
    ) -> Result<usize, Trouble> {
        let Some(place) = self.shards.get_mut(&id.0) else { return Ok(0) };
        let round = read(*place)?;
        if round.records.is_empty() && !round.ended {
            return Err(Trouble::Again(format!("{id} has no records where some were delivered")));
        }
        (place.next, place.ended) = (round.next, round.ended);
        let mut bytes = 0;
        for record in round.records {
            bytes += record.data.len();
            let (index, arrival, data) = (record.index, record.arrival, record.data);
            self.records.push(Reread { shard: id.0, index, arrival, data });
        }
        Ok(bytes)
    }

    /// Itself, unless a shard is gone that is not read to its end.
    fn ended_or_read(self, bytes: usize, info: &StreamInfo) -> Result<Self, Trouble> {
        let open = self.shards.iter().find(|(_, place)| !place.ended);
        match open {
            Some((shard, _)) if bytes == 0 && shards::ready(info, &self.shards).is_empty() => {
                Err(Trouble::Never(format!(
                    "{} has outlived the retention of stream {} before it was read: run the same command with --again",
                    ShardId(*shard),
                    info.key.name
                )))
            }
            _ => Ok(self),
        }
    }
}

/// What an object holds and the log does not, each with the time of its arrival.
fn read_object(
    object: &LakeObject,
    content: &Bytes,
    seam: Option<&Seam>,
    since: Millis,
    delimits: bool,
) -> Result<Vec<(Millis, Bytes)>, String> {
    if object.failed {
        let failures = failures_of(content)?;
        return Ok(failures.into_iter().filter(|(arrival, _)| *arrival < since).collect());
    }
    let records = records_of(content)?.into_iter().filter(|record| seam.is_none_or(|seam| seam.is_older(record)));
    let ended = |record: Bytes| if delimits { record } else { [&record[..], b"\n"].concat().into() };
    Ok(records.map(|record| (object.oldest.max(0), ended(record))).collect())
}
