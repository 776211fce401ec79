//! Blocks: points of many series at one resolution, written once.
//!
//! # Format (v1, little endian)
//! ```text
//! block  := header(16) body index footer(24)
//! header := "MRMB" version(2) resolution(1) 0(9)         resolution: 0 seconds, 1 minutes, 2 hours
//! body   := points of the first series, points of the second, …       see `point`
//! index  := entry(20)*                                    in ascending order of ids
//! entry  := id(4) crc32c(4) offset(8) len(4)              the checksum is of the series' points
//! footer := count(4) crc32c(4) index-offset(8) 0(4) "MREB"            the checksum is of the index
//! ```
//! # Crash behaviour
//! A block is synced with its folder before the manifest names it. One that the manifest does not name is removed at the next
//! start. A series whose checksum is wrong is left out of answers, and that is said; a whole block is never trusted for it.

use super::Resolution;
use super::error::MetricsError;
use super::point::{PointWriter, Points};
use super::state::SeriesId;
use super::summary::Summary;
use millrace_base::{Disk, DiskFile, Millis};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const MAGIC: &[u8; 4] = b"MRMB";
const END_MAGIC: &[u8; 4] = b"MREB";
const VERSION: u16 = 1;
const HEADER_BYTES: u64 = 16;
const ENTRY_BYTES: u64 = 20;
const FOOTER_BYTES: u64 = 24;
/// What is gathered before it is written.
const BUFFER_BYTES: usize = 1 << 20;
/// The most that a series' points in one block take.
const SERIES_BYTES_MAX: u32 = 256 << 20;

/// What the manifest says of a block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct BlockRow {
    /// Its file's number.
    pub(super) number: u64,
    /// 0 seconds, 1 minutes, 2 hours.
    pub(super) resolution: u8,
    /// How often its points were merged with others'.
    pub(super) level: u8,
    /// The beginning of the first point.
    pub(super) first: Millis,
    /// The beginning of the last point.
    pub(super) last: Millis,
    /// The file's length.
    pub(super) bytes: u64,
}

impl BlockRow {
    pub(super) fn resolution(&self) -> Resolution {
        Resolution::ALL[usize::from(self.resolution.min(2))]
    }

    pub(super) fn path(&self, dir: &Path) -> PathBuf {
        dir.join(format!("block-{:012}", self.number))
    }
}

/// A block that is read.
pub(super) struct Block {
    pub(super) row: BlockRow,
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    count: u64,
    index_at: u64,
}

/// Where a series lies.
struct Place {
    crc: u32,
    offset: u64,
    len: u32,
}

impl Block {
    pub(super) fn open(disk: &dyn Disk, dir: &Path, row: BlockRow) -> Result<Self, MetricsError> {
        let path = row.path(dir);
        let file = disk.open(&path, false).map_err(MetricsError::disk(&path))?;
        let len = file.len().map_err(MetricsError::disk(&path))?;
        let mut footer = [0; FOOTER_BYTES as usize];
        if len != row.bytes || len < HEADER_BYTES + FOOTER_BYTES {
            return Err(MetricsError::damaged(path, format!("it has {len} bytes, and {} were written", row.bytes)));
        }
        file.read_exact_at(&mut footer, len - FOOTER_BYTES).map_err(MetricsError::disk(&path))?;
        let (count, index_at) = (u64::from(u32_at(&footer, 0)), u64_at(&footer, 8));
        let ends = index_at.checked_add(count * ENTRY_BYTES + FOOTER_BYTES);
        if &footer[20..] != END_MAGIC || ends != Some(len) {
            return Err(MetricsError::damaged(path, "its end is not that of a block"));
        }
        Ok(Self { row, path, file, count, index_at })
    }

    /// Calls `each` with a series' points.
    pub(super) fn points(&self, id: SeriesId, mut each: impl FnMut(Millis, Summary)) -> Result<(), MetricsError> {
        let Some(place) = self.find(id)? else { return Ok(()) };
        if place.len > SERIES_BYTES_MAX || place.offset + u64::from(place.len) > self.index_at {
            return Err(MetricsError::damaged(&self.path, "its index leads nowhere"));
        }
        let mut bytes = vec![0; place.len as usize];
        self.read(&mut bytes, place.offset)?;
        if crc32c::crc32c(&bytes) != place.crc {
            return Err(MetricsError::damaged(&self.path, format!("the checksum of series {id} is wrong")));
        }
        let points = Points::new(&bytes, self.row.resolution().width_ms());
        points.for_each(|(moment, values)| each(moment, values));
        Ok(())
    }

