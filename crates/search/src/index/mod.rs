//! One index: its mapping, its translog and its segments.
//!
//! A write is decided under the index's lock (version, sequence number, mapping), goes to the translog and to tantivy's
//! writer, and is acknowledged once the translog is synced. A refresh commits tantivy, after which the write is found by
//! searches; a flush syncs that commit, after which the translog may forget it. Reads never wait for the lock.

mod layout;
mod read;
mod segments;
mod translog;
mod versions;
mod write;

pub use layout::{ColumnOf, Layout};
pub use read::Found;
pub use write::{Action, Condition, Done, Write};

use crate::analysis;
use crate::error::Error;
use crate::mapping::Mappings;
use millrace_base::{Clock, Dice, Disk, Millis};
use parking_lot::{Condvar, Mutex, RwLock};
use segments::Segments;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tantivy::indexer::{IndexWriterOptions, LogMergePolicy};
use tantivy::{IndexReader, IndexWriter, ReloadPolicy};
use translog::{Entry, ROLL_BYTES, Translog};
use versions::Versions;

/// The name of the file that says what an index is. A folder without it is the rest of a deleted index.
pub const META_FILE: &str = "index.json";
/// What tantivy's writer may buffer; tantivy's least is 15 MB.
const WRITER_BYTES: usize = 32 << 20;
/// An index that is not written to gives its writer's memory and threads back after this long.
const WRITER_IDLE_MS: i64 = 30_000;
/// A write is found this much later when refreshes are cheap.
const REFRESH_SOON_MS: i64 = 50;
/// Under steady writing refreshes are at most this far apart (OpenSearch's default `refresh_interval`).
const REFRESH_LATE_MS: i64 = 1000;
/// Documents that no search finds yet are kept in memory; with more bytes than this a refresh does not wait.
const UNREFRESHED_BYTES_MAX: usize = 64 << 20;
/// So much of the time may go into refreshes under steady writing: one part in this many.
const REFRESH_SHARE: i64 = 8;
/// What a refresh costs is averaged over about so many of the last ones.
const COST_MEMORY: i64 = 8;

/// What an index needs of the world.
#[derive(Clone)]
pub struct World {
    pub disk: Arc<dyn Disk>,
    pub clock: Arc<dyn Clock>,
    pub dice: Arc<dyn Dice>,
}

/// What an index is: its name, its id, its settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Meta {
    /// Its name.
    pub name: String,
    /// Its id, which is also the name of its folder.
    pub uuid: String,
    /// When it was created.
    pub created: Millis,
    /// Settings that were given, flat, without `index.`.
    pub settings: Map<String, Value>,
}

/// One index.
pub struct Index {
    pub meta: Meta,
    pub layout: Layout,
    world: World,
    dir: PathBuf,
    segments: Segments,
    tantivy: tantivy::Index,
    reader: IndexReader,
    translog: Translog,
    mappings: RwLock<Arc<Mappings>>,
    state: Mutex<State>,
    /// All operations below this sequence number are found by searches.
    refreshed: Mutex<u64>,
    refresh_done: Condvar,
    /// The sequence number of the next operation, for readers.
    next_seq: AtomicU64,
}

/// What the lock guards.
pub(crate) struct State {
    writer: Option<IndexWriter>,
    versions: Versions,
    next_seq: u64,
    /// Sequence numbers below this are in tantivy's last commit, durable or not.
    committed: u64,
    /// When a refresh is due; `None` when everything written is found.
    refresh_due: Option<Millis>,
    last_write: Millis,
    refresh_cost_us: i64,
    last_refresh: Millis,
    mappings_saved: bool,
    failed: Option<String>,
}

impl Index {
    /// Makes a new index in an empty folder.
    pub fn create(world: World, dir: &Path, meta: Meta, mappings: Mappings) -> Result<Arc<Self>, Error> {
        world.disk.create_dir(&dir.join("segments"))?;
        save_meta(&*world.disk, dir, &meta, &mappings)?;
        world.disk.sync_dir(dir)?;
        if let Some(parent) = dir.parent() {
            world.disk.sync_dir(parent)?;
        }
        Self::open(world, dir)
    }

