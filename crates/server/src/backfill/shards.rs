//! Which shards are read, from where, and when: children after their parents, as every reader of the log does.

use super::job::{Job, Place, Start};
use millrace_base::{Millis, ShardId};
use millrace_log::{Log, LogError, Shard, StreamInfo, StreamKey};
use std::collections::BTreeMap;

/// A shard's records from some time on, in numbers.
pub fn first_places(
    log: &dyn Log,
    info: &StreamInfo,
    from: Start,
    to: Option<Millis>,
) -> Result<BTreeMap<u32, Place>, LogError> {
    let mut places = BTreeMap::new();
    for shard in &info.shards {
        places.insert(shard.id.0, place(log, &info.key, shard, from, to)?);
    }
    Ok(places)
}

fn place(log: &dyn Log, key: &StreamKey, shard: &Shard, from: Start, to: Option<Millis>) -> Result<Place, LogError> {
    let trim = log.bounds(key, shard.id)?.trim;
    let from = match from {
        Start::TrimHorizon => trim,
        Start::At(time) => log.index_at(key, shard.id, time)?.max(trim),
    };
    let until = to.map(|to| log.index_at(key, shard.id, to)).transpose()?.map(|until| until.max(from));
    Ok(Place { from, next: from, until, ended: until.is_some_and(|until| until <= from) })
}

/// The records of every shard before a delivery stream went on from `until`; a shard that is absent there belongs to it whole.
pub fn places_before(
    log: &dyn Log,
    info: &StreamInfo,
    from: Start,
    until: &BTreeMap<u32, u64>,
) -> Result<BTreeMap<u32, Place>, LogError> {
    let mut places = first_places(log, info, from, None)?;
    for (shard, place) in &mut places {
        let until = until.get(shard).copied().unwrap_or(0).max(place.from);
        (place.until, place.ended) = (Some(until), until <= place.from);
    }
    Ok(places)
}

/// Adds the shards that came since, and gives those that can be read now, in order.
pub fn readable(log: &dyn Log, info: &StreamInfo, job: &mut Job) -> Result<Vec<ShardId>, LogError> {
    for shard in &info.shards {
        if !job.shards.contains_key(&shard.id.0) {
            let place = place(log, &info.key, shard, job.spec.from, job.spec.to)?;
            job.shards.insert(shard.id.0, place);
        }
    }
    Ok(ready(info, &job.shards))
}

/// The shards that can be read now: their parents were read to their ends, or are gone.
pub fn ready(info: &StreamInfo, places: &BTreeMap<u32, Place>) -> Vec<ShardId> {
    let ended = |id: &ShardId| places.get(&id.0).is_none_or(|place| place.ended);
    let begins = |shard: &&Shard| shard.parent.iter().chain(&shard.adjacent_parent).all(ended);
    let open = info.shards.iter().filter(|shard| !ended(&shard.id)).filter(begins);
    open.map(|shard| shard.id).collect()
}

/// Records that are still to be read, as things stand now.
pub fn remaining(log: &dyn Log, info: &StreamInfo, job: &Job) -> u64 {
    let of = |shard: &Shard| {
        let Some(place) = job.shards.get(&shard.id.0) else { return 0 };
        let tail = log.bounds(&info.key, shard.id).map_or(place.next, |bounds| bounds.tail);
        if place.ended { 0 } else { place.until.unwrap_or(tail).min(tail).saturating_sub(place.next) }
    };
    info.shards.iter().map(of).sum()
}

