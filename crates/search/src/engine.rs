//! The engine: many indices in one folder.
//!
//! Everything here is a step that a caller takes; the one thread, which refreshes, is started by [`Engine::start`] and only
//! calls [`Engine::tick`].

use crate::aliases::{self, Aliases, Change};
use crate::definitions::{self, Definitions, Plan};
use crate::error::Error;
use crate::find::{self, SearchRequest, Target};
use crate::index::{Done, Found, Index, META_FILE, Meta, World, Write};
use crate::names;
use crate::tally::Tally;
use bytes::Bytes;
use millrace_base::{Clock, Dice, Disk, Millis};
use parking_lot::{Condvar, Mutex, RwLock};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// While anything is to be refreshed the thread looks this often.
const LOOK_MS: i64 = 100;
/// OpenSearch's `cluster.max_shards_per_node`: an index costs file handles and memory.
const INDICES_MAX: usize = 1000;

/// The setting that names the alias which lifecycle policies roll over.
pub(crate) const ROLLOVER_ALIAS: &str = "plugins.index_state_management.rollover_alias";
/// What it was called before.
const OLD_ROLLOVER_ALIAS: &str = "opendistro.index_state_management.rollover_alias";

/// What an engine needs.
pub struct Parts {
    /// Its folder; made when it is absent.
    pub dir: PathBuf,
    /// Where it lies. (Segments are mapped into memory by tantivy, so they lie on the machine's disk in any case.)
    pub disk: Arc<dyn Disk>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// For ids.
    pub dice: Arc<dyn Dice>,
}

/// When a write is to be found by searches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Refresh {
    /// Soon: within 0.05 to 1 s.
    #[default]
    Soon,
    /// Before the answer, by waiting for the next refresh.
    WaitFor,
    /// Before the answer, by a refresh of its own.
    Now,
}

/// An operation of a bulk request.
#[derive(Debug, Clone)]
pub struct BulkOp {
    /// The index; made when it is absent.
    pub index: String,
    /// What to do.
    pub write: Write,
}

/// Many indices.
pub struct Engine {
    pub(crate) world: World,
    pub(crate) dir: PathBuf,
    pub(crate) indices: RwLock<BTreeMap<String, Arc<Index>>>,
    /// Locked behind `indices` where both are.
    pub(crate) aliases: RwLock<Aliases>,
    /// Templates and policies.
    pub(crate) definitions: RwLock<Definitions>,
    /// When policies are looked at again.
    pub(crate) policies_due: Mutex<Millis>,
    /// Held while indices are made or deleted, and while aliases and definitions change.
    pub(crate) changing: Mutex<()>,
    signal: Mutex<Signal>,
    tally: Tally,
    wake: Condvar,
    wake_flush: Condvar,
}

#[derive(Default)]
struct Signal {
    dirty: bool,
    /// A flush is due.
    full: bool,
    stopped: bool,
}

impl Engine {
    /// Opens a folder with all its indices, and repeats what was acknowledged and not yet in segments.
    pub fn open(parts: Parts) -> Result<Arc<Self>, Error> {
        let world = World { disk: parts.disk, clock: parts.clock, dice: parts.dice };
        world.disk.create_dir(&parts.dir)?;
        let is_made = |uuid: &str| Ok(world.disk.list(&parts.dir.join(uuid))?.iter().any(|name| name == META_FILE));
        let mut aliases = Aliases::load(&*world.disk, &parts.dir, is_made)?;
        let definitions = Definitions::load(&*world.disk, &parts.dir)?;
        let mut indices = BTreeMap::new();
        for uuid in world.disk.list(&parts.dir)? {
            let dir = parts.dir.join(&uuid);
            if uuid.starts_with(aliases::FILE) || uuid.starts_with(definitions::FILE) {
                continue;
            }
            if aliases.removed.contains(&uuid) || !is_made(&uuid)? {
                // A creation or a deletion that a crash cut short.
                world.disk.remove_dir(&dir)?;
                continue;
            }
            let index = Index::open(world.clone(), &dir)?;
            indices.insert(index.meta.name.clone(), index);
        }
        aliases.removed.clear();
        aliases.retain(|name| indices.contains_key(name));
        Ok(Arc::new(Self {
            world,
            dir: parts.dir,
            indices: RwLock::new(indices),
            aliases: RwLock::new(aliases),
            definitions: RwLock::new(definitions),
            policies_due: Mutex::new(0),
            changing: Mutex::new(()),
            signal: Mutex::new(Signal::default()),
            tally: Tally::default(),
            wake: Condvar::new(),
            wake_flush: Condvar::new(),
        }))
    }

