//! Reading every shard of a stream.

use super::cut::ShardBirths;
use super::progress::Positions;
use crate::DeliverError;
use futures::FutureExt;
use millrace_log::{Log, Record, ShardReader, StreamInfo, StreamKey};
use std::collections::BTreeMap;

/// Read from a shard at once: small, so that buffers end near their size.
const READ_BYTES: usize = 1 << 20;
const READ_RECORDS: usize = 5_000;

/// Readers of all shards that were ever found.
#[derive(Default)]
pub(crate) struct Readers {
    by_shard: BTreeMap<u32, Reading>,
    /// Up to where the shards are read.
    pub(crate) read: Positions,
    pub(crate) births: ShardBirths,
}

struct Reading {
    reader: Box<dyn ShardReader>,
    ended: bool,
}

/// What one round found.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Found {
    pub(crate) records: bool,
    /// A shard came to its end: it may have children.
    pub(crate) ended: bool,
}

impl Readers {
    /// Whether any shard may have more.
    pub(crate) fn is_open(&self) -> bool {
        self.by_shard.values().any(|reading| !reading.ended)
    }

    /// Opens readers for the shards that have none, where they stood, or else at `base`, or else at the start.
    pub(crate) fn open(
        &mut self,
        log: &dyn Log,
        source: &StreamKey,
        info: &StreamInfo,
        base: &Positions,
    ) -> Result<(), DeliverError> {
        for shard in &info.shards {
            self.births.insert(shard.id.0, shard.created_secs);
            if !self.by_shard.contains_key(&shard.id.0) {
                let read = self.read.get(&shard.id.0).or_else(|| base.get(&shard.id.0));
                let from = read.copied().unwrap_or(0);
                let reader = log.reader(source, shard.id, from)?;
                self.read.insert(shard.id.0, from);
                self.by_shard.insert(shard.id.0, Reading { reader, ended: false });
            }
        }
        Ok(())
    }

    /// Whether some shard that may have more is not read up to `to`.
    pub(crate) fn is_behind(&self, to: &Positions) -> bool {
        self.by_shard.iter().any(|(shard, reading)| !reading.ended && self.read.get(shard) < to.get(shard))
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
                    return Err(error.into());
                }
            };
            (reading.ended, found.ended) = (batch.ended, found.ended || batch.ended);
            self.read.insert(shard, batch.next);
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
