//! Reading messages back: from the newest frames, which stay in memory, or from their segment.

use crate::sqs::error::{corrupt, disk};
use crate::sqs::format::{self, RawRecord, SEGMENT_HEADER, SegmentHeader, Site, StoredMessage};
use crate::sqs::state::Place;
use crate::sqs::{Env, QueueError};
use bytes::Bytes;
use millrace_base::DiskFile;
use parking_lot::{Mutex, RwLock};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Segments that are kept open for reading.
const OPEN_SEGMENTS_MAX: usize = 64;

/// A segment that is open.
pub(crate) struct Segment {
    pub(crate) number: u64,
    pub(crate) stamp: u64,
    pub(crate) path: Arc<Path>,
    pub(crate) file: Arc<dyn DiskFile>,
}

/// What can be read of the journal.
#[derive(Default)]
pub(crate) struct Library {
    open: Mutex<BTreeMap<u64, Arc<Segment>>>,
    recent: RwLock<Recent>,
    recent_bytes_max: usize,
}

/// The newest frames, in order.
#[derive(Default)]
struct Recent {
    frames: VecDeque<(u64, u64, Bytes)>,
    bytes: usize,
}

impl Library {
    pub(crate) fn new(recent_bytes_max: usize) -> Self {
        Self { recent_bytes_max, ..Self::default() }
    }

    /// Adds a segment that is open.
    pub(crate) fn add(&self, segment: Arc<Segment>) {
        let mut open = self.open.lock();
        let number = segment.number;
        open.insert(number, segment);
        while open.len() > OPEN_SEGMENTS_MAX {
            // The last one is written to.
            let Some(oldest) = open.keys().copied().find(|other| *other != number) else { break };
            open.remove(&oldest);
        }
    }

    /// Lets go of a segment that is removed.
    pub(crate) fn close(&self, number: u64) {
        self.open.lock().remove(&number);
    }

    /// Keeps a frame in memory, and lets the oldest go.
    pub(crate) fn remember(&self, site: Site, bytes: &Bytes) {
        let mut recent = self.recent.write();
        recent.bytes += bytes.len();
        recent.frames.push_back((site.segment, site.offset, bytes.clone()));
        while recent.bytes > self.recent_bytes_max
            && let Some((_, _, oldest)) = recent.frames.pop_front()
        {
            recent.bytes -= oldest.len();
        }
    }

    /// A message of the newest frames, without touching the disk.
    pub(crate) fn recent(&self, place: Place) -> Option<StoredMessage> {
        let recent = self.recent.read();
        let offset = u64::from(place.offset);
        let after = recent.frames.partition_point(|(segment, start, _)| (*segment, *start) <= (place.segment, offset));
        let (segment, start, bytes) = recent.frames.get(after.checked_sub(1)?)?;
        let at = usize::try_from(offset - start).ok().filter(|_| *segment == place.segment)?;
        let record = bytes.get(at..at + place.len as usize).map(|_| bytes.slice(at..at + place.len as usize))?;
        StoredMessage::decode(&RawRecord {
            offset: at,
            len: record.len(),
            kind: record[8],
            payload: record.slice(format::RECORD_HEAD..),
        })
    }

    /// A message, wherever it is. `None`: its segment is gone, so it was copied or deleted meanwhile.
    pub(crate) fn read(&self, env: &Env, place: Place) -> Result<Option<StoredMessage>, QueueError> {
        if let Some(message) = self.recent(place) {
            return Ok(Some(message));
        }
        let Some(segment) = self.segment(env, place.segment)? else { return Ok(None) };
        let mut bytes = vec![0; place.len as usize];
        let offset = u64::from(place.offset);
        segment.file.read_exact_at(&mut bytes, offset).map_err(|error| disk(&segment.path, &error))?;
        let site = Site { stamp: segment.stamp, segment: segment.number, offset };
        let record = format::record_at(&bytes.into(), site, 0);
        let message = record.and_then(|record| StoredMessage::decode(&record));
        let bad = || corrupt(&segment.path, offset, "the checksum of a message is wrong");
        message.map(Some).ok_or_else(bad)
    }

    /// A segment, opened when it is not. `None`: it is gone.
    pub(crate) fn segment(&self, env: &Env, number: u64) -> Result<Option<Arc<Segment>>, QueueError> {
        if let Some(segment) = self.open.lock().get(&number) {
            return Ok(Some(segment.clone()));
        }
        let path: Arc<Path> = env.dir.join(format::segment_name(number)).into();
        let file = match env.disk.open(&path, false) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(disk(&path, &error)),
        };
        let mut head = [0; SEGMENT_HEADER];
        file.read_exact_at(&mut head, 0).map_err(|error| disk(&path, &error))?;
        let header = SegmentHeader::decode(&head, number);
        let header = header.map_err(|_| corrupt(&path, 0, "the header of the segment is wrong"))?;
        let segment = Arc::new(Segment { number, stamp: header.stamp, path, file });
        self.add(segment.clone());
        Ok(Some(segment))
    }
}
