//! One index: its mapping, its translog and its segments.
//!
//! A write is decided under the index's lock (version, sequence number, mapping), goes to the translog, and is acknowledged
//! once the translog is synced. Whoever has tantivy's writer hands on to it what waits, in order; a refresh commits it, after
//! which the write is found by searches; a flush syncs that commit, after which the translog may forget it. Writes do not
//! wait for refreshes, refreshes do not wait for flushes, nor reads for the lock.

mod ids;
mod layout;
mod merges;
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
use ids::{Ids, Learner};
use merges::Merges;
use millrace_base::{Clock, Dice, Disk, Millis};
use parking_lot::{Condvar, Mutex, RwLock};
use segments::Segments;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tantivy::indexer::IndexWriterOptions;
use tantivy::{IndexReader, IndexSettings, IndexWriter, ReloadPolicy, TantivyDocument, Term};
use translog::{Entry, ROLL_BYTES, Translog};
use versions::Versions;

/// The name of the file that says what an index is. A folder without it is the rest of a deleted index.
pub const META_FILE: &str = "index.json";
/// The format of segments. 1 had automata as term dictionaries.
const FORMAT: u64 = 2;
/// What tantivy's writer may buffer; tantivy's least is 15 MB.
const WRITER_BYTES: usize = 32 << 20;
/// While a merge of a million documents takes its minute, the small segments of every refresh must not pile up behind it.
const MERGE_THREADS: usize = 2;
/// An index that is not written to gives its writer's memory and threads back after this long.
const WRITER_IDLE_MS: i64 = 30_000;
/// A write is found this much later when refreshes are cheap.
const REFRESH_SOON_MS: i64 = 50;
/// Under steady writing refreshes are at most this far apart (OpenSearch's default `refresh_interval`).
const REFRESH_LATE_MS: i64 = 1000;
/// Documents that no search finds yet are kept in memory; with more bytes than this a refresh does not wait.
const UNREFRESHED_BYTES_MAX: usize = 64 << 20;
/// Under steady writing a refresh comes after so many times what the last ones took.
const REFRESH_SHARE: i64 = 3;
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
    /// Taken before `state` by whoever takes both.
    writing: Mutex<Writing>,
    /// One flush at a time. Taken after `writing` and before `state`.
    flushing: Mutex<()>,
    state: Mutex<State>,
    /// Reads the ids of old segments; nothing when they are known.
    learner: Mutex<Option<Learner>>,
    /// All operations below this sequence number are found by searches.
    refreshed: Mutex<u64>,
    refresh_done: Condvar,
    /// The sequence number of the next operation, for readers.
    next_seq: AtomicU64,
}

/// What the lock guards.
pub(crate) struct State {
    versions: Versions,
    /// What may be in segments.
    ids: Ids,
    next_seq: u64,
    /// What tantivy's writer has not been given yet, in order.
    waiting: Vec<Step>,
    /// When a refresh is due; `None` when everything written is found.
    refresh_due: Option<Millis>,
    last_write: Millis,
    refresh_cost_us: i64,
    last_refresh: Millis,
    mappings_saved: bool,
    /// The last of the translog's generations that a commit holds whole: a flush makes it durable and forgets them.
    rolled: Option<u64>,
    failed: Option<String>,
}

/// What one operation does to the segments.
struct Step {
    /// The document that is there is taken away.
    replaces: Option<Term>,
    /// This one is added.
    document: Option<TantivyDocument>,
}

/// Tantivy's writer.
struct Writing {
    writer: Option<IndexWriter>,
    /// Sequence numbers below this were given to it.
    fed: u64,
    /// Sequence numbers below this are in its last commit, durable or not.
    committed: u64,
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
        let at_fault = |error: Error| Error { reason: format!("{}: {}", dir.display(), error.reason), ..error };
        let (meta, mut mappings) = load_meta(&world.disk.read(&dir.join(META_FILE))?).map_err(at_fault)?;
        let layout = Layout::new();
        let directory = Segments::open(world.disk.clone(), &dir.join("segments"));
        let segments = directory.map_err(tantivy::TantivyError::from)?;
        // A thread of its own for every segment that is written costs more than it gains.
        let settings = IndexSettings { docstore_compress_dedicated_thread: false, ..IndexSettings::default() };
        let builder = tantivy::Index::builder().settings(settings).schema(layout.schema.clone());
        let tantivy = builder.open_or_create(segments.clone()).map_err(|e| at_fault(e.into()))?;
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
        let mut writing = Writing { writer: None, fed: committed, committed };
        let mut state = State {
            versions: Versions::default(),
            ids: Ids::new(true),
            next_seq: committed,
            waiting: Vec::new(),
            refresh_due: None,
            last_write: world.clock.now(),
            refresh_cost_us: 0,
            last_refresh: world.clock.now(),
            mappings_saved: true,
            rolled: None,
            failed: None,
        };
        for entry in replay {
            repeat(&tantivy, &layout, (&mut writing, &mut state), &mut mappings, entry)?;
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
            writing: Mutex::new(writing),
            flushing: Mutex::new(()),
            state: Mutex::new(state),
            learner: Mutex::default(),
            world,
        };
        index.refresh()?;
        let learner = Learner::new(index.searcher());
        index.state.lock().ids = Ids::new(learner.is_none());
        *index.learner.lock() = learner;
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

