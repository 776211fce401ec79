//! The partition keys that a shard gets most of, found by looking at one record in sixteen.
//!
//! Each shard has a *space-saving* sketch of sixteen counters: a key that is not among them takes over the smallest one, with
//! its count. A key with more than a sixteenth of the weight is always found, and its weight is never told too small. Two
//! minutes are kept, one that is counted in and the one before, so that yesterday's hot key is forgotten.

use millrace_base::{Millis, ShardId};
use millrace_log::StreamKey;
use parking_lot::Mutex;
use std::collections::HashMap;

/// One record in so many is looked at.
pub const SAMPLED: usize = 16;
/// Counters of a shard's sketch.
const COUNTERS: usize = 16;
/// How long is counted into one sketch.
const WINDOW_MS: Millis = 60_000;
/// Keys are kept up to this length: people are to recognise them.
const KEY_BYTES_MAX: usize = 64;
/// Shards of a stream that are kept, and streams; the quiet ones go first.
const KEPT_MAX: usize = 10_000;

/// A partition key and its share of a shard.
#[derive(Debug, Clone, PartialEq)]
pub struct HotKey {
    /// The key, cut when it is long.
    pub key: String,
    /// Of the bytes that the shard was sent in the last one or two minutes, from 0 to 1.
    pub share: f64,
}

/// The sketches of all shards.
#[derive(Default)]
pub struct HotKeys {
    streams: Mutex<HashMap<StreamKey, Shards>>,
}

type Shards = HashMap<ShardId, Windows>;

/// As much of a partition key as is kept: a copy, for a slice would hold the whole request that it came with.
pub type SampledKey = Box<[u8]>;

/// The part of a key that is kept.
pub fn sampled(key: &[u8]) -> SampledKey {
    key[..key.len().min(KEY_BYTES_MAX)].into()
}

#[derive(Default)]
struct Windows {
    since: Millis,
    now: Sketch,
    before: Sketch,
}

#[derive(Default)]
struct Sketch {
    total: u64,
    counters: Vec<(SampledKey, u64)>,
}

impl Sketch {
    fn add(&mut self, key: SampledKey, weight: u64) {
        self.total += weight;
        if let Some((_, count)) = self.counters.iter_mut().find(|(known, _)| *known == key) {
            *count += weight;
        } else if self.counters.len() < COUNTERS {
            self.counters.push((key, weight));
        } else if let Some((known, count)) = self.counters.iter_mut().min_by_key(|(_, count)| *count) {
            (*known, *count) = (key, *count + weight);
        }
    }
}

impl Windows {
    fn turn(&mut self, now: Millis) {
        let age = now - self.since;
        if !(0..WINDOW_MS).contains(&age) {
            let last = std::mem::take(&mut self.now);
            self.before = if (0..2 * WINDOW_MS).contains(&age) { last } else { Sketch::default() };
            self.since = now;
        }
    }

    fn is_of_late(&self, now: Millis) -> bool {
        now - self.since < 2 * WINDOW_MS
    }
}

impl HotKeys {
    /// Counts records of a stream: shard, partition key, weight.
    pub fn add(
        &self,
        stream: &StreamKey,
        records: impl IntoIterator<Item = (ShardId, SampledKey, usize)>,
        now: Millis,
    ) {
        let mut streams = self.streams.lock();
        if !streams.contains_key(stream) {
            if streams.len() >= KEPT_MAX {
                streams.retain(|_, shards| shards.values().any(|windows| windows.is_of_late(now)));
            }
            streams.insert(stream.clone(), Shards::new());
        }
        let Some(shards) = streams.get_mut(stream) else { return };
        if shards.len() >= KEPT_MAX {
            shards.retain(|_, windows| windows.is_of_late(now));
        }
        for (shard, key, bytes) in records {
            let windows = shards.entry(shard).or_default();
            windows.turn(now);
            windows.now.add(key, bytes as u64);
        }
    }

    /// The hottest keys of a shard, the hottest first.
    pub fn of(&self, stream: &StreamKey, shard: ShardId, now: Millis) -> Vec<HotKey> {
        let mut streams = self.streams.lock();
        let Some(windows) = streams.get_mut(stream).and_then(|shards| shards.get_mut(&shard)) else {
            return Vec::new();
        };
        windows.turn(now);
        let total = (windows.now.total + windows.before.total).max(1) as f64;
        let mut sums: HashMap<&[u8], u64> = HashMap::new();
        for (key, count) in windows.now.counters.iter().chain(&windows.before.counters) {
            *sums.entry(key).or_default() += count;
        }
        let mut found: Vec<HotKey> = sums
            .into_iter()
            .map(|(key, count)| HotKey {
                key: String::from_utf8_lossy(key).into_owned(),
                share: (count as f64 / total).min(1.0),
            })
            .collect();
        found.sort_by(|a, b| b.share.total_cmp(&a.share).then_with(|| a.key.cmp(&b.key)));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_base::Scope;

    #[test]
    fn a_hot_key_is_found_among_thousands_and_forgotten_in_time() {
        let (hot, stream) = (HotKeys::default(), StreamKey { scope: Scope::default(), name: "s".into() });
        for n in 0..10_000 {
            let key = if n % 3 == 0 { sampled(b"loud") } else { sampled(format!("quiet-{n}").as_bytes()) };
            hot.add(&stream, [(ShardId(0), key, 100)], 1_000);
        }
        let found = &hot.of(&stream, ShardId(0), 1_000)[0];
        assert_eq!(found.key, "loud");
        assert!((0.33..0.45).contains(&found.share), "{}", found.share);
        assert_eq!(hot.of(&stream, ShardId(0), 62_000)[0].key, "loud");
        assert!(hot.of(&stream, ShardId(0), 300_000).is_empty());
        assert!(hot.of(&stream, ShardId(1), 1_000).is_empty());
    }
}
