//! Metrics on disk.
//!
//! ```text
//! counted ─► recent ─► tail in memory ──────► blocks of seconds, minutes and hours ─► merged blocks ─► expired
//!                   └► journal (every 5 s, synced)      (every 5 minutes)
//! ```
//! The folder holds the [manifest](super::manifest), the [journals](super::journal) that blocks do not cover yet, and
//! [blocks](super::block). A cut writes what is in memory as one block of each resolution, names them in a new manifest and begins a
//! new journal. Twelve blocks of a level are merged into one of the next; a second that came in several parts (late values, a
//! restart) is added up when it is read or merged.
//!
//! # Space
//! Seconds are kept for 3 hours, minutes for 15 days, hours for 455 days, as CloudWatch does. One metric takes, fed every second
//! (measured by the test `what_a_metric_takes`):
//!
//! | | seconds | minutes | hours |
//! | --- | --- | --- | --- |
//! | one count a second | 35 KB | 0.1 MB | 0.7 MB |
//! | one varying sum a second | 45 KB | 1.8 MB | 3.7 MB |
//! | fifty latencies a second between 1 and 58 ms | 1.4 MB | 4.8 MB | 4.1 MB |
//!
//! Merged blocks have coarser distributions: percentiles older than an hour or two are at most 6 % wrong, newer ones 0.8 %. All
//! blocks together hold at most `bytes_max`: beyond it the oldest seconds go first, then minutes, then hours.
//!
//! # Crash behaviour
//! A kill or a power cut loses at most the last [`FLUSH_MS`] and what was not folded. What the journal holds is read again at the
//! start and put into blocks at the first step, because a process whose sync failed leaves bytes that show but are not on disk. After
//! any failure the journal is given up, everything stays in memory, and a cut is tried again every [`RETRY_MS`]; memory has a ceiling.
//!
//! Only [`Store::step`] touches the disk for writing, and one thread calls it. Counting and queries never wait for it.

use super::Resolution;
use super::block::{Block, BlockRow, BlockWriter};
use super::error::MetricsError;
use super::journal::{self, Journal, frames};
use super::manifest::Manifest;
use super::state::{SeriesId, State, Tail};
use super::summary::Summary;
use millrace_base::{Disk, Millis};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

/// How much a crash may lose.
const FLUSH_MS: Millis = 5_000;
/// How often blocks are cut.
const CUT_MS: Millis = 300_000;
/// How soon a disk that failed is tried again.
const RETRY_MS: Millis = 30_000;
/// A journal this large is cut early.
const JOURNAL_BYTES_MAX: u64 = 16 << 20;
/// What may be in memory: half of it makes a cut, and at the whole it is thrown away.
const TAILS_BYTES_MAX: usize = 64 << 20;
/// How many blocks of a level are merged into one of the next.
const MERGED: usize = 12;

/// The folder.
pub(super) struct Store {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    bytes_max: u64,
    writer: Mutex<Writer>,
}

struct Writer {
    /// The journal that is written; `None` before the first frame and after a failure.
    journal: Option<Journal>,
    /// The disk took everything since the last cut.
    is_healthy: bool,
    /// The number of the next file.
    next: u64,
    last_flush: Millis,
    next_cut: Millis,
    /// Files that nothing names any more.
    rubbish: Vec<PathBuf>,
}

impl Store {
    /// Reads the folder into the state. What is damaged is told and left out.
    pub(super) fn open(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        bytes_max: u64,
        now: Millis,
        state: &mut State,
    ) -> Result<(Self, Vec<MetricsError>), MetricsError> {
        disk.create_dir(&dir).map_err(MetricsError::disk(&dir))?;
        let mut troubles = Vec::new();
        let manifest = match Manifest::read(&*disk, &dir) {
            Err(error @ MetricsError::Damaged { .. }) => {
                troubles.push(error);
                Manifest::set_aside(&*disk, &dir).map_err(MetricsError::disk(&dir))?;
                Manifest::empty()
            }
            other => other?,
        };
        manifest.series.iter().for_each(|row| row.insert_into(state));
        state.next_id = state.next_id.max(manifest.next_id);
        state.has_journal = true;
        let mut blocks = Vec::new();
        for row in &manifest.blocks {
            match Block::open(&*disk, &dir, row.clone()) {
                Ok(block) => blocks.push(Arc::new(block)),
                Err(error) => troubles.push(error),
            }
        }
        state.blocks = Arc::new(blocks);
        let mut writer = Writer {
            journal: None,
            is_healthy: true,
            next: manifest.next,
            last_flush: now,
            next_cut: now + CUT_MS,
            rubbish: Vec::new(),
        };
        let names = disk.list(&dir).map_err(MetricsError::disk(&dir))?;
        let kept: BTreeSet<PathBuf> = manifest.blocks.iter().map(|row| row.path(&dir)).collect();
        for name in names {
            let path = dir.join(&name);
            match journal::number(&name) {
                Some(number) if number >= manifest.next => {
                    if let Err(error) = journal::replay(&*disk, &path, state) {
                        troubles.push(error);
                    }
                    writer.next = writer.next.max(number + 1);
                    writer.next_cut = now;
                    writer.rubbish.push(path);
                }
                Some(_) => writer.rubbish.push(path),
                None if name.starts_with("block-") && !kept.contains(&path) => {
                    // A number is never used twice, whoever wrote it.
                    let number = name["block-".len()..].parse().unwrap_or(0u64);
                    writer.next = writer.next.max(number + 1);
                    writer.rubbish.push(path);
                }
                None => {}
            }
        }
        Ok((Self { disk, dir, bytes_max, writer: Mutex::new(writer) }, troubles))
    }

