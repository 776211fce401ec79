//! Changing a stream's shards: splits, merges and scaling, each one atomic change of the list.
//!
//! ```text
//! parent  0 ────────── tail ┃ closed
//! child                     ┃ 0 ───────►        created_secs greater than the parent's, so that every number is, too
//! ```
//!
//! Appends wait for the writer's lock, so each lies wholly before or behind the change: see *Resharding* in
//! [`mod@crate::format`] for what is written when.

use crate::format::{ByShard, SHARDS_MAX};
use crate::routing::{Routes, uniform_ranges};
use crate::stream::Stream;
use crate::view::View;
use crate::{Closed, HashRange, LogError, Shard, StreamInfo, StreamKey, StreamMode};
use millrace_base::{Millis, ShardId};
use std::sync::Arc;

/// A list of shards that is being changed.
pub(crate) struct Change<'a> {
    key: &'a StreamKey,
    shards: Vec<Shard>,
    /// Where every shard stands.
    tails: &'a ByShard<u64>,
    now_secs: u64,
}

impl<'a> Change<'a> {
    fn new(info: &'a StreamInfo, tails: &'a ByShard<u64>, now: Millis) -> Self {
        let now_secs = u64::try_from(now / 1000).unwrap_or(0);
        Self { key: &info.key, shards: info.shards.clone(), tails, now_secs }
    }

    /// Splits a shard in two, the second of which begins at `start`.
    pub(crate) fn split(&mut self, id: ShardId, start: u128) -> Result<[ShardId; 2], LogError> {
        let range = self.open(id)?.range;
        if start <= range.start || start > range.end {
            return Err(self.refused("a shard can be split only inside its range of hashes"));
        }
        let born = self.close(id)?;
        let lower = self.create(HashRange { start: range.start, end: start - 1 }, (id, None), born);
        let upper = self.create(HashRange { start, end: range.end }, (id, None), born);
        Ok([lower, upper])
    }

    /// Merges two shards, the second of which begins where the first ends.
    pub(crate) fn merge(&mut self, id: ShardId, adjacent: ShardId) -> Result<ShardId, LogError> {
        let (first, second) = (self.open(id)?.range, self.open(adjacent)?.range);
        if first.end.checked_add(1) != Some(second.start) {
            return Err(self.refused("only shards whose ranges of hashes meet can be merged, the lower one first"));
        }
        let born = self.close(id)?.max(self.close(adjacent)?);
        Ok(self.create(HashRange { start: first.start, end: second.end }, (id, Some(adjacent)), born))
    }

    /// Splits and merges until there are `count` shards of uniform ranges.
    pub(crate) fn scale(&mut self, count: u32) -> Result<(), LogError> {
        let targets = uniform_ranges(count);
        for (id, range) in self.open_shards() {
            let inside = |target: &&HashRange| range.start < target.start && target.start <= range.end;
            let cuts: Vec<u128> = targets.iter().filter(inside).map(|target| target.start).collect();
            self.cut(id, &cuts)?;
        }
        let pieces = self.open_shards();
        for target in targets {
            let inside = |range: &HashRange| target.start <= range.start && range.end <= target.end;
            let run: Vec<_> = pieces.iter().filter(|(_, range)| inside(range)).map(|(id, _)| *id).collect();
            self.join(&run)?;
        }
        Ok(())
    }

    /// Splits in the middle first, so that there are few generations.
    fn cut(&mut self, id: ShardId, cuts: &[u128]) -> Result<(), LogError> {
        let middle = cuts.len() / 2;
        let Some(start) = cuts.get(middle) else { return Ok(()) };
        let [lower, upper] = self.split(id, *start)?;
        self.cut(lower, &cuts[..middle])?;
        self.cut(upper, &cuts[middle + 1..])
    }

    /// Merges halves, for the same reason.
    fn join(&mut self, run: &[ShardId]) -> Result<Option<ShardId>, LogError> {
        if run.len() < 2 {
            return Ok(run.first().copied());
        }
        let (lower, upper) = run.split_at(run.len() / 2);
        match (self.join(lower)?, self.join(upper)?) {
            (Some(lower), Some(upper)) => self.merge(lower, upper).map(Some),
            (one, other) => Ok(one.or(other)),
        }
    }

