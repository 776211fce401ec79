//! Counting on hot paths: a handle that knows its metric, and accumulators that threads do not share.
//!
//! A value goes into an accumulator of its thread's: an uncontended lock, four additions, a bin's count. Once a second all
//! accumulators are folded into the metric's points; a query folds first, so that it sees what was counted before it.

use super::key::MetricKey;
use super::summary::{Statistics, Summary};
use parking_lot::Mutex;
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// How many accumulators a series has: threads share one only when there are more of them.
const ACCUMULATORS: usize = 4;

/// One metric in one unit, ready to be counted. Cheap to clone; keep it where the counting is done.
#[derive(Clone)]
pub struct Series {
    pub(super) counter: Arc<Counter>,
}

/// What a series counts since it was last folded.
pub(super) struct Counter {
    pub(super) key: MetricKey,
    /// There are too many metrics already: what is counted here is dropped.
    pub(super) is_refused: bool,
    is_dirty: AtomicBool,
    accumulators: [Accumulator; ACCUMULATORS],
}

/// On a cache line of its own, so that threads do not slow each other.
#[repr(align(128))]
#[derive(Default)]
struct Accumulator(Mutex<Summary>);

thread_local! {
    static MINE: Cell<usize> = Cell::new(next());
}

/// Threads get accumulators in turn.
fn next() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed) % ACCUMULATORS
}

impl Series {
    /// Counts a value now.
    #[inline]
    pub fn count(&self, value: f64) {
        self.count_many(value, 1.0);
    }

    /// Counts a value `count` times now.
    #[inline]
    pub fn count_many(&self, value: f64, count: f64) {
        // One value that is no number would make every sum it goes into none.
        if value.is_finite() {
            self.counter.change(|summary| summary.add(value, count));
        }
    }

    /// Counts values of which only statistics are known. Percentiles of a period with such values are unknown unless all of them
    /// are the same.
    #[inline]
    pub fn add(&self, statistics: Statistics) {
        if statistics.count > 0.0 {
            self.counter.change(|summary| summary.add_statistics(&statistics));
        }
    }

    /// The metric.
    pub fn key(&self) -> &MetricKey {
        &self.counter.key
    }

    /// False when there are too many metrics: then what is counted here is dropped.
    pub fn is_kept(&self) -> bool {
        !self.counter.is_refused
    }
}

impl Counter {
    pub(super) fn new(key: MetricKey, is_refused: bool) -> Self {
        Self { key, is_refused, is_dirty: AtomicBool::new(false), accumulators: Default::default() }
    }

    #[inline]
    fn change(&self, change: impl FnOnce(&mut Summary)) {
        if self.is_refused {
            return;
        }
        change(&mut self.accumulators[MINE.get()].0.lock());
        // Read first: a line that nobody writes is shared by all processors.
        if !self.is_dirty.load(Ordering::Relaxed) {
            self.is_dirty.store(true, Ordering::Release);
        }
    }

    /// Takes what was counted since the last time.
    pub(super) fn take(&self) -> Option<Summary> {
        // Cleared before the accumulators are emptied: a value that comes between makes it dirty again.
        if !self.is_dirty.swap(false, Ordering::AcqRel) {
            return None;
        }
        let mut all: Option<Summary> = None;
        for accumulator in &self.accumulators {
            let part = std::mem::take(&mut *accumulator.0.lock());
            match &mut all {
                _ if part.is_empty() => {}
                Some(all) => all.merge(&part),
                None => all = Some(part),
            }
        }
        all
    }
}
