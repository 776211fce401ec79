//! The store itself: typed reads, and transactions that change several facts at once.

use crate::backend::Backend;
use crate::{CatalogError, Seal};
use millrace_base::{Disk, DiskFile};
use parking_lot::Mutex;
use redb::{Database, ReadableDatabase, ReadableTable, StorageError, TableDefinition, TransactionError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// One redb table holds every fact, keyed by `(table, key)`.
const FACTS: TableDefinition<(&str, &str), &[u8]> = TableDefinition::new("facts");

/// The store of definitions. Cheap to clone; all clones share one file.
#[derive(Clone)]
pub struct Catalog {
    shared: Arc<Shared>,
}

struct Shared {
    path: String,
    file: Arc<dyn DiskFile>,
    database: Mutex<Arc<Database>>,
    /// Whether the store failed since it was last looked at.
    has_failed: AtomicBool,
    changes: AtomicU64,
    seal: Option<Arc<dyn Seal>>,
}

/// A change of several facts that happens whole or not at all.
pub struct Transaction<'a> {
    path: &'a str,
    seal: Option<&'a dyn Seal>,
    facts: redb::Table<'a, (&'static str, &'static str), &'static [u8]>,
}

impl Catalog {
    /// Opens the catalog at `path`, creating it when it is absent.
    pub fn open(disk: &dyn Disk, path: &Path) -> Result<Self, CatalogError> {
        Self::open_by(disk, path, None)
    }

    /// Opens the catalog at `path`, whose values go through `seal`. The disk is the bare one: keys are in order of their
    /// text, and stay readable.
    pub fn open_sealed(disk: &dyn Disk, path: &Path, seal: Arc<dyn Seal>) -> Result<Self, CatalogError> {
        Self::open_by(disk, path, Some(seal))
    }

    fn open_by(disk: &dyn Disk, path: &Path, seal: Option<Arc<dyn Seal>>) -> Result<Self, CatalogError> {
        let name = path.display().to_string();
        let store = |reason: String| CatalogError::Store { path: name.clone(), reason };
        if let Some(dir) = path.parent() {
            disk.create_dir(dir).map_err(|e| store(e.to_string()))?;
        }
        let file = disk.open(path, true).map_err(|e| store(e.to_string()))?;
        let database = open_store(&file).map_err(store)?;
        if let Some(dir) = path.parent() {
            disk.sync_dir(dir).map_err(|e| store(e.to_string()))?;
        }
        let shared = Shared {
            path: name.clone(),
            file,
            database: Mutex::new(Arc::new(database)),
            has_failed: AtomicBool::new(false),
            changes: AtomicU64::new(0),
            seal,
        };
        let catalog = Self { shared: Arc::new(shared) };
        catalog.update(|_| Ok::<_, CatalogError>(()))?;
        Ok(catalog)
    }

    /// The fact under `key`, if there is one.
    pub fn get<T: DeserializeOwned>(&self, table: &str, key: &str) -> Result<Option<T>, CatalogError> {
        let read = self.database().begin_read().map_err(|e| self.store(e))?;
        let facts = read.open_table(FACTS).map_err(|e| self.store(e))?;
        let found = facts.get((table, key)).map_err(|e| self.store(e))?;
        found.map(|value| decode(self.shared.seal.as_deref(), table, key, value.value())).transpose()
    }

    /// All facts of a table whose keys begin with `prefix`, in order of key.
    pub fn list<T: DeserializeOwned>(&self, table: &str, prefix: &str) -> Result<Vec<(String, T)>, CatalogError> {
        let read = self.database().begin_read().map_err(|e| self.store(e))?;
        let facts = read.open_table(FACTS).map_err(|e| self.store(e))?;
        let mut found = Vec::new();
        for entry in facts.range((table, prefix)..).map_err(|e| self.store(e))? {
            let (place, value) = entry.map_err(|e| self.store(e))?;
            let (in_table, key) = place.value();
            if in_table != table || !key.starts_with(prefix) {
                break;
            }
            found.push((key.to_owned(), decode(self.shared.seal.as_deref(), table, key, value.value())?));
        }
        Ok(found)
    }

    /// Writes one fact, replacing what was there; durable on return.
    pub fn put<T: Serialize>(&self, table: &str, key: &str, value: &T) -> Result<(), CatalogError> {
        self.update(|transaction| transaction.put(table, key, value))
    }

    /// Removes one fact; true when it was there.
    pub fn delete(&self, table: &str, key: &str) -> Result<bool, CatalogError> {
        self.update(|transaction| transaction.delete(table, key))
    }

