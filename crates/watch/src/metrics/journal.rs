//! The journal: what was counted since the last blocks, so that a crash loses seconds only.
//!
//! # Format (v1, little endian)
//! ```text
//! journal := "MRMJ" version(2) 0(2) frame*
//! frame   := len(4) crc32c(4) record*                     the checksum is of the records
//! record  := 1 id(varint) text{4} dimensions(varint) (text text)* text
//!                                                         a series: account, region, namespace, name, dimensions, unit
//!          | 2 id(varint) resolution(1) len(varint) point*            0 seconds, 1 minutes
//! text    := len(varint) utf-8
//! ```
//! # Limits
//! A frame has at most `FRAME_BYTES_MAX` bytes; more is written as several.
//!
//! # Crash behaviour
//! A frame is synced as a whole every few seconds. Reading ends at the first frame that is not whole: a torn tail. A journal
//! is never written on by another process: what it holds is put into blocks first.

use super::Resolution;
use super::error::MetricsError;
use super::key::MetricKey;
use super::point::{PointWriter, Points, read_varint, varint};
use super::state::{SeriesId, State};
use millrace_base::{Disk, DiskFile, Millis, Scope};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const HEADER: &[u8; 8] = b"MRMJ\x01\0\0\0";
const FRAME_BYTES_MAX: usize = 32 << 20;
const SERIES: u8 = 1;
const POINTS: u8 = 2;

/// The journal that is written.
pub(super) struct Journal {
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    /// What it holds.
    pub(super) bytes: u64,
}

/// A journal's path by its number.
pub(super) fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("journal-{number:012}"))
}

/// A journal's number by its file's name.
pub(super) fn number(name: &str) -> Option<u64> {
    name.strip_prefix("journal-")?.parse().ok()
}

impl Journal {
    pub(super) fn create(disk: &dyn Disk, dir: &Path, number: u64) -> Result<Self, MetricsError> {
        let path = path(dir, number);
        let file = disk.open(&path, true).map_err(MetricsError::disk(&path))?;
        file.set_len(0).map_err(MetricsError::disk(&path))?;
        file.write_at(HEADER, 0).map_err(MetricsError::disk(&path))?;
        disk.sync_dir(dir).map_err(MetricsError::disk(dir))?;
        Ok(Self { path, file, bytes: HEADER.len() as u64 })
    }

    /// Writes frames and syncs them.
    pub(super) fn append(&mut self, frames: &[Vec<u8>]) -> Result<(), MetricsError> {
        for records in frames {
            let mut frame = Vec::with_capacity(records.len() + 8);
            frame.extend_from_slice(&(records.len() as u32).to_le_bytes());
            frame.extend_from_slice(&crc32c::crc32c(records).to_le_bytes());
            frame.extend_from_slice(records);
            self.file.write_at(&frame, self.bytes).map_err(MetricsError::disk(&self.path))?;
            self.bytes += frame.len() as u64;
        }
        self.file.sync().map_err(MetricsError::disk(&self.path))
    }
}

/// What the state has that the journal has not, as frames.
pub(super) fn frames(state: &mut State) -> Vec<Vec<u8>> {
    let mut frames = vec![Vec::new()];
    for id in std::mem::take(&mut state.news) {
        if let Some(entry) = state.series.get(&id) {
            put_series(room(&mut frames), id, &entry.key, &entry.unit);
        }
    }
    for (id, resolution, points) in std::mem::take(&mut state.pending) {
        put_points(room(&mut frames), id, resolution, &points);
    }
    frames.retain(|frame| !frame.is_empty());
    frames
}

/// The frame that the next record goes to. A record is far smaller than half a frame.
fn room(frames: &mut Vec<Vec<u8>>) -> &mut Vec<u8> {
    if frames.last().is_none_or(|frame| frame.len() > FRAME_BYTES_MAX / 2) {
        frames.push(Vec::new());
    }
    frames.last_mut().expect("a frame was just pushed if there was none")
}

