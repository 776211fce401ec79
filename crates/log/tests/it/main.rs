//! The log's tests, in one binary.

#![allow(clippy::unwrap_used, reason = "a test's panic is its report")]

use millrace_base::Disk;
use millrace_testkit::SimDisk;
use std::sync::Arc;

/// A process's view of a simulated disk: here as it is, in the server's tests a sealed one.
fn over(disk: &SimDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

mod conformance;
mod consumers;
mod crash;
mod damage;
mod disk;
mod fixture;
mod kit;
mod reshard;
mod retention;
mod together;
