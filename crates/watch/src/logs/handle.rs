//! The handle of all logs: a bounded buffer before the store, and the thread that empties it.
//!
//! A function's output never waits for the disk. When more comes than the disk takes, it is counted and left out, and a line
//! in the stream says how many events are missing where.

#![allow(clippy::disallowed_methods, reason = "the driver of a thread measures when to sync")]

use super::store::{LogsParts, Put, Store};
use super::types::{Found, GroupKey, LogEvent, LogsError, Query};
use parking_lot::{Condvar, Mutex};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What waits to be written: more than a second of the busiest function.
const BUFFER_BYTES_MAX: usize = 16 << 20;
/// What an event takes beside its message.
const EVENT_OVERHEAD_BYTES: usize = 64;
/// How long a line may be lost after a power cut.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// All logs. Cheap to clone.
#[derive(Clone)]
pub struct Logs {
    pub(super) store: Arc<Store>,
    buffer: Arc<Shared>,
}

struct Shared {
    buffer: Mutex<Buffer>,
    /// Something is in the buffer, or it is to be closed.
    filled: Condvar,
}

/// A stream and how many of its events were left out.
type Dropped = HashMap<(GroupKey, Arc<str>), u64>;

#[derive(Default)]
struct Buffer {
    puts: Vec<Put>,
    bytes: usize,
    dropped: Dropped,
    /// Something was written that is not synced yet.
    unsynced: bool,
    closed: bool,
}

impl Logs {
    /// The logs that are kept in `parts`. Nothing is written before [`Logs::start`].
    pub fn open(parts: LogsParts) -> Result<Self, LogsError> {
        let store = Arc::new(Store::open(parts)?);
        let buffer = Shared { buffer: Mutex::default(), filled: Condvar::new() };
        Ok(Self { store, buffer: Arc::new(buffer) })
    }

    /// Writes what is put, on a thread of its own, until [`Logs::close`]. `report` is told when the disk fails.
    pub fn start(&self, report: impl Fn(&LogsError) + Send + 'static) -> std::io::Result<()> {
        let logs = self.clone();
        let thread = std::thread::Builder::new().name("logs".to_owned());
        thread.spawn(move || logs.write_all(report)).map(|_| ())
    }

    /// Puts events into a stream, which is made with its group when it is not there. Never waits: what does not fit into the
    /// buffer is left out, and the stream says so.
    pub fn put(&self, group: &GroupKey, stream: &Arc<str>, events: Vec<LogEvent>) {
        let mut buffer = self.buffer.buffer.lock();
        if let Err(events) = buffer.push(Put { group: group.clone(), stream: stream.clone(), events }) {
            *buffer.dropped.entry((group.clone(), stream.clone())).or_default() += events;
        }
        self.buffer.filled.notify_one();
    }

    /// Puts events into a stream that must be there; when it returns they are written. Blocking.
    pub fn put_now(&self, group: &GroupKey, stream: &str, events: Vec<LogEvent>) -> Result<(), LogsError> {
        self.stream(group, stream)?;
        self.store.append(group, &[Put { group: group.clone(), stream: stream.into(), events }])?;
        self.buffer.buffer.lock().unsynced = true;
        self.buffer.filled.notify_one();
        Ok(())
    }

    /// The events that a query wants.
    pub fn query(&self, group: &GroupKey, query: &Query) -> Result<Found, LogsError> {
        let group = self.store.group(group).ok_or(LogsError::NoGroup)?;
        self.store.query(&group, query)
    }

    /// Writes what is buffered, makes it durable and ends the thread. Blocking.
    pub fn close(&self) -> Result<(), LogsError> {
        self.buffer.buffer.lock().closed = true;
        self.buffer.filled.notify_all();
        self.step()?;
        self.store.sync()
    }

    /// Writes what is buffered now. The thread does nothing else; a simulation calls it itself.
    pub fn step(&self) -> Result<(), LogsError> {
        let (puts, dropped) = {
            let mut buffer = self.buffer.buffer.lock();
            buffer.bytes = 0;
            buffer.unsynced |= !buffer.puts.is_empty();
            (std::mem::take(&mut buffer.puts), std::mem::take(&mut buffer.dropped))
        };
        let mut by_group: BTreeMap<GroupKey, (Vec<Put>, Dropped)> = BTreeMap::new();
        for put in puts {
            by_group.entry(put.group.clone()).or_default().0.push(put);
        }
        for (stream, count) in dropped {
            by_group.entry(stream.0.clone()).or_default().1.insert(stream, count);
        }
        let mut outcome = Ok(());
        for (group, (mut puts, dropped)) in by_group {
            puts.extend(dropped.iter().map(|(stream, count)| self.marker(stream, *count)));
            if let Err(error) = self.store.append(&group, &puts) {
                self.note_lost(&puts, dropped);
                outcome = Err(error);
            }
        }
        outcome
    }

    /// Counts what a failed append may have lost, to say so when the disk takes it again.
    fn note_lost(&self, puts: &[Put], dropped: Dropped) {
        let mut buffer = self.buffer.buffer.lock();
        let markers = dropped.len();
        for put in &puts[..puts.len() - markers] {
            *buffer.dropped.entry((put.group.clone(), put.stream.clone())).or_default() += put.events.len() as u64;
        }
        for (stream, count) in dropped {
            *buffer.dropped.entry(stream).or_default() += count;
        }
    }

    fn marker(&self, (group, stream): &(GroupKey, Arc<str>), count: u64) -> Put {
        let message =
            format!("[millrace] {count} log events are missing here: they came faster than the disk took them");
        let events = vec![LogEvent { timestamp: self.store.parts.clock.now(), message }];
        Put { group: group.clone(), stream: stream.clone(), events }
    }

    fn write_all(&self, report: impl Fn(&LogsError)) {
        let mut synced = Instant::now();
        loop {
            let closed = {
                let mut buffer = self.buffer.buffer.lock();
                if buffer.puts.is_empty() && !buffer.closed {
                    match buffer.unsynced || !buffer.dropped.is_empty() {
                        true => drop(self.buffer.filled.wait_for(&mut buffer, SYNC_EVERY)),
                        false => self.buffer.filled.wait(&mut buffer),
                    }
                }
                buffer.closed
            };
            if let Err(error) = self.step() {
                report(&error);
            }
            if closed {
                return;
            }
            if synced.elapsed() >= SYNC_EVERY {
                synced = Instant::now();
                self.buffer.buffer.lock().unsynced = false;
                if let Err(error) = self.store.sync() {
                    report(&error);
                }
            }
        }
    }
}

impl Buffer {
    /// Takes a put, or gives back how many events did not fit.
    fn push(&mut self, put: Put) -> Result<(), u64> {
        let bytes: usize = put.events.iter().map(|event| event.message.len() + EVENT_OVERHEAD_BYTES).sum();
        if self.bytes + bytes > BUFFER_BYTES_MAX && self.bytes > 0 {
            return Err(put.events.len() as u64);
        }
        self.bytes += bytes;
        self.puts.push(put);
        Ok(())
    }
}
