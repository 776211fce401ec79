//! How far mappings are: one small fact a shard in the catalog, written behind the functions' backs.
//!
//! A shard hands over its newest checkpoint and goes on at once; one writer puts all that came in meanwhile into one
//! transaction. After a kill the batches since the last transaction run again: functions see every record at least once.

use super::event::Spot;
use millrace_base::{Millis, ShardId};
use millrace_catalog::{Catalog, CatalogError};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use tokio::sync::Notify;

/// The catalog's table of progress, under `UUID/SHARD`.
pub(crate) const TABLE: &str = "event-source-progress";

/// How far a shard is: everything before is done.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    /// Which stream of the source's name.
    pub(crate) incarnation: u64,
    /// The next record.
    pub(crate) index: u64,
    /// The next user record in it, when an aggregate is done in part.
    #[serde(default)]
    pub(crate) sub: u32,
    /// The shard is closed and all of it is done.
    #[serde(default)]
    pub(crate) done: bool,
    /// No window begins before.
    #[serde(default)]
    pub(crate) window_floor: Millis,
    /// The window that is open.
    #[serde(default)]
    pub(crate) window: Option<OpenWindow>,
}

/// A tumbling window and its state so far.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct OpenWindow {
    pub(crate) start: Millis,
    pub(crate) end: Millis,
    pub(crate) state: Box<RawValue>,
    /// Its state is too large: it is ended before more records are taken.
    pub(crate) ends_early: bool,
    /// The last record that it took: index and arrival.
    pub(crate) last: (u64, Millis),
}

impl Checkpoint {
    /// A shard of which nothing is done.
    pub(crate) fn at(incarnation: u64, index: u64) -> Self {
        Self { incarnation, index, sub: 0, done: false, window_floor: Millis::MIN, window: None }
    }

    pub(crate) fn spot(&self) -> Spot {
        Spot { index: self.index, sub: self.sub }
    }
}

/// The catalog's key of a shard's progress.
pub(crate) fn key(mapping: &str, shard: ShardId) -> String {
    format!("{mapping}/{:010}", shard.0)
}

/// The checkpoints of a mapping by shard.
pub(crate) fn load(catalog: &Catalog, mapping: &str) -> Result<BTreeMap<ShardId, Checkpoint>, CatalogError> {
    let found = catalog.list::<Checkpoint>(TABLE, &format!("{mapping}/"))?;
    let shard = |key: &str| key.rsplit('/').next().and_then(|number| number.parse().ok()).map(ShardId);
    Ok(found.into_iter().filter_map(|(key, checkpoint)| Some((shard(&key)?, checkpoint))).collect())
}

/// The writer that all mappings share.
pub(crate) struct CheckpointWriter {
    catalog: Catalog,
    waiting: Mutex<BTreeMap<String, Checkpoint>>,
    /// Held while a transaction runs, so that an older checkpoint never follows a newer one.
    writing: Mutex<()>,
    wake: Notify,
}

impl CheckpointWriter {
    pub(crate) fn new(catalog: Catalog) -> Self {
        Self { catalog, waiting: Mutex::default(), writing: Mutex::default(), wake: Notify::new() }
    }

    /// Takes the newest checkpoint of a shard; never waits.
    pub(crate) fn put(&self, mapping: &str, shard: ShardId, checkpoint: Checkpoint) {
        self.waiting.lock().insert(key(mapping, shard), checkpoint);
        self.wake.notify_one();
    }

    /// Resolves when there is something to write.
    pub(crate) async fn wait(&self) {
        self.wake.notified().await;
    }

    /// Writes all that waits in one transaction; durable on return. What could not be written waits again.
    pub(crate) fn flush(&self) -> Result<(), CatalogError> {
        let _writing = self.writing.lock();
        let taken = std::mem::take(&mut *self.waiting.lock());
        if taken.is_empty() {
            return Ok(());
        }
        let written = self.catalog.update(|transaction| {
            taken.iter().try_for_each(|(key, checkpoint)| transaction.put(TABLE, key, checkpoint))
        });
        if written.is_err() {
            let mut waiting = self.waiting.lock();
            for (key, checkpoint) in taken {
                waiting.entry(key).or_insert(checkpoint);
            }
        }
        written
    }

    /// Forgets what waits of a mapping that is deleted, and what is written.
    pub(crate) fn forget(&self, mapping: &str) -> Result<(), CatalogError> {
        let _writing = self.writing.lock();
        let prefix = format!("{mapping}/");
        self.waiting.lock().retain(|key, _| !key.starts_with(&prefix));
        let keys: Vec<String> =
            self.catalog.list::<Checkpoint>(TABLE, &prefix)?.into_iter().map(|(key, _)| key).collect();
        self.catalog.update(|transaction| keys.iter().try_for_each(|key| transaction.delete(TABLE, key).map(drop)))
    }
}
