//! Writing documents: what becomes of each, decided one after the other under the index's lock.

use super::translog::Entry;
use super::versions::Version;
use super::{Index, State, Step, UNREFRESHED_BYTES_MAX};
use crate::error::Error;
use crate::mapping::{Document, Field, Mappings};
use bytes::Bytes;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tantivy::TantivyDocument;

/// OpenSearch's limit of an `_id`.
const ID_BYTES_MAX: usize = 512;
/// About what an operation takes in the translog beside its document.
const ENTRY_BYTES: usize = 64;
/// Characters of the ids that the index gives, without padding (as OpenSearch's are).
const ID_LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// One thing to do.
#[derive(Debug, Clone)]
pub struct Write {
    /// The document; the index gives an id to one that has none.
    pub id: Option<String>,
    /// What to do.
    pub action: Action,
    /// Only if.
    pub condition: Condition,
}

/// What to do with a document.
#[derive(Debug, Clone)]
pub enum Action {
    /// Put it, over what is there.
    Index(Bytes),
    /// Put it, if nothing is there.
    Create(Bytes),
    /// Change it: the body of an `_update`.
    Update(Bytes),
    /// Take it away.
    Delete,
}

impl Write {
    /// The size of the document, or of what changes it.
    pub(crate) fn bytes(&self) -> usize {
        match &self.action {
            Action::Index(source) | Action::Create(source) | Action::Update(source) => source.len(),
            Action::Delete => 0,
        }
    }
}

/// What must hold for a write to be done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Condition {
    /// The last operation on the document was this one.
    pub if_seq_no: Option<u64>,
    /// … of this primary term (there is only term 1).
    pub if_primary_term: Option<u64>,
    /// `version_type=external`: the document's version is below this one, and becomes it.
    pub external_version: Option<u64>,
}

/// What became of a write.
#[derive(Debug, Clone, PartialEq)]
pub struct Done {
    /// The document.
    pub id: String,
    /// `created`, `updated`, `deleted`, `noop` or `not_found`.
    pub result: &'static str,
    /// `_version`.
    pub version: u64,
    /// `_seq_no`.
    pub seq: u64,
}

impl Done {
    /// The HTTP status of it.
    pub fn status(&self) -> u16 {
        match self.result {
            "created" => 201,
            "not_found" => 404,
            _ => 200,
        }
    }
}

/// A write whose JSON has been read, outside the lock.
enum Read {
    Put { put: Put, create: bool },
    Update(Box<Update>),
    Delete,
}

/// A document that is to be put.
struct Put {
    source: Bytes,
    document: TantivyDocument,
    /// Fields that it brings to the mapping.
    added: BTreeMap<String, Field>,
    /// By what it was taken apart.
    by: Arc<Mappings>,
}

#[derive(Default)]
struct Update {
    doc: Option<Map<String, Value>>,
    upsert: Option<Value>,
    doc_as_upsert: bool,
    detect_noop: bool,
}

impl Index {
    /// Does several writes in order; each has its own result. Those that succeeded are durable when this returns.
    pub fn write(&self, writes: Vec<Write>) -> Result<Vec<Result<Done, Error>>, Error> {
        let mappings = self.mappings();
        let room: usize = writes.iter().map(|write| write.bytes() + ENTRY_BYTES).sum();
        let read = |write: Write| {
            let id = write.id.unwrap_or_else(|| self.new_id());
            (self.read(&mappings, &id, write.action), id, write.condition)
        };
        let reads: Vec<_> = writes.into_iter().map(read).collect();
        let mut state = self.state.lock();
        if let Some(why) = &state.failed {
            return Err(Error::storage(&self.meta.name, why.clone()));
        }
        let records = Vec::with_capacity(room);
        let steps = Vec::with_capacity(reads.len());
        let mut batch = Batch { records, steps, mappings: self.mappings(), grown: false };
        let mut results = Vec::with_capacity(reads.len());
        for (read, id, condition) in reads {
            let done = read.and_then(|read| self.decide(&mut state, &mut batch, id, condition, read));
            results.push(done.map_err(|error| if error.index.is_none() { error.at(&self.meta.name) } else { error }));
        }
        if batch.grown {
            state.mappings_saved = false;
            *self.mappings.write() = batch.mappings;
        }
        if batch.records.is_empty() {
            return Ok(results);
        }
        let now = self.world.clock.now();
        state.last_write = now;
        self.schedule(&mut state, now);
        self.next_seq.store(state.next_seq, Ordering::Release);
        let position = self.translog.append(&batch.records).map_err(|error| {
            let why = format!("the translog cannot be written: {error}");
            state.failed = Some(why.clone());
            state.refresh_due = None;
            Error::storage(&self.meta.name, why)
        })?;
        // What the translog does not have must never be committed.
        state.waiting.append(&mut batch.steps);
        let is_full = state.versions.bytes() > UNREFRESHED_BYTES_MAX;
        drop(state);
        if is_full {
            self.refresh()?;
        } else if let Some(mut writing) = self.writing.try_lock() {
            self.feed(&mut writing, false)?;
        }
        let synced = self.translog.sync(position);
        synced.map_err(|error| Error::storage(&self.meta.name, format!("the translog cannot be written: {error}")))?;
        Ok(results)
    }

