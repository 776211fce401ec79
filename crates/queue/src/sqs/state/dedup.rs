//! What was sent to a FIFO queue in the last five minutes.

use crate::sqs::format::Dedup;
use ahash::AHashMap;
use millrace_base::Millis;
use std::collections::BTreeMap;

/// AWS's deduplication interval.
pub(crate) const DEDUP_MS: Millis = 300_000;
/// What an entry counts as live bytes of its segment: the record that would keep it.
pub(crate) const DEDUP_BYTES: u64 = 80;

/// The deduplication ids of a queue.
#[derive(Default)]
pub(crate) struct Dedups {
    by_key: AHashMap<u128, Entry>,
    /// In order of time, so that the oldest are forgotten first.
    by_time: BTreeMap<(Millis, u64), u128>,
}

#[derive(Clone, Copy)]
struct Entry {
    dedup: Dedup,
    /// Where the record lies that keeps it.
    segment: u64,
}

impl Dedups {
    /// The first message with this key, if it was sent within the interval.
    pub(crate) fn find(&self, key: u128, now: Millis) -> Option<Dedup> {
        self.by_key.get(&key).map(|entry| entry.dedup).filter(|dedup| now < dedup.sent + DEDUP_MS)
    }

    /// Remembers a key; the segment that needs no longer keep it, when it was known.
    pub(crate) fn insert(&mut self, dedup: Dedup, segment: u64) -> Option<u64> {
        let old = self.by_key.insert(dedup.key, Entry { dedup, segment });
        if let Some(old) = old {
            self.by_time.remove(&(old.dedup.sent, old.dedup.no));
        }
        self.by_time.insert((dedup.sent, dedup.no), dedup.key);
        old.map(|old| old.segment)
    }

    /// Forgets what is too old, and gives the segments that kept it.
    pub(crate) fn expire(&mut self, now: Millis) -> Vec<u64> {
        let mut segments = Vec::new();
        while let Some(oldest) = self.by_time.first_entry().filter(|entry| entry.key().0 + DEDUP_MS <= now) {
            let key = oldest.remove();
            segments.extend(self.by_key.remove(&key).map(|entry| entry.segment));
        }
        segments
    }

    /// When the oldest was sent.
    pub(crate) fn oldest(&self) -> Option<Millis> {
        self.by_time.first_key_value().map(|((sent, _), _)| *sent)
    }

    /// What a segment alone keeps.
    pub(crate) fn kept_in(&self, segment: u64) -> Vec<Dedup> {
        let mut kept: Vec<Dedup> = self.by_key.values().filter(|e| e.segment == segment).map(|e| e.dedup).collect();
        kept.sort_by_key(|dedup| dedup.no);
        kept
    }

    /// All segments that keep something, an entry each.
    pub(crate) fn segments(&self) -> impl Iterator<Item = u64> {
        self.by_key.values().map(|entry| entry.segment)
    }
}