    /// Documents that searches find, and what segments take on the disk, in bytes.
    pub fn size(&self) -> (u64, u64) {
        // A folder that is not there any more holds nothing.
        (self.reader.searcher().num_docs(), self.segments.bytes().unwrap_or_default())
    }

    /// Documents that were deleted or overwritten and are still in segments.
    pub fn deleted(&self) -> u64 {
        self.reader.searcher().segment_readers().iter().map(|reader| u64::from(reader.num_deleted_docs())).sum()
    }

    /// Makes everything written so far visible to searches.
    pub fn refresh(&self) -> Result<(), Error> {
        let mut writing = self.writing.lock();
        {
            let mut state = self.state.lock();
            if state.refresh_due.is_none() && *self.refreshed.lock() >= state.next_seq {
                return Ok(());
            }
            // What is written from here on is found by the next one.
            state.refresh_due = None;
        }
        let begun = self.world.clock.now();
        let old = self.feed(&mut writing, self.translog.len() > ROLL_BYTES)?;
        self.commit(&mut writing).map_err(|error| self.fail("a refresh", error))?;
        let now = self.world.clock.now();
        {
            let mut state = self.state.lock();
            state.versions.forget_visible(writing.committed, now);
            // One that was slow by chance, or came after a burst, does not make the next ones late.
            state.refresh_cost_us += ((now - begun).max(0) * 1000 - state.refresh_cost_us) / COST_MEMORY;
            state.last_refresh = now;
            if state.refresh_due.take().is_some() {
                self.schedule(&mut state, now);
            }
            state.rolled = old.or(state.rolled);
        }
        *self.refreshed.lock() = writing.committed;
        self.refresh_done.notify_all();
        Ok(())
    }

    /// Makes everything written so far visible to searches, and durable in segments, so that the next start repeats nothing.
    pub fn close(&self) -> Result<(), Error> {
        self.refresh()?;
        self.flush()
    }

    /// Ends all work on an index that is deleted: nothing is written to its folder any more, and writes that are late are
    /// refused.
    pub fn discard(&self) {
        let mut writing = self.writing.lock();
        let mut state = self.state.lock();
        state.failed = Some("it is deleted".to_owned());
        state.refresh_due = None;
        drop(state);
        if let Some(writer) = writing.writer.take() {
            // What a merge made of it is deleted with the rest.
            let _ = writer.wait_merging_threads();
        }
        // A flush that is under way ends; none begins any more.
        drop(self.flushing.lock());
        self.refresh_done.notify_all();
    }

    /// Whether the translog has what a flush would let it forget.
    pub fn wants_flush(&self) -> bool {
        self.state.lock().rolled.is_some()
    }

    /// Makes tantivy's last commit durable, so that the translog may forget what it holds. Writes and refreshes go on meanwhile.
    pub fn flush(&self) -> Result<(), Error> {
        let _one_at_a_time = self.flushing.lock();
        let rolled = {
            let mut state = self.state.lock();
            if let Some(why) = &state.failed {
                return Err(Error::storage(&self.meta.name, why.clone()));
            }
            state.rolled.take()
        };
        self.segments.flush().map_err(|error| self.fail("a flush", error.into()))?;
        rolled.map_or(Ok(()), |rolled| Ok(self.translog.forget(rolled)?))
    }

    /// From now on the index takes no writes: tantivy may lack some that were acknowledged, which the translog has.
    fn fail(&self, what: &str, error: Error) -> Error {
        let mut state = self.state.lock();
        state.failed = Some(format!("{what} failed: {}; restart Millrace once the disk is well", error.reason));
        state.refresh_due = None;
        drop(state);
        self.refresh_done.notify_all();
        error
    }

