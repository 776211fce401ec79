//! Where events are kept: facts of the catalog, many changes to a commit.
//!
//! # Format
//! Table `events`, key `ACCEPTED-UUID` (milliseconds in 16 hexadecimal digits), value an `Event` as JSON. An event is there
//! from before its acceptance until its function ran and its destinations have their records; a crash in between repeats
//! the step that was not noted.

use super::event::Event;
use millrace_catalog::{Catalog, CatalogError};
use tokio::sync::{mpsc, oneshot};

const TABLE: &str = "events";
/// So many changes wait for the commit before theirs; more wait outside.
const WAITING_MAX: usize = 256;

enum Change {
    Put(String, Box<Event>),
    Delete(String),
}

type Waiting = (Change, oneshot::Sender<Result<(), String>>);

/// The events of a catalog. One task commits for all.
pub(super) struct Store {
    catalog: Catalog,
    changes: mpsc::Sender<Waiting>,
}

impl Store {
    pub fn new(catalog: Catalog) -> Self {
        let (changes, waiting) = mpsc::channel(WAITING_MAX);
        tokio::spawn(commit(catalog.clone(), waiting));
        Self { catalog, changes }
    }

    /// All events, oldest first.
    pub fn list(&self) -> Result<Vec<(String, Event)>, CatalogError> {
        self.catalog.list(TABLE, "")
    }

    /// One event, if it is there.
    pub async fn get(&self, id: &str) -> Result<Option<Event>, String> {
        let (catalog, id) = (self.catalog.clone(), id.to_owned());
        let read = tokio::task::spawn_blocking(move || catalog.get(TABLE, &id)).await;
        read.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
    }

    /// Keeps an event; durable on return.
    pub async fn put(&self, id: &str, event: Event) -> Result<(), String> {
        self.change(Change::Put(id.to_owned(), Box::new(event))).await
    }

    /// Forgets an event; durable on return.
    pub async fn delete(&self, id: &str) -> Result<(), String> {
        self.change(Change::Delete(id.to_owned())).await
    }

    async fn change(&self, change: Change) -> Result<(), String> {
        let (done, waiting) = oneshot::channel();
        let closed = || "events are not taken any more".to_owned();
        self.changes.send((change, done)).await.map_err(|_| closed())?;
        waiting.await.unwrap_or_else(|_| Err(closed()))
    }
}

async fn commit(catalog: Catalog, mut waiting: mpsc::Receiver<Waiting>) {
    let mut batch = Vec::with_capacity(WAITING_MAX);
    while waiting.recv_many(&mut batch, WAITING_MAX).await > 0 {
        let (changes, done): (Vec<Change>, Vec<_>) = batch.drain(..).unzip();
        let catalog = catalog.clone();
        let written = tokio::task::spawn_blocking(move || {
            catalog.update(|transaction| {
                for change in &changes {
                    match change {
                        Change::Put(id, event) => transaction.put(TABLE, id, event)?,
                        Change::Delete(id) => drop(transaction.delete(TABLE, id)?),
                    }
                }
                Ok::<_, CatalogError>(())
            })
        });
        let written = match written.await {
            Ok(written) => written.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        for done in done {
            // Who waited may have given up.
            let _ = done.send(written.clone());
        }
    }
}