    /// Runs `change` as one transaction: durable when `Ok` returns, without trace when `change` fails. Writers wait for
    /// each other, so a read inside sees what no other writer can change.
    pub fn update<R, E: From<CatalogError>>(
        &self,
        change: impl FnOnce(&mut Transaction<'_>) -> Result<R, E>,
    ) -> Result<R, E> {
        let write = self.database().begin_write().map_err(|e| self.store(e))?;
        let result = {
            let facts = write.open_table(FACTS).map_err(|e| self.store(e))?;
            change(&mut Transaction { path: &self.shared.path, seal: self.shared.seal.as_deref(), facts })?
        };
        write.commit().map_err(|e| self.store(e))?;
        self.shared.changes.fetch_add(1, Ordering::Release);
        Ok(result)
    }

    /// Counts the transactions since the catalog was opened. What was read after a count was taken still holds while the count
    /// is the same: whoever keeps something made of facts asks here, which costs next to nothing, before reading them again.
    pub fn changes(&self) -> u64 {
        self.shared.changes.load(Ordering::Acquire)
    }

    /// The store. redb takes nothing more after a write that failed, and writes nothing either, so a disk that was full and
    /// has room again gets another store over the same file. Until then what can be read can be read.
    fn database(&self) -> Arc<Database> {
        let mut database = self.shared.database.lock();
        if self.shared.has_failed.swap(false, Ordering::AcqRel) && is_done_for(&database) {
            match open_store(&self.shared.file) {
                Ok(opened) => *database = Arc::new(opened),
                Err(_) => self.shared.has_failed.store(true, Ordering::Release),
            }
            // What was being committed when it failed may be there, or not.
            self.shared.changes.fetch_add(1, Ordering::Release);
        }
        database.clone()
    }

    fn store(&self, error: impl std::fmt::Display) -> CatalogError {
        self.shared.has_failed.store(true, Ordering::Release);
        CatalogError::Store { path: self.shared.path.clone(), reason: error.to_string() }
    }
}

impl Transaction<'_> {
    /// The fact under `key`, as this transaction sees it.
    pub fn get<T: DeserializeOwned>(&self, table: &str, key: &str) -> Result<Option<T>, CatalogError> {
        let found = self.facts.get((table, key)).map_err(|e| self.store(e))?;
        found.map(|value| decode(self.seal, table, key, value.value())).transpose()
    }

    /// Writes one fact, replacing what was there.
    pub fn put<T: Serialize>(&mut self, table: &str, key: &str, value: &T) -> Result<(), CatalogError> {
        let json = serde_json::to_vec(value).map_err(|e| self.store(e))?;
        let kept = match self.seal {
            Some(seal) => seal.seal(&place(table, key), json),
            None => json,
        };
        self.facts
            .insert((table, key), kept.as_slice())
            .map_err(|e| CatalogError::Store { path: self.path.to_owned(), reason: e.to_string() })?;
        Ok(())
    }

    /// Removes one fact; true when it was there.
    pub fn delete(&mut self, table: &str, key: &str) -> Result<bool, CatalogError> {
        let path = self.path;
        let removed = self.facts.remove((table, key));
        let removed = removed.map_err(|e| CatalogError::Store { path: path.to_owned(), reason: e.to_string() })?;
        Ok(removed.is_some())
    }

    fn store(&self, error: impl std::fmt::Display) -> CatalogError {
        CatalogError::Store { path: self.path.to_owned(), reason: error.to_string() }
    }
}

fn open_store(file: &Arc<dyn DiskFile>) -> Result<Database, String> {
    write_again(&**file).map_err(|error| error.to_string())?;
    Database::builder().create_with_backend(Backend(file.clone())).map_err(|error| error.to_string())
}

/// Whether an earlier failure was the store's last word. Only then may another be opened over its file.
fn is_done_for(database: &Database) -> bool {
    matches!(database.try_begin_write(), Err(TransactionError::Storage(StorageError::PreviousIo)))
}

/// A process whose sync failed leaves pages that show but are not on disk and never will be, unless they are written again:
/// a later sync says nothing about them. Found by the simulation (`lake_and_windows_hold_what_the_log_holds`).
fn write_again(file: &dyn DiskFile) -> std::io::Result<()> {
    let mut content = vec![0; usize::try_from(file.len()?).map_err(std::io::Error::other)?];
    file.read_exact_at(&mut content, 0)?;
    file.write_at(&content, 0)?;
    file.sync()
}

/// Where a value is kept, as seals know it.
fn place(table: &str, key: &str) -> String {
    format!("{table}/{key}")
}

fn decode<T: DeserializeOwned>(
    seal: Option<&dyn Seal>,
    table: &str,
    key: &str,
    kept: &[u8],
) -> Result<T, CatalogError> {
    let damaged = |reason: String| CatalogError::Damaged { table: table.to_owned(), key: key.to_owned(), reason };
    let opened = seal.map(|seal| seal.open(&place(table, key), kept)).transpose().map_err(damaged)?;
    serde_json::from_slice(opened.as_deref().unwrap_or(kept)).map_err(|error| damaged(error.to_string()))
}
