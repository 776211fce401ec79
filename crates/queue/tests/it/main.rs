//! The tests of queues and topics, in one binary.

#![allow(clippy::unwrap_used, reason = "a test's panic is its report")]

use millrace_base::Disk;
use millrace_testkit::SimDisk;
use std::sync::Arc;

/// A process's view of a simulated disk: here as it is, in the server's tests a sealed one.
fn over(disk: &SimDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

/// How many seeds a simulation tries: `MILLRACE_SEEDS`, else as many as is usual. The server's tests try fewer of the same.
fn seeds(usual: u64) -> u64 {
    std::env::var("MILLRACE_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

mod sns_behaviour;
mod sns_kit;
mod sns_simulate;
mod sqs_behaviour;
mod sqs_disk;
mod sqs_keys;
mod sqs_kit;
mod sqs_simulate;
