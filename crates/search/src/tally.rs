//! What the index did since the server started, and how much it may have on its way at once.

use crate::error::Error;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

/// Bytes of documents that may be on their way into the index at once; more are refused until some of them are in
/// (OpenSearch: a tenth of the heap, here of a heap of 5 GiB).
pub const INDEXING_BYTES_MAX: usize = 512 << 20;

/// Counters, for whoever wants to look.
#[derive(Debug, Default)]
pub struct Tally {
    indexed: AtomicU64,
    indexing_us: AtomicU64,
    rejected: AtomicU64,
    searches: AtomicU64,
    searching_us: AtomicU64,
    under_way: AtomicUsize,
    /// Responses by their first digit: 2, 4, 5.
    responses: [AtomicU64; 3],
}

/// The counters at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Documents that were written.
    pub indexed: u64,
    /// How long that took, in microseconds.
    pub indexing_us: u64,
    /// Documents that were refused because too many were on their way.
    pub rejected: u64,
    /// Searches that were answered.
    pub searches: u64,
    /// How long they took, in microseconds.
    pub searching_us: u64,
    /// Responses of the HTTP API with 2xx, 4xx and 5xx.
    pub responses: [u64; 3],
}

/// Documents on their way into the index, until it is dropped.
pub(crate) struct UnderWay<'a> {
    tally: &'a Tally,
    bytes: usize,
    documents: usize,
    began: Instant,
}

impl Tally {
    /// The counters now.
    pub fn figures(&self) -> Figures {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Figures {
            indexed: get(&self.indexed),
            indexing_us: get(&self.indexing_us),
            rejected: get(&self.rejected),
            searches: get(&self.searches),
            searching_us: get(&self.searching_us),
            responses: [0, 1, 2].map(|n| get(&self.responses[n])),
        }
    }

    /// An HTTP request was answered.
    pub fn responded(&self, status: u16) {
        let class = match status {
            200..=299 => 0,
            400..=499 => 1,
            500..=599 => 2,
            _ => return,
        };
        self.responses[class].fetch_add(1, Ordering::Relaxed);
    }

    /// Lets documents in, unless too many are on their way. A single one is always let in when nothing else is.
    #[allow(clippy::disallowed_methods, reason = "measures the machine; nothing is decided by it")]
    pub(crate) fn enter(&self, documents: usize, bytes: usize) -> Result<UnderWay<'_>, Error> {
        let before = self.under_way.fetch_add(bytes, Ordering::Relaxed);
        if before > 0 && before + bytes > INDEXING_BYTES_MAX {
            self.under_way.fetch_sub(bytes, Ordering::Relaxed);
            self.rejected.fetch_add(documents as u64, Ordering::Relaxed);
            return Err(Error::rejected(before, bytes, INDEXING_BYTES_MAX));
        }
        Ok(UnderWay { tally: self, bytes, documents, began: Instant::now() })
    }

    /// Measures a search.
    #[allow(clippy::disallowed_methods, reason = "measures the machine; nothing is decided by it")]
    pub(crate) fn search<T>(&self, search: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let found = search();
        self.searches.fetch_add(1, Ordering::Relaxed);
        self.searching_us.fetch_add(began.elapsed().as_micros() as u64, Ordering::Relaxed);
        found
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let tally = self.tally;
        tally.under_way.fetch_sub(self.bytes, Ordering::Relaxed);
        tally.indexed.fetch_add(self.documents as u64, Ordering::Relaxed);
        tally.indexing_us.fetch_add(self.began.elapsed().as_micros() as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_much_at_once_is_refused_and_counted() {
        let tally = Tally::default();
        let first = tally.enter(3, INDEXING_BYTES_MAX).unwrap();
        assert_eq!(tally.enter(2, 1).err().unwrap().status, 429);
        drop(first);
        drop(tally.enter(2, 2 * INDEXING_BYTES_MAX).unwrap());
        let figures = tally.figures();
        assert_eq!((figures.indexed, figures.rejected), (5, 2));
    }
}
