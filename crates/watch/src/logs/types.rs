//! The words of logs: groups, streams, events and their order.

use millrace_base::{Millis, Remedy, Scope};
use millrace_catalog::CatalogError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Arc;

/// A log group's name within its scope.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GroupKey {
    /// Account and region.
    pub scope: Scope,
    /// For example `/aws/lambda/score`.
    pub name: Arc<str>,
}

impl fmt::Display for GroupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.scope, self.name)
    }
}

/// One event on its way into a log stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEvent {
    /// When it happened.
    pub timestamp: Millis,
    /// What happened: one line, usually.
    pub message: String,
}

/// The place of an event in its group: by time, then by arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventKey {
    /// When it happened.
    pub timestamp: Millis,
    /// Segment and offset: rises with every event that arrives.
    pub position: u64,
}

/// An event as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// Its place.
    pub key: EventKey,
    /// Its stream.
    pub stream: Arc<str>,
    /// When it arrived.
    pub ingestion: Millis,
    /// What happened.
    pub message: String,
}

/// A log group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupInfo {
    /// Its name.
    pub name: Arc<str>,
    /// When it was created.
    pub created: Millis,
    /// Days after which events go; `None` keeps them.
    pub retention_days: Option<u32>,
    /// Bytes on the disk.
    pub stored_bytes: u64,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// A log stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamInfo {
    /// Its name.
    pub name: Arc<str>,
    /// Another one when it is created again under the same name.
    pub(crate) id: u64,
    /// When it was created.
    pub created: Millis,
    /// The earliest event.
    pub first: Option<Millis>,
    /// The latest event.
    pub last: Option<Millis>,
    /// When an event last arrived.
    pub last_ingestion: Option<Millis>,
}

/// Which events are wanted. They are given in order of time, whatever the direction.
#[derive(Debug, Clone)]
pub struct Query {
    /// From when, inclusive.
    pub start: Millis,
    /// Until when, exclusive.
    pub end: Millis,
    /// Of which streams.
    pub streams: Streams,
    /// Which messages.
    pub pattern: crate::FilterPattern,
    /// Only those after this place, or before it when the newest are wanted first.
    pub beyond: Option<EventKey>,
    /// Takes the latest that fit rather than the earliest.
    pub newest_first: bool,
    /// At most so many.
    pub events_max: usize,
}

/// Which streams of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Streams {
    /// All.
    All,
    /// Those whose names begin so.
    Prefix(String),
    /// These.
    Named(Vec<String>),
}

impl Streams {
    pub(crate) fn has(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Prefix(prefix) => name.starts_with(prefix),
            Self::Named(names) => names.iter().any(|other| other == name),
        }
    }
}

/// What a query found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// In order of time.
    pub events: Vec<StoredEvent>,
    /// Whether there are more in the query's direction.
    pub more: bool,
}

/// What can go wrong with logs.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// There is no such group.
    #[error("The specified log group does not exist.")]
    NoGroup,
    /// There is no such stream.
    #[error("The specified log stream does not exist.")]
    NoStream,
    /// There is one.
    #[error("The specified log group already exists")]
    GroupExists,
    /// There is one.
    #[error("The specified log stream already exists")]
    StreamExists,
    /// A parameter breaks a rule.
    #[error("{0}")]
    Invalid(String),
    /// More came than the disk takes; nothing of it was kept.
    #[error("The log store takes no more at the moment: try again in a second.")]
    Busy,
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The disk failed.
    #[error("the log segment {place} cannot be used: {error}")]
    Disk {
        /// The file or folder.
        place: String,
        /// What the system said.
        error: io::Error,
    },
}

impl LogsError {
    /// What to do about it.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Busy => Remedy::Retry,
            Self::Catalog(error) => error.remedy(),
            Self::Disk { .. } => Remedy::Report,
            _ => Remedy::FixRequest,
        }
    }
}