    /// Starts the threads that refresh and flush; the one that is given ends when both do.
    pub fn start(self: &Arc<Self>) -> std::io::Result<JoinHandle<()>> {
        let engine = self.clone();
        let flushing = std::thread::Builder::new().name("search-flush".to_owned()).spawn({
            let engine = self.clone();
            move || engine.flush_until_stopped()
        })?;
        std::thread::Builder::new().name("search-refresh".to_owned()).spawn(move || {
            engine.refresh_until_stopped();
            // What it died of is in the log.
            let _ = flushing.join();
        })
    }

    /// Syncs of much take seconds on a busy disk, and what searches find is not to wait for them.
    fn flush_until_stopped(&self) {
        loop {
            {
                let mut signal = self.signal.lock();
                while !signal.full && !signal.stopped {
                    self.wake_flush.wait(&mut signal);
                }
                if signal.stopped {
                    return;
                }
                signal.full = false;
            }
            self.flush();
        }
    }

    /// Flushes what is due.
    fn flush(&self) {
        let indices: Vec<_> = self.indices.read().values().filter(|index| index.wants_flush()).cloned().collect();
        // An index keeps its failure and gives it to whoever writes next.
        indices.iter().for_each(|index| drop(index.flush()));
    }

    fn refresh_until_stopped(&self) {
        loop {
            let next = self.refresh_due();
            let mut signal = self.signal.lock();
            if signal.stopped {
                return;
            }
            match next {
                Some(due) if due - self.world.clock.now() <= LOOK_MS || signal.dirty => {
                    signal.dirty = false;
                    let wait = (due - self.world.clock.now()).clamp(1, LOOK_MS);
                    self.wake.wait_for(&mut signal, Duration::from_millis(wait as u64));
                }
                Some(due) => {
                    let wait = (due - self.world.clock.now()).max(1);
                    self.wake.wait_for(&mut signal, Duration::from_millis(wait as u64));
                }
                None if signal.dirty => signal.dirty = false,
                None => self.wake.wait(&mut signal),
            }
        }
    }

    /// Stops the thread and makes every index durable in segments, so that the next start has nothing to repeat.
    pub fn close(&self) -> Result<(), Error> {
        self.signal.lock().stopped = true;
        self.wake.notify_all();
        self.wake_flush.notify_all();
        let indices: Vec<_> = self.indices.read().values().cloned().collect();
        indices.iter().try_for_each(|index| index.close())
    }

    /// Refreshes and flushes what is due, as the threads do; when to come again, if nothing is written meanwhile.
    pub fn tick(&self) -> Option<Millis> {
        let next = self.refresh_due();
        self.flush();
        next
    }

    fn refresh_due(&self) -> Option<Millis> {
        let indices: Vec<_> = self.indices.read().values().cloned().collect();
        let now = self.world.clock.now();
        let refreshes = indices.iter().filter_map(|index| index.tick(now)).min();
        if indices.iter().any(|index| index.wants_flush()) {
            self.signal.lock().full = true;
            self.wake_flush.notify_all();
        }
        refreshes.into_iter().chain(self.tick_policies()).min()
    }

