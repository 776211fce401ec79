//! Records that wait, by lane.

use super::progress::{Lane, Positions};
use crate::stage::Failed;
use bytes::Bytes;
use millrace_base::Millis;
use std::collections::BTreeMap;

/// What a record costs in memory beyond its payload.
const RECORD_BYTES: usize = 64;

/// A record that waits. Its payload shares memory with the batch it was read in.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) shard: u32,
    pub(crate) index: u64,
    pub(crate) arrival: Millis,
    pub(crate) data: Bytes,
    /// Why it cannot be delivered.
    pub(crate) failure: Option<Box<Failed>>,
}

/// The records of one lane.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    pub(crate) records: Vec<Held>,
    /// Payload bytes.
    pub(crate) bytes: usize,
    /// When its first record was read.
    pub(crate) since: Millis,
}

/// All lanes.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    pub(crate) by_lane: BTreeMap<Lane, Buffer>,
    /// What all of them cost in memory.
    pub(crate) cost: usize,
}

impl Lanes {
    pub(crate) fn push(&mut self, lane: Lane, record: Held, now: Millis) {
        self.cost += record.data.len() + RECORD_BYTES;
        let buffer = self.by_lane.entry(lane).or_insert_with(|| Buffer { since: now, ..Buffer::default() });
        buffer.bytes += record.data.len();
        buffer.records.push(record);
    }

    /// Takes a lane's records before `to`, in order of shard and index.
    pub(crate) fn take(&mut self, lane: &Lane, to: &Positions, now: Millis) -> Vec<Held> {
        let Some(buffer) = self.by_lane.remove(lane) else { return Vec::new() };
        let before = |held: &Held| to.get(&held.shard).is_some_and(|to| held.index < *to);
        let (mut taken, kept): (Vec<_>, Vec<_>) = buffer.records.into_iter().partition(before);
        self.cost -= taken.iter().map(|held| held.data.len() + RECORD_BYTES).sum::<usize>();
        if !kept.is_empty() {
            let bytes = kept.iter().map(|held| held.data.len()).sum();
            self.by_lane.insert(lane.clone(), Buffer { records: kept, bytes, since: now });
        }
        taken.sort_unstable_by_key(|held| (held.shard, held.index));
        taken
    }

    /// The first index that waits of every shard that has one.
    pub(crate) fn first_pending(&self) -> Positions {
        let mut first = Positions::new();
        for held in self.by_lane.values().flat_map(|buffer| &buffer.records) {
            let index = first.entry(held.shard).or_insert(held.index);
            *index = held.index.min(*index);
        }
        first
    }

    /// When the oldest record that waits arrived.
    pub(crate) fn oldest(&self) -> Option<Millis> {
        self.by_lane.values().flat_map(|buffer| &buffer.records).map(|held| held.arrival).min()
    }

    /// The lane with the most bytes.
    pub(crate) fn largest(&self) -> Option<&Lane> {
        self.by_lane.iter().max_by_key(|(_, buffer)| buffer.bytes).map(|(lane, _)| lane)
    }
}
