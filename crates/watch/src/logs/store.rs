//! The store that the writer steps: groups and streams in the catalog, events in segments.
//!
//! Writers take turns; readers see what was written and wait for nobody. What is known of streams is written to the catalog
//! when a segment is closed, and found again in the last segment after a kill.

use super::segment::{self, BODY_BYTES_MAX, Blocks, SegmentInfo, file_name, number_of};
use super::types::{GroupKey, LogEvent, LogsError, StreamInfo};
use millrace_base::{Clock, Disk, DiskFile, Millis};
use millrace_catalog::{Catalog, Transaction};
use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const GROUPS: &str = "logs-group";
/// Under `GROUP ID/STREAM`.
pub const STREAMS: &str = "logs-stream";
/// Under `GROUP ID/NUMBER`: the closed segments.
const SEGMENTS: &str = "logs-segment";
const SERIALS: &str = "logs-serial";
/// Segments are read whole, so this is what a query holds in memory.
const SEGMENT_BYTES: u64 = 8 << 20;
/// A block holds at most this much, so that a reader passes over little that it does not want.
const BLOCK_BYTES: usize = 256 << 10;
/// CloudWatch's ceiling of an event; longer ones are cut into several.
pub const EVENT_BYTES_MAX: usize = 1 << 20;
/// Streams of a group whose times are not in the catalog yet; with more of them, the segment is closed early.
const TOUCHED_MAX: usize = 1024;
const _: () = assert!(BLOCK_BYTES + EVENT_BYTES_MAX + 1024 < BODY_BYTES_MAX);

/// What the store needs.
#[derive(Clone)]
pub struct LogsParts {
    /// Where groups and streams are kept.
    pub catalog: Catalog,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where segments are kept.
    pub disk: Arc<dyn Disk>,
    /// The folder of segments.
    pub dir: PathBuf,
}

/// All groups.
pub struct Store {
    pub parts: LogsParts,
    pub groups: RwLock<BTreeMap<GroupKey, Arc<Group>>>,
    /// Held by whoever changes something.
    pub changing: Mutex<()>,
}

/// A group's definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupFacts {
    pub key: GroupKey,
    pub id: u64,
    pub created: Millis,
    pub retention_days: Option<u32>,
    pub tags: BTreeMap<String, String>,
}

pub struct Group {
    pub id: u64,
    pub facts: RwLock<GroupFacts>,
    pub state: RwLock<GroupState>,
}

/// What readers see.
#[derive(Default)]
pub struct GroupState {
    /// Oldest first; the last one may be written to.
    pub segments: Vec<SegmentInfo>,
    active: Option<Active>,
    /// Streams that were written to since the segment was begun.
    pub touched: HashMap<String, StreamInfo>,
    next: u64,
}

struct Active {
    file: Arc<dyn DiskFile>,
    synced: u64,
}

/// Events for one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    pub group: GroupKey,
    pub stream: Arc<str>,
    pub events: Vec<LogEvent>,
}

impl Store {
    /// Opens what is there. What a kill left unfinished is closed.
    pub fn open(parts: LogsParts) -> Result<Self, LogsError> {
        make_dir(&*parts.disk, &parts.dir).map_err(|error| failed(&parts.dir, error))?;
        let kept = parts.catalog.list::<GroupFacts>(GROUPS, "")?;
        let store = Self { parts, groups: RwLock::default(), changing: Mutex::default() };
        let mut known: Vec<String> = Vec::new();
        for (_, facts) in kept {
            known.push(folder_name(facts.id));
            let group = store.open_group(facts)?;
            let key = group.facts.read().key.clone();
            store.groups.write().insert(key, group);
        }
        // Folders of groups whose deletion was cut off.
        for name in store.parts.disk.list(&store.parts.dir).map_err(|error| failed(&store.parts.dir, error))? {
            if !known.contains(&name) {
                let dir = store.parts.dir.join(name);
                store.parts.disk.remove_dir(&dir).map_err(|error| failed(&dir, error))?;
            }
        }
        Ok(store)
    }

    fn open_group(&self, facts: GroupFacts) -> Result<Arc<Group>, LogsError> {
        let dir = self.dir(facts.id);
        let closed = self.parts.catalog.list::<SegmentInfo>(SEGMENTS, &format!("{}/", facts.id))?;
        let mut state =
            GroupState { segments: closed.into_iter().map(|(_, info)| info).collect(), ..Default::default() };
        state.next = state.segments.last().map_or(0, |last| last.number + 1);
        let group = Group { id: facts.id, facts: RwLock::new(facts), state: RwLock::new(state) };
        let files = self.parts.disk.list(&dir).map_err(|error| failed(&dir, error))?;
        for number in files.iter().filter_map(|file| number_of(file)) {
            let is_closed = group.state.read().segments.iter().any(|info| info.number == number);
            if !is_closed {
                self.recover(&group, number)?;
            }
        }
        Ok(Arc::new(group))
    }