    /// True when there is such an index, or an alias.
    pub fn has_index(&self, name: &str) -> bool {
        self.indices.read().contains_key(name) || self.aliases.read().contains(name)
    }

    /// Makes an index from the body of `PUT /{index}`: `mappings`, `settings` and `aliases`, over those of its template.
    pub fn create_index(&self, name: &str, body: &Value) -> Result<(), Error> {
        let _changing = self.changing.lock();
        self.check_new(name)?;
        self.add(name, body, &[]).map(drop)
    }

    /// Whether an index may be made under this name.
    pub(crate) fn check_new(&self, name: &str) -> Result<(), Error> {
        names::check(name)?;
        if let Some(existing) = self.indices.read().get(name) {
            return Err(Error::index_exists(name, &existing.meta.uuid));
        }
        if self.aliases.read().contains(name) {
            return Err(Error::invalid_index_name(name, "already exists as alias"));
        }
        Ok(())
    }

    /// Makes an index as its template and a request say, and changes its and other aliases in the same step. The caller holds
    /// `changing`.
    pub(crate) fn add(&self, name: &str, body: &Value, also: &[Change]) -> Result<Arc<Index>, Error> {
        let template = self.definitions.read().templates.of(name);
        let Plan { settings, mappings, aliases } = Plan::read(&template, body)?;
        if self.indices.read().len() >= INDICES_MAX {
            return Err(Error::validation(format!("there are {INDICES_MAX} indices already, which is the most")));
        }
        let uuid = self.world.dice.uuid().replace('-', "")[..22].to_owned();
        let dir = self.dir.join(&uuid);
        let meta = Meta { name: name.to_owned(), uuid: uuid.clone(), created: self.world.clock.now(), settings };
        let changes = [&aliases::read_created(name, &Value::Object(aliases))?, also].concat();
        let before = self.aliases.read().clone();
        let mut named = before.clone();
        named.apply(&changes, |other| other == name || self.indices.read().contains_key(other))?;
        let disk = &*self.world.disk;
        if !changes.is_empty() {
            before.save_until(&uuid, &named, disk, &self.dir)?;
        }
        let index = Index::create(self.world.clone(), &dir, meta, mappings)?;
        {
            let (mut indices, mut aliases) = (self.indices.write(), self.aliases.write());
            indices.insert(name.to_owned(), index.clone());
            aliases.clone_from(&named);
        }
        if !changes.is_empty() {
            named.save(disk, &self.dir)?;
        }
        Ok(index)
    }

    /// Deletes the indices of an expression. A name that is not there is an error, a pattern without matches is none.
    pub fn delete_index(&self, expression: &str) -> Result<(), Error> {
        let _changing = self.changing.lock();
        for index in self.concrete(expression)? {
            self.indices.write().remove(&index.meta.name);
            self.remove_folder(&index)?;
            let mut aliases = self.aliases.read().clone();
            aliases.forget(&index.meta.name);
            if aliases != *self.aliases.read() {
                aliases.save(&*self.world.disk, &self.dir)?;
                *self.aliases.write() = aliases;
            }
        }
        Ok(())
    }

    fn remove_folder(&self, index: &Index) -> Result<(), Error> {
        index.discard();
        let dir = self.dir.join(&index.meta.uuid);
        // Without this file the folder is garbage, whatever else is still in it.
        self.world.disk.remove(&dir.join(META_FILE))?;
        self.world.disk.sync_dir(&dir)?;
        Ok(self.world.disk.remove_dir(&dir)?)
    }

    /// Carries out the actions of `POST /_aliases` in one step: readers and writers see all of them or none, also after a
    /// crash.
    pub fn update_aliases(&self, body: &Value) -> Result<(), Error> {
        let _changing = self.changing.lock();
        let expand = |text: &str| {
            let found = self.concrete(text)?;
            Ok(found.iter().map(|index| index.meta.name.clone()).collect())
        };
        self.change_aliases(&aliases::read_actions(body, expand)?)
    }

