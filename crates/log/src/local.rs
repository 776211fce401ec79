//! The log on this machine's disk.

use crate::commit::{Committer, Outcome, Pending, Queue};
use crate::error::disk;
use crate::open::{create_files, open_stream, stream_dir};
use crate::reader::LocalReader;
use crate::rubbish::remove_rubbish;
use crate::segments::ClosedSegments;
use crate::stream::{COUNTERS, Env, INCARNATION, STREAMS, StoredStream, Stream};
use crate::{
    Appended, Bounds, Log, LogError, NewRecord, Producer, Shard, ShardReader, StreamInfo, StreamKey, StreamMode,
    StreamSpec, uniform_ranges,
};
use millrace_base::{Clock, Disk, Millis, Scope, ShardId};
use millrace_catalog::Catalog;
use parking_lot::{Mutex, RwLock};
use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// What a local log is made of.
pub struct LogParts {
    /// Stamps arrivals and decides what has expired.
    pub clock: Arc<dyn Clock>,
    /// Holds the segments.
    pub disk: Arc<dyn Disk>,
    /// Holds the streams' definitions.
    pub catalog: Catalog,
    /// The log's own folder.
    pub dir: PathBuf,
}

/// Who commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commit {
    /// A thread of the log's own takes everything that waits: appends share their sync.
    Thread,
    /// The appending thread itself, before `append` returns: every append has its own sync, in a simulation's order.
    Inline,
}

/// How a local log works.
#[derive(Debug, Clone)]
pub struct LogOptions {
    /// Who commits.
    pub commit: Commit,
    /// Where a segment ends, in bytes. Larger ones make fewer files, a longer start (the last one is read whole) and
    /// coarser freeing of space.
    pub segment_bytes: u64,
    /// Memory for the newest frames of all streams, in bytes: readers within it do not touch the disk.
    pub cache_bytes: usize,
    /// Bytes of waiting appends from which on [`Log::room`] holds back.
    pub queue_bytes: usize,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self { commit: Commit::Thread, segment_bytes: 64 << 20, cache_bytes: 64 << 20, queue_bytes: 64 << 20 }
    }
}

/// The log on a local disk. Everything that was acknowledged is on disk; dropping it writes what still waits.
pub struct LocalLog {
    env: Arc<Env>,
    streams: RwLock<BTreeMap<StreamKey, Slot>>,
    /// Held while a stream is created or deleted, so that two changes of one name cannot meet. Appends do not wait for it.
    admin: Mutex<()>,
    driver: Driver,
}

enum Driver {
    Inline(Mutex<Committer>),
    Thread { queue: Arc<Queue>, thread: Option<JoinHandle<()>> },
}

/// A stream, or why it cannot be used. A damaged stream leaves the others alone.
#[derive(Clone)]
enum Slot {
    Open(Arc<Stream>),
    Damaged(Arc<StreamInfo>, LogError),
}

impl Slot {
    fn info(&self) -> Arc<StreamInfo> {
        match self {
            Self::Open(stream) => stream.info.read().clone(),
            Self::Damaged(info, _) => info.clone(),
        }
    }
}

impl LocalLog {
    /// Opens the log in `parts.dir`, as it was when it was last written to: commits that a crash has torn are cut. A stream
    /// with other damage is listed by [`Self::damaged`]; all its operations but deletion fail.
    pub fn open(parts: LogParts, options: LogOptions) -> Result<Arc<Self>, LogError> {
        let LogParts { clock, disk: files, catalog, dir } = parts;
        files.create_dir(&dir).map_err(|e| disk(&dir, &e))?;
        let closed = ClosedSegments::default();
        let env = Arc::new(Env { clock, disk: files, catalog, dir, options, closed, poison: OnceLock::new() });
        let mut streams = BTreeMap::new();
        for (_, stored) in env.catalog.list::<StoredStream>(STREAMS, "")? {
            let info = stored.info.clone();
            let slot = match open_stream(&env, stored) {
                Ok(stream) => Slot::Open(Arc::new(stream)),
                Err(error @ LogError::Corrupt { .. }) => Slot::Damaged(info.clone(), error),
                Err(error) => return Err(error),
            };
            streams.insert(info.key.clone(), slot);
        }
        let known = streams.values().map(Slot::info).collect::<Vec<_>>();
        remove_rubbish(&env, &known)?;
        let driver = start(&env)?;
        let log = Arc::new(Self { env, streams: RwLock::new(streams), admin: Mutex::new(()), driver });
        // What had expired must not show again. If this fails, the next call of `trim_expired` says why.
        let _ = log.trim_expired();
        Ok(log)
    }