    /// Closes a segment that a kill left open, at its last good block.
    fn recover(&self, group: &Group, number: u64) -> Result<(), LogsError> {
        let path = self.dir(group.id).join(file_name(number));
        let content = self.parts.disk.read(&path).map_err(|error| failed(&path, error))?;
        let mut info = SegmentInfo::empty(number);
        let mut blocks = Blocks::of(&content);
        for block in blocks.by_ref() {
            info.add(block.min, block.max);
            let mut stream = match group.state.write().touched.remove(block.stream) {
                Some(stream) => stream,
                // A stream that was deleted meanwhile, or whose making was not durable, stays unknown.
                None => match self.stream_fact(group.id, block.stream)? {
                    Some(stream) if stream.id == block.stream_id => stream,
                    _ => continue,
                },
            };
            stream.note(block.min, block.max, block.ingestion);
            group.state.write().touched.insert(block.stream.to_owned(), stream);
        }
        info.len = blocks.end();
        let mut state = group.state.write();
        state.next = state.next.max(number + 1);
        if info.min > info.max {
            // Nothing good is in it. A number that was used stays used.
            drop(state);
            return self.parts.disk.remove(&path).map_err(|error| failed(&path, error));
        }
        state.segments.push(info);
        drop(state);
        // What a killed process wrote may show and not be on the disk: it is written again.
        let good = usize::try_from(info.len).unwrap_or(usize::MAX).min(content.len());
        self.parts.disk.replace(&path, &content[..good]).map_err(|error| failed(&path, error))?;
        self.close(group)
    }

    /// Appends events to one group; it and its streams are made when they are not there. When it returns `Ok`, readers see
    /// the events and a kill of the process does not lose them.
    pub fn append(&self, key: &GroupKey, puts: &[Put]) -> Result<(), LogsError> {
        let _changing = self.changing.lock();
        let group = match self.group(key) {
            Some(group) => group,
            None => self.make_group(key, BTreeMap::new())?,
        };
        self.append_to(&group, puts)
    }

    fn append_to(&self, group: &Group, puts: &[Put]) -> Result<(), LogsError> {
        let now = self.parts.clock.now();
        let mut bytes = Vec::new();
        let mut noted: Vec<(StreamInfo, Millis, Millis)> = Vec::new();
        for put in puts.iter().filter(|put| !put.events.is_empty()) {
            let stream = self.stream_or_make(group, &put.stream)?;
            for events in blocks_of(&put.events) {
                segment::encode(&mut bytes, stream.id, &stream.name, now, &events);
                let times = || events.iter().map(|event| event.timestamp);
                noted.push((stream.clone(), times().min().unwrap_or(now), times().max().unwrap_or(now)));
            }
            if bytes.len() as u64 >= SEGMENT_BYTES / 2 {
                self.write(group, &mut bytes, &mut noted, now)?;
            }
        }
        self.write(group, &mut bytes, &mut noted, now)
    }

    /// Writes encoded blocks and shows them.
    fn write(
        &self,
        group: &Group,
        bytes: &mut Vec<u8>,
        noted: &mut Vec<(StreamInfo, Millis, Millis)>,
        now: Millis,
    ) -> Result<(), LogsError> {
        if bytes.is_empty() {
            return Ok(());
        }
        let (file, at) = self.active(group)?;
        if let Err(error) = file.write_at(bytes, at) {
            // The segment ends before what may be torn.
            self.close(group)?;
            return Err(failed(&self.dir(group.id), error));
        }
        let mut state = group.state.write();
        if let Some(last) = state.segments.last_mut() {
            last.len += bytes.len() as u64;
            noted.iter().for_each(|(_, min, max)| last.add(*min, *max));
        }
        for (stream, min, max) in noted.drain(..) {
            state.touched.entry(stream.name.to_string()).or_insert(stream).note(min, max, now);
        }
        bytes.clear();
        let full = state.segments.last().is_some_and(|last| last.len >= SEGMENT_BYTES);
        let crowded = state.touched.len() >= TOUCHED_MAX;
        drop(state);
        if full || crowded { self.close(group) } else { Ok(()) }
    }

