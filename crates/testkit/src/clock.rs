//! A clock that stands still until it is told otherwise.

use millrace_base::{Clock, Millis};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// A clock in the hands of a test. Clones show the same time.
#[derive(Debug, Clone, Default)]
pub struct SimClock {
    now: Arc<AtomicI64>,
}

impl SimClock {
    /// A clock that shows `now`.
    pub fn at(now: Millis) -> Self {
        Self { now: Arc::new(AtomicI64::new(now)) }
    }

    /// Jumps to `now`, which may be earlier.
    pub fn set(&self, now: Millis) {
        self.now.store(now, Ordering::SeqCst);
    }

    /// Goes forward by `by_ms`, or back when it is negative; also the time it shows then.
    pub fn advance(&self, by_ms: Millis) -> Millis {
        self.now.fetch_add(by_ms, Ordering::SeqCst) + by_ms
    }
}

impl Clock for SimClock {
    fn now(&self) -> Millis {
        self.now.load(Ordering::SeqCst)
    }
}