    /// The open shards in order of their ranges.
    fn open_shards(&self) -> Vec<(ShardId, HashRange)> {
        let open = self.shards.iter().filter(|shard| shard.closed.is_none());
        let mut open: Vec<_> = open.map(|shard| (shard.id, shard.range)).collect();
        open.sort_by_key(|(_, range)| range.start);
        open
    }

    fn open(&mut self, id: ShardId) -> Result<&mut Shard, LogError> {
        let at = self.shards.binary_search_by_key(&id, |shard| shard.id);
        let at = at.map_err(|_| LogError::NoShard(self.key.clone(), id))?;
        if self.shards[at].closed.is_some() {
            return Err(LogError::ShardClosed(self.key.clone(), id));
        }
        Ok(&mut self.shards[at])
    }

    /// Closes a shard; its children are to be created in the second that this gives, or later.
    fn close(&mut self, id: ShardId) -> Result<u64, LogError> {
        let (tail, now_secs) = (self.tails.stand(id), self.now_secs);
        let shard = self.open(id)?;
        let at_secs = now_secs.max(shard.created_secs);
        shard.closed = Some(Closed { tail, at_secs });
        Ok(at_secs + 1)
    }

    fn create(&mut self, range: HashRange, parents: (ShardId, Option<ShardId>), created_secs: u64) -> ShardId {
        // The latest shard is open, or one that is later was made of it: the greatest id is never forgotten.
        let id = ShardId(self.shards.last().map_or(0, |last| last.id.0 + 1));
        let (parent, adjacent_parent) = (Some(parents.0), parents.1);
        self.shards.push(Shard { id, parent, adjacent_parent, range, created_secs, closed: None });
        id
    }

    fn refused(&self, reason: &'static str) -> LogError {
        LogError::BadReshard { stream: self.key.clone(), reason }
    }
}

