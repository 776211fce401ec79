//! Retention: records become unreadable exactly by time, files go by whole segments.

use crate::format;
use crate::stream::{STREAMS, StoredStream, Stream};
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
            return Ok(());
        }
        let trims = self.trims_at(cutoff)?;
        self.raise_trims(&trims);
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
            stored.trims = trims.clone();
        })?;
        *self.info.write() = info;
        self.raise_trims(&trims);
        self.roll_expired(cutoff)?;
        self.drop_segments()
    }

    fn trims_at(&self, cutoff: Millis) -> Result<Vec<u64>, LogError> {
        let trims: Vec<u64> = self.view.read().shards.iter().map(|s| s.trim).collect();
        let new = |(shard, trim): (usize, &u64)| self.index_since(ShardId(shard as u32), cutoff, *trim);
        trims.iter().enumerate().map(new).collect()
    }

    fn raise_trims(&self, trims: &[u64]) {
        for (shard, trim) in self.view.write().shards.iter_mut().zip(trims) {
            shard.trim = shard.trim.max(*trim);
        }
    }

    /// Ends the active segment when all of it has expired, so that it can go.
    fn roll_expired(&self, cutoff: Millis) -> Result<(), LogError> {
        let mut writer = self.writer.lock();
        if writer.offset > writer.start && writer.arrivals.1 < cutoff && !self.view.read().deleted {
            writer.roll(&self.env, &self.view)?;
        }
        Ok(())
    }

    fn drop_segments(&self) -> Result<(), LogError> {
        let (first, count, dir) = {
            let view = self.view.read();
            let expired = |next: &crate::view::SegmentMeta| {
                view.shards.iter().zip(&next.bases).all(|(shard, base)| *base <= shard.trim)
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
    fn store(&self, change: impl FnOnce(&mut StoredStream)) -> Result<(), LogError> {
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