    /// Gives the indices of an expression one more name, by the body of `PUT /{index}/_alias/{alias}`.
    pub fn put_alias(&self, expression: &str, alias: &str, body: &Value) -> Result<(), Error> {
        let _changing = self.changing.lock();
        let found = self.concrete(expression)?;
        let changes = found.iter().map(|index| aliases::read_one(&index.meta.name, alias, body));
        self.change_aliases(&changes.collect::<Result<Vec<_>, _>>()?)
    }

    /// Takes names from the indices of an expression; that none has one of them is an error.
    pub fn delete_alias(&self, expression: &str, aliases: &str) -> Result<(), Error> {
        let _changing = self.changing.lock();
        let found = self.concrete(expression)?;
        let names = names::resolve(aliases, &mut self.aliases.read().names(), true)?;
        let missing = || Error::aliases_not_found(aliases);
        let mut changes = Vec::new();
        for alias in names {
            let members = self.aliases.read().indices(&alias).map(str::to_owned).collect::<Vec<_>>();
            let of = found.iter().filter(|index| members.contains(&index.meta.name));
            changes.extend(of.map(|index| {
                let (index, alias) = (index.meta.name.clone(), alias.clone());
                Change::Remove { index, alias, must_exist: true }
            }));
        }
        if changes.is_empty() { Err(missing()) } else { self.change_aliases(&changes) }
    }

    /// The aliases of some indices, as `GET /{index}/_alias/{aliases}` shows them; none for all. A name without an alias is
    /// an error.
    pub fn aliases(&self, expression: &str, wanted: Option<&str>) -> Result<Value, Error> {
        let found = self.resolve(expression, false)?;
        let all = self.aliases.read().clone();
        let names = match wanted {
            None => None,
            Some(wanted) => {
                let named = names::resolve(wanted, &mut all.names(), false);
                Some(named.map_err(|_| Error::aliases_not_found(wanted))?)
            }
        };
        let mut out = Map::new();
        for index in found {
            let mut of = all.of_index(&index.meta.name);
            if let (Some(names), Some(of)) = (&names, of.as_object_mut()) {
                of.retain(|alias, _| names.contains(alias));
            }
            if names.is_none() || of.as_object().is_some_and(|of| !of.is_empty()) {
                out.insert(index.meta.name.clone(), json!({ "aliases": of }));
            }
        }
        Ok(Value::Object(out))
    }

    /// Makes changes durable, then seen. The caller holds `changing`.
    fn change_aliases(&self, changes: &[Change]) -> Result<(), Error> {
        let mut next = self.aliases.read().clone();
        let removed = next.apply(changes, |name| self.indices.read().contains_key(name))?;
        let found = |name: &String| self.indices.read().get(name).cloned();
        let gone: Vec<Arc<Index>> = removed.iter().filter_map(found).collect();
        next.removed = gone.iter().map(|index| index.meta.uuid.clone()).collect();
        next.save(&*self.world.disk, &self.dir)?;
        {
            let (mut indices, mut aliases) = (self.indices.write(), self.aliases.write());
            indices.retain(|name, _| !removed.contains(name));
            next.removed.clear();
            *aliases = next;
        }
        // What fails here is done at the next start.
        gone.iter().try_for_each(|index| self.remove_folder(index))
    }

    /// The index that is read under a name of its own or an alias.
    fn index(&self, name: &str) -> Result<Arc<Index>, Error> {
        let indices = self.indices.read();
        let aliases = self.aliases.read();
        let name = aliases.only_index(name)?.unwrap_or(name);
        indices.get(name).cloned().ok_or_else(|| Error::index_not_found(name))
    }

    /// The index that is written under a name of its own or an alias.
    fn written(&self, name: &str) -> Result<Option<Arc<Index>>, Error> {
        let indices = self.indices.read();
        let aliases = self.aliases.read();
        Ok(indices.get(aliases.write_index(name)?.unwrap_or(name)).cloned())
    }