    /// Hands on to tantivy's writer what waits for it; with `roll` it is the last of the translog's generation, whose number is
    /// given.
    fn feed(&self, writing: &mut Writing, roll: bool) -> Result<Option<u64>, Error> {
        let (steps, old) = {
            let mut state = self.state.lock();
            if let Some(why) = &state.failed {
                return Err(Error::storage(&self.meta.name, why.clone()));
            }
            let old = roll.then(|| self.translog.roll()).transpose();
            writing.fed = state.next_seq;
            (std::mem::take(&mut state.waiting), old)
        };
        let fed = writer(&self.tantivy, &mut writing.writer).and_then(|writer| {
            for step in steps {
                if let Some(term) = step.replaces {
                    writer.delete_term(term);
                }
                if let Some(document) = step.document {
                    writer.add_document(document)?;
                }
            }
            Ok(())
        });
        fed.and(old.map_err(Error::from)).map_err(|error| self.fail("a write to a segment", error))
    }

    fn commit(&self, writing: &mut Writing) -> Result<(), Error> {
        {
            let mut state = self.state.lock();
            if !state.mappings_saved {
                save_meta(&*self.world.disk, &self.dir, &self.meta, &self.mappings())?;
                state.mappings_saved = true;
            }
        }
        if writing.committed < writing.fed {
            let payload = json!({"next_seq": writing.fed}).to_string();
            let mut prepared = writer(&self.tantivy, &mut writing.writer)?.prepare_commit()?;
            prepared.set_payload(&payload);
            prepared.commit()?;
            writing.committed = writing.fed;
        }
        Ok(self.reader.reload()?)
    }

    /// Does what is due, and a piece of what may wait. When to come again.
    pub fn tick(&self, now: Millis) -> Option<Millis> {
        let next = self.tend(now);
        if self.learn() { Some(now) } else { next }
    }

    /// Refreshes when it is due, and closes the writer of an index that nobody writes to. When to come again.
    fn tend(&self, now: Millis) -> Option<Millis> {
        if self.state.lock().refresh_due.is_some_and(|due| due <= now) {
            // The failure is kept in the state and given to whoever writes next.
            let _ = self.refresh();
        }
        let idle_at = {
            let state = self.state.lock();
            if state.refresh_due.is_some() {
                return state.refresh_due;
            }
            state.last_write + WRITER_IDLE_MS
        };
        let mut writing = self.writing.lock();
        writing.writer.as_ref()?;
        if now < idle_at {
            return Some(idle_at);
        }
        if let Some(writer) = writing.writer.take()
            && writer.wait_merging_threads().is_ok()
        {
            let _ = self.reader.reload();
            // A failure is kept in the state, as above.
            let _ = self.flush();
        }
        None
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

    /// When what is written now is to become visible.
    fn schedule(&self, state: &mut State, now: Millis) {
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
            .num_merge_threads(MERGE_THREADS)
            .build();
        let writer = index.writer_with_options(options)?;
        writer.set_merge_policy(Box::new(Merges::new(index)));
        *slot = Some(writer);
    }
    Ok(slot.as_mut().expect("it was just filled"))
}

/// Applies an entry of the translog again.
fn repeat(
    tantivy: &tantivy::Index,
    layout: &Layout,
    (writing, state): (&mut Writing, &mut State),
    mappings: &mut Mappings,
    entry: Entry,
) -> Result<(), Error> {
    let writer = writer(tantivy, &mut writing.writer)?;
    writer.delete_term(layout.id_term(&entry.id));
    if let Some(source) = &entry.source {
        let mut document = mappings.take_apart(&entry.id, source)?;
        if !document.added.is_empty() {
            mappings.adopt(std::mem::take(&mut document.added));
            state.mappings_saved = false;
        }
        let mut placed = layout.document(&entry.id, source, &document.values);
        layout.place(&mut placed, entry.seq, entry.version);
        writer.add_document(placed)?;
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
        "format": FORMAT, "name": meta.name, "uuid": meta.uuid, "created": meta.created,
        "settings": meta.settings, "mappings": mappings.to_json(),
    });
    Ok(disk.replace(&dir.join(META_FILE), content.to_string().as_bytes())?)
}

fn load_meta(content: &[u8]) -> Result<(Meta, Mappings), Error> {
    let damaged = |what: &str| Error::illegal_argument(format!("{META_FILE} is damaged: {what}"));
    let value: Value = serde_json::from_slice(content).map_err(|error| damaged(&error.to_string()))?;
    if value["format"] != FORMAT {
        return Err(Error::illegal_argument(format!(
            "the index {} is of format {}, and this Millrace has format {FORMAT}: move this folder away, start, and build the \
             index anew from its stream or its lake with `millrace backfill`",
            value["name"], value["format"]
        )));
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
