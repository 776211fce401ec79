//! Reading segment files: frames through a chunk of memory, and the few closed segments that are in use.

use crate::LogError;
use crate::error::{corrupt, disk};
use crate::format::{self, Block, Frame, FrameHeader, FrameSite, Points};
use crate::scan::{self, Bad};
use bytes::Bytes;
use crc32c::crc32c;
use millrace_base::{Disk, DiskFile, ShardId};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is read at once where frames may be small: many of them, or the directory of a large one.
const CHUNK_BYTES: u64 = 64 << 10;
/// Indexes of closed segments in memory: of a stream of 8 shards, some 800.
const CLOSED_BYTES_MAX: usize = 16 << 20;
/// Open files of closed segments.
const CLOSED_FILES_MAX: usize = 128;

/// A segment that is open for reading.
#[derive(Clone)]
pub(crate) struct Segment {
    pub(crate) path: Arc<Path>,
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) incarnation: u64,
    pub(crate) number: u64,
    /// The end of the durable frames.
    pub(crate) end: u64,
    pub(crate) points: Arc<Points>,
}

/// Bytes of one segment that were read together.
#[derive(Default)]
pub(crate) struct Chunk {
    segment: u64,
    start: u64,
    bytes: Bytes,
}

impl Segment {
    /// The frame at `offset`.
    pub(crate) fn frame(&self, offset: u64, chunk: &mut Chunk) -> Result<Frame, LogError> {
        read_frame(&*self.file, self.site(offset), self.end, chunk).map_err(|bad| self.error(bad, offset))
    }

    /// A block of the frame at `offset`, checked.
    pub(crate) fn block(&self, offset: u64, frame: &Frame, block: &Block) -> Result<Bytes, LogError> {
        read_block(&*self.file, offset, frame, block).map_err(|bad| self.error(bad, offset + u64::from(block.start)))
    }

    pub(crate) fn error(&self, bad: Bad, offset: u64) -> LogError {
        match bad {
            Bad::Frame(reason) | Bad::Order(reason) => corrupt(&self.path, offset, reason),
            Bad::Disk(error) => disk(&self.path, &error),
        }
    }

    fn site(&self, offset: u64) -> FrameSite {
        FrameSite { incarnation: self.incarnation, segment: self.number, offset }
    }
}

/// The frame at `site`, its directory checked, its blocks not.
pub(crate) fn read_frame(file: &dyn DiskFile, site: FrameSite, end: u64, chunk: &mut Chunk) -> Result<Frame, Bad> {
    let head = window(file, site, FrameHeader::LEN, end, chunk)?;
    let header = FrameHeader::decode(&head, site).map_err(Bad::Frame)?;
    if u64::from(header.len) > end - site.offset {
        return Err(Bad::Frame("the frame is cut off"));
    }
    let head = window(file, site, header.body(), end, chunk)?;
    let have = head.len().min(header.len as usize);
    Frame::decode(header, head.slice(..have)).map_err(Bad::Frame)
}

/// A block's bytes, checked.
pub(crate) fn read_block(file: &dyn DiskFile, offset: u64, frame: &Frame, block: &Block) -> Result<Bytes, Bad> {
    let bytes = match frame.block_bytes(block) {
        Some(bytes) => bytes,
        None => read_bytes(file, offset + u64::from(block.start), block.len as usize)?,
    };
    if !frame.trusted && crc32c(&bytes) != block.crc {
        return Err(Bad::Frame("the checksum of a block is wrong"));
    }
    Ok(bytes)
}

/// At least `len` bytes from the site on, if the segment has them.
fn window(file: &dyn DiskFile, site: FrameSite, len: usize, end: u64, chunk: &mut Chunk) -> Result<Bytes, Bad> {
    if site.offset + len as u64 > end {
        return Err(Bad::Frame("the frame is cut off"));
    }
    let held = chunk.segment == site.segment && site.offset >= chunk.start;
    if !held || site.offset + len as u64 > chunk.start + chunk.bytes.len() as u64 {
        let want = CHUNK_BYTES.max(len as u64).min(end - site.offset);
        let bytes = read_bytes(file, site.offset, want as usize)?;
        *chunk = Chunk { segment: site.segment, start: site.offset, bytes };
    }
    Ok(chunk.bytes.slice((site.offset - chunk.start) as usize..))
}