    fn index_or_create(&self, name: &str) -> Result<Arc<Index>, Error> {
        if let Some(index) = self.written(name)? {
            return Ok(index);
        }
        names::check(name)?;
        let _changing = self.changing.lock();
        match self.written(name)? {
            Some(index) => Ok(index),
            None => self.add(name, &json!({}), &[]),
        }
    }

    /// The indices of an expression: names, aliases and patterns with commas between, `-` in front of what is left out,
    /// `_all`.
    pub(crate) fn resolve(&self, expression: &str, ignore_unavailable: bool) -> Result<Vec<Arc<Index>>, Error> {
        let indices = self.indices.read();
        let aliases = self.aliases.read();
        let mut known = indices.keys().map(String::as_str).chain(aliases.names());
        let names = names::resolve(expression, &mut known, ignore_unavailable)?;
        let concrete = |name: &String| match aliases.contains(name) {
            true => aliases.indices(name).map(str::to_owned).collect(),
            false => vec![name.clone()],
        };
        let chosen: BTreeSet<String> = names.iter().flat_map(concrete).collect();
        Ok(chosen.iter().filter_map(|name| indices.get(name).cloned()).collect())
    }

    /// The indices of an expression in which aliases are refused.
    fn concrete(&self, expression: &str) -> Result<Vec<Arc<Index>>, Error> {
        let indices = self.indices.read();
        if let Some(alias) = expression.split(',').find(|part| self.aliases.read().contains(part)) {
            return Err(Error::illegal_argument(format!(
                "The provided expression [{alias}] matches an alias, specify the corresponding concrete indices instead."
            )));
        }
        let names = names::resolve(expression, &mut indices.keys().map(String::as_str), false)?;
        Ok(names.iter().filter_map(|name| indices.get(name).cloned()).collect())
    }

    /// Writes documents with ids: what delivery and the SQL sink call. Writing the same documents again changes nothing but
    /// their versions. A document that does not fit has an error of its own; the others are durable when this returns.
    pub fn index_docs(
        &self,
        index: &str,
        docs: impl IntoIterator<Item = (String, Bytes)>,
    ) -> Result<Vec<Result<Done, Error>>, Error> {
        let put =
            |(id, source)| Write { id: Some(id), action: crate::Action::Index(source), condition: Default::default() };
        self.write(index, docs.into_iter().map(put).collect(), Refresh::Soon)
    }

    /// Does some writes to one index, in order; the index is made when it is absent.
    pub fn write(&self, index: &str, writes: Vec<Write>, refresh: Refresh) -> Result<Vec<Result<Done, Error>>, Error> {
        let index = self.index_or_create(index)?;
        let under_way = self.tally.enter(writes.len(), writes.iter().map(Write::bytes).sum())?;
        let results = index.write(writes)?;
        drop(under_way);
        self.announce();
        self.refresh_as(refresh, &[index])?;
        Ok(results)
    }

    /// Does a bulk request. Operations on one index are done in order; each has its own result, in the request's order.
    pub fn bulk(&self, ops: Vec<BulkOp>, refresh: Refresh) -> Result<Vec<Result<Done, Error>>, Error> {
        let under_way = self.tally.enter(ops.len(), ops.iter().map(|op| op.write.bytes()).sum())?;
        let mut by_index: BTreeMap<String, (Vec<usize>, Vec<Write>)> = BTreeMap::new();
        let mut results: Vec<Option<Result<Done, Error>>> = ops.iter().map(|_| None).collect();
        for (place, op) in ops.into_iter().enumerate() {
            let (places, writes) = by_index.entry(op.index).or_default();
            places.push(place);
            writes.push(op.write);
        }
        let mut touched = Vec::new();
        for (name, (places, writes)) in by_index {
            let done = self.index_or_create(&name).and_then(|index| {
                let done = index.write(writes);
                touched.push(index);
                done
            });
            match done {
                Ok(done) => places.into_iter().zip(done).for_each(|(place, done)| results[place] = Some(done)),
                Err(error) => places.into_iter().for_each(|place| results[place] = Some(Err(error.clone()))),
            }
        }
        drop(under_way);
        self.announce();
        self.refresh_as(refresh, &touched)?;
        Ok(results.into_iter().flatten().collect())
    }

