//! Reading every shard of a stream: those that came of a split or merge after the ones they came of.

use super::cut::ShardBirths;
use super::progress::Positions;
use crate::DeliverError;
use futures::FutureExt;
use millrace_log::{Bookmark, Log, Record, ShardReader, StreamInfo, StreamKey, StreamReader};
use std::collections::{BTreeMap, BTreeSet};

/// Read from a shard at once: small, so that buffers end near their size.
const READ_BYTES: usize = 1 << 20;
const READ_RECORDS: usize = 5_000;

/// Readers of all shards that are listed, but for children of shards that are not read to their ends yet.
#[derive(Default)]
pub(crate) struct Readers {
    by_shard: BTreeMap<u32, Reading>,
    /// Shards whose parents are still read.
    waiting: BTreeSet<u32>,
    /// A shard has ended since the readers were opened: its children may be.
    ended: bool,
    /// Up to where the shards are read.
    pub(crate) read: Positions,
    /// Also of shards that are forgotten: some of their records may still wait.
    pub(crate) births: ShardBirths,
}

struct Reading {
    reader: Box<dyn ShardReader>,
    mark: Bookmark,
    ended: bool,
}

/// What one round found.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Found {
    pub(crate) records: bool,
    /// A shard came to its end: its children are to be opened.
    pub(crate) ended: bool,
}

impl Found {
    /// Whether it was anything.
    pub(crate) fn any(self) -> bool {
        self.records || self.ended
    }
}

impl Readers {
    /// Whether nothing is to be opened: not at first, and not after a shard has ended.
    pub(crate) fn is_open(&self) -> bool {
        !self.ended && self.by_shard.values().any(|reading| !reading.ended)
    }

    /// Opens readers for the shards that have none and whose turn has come, where they stood, or else at `base`, or else at
    /// the start.
    pub(crate) fn open(
        &mut self,
        log: &dyn Log,
        who: &StreamReader,
        (source, info): (&StreamKey, &StreamInfo),
        base: &Positions,
    ) -> Result<(), DeliverError> {
        let listed: BTreeSet<u32> = info.shards.iter().map(|shard| shard.id.0).collect();
        self.waiting.clear();
        for shard in &info.shards {
            let id = shard.id.0;
            self.births.insert(id, shard.clone());
            if self.by_shard.contains_key(&id) {
                continue;
            }
            // A parent that is not listed has outlived the retention.
            let mut parents = shard.parent.iter().chain(&shard.adjacent_parent).filter(|p| listed.contains(&p.0));
            if !parents.all(|parent| self.by_shard.get(&parent.0).is_some_and(|reading| reading.ended)) {
                self.waiting.insert(id);
                continue;
            }
            let from = self.read.get(&id).or_else(|| base.get(&id)).copied().unwrap_or(0);
            let reader = log.reader(source, shard.id, from)?;
            self.read.insert(id, from);
            let mark = log.readership().enter(who.clone(), source, shard.id, from);
            self.by_shard.insert(id, Reading { reader, mark, ended: false });
        }
        self.ended = false;
        Ok(())
    }

    /// Whether some shard that may have more is not read up to `to`.
    pub(crate) fn is_behind(&self, to: &Positions) -> bool {
        to.iter().any(|(shard, to)| match self.by_shard.get(shard) {
            Some(reading) => !reading.ended && self.read.get(shard) < Some(to),
            None => *to > 0 && self.waiting.contains(shard),
        })
    }

    /// Forgets the shards that have outlived the retention, here and in all these positions.
    pub(crate) fn forget<'a>(&mut self, info: &StreamInfo, positions: impl Iterator<Item = &'a mut Positions>) {
        let listed = |shard: &u32| info.shards.binary_search_by_key(shard, |shard| shard.id.0).is_ok();
        self.by_shard.retain(|shard, reading| !reading.ended || listed(shard));
        let keeps = |shard: &u32| listed(shard) || self.by_shard.contains_key(shard);
        positions.for_each(|positions| positions.retain(|shard, _| keeps(shard)));
        self.read.retain(|shard, _| keeps(shard));
    }

    /// Reads once from every shard. A failing reader is given up with all others: a reader of a stream that is gone will not
    /// come back to life, and new ones go on where these stood.
    pub(crate) fn read(&mut self, mut take: impl FnMut(u32, Record)) -> Result<Found, DeliverError> {
        let mut found = Found::default();
        for (&shard, reading) in &mut self.by_shard {
            if reading.ended {
                continue;
            }
            let batch = match reading.reader.read(READ_RECORDS, READ_BYTES) {
                Ok(batch) => batch,
                Err(error) => {
                    self.by_shard.clear();
                    self.waiting.clear();
                    return Err(error.into());
                }
            };
            (reading.ended, found.ended) = (batch.ended, found.ended || batch.ended);
            self.ended |= batch.ended;
            self.read.insert(shard, batch.next);
            reading.mark.set(batch.next);
            found.records |= !batch.records.is_empty();
            batch.records.into_iter().for_each(|record| take(shard, record));
        }
        Ok(found)
    }

    /// Waits until a shard has something to read or ends. Cancel-safe.
    pub(crate) async fn wait(&mut self) {
        let open = self.by_shard.values_mut().filter(|reading| !reading.ended);
        let waits: Vec<_> = open.map(|reading| reading.reader.wait().boxed()).collect();
        if waits.is_empty() {
            return futures::future::pending().await;
        }
        let _ = futures::future::select_all(waits).await;
    }
}