    /// Opens an index and repeats what the translog has and tantivy has not.
    pub fn open(world: World, dir: &Path) -> Result<Arc<Self>, Error> {
        let (meta, mut mappings) = load_meta(&world.disk.read(&dir.join(META_FILE))?)?;
        let at_fault = |error: Error| Error { reason: format!("{}: {}", dir.display(), error.reason), ..error };
        let layout = Layout::new();
        let directory = Segments::open(world.disk.clone(), &dir.join("segments"));
        let segments = directory.map_err(tantivy::TantivyError::from)?;
        let tantivy =
            tantivy::Index::open_or_create(segments.clone(), layout.schema.clone()).map_err(|e| at_fault(e.into()))?;
        segments.tidy(&tantivy.load_metas()?.list_segment_files())?;
        tantivy.tokenizers().register(analysis::STANDARD, analysis::standard());
        let reader = tantivy.reader_builder().reload_policy(ReloadPolicy::Manual).num_warming_threads(1).try_into()?;
        let committed = committed_seq(&tantivy)?;
        let mut replay = Vec::new();
        let translog = Translog::open(world.disk.clone(), dir, |entry| {
            if entry.seq >= committed {
                replay.push(entry);
            }
            Ok(())
        })?;
        let mut state = State {
            writer: None,
            versions: Versions::default(),
            next_seq: committed,
            committed,
            refresh_due: None,
            last_write: world.clock.now(),
            refresh_cost_us: 0,
            last_refresh: world.clock.now(),
            mappings_saved: true,
            failed: None,
        };
        for entry in replay {
            repeat(&tantivy, &layout, &mut state, &mut mappings, entry)?;
        }
        let next_seq = AtomicU64::new(state.next_seq);
        let index = Self {
            meta,
            layout,
            dir: dir.to_owned(),
            segments,
            tantivy,
            reader,
            translog,
            mappings: RwLock::new(Arc::new(mappings)),
            refreshed: Mutex::new(committed),
            refresh_done: Condvar::new(),
            next_seq,
            state: Mutex::new(state),
            world,
        };
        index.refresh()?;
        Ok(Arc::new(index))
    }

    /// The mapping now.
    pub fn mappings(&self) -> Arc<Mappings> {
        self.mappings.read().clone()
    }

    /// Adds to the mapping, durably.
    pub fn put_mapping(&self, body: &Value) -> Result<(), Error> {
        let mut state = self.state.lock();
        let mut mappings = (*self.mappings()).clone();
        mappings.merge_json(body).map_err(|error| error.at(&self.meta.name))?;
        save_meta(&*self.world.disk, &self.dir, &self.meta, &mappings)?;
        state.mappings_saved = true;
        *self.mappings.write() = Arc::new(mappings);
        Ok(())
    }

    /// Documents that searches find, and the bytes of their segments.
    pub fn size(&self) -> (u64, u64) {
        let searcher = self.reader.searcher();
        let bytes = searcher.space_usage().map_or(0, |usage| usage.total().get_bytes());
        (searcher.num_docs(), bytes)
    }

    /// Documents that were deleted or overwritten and are still in segments.
    pub fn deleted(&self) -> u64 {
        self.reader.searcher().segment_readers().iter().map(|reader| u64::from(reader.num_deleted_docs())).sum()
    }

    /// Makes everything written so far visible to searches.
    pub fn refresh(&self) -> Result<(), Error> {
        let mut state = self.state.lock();
        self.refresh_locked(&mut state)
    }

    /// Makes everything written so far visible to searches, and durable in segments, so that the next start repeats nothing.
    pub fn close(&self) -> Result<(), Error> {
        let mut state = self.state.lock();
        self.refresh_locked(&mut state)?;
        self.flush(&mut state)
    }

