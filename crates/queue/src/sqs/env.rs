//! What every part of the engine needs, and how it works.

use crate::sqs::{MessageKeys, QueueError};
use millrace_base::{Clock, Dice, Disk};
use millrace_catalog::Catalog;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

/// What the queues are made of.
pub struct QueueParts {
    /// Decides when messages become visible and when they expire.
    pub clock: Arc<dyn Clock>,
    /// Message ids come from here.
    pub dice: Arc<dyn Dice>,
    /// Holds the journal.
    pub disk: Arc<dyn Disk>,
    /// Holds the queues' definitions.
    pub catalog: Catalog,
    /// The queues' own folder.
    pub dir: PathBuf,
    /// Seal the messages of queues that have a key of their own.
    pub keys: Arc<dyn MessageKeys>,
}

/// Who commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commit {
    /// A thread of the engine's own takes everything that waits: calls share their sync.
    Thread,
    /// The calling thread itself: every call has its own sync, in a simulation's order. [`crate::Queues::upkeep`] has to be
    /// called for what the thread would do on its own.
    Inline,
}

/// How the queues work.
#[derive(Debug, Clone)]
pub struct QueueOptions {
    /// Who commits.
    pub commit: Commit,
    /// Where a segment of the journal ends, in bytes. Larger ones make fewer files and coarser freeing of space.
    pub segment_bytes: u64,
    /// Memory for the newest messages of all queues, in bytes: receiving them does not touch the disk.
    pub cache_bytes: usize,
    /// Whether the disk seals what is written: then `SqsManagedSseEnabled` is true of every queue that does not say otherwise.
    pub is_sealed: bool,
}

impl Default for QueueOptions {
    fn default() -> Self {
        Self { commit: Commit::Thread, segment_bytes: 64 << 20, cache_bytes: 32 << 20, is_sealed: false }
    }
}

/// What every part of the engine needs.
pub(crate) struct Env {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) dice: Arc<dyn Dice>,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) catalog: Catalog,
    pub(crate) dir: PathBuf,
    pub(crate) keys: Arc<dyn MessageKeys>,
    pub(crate) options: QueueOptions,
    /// Set by the first failed write: what is on disk is no longer known, so nothing is written until the start.
    poison: OnceLock<QueueError>,
}

impl Env {
    pub(crate) fn new(parts: QueueParts, options: QueueOptions) -> Self {
        let QueueParts { clock, dice, disk, catalog, dir, keys } = parts;
        Self { clock, dice, disk, catalog, dir, keys, options, poison: OnceLock::new() }
    }

    /// Refuses to write after a failure.
    pub(crate) fn healthy(&self) -> Result<(), QueueError> {
        self.poison.get().map_or(Ok(()), |error| Err(error.clone()))
    }

    /// Shuts the journal for writing.
    pub(crate) fn poisoned(&self, error: QueueError) -> QueueError {
        // A full disk is only harmless where nothing was written yet.
        let error = match error {
            QueueError::DiskFull { path } => QueueError::Disk { path, reason: "the disk is full".into() },
            other => other,
        };
        self.poison.get_or_init(|| error).clone()
    }

    /// A random UUID's bytes.
    pub(crate) fn uuid(&self) -> [u8; 16] {
        let high = (self.dice.roll() & !0xf000) | 0x4000;
        let low = (self.dice.roll() & !(0b11 << 62)) | (0b10 << 62);
        ((u128::from(high) << 64) | u128::from(low)).to_be_bytes()
    }
}

/// A UUID in its hyphenated form.
pub(crate) fn uuid_text(bytes: &[u8; 16]) -> String {
    let hex = crate::sqs::hex(bytes);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