    /// The ids of its series.
    pub(super) fn ids(&self) -> Result<Vec<SeriesId>, MetricsError> {
        let mut index = vec![0; (self.count * ENTRY_BYTES) as usize];
        self.read(&mut index, self.index_at)?;
        let mut crc = [0; 4];
        self.read(&mut crc, self.row.bytes - FOOTER_BYTES + 4)?;
        if crc32c::crc32c(&index) != u32::from_le_bytes(crc) {
            return Err(MetricsError::damaged(&self.path, "the checksum of its index is wrong"));
        }
        Ok(index.chunks_exact(ENTRY_BYTES as usize).map(|entry| u32_at(entry, 0)).collect())
    }

    fn find(&self, id: SeriesId) -> Result<Option<Place>, MetricsError> {
        let (mut low, mut high) = (0, self.count);
        let mut entry = [0; ENTRY_BYTES as usize];
        while low < high {
            let middle = low + (high - low) / 2;
            self.read(&mut entry, self.index_at + middle * ENTRY_BYTES)?;
            match u32_at(&entry, 0).cmp(&id) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => {
                    let place = Place { crc: u32_at(&entry, 4), offset: u64_at(&entry, 8), len: u32_at(&entry, 16) };
                    return Ok(Some(place));
                }
            }
        }
        Ok(None)
    }

    fn read(&self, bytes: &mut [u8], offset: u64) -> Result<(), MetricsError> {
        self.file.read_exact_at(bytes, offset).map_err(MetricsError::disk(&self.path))
    }
}

/// Writes a block, series after series in ascending order of ids.
pub(super) struct BlockWriter {
    row: BlockRow,
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    buffer: Vec<u8>,
    written: u64,
    index: Vec<u8>,
    count: u32,
}

impl BlockWriter {
    pub(super) fn create(
        disk: &dyn Disk,
        dir: &Path,
        number: u64,
        resolution: Resolution,
        level: u8,
    ) -> Result<Self, MetricsError> {
        let row =
            BlockRow { number, resolution: resolution as u8, level, first: Millis::MAX, last: Millis::MIN, bytes: 0 };
        let path = row.path(dir);
        let file = disk.open(&path, true).map_err(MetricsError::disk(&path))?;
        // What a process before this one may have begun under the same number.
        file.set_len(0).map_err(MetricsError::disk(&path))?;
        let mut buffer = Vec::with_capacity(BUFFER_BYTES);
        buffer.extend_from_slice(MAGIC);
        buffer.extend_from_slice(&VERSION.to_le_bytes());
        buffer.push(resolution as u8);
        buffer.resize(HEADER_BYTES as usize, 0);
        Ok(Self { row, path, file, buffer, written: 0, index: Vec::new(), count: 0 })
    }

    /// Its file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a series' points, in order of time.
    pub(super) fn push<'a>(
        &mut self,
        id: SeriesId,
        points: impl IntoIterator<Item = (Millis, &'a Summary)>,
    ) -> Result<(), MetricsError> {
        let mut writer = PointWriter::default();
        for (moment, values) in points {
            self.row.first = self.row.first.min(moment);
            self.row.last = self.row.last.max(moment);
            writer.push(moment, self.row.resolution().width_ms(), values);
        }
        if writer.bytes.is_empty() {
            return Ok(());
        }
        let offset = self.written + self.buffer.len() as u64;
        self.index.extend_from_slice(&id.to_le_bytes());
        self.index.extend_from_slice(&crc32c::crc32c(&writer.bytes).to_le_bytes());
        self.index.extend_from_slice(&offset.to_le_bytes());
        self.index.extend_from_slice(&(writer.bytes.len() as u32).to_le_bytes());
        self.count += 1;
        self.buffer.extend_from_slice(&writer.bytes);
        if self.buffer.len() >= BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    /// Ends the block and syncs it; `None` when it holds nothing.
    pub(super) fn finish(mut self) -> Result<Option<BlockRow>, MetricsError> {
        if self.count == 0 {
            return Ok(None);
        }
        let index_at = self.written + self.buffer.len() as u64;
        self.buffer.extend_from_slice(&self.index);
        self.buffer.extend_from_slice(&self.count.to_le_bytes());
        self.buffer.extend_from_slice(&crc32c::crc32c(&self.index).to_le_bytes());
        self.buffer.extend_from_slice(&index_at.to_le_bytes());
        self.buffer.extend_from_slice(&[0; 4]);
        self.buffer.extend_from_slice(END_MAGIC);
        self.flush()?;
        self.file.sync().map_err(MetricsError::disk(&self.path))?;
        self.row.bytes = self.written;
        Ok(Some(self.row))
    }

    fn flush(&mut self) -> Result<(), MetricsError> {
        self.file.write_at(&self.buffer, self.written).map_err(MetricsError::disk(&self.path))?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4].try_into().map_or(0, u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes[at..at + 8].try_into().map_or(0, u64::from_le_bytes)
}
