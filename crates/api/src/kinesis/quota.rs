//! AWS's quotas of a shard, when the server is asked to keep them: 1 MiB and 1,000 records a second in, 2 MiB and 5 calls a
//! second out.
//!
//! A quota is a bucket that a second fills. What is taken may be more than is left of a full bucket (a record of 10 MiB, an
//! answer of 10 MiB): the rest is owed, and nothing more is let through until it is paid, as on AWS.

use super::Kinesis;
use millrace_base::{Millis, ShardId};
use millrace_log::{NewRecord, StreamInfo, StreamKey, hash_key};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

/// AWS: 1 MB a second, which are MiB.
const WRITE_BYTES: f64 = 1_048_576.0;
const WRITE_RECORDS: f64 = 1000.0;
const READ_BYTES: f64 = 2_097_152.0;
const READ_CALLS: f64 = 5.0;
/// Shards that were quiet for so long have full buckets: they are forgotten.
const FORGET_MS: Millis = 20_000;
/// How many shards are known before the quiet ones are looked for.
const SHARDS_LOOK: usize = 1024;

/// The buckets of all shards.
#[derive(Default)]
pub struct Quotas {
    shards: Mutex<HashMap<(StreamKey, ShardId), Shard>>,
}

struct Shard {
    at: Millis,
    write_bytes: f64,
    write_records: f64,
    read_bytes: f64,
    read_calls: f64,
}

impl Shard {
    fn full(now: Millis) -> Self {
        Self {
            at: now,
            write_bytes: WRITE_BYTES,
            write_records: WRITE_RECORDS,
            read_bytes: READ_BYTES,
            read_calls: READ_CALLS,
        }
    }

    fn refill(&mut self, now: Millis) {
        let seconds = (now - self.at).max(0) as f64 / 1000.0;
        // A clock that was set back only makes the next second longer.
        self.at = now;
        let fill = |level: &mut f64, rate: f64| *level = (*level + seconds * rate).min(rate);
        fill(&mut self.write_bytes, WRITE_BYTES);
        fill(&mut self.write_records, WRITE_RECORDS);
        fill(&mut self.read_bytes, READ_BYTES);
        fill(&mut self.read_calls, READ_CALLS);
    }
}

impl Quotas {
    fn with<R>(&self, stream: &StreamKey, shard: ShardId, now: Millis, take: impl FnOnce(&mut Shard) -> R) -> R {
        let mut shards = self.shards.lock().unwrap_or_else(PoisonError::into_inner);
        if shards.len() > SHARDS_LOOK {
            shards.retain(|_, shard| now - shard.at < FORGET_MS);
        }
        let shard = shards.entry((stream.clone(), shard)).or_insert_with(|| Shard::full(now));
        shard.refill(now);
        take(shard)
    }

    /// Takes the room of one record; false when there is none.
    pub fn write(&self, stream: &StreamKey, shard: ShardId, bytes: usize, now: Millis) -> bool {
        self.with(stream, shard, now, |shard| {
            let bytes = bytes as f64;
            let fits = shard.write_records >= 1.0 && shard.write_bytes >= bytes.min(WRITE_BYTES);
            if fits {
                shard.write_records -= 1.0;
                shard.write_bytes -= bytes;
            }
            fits
        })
    }

    /// Takes the room of one call; false when there is none, or when earlier answers are not paid for.
    pub fn call(&self, stream: &StreamKey, shard: ShardId, now: Millis) -> bool {
        self.with(stream, shard, now, |shard| {
            let fits = shard.read_calls >= 1.0 && shard.read_bytes > 0.0;
            if fits {
                shard.read_calls -= 1.0;
            }
            fits
        })
    }

    /// Notes what a call was answered with.
    pub fn read(&self, stream: &StreamKey, shard: ShardId, bytes: usize, now: Millis) {
        self.with(stream, shard, now, |shard| shard.read_bytes -= bytes as f64);
    }
}

/// Why one record of a request is not written while the others are.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// AWS's `ErrorCode`.
    pub code: &'static str,
    /// For people.
    pub message: String,
}

/// AWS's words for a quota that is used up.
pub fn rate_exceeded(stream: &StreamKey, shard: ShardId) -> String {
    format!("Rate exceeded for shard {shard} in stream {} under account {}.", stream.name, stream.scope.account)
}

/// The shard that would take a record.
fn shard_of(stream: &StreamInfo, record: &NewRecord) -> Option<ShardId> {
    let hash = record.explicit_hash.unwrap_or_else(|| hash_key(&record.partition_key));
    let takes =
        |shard: &&millrace_log::Shard| shard.closed.is_none() && (shard.range.start..=shard.range.end).contains(&hash);
    stream.shards.iter().find(takes).map(|shard| shard.id)
}

impl Kinesis {
    /// Takes those records out that their shard has no quota left for, by their place in the request.
    pub(super) fn throttle(&self, stream: &StreamInfo, records: &mut Vec<NewRecord>) -> BTreeMap<usize, Refusal> {
        let mut refused = BTreeMap::new();
        let Some(quotas) = &self.quotas else { return refused };
        let now = self.clock.now();
        let mut place = 0;
        records.retain(|record| {
            place += 1;
            let Some(shard) = shard_of(stream, record) else { return true };
            let bytes = record.data.len() + record.partition_key.len();
            if quotas.write(&stream.key, shard, bytes, now) {
                return true;
            }
            self.observer.throttled(&stream.key, shard, &record.partition_key, bytes);
            let message = rate_exceeded(&stream.key, shard);
            refused.insert(place - 1, Refusal { code: "ProvisionedThroughputExceededException", message });
            false
        });
        refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_base::Scope;

    fn key() -> StreamKey {
        StreamKey { scope: Scope::default(), name: "s".into() }
    }

    #[test]
    fn a_second_fills_the_bucket_and_no_more() {
        let quotas = Quotas::default();
        let write = |bytes, now| quotas.write(&key(), ShardId(0), bytes, now);
        assert!((0..1000).all(|_| write(10, 0)));
        assert!(!write(10, 0));
        assert!(quotas.write(&key(), ShardId(1), 10, 0), "shards have buckets of their own");
        assert!(write(10, 1), "a millisecond is a record");
        assert!(!write(10, 1));
        assert!((0..1000).all(|_| write(10, 100_000)));
        assert!(!write(10, 100_000), "quiet time is not saved up");
    }

    #[test]
    fn a_large_record_is_owed() {
        let quotas = Quotas::default();
        let write = |bytes, now| quotas.write(&key(), ShardId(0), bytes, now);
        assert!(write(5 << 20, 0));
        assert!(!write(1, 3_900));
        assert!(write(1, 4_100));
    }

    #[test]
    fn five_calls_and_two_megabytes_a_second() {
        let quotas = Quotas::default();
        let call = |now| quotas.call(&key(), ShardId(0), now);
        assert!((0..5).all(|_| call(0)));
        assert!(!call(0));
        assert!(call(1000));
        quotas.read(&key(), ShardId(0), 10 << 20, 1000);
        assert!(!call(4_900));
        assert!(call(5_100));
    }
}
