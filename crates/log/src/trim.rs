//! Retention: records become unreadable exactly by time, files go by whole segments.

use crate::format::{self, ByShard};
use crate::stream::{STREAMS, StoredStream, Stream};
use crate::view::Life;
use crate::{LogError, StreamInfo};
use millrace_base::{Millis, ShardId};
use std::sync::Arc;

const HOUR_MS: Millis = 3_600_000;

impl Stream {
    /// Drops what has outlived the retention at `now`.
    pub(crate) fn expire(&self, now: Millis) -> Result<(), LogError> {
        let _upkeep = self.upkeep.lock();
        let cutoff = now - Millis::from(self.info.read().spec.retention_hours) * HOUR_MS;
        let old = self.view.read().segments.iter().any(|s| s.arrivals.0 < cutoff);
        if !old {
            // A shard may have been closed without records.
            return self.forget_shards(cutoff);
        }
        let trims = self.trims_at(cutoff)?;
        self.raise_trims(&trims);
        self.forget_shards(cutoff)?;
        self.roll_expired(cutoff)?;
        self.drop_segments()
    }

    /// Changes the retention: what either the old or the new one has expired by `now` stays trimmed for ever.
    pub(crate) fn retain(&self, hours: u32, now: Millis) -> Result<(), LogError> {
        let _upkeep = self.upkeep.lock();
        let mut info: StreamInfo = self.info.read().as_ref().clone();
        let cutoff = now - Millis::from(hours.min(info.spec.retention_hours)) * HOUR_MS;
        let trims = self.trims_at(cutoff)?;
        info.spec.retention_hours = hours;
        let info = Arc::new(info);
        self.store(|stored| {
            stored.info = info.clone();
            stored.first_shard = trims.ids().start;
            stored.trims = trims.values().to_vec();
        })?;
        *self.info.write() = info;
        self.raise_trims(&trims);
        self.forget_shards(cutoff)?;
        self.roll_expired(cutoff)?;
        self.drop_segments()
    }

    fn trims_at(&self, cutoff: Millis) -> Result<ByShard<u64>, LogError> {
        let shards = self.view.read().shards.map(|_, shard| (shard.trim, shard.life));
        let new = |(shard, (trim, life)): (_, &(u64, Life))| match life {
            Life::Gone => Ok(*trim),
            Life::Open | Life::Closed => self.index_since(shard, cutoff, *trim),
        };
        let trims = shards.iter().map(new).collect::<Result<Vec<u64>, LogError>>()?;
        Ok(ByShard::new(ShardId(shards.ids().start), trims))
    }

    fn raise_trims(&self, trims: &ByShard<u64>) {
        let mut view = self.view.write();
        for (shard, trim) in trims.iter() {
            if let Some(shard) = view.shards.get_mut(shard) {
                shard.trim = shard.trim.max(*trim);
            }
        }
    }

    /// Ends the active segment when all of it has expired, so that it can go.
    fn roll_expired(&self, cutoff: Millis) -> Result<(), LogError> {
        let mut writer = self.writer.lock();
        if writer.offset > writer.start && writer.arrivals.1 < cutoff && !self.view.read().deleted {
            let end = writer.next.ids().end;
            writer.roll(&self.env, &self.view, end)?;
        }
        Ok(())
    }

    fn drop_segments(&self) -> Result<(), LogError> {
        let (first, count, dir) = {
            let view = self.view.read();
            let expired = |next: &crate::view::SegmentMeta| {
                next.bases.iter().all(|(shard, base)| view.shards.get(shard).is_none_or(|shard| *base <= shard.trim))
            };
            let count = view.segments.iter().skip(1).take_while(|next| expired(next)).count();
            (view.segments[0].number, count as u64, view.dir.clone())
        };
        if count == 0 {
            return Ok(());
        }
        let kept = first + count;
        self.store(|stored| stored.first_segment = kept)?;
        self.view.write().segments.drain(..count as usize);
        self.env.closed.forget(self.view.read().incarnation, kept);
        for number in first..kept {
            for name in [format::segment_name(number), format::index_name(number)] {
                let path = dir.join(name);
                self.env.disk.remove(&path).map_err(|e| crate::error::disk(&path, &e))?;
            }
        }
        Ok(())
    }

    /// Changes what the catalog keeps of this stream, if it is still this stream.
    pub(crate) fn store(&self, change: impl FnOnce(&mut StoredStream)) -> Result<(), LogError> {
        let name = self.key.to_string();
        let incarnation = self.info.read().incarnation;
        self.env.catalog.update(|catalog| {
            let stored: Option<StoredStream> = catalog.get(STREAMS, &name)?;
            let mut stored = stored
                .filter(|stored| stored.info.incarnation == incarnation)
                .ok_or_else(|| LogError::NoStream(self.key.clone()))?;
            change(&mut stored);
            catalog.put(STREAMS, &name, &stored)?;
            Ok(())
        })
    }
}