    /// Does what is due: frames, blocks, merging, expiry. Blocking.
    pub(super) fn step(&self, now: Millis, state: &Mutex<State>) -> Result<(), MetricsError> {
        let mut writer = self.writer.lock();
        let waiting = state.lock().bytes;
        let journal_bytes = writer.journal.as_ref().map_or(0, |journal| journal.bytes);
        let is_large = writer.is_healthy && (waiting > TAILS_BYTES_MAX / 2 || journal_bytes > JOURNAL_BYTES_MAX);
        // A clock that went back must not stop anything.
        let is_due = |last: Millis, after: Millis| now >= last + after || now < last;
        if now >= writer.next_cut || writer.next_cut > now + CUT_MS || is_large {
            return self.cut(now, state, &mut writer);
        }
        if writer.is_healthy && is_due(writer.last_flush, FLUSH_MS) {
            writer.last_flush = now;
            return self.flush(now, state, &mut writer);
        }
        Ok(())
    }

    /// Writes everything. Blocking.
    pub(super) fn close(&self, now: Millis, state: &Mutex<State>) -> Result<(), MetricsError> {
        let mut writer = self.writer.lock();
        if writer.is_healthy { self.flush(now, state, &mut writer) } else { self.cut(now, state, &mut writer) }
    }

    fn flush(&self, now: Millis, state: &Mutex<State>, writer: &mut Writer) -> Result<(), MetricsError> {
        let frames = {
            let mut state = state.lock();
            state.absorb_all();
            frames(&mut state)
        };
        if frames.is_empty() {
            return Ok(());
        }
        let done = self.append(writer, &frames);
        if done.is_err() {
            // Everything that it held is in memory too: blocks will have it.
            writer.is_healthy = false;
            writer.journal = None;
            writer.next_cut = now + RETRY_MS;
        }
        done
    }

    fn append(&self, writer: &mut Writer, frames: &[Vec<u8>]) -> Result<(), MetricsError> {
        if writer.journal.is_none() {
            let number = writer.next;
            writer.next += 1;
            writer.rubbish.push(journal::path(&self.dir, number));
            writer.journal = Some(Journal::create(&*self.disk, &self.dir, number)?);
        }
        match &mut writer.journal {
            Some(journal) => journal.append(frames),
            None => Ok(()),
        }
    }

    fn cut(&self, now: Millis, state: &Mutex<State>, writer: &mut Writer) -> Result<(), MetricsError> {
        let (tails, blocks) = {
            let mut state = state.lock();
            let tails = Arc::new(state.cut());
            state.frozen = Some(tails.clone());
            // The blocks will have them, or the journal is given up.
            state.pending.clear();
            state.news.clear();
            (tails, state.blocks.clone())
        };
        match self.write_blocks(now, &tails, &blocks, state, writer) {
            Ok(notice) => {
                writer.is_healthy = true;
                writer.journal = None;
                writer.last_flush = now;
                writer.next_cut = now + CUT_MS;
                self.sweep(state, writer);
                notice.map_or(Ok(()), Err)
            }
            Err(error) => {
                writer.is_healthy = false;
                writer.journal = None;
                writer.next_cut = now + RETRY_MS;
                let mut state = state.lock();
                state.frozen = None;
                state.restore(&tails);
                let waiting = state.bytes;
                if waiting > TAILS_BYTES_MAX {
                    state.shed();
                    return Err(MetricsError::Shed(waiting));
                }
                Err(error)
            }
        }
    }

    /// Writes tails as blocks, merges and expires, and makes it so with a manifest.
    fn write_blocks(
        &self,
        now: Millis,
        tails: &BTreeMap<SeriesId, Tail>,
        old: &[Arc<Block>],
        state: &Mutex<State>,
        writer: &mut Writer,
    ) -> Result<Option<MetricsError>, MetricsError> {
        let mut blocks: Vec<Arc<Block>> = old.to_vec();
        for resolution in Resolution::ALL {
            let mut made = self.begin(writer, resolution, 0)?;
            for (id, tail) in tails {
                let mut points: BTreeMap<Millis, Summary> = BTreeMap::new();
                tail.points(resolution, |moment, values| {
                    let moment = resolution.floor(moment);
                    if moment + resolution.kept_ms() >= now {
                        points.entry(moment).or_default().merge(values);
                    }
                });
                made.push(*id, points.iter().map(|(moment, values)| (*moment, values)))?;
            }
            blocks.extend(self.end(made)?);
        }
        blocks.retain(|block| block.row.last + block.row.resolution().kept_ms() >= now);
        self.merge(now, state, writer, &mut blocks)?;
        let notice = self.hold_to_size(&mut blocks);
        self.disk.sync_dir(&self.dir).map_err(MetricsError::disk(&self.dir))?;
        let manifest = {
            let mut state = state.lock();
            state.forget(|entry| entry.last + Resolution::Hour.kept_ms() < now && entry.tail.is_empty());
            let rows: Vec<BlockRow> = blocks.iter().map(|block| block.row.clone()).collect();
            Manifest::new(writer.next, &state, rows)
        };
        manifest.write(&*self.disk, &self.dir)?;
        let kept: BTreeSet<u64> = blocks.iter().map(|block| block.row.number).collect();
        let gone = old.iter().filter(|block| !kept.contains(&block.row.number));
        writer.rubbish.extend(gone.map(|block| block.row.path(&self.dir)));
        let mut state = state.lock();
        state.frozen = None;
        state.blocks = Arc::new(blocks);
        Ok(notice)
    }

