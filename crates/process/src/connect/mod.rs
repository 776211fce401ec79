//! Connectors: where the rows of a table come from and where they go.
//!
//! # Sources
//! A table is read as *splits* (a shard, a piece of a file), each with an exact position. A checkpoint holds the position of
//! every split; a restored split goes on from it. When a split ended, others may follow it ([`Following`]): the shards that
//! it was split into or merged to. They are read where it was read, and take over how far it has come in event time.
//!
//! # Sinks: two phases
//! ```text
//! write* ─► prepare(epoch) ─► [checkpoint is durable, holds what prepare gave] ─► commit(epoch, prepared)
//! ```
//! `prepare` gives bytes that say how to make visible what was written since the last one; `commit` does that, and does it
//! once however often it is repeated, because names and producer epochs follow from job and epoch. A restored job repeats
//! the commit of the checkpoint it restores, then goes on.

mod collect;
mod error;
mod filesystem;
mod kinesis;
mod options;
mod print;
mod render;
mod values;

pub use collect::{Collect, Collected};
pub use error::ConnectError;
pub use options::Options;
pub use render::{RowKind, Rows, render_row};

use crate::external::ScalarCalls;
use crate::graph::ConnectorSpec;
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use millrace_base::{Clock, Dice, Disk, Scope};
use millrace_log::Log;
use millrace_schema::registry::Registry;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What connectors work with.
#[derive(Clone)]
pub struct Environment {
    /// Whose streams the names mean.
    pub scope: Scope,
    /// The log; none when SQL runs without a server.
    pub log: Option<Arc<dyn Log>>,
    /// Where files lie.
    pub disk: Arc<dyn Disk>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub dice: Arc<dyn Dice>,
    /// Unique to the job and the same after a restart: part of file names and producer ids.
    pub job: Arc<str>,
}

/// A saved place in a split: a shard's index or a file's byte offset.
pub type Position = u64;

/// A split of a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restored {
    /// Where it is read on.
    pub position: Position,
    /// The subtask that read it, and has to go on with it: downstream, watermarks are kept by subtask. None in checkpoints
    /// of the first releases, whose splits never changed.
    pub subtask: Option<usize>,
    /// It has ended, and what follows it is still waited for. Its subtask may have told downstream that it is done, so what
    /// follows must come to another one.
    pub ended: bool,
}

/// One independently positioned part of a source.
#[async_trait]
pub trait Split: Send {
    /// The same after a restart, whatever the parallelism.
    fn id(&self) -> &str;
    /// Decodes what is there now, at most about `rows_max` rows, without waiting.
    fn read(&mut self, rows_max: usize) -> Result<SplitRead, ConnectError>;
    /// After all that `read` gave.
    fn position(&self) -> Position;
    /// Waits until `read` would find something. Cancel-safe.
    async fn wait(&mut self) -> Result<(), ConnectError>;
}

/// What one read of a split gave.
#[derive(Debug, Clone)]
pub struct SplitRead {
    /// Rows in the layout of [`ConnectorSpec::fields`]; none when nothing was there.
    pub batch: Option<RecordBatch>,
    /// True when the split will never give more.
    pub ended: bool,
}

/// An opened source.
pub struct SourceSplits {
    /// The splits of each subtask.
    pub subtasks: Vec<Vec<Box<dyn Split>>>,
    /// True: the splits of a subtask are read together and each has its own watermark (shards). False: they are read one
    /// after the other under one watermark (files).
    pub concurrent: bool,
    /// What follows splits that ended. None: nothing ever does.
    pub following: Option<Arc<dyn Following>>,
}

/// Knows the splits that follow others. Shared by the subtasks of a source.
pub trait Following: Send + Sync {
    /// Notes that a split ended, and gives the splits that can be read now in its place. One that follows several splits
    /// comes with the last of them. Each is given once.
    fn follow(&self, ended: &str) -> Result<Vec<Box<dyn Split>>, ConnectError>;
    /// Whether a split that follows this ended one was not given yet: then a checkpoint must still hold the ended one.
    fn is_awaited(&self, ended: &str) -> bool;
}

