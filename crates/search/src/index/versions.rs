//! Versions of the documents that searches do not find yet.

use bytes::Bytes;
use millrace_base::Millis;
use std::collections::HashMap;

/// A deletion's version is remembered this long, so that a later write of the id goes on counting (`index.gc_deletes`).
const TOMBSTONE_MS: i64 = 60_000;

/// The last operation on an id.
#[derive(Debug, Clone)]
pub struct Version {
    /// The document's version.
    pub version: u64,
    /// The operation's sequence number.
    pub seq: u64,
    /// The document; `None` once it is deleted.
    pub source: Option<Bytes>,
}

/// Operations since the last refresh, and recent deletions.
#[derive(Debug, Default)]
pub struct Versions {
    recent: HashMap<String, Version>,
    deleted: HashMap<String, (Version, Millis)>,
    bytes: usize,
}

impl Versions {
    /// The last operation on an id, if it is recent.
    pub fn get(&self, id: &str) -> Option<&Version> {
        self.recent.get(id).or_else(|| self.deleted.get(id).map(|(version, _)| version))
    }

    /// Remembers an operation.
    pub fn put(&mut self, id: &str, version: Version, now: Millis) {
        self.bytes += bytes_of(id, &version);
        if version.source.is_none() {
            self.recent.remove(id);
            self.deleted.insert(id.to_owned(), (version, now));
        } else {
            self.deleted.remove(id);
            self.recent.insert(id.to_owned(), version);
        }
    }

    /// About how much memory they take.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Forgets the operations below `committed`, which searches find now.
    pub fn forget_visible(&mut self, committed: u64, now: Millis) {
        self.bytes = 0;
        self.recent.retain(|id, version| {
            let is_kept = version.seq >= committed;
            self.bytes += if is_kept { bytes_of(id, version) } else { 0 };
            is_kept
        });
        // A burst's memory is given back.
        self.recent.shrink_to(1024);
        self.deleted.retain(|_, (version, at)| version.seq >= committed || now - *at < TOMBSTONE_MS);
    }
}

/// A source shares its request's memory, which is held as long as the source is.
fn bytes_of(id: &str, version: &Version) -> usize {
    id.len() + version.source.as_ref().map_or(0, Bytes::len) + size_of::<Version>()
}
