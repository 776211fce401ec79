//! One stream: its definition, its routes, what is durable of it, and its writer.

use crate::format::{Frame, Points};
use crate::routing::Routes;
use crate::segments::{Chunk, ClosedSegments, Segment};
use crate::view::{Located, Place, View};
use crate::writer::Writer;
use crate::{Bounds, LogError, LogOptions, Shard, StreamInfo, StreamKey};
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
    /// By shard id: what was trimmed when the retention was last changed, which never comes back.
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
    pub(crate) routes: Routes,
    pub(crate) view: RwLock<View>,
    /// Locked before `view`, never after.
    pub(crate) writer: Mutex<Writer>,
    /// Held while retention changes or trims. Locked before everything else.
    pub(crate) upkeep: Mutex<()>,
    pub(crate) env: Arc<Env>,
}

impl Stream {
    /// The description of a shard.
    pub(crate) fn shard(&self, id: ShardId) -> Result<Shard, LogError> {
        let info = self.info.read().clone();
        let at = info.shards.binary_search_by_key(&id, |shard| shard.id);
        at.map(|at| info.shards[at].clone()).map_err(|_| LogError::NoShard(self.key.clone(), id))
    }

    /// What is readable of a shard.
    pub(crate) fn bounds(&self, id: ShardId) -> Result<Bounds, LogError> {
        let view = self.view.read();
        if view.deleted {
            return Err(LogError::NoStream(self.key.clone()));
        }
        let shard = view.shards.get(id.0 as usize).ok_or_else(|| LogError::NoShard(self.key.clone(), id))?;
        Ok(Bounds { trim: shard.trim, tail: shard.tail })
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
                let at = shard.0 as usize;
                let ends = view.segments.iter().skip(1).map(|s| s.bases[at]).chain([bounds.tail]);
                let mut found = view.segments.iter().zip(ends).filter(|(s, end)| {
                    s.number >= from_segment && s.arrivals.1 >= time && *end > from.max(s.bases[at])
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