    /// The streams that cannot be used because their files are damaged, and what is wrong with each.
    pub fn damaged(&self) -> Vec<(StreamKey, LogError)> {
        let streams = self.streams.read();
        let damaged = streams.iter().filter_map(|(key, slot)| match slot {
            Slot::Open(_) => None,
            Slot::Damaged(_, error) => Some((key.clone(), error.clone())),
        });
        damaged.collect()
    }

    /// Begins a new segment of every stream that can be used.
    pub fn begin_segments(&self) -> Result<(), LogError> {
        let streams: Vec<_> = self.streams.read().values().cloned().collect();
        streams.iter().try_for_each(|slot| match slot {
            Slot::Open(stream) => stream.begin_segment(),
            Slot::Damaged(..) => Ok(()),
        })
    }

    /// Bytes of memory that hold indexes of segments; bounded, but for about a hundred bytes a segment.
    pub fn index_bytes(&self) -> usize {
        let streams = self.streams.read();
        let open = streams.values().filter_map(|slot| match slot {
            Slot::Open(stream) => Some(stream.view.read().active.points.weight()),
            Slot::Damaged(..) => None,
        });
        open.sum::<usize>() + self.env.closed.weight()
    }

    fn open_stream(&self, key: &StreamKey) -> Result<Arc<Stream>, LogError> {
        match self.streams.read().get(key) {
            Some(Slot::Open(stream)) => Ok(stream.clone()),
            Some(Slot::Damaged(_, error)) => Err(error.clone()),
            None => Err(LogError::NoStream(key.clone())),
        }
    }

    fn submit(&self, pending: Pending) {
        match &self.driver {
            Driver::Inline(committer) => committer.lock().commit(vec![pending]),
            Driver::Thread { queue, .. } => queue.push(pending),
        }
    }
}

fn start(env: &Arc<Env>) -> Result<Driver, LogError> {
    let committer = Committer::new(env.clone());
    if env.options.commit == Commit::Inline {
        return Ok(Driver::Inline(Mutex::new(committer)));
    }
    let queue = Arc::new(Queue::new());
    let work = queue.clone();
    let thread = std::thread::Builder::new().name("log-commit".into()).spawn(move || work.run(committer));
    let thread = thread.map_err(|e| disk(&env.dir, &e))?;
    Ok(Driver::Thread { queue, thread: Some(thread) })
}

impl Drop for LocalLog {
    fn drop(&mut self) {
        if let Driver::Thread { queue, thread } = &mut self.driver {
            queue.stop();
            if let Some(thread) = thread.take() {
                // A thread that panicked has failed its appends already.
                let _ = thread.join();
            }
        }
    }
}

impl Log for LocalLog {
    fn room(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        match &self.driver {
            Driver::Inline(_) => Box::pin(std::future::ready(())),
            Driver::Thread { queue, .. } => Box::pin(queue.room(self.env.options.queue_bytes)),
        }
    }

    fn create_stream(&self, key: &StreamKey, spec: StreamSpec) -> Result<Arc<StreamInfo>, LogError> {
        self.env.healthy()?;
        let name = key.to_string();
        let _admin = self.admin.lock();
        let stored = self.env.catalog.update(|catalog| {
            if catalog.get::<StoredStream>(STREAMS, &name)?.is_some() {
                return Err(LogError::StreamExists(key.clone()));
            }
            let incarnation = catalog.get::<u64>(COUNTERS, INCARNATION)?.unwrap_or(0) + 1;
            let info = Arc::new(new_info(key, spec, incarnation, self.env.clock.now()));
            create_files(&self.env, &info)?;
            let stored = StoredStream { trims: vec![0; info.shards.len()], first_shard: 0, info, first_segment: 1 };
            catalog.put(COUNTERS, INCARNATION, &incarnation)?;
            catalog.put(STREAMS, &name, &stored)?;
            Ok(stored)
        })?;
        let info = stored.info.clone();
        let stream = open_stream(&self.env, stored)?;
        self.streams.write().insert(key.clone(), Slot::Open(Arc::new(stream)));
        Ok(info)
    }

    fn delete_stream(&self, key: &StreamKey) -> Result<(), LogError> {
        let _admin = self.admin.lock();
        let slot = self.streams.read().get(key).cloned().ok_or_else(|| LogError::NoStream(key.clone()))?;
        self.env.catalog.delete(STREAMS, &key.to_string())?;
        self.streams.write().remove(key);
        if let Slot::Open(stream) = &slot {
            let _upkeep = stream.upkeep.lock();
            let _writer = stream.writer.lock();
            stream.view.write().end_all();
        }
        let info = slot.info();
        self.env.closed.forget(info.incarnation, u64::MAX);
        // The catalog has forgotten the stream: what cannot be removed now goes at the next start.
        let _ = self.env.disk.remove_dir(&stream_dir(&self.env, &info));
        Ok(())
    }

