//! Which shards of a stream can be read: those whose parents are done.

use crate::mapping::MappingError;
use crate::mapping::definition::StartingPosition;
use crate::mapping::progress::Checkpoint;
use millrace_base::ShardId;
use millrace_log::{Log, Shard, StreamInfo};
use std::collections::BTreeMap;

/// A shard to start, and where.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) shard: Shard,
    pub(crate) checkpoint: Checkpoint,
}

/// Where a new mapping stands in every shard there is.
pub(crate) fn starts(
    log: &dyn Log,
    info: &StreamInfo,
    position: StartingPosition,
) -> Result<BTreeMap<ShardId, Checkpoint>, MappingError> {
    let index = |shard: &Shard| match position {
        StartingPosition::TrimHorizon => Ok(0),
        StartingPosition::Latest => log.bounds(&info.key, shard.id).map(|bounds| bounds.tail),
        StartingPosition::AtTimestamp(time) => log.index_at(&info.key, shard.id, time),
    };
    let start = |shard: &Shard| Ok((shard.id, Checkpoint::at(info.incarnation, index(shard)?)));
    info.shards.iter().map(start).collect()
}

/// The shards that are neither done nor wait for a parent. A parent that is not listed has expired and is done.
pub(crate) fn ready(info: &StreamInfo, checkpoints: &BTreeMap<ShardId, Checkpoint>) -> Vec<Ready> {
    // Checkpoints of a stream that was deleted and created again are worth nothing.
    let known = |id: ShardId| checkpoints.get(&id).filter(|found| found.incarnation == info.incarnation);
    let listed = |id: ShardId| info.shards.iter().any(|shard| shard.id == id);
    let is_done = |id: ShardId| !listed(id) || known(id).is_some_and(|checkpoint| checkpoint.done);
    let is_ready = |shard: &&Shard| {
        !is_done(shard.id) && shard.parent.is_none_or(is_done) && shard.adjacent_parent.is_none_or(is_done)
    };
    let start = |shard: &Shard| Ready {
        shard: shard.clone(),
        checkpoint: known(shard.id).cloned().unwrap_or_else(|| Checkpoint::at(info.incarnation, 0)),
    };
    info.shards.iter().filter(is_ready).map(start).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_base::Scope;
    use millrace_log::{HashRange, StreamKey, StreamMode, StreamSpec};

    fn stream(shards: &[(u32, Option<u32>, Option<u32>)]) -> StreamInfo {
        let shard = |(id, parent, adjacent): &(u32, Option<u32>, Option<u32>)| Shard {
            id: ShardId(*id),
            parent: parent.map(ShardId),
            adjacent_parent: adjacent.map(ShardId),
            range: HashRange { start: 0, end: u128::MAX },
            created_secs: 0,
            closed: None,
        };
        StreamInfo {
            key: StreamKey { scope: Scope::default(), name: "s".into() },
            incarnation: 2,
            created: 0,
            spec: StreamSpec {
                shard_count: 1,
                mode: StreamMode::Provisioned,
                retention_hours: 24,
                record_kib_max: 1024,
            },
            shards: shards.iter().map(shard).collect(),
        }
    }

    fn ids(info: &StreamInfo, checkpoints: &[(u32, u64, bool)]) -> Vec<u32> {
        let checkpoint = |(id, incarnation, done): &(u32, u64, bool)| {
            (ShardId(*id), Checkpoint { done: *done, ..Checkpoint::at(*incarnation, 7) })
        };
        ready(info, &checkpoints.iter().map(checkpoint).collect()).iter().map(|ready| ready.shard.id.0).collect()
    }

    #[test]
    fn children_wait_for_all_their_parents() {
        let merged = stream(&[(0, None, None), (1, None, None), (2, Some(0), Some(1)), (3, Some(2), None)]);
        assert_eq!(ids(&merged, &[]), [0, 1]);
        assert_eq!(ids(&merged, &[(0, 2, true)]), [1]);
        assert_eq!(ids(&merged, &[(0, 2, true), (1, 2, false)]), [1]);
        assert_eq!(ids(&merged, &[(0, 2, true), (1, 2, true)]), [2]);
        assert_eq!(ids(&merged, &[(0, 2, true), (1, 2, true), (2, 2, true)]), [3]);
    }

    #[test]
    fn expired_parents_are_done_and_other_incarnations_say_nothing() {
        let rest = stream(&[(2, Some(0), Some(1))]);
        assert_eq!(ids(&rest, &[]), [2]);
        assert_eq!(ready(&rest, &BTreeMap::from([(ShardId(2), Checkpoint::at(1, 9))]))[0].checkpoint.index, 0);
        assert_eq!(ready(&rest, &BTreeMap::from([(ShardId(2), Checkpoint::at(2, 9))]))[0].checkpoint.index, 9);
        assert_eq!(ids(&rest, &[(2, 1, true)]), [2]);
    }
}
