//! Which shard takes a record: MD5 of its partition key over the shards' ranges of 128-bit hashes.

use crate::format::ByShard;
use crate::{HashRange, NewRecord, Shard};
use md5::{Digest, Md5};
use millrace_base::ShardId;

/// The 128-bit hash that AWS routes a partition key by: its MD5, big-endian.
pub fn hash_key(partition_key: &[u8]) -> u128 {
    u128::from_be_bytes(Md5::digest(partition_key).into())
}

/// The ranges of `count` shards: `start_i = i·⌊2^128/count⌋`, the last one takes the remainder.
pub fn uniform_ranges(count: u32) -> Vec<HashRange> {
    let count = u128::from(count.max(1));
    // ⌊2^128/n⌋ without a 129th bit; for n = 1 there is one range anyway.
    let width = if count == 1 { 0 } else { u128::MAX / count + u128::from(u128::MAX % count == count - 1) };
    (0..count)
        .map(|i| HashRange { start: i * width, end: if i == count - 1 { u128::MAX } else { (i + 1) * width - 1 } })
        .collect()
}

/// The open shards of a stream, ready to be searched.
#[derive(Debug)]
pub(crate) struct Routes {
    /// Ascending; the first is 0.
    starts: Vec<u128>,
    shards: Vec<ShardId>,
    /// When each shard was created, in seconds since 1970.
    pub(crate) born: ByShard<u64>,
}

impl Routes {
    /// Routes over the open ones of `shards`, whose ranges cover every hash.
    pub(crate) fn new(shards: &[Shard]) -> Self {
        let mut open: Vec<_> = shards.iter().filter(|s| s.closed.is_none()).map(|s| (s.range.start, s.id)).collect();
        open.sort();
        let first = shards.first().map_or(ShardId(0), |shard| shard.id);
        let mut born = ByShard::new(first, Vec::new());
        for shard in shards {
            born.reach(first.0..shard.id.0 + 1, || 0);
            born[shard.id] = shard.created_secs;
        }
        let (starts, shards) = open.into_iter().unzip();
        Self { starts, shards, born }
    }

    /// The shards of records.
    pub(crate) fn of(&self, records: &[NewRecord]) -> Vec<ShardId> {
        records.iter().map(|record| self.shard(record)).collect()
    }

    /// The shard of a record.
    pub(crate) fn shard(&self, record: &NewRecord) -> ShardId {
        if let [only] = self.shards[..] {
            return only;
        }
        let hash = record.explicit_hash.unwrap_or_else(|| hash_key(&record.partition_key));
        let after = self.starts.partition_point(|start| *start <= hash);
        self.shards[after.saturating_sub(1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn ranges_follow_the_rule_and_cover_everything() {
        assert_eq!(uniform_ranges(1), [HashRange { start: 0, end: u128::MAX }]);
        assert_eq!(uniform_ranges(2)[1].start, 1 << 127);
        assert_eq!(uniform_ranges(4)[1].start, 1 << 126);
        // AWS's own example for three shards.
        assert_eq!(uniform_ranges(3)[1].start, 113427455640312821154458202477256070485);
        for count in [1, 2, 3, 5, 7, 64, 1000] {
            let ranges = uniform_ranges(count);
            assert_eq!(ranges[0].start, 0);
            assert_eq!(ranges.last().unwrap().end, u128::MAX);
            assert!(ranges.windows(2).all(|pair| pair[0].end + 1 == pair[1].start));
        }
    }

    #[test]
    fn keys_hash_as_md5_and_explicit_hashes_override() {
        assert_eq!(hash_key(b"a"), 0x0cc175b9c0f1b6a831c399e269772661);
        let shards: Vec<Shard> = uniform_ranges(4)
            .into_iter()
            .enumerate()
            .map(|(i, range)| Shard {
                id: ShardId(i as u32),
                parent: None,
                adjacent_parent: None,
                range,
                created_secs: 0,
                closed: None,
            })
            .collect();
        let routes = Routes::new(&shards);
        let mut record = NewRecord { partition_key: Bytes::from_static(b"a"), explicit_hash: None, data: Bytes::new() };
        assert_eq!(routes.shard(&record), ShardId(0));
        for (hash, shard) in [(0, 0), (shards[2].range.start, 2), (shards[2].range.end, 2), (u128::MAX, 3)] {
            record.explicit_hash = Some(hash);
            assert_eq!(routes.shard(&record), ShardId(shard));
        }
    }
}
