//! Who reads streams inside this process, and how far each has come.
//!
//! Deliveries, functions and jobs read the log without a call that could be counted, and one that is stuck reads nothing at
//! all. So each leaves a mark: the index that it will take next. Setting it is one store to memory; whoever wants to know how
//! far behind a reader is compares the mark with the shard's tail.

use crate::StreamKey;
use millrace_base::{Scope, ShardId};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What kind of reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ReaderKind {
    /// A job of SQL.
    Application,
    /// A delivery stream.
    Delivery,
    /// An event source mapping.
    Function,
}

/// Who reads.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamReader {
    /// What kind.
    pub kind: ReaderKind,
    /// Whose; a reader may be in another scope than its stream.
    pub scope: Scope,
    /// The function, the delivery stream, or the job's id.
    pub name: Arc<str>,
    /// The mapping's id.
    pub mapping: Option<Arc<str>>,
    /// The registered consumer that it reads as (enhanced fan-out).
    pub consumer: Option<Arc<str>>,
}

/// How far a reader has come in a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Who.
    pub reader: StreamReader,
    /// Of what.
    pub stream: StreamKey,
    /// Which shard.
    pub shard: ShardId,
    /// The index that it began at.
    pub first: u64,
    /// The index that it takes next: everything before is done.
    pub next: u64,
}

/// All marks. Cheap to clone; a new one knows no readers.
#[derive(Clone, Default)]
pub struct Readership {
    marks: Arc<Mutex<Marks>>,
}

#[derive(Default)]
struct Marks {
    last: u64,
    by_id: HashMap<u64, Mark>,
}

struct Mark {
    reader: StreamReader,
    stream: StreamKey,
    shard: ShardId,
    first: u64,
    next: Arc<AtomicU64>,
}

/// A reader's mark in one shard, until it is dropped.
pub struct Bookmark {
    id: u64,
    next: Arc<AtomicU64>,
    readership: Readership,
}

impl Readership {
    /// Begins to read a shard at `first`.
    pub fn enter(&self, reader: StreamReader, stream: &StreamKey, shard: ShardId, first: u64) -> Bookmark {
        let next = Arc::new(AtomicU64::new(first));
        let mut marks = self.marks.lock();
        marks.last += 1;
        let id = marks.last;
        marks.by_id.insert(id, Mark { reader, stream: stream.clone(), shard, first, next: next.clone() });
        Bookmark { id, next, readership: self.clone() }
    }

    /// Where every reader stands.
    pub fn list(&self) -> Vec<Reading> {
        let marks = self.marks.lock();
        let reading = |mark: &Mark| Reading {
            reader: mark.reader.clone(),
            stream: mark.stream.clone(),
            shard: mark.shard,
            first: mark.first,
            next: mark.next.load(Ordering::Relaxed),
        };
        marks.by_id.values().map(reading).collect()
    }
}

impl Bookmark {
    /// Everything before `next` is done.
    pub fn set(&self, next: u64) {
        self.next.store(next, Ordering::Relaxed);
    }
}

impl Drop for Bookmark {
    fn drop(&mut self) {
        self.readership.marks.lock().by_id.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_are_there_while_they_hold_their_mark() {
        let readership = Readership::default();
        let stream = StreamKey { scope: Scope::default(), name: "s".into() };
        let reader = StreamReader {
            kind: ReaderKind::Delivery,
            scope: Scope::default(),
            name: "d".into(),
            mapping: None,
            consumer: None,
        };
        let mark = readership.enter(reader.clone(), &stream, ShardId(3), 7);
        mark.set(9);
        assert_eq!(readership.list(), [Reading { reader, stream, shard: ShardId(3), first: 7, next: 9 }]);
        drop(mark);
        assert!(readership.list().is_empty());
    }
}
