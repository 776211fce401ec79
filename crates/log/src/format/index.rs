//! The sparse index of a segment: for one offset every few hundred KiB, where each shard stood.

use super::take::Take;
use super::{ByShard, SHARDS_MAX, STRIDE_BYTES, VERSION};
use bytes::BufMut;
use crc32c::crc32c;
use millrace_base::{Millis, ShardId};

const MAGIC: [u8; 8] = *b"MILLRIDX";
const FIXED_LEN: usize = 40;

/// Points of a segment, ascending. The first is the first frame's; a closed segment's last is its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Points {
    first: u32,
    shards: usize,
    offsets: Vec<u64>,
    /// The greatest arrival in the segment before the point.
    arrivals: Vec<Millis>,
    /// `shards` indices for each point: the next of every shard.
    next: Vec<u64>,
}

impl Points {
    /// The points of a segment whose frames begin at `offset`, where its shards stand at `bases`.
    pub(crate) fn new(offset: u64, bases: &ByShard<u64>) -> Self {
        Self {
            first: bases.ids().start,
            shards: bases.count(),
            offsets: vec![offset],
            arrivals: vec![Millis::MIN],
            next: bases.values().to_vec(),
        }
    }

    /// Adds a point at a frame's beginning if it is far enough from the last.
    pub(crate) fn offer(&mut self, offset: u64, max_arrival_before: Millis, next: &ByShard<u64>) {
        if self.wants(offset) {
            self.push(offset, max_arrival_before, next);
        }
    }

    /// True when a frame's beginning is far enough from the last point to become one.
    pub(crate) fn wants(&self, offset: u64) -> bool {
        // A point costs 8 bytes a shard: with very many shards they stand further apart, at a sixty-fourth of the data.
        let stride = STRIDE_BYTES.max(self.shards as u64 * 8 * 64);
        self.offsets.last().is_none_or(|last| offset >= last + stride)
    }

    /// Adds a point.
    pub(crate) fn push(&mut self, offset: u64, max_arrival_before: Millis, next: &ByShard<u64>) {
        let same = next.ids().start == self.first && next.count() == self.shards;
        debug_assert!(same, "shards change only where segments do");
        self.offsets.push(offset);
        self.arrivals.push(max_arrival_before);
        self.next.extend_from_slice(next.values());
    }

    /// How many points there are; at least one.
    #[allow(clippy::len_without_is_empty, reason = "there is always one")]
    pub fn len(&self) -> usize {
        self.offsets.len()
    }

    /// The offset of a point.
    pub fn offset(&self, point: usize) -> u64 {
        self.offsets[point]
    }

    /// Where a shard stands at a point: one that came later at its beginning, one that was gone behind everything.
    pub fn next(&self, point: usize, shard: ShardId) -> u64 {
        match shard.0.checked_sub(self.first) {
            Some(at) if (at as usize) < self.shards => self.next[point * self.shards + at as usize],
            Some(_) => 0,
            None => u64::MAX,
        }
    }

    /// The last point at or before the record at `index`.
    pub fn before(&self, shard: ShardId, index: u64) -> u64 {
        let (mut low, mut high) = (0, self.len());
        while high - low > 1 {
            let middle = (low + high) / 2;
            if self.next(middle, shard) <= index { low = middle } else { high = middle }
        }
        self.offsets[low]
    }

    /// The last point before which everything arrived earlier than `time`.
    pub fn earlier_than(&self, time: Millis) -> usize {
        self.arrivals.partition_point(|arrival| *arrival < time).saturating_sub(1)
    }

    /// Bytes in memory, about.
    pub(crate) fn weight(&self) -> usize {
        self.len() * (16 + 8 * self.shards) + 128
    }

    /// The content of an index file.
    pub(crate) fn encode(&self, incarnation: u64, segment: u64) -> Vec<u8> {
        let mut out = Vec::with_capacity(FIXED_LEN + self.len() * (16 + 8 * self.shards) + 4);
        out.put_slice(&MAGIC);
        out.put_u32_le(VERSION);
        out.put_u32_le(self.first);
        out.put_u32_le(self.shards as u32);
        out.put_u64_le(incarnation);
        out.put_u64_le(segment);
        out.put_u32_le(self.len() as u32);
        for point in 0..self.len() {
            out.put_u64_le(self.offsets[point]);
            out.put_i64_le(self.arrivals[point]);
            for next in &self.next[point * self.shards..][..self.shards] {
                out.put_u64_le(*next);
            }
        }
        out.put_u32_le(crc32c(&out));
        out
    }

    /// The index of this segment that an index file holds. `None`: it is to be built again.
    pub(crate) fn decode(bytes: &[u8], incarnation: u64, segment: u64) -> Option<Self> {
        let (body, crc) = bytes.split_at_checked(bytes.len().checked_sub(4)?)?;
        let mut take = Take(body);
        let whole = take.bytes(8)? == MAGIC && take.u32()? == VERSION && crc32c(body).to_le_bytes() == crc;
        let (first, shards) = (take.u32()?, take.u32()? as usize);
        let of_segment = take.u64()? == incarnation && take.u64()? == segment;
        let count = take.u32()? as usize;
        if !whole
            || !of_segment
            || count == 0
            || shards > SHARDS_MAX
            || take.0.len() != count.checked_mul(16 + 8 * shards)?
        {
            return None;
        }
        let mut points = Self { first, shards, offsets: Vec::new(), arrivals: Vec::new(), next: Vec::new() };
        for _ in 0..count {
            points.offsets.push(take.u64()?);
            points.arrivals.push(take.i64()?);
            for _ in 0..shards {
                points.next.push(take.u64()?);
            }
        }
        Some(points)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_sparse_found_and_kept() {
        let at = |a, b| ByShard::new(ShardId(3), vec![a, b]);
        let mut points = Points::new(100, &at(0, 10));
        points.offer(200, 5, &at(1, 10));
        assert_eq!(points.len(), 1);
        points.offer(100 + STRIDE_BYTES, 7, &at(8, 12));
        points.push(100 + 2 * STRIDE_BYTES, 9, &at(8, 20));
        assert_eq!(points.before(ShardId(3), 7), 100);
        assert_eq!(points.before(ShardId(4), 12), 100 + STRIDE_BYTES);
        assert_eq!(points.before(ShardId(4), 11), 100);
        assert_eq!([2, 3, 4, 5].map(|id| points.next(1, ShardId(id))), [u64::MAX, 8, 12, 0]);
        assert_eq!([points.earlier_than(7), points.earlier_than(8), points.earlier_than(100)], [0, 1, 2]);
        let bytes = points.encode(3, 4);
        assert_eq!(Points::decode(&bytes, 3, 4), Some(points));
        assert_eq!(Points::decode(&bytes, 3, 5), None);
        assert_eq!(Points::decode(&bytes[..bytes.len() - 1], 3, 4), None);
    }
}