/// When the oldest record that every part of the stream still has arrived; none when nothing was ever removed. What arrived
/// before is, at least in part, gone.
pub fn horizon(log: &dyn Log, info: &StreamInfo, now: Millis) -> Result<Option<Millis>, LogError> {
    let listed = |id: &ShardId| info.shards.iter().any(|shard| shard.id == *id);
    let mut horizon = None;
    for shard in &info.shards {
        let mut parents = shard.parent.iter().chain(&shard.adjacent_parent).peekable();
        let has_parents = parents.peek().is_some();
        if has_parents && parents.any(listed) {
            continue;
        }
        let bounds = log.bounds(&info.key, shard.id)?;
        if bounds.trim == 0 && !has_parents {
            continue;
        }
        let first =
            log.reader(&info.key, shard.id, bounds.trim)?.read(1, 1)?.records.first().map(|record| record.arrival);
        horizon = horizon.max(Some(first.unwrap_or(now)));
    }
    Ok(horizon)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backfill::job::{Consent, LakeChoice, Spec, Through};
    use bytes::Bytes;
    use millrace_base::{Clock, Scope};
    use millrace_catalog::Catalog;
    use millrace_log::{Commit, LocalLog, LogOptions, LogParts, NewRecord, StreamMode, StreamSpec};
    use millrace_testkit::{SimClock, SimDisk};
    use std::path::Path;
    use std::sync::Arc;

    const HOUR: Millis = 3_600_000;
    const NOON: Millis = 1_795_262_400_000;

    struct World {
        clock: Arc<SimClock>,
        log: Arc<LocalLog>,
        key: StreamKey,
    }

    impl World {
        fn new() -> Self {
            let (clock, disk) = (Arc::new(SimClock::at(NOON)), Arc::new(SimDisk::new(1)));
            let catalog = Catalog::open(&*disk, Path::new("/data/catalog")).unwrap();
            let parts = LogParts { clock: clock.clone(), disk, catalog, dir: "/data/log".into() };
            let log = LocalLog::open(parts, LogOptions { commit: Commit::Inline, ..LogOptions::default() }).unwrap();
            let key = StreamKey { scope: Scope::default(), name: "s".into() };
            let mode = StreamMode::Provisioned;
            let spec = StreamSpec { shard_count: 1, mode, retention_hours: 24, record_kib_max: 1024 };
            log.create_stream(&key, spec).unwrap();
            Self { clock, log, key }
        }

        fn put(&self, count: usize) {
            let key = Bytes::from_static(b"k");
            let record = |_| NewRecord { partition_key: key.clone(), explicit_hash: Some(1), data: Bytes::new() };
            futures::executor::block_on(self.log.append(&self.key, (0..count).map(record).collect(), None)).unwrap();
        }

        fn info(&self) -> Arc<StreamInfo> {
            self.log.stream(&self.key).unwrap()
        }

        fn job(&self, from: Start, to: Option<Millis>) -> Job {
            let spec = Spec {
                stream: "s".to_owned(),
                from,
                to,
                lake: LakeChoice::Auto,
                index: "i".to_owned(),
                to_lake: None,
                through: Through::Position,
            };
            let mut job = Job::new(&Scope::default(), spec, Consent::default(), 0, NOON);
            job.shards = first_places(&*self.log, &self.info(), from, to).unwrap();
            job
        }
    }

    #[test]
    fn children_are_read_after_their_parents_also_those_that_come_meanwhile() {
        let world = World::new();
        world.put(3);
        let mut job = world.job(Start::TrimHorizon, None);
        world.log.split_shard(&world.key, ShardId(0), 1 << 127).unwrap();
        world.put(2);
        let ready = |job: &mut Job| -> Vec<u32> {
            readable(&*world.log, &world.info(), job).unwrap().iter().map(|id| id.0).collect()
        };
        assert_eq!(ready(&mut job), [0]);
        assert_eq!(remaining(&*world.log, &world.info(), &job), 5);
        job.shards.insert(0, Place { from: 0, next: 3, until: None, ended: true });
        assert_eq!(ready(&mut job), [1, 2]);
        assert_eq!(remaining(&*world.log, &world.info(), &job), 2);
    }

    #[test]
    fn times_become_exact_places() {
        let world = World::new();
        for _ in 0..3 {
            world.put(2);
            world.clock.advance(HOUR);
        }
        let place = |from, to| world.job(from, to).shards[&0];
        assert_eq!(place(Start::At(NOON + 1), None), Place { from: 2, next: 2, until: None, ended: false });
        let bounded = place(Start::At(NOON + 1), Some(NOON + 2 * HOUR));
        assert_eq!((bounded.from, bounded.until, bounded.ended), (2, Some(4), false));
        let empty = place(Start::At(NOON + 9 * HOUR), Some(NOON));
        assert_eq!((empty.from, empty.ended), (6, true));
    }

    #[test]
    fn what_a_delivery_stream_goes_on_from_is_where_reading_ends() {
        let world = World::new();
        world.put(4);
        world.log.split_shard(&world.key, ShardId(0), 1 << 127).unwrap();
        let until = BTreeMap::from([(0, 3)]);
        let places = places_before(&*world.log, &world.info(), Start::TrimHorizon, &until).unwrap();
        assert_eq!(places[&0], Place { from: 0, next: 0, until: Some(3), ended: false });
        // The children came after it went on: they are its own.
        assert!(places[&1].ended && places[&2].ended);
        assert_eq!(ready(&world.info(), &places), [ShardId(0)]);
    }

    #[test]
    fn what_is_gone_begins_before_the_oldest_record_that_all_parts_have() {
        let world = World::new();
        world.put(2);
        let horizon = || horizon(&*world.log, &world.info(), world.clock.now()).unwrap();
        assert_eq!(horizon(), None);
        world.clock.advance(20 * HOUR);
        world.put(1);
        world.clock.advance(10 * HOUR);
        world.log.trim_expired().unwrap();
        assert_eq!(horizon(), Some(NOON + 20 * HOUR));
        world.clock.advance(30 * HOUR);
        world.log.trim_expired().unwrap();
        assert_eq!(horizon(), Some(world.clock.now()));
    }
}
