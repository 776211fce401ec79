//! What deliveries tell whoever counts or follows records: where records were taken from, and what became of them.

use millrace_base::{Millis, Scope};
use millrace_log::StreamKey;
use std::collections::BTreeMap;

/// By shard, the first index and the one after the last.
pub type Ranges = BTreeMap<u32, (u64, u64)>;

/// Is told what deliveries do. Called on their own threads: it must be quick and never wait.
pub trait DeliveryObserver: Send + Sync + 'static {
    /// Records were read.
    fn taken(&self, delivery: &DeliveryName<'_>, taken: &Taken<'_>);
    /// A try to deliver ended, well or not.
    fn delivered(&self, delivery: &DeliveryName<'_>, delivered: &Delivered<'_>);
    /// A function was asked to transform records, and answered or not.
    fn processed(&self, delivery: &DeliveryName<'_>, processed: &Processed);
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
pub struct Taken<'a> {
    /// Where from.
    pub stream: &'a StreamKey,
    /// Whether that is a Kinesis stream, not the delivery stream's own buffer of direct puts.
    pub is_kinesis: bool,
    /// Which of them.
    pub ranges: Ranges,
    /// How many.
    pub records: u64,
    /// Their data.
    pub bytes: u64,
    /// Whether a function transforms them before they are delivered.
    pub is_transformed: bool,
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
    /// The records that it was about, by shard: those of the log, or of what a function made of them.
    pub ranges: Ranges,
    /// Whether a function made them: then the ranges are not of the source.
    pub is_transformed: bool,
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
    fn taken(&self, _: &DeliveryName<'_>, _: &Taken<'_>) {}
    fn delivered(&self, _: &DeliveryName<'_>, _: &Delivered<'_>) {}
    fn processed(&self, _: &DeliveryName<'_>, _: &Processed) {}
    fn converted(&self, _: &DeliveryName<'_>, _: &Converted) {}
}
