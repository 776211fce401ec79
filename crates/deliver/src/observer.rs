//! What deliveries tell whoever counts or follows records: where records were taken from, and what became of them.

use millrace_base::{Millis, Scope};
use millrace_log::{Placed, StreamKey};
use std::collections::BTreeMap;

/// Positions of one shard: the first, and the one after the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// The shard.
    pub shard: u32,
    /// The first position.
    pub first: u64,
    /// The position after the last.
    pub next: u64,
}

/// Runs of one shard; what lies behind becomes part of the last, with what lies between.
const RUNS_MAX: usize = 500;

impl Run {
    /// The runs of these positions, each a shard and a place in it, ascending within each shard; in order of shards.
    pub(crate) fn of(positions: impl Iterator<Item = (u32, u64)>) -> Vec<Self> {
        let mut by_shard: BTreeMap<u32, Vec<Self>> = BTreeMap::new();
        for (shard, at) in positions {
            let runs = by_shard.entry(shard).or_default();
            let is_full = runs.len() >= RUNS_MAX;
            match runs.last_mut() {
                Some(run) if run.next == at || is_full => run.next = at + 1,
                _ => runs.push(Self { shard, first: at, next: at + 1 }),
            }
        }
        by_shard.into_values().flatten().collect()
    }
}

/// Is told what deliveries do. Called on their own threads: it must be quick and never wait.
pub trait DeliveryObserver: Send + Sync + 'static {
    /// Records were read.
    fn taken(&self, delivery: &DeliveryName<'_>, taken: &Taken);
    /// A try to deliver ended, well or not.
    fn delivered(&self, delivery: &DeliveryName<'_>, delivered: &Delivered<'_>);
    /// A function was asked to transform records, and answered or not.
    fn processed(&self, delivery: &DeliveryName<'_>, processed: &Processed);
    /// Records that a function was asked to transform are staged: they will be delivered from there. Or a try failed.
    fn transformed(&self, delivery: &DeliveryName<'_>, transformed: &Transformed<'_>);
    /// Records were converted, or could not be.
    fn converted(&self, delivery: &DeliveryName<'_>, converted: &Converted);
}

/// Which delivery stream.
#[derive(Debug, Clone, Copy)]
pub struct DeliveryName<'a> {
    /// Its account and region.
    pub scope: &'a Scope,
    /// Its name.
    pub name: &'a str,
}

/// Records that were read.
#[derive(Debug)]
pub struct Taken {
    /// Whether they are of a Kinesis stream, not of the delivery stream's own buffer of direct puts.
    pub is_kinesis: bool,
    /// How many.
    pub records: u64,
    /// Their data.
    pub bytes: u64,
}

/// Where records are delivered to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DestinationKind {
    /// A bucket that is the destination.
    S3,
    /// An index.
    Search,
    /// A bucket that gets a copy, or what could not be delivered.
    Backup,
}

/// A try to deliver.
#[derive(Debug)]
pub struct Delivered<'a> {
    /// What kind of destination.
    pub kind: DestinationKind,
    /// The bucket and key, or the index.
    pub target: (&'a str, &'a str),
    /// Where they were read: the source, or the stream of what a function made of it.
    pub stream: &'a StreamKey,
    /// The records that it was about.
    pub runs: Vec<Run>,
    /// How many were delivered.
    pub records: usize,
    /// Bytes of what was delivered.
    pub bytes: usize,
    /// How many the index asked to be sent again later (status 429).
    pub rejected: usize,
    /// When the try began.
    pub began: Millis,
    /// The age of the oldest of them.
    pub oldest_ms: Millis,
    /// Why it failed; then it is tried again.
    pub failure: Option<&'a str>,
}

/// A call of the function that transforms.
#[derive(Debug)]
pub struct Processed {
    /// How many records it was about.
    pub records: usize,
    /// Their data.
    pub bytes: usize,
    /// How long it took.
    pub took_ms: Millis,
    /// Whether there was an answer that can be used.
    pub ok: bool,
}

/// What came of records that a function was asked to transform: of a batch, once for each failed try, and at its end.
#[derive(Debug)]
pub struct Transformed<'a> {
    /// Where the records were read.
    pub stream: &'a StreamKey,
    /// The records, in order.
    pub runs: Vec<Run>,
    /// The function's ARN.
    pub function: &'a str,
    /// Where the outcome is staged,
    pub staged: &'a StreamKey,
    /// and at which positions; nowhere when it is tried again.
    pub placed: &'a [Placed],
    /// How many positions each record got: none when the function dropped it, two when its source is kept, too.
    pub counts: &'a [u8],
    /// When the function was asked.
    pub began: Millis,
    /// Why there is no answer. What is staged then are failures.
    pub failure: Option<&'a str>,
}

/// What came of a conversion.
#[derive(Debug, Clone)]
pub struct Converted {
    /// Records that were converted, and their bytes.
    pub converted: (usize, usize),
    /// Records that could not be, and their bytes.
    pub failed: (usize, usize),
    /// Why the last of those could not be.
    pub reason: Option<String>,
}

/// Watches nothing.
pub struct Unobserved;

impl DeliveryObserver for Unobserved {
    fn taken(&self, _: &DeliveryName<'_>, _: &Taken) {}
    fn delivered(&self, _: &DeliveryName<'_>, _: &Delivered<'_>) {}
    fn processed(&self, _: &DeliveryName<'_>, _: &Processed) {}
    fn transformed(&self, _: &DeliveryName<'_>, _: &Transformed<'_>) {}
    fn converted(&self, _: &DeliveryName<'_>, _: &Converted) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_one_run() {
        let run = |shard, first, next| Run { shard, first, next };
        let positions = [(1, 4), (0, 7), (1, 5), (0, 9), (1, 6)];
        assert_eq!(Run::of(positions.into_iter()), [run(0, 7, 8), run(0, 9, 10), run(1, 4, 7)]);
        let many = Run::of((0..2_000).map(|at| (3, at * 2)));
        assert_eq!((many.len(), many.last()), (RUNS_MAX, Some(&run(3, 998, 3999))));
    }
}
