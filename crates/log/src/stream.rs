//! One stream: its definition, its routes, what is durable of it, and its writer.

use crate::format::{Frame, Points};
use crate::routing::Routes;
use crate::segments::{Chunk, ClosedSegments, Segment};
use crate::view::{Life, Located, Place, View};
use crate::writer::Writer;
use crate::{Bounds, LogError, LogOptions, StreamInfo, StreamKey};
use millrace_base::{Clock, Disk, Millis, ShardId};
use millrace_catalog::Catalog;
use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

/// The catalog's table of streams; keys are `account/region/name`.
pub(crate) const STREAMS: &str = "log-stream";

/// The catalog's table of counters.
pub(crate) const COUNTERS: &str = "log-counter";
/// The counter of incarnations: the last one that was given.
pub(crate) const INCARNATION: &str = "incarnation";

/// What the catalog keeps of a stream.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StoredStream {
    pub(crate) info: Arc<StreamInfo>,
    /// Segments before it were trimmed, and their files are rubbish.
    pub(crate) first_segment: u64,
    /// The shard that the first of `trims` is of. Was always 0 when shards never changed.
    #[serde(default)]
    pub(crate) first_shard: u32,
    /// By shard: what was trimmed when the retention was last changed, which never comes back.
    pub(crate) trims: Vec<u64>,
}

/// What every part of a log needs.
pub(crate) struct Env {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) catalog: Catalog,
    pub(crate) dir: PathBuf,
    pub(crate) options: LogOptions,
    pub(crate) closed: ClosedSegments,
    /// Set by the first failed write: what is on disk is no longer known, so nothing is written until the log is opened
    /// again.
    pub(crate) poison: OnceLock<LogError>,
}

impl Env {
    /// Refuses to write after a failure.
    pub(crate) fn healthy(&self) -> Result<(), LogError> {
        self.poison.get().map_or(Ok(()), |error| Err(error.clone()))
    }

    /// Shuts the log for writing.
    pub(crate) fn poisoned(&self, error: LogError) -> LogError {
        // A full disk is only harmless where nothing was written yet.
        let error = match error {
            LogError::DiskFull { path } => LogError::Disk { path, reason: "the disk is full".into() },
            other => other,
        };
        self.poison.get_or_init(|| error).clone()
    }
}

/// A stream that was opened.
pub(crate) struct Stream {
    pub(crate) key: StreamKey,
    pub(crate) info: RwLock<Arc<StreamInfo>>,
    /// Changed only under the writer's lock: the place where records turn to the children of a shard.
    pub(crate) routes: RwLock<Arc<Routes>>,
    pub(crate) view: RwLock<View>,
    /// Locked before `view`, never after.
    pub(crate) writer: Mutex<Writer>,
    /// Held while the definition changes or retention trims. Locked before everything else.
    pub(crate) upkeep: Mutex<()>,
    pub(crate) env: Arc<Env>,
}

impl Stream {
    /// What is readable of a shard, and whether that is all for ever. `None`: the shard is not there (any more).
    pub(crate) fn extent(&self, id: ShardId) -> Result<Option<(Bounds, bool)>, LogError> {
        let view = self.view.read();
        if view.deleted {
            return Err(LogError::NoStream(self.key.clone()));
        }
        let shard = view.shards.get(id).filter(|shard| shard.life != Life::Gone);
        Ok(shard.map(|shard| (Bounds { trim: shard.trim, tail: shard.tail }, shard.life == Life::Closed)))
    }

    /// What is appended from now on goes to a new segment.
    pub(crate) fn begin_segment(&self) -> Result<(), LogError> {
        let _upkeep = self.upkeep.lock();
        let mut writer = self.writer.lock();
        let end = writer.next.ids().end;
        writer.roll(&self.env, &self.view, end)
    }

    /// What is readable of a shard.
    pub(crate) fn bounds(&self, id: ShardId) -> Result<Bounds, LogError> {
        let extent = self.extent(id)?.ok_or_else(|| LogError::NoShard(self.key.clone(), id))?;
        Ok(extent.0)
    }

    /// A segment, open for reading. `None`: it is gone.
    pub(crate) fn segment(&self, number: u64) -> Result<Option<Segment>, LogError> {
        let located = self.view.read().segment(number);
        match located {
            Located::Active(segment) => Ok(Some(segment)),
            Located::Closed(id) => self.env.closed.open(&*self.env.disk, &id),
            Located::Gone => Ok(None),
        }
    }

    /// A place at or shortly before the frame with a shard's record at `index`, which is below the tail. `None`: it was
    /// trimmed meanwhile.
    pub(crate) fn locate(&self, shard: ShardId, index: u64) -> Result<Option<Place>, LogError> {
        let number = self.view.read().segment_with(shard, index);
        let Some(segment) = self.segment(number)? else { return Ok(None) };
        let points: &Points = &segment.points;
        Ok(Some(Place { segment: number, offset: points.before(shard, index) }))
    }

    /// The frame at `place`, with the segment that it is read from when it is not in memory.
    pub(crate) fn frame(&self, place: Place, chunk: &mut Chunk) -> Result<Option<Found>, LogError> {
        if let Some(frame) = self.view.read().cached(place) {
            return Ok(Some(Found { frame, segment: None }));
        }
        let Some(segment) = self.segment(place.segment)? else { return Ok(None) };
        let frame = Arc::new(segment.frame(place.offset, chunk)?);
        Ok(Some(Found { frame, segment: Some(segment) }))
    }

    /// The index of the first record at or after `from` that arrived at `time` or later; the tail when there is none.
    pub(crate) fn index_since(&self, shard: ShardId, time: Millis, from: u64) -> Result<u64, LogError> {
        let mut from_segment = 0;
        loop {
            let bounds = self.bounds(shard)?;
            let candidate = {
                let view = self.view.read();
                let ends = view.segments.iter().skip(1).map(|s| s.bases.stand(shard)).chain([bounds.tail]);
                let mut found = view.segments.iter().zip(ends).filter(|(s, end)| {
                    s.number >= from_segment && s.arrivals.1 >= time && *end > from.max(s.bases.stand(shard))
                });
                found.next().map(|(s, _)| s.number)
            };
            let Some(number) = candidate else { return Ok(bounds.tail) };
            from_segment = number + 1;
            let Some(segment) = self.segment(number)? else { continue };
            if let Some(index) = crate::segments::first_since(&segment, shard, time, from)? {
                return Ok(index.max(self.bounds(shard)?.trim));
            }
        }
    }
}

/// A frame, and where its other blocks can be read.
pub(crate) struct Found {
    pub(crate) frame: Arc<Frame>,
    pub(crate) segment: Option<Segment>,
}
