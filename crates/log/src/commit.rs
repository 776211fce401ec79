//! Group commit: everything that waits becomes one frame, one write and one sync for each stream.

use crate::format::{Entry, FRAME_BYTES_MAX, PRODUCER_ID_BYTES_MAX, RECORD_BYTES_MAX};
use crate::routing::Routes;
use crate::stream::{Env, Stream};
use crate::{LogError, NewRecord, Placed, Producer, number};
use ahash::AHashMap;
use millrace_base::ShardId;
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use tokio::sync::{oneshot, watch};

/// A commit takes no more appends once it has this many bytes: more would only lengthen everybody's wait.
const COMMIT_BYTES: usize = 8 << 20;
/// What a record costs beside its key and data: its lengths, and a block of its own at worst.
const RECORD_OVERHEAD: usize = 32;

/// What an append comes to.
pub(crate) type Outcome = Result<Vec<Placed>, LogError>;

/// An append that waits for its commit.
pub(crate) struct Pending {
    pub(crate) stream: Arc<Stream>,
    records: Vec<NewRecord>,
    shards: Vec<ShardId>,
    /// What `shards` follows from: not the present ones when shards were split or merged while it waited.
    routes: Arc<Routes>,
    producer: Option<Producer>,
    bytes: usize,
    reply: oneshot::Sender<Outcome>,
}

impl Pending {
    /// Routes and measures an append, on its caller's thread.
    pub(crate) fn new(
        stream: Arc<Stream>,
        records: Vec<NewRecord>,
        producer: Option<Producer>,
    ) -> Result<(Self, oneshot::Receiver<Outcome>), LogError> {
        let mut bytes = 0;
        for record in &records {
            let len = record.partition_key.len() + record.data.len();
            let key_fits = record.partition_key.len() <= usize::from(u16::MAX);
            if len > RECORD_BYTES_MAX || !key_fits {
                return Err(LogError::TooLarge { what: "a record", bytes: len, bytes_max: RECORD_BYTES_MAX });
            }
            bytes += len + RECORD_OVERHEAD;
        }
        // Headers and the producers of a commit are far below the room that is left here.
        let bytes_max = FRAME_BYTES_MAX - 2 * COMMIT_BYTES;
        if bytes > bytes_max {
            return Err(LogError::TooLarge { what: "an append", bytes, bytes_max });
        }
        if let Some(producer) = producer.as_ref().filter(|p| p.id.len() > PRODUCER_ID_BYTES_MAX) {
            let bytes = producer.id.len();
            return Err(LogError::TooLarge { what: "a producer's id", bytes, bytes_max: PRODUCER_ID_BYTES_MAX });
        }
        let routes = stream.routes.read().clone();
        let shards = routes.of(&records);
        let bytes = bytes + producer.as_ref().map_or(0, |p| p.id.len()) + RECORD_OVERHEAD;
        let (reply, outcome) = oneshot::channel();
        Ok((Self { stream, records, shards, routes, producer, bytes, reply }, outcome))
    }

    fn route_again(&mut self, routes: &Arc<Routes>) {
        if !Arc::ptr_eq(&self.routes, routes) {
            (self.shards, self.routes) = (routes.of(&self.records), routes.clone());
        }
    }
}

/// Writes batches of appends, one batch at a time.
pub(crate) struct Committer {
    env: Arc<Env>,
    /// The frames in memory over all streams, oldest first, with their bytes.
    cached: VecDeque<(Weak<Stream>, usize)>,
    cached_bytes: usize,
}

impl Committer {
    pub(crate) fn new(env: Arc<Env>) -> Self {
        Self { env, cached: VecDeque::new(), cached_bytes: 0 }
    }

    /// Makes a batch durable and tells everybody who waits for it.
    pub(crate) fn commit(&mut self, mut batch: Vec<Pending>) {
        while let Some(first) = batch.first() {
            let stream = first.stream.clone();
            let (group, rest) = batch.into_iter().partition(|p| Arc::ptr_eq(&p.stream, &stream));
            batch = rest;
            self.commit_stream(&stream, group);
        }
    }

    fn commit_stream(&mut self, stream: &Arc<Stream>, mut group: Vec<Pending>) {
        match write(&self.env, stream, &mut group) {
            Ok((placements, cached)) => {
                self.remember(stream, cached);
                for (pending, placed) in group.into_iter().zip(placements) {
                    // Whoever dropped the future did not want to know.
                    let _ = pending.reply.send(Ok(placed));
                }
            }
            Err(error) => {
                for pending in group {
                    let _ = pending.reply.send(Err(error.clone()));
                }
            }
        }
    }