    /// The file that is written to, and where.
    fn active(&self, group: &Group) -> Result<(Arc<dyn DiskFile>, u64), LogsError> {
        let mut state = group.state.write();
        if let (Some(active), Some(last)) = (&state.active, state.segments.last()) {
            return Ok((active.file.clone(), last.len));
        }
        let dir = self.dir(group.id);
        let path = dir.join(file_name(state.next));
        let made = make_dir(&*self.parts.disk, &dir).and_then(|()| {
            let file = self.parts.disk.open(&path, true)?;
            file.set_len(0)?;
            file.write_at(&segment::header(), 0)?;
            self.parts.disk.sync_dir(&dir)?;
            Ok(file)
        });
        let file = made.map_err(|error| failed(&path, error))?;
        let info = SegmentInfo::empty(state.next);
        state.next += 1;
        state.segments.push(info);
        state.active = Some(Active { file: file.clone(), synced: 0 });
        Ok((file, info.len))
    }

    /// Ends the last segment and writes down what is known of it and of its streams.
    pub fn close(&self, group: &Group) -> Result<(), LogsError> {
        let (active, last, touched) = {
            let mut state = group.state.write();
            let active = state.active.take();
            if state.segments.last().is_some_and(|last| last.min > last.max) {
                state.segments.pop();
            }
            (active, state.segments.last().copied(), std::mem::take(&mut state.touched))
        };
        // What is not synced now may be lost with the machine's power, never with the process.
        let synced = active.map_or(Ok(()), |active| active.file.sync());
        self.parts.catalog.update(|transaction| {
            if let Some(last) = last {
                transaction.put(SEGMENTS, &format!("{}/{:010}", group.id, last.number), &last)?;
            }
            touched.values().try_for_each(|stream| put_stream(transaction, group.id, stream))
        })?;
        synced.map_err(|error| failed(&self.dir(group.id), error))
    }

    /// Makes durable what was written since the last call.
    pub fn sync(&self) -> Result<(), LogsError> {
        let groups: Vec<_> = self.groups.read().values().cloned().collect();
        for group in groups {
            let due = {
                let state = group.state.read();
                let len = state.segments.last().map_or(0, |last| last.len);
                state.active.as_ref().filter(|active| active.synced < len).map(|active| (active.file.clone(), len))
            };
            let Some((file, len)) = due else { continue };
            if let Err(error) = file.sync() {
                // Never synced again: a new segment takes what comes.
                let _changing = self.changing.lock();
                group.state.write().active = None;
                return Err(failed(&self.dir(group.id), error));
            }
            if let Some(active) = &mut group.state.write().active {
                active.synced = len;
            }
        }
        Ok(())
    }

    pub fn group(&self, key: &GroupKey) -> Option<Arc<Group>> {
        self.groups.read().get(key).cloned()
    }

    /// Makes a group. `changing` is held.
    pub fn make_group(&self, key: &GroupKey, tags: BTreeMap<String, String>) -> Result<Arc<Group>, LogsError> {
        let created = self.parts.clock.now();
        let facts = self.parts.catalog.update(|transaction| {
            let id = serial(transaction)?;
            let facts = GroupFacts { key: key.clone(), id, created, retention_days: None, tags };
            transaction.put(GROUPS, &key.to_string(), &facts)?;
            Ok::<_, LogsError>(facts)
        })?;
        let group = Arc::new(Group { id: facts.id, facts: RwLock::new(facts), state: RwLock::default() });
        self.groups.write().insert(key.clone(), group.clone());
        Ok(group)
    }

    /// Writes a group's definition.
    pub fn put_group(&self, facts: &GroupFacts) -> Result<(), LogsError> {
        Ok(self.parts.catalog.put(GROUPS, &facts.key.to_string(), facts)?)
    }

    /// Forgets a group and all in it. `changing` is held.
    pub fn remove_group(&self, key: &GroupKey, group: &Group) -> Result<(), LogsError> {
        let prefix = format!("{}/", group.id);
        let streams = self.parts.catalog.list::<StreamInfo>(STREAMS, &prefix)?;
        let segments = self.parts.catalog.list::<SegmentInfo>(SEGMENTS, &prefix)?;
        self.parts.catalog.update(|transaction| {
            transaction.delete(GROUPS, &key.to_string())?;
            for (place, _) in streams {
                transaction.delete(STREAMS, &place)?;
            }
            for (place, _) in segments {
                transaction.delete(SEGMENTS, &place)?;
            }
            Ok::<_, LogsError>(())
        })?;
        self.groups.write().remove(key);
        let dir = self.dir(group.id);
        self.parts.disk.remove_dir(&dir).map_err(|error| failed(&dir, error))
    }

