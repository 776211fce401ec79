//! Going through a segment from its beginning: to recover the last one, or to index one again.

use crate::LogError;
use crate::error::{corrupt, disk};
use crate::format::{ByShard, Frame, FrameHeader, FrameSite, HeaderError, Points, SegmentHeader};
use crate::segments::{Chunk, read_block, read_frame};
use millrace_base::{DiskFile, Millis};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// What is searched at once for a frame behind a bad one.
const SEARCH_BYTES: u64 = 1 << 20;

/// Why a frame cannot be used.
#[derive(Debug)]
pub(crate) enum Bad {
    /// Its bytes are not those that were written, or not all of them.
    Frame(&'static str),
    /// It is whole, but does not follow what is before it.
    Order(&'static str),
    /// It could not be read.
    Disk(io::Error),
}

/// What a segment holds.
pub(crate) struct Scan {
    /// The end of the last good frame.
    pub(crate) end: u64,
    /// Where the last good frame begins; 0, where the header is, when there is none.
    pub(crate) last_frame: u64,
    /// Where and why the scan stopped before the end.
    pub(crate) stopped: Option<(u64, Bad)>,
    /// Where each shard stands at `end`.
    pub(crate) next: ByShard<u64>,
    /// The number of the frame that comes next.
    pub(crate) next_frame: u64,
    /// Least and greatest arrival.
    pub(crate) arrivals: (Millis, Millis),
    pub(crate) points: Points,
    /// The epochs in it: producer, epoch, frame.
    pub(crate) producers: Vec<(Arc<str>, u64, u64)>,
}

impl Scan {
    /// The points of a segment that gets no more frames.
    pub(crate) fn closed_points(mut self) -> Points {
        self.points.push(self.end, self.arrivals.1, &self.next);
        self.points
    }
}

/// The arrivals of no frame.
pub(crate) const NO_ARRIVALS: (Millis, Millis) = (Millis::MAX, Millis::MIN);

/// Widens a range of arrivals.
pub(crate) fn widen(arrivals: (Millis, Millis), arrival: Millis) -> (Millis, Millis) {
    (arrivals.0.min(arrival), arrivals.1.max(arrival))
}

/// The header of the segment in `file`, with its length.
pub(crate) fn read_header(path: &Path, file: &dyn DiskFile) -> Result<(SegmentHeader, u64), LogError> {
    match try_header(path, file)? {
        Ok(header) => Ok(header),
        Err(error) => Err(header_error(path, &error)),
    }
}

/// The same, for whoever can do something about a bad one.
pub(crate) fn try_header(
    path: &Path,
    file: &dyn DiskFile,
) -> Result<Result<(SegmentHeader, u64), HeaderError>, LogError> {
    let mut prefix = [0; SegmentHeader::PREFIX_LEN];
    let whole = read(path, file, &mut prefix)?;
    let len = match SegmentHeader::len(&prefix) {
        Ok(len) if whole => len,
        Ok(_) => return Ok(Err(HeaderError::Bad("the segment's header is cut off"))),
        Err(error) => return Ok(Err(error)),
    };
    let mut bytes = vec![0; len];
    if !read(path, file, &mut bytes)? {
        return Ok(Err(HeaderError::Bad("the segment's header is cut off")));
    }
    Ok(SegmentHeader::decode(&bytes).map(|header| (header, len as u64)))
}

/// The error for a header that cannot be read.
pub(crate) fn header_error(path: &Path, error: &HeaderError) -> LogError {
    match error {
        HeaderError::Bad(reason) => corrupt(path, 0, *reason),
        HeaderError::Version(version) => corrupt(
            path,
            8,
            format!("it is of format version {version}, which this program does not know: use a newer Millrace"),
        ),
    }
}

fn read(path: &Path, file: &dyn DiskFile, buffer: &mut [u8]) -> Result<bool, LogError> {
    match file.read_exact_at(buffer, 0) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(disk(path, &error)),
    }
}

/// Goes through the frames before `end`; checks the blocks, too, when `blocks` is true.
pub(crate) fn frames(file: &dyn DiskFile, header: &(SegmentHeader, u64), end: u64, blocks: bool) -> Scan {
    let (header, start) = header;
    let mut scan = Scan {
        end: *start,
        last_frame: 0,
        stopped: None,
        next: header.bases.clone(),
        next_frame: header.first_frame,
        arrivals: NO_ARRIVALS,
        points: Points::new(*start, &header.bases),
        producers: Vec::new(),
    };
    let mut chunk = Chunk::default();
    while scan.end < end {
        let site = FrameSite { incarnation: header.incarnation, segment: header.segment, offset: scan.end };
        let read = read_frame(file, site, end, &mut chunk).and_then(|frame| {
            if blocks {
                check_blocks(file, scan.end, &frame)?;
            }
            Ok(frame)
        });
        if let Err(bad) = read.and_then(|frame| scan.take(&frame)) {
            scan.stopped = Some((scan.end, bad));
            break;
        }
    }
    scan
}

fn check_blocks(file: &dyn DiskFile, offset: u64, frame: &Frame) -> Result<(), Bad> {
    for block in &frame.blocks {
        read_block(file, offset, frame, block)?;
    }
    Ok(())
}

impl Scan {
    fn take(&mut self, frame: &Frame) -> Result<(), Bad> {
        if frame.header.number != self.next_frame {
            return Err(Bad::Order("a frame is missing before this one"));
        }
        let mut next = self.next.clone();
        for block in &frame.blocks {
            match next.get_mut(block.shard) {
                Some(next) if *next == block.first => *next = block.end(),
                _ => return Err(Bad::Order("records are missing before this frame")),
            }
        }
        self.points.offer(self.end, self.arrivals.1, &self.next);
        self.next = next;
        self.arrivals = widen(self.arrivals, frame.header.arrival);
        let number = frame.header.number;
        self.producers.extend(frame.producers.iter().map(|(id, epoch)| (id.clone(), *epoch, number)));
        self.next_frame += 1;
        self.last_frame = self.end;
        self.end += u64::from(frame.header.len);
        Ok(())
    }
}

/// The offset of a valid frame header after `offset`: proof that what is at `offset` was once synced.
pub(crate) fn frame_behind(
    path: &Path,
    file: &dyn DiskFile,
    segment: (u64, u64),
    offset: u64,
    end: u64,
) -> Result<Option<u64>, LogError> {
    let (incarnation, segment) = segment;
    let mut at = offset + 1;
    let mut bytes = Vec::new();
    while at + FrameHeader::LEN as u64 <= end {
        let len = (end - at).min(SEARCH_BYTES);
        bytes.resize(len as usize, 0);
        file.read_exact_at(&mut bytes, at).map_err(|e| disk(path, &e))?;
        for (i, window) in bytes.windows(FrameHeader::LEN).enumerate() {
            let site = FrameSite { incarnation, segment, offset: at + i as u64 };
            if FrameHeader::decode(window, site).is_ok() {
                return Ok(Some(site.offset));
            }
        }
        at += len - FrameHeader::LEN as u64 + 1;
    }
    Ok(None)
}