    pub(crate) fn announce(&self) {
        let mut signal = self.signal.lock();
        if !signal.dirty {
            signal.dirty = true;
            self.wake.notify_all();
        }
    }

    fn refresh_as(&self, refresh: Refresh, indices: &[Arc<Index>]) -> Result<(), Error> {
        match refresh {
            Refresh::Soon => Ok(()),
            Refresh::Now => indices.iter().try_for_each(|index| index.refresh()),
            Refresh::WaitFor => indices.iter().try_for_each(|index| index.wait_for_refresh(index.next_seq())),
        }
    }

    /// The number of the next write to an index: what was written before has a lower one.
    pub fn next_seq(&self, index: &str) -> Result<u64, Error> {
        Ok(self.index(index)?.next_seq())
    }

    /// The document of an id as it is now, refreshed or not; `None` when it is not there.
    pub fn get_doc(&self, index: &str, id: &str) -> Result<Option<Found>, Error> {
        self.index(index)?.get(id)
    }

    /// Searches the indices of an expression; body and answer are OpenSearch's.
    pub fn search(&self, expression: &str, body: &Value, ignore_unavailable: bool) -> Result<Value, Error> {
        let now = self.world.clock.now();
        let request = SearchRequest::read(body, now)?;
        let targets = self.targets(expression, ignore_unavailable)?;
        self.tally.search(|| find::search(&targets, &request, now, &*self.world.clock))
    }

    /// Counts what a query (`{"query": …}`, or nothing for all) finds.
    pub fn count(&self, expression: &str, body: &Value, ignore_unavailable: bool) -> Result<Value, Error> {
        let all = json!({"match_all": {}});
        let unknown = body.as_object().and_then(|body| body.keys().find(|key| *key != "query"));
        if let Some(key) = unknown {
            return Err(Error::parsing(format!("request does not support [{key}]")));
        }
        let query = body.get("query").unwrap_or(&all);
        find::count(&self.targets(expression, ignore_unavailable)?, query, self.world.clock.now())
    }

    fn targets(&self, expression: &str, ignore_unavailable: bool) -> Result<Vec<Target>, Error> {
        Ok(self.resolve(expression, ignore_unavailable)?.iter().map(Target::new).collect())
    }

    /// Makes everything written to some indices found by searches; how many indices there were.
    pub fn refresh(&self, expression: &str) -> Result<usize, Error> {
        let indices = self.resolve(expression, false)?;
        indices.iter().try_for_each(|index| index.refresh())?;
        Ok(indices.len())
    }

    /// The mappings of some indices, as `GET /{index}/_mapping` shows them.
    pub fn mappings(&self, expression: &str) -> Result<Value, Error> {
        self.of_each(expression, |index| json!({"mappings": index.mappings().to_json()}))
    }

    /// Adds to the mapping of some indices.
    pub fn put_mapping(&self, expression: &str, body: &Value) -> Result<(), Error> {
        self.resolve(expression, false)?.iter().try_for_each(|index| index.put_mapping(body))
    }

    /// The settings of some indices, as `GET /{index}/_settings` shows them.
    pub fn settings(&self, expression: &str) -> Result<Value, Error> {
        self.of_each(expression, |index| json!({"settings": {"index": settings_json(&index.meta)}}))
    }