    fn decide(
        &self,
        state: &mut State,
        batch: &mut Batch,
        id: String,
        condition: Condition,
        read: Read,
    ) -> Result<Done, Error> {
        if id.is_empty() {
            return Err(Error::illegal_argument("if _id is specified it must not be empty"));
        }
        if id.len() > ID_BYTES_MAX {
            let reason = format!("id is too long, must be no longer than {ID_BYTES_MAX} bytes but was: {}", id.len());
            return Err(Error::illegal_argument(reason));
        }
        let current = self.current(state, &id)?;
        let exists = current.as_ref().is_some_and(|current| current.exists);
        self.check(condition, current.as_ref().map(|current| (current.version, current.seq, current.exists)), &id)?;
        let version = match (condition.external_version, &current) {
            (Some(version), _) => version,
            (None, Some(current)) => current.version + 1,
            (None, None) => 1,
        };
        match read {
            Read::Put { create: true, .. } if exists => {
                let version = version - 1;
                Err(Error::version_conflict(
                    &self.meta.name,
                    &id,
                    &format!("document already exists (current version [{version}])"),
                ))
            }
            Read::Put { put, .. } => self.put(state, batch, id, put, version, exists),
            Read::Update(update) => self.update(state, batch, id, *update, version),
            Read::Delete => {
                let result = if exists { "deleted" } else { "not_found" };
                self.commit_one(state, batch, Entry { seq: 0, version, id, source: None }, None, result)
            }
        }
    }

    fn check(&self, condition: Condition, current: Option<(u64, u64, bool)>, id: &str) -> Result<(), Error> {
        let conflict = |why: String| Err(Error::version_conflict(&self.meta.name, id, &why));
        if let Some(wanted) = condition.if_seq_no {
            let term = condition.if_primary_term.unwrap_or(1);
            return match current {
                Some((_, seq, true)) if seq == wanted && term == 1 => Ok(()),
                Some((_, seq, true)) => conflict(format!(
                    "required seqNo [{wanted}], primary term [{term}]. current document has seqNo [{seq}] and primary term [1]"
                )),
                _ => conflict(format!("required seqNo [{wanted}], primary term [{term}]. but no document was found")),
            };
        }
        match (condition.external_version, current) {
            (Some(wanted), Some((version, _, _))) if wanted <= version => {
                conflict(format!("current version [{version}] is higher or equal to the one provided [{wanted}]"))
            }
            _ => Ok(()),
        }
    }

    fn put(
        &self,
        state: &mut State,
        batch: &mut Batch,
        id: String,
        put: Put,
        version: u64,
        exists: bool,
    ) -> Result<Done, Error> {
        let result = if exists { "updated" } else { "created" };
        // The mapping may have grown since, even by the documents before this one.
        let Put { source, document, added, .. } = match Arc::ptr_eq(&put.by, &batch.mappings) {
            true => put,
            false => self.take_apart(&batch.mappings, &id, put.source)?,
        };
        if !added.is_empty() {
            Arc::make_mut(&mut batch.mappings).adopt(added);
            batch.grown = true;
        }
        let entry = Entry { seq: 0, version, id, source: Some(source) };
        self.commit_one(state, batch, entry, Some(document), result)
    }

    fn take_apart(&self, by: &Arc<Mappings>, id: &str, source: Bytes) -> Result<Put, Error> {
        let Document { values, added } = by.take_apart(id, &source)?;
        Ok(Put { document: self.layout.document(id, &source, &values), source, added, by: by.clone() })
    }

    /// Reads the JSON of a write.
    fn read(&self, mappings: &Arc<Mappings>, id: &str, action: Action) -> Result<Read, Error> {
        match action {
            Action::Index(source) => Ok(Read::Put { put: self.take_apart(mappings, id, source)?, create: false }),
            Action::Create(source) => Ok(Read::Put { put: self.take_apart(mappings, id, source)?, create: true }),
            Action::Update(body) => {
                let body = serde_json::from_slice(&body);
                let body = body.map_err(|error| Error::mapper_parsing(format!("failed to parse: {error}")))?;
                read_update(body).map(|update| Read::Update(Box::new(update)))
            }
            Action::Delete => Ok(Read::Delete),
        }
    }

