//! Finds the extents of a file that is opened.

use super::extent::{self, FRAME_BYTES, HEAD_BYTES, Head, Kind, SEALED_BYTES_MAX};
use super::header::HEADER_BYTES;
use super::index::Index;
use millrace_base::DiskFile;
use ring::aead::LessSafeKey;
use std::collections::VecDeque;
use std::io;
use std::path::Path;

/// How much is read at once.
const WINDOW_BYTES: usize = 256 << 10;
/// Extents that are nearer to each other are read together.
const NEAR_BYTES: u64 = 4 << 10;
const _: () = assert!(SEALED_BYTES_MAX < WINDOW_BYTES);

/// What a sealed file holds.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) index: Index,
    /// How many sealed bytes are known to have been synced.
    pub(crate) synced: u64,
    /// Something follows that is no extent.
    pub(crate) torn: bool,
    /// It ends with its table.
    pub(crate) finished: bool,
}

/// A file seen through a window that moves forward.
struct Window<'a> {
    file: &'a dyn DiskFile,
    len: u64,
    start: u64,
    bytes: Vec<u8>,
}

impl Window<'_> {
    fn new(file: &dyn DiskFile, len: u64) -> Window<'_> {
        Window { file, len, start: 0, bytes: Vec::new() }
    }

    /// Bytes from `position` on: `want`, or fewer where the file ends.
    fn at(&mut self, position: u64, want: usize) -> io::Result<&[u8]> {
        let want = want.min(usize::try_from(self.len.saturating_sub(position)).unwrap_or(usize::MAX));
        let has = position >= self.start && position + want as u64 <= self.start + self.bytes.len() as u64;
        if !has {
            // A head alone is what large extents need; more is read when small ones follow each other.
            let follows = position < self.start + self.bytes.len() as u64 + NEAR_BYTES;
            let size = if follows || want > HEAD_BYTES { WINDOW_BYTES } else { want };
            let size = size.max(want).min(usize::try_from(self.len - position).unwrap_or(usize::MAX));
            self.bytes.resize(size, 0);
            self.start = position;
            self.file.read_exact_at(&mut self.bytes, position)?;
        }
        let from = (position - self.start) as usize;
        Ok(&self.bytes[from..from + want])
    }

    fn head(&mut self, position: u64) -> io::Result<Option<Head>> {
        let head = Head::decode(self.at(position, HEAD_BYTES)?, position);
        Ok(head.filter(|head| position + head.sealed_len() <= self.len))
    }

    /// What an extent holds; none when it is not authentic.
    fn text(&mut self, key: &LessSafeKey, head: &Head, position: u64) -> io::Result<Option<Vec<u8>>> {
        let mut extent = self.at(position, head.sealed_len() as usize)?.to_vec();
        Ok(extent::open(key, head, position, &mut extent).ok().map(|text| text.to_vec()))
    }

    fn is_authentic(&mut self, key: &LessSafeKey, head: &Head, position: u64) -> io::Result<bool> {
        Ok(self.text(key, head, position)?.is_some())
    }
}