    fn begin(&self, writer: &mut Writer, resolution: Resolution, level: u8) -> Result<BlockWriter, MetricsError> {
        let number = writer.next;
        writer.next += 1;
        let made = BlockWriter::create(&*self.disk, &self.dir, number, resolution, level)?;
        // Until a manifest names it.
        writer.rubbish.push(made.path().to_owned());
        Ok(made)
    }

    fn end(&self, made: BlockWriter) -> Result<Option<Arc<Block>>, MetricsError> {
        match made.finish()? {
            Some(row) => Block::open(&*self.disk, &self.dir, row).map(|block| Some(Arc::new(block))),
            None => Ok(None),
        }
    }

    /// Merges blocks while a level has enough of them. Seconds live too short for it.
    fn merge(
        &self,
        now: Millis,
        state: &Mutex<State>,
        writer: &mut Writer,
        blocks: &mut Vec<Arc<Block>>,
    ) -> Result<(), MetricsError> {
        // Half a day of minutes, 72 days of hours: what is kept too long because of it is a part of what is kept anyway.
        for (resolution, top) in [(Resolution::Minute, 2), (Resolution::Hour, 4)] {
            for level in 0..top {
                let is_one = |block: &Arc<Block>| block.row.resolution() == resolution && block.row.level == level;
                let sources: Vec<Arc<Block>> = blocks.iter().filter(|block| is_one(block)).cloned().collect();
                if sources.len() < MERGED {
                    continue;
                }
                let made = self.merge_blocks(now, state, writer, &sources, resolution, level + 1)?;
                blocks.retain(|block| !is_one(block));
                blocks.extend(made);
            }
        }
        Ok(())
    }

    fn merge_blocks(
        &self,
        now: Millis,
        state: &Mutex<State>,
        writer: &mut Writer,
        sources: &[Arc<Block>],
        resolution: Resolution,
        level: u8,
    ) -> Result<Option<Arc<Block>>, MetricsError> {
        let mut ids = BTreeSet::new();
        for block in sources {
            // A block whose index is damaged is left behind: it cannot be read anyway.
            match block.ids() {
                Err(MetricsError::Damaged { .. }) => {}
                other => ids.extend(other?),
            }
        }
        {
            let state = state.lock();
            ids.retain(|id| state.series.contains_key(id));
        }
        let mut made = self.begin(writer, resolution, level)?;
        for id in ids {
            let mut points: BTreeMap<Millis, Summary> = BTreeMap::new();
            for block in sources {
                let read = block.points(id, |moment, values| {
                    if moment + resolution.kept_ms() >= now {
                        points.entry(moment).or_default().merge(&values);
                    }
                });
                match read {
                    Err(MetricsError::Damaged { .. }) => {}
                    other => other?,
                }
            }
            points.values_mut().for_each(|values| values.sketch.coarsen());
            made.push(id, points.iter().map(|(moment, values)| (*moment, values)))?;
        }
        self.end(made)
    }

    /// Lets the oldest blocks go while all together are too large: seconds first.
    fn hold_to_size(&self, blocks: &mut Vec<Arc<Block>>) -> Option<MetricsError> {
        let mut notice = None;
        loop {
            let bytes: u64 = blocks.iter().map(|block| block.row.bytes).sum();
            if bytes <= self.bytes_max {
                return notice;
            }
            let oldest =
                (0..blocks.len()).min_by_key(|place| (blocks[*place].row.resolution, blocks[*place].row.last))?;
            let gone = blocks.remove(oldest);
            notice = Some(MetricsError::Full { bytes_max: self.bytes_max, before: gone.row.last });
        }
    }

    /// Removes files that nothing names. One that cannot be removed is tried again at the next start.
    fn sweep(&self, state: &Mutex<State>, writer: &mut Writer) {
        let kept: BTreeSet<PathBuf> = state.lock().blocks.iter().map(|block| block.row.path(&self.dir)).collect();
        for path in writer.rubbish.drain(..).filter(|path| !kept.contains(path)) {
            let _ = self.disk.remove(&path);
        }
    }
}