/// Opens tables for reading.
pub trait SourceFactory: Send + Sync {
    /// The splits of a table over `parallelism` subtasks, each from its restored position (by split id), else from where
    /// the table's options say.
    fn open(
        &self,
        spec: &ConnectorSpec,
        environment: &Environment,
        parallelism: usize,
        restored: &BTreeMap<String, Restored>,
    ) -> Result<SourceSplits, ConnectError>;
    /// Whether the table ends.
    fn is_bounded(&self) -> bool;
}

/// A table that is written. Everything written between two prepares belongs to one epoch.
pub trait Sink: Send {
    /// Takes rows. They need not be visible before the commit.
    fn write(&mut self, rows: &Rows) -> Result<(), ConnectError>;
    /// Ends the epoch: what must be known to commit it, to be kept in the checkpoint.
    fn prepare(&mut self, epoch: u64) -> Result<Vec<u8>, ConnectError>;
    /// Makes the epoch visible and durable. Idempotent, also in a new process.
    fn commit(&mut self, epoch: u64, prepared: &[u8]) -> Result<(), ConnectError>;
}

/// Opens tables for writing.
pub trait SinkFactory: Send + Sync {
    /// A sink; `uid` tells the sinks of one job apart and is the same after a restart.
    fn open(&self, spec: &ConnectorSpec, environment: &Environment, uid: &str) -> Result<Box<dyn Sink>, ConnectError>;
    /// Whether it takes updates and deletions, not only new rows.
    fn accepts_updates(&self) -> bool {
        false
    }
}

/// The connectors by name.
#[derive(Clone)]
pub struct Connectors {
    sources: BTreeMap<&'static str, Arc<dyn SourceFactory>>,
    sinks: BTreeMap<&'static str, Arc<dyn SinkFactory>>,
    functions: Option<Arc<dyn ScalarCalls>>,
}

impl Default for Connectors {
    /// The connectors that need nothing but the environment.
    fn default() -> Self {
        let mut connectors = Self { sources: BTreeMap::new(), sinks: BTreeMap::new(), functions: None };
        connectors.sources.insert("kinesis", Arc::new(kinesis::KinesisSource::default()));
        connectors.sources.insert("filesystem", Arc::new(filesystem::FileSource));
        connectors.sources.insert("values", Arc::new(values::Values));
        connectors.add_sink("kinesis", Arc::new(kinesis::KinesisSink::default()));
        connectors.add_sink("filesystem", Arc::new(filesystem::FileSink));
        connectors.add_sink("print", Arc::new(print::Print));
        connectors.add_sink("blackhole", Arc::new(print::Blackhole));
        connectors
    }
}

impl Connectors {
    /// Adds a sink of another room, for example the search index.
    pub fn add_sink(&mut self, name: &'static str, factory: Arc<dyn SinkFactory>) {
        self.sinks.insert(name, factory);
    }

    /// Says which registry the formats `avro-glue`, `json-glue` and `protobuf-glue` take schemas from.
    pub fn set_registry(&mut self, registry: &Registry) {
        let registry = Some(registry.clone());
        self.sources.insert("kinesis", Arc::new(kinesis::KinesisSource { registry: registry.clone() }));
        self.add_sink("kinesis", Arc::new(kinesis::KinesisSink { registry }));
    }

    /// Says what calls the functions outside the engine.
    pub fn set_functions(&mut self, functions: Arc<dyn ScalarCalls>) {
        self.functions = Some(functions);
    }

    /// What calls the functions outside the engine; none when SQL runs without a server.
    pub fn functions(&self) -> Option<&Arc<dyn ScalarCalls>> {
        self.functions.as_ref()
    }

    /// The source connector of a table.
    pub fn source(&self, spec: &ConnectorSpec) -> Result<&dyn SourceFactory, ConnectError> {
        find(&self.sources, spec, "source")
    }

    /// The sink connector of a table.
    pub fn sink(&self, spec: &ConnectorSpec) -> Result<&dyn SinkFactory, ConnectError> {
        find(&self.sinks, spec, "sink")
    }
}

fn find<'a, T: ?Sized>(
    known: &'a BTreeMap<&'static str, Arc<T>>,
    spec: &ConnectorSpec,
    role: &'static str,
) -> Result<&'a T, ConnectError> {
    known.get(spec.connector.as_str()).map(Arc::as_ref).ok_or_else(|| ConnectError::Connector {
        table: spec.table.clone(),
        connector: spec.connector.clone(),
        role,
        available: known.keys().copied().collect::<Vec<_>>().join(", "),
    })
}