fn read_bytes(file: &dyn DiskFile, offset: u64, len: usize) -> Result<Bytes, Bad> {
    let mut bytes = vec![0; len];
    match file.read_exact_at(&mut bytes, offset) {
        Ok(()) => Ok(bytes.into()),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(Bad::Frame("the file ends too early")),
        Err(error) => Err(Bad::Disk(error)),
    }
}

/// What identifies a closed segment, and how long it is.
#[derive(Debug, Clone)]
pub(crate) struct ClosedId {
    pub(crate) dir: PathBuf,
    pub(crate) incarnation: u64,
    pub(crate) number: u64,
    pub(crate) end: u64,
}

/// The closed segments that were read last, with their indexes: bounded, whatever is stored.
#[derive(Default)]
pub(crate) struct ClosedSegments {
    /// The one used last is at the back.
    held: Mutex<VecDeque<Segment>>,
}

impl ClosedSegments {
    /// Opens a closed segment. `None`: its file is gone, because it was trimmed or its stream deleted.
    pub(crate) fn open(&self, disk: &dyn Disk, id: &ClosedId) -> Result<Option<Segment>, LogError> {
        let mut held = self.held.lock();
        let at = held.iter().rposition(|s| s.number == id.number && s.incarnation == id.incarnation);
        if let Some(segment) = at.and_then(|at| held.remove(at)) {
            held.push_back(segment.clone());
            return Ok(Some(segment));
        }
        drop(held);
        let Some(segment) = load(disk, id)? else { return Ok(None) };
        let mut held = self.held.lock();
        held.push_back(segment.clone());
        let mut weight: usize = held.iter().map(|s| s.points.weight()).sum();
        while held.len() > CLOSED_FILES_MAX || (weight > CLOSED_BYTES_MAX && held.len() > 1) {
            weight -= held.pop_front().map_or(0, |s| s.points.weight());
        }
        Ok(Some(segment))
    }

    /// Lets go of a deleted stream's files, or of those before `number`.
    pub(crate) fn forget(&self, incarnation: u64, before: u64) {
        self.held.lock().retain(|s| s.incarnation != incarnation || s.number >= before);
    }

    /// Bytes that the indexes take.
    pub(crate) fn weight(&self) -> usize {
        self.held.lock().iter().map(|s| s.points.weight()).sum()
    }
}

fn load(files: &dyn Disk, id: &ClosedId) -> Result<Option<Segment>, LogError> {
    let path: Arc<Path> = id.dir.join(format::segment_name(id.number)).into();
    let file = match files.open(&path, false) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(disk(&path, &error)),
    };
    // A missing or damaged index is no loss: the segment itself tells everything.
    let stored = files.read(&id.dir.join(format::index_name(id.number))).ok();
    let points = stored.and_then(|bytes| Points::decode(&bytes, id.incarnation, id.number));
    let points = points.filter(|points| points.offset(points.len() - 1) == id.end);
    let points = match points {
        Some(points) => points,
        None => {
            let header = scan::read_header(&path, &*file)?;
            let scanned = scan::frames(&*file, &header, id.end, false);
            match scanned.stopped {
                None => scanned.closed_points(),
                Some((offset, Bad::Disk(error))) => {
                    let _ = offset;
                    return Err(disk(&path, &error));
                }
                Some((offset, Bad::Frame(reason) | Bad::Order(reason))) => return Err(corrupt(&path, offset, reason)),
            }
        }
    };
    Ok(Some(Segment {
        path,
        file,
        incarnation: id.incarnation,
        number: id.number,
        end: id.end,
        points: Arc::new(points),
    }))
}

/// The index of a block's first record that arrived at `time` or later, in the frames from `point` on.
pub(crate) fn first_since(segment: &Segment, shard: ShardId, time: i64, from: u64) -> Result<Option<u64>, LogError> {
    let points = &segment.points;
    let mut chunk = Chunk::default();
    for point in points.earlier_than(time)..points.len() {
        let end = if point + 1 < points.len() { points.offset(point + 1) } else { segment.end };
        // A stretch without records of this shard, or only with such as are behind us, is stepped over.
        if point + 1 < points.len() && points.next(point + 1, shard) <= from.max(points.next(point, shard)) {
            continue;
        }
        let mut offset = points.offset(point);
        while offset < end {
            let frame = segment.frame(offset, &mut chunk)?;
            if frame.header.arrival >= time
                && let Some(block) = frame.blocks_of(shard).iter().find(|b| b.end() > from)
            {
                return Ok(Some(block.first.max(from)));
            }
            offset += u64::from(frame.header.len);
        }
    }
    Ok(None)
}