/// Reads a sealed file of `len` bytes.
pub(crate) fn scan(path: &Path, file: &dyn DiskFile, len: u64, key: &LessSafeKey) -> io::Result<Found> {
    if let Some(found) = by_table(file, len, key)? {
        return Ok(found);
    }
    // Tags of what was synced are checked when it is read; of the rest now, for it may be torn.
    if let Some(found) = pass(file, len, key, false)? {
        return Ok(found);
    }
    let mut found = pass(file, len, key, true)?.unwrap_or_default();
    let bad = found.index.sealed_end;
    if proves(file, len, key, bad)? {
        let message = format!(
            "{} is damaged at byte {bad}: a sealed extent that had been synced is not whole any more",
            path.display()
        );
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    found.torn = true;
    Ok(found)
}

/// What the table says that a finished file ends with; none when it does not, or when something follows.
fn by_table(file: &dyn DiskFile, len: u64, key: &LessSafeKey) -> io::Result<Option<Found>> {
    let Some(end_at) = len.checked_sub(FRAME_BYTES as u64) else { return Ok(None) };
    let mut window = Window::new(file, len);
    let Some(end) = window.head(end_at)?.filter(|head| head.kind == Kind::End) else { return Ok(None) };
    if !window.is_authentic(key, &end, end_at)? {
        return Ok(None);
    }
    let (mut table, mut position) = (Vec::new(), end.synced);
    while position < end_at {
        let Some(head) = window.head(position)?.filter(|head| head.kind == Kind::Table) else { return Ok(None) };
        let Some(part) = window.text(key, &head, position)? else { return Ok(None) };
        table.extend_from_slice(&part);
        position += head.sealed_len();
    }
    let index = Index::of_table(&table, end.offset, len);
    Ok(index.map(|index| Found { index, synced: end.synced, torn: false, finished: true }))
}

/// Goes through all extents. With `strict` every tag is checked and the first bad extent is the end; without, `None` says that
/// something is not as it should be.
fn pass(file: &dyn DiskFile, len: u64, key: &LessSafeKey, strict: bool) -> io::Result<Option<Found>> {
    let mut window = Window::new(file, len);
    let mut found = Found::default();
    let mut loose: VecDeque<(u64, Head)> = VecDeque::new();
    let mut position = HEADER_BYTES as u64;
    while position < len {
        let Some(head) = window.head(position)? else { break };
        if strict && !window.is_authentic(key, &head, position)? {
            break;
        }
        found.note(&head, position);
        while loose.front().is_some_and(|(position, _)| *position < head.synced) {
            loose.pop_front();
        }
        loose.push_back((position, head));
        position += head.sealed_len();
    }
    found.index.sealed_end = position;
    if strict {
        return Ok(Some(found));
    }
    let mut window = Window::new(file, len);
    for (position, head) in &loose {
        if !window.is_authentic(key, head, *position)? {
            return Ok(None);
        }
    }
    Ok((position == len).then_some(found))
}

impl Found {
    fn note(&mut self, head: &Head, position: u64) {
        self.synced = self.synced.max(head.synced);
        match head.kind {
            Kind::Data => self.index.write(head.offset, u64::from(head.len), position),
            Kind::Length => self.index.set_len(head.offset),
            Kind::Table | Kind::End => {}
        }
    }
}

/// Whether an extent behind `bad` tells that `bad` had been synced.
fn proves(file: &dyn DiskFile, len: u64, key: &LessSafeKey, bad: u64) -> io::Result<bool> {
    let mut window = Window::new(file, len);
    let mut position = bad + 1;
    while let Some(next) = next_mark(&mut window, position)? {
        if let Some(head) = window.head(next)?
            && head.synced > bad
            && window.is_authentic(key, &head, next)?
        {
            return Ok(true);
        }
        position = next + 1;
    }
    Ok(false)
}

/// Whether something in a file looks like an extent.
pub(crate) fn has_extent(file: &dyn DiskFile, len: u64) -> io::Result<bool> {
    let mut window = Window::new(file, len);
    let mut position = 0;
    while let Some(next) = next_mark(&mut window, position)? {
        if window.head(next)?.is_some() {
            return Ok(true);
        }
        position = next + 1;
    }
    Ok(false)
}

fn next_mark(window: &mut Window<'_>, mut position: u64) -> io::Result<Option<u64>> {
    const STEP: usize = WINDOW_BYTES / 2;
    while position + HEAD_BYTES as u64 <= window.len {
        let bytes = window.at(position, STEP)?;
        let mut starts = 0..bytes.len().saturating_sub(HEAD_BYTES - 1);
        if let Some(at) = starts.find(|at| extent::marks(&bytes[*at..])) {
            return Ok(Some(position + at as u64));
        }
        position += (bytes.len() - (HEAD_BYTES - 1)) as u64;
    }
    Ok(None)
}