    /// Mappings and settings of some indices, as `GET /{index}` shows them.
    pub fn describe(&self, expression: &str) -> Result<Value, Error> {
        let aliases = self.aliases.read().clone();
        self.of_each(expression, |index| {
            json!({
                "aliases": aliases.of_index(&index.meta.name), "mappings": index.mappings().to_json(),
                "settings": {"index": settings_json(&index.meta)},
            })
        })
    }

    fn of_each(&self, expression: &str, show: impl Fn(&Index) -> Value) -> Result<Value, Error> {
        let indices = self.resolve(expression, false)?;
        Ok(Value::Object(indices.iter().map(|index| (index.meta.name.clone(), show(index))).collect()))
    }

    /// The rows of `_cat/indices`; all values are texts, sizes in bytes.
    pub fn cat_indices(&self, expression: &str) -> Result<Vec<Map<String, Value>>, Error> {
        let row = |index: &Arc<Index>| {
            let (docs, bytes) = index.size();
            let replicas = index.meta.settings.get("number_of_replicas").cloned().unwrap_or_else(|| json!("0"));
            let row = json!({
                "health": "green", "status": "open", "index": index.meta.name, "uuid": index.meta.uuid, "pri": "1",
                "rep": replicas, "docs.count": docs.to_string(), "docs.deleted": index.deleted().to_string(),
                "store.size": bytes.to_string(), "pri.store.size": bytes.to_string(),
            });
            row.as_object().cloned().unwrap_or_default()
        };
        Ok(self.resolve(expression, false)?.iter().map(row).collect())
    }

    /// What was done since the engine was opened.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Documents that searches find, and bytes on disk, of all indices.
    pub fn size(&self) -> (u64, u64) {
        let indices: Vec<_> = self.indices.read().values().cloned().collect();
        let sizes = indices.iter().map(|index| index.size());
        sizes.fold((0, 0), |sum, (docs, bytes)| (sum.0 + docs, sum.1 + bytes))
    }

    /// How many indices there are.
    pub fn index_count(&self) -> usize {
        self.indices.read().len()
    }

    /// The time, as the engine sees it.
    pub fn now(&self) -> Millis {
        self.world.clock.now()
    }
}

/// Reads settings into a flat map, without `index.`.
pub(crate) fn read_settings(prefix: &str, value: &Value, out: &mut Map<String, Value>) -> Result<(), Error> {
    for (key, value) in value.as_object().into_iter().flatten() {
        let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        let name = name.strip_prefix("index.").unwrap_or(&name).to_owned();
        if value.is_object() {
            let prefix = if name == "index" { "" } else { &name };
            read_settings(prefix, value, out)?;
            continue;
        }
        let text = crate::query::text_of(value);
        let fits = match name.as_str() {
            "number_of_shards" => text.parse::<u32>().is_ok_and(|count| count > 0),
            "number_of_replicas" => text.parse::<u32>().is_ok(),
            "refresh_interval" => crate::index::parse_interval(&text).is_some(),
            ROLLOVER_ALIAS | OLD_ROLLOVER_ALIAS => names::check(&text).is_ok(),
            _ => {
                return Err(Error::illegal_argument(format!(
                    "unknown setting [index.{name}], or not supported by Millrace yet"
                )));
            }
        };
        if !fits {
            return Err(Error::illegal_argument(format!("Failed to parse value [{text}] for setting [index.{name}]")));
        }
        let name = if name == OLD_ROLLOVER_ALIAS { ROLLOVER_ALIAS.to_owned() } else { name };
        out.insert(name, json!(text));
    }
    Ok(())
}

fn settings_json(meta: &Meta) -> Value {
    let mut out = json!({
        "creation_date": meta.created.to_string(), "number_of_shards": "1", "number_of_replicas": "0",
        "uuid": meta.uuid, "provided_name": meta.name,
    });
    for (key, value) in &meta.settings {
        // A setting's name is a path.
        *key.split('.').fold(&mut out, |at, part| &mut at[part]) = value.clone();
    }
    out
}