    /// Removes segments, oldest first or not, that are closed.
    pub fn remove_segments(&self, group: &Group, gone: &[u64]) -> Result<(), LogsError> {
        self.parts.catalog.update(|transaction| {
            for number in gone {
                transaction.delete(SEGMENTS, &format!("{}/{number:010}", group.id))?;
            }
            Ok::<_, LogsError>(())
        })?;
        group.state.write().segments.retain(|info| !gone.contains(&info.number));
        for number in gone {
            let path = self.dir(group.id).join(file_name(*number));
            self.parts.disk.remove(&path).map_err(|error| failed(&path, error))?;
        }
        Ok(())
    }

    fn stream_or_make(&self, group: &Group, name: &str) -> Result<StreamInfo, LogsError> {
        match self.stream(group, name)? {
            Some(stream) => Ok(stream),
            None => self.make_stream(group, name),
        }
    }

    /// A stream with its latest times.
    pub fn stream(&self, group: &Group, name: &str) -> Result<Option<StreamInfo>, LogsError> {
        if let Some(stream) = group.state.read().touched.get(name) {
            return Ok(Some(stream.clone()));
        }
        self.stream_fact(group.id, name)
    }

    fn stream_fact(&self, group: u64, name: &str) -> Result<Option<StreamInfo>, LogsError> {
        Ok(self.parts.catalog.get(STREAMS, &format!("{group}/{name}"))?)
    }

    /// Makes a stream. `changing` is held.
    pub fn make_stream(&self, group: &Group, name: &str) -> Result<StreamInfo, LogsError> {
        let created = self.parts.clock.now();
        self.parts.catalog.update(|transaction| {
            let id = serial(transaction)?;
            let stream = StreamInfo { name: name.into(), id, created, first: None, last: None, last_ingestion: None };
            put_stream(transaction, group.id, &stream)?;
            Ok(stream)
        })
    }

    pub fn dir(&self, group: u64) -> PathBuf {
        self.parts.dir.join(folder_name(group))
    }
}

impl StreamInfo {
    fn note(&mut self, min: Millis, max: Millis, now: Millis) {
        self.first = Some(self.first.map_or(min, |first| first.min(min)));
        self.last = Some(self.last.map_or(max, |last| last.max(max)));
        self.last_ingestion = Some(now);
    }
}

fn folder_name(group: u64) -> String {
    format!("{group:010}")
}

fn put_stream(transaction: &mut Transaction<'_>, group: u64, stream: &StreamInfo) -> Result<(), LogsError> {
    Ok(transaction.put(STREAMS, &format!("{group}/{}", stream.name), stream)?)
}

fn serial(transaction: &mut Transaction<'_>) -> Result<u64, LogsError> {
    let next = transaction.get::<u64>(SERIALS, "next")?.unwrap_or(1);
    transaction.put(SERIALS, "next", &(next + 1))?;
    Ok(next)
}

/// Events in portions that make one block each; messages that are too long are cut.
fn blocks_of(events: &[LogEvent]) -> Vec<Vec<LogEvent>> {
    let (mut blocks, mut block, mut bytes) = (Vec::new(), Vec::new(), 0);
    for event in events.iter().flat_map(cut) {
        if bytes > 0 && bytes + event.message.len() > BLOCK_BYTES {
            blocks.push(std::mem::take(&mut block));
            bytes = 0;
        }
        bytes += event.message.len();
        block.push(event);
    }
    blocks.push(block);
    blocks
}

fn cut(event: &LogEvent) -> Vec<LogEvent> {
    let (mut parts, mut rest) = (Vec::new(), event.message.as_str());
    while rest.len() > EVENT_BYTES_MAX {
        let end = (0..=EVENT_BYTES_MAX).rev().find(|end| rest.is_char_boundary(*end)).unwrap_or(EVENT_BYTES_MAX);
        let (part, more) = rest.split_at(end);
        parts.push(LogEvent { timestamp: event.timestamp, message: part.to_owned() });
        rest = more;
    }
    parts.push(LogEvent { timestamp: event.timestamp, message: rest.to_owned() });
    parts
}

/// Makes a folder whose own name is durable, too: found by the test that lets the power fail.
fn make_dir(disk: &dyn Disk, dir: &Path) -> io::Result<()> {
    disk.create_dir(dir)?;
    dir.parent().map_or(Ok(()), |parent| disk.sync_dir(parent))
}

pub fn failed(path: &Path, error: io::Error) -> LogsError {
    LogsError::Disk { place: path.display().to_string(), error }
}