    /// Makes tantivy's last commit durable.
    fn flush(&self, state: &mut State) -> Result<(), Error> {
        self.segments.flush().map_err(|error| {
            let error = Error::from(error);
            state.failed = Some(format!("a flush failed: {}; restart Millrace once the disk is well", error.reason));
            error
        })
    }

    fn refresh_locked(&self, state: &mut State) -> Result<(), Error> {
        if state.refresh_due.is_none() && *self.refreshed.lock() >= state.next_seq {
            return Ok(());
        }
        if let Some(why) = &state.failed {
            return Err(Error::storage(&self.meta.name, why.clone()));
        }
        let begun = self.world.clock.now();
        let result = self.commit(state);
        if let Err(error) = &result {
            state.failed = Some(format!("a refresh failed: {}; restart Millrace once the disk is well", error.reason));
            state.refresh_due = None;
        }
        self.refresh_done.notify_all();
        result?;
        state.last_refresh = self.world.clock.now();
        // One that was slow by chance, or came after a burst, does not make the next ones late.
        state.refresh_cost_us += ((state.last_refresh - begun).max(0) * 1000 - state.refresh_cost_us) / COST_MEMORY;
        state.refresh_due = None;
        *self.refreshed.lock() = state.next_seq;
        self.refresh_done.notify_all();
        if self.translog.len() > ROLL_BYTES {
            self.flush(state)?;
            self.translog.roll()?;
        }
        Ok(())
    }

    fn commit(&self, state: &mut State) -> Result<(), Error> {
        if !state.mappings_saved {
            save_meta(&*self.world.disk, &self.dir, &self.meta, &self.mappings())?;
            state.mappings_saved = true;
        }
        if state.committed < state.next_seq {
            let payload = json!({"next_seq": state.next_seq}).to_string();
            let mut prepared = writer(&self.tantivy, &mut state.writer)?.prepare_commit()?;
            prepared.set_payload(&payload);
            prepared.commit()?;
            state.committed = state.next_seq;
        }
        self.reader.reload()?;
        state.versions.forget_visible(self.world.clock.now());
        Ok(())
    }

    /// Refreshes when it is due, and closes the writer of an index that nobody writes to. When to come again.
    pub fn tick(&self, now: Millis) -> Option<Millis> {
        let mut state = self.state.lock();
        if state.refresh_due.is_some_and(|due| due <= now) {
            // The failure is kept in the state and given to whoever writes next.
            let _ = self.refresh_locked(&mut state);
        }
        if state.refresh_due.is_none() && state.writer.is_some() {
            let idle_at = state.last_write + WRITER_IDLE_MS;
            if now < idle_at {
                return Some(idle_at);
            }
            if let Some(writer) = state.writer.take()
                && writer.wait_merging_threads().is_ok()
            {
                let _ = self.reader.reload();
                // A failure is kept in the state, as above.
                let _ = self.flush(&mut state);
            }
        }
        state.refresh_due
    }

    /// Returns when searches find everything that was written before `next_seq`.
    pub fn wait_for_refresh(&self, next_seq: u64) -> Result<(), Error> {
        let mut refreshed = self.refreshed.lock();
        while *refreshed < next_seq {
            let timed_out = self.refresh_done.wait_for(&mut refreshed, Duration::from_millis(50)).timed_out();
            if !timed_out {
                continue;
            }
            // Nothing may be due: a refresh that failed, or an index that is never refreshed by itself.
            drop(refreshed);
            let nothing_is_due = self.state.lock().refresh_due.is_none();
            if nothing_is_due {
                self.refresh()?;
            }
            refreshed = self.refreshed.lock();
        }
        Ok(())
    }

    /// The sequence number after the last operation.
    pub fn next_seq(&self) -> u64 {
        self.next_seq.load(Ordering::Acquire)
    }