impl Stream {
    /// Changes the shards. Nothing is appended meanwhile; what follows is routed by the new list.
    pub(crate) fn reshard(
        &self,
        now: Millis,
        edit: impl FnOnce(&mut Change<'_>) -> Result<(), LogError>,
    ) -> Result<Arc<StreamInfo>, LogError> {
        let _upkeep = self.upkeep.lock();
        let mut writer = self.writer.lock();
        self.env.healthy()?;
        if self.view.read().deleted {
            return Err(LogError::NoStream(self.key.clone()));
        }
        let old = self.info.read().clone();
        let mut change = Change::new(&old, &writer.next, now);
        edit(&mut change)?;
        let mut info = StreamInfo { shards: change.shards, ..old.as_ref().clone() };
        if info.shards == old.shards {
            return Ok(old);
        }
        info.spec.shard_count = info.shards.iter().filter(|shard| shard.closed.is_none()).count() as u32;
        let end = info.shards.last().map_or(0, |last| last.id.0 + 1);
        let count = (end - writer.next.ids().start.max(writer.oldest)) as usize;
        if count > SHARDS_MAX {
            let what = "the list of open shards, and of closed ones that have not expired,";
            return Err(LogError::TooLarge { what, bytes: count * 12, bytes_max: SHARDS_MAX * 12 });
        }
        writer.roll(&self.env, &self.view, end)?;
        let info = Arc::new(info);
        self.store(|stored| stored.info = info.clone()).map_err(|error| match error {
            LogError::NoStream(_) => error,
            // Perhaps the new list is durable, perhaps not: an append by either would be wrong.
            other => self.env.poisoned(other),
        })?;
        self.switch(&info);
        Ok(info)
    }

    /// Makes a new list the one that everybody sees: first the children, then the parents' end.
    fn switch(&self, info: &Arc<StreamInfo>) {
        *self.routes.write() = Arc::new(Routes::new(&info.shards));
        *self.info.write() = info.clone();
        self.view.write().close(&info.shards);
    }

    /// Changes who decides about the number of shards.
    pub(crate) fn provision(&self, mode: StreamMode) -> Result<(), LogError> {
        let _upkeep = self.upkeep.lock();
        let mut info = self.info.read().as_ref().clone();
        info.spec.mode = mode;
        let info = Arc::new(info);
        self.store(|stored| stored.info = info.clone())?;
        *self.info.write() = info;
        Ok(())
    }

    /// Forgets the closed shards whose end and all of whose records are past `cutoff`. The upkeep lock is held.
    pub(crate) fn forget_shards(&self, cutoff: Millis) -> Result<(), LogError> {
        let mut info = self.info.read().as_ref().clone();
        let expired = |view: &View, shard: &Shard| {
            let past = |closed: Closed| (closed.at_secs as Millis) * 1000 + 999 < cutoff;
            shard.closed.is_some_and(|closed| past(closed) && view.trim(shard.id) >= closed.tail)
        };
        let gone: Vec<ShardId> = {
            let view = self.view.read();
            info.shards.iter().filter(|shard| expired(&view, shard)).map(|shard| shard.id).collect()
        };
        if gone.is_empty() {
            return Ok(());
        }
        info.shards.retain(|shard| !gone.contains(&shard.id));
        let oldest = info.shards.first().map_or(0, |shard| shard.id.0);
        let info = Arc::new(info);
        self.store(|stored| stored.info = info.clone())?;
        self.writer.lock().oldest = oldest;
        *self.info.write() = info;
        self.view.write().forget(&gone);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_base::Scope;

    fn info(count: u32) -> StreamInfo {
        let shard = |(i, range)| Shard {
            id: ShardId(i as u32),
            parent: None,
            adjacent_parent: None,
            range,
            created_secs: 100,
            closed: None,
        };
        StreamInfo {
            key: StreamKey { scope: Scope::default(), name: "s".into() },
            incarnation: 1,
            created: 100_000,
            spec: crate::StreamSpec {
                shard_count: count,
                mode: StreamMode::Provisioned,
                retention_hours: 24,
                record_kib_max: 1024,
            },
            shards: uniform_ranges(count).into_iter().enumerate().map(shard).collect(),
        }
    }

    #[test]
    fn scaling_gives_uniform_ranges_by_way_of_few_generations() {
        for (from, to) in [(1, 2), (2, 1), (3, 4), (4, 3), (5, 10), (10, 5), (1, 64), (64, 1), (7, 7)] {
            let info = info(from);
            let tails = ByShard::new(ShardId(0), (0..u64::from(from)).collect());
            let mut change = Change::new(&info, &tails, 200_000);
            change.scale(to).unwrap();
            let open = change.open_shards();
            assert!(open.iter().map(|(_, range)| *range).eq(uniform_ranges(to)), "{from} to {to}");
            for (at, shard) in change.shards.iter().enumerate() {
                assert_eq!(shard.id.0 as usize, at);
                for parent in shard.parent.iter().chain(&shard.adjacent_parent) {
                    let parent = &change.shards[parent.0 as usize];
                    assert!(parent.created_secs < shard.created_secs);
                    assert_eq!(parent.closed.unwrap().tail, tails.get(parent.id).copied().unwrap_or(0));
                }
            }
            let latest = change.shards.iter().map(|shard| shard.created_secs).max().unwrap();
            assert!(latest <= 200 + 6, "{from} to {to} ends {latest}");
            assert!(from != to || change.shards == info.shards);
        }
    }

    #[test]
    fn only_open_shards_are_split_inside_and_merged_where_they_meet() {
        let info = info(3);
        let tails = ByShard::new(ShardId(0), vec![5, 6, 7]);
        let mut change = Change::new(&info, &tails, 50_000);
        let range = info.shards[1].range;
        for start in [range.start, range.end + 1, 0] {
            assert!(matches!(change.split(ShardId(1), start), Err(LogError::BadReshard { .. })));
        }
        for pair in [(1, 0), (0, 2), (1, 1), (2, 0)] {
            let merged = change.merge(ShardId(pair.0), ShardId(pair.1));
            assert!(matches!(merged, Err(LogError::BadReshard { .. })), "{pair:?}");
        }
        assert!(matches!(change.split(ShardId(9), 1), Err(LogError::NoShard(..))));
        assert_eq!(change.split(ShardId(1), range.end).unwrap(), [ShardId(3), ShardId(4)]);
        assert!(matches!(change.split(ShardId(1), range.end), Err(LogError::ShardClosed(..))));
        assert_eq!(change.merge(ShardId(0), ShardId(3)).unwrap(), ShardId(5));
        // The clock stood before the shards' creation: a shard does not end before it began.
        assert_eq!(change.shards[1].closed, Some(Closed { tail: 6, at_secs: 100 }));
        assert_eq!([3, 5].map(|id| change.shards[id].created_secs), [101, 102]);
        assert_eq!(change.shards[5].range, HashRange { start: 0, end: range.end - 1 });
    }
}
