//! Counters of one delivery stream, since the start of the program.

use parking_lot::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// What a delivery stream has done. Shared with whoever wants to look.
#[derive(Debug, Default)]
pub struct Stats {
    pub(crate) records_in: AtomicU64,
    pub(crate) bytes_in: AtomicU64,
    pub(crate) records_out: AtomicU64,
    pub(crate) records_failed: AtomicU64,
    pub(crate) objects: AtomicU64,
    pub(crate) bytes_out: AtomicU64,
    pub(crate) retries: AtomicU64,
    pub(crate) oldest_pending: AtomicI64,
    pub(crate) partitions: AtomicU64,
    pub(crate) last_error: Mutex<Option<String>>,
    /// The first half's, when a function transforms the records.
    pub(crate) staging_error: Mutex<Option<String>>,
    /// When the oldest record that waits for the function arrived.
    pub(crate) oldest_staging: AtomicI64,
    /// Up to where the second half has read what is staged.
    pub(crate) staged_read: AtomicU64,
}

/// The counters at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatsSnapshot {
    /// Records read.
    pub records_in: u64,
    /// Their bytes.
    pub bytes_in: u64,
    /// Records delivered.
    pub records_out: u64,
    /// Records written to the error prefix.
    pub records_failed: u64,
    /// Objects written.
    pub objects: u64,
    /// Their bytes.
    pub bytes_out: u64,
    /// Deliveries tried again.
    pub retries: u64,
    /// When the oldest record that is read and not delivered arrived; AWS's data freshness is now minus this.
    pub oldest_pending: Option<i64>,
    /// Partitions that have records which wait.
    pub partitions: u64,
    /// What went wrong last, while it does.
    pub last_error: Option<String>,
}

impl Stats {
    /// The counters now.
    pub fn snapshot(&self) -> StatsSnapshot {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let oldest = [&self.oldest_pending, &self.oldest_staging].map(|oldest| oldest.load(Ordering::Relaxed));
        StatsSnapshot {
            records_in: get(&self.records_in),
            bytes_in: get(&self.bytes_in),
            records_out: get(&self.records_out),
            records_failed: get(&self.records_failed),
            objects: get(&self.objects),
            bytes_out: get(&self.bytes_out),
            retries: get(&self.retries),
            partitions: get(&self.partitions),
            oldest_pending: oldest.into_iter().filter(|oldest| *oldest != 0).min(),
            last_error: self.last_error.lock().clone().or_else(|| self.staging_error.lock().clone()),
        }
    }

    pub(crate) fn add(counter: &AtomicU64, n: usize) {
        counter.fetch_add(n as u64, Ordering::Relaxed);
    }
}