    fn stream(&self, key: &StreamKey) -> Result<Arc<StreamInfo>, LogError> {
        self.streams.read().get(key).map(Slot::info).ok_or_else(|| LogError::NoStream(key.clone()))
    }

    fn streams(&self, scope: &Scope) -> Vec<Arc<str>> {
        let streams = self.streams.read();
        streams.keys().filter(|key| key.scope == *scope).map(|key| key.name.clone()).collect()
    }

    fn set_retention(&self, key: &StreamKey, hours: u32) -> Result<(), LogError> {
        self.open_stream(key)?.retain(hours, self.env.clock.now())
    }

    fn set_mode(&self, key: &StreamKey, mode: StreamMode) -> Result<(), LogError> {
        self.open_stream(key)?.provision(mode)
    }

    fn split_shard(&self, key: &StreamKey, shard: ShardId, new_start: u128) -> Result<Arc<StreamInfo>, LogError> {
        let now = self.env.clock.now();
        self.open_stream(key)?.reshard(now, |change| change.split(shard, new_start).map(|_| ()))
    }

    fn merge_shards(&self, key: &StreamKey, shard: ShardId, adjacent: ShardId) -> Result<Arc<StreamInfo>, LogError> {
        let now = self.env.clock.now();
        self.open_stream(key)?.reshard(now, |change| change.merge(shard, adjacent).map(|_| ()))
    }

    fn set_shard_count(&self, key: &StreamKey, count: u32) -> Result<Arc<StreamInfo>, LogError> {
        self.open_stream(key)?.reshard(self.env.clock.now(), |change| change.scale(count))
    }

    fn append(&self, key: &StreamKey, records: Vec<NewRecord>, producer: Option<Producer>) -> Appended {
        let pending = self.open_stream(key).and_then(|stream| Pending::new(stream, records, producer));
        match pending {
            Ok((pending, outcome)) => {
                self.submit(pending);
                let dir = self.env.dir.display().to_string();
                Box::pin(async move { settled(outcome.await, dir) })
            }
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }

    fn reader(&self, key: &StreamKey, shard: ShardId, index: u64) -> Result<Box<dyn ShardReader>, LogError> {
        Ok(Box::new(LocalReader::new(self.open_stream(key)?, shard, index)?))
    }

    fn bounds(&self, key: &StreamKey, shard: ShardId) -> Result<Bounds, LogError> {
        self.open_stream(key)?.bounds(shard)
    }

    fn index_at(&self, key: &StreamKey, shard: ShardId, time: Millis) -> Result<u64, LogError> {
        let stream = self.open_stream(key)?;
        let trim = stream.bounds(shard)?.trim;
        stream.index_since(shard, time, trim)
    }

    fn begin_segment(&self, key: &StreamKey) -> Result<(), LogError> {
        self.open_stream(key)?.begin_segment()
    }

    fn trim_expired(&self) -> Result<(), LogError> {
        let streams: Vec<_> = self.streams.read().values().cloned().collect();
        let now = self.env.clock.now();
        let mut first_error = Ok(());
        for slot in streams {
            if let Slot::Open(stream) = slot {
                match stream.expire(now) {
                    // Deleted meanwhile.
                    Ok(()) | Err(LogError::NoStream(_)) => {}
                    // The others are trimmed all the same.
                    Err(error) => first_error = first_error.and(Err(error)),
                }
            }
        }
        first_error
    }
}

fn settled(outcome: Result<Outcome, oneshot::error::RecvError>, path: String) -> Outcome {
    outcome.unwrap_or_else(|_| Err(LogError::Disk { path, reason: "its committer has stopped".into() }))
}

fn new_info(key: &StreamKey, spec: StreamSpec, incarnation: u64, now: Millis) -> StreamInfo {
    let created_secs = u64::try_from(now / 1000).unwrap_or(0);
    let shard = |(i, range)| Shard {
        id: ShardId(i as u32),
        parent: None,
        adjacent_parent: None,
        range,
        created_secs,
        closed: None,
    };
    let shards = uniform_ranges(spec.shard_count).into_iter().enumerate().map(shard).collect();
    StreamInfo { key: key.clone(), incarnation, created: now, spec, shards }
}