    fn update(
        &self,
        state: &mut State,
        batch: &mut Batch,
        id: String,
        update: Update,
        version: u64,
    ) -> Result<Done, Error> {
        let existing = self.get_locked(state, &id)?;
        let Some(existing) = existing else {
            let fresh = match (update.upsert, update.doc) {
                (Some(upsert), _) => upsert,
                (None, Some(doc)) if update.doc_as_upsert => Value::Object(doc),
                _ => return Err(Error::document_missing(&self.meta.name, &id)),
            };
            let put = self.take_apart(&batch.mappings, &id, fresh.to_string().into())?;
            return self.put(state, batch, id, put, version, false);
        };
        let mut value: Value =
            serde_json::from_slice(&existing.source).map_err(|e| Error::mapper_parsing(e.to_string()))?;
        let changed = merge(&mut value, update.doc.unwrap_or_default());
        if !changed && update.detect_noop {
            return Ok(Done { id, result: "noop", version: existing.version, seq: existing.seq });
        }
        let put = self.take_apart(&batch.mappings, &id, value.to_string().into())?;
        self.put(state, batch, id, put, version, true)
    }

    /// Gives the operation its place, for translog, tantivy and the versions.
    fn commit_one(
        &self,
        state: &mut State,
        batch: &mut Batch,
        mut entry: Entry,
        mut document: Option<TantivyDocument>,
        result: &'static str,
    ) -> Result<Done, Error> {
        entry.seq = state.next_seq;
        let is_first = result == "created" && entry.version == 1;
        if let Some(document) = &mut document {
            self.layout.place(document, entry.seq, entry.version);
        }
        batch.steps.push(Step { replaces: (!is_first).then(|| self.layout.id_term(&entry.id)), document });
        state.next_seq += 1;
        entry.encode(&mut batch.records);
        let done = Done { id: entry.id.clone(), result, version: entry.version, seq: entry.seq };
        let version = Version { version: entry.version, seq: entry.seq, source: entry.source };
        state.ids.add(entry.id.as_bytes());
        state.versions.put(&entry.id, version, self.world.clock.now());
        Ok(done)
    }

    /// Twenty random characters.
    fn new_id(&self) -> String {
        let (high, low) = (self.world.dice.roll(), self.world.dice.roll());
        let bits = u128::from(high) << 64 | u128::from(low);
        (0..20).map(|at| char::from(ID_LETTERS[(bits >> (at * 6)) as usize & 63])).collect()
    }
}

/// What a batch of writes has made so far.
struct Batch {
    records: Vec<u8>,
    steps: Vec<Step>,
    mappings: Arc<Mappings>,
    grown: bool,
}

fn read_update(body: Value) -> Result<Update, Error> {
    let Value::Object(body) = body else {
        return Err(Error::parsing("the body of an update is an object with [doc]"));
    };
    let mut update = Update { detect_noop: true, ..Update::default() };
    for (key, value) in body {
        match (key.as_str(), value) {
            ("doc", Value::Object(doc)) => update.doc = Some(doc),
            ("upsert", upsert @ Value::Object(_)) => update.upsert = Some(upsert),
            ("doc_as_upsert", Value::Bool(truth)) => update.doc_as_upsert = truth,
            ("detect_noop", Value::Bool(truth)) => update.detect_noop = truth,
            ("script", _) => return Err(Error::not_supported("[script] in an update")),
            (other, _) => {
                return Err(Error::parsing(format!("[UpdateRequest] unknown field [{other}] or wrong type of it")));
            }
        }
    }
    if update.doc.is_none() {
        return Err(Error::validation("script or doc is missing"));
    }
    Ok(update)
}

/// Merges a partial document into a whole one, objects member by member; true when anything changed.
fn merge(into: &mut Value, partial: Map<String, Value>) -> bool {
    let Some(into) = into.as_object_mut() else { return false };
    let mut changed = false;
    for (key, value) in partial {
        match (into.get_mut(&key), value) {
            (Some(existing @ Value::Object(_)), Value::Object(inner)) => changed |= merge(existing, inner),
            (Some(existing), value) => {
                changed |= *existing != value;
                *existing = value;
            }
            (None, value) => {
                changed = true;
                into.insert(key, value);
            }
        }
    }
    changed
}