    /// Counts a frame that its stream keeps in memory, and lets go of the oldest ones.
    fn remember(&mut self, stream: &Arc<Stream>, bytes: Option<usize>) {
        let Some(bytes) = bytes else { return };
        self.cached.push_back((Arc::downgrade(stream), bytes));
        self.cached_bytes += bytes;
        while self.cached_bytes > self.env.options.cache_bytes
            && let Some((stream, bytes)) = self.cached.pop_front()
        {
            self.cached_bytes -= bytes;
            if let Some(stream) = stream.upgrade() {
                stream.view.write().cached.pop_front();
            }
        }
    }
}

type Written = (Vec<Vec<Placed>>, Option<usize>);

/// Writes the appends of one stream as one frame.
fn write(env: &Env, stream: &Stream, group: &mut [Pending]) -> Result<Written, LogError> {
    let mut writer = stream.writer.lock();
    if stream.view.read().deleted {
        return Err(LogError::NoStream(stream.key.clone()));
    }
    // The list of shards changes under the writer's lock only.
    let routes = stream.routes.read().clone();
    group.iter_mut().for_each(|pending| pending.route_again(&routes));
    let arrival = env.clock.now();
    let mut next = writer.next.clone();
    let mut epochs: AHashMap<Arc<str>, u64> = AHashMap::new();
    let mut entries = Vec::with_capacity(group.iter().map(|p| p.records.len()).sum());
    let mut placements = Vec::with_capacity(group.len());
    for pending in group.iter() {
        if let Some(producer) = &pending.producer {
            let last = epochs.get(&producer.id).copied().or_else(|| writer.producers.epoch(&producer.id));
            if last.is_some_and(|last| producer.epoch <= last) {
                placements.push(Vec::new());
                continue;
            }
            epochs.insert(producer.id.clone(), producer.epoch);
        }
        let placed = pending.records.iter().zip(&pending.shards).map(|(record, &shard)| {
            let next = &mut next[shard];
            let index = *next;
            *next += 1;
            entries.push(Entry { shard, index, record });
            Placed { shard, sequence: number(shard, routes.born[shard], index, arrival) }
        });
        placements.push(placed.collect());
    }
    if entries.is_empty() && epochs.is_empty() {
        return env.healthy().map(|()| (placements, None));
    }
    entries.sort_unstable_by_key(|entry| (entry.shard, entry.index));
    let mut producers: Vec<_> = epochs.into_iter().collect();
    producers.sort();
    let cached = writer.write(env, &stream.view, &entries, &producers, arrival)?;
    Ok((placements, cached))
}

/// Appends that wait for the committer's thread. Each waiting caller holds its own records until its future resolves, so
/// what waits is bounded by the callers; [`Queue::room`] lets them hold back before they take in more.
pub(crate) struct Queue {
    state: Mutex<Waiting>,
    filled: Condvar,
    bytes: watch::Sender<usize>,
}

#[derive(Default)]
struct Waiting {
    appends: VecDeque<Pending>,
    bytes: usize,
    stopping: bool,
    stopped: bool,
}

impl Queue {
    pub(crate) fn new() -> Self {
        Self { state: Mutex::default(), filled: Condvar::new(), bytes: watch::Sender::new(0) }
    }

    /// Queues an append; drops it, so that its future fails, when the thread is gone.
    pub(crate) fn push(&self, pending: Pending) {
        let mut state = self.state.lock();
        if state.stopped {
            return;
        }
        state.bytes += pending.bytes;
        state.appends.push_back(pending);
        self.bytes.send_replace(state.bytes);
        drop(state);
        self.filled.notify_one();
    }

    /// Waits until fewer than `bytes_max` bytes wait.
    pub(crate) async fn room(&self, bytes_max: usize) {
        let _ = self.bytes.subscribe().wait_for(|bytes| *bytes < bytes_max).await;
    }

    /// Lets the thread end once everything that waits is written.
    pub(crate) fn stop(&self) {
        self.state.lock().stopping = true;
        self.filled.notify_one();
    }

    /// The thread's work: commits until it is told to stop.
    pub(crate) fn run(&self, mut committer: Committer) {
        let _guard = Stopped(self);
        while let Some(batch) = self.take() {
            committer.commit(batch);
        }
    }

    fn take(&self) -> Option<Vec<Pending>> {
        let mut state = self.state.lock();
        while state.appends.is_empty() {
            if state.stopping {
                return None;
            }
            self.filled.wait(&mut state);
        }
        let mut batch = Vec::new();
        let mut bytes = 0;
        while let Some(pending) = state.appends.pop_front() {
            if bytes > 0 && bytes + pending.bytes > COMMIT_BYTES {
                state.appends.push_front(pending);
                break;
            }
            bytes += pending.bytes;
            batch.push(pending);
        }
        state.bytes -= bytes;
        self.bytes.send_replace(state.bytes);
        Some(batch)
    }
}

/// Fails what waits when the thread ends, however it ends.
struct Stopped<'a>(&'a Queue);

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.stopped = true;
        state.appends.clear();
    }
}