    /// When the write that just happened is to become visible.
    fn schedule(&self, state: &mut State, now: Millis) {
        state.last_write = now;
        if state.refresh_due.is_some() {
            return;
        }
        let interval = match self.meta.settings.get("refresh_interval").and_then(Value::as_str).and_then(parse_interval)
        {
            Some(interval) if interval < 0 => return,
            Some(interval) => interval.max(REFRESH_SOON_MS),
            None => (state.refresh_cost_us * REFRESH_SHARE / 1000).clamp(REFRESH_SOON_MS, REFRESH_LATE_MS),
        };
        state.refresh_due = Some((state.last_refresh + interval).max(now + REFRESH_SOON_MS).min(now + interval));
    }
}

/// Milliseconds of `1s`, `500ms`, `-1`.
pub fn parse_interval(text: &str) -> Option<i64> {
    if text == "-1" {
        return Some(-1);
    }
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let count: i64 = text[..digits].parse().ok()?;
    let unit = match &text[digits..] {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    count.checked_mul(unit)
}

/// The writer, opened when it is needed.
fn writer<'a>(index: &tantivy::Index, slot: &'a mut Option<IndexWriter>) -> Result<&'a mut IndexWriter, Error> {
    if slot.is_none() {
        let options = IndexWriterOptions::builder()
            .memory_budget_per_thread(WRITER_BYTES)
            .num_worker_threads(1)
            .num_merge_threads(1)
            .build();
        let writer = index.writer_with_options(options)?;
        let mut policy = LogMergePolicy::default();
        policy.set_del_docs_ratio_before_merge(0.3);
        writer.set_merge_policy(Box::new(policy));
        *slot = Some(writer);
    }
    Ok(slot.as_mut().expect("it was just filled"))
}

/// Applies an entry of the translog again.
fn repeat(
    tantivy: &tantivy::Index,
    layout: &Layout,
    state: &mut State,
    mappings: &mut Mappings,
    entry: Entry,
) -> Result<(), Error> {
    let writer = writer(tantivy, &mut state.writer)?;
    writer.delete_term(layout.id_term(&entry.id));
    if let Some(source) = &entry.source {
        let value: Value = serde_json::from_slice(source).map_err(|e| Error::mapper_parsing(e.to_string()))?;
        let mut document = mappings.take_apart(&entry.id, &value)?;
        if !document.added.is_empty() {
            mappings.adopt(std::mem::take(&mut document.added));
            state.mappings_saved = false;
        }
        writer.add_document(layout.document(&entry.id, source, entry.seq, entry.version, document))?;
    }
    state.next_seq = state.next_seq.max(entry.seq + 1);
    Ok(())
}

fn committed_seq(index: &tantivy::Index) -> Result<u64, Error> {
    let Some(payload) = index.load_metas()?.payload else { return Ok(0) };
    let value: Value = serde_json::from_str(&payload).unwrap_or_default();
    value["next_seq"]
        .as_u64()
        .ok_or_else(|| Error::illegal_argument("the commit does not say which operations it holds"))
}

fn save_meta(disk: &dyn Disk, dir: &Path, meta: &Meta, mappings: &Mappings) -> Result<(), Error> {
    let content = json!({
        "format": 1, "name": meta.name, "uuid": meta.uuid, "created": meta.created,
        "settings": meta.settings, "mappings": mappings.to_json(),
    });
    Ok(disk.replace(&dir.join(META_FILE), content.to_string().as_bytes())?)
}

fn load_meta(content: &[u8]) -> Result<(Meta, Mappings), Error> {
    let damaged = |what: &str| Error::illegal_argument(format!("{META_FILE} is damaged: {what}"));
    let value: Value = serde_json::from_slice(content).map_err(|error| damaged(&error.to_string()))?;
    if value["format"] != 1 {
        return Err(damaged("it is of another version of Millrace"));
    }
    let text = |key: &str| value[key].as_str().map(str::to_owned).ok_or_else(|| damaged(key));
    let meta = Meta {
        name: text("name")?,
        uuid: text("uuid")?,
        created: value["created"].as_i64().ok_or_else(|| damaged("created"))?,
        settings: value["settings"].as_object().cloned().unwrap_or_default(),
    };
    Ok((meta, Mappings::from_json(&value["mappings"])?))
}