fn put_series(frame: &mut Vec<u8>, id: SeriesId, key: &MetricKey, unit: &str) {
    let text = |frame: &mut Vec<u8>, text: &str| {
        varint(frame, text.len() as u64);
        frame.extend_from_slice(text.as_bytes());
    };
    frame.push(SERIES);
    varint(frame, u64::from(id));
    for part in [&key.scope.account, &key.scope.region, &key.namespace, &key.name] {
        text(frame, part);
    }
    varint(frame, key.dimensions.len() as u64);
    for (name, value) in &key.dimensions {
        text(frame, name);
        text(frame, value);
    }
    text(frame, unit);
}

fn put_points(frame: &mut Vec<u8>, id: SeriesId, resolution: Resolution, points: &PointWriter) {
    frame.push(POINTS);
    varint(frame, u64::from(id));
    frame.push(resolution as u8);
    varint(frame, points.bytes.len() as u64);
    frame.extend_from_slice(&points.bytes);
}

/// Puts what a journal holds into the state, up to its torn tail.
pub(super) fn replay(disk: &dyn Disk, path: &Path, state: &mut State) -> Result<(), MetricsError> {
    let content = disk.read(path).map_err(MetricsError::disk(path))?;
    let Some(mut rest) = content.strip_prefix(HEADER) else { return Ok(()) };
    while let Some((head, tail)) = rest.split_first_chunk::<8>() {
        let (len, crc) = head.split_at(4);
        let [len, crc] = [len, crc].map(|part| part.try_into().map_or(0, u32::from_le_bytes));
        let len = len as usize;
        if len > FRAME_BYTES_MAX || tail.len() < len || crc32c::crc32c(&tail[..len]) != crc {
            return Ok(());
        }
        let (mut records, after) = tail.split_at(len);
        rest = after;
        while !records.is_empty() {
            records = record(records, state).ok_or_else(|| MetricsError::damaged(path, "a record makes no sense"))?;
        }
    }
    Ok(())
}

/// Reads a record; what follows it.
fn record<'a>(bytes: &'a [u8], state: &mut State) -> Option<&'a [u8]> {
    let (kind, rest) = bytes.split_first()?;
    let (id, rest) = read_varint(rest)?;
    let id = SeriesId::try_from(id).ok()?;
    if *kind == SERIES {
        return series(id, rest, state);
    }
    let (resolution, rest) = rest.split_first()?;
    let resolution = *Resolution::ALL.get(usize::from(*resolution))?;
    let (points, rest) = text_bytes(rest)?;
    // Of a series that was forgotten nothing is kept.
    for (moment, values) in Points::new(points, resolution.width_ms()) {
        state.restore_point(id, resolution, moment, &values);
    }
    Some(rest)
}

fn series<'a>(id: SeriesId, rest: &'a [u8], state: &mut State) -> Option<&'a [u8]> {
    let (account, rest) = text(rest)?;
    let (region, rest) = text(rest)?;
    let (namespace, rest) = text(rest)?;
    let (name, rest) = text(rest)?;
    let (count, mut rest) = read_varint(rest)?;
    let mut dimensions = Vec::new();
    for _ in 0..count {
        let (name, after) = text(rest)?;
        let (value, after) = text(after)?;
        dimensions.push((name, value));
        rest = after;
    }
    let (unit, rest) = text(rest)?;
    if !state.series.contains_key(&id) {
        let key = MetricKey::new(&Scope::new(account, region), namespace, name, dimensions);
        state.insert(id, key, unit.into(), Millis::MIN);
    }
    Some(rest)
}

fn text_bytes(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = read_varint(bytes)?;
    rest.split_at_checked(usize::try_from(len).ok()?)
}

fn text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (text, rest) = text_bytes(bytes)?;
    Some((std::str::from_utf8(text).ok()?, rest))
}
