//! A running job: lanes, trunk, and checkpoints over both.
//!
//! [`Job`] is a synchronous, deterministic machine: the same graph over the same input and clock, stepped and checkpointed
//! in the same order, does the same. [`run_job`] drives one on threads.
//!
//! # Exactly once
//! A checkpoint is taken between steps, when nothing is under way: positions, state, and what the sinks prepared. It is
//! saved before the sinks commit, and a restored job repeats the commit of the checkpoint that it starts from. So a crash
//! before the save undoes everything since the last checkpoint, and a crash after it undoes nothing.
//!
//! A job takes its first checkpoint when it is opened, so that its first positions are known after a crash, and saves again
//! the one it starts from: a process whose sync failed may have left a checkpoint that shows but is not on disk, and a commit
//! must not get ahead of its checkpoint. A job that starts from nothing is a new incarnation, whose sinks have names of their
//! own: what an earlier one wrote is never taken for its output.
//!
//! # Saved state (version 2; version 1 had neither subtasks nor ends)
//! ```text
//! body := version(4) graph hash(8) incarnation(8) finished(1) positions trunk prepared
//! positions := list of source(8) split id, subtask(4) ended(1) position(8), watermark progress
//! ```

mod context;
mod figures;
mod lane;
mod plan;
mod run;
mod snapshot;
mod trunk;

pub use figures::{Figures, NodeFigures, ThreadFigures};
pub use run::{DEFAULT_INTERVAL_MS, RunOptions, Stop, run_job};
pub use snapshot::SavedPosition;

use crate::checkpoint::{CheckpointError, CheckpointStore};
use crate::codec::{CodecError, Counted, Reader, Writer};
use crate::connect::{ConnectError, Connectors, Environment, Position, Restored};
use crate::eval::EvalError;
use crate::graph::{JobGraph, NodeId, Operator};
use context::Shared;
use lane::{Lane, Went};
use millrace_base::{Millis, Remedy};
use std::collections::BTreeMap;
use std::sync::Arc;
use trunk::Trunk;

const STATE_VERSION: u32 = 2;

/// What a job runs with.
#[derive(Clone)]
pub struct Parts {
    /// The world.
    pub environment: Environment,
    /// The known connectors.
    pub connectors: Connectors,
}

/// A job that was opened.
pub struct Job {
    lanes: Vec<Lane>,
    trunk: Trunk,
    store: Option<CheckpointStore>,
    graph_hash: u64,
    incarnation: u64,
    bounded: bool,
    interval_ms: Option<i64>,
    epoch: u64,
    finished: bool,
    checkpoints: u64,
    checkpoint_ms: Millis,
    checkpoint_bytes: u64,
    /// What the last checkpoint of this process holds.
    places: Vec<Place>,
    environment: Environment,
    shared: Arc<Shared>,
}

/// What a step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Something was done; there may be more.
    Worked,
    /// Nothing was there to do: wait for the sources.
    Idle,
    /// All sources ended and every result is committed.
    Finished,
}

/// Figures of a job since it was first started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Rows read since the job was opened.
    pub rows_in: u64,
    /// Rows written to sinks.
    pub rows_out: u64,
    /// Rows that windows dropped as late.
    pub late: u64,
    /// The least watermark at the sinks; none before the first.
    pub watermark: Option<Millis>,
    /// Checkpoints taken since the job was opened.
    pub checkpoints: u64,
    /// The epoch that is being written.
    pub epoch: u64,
    /// How long the last checkpoint took, from the first barrier to the sinks' commit.
    pub checkpoint_ms: Millis,
    /// Bytes of the last checkpoint.
    pub checkpoint_bytes: u64,
    /// How long threads of the job worked, in microseconds, all together.
    pub busy_us: u64,
    /// How long they waited for those behind them to take what they made.
    pub back_pressured_us: u64,
    /// How long they had nothing to do.
    pub idle_us: u64,
}

/// Why a job stopped.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The graph cannot run.
    #[error("{0}")]
    Graph(String),
    /// A table.
    #[error("{0}")]
    Connect(ConnectError),
    /// A checkpoint failed at a sink: it did not take, or did not make visible, what was written since the last one.
    #[error("checkpoint {epoch} failed: {error}")]
    Sink {
        /// Which checkpoint.
        epoch: u64,
        /// What the sink said.
        error: ConnectError,
    },
    /// A value.
    #[error("{place}: {reason}")]
    Data {
        /// The operator or table.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// The checkpoint could not be written or read.
    #[error("{0}")]
    Checkpoint(#[from] CheckpointError),
    /// The checkpoint does not hold what was expected.
    #[error("{0}")]
    State(CodecError),
    /// The checkpoint is of another job.
    #[error(
        "the checkpoint in {dir} was taken of another query; remove that folder to start from the beginning, \
         or run the query that it was taken of"
    )]
    OtherGraph {
        /// Where the checkpoint lies.
        dir: String,
    },
    /// It was asked to stop while it waited for a function outside the engine.
    #[error("the job was stopped while it waited for a function; it goes on from its last checkpoint")]
    Stopped,
    /// A lane's thread failed in a way that should be impossible.
    #[error("a thread of the job died: {0}")]
    Died(String),
}

impl JobError {
    fn eval(place: &str, error: EvalError) -> Self {
        Self::Data { place: place.to_owned(), reason: error.0 }
    }

    /// Whether it was a checkpoint that failed.
    pub fn is_checkpoint(&self) -> bool {
        matches!(self, Self::Sink { .. } | Self::Checkpoint(_))
    }

    /// What to do about it.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Graph(_) | Self::OtherGraph { .. } => Remedy::FixRequest,
            Self::Connect(error) | Self::Sink { error, .. } => error.remedy(),
            Self::Data { .. } => Remedy::FixData,
            Self::Checkpoint(_) | Self::Stopped => Remedy::Retry,
            Self::State(_) | Self::Died(_) => Remedy::Report,
        }
    }
}

/// A checkpoint's content, taken apart.
struct Saved {
    incarnation: u64,
    finished: bool,
    positions: BTreeMap<NodeId, BTreeMap<String, Restored>>,
    /// How far each split has come in event time, and whether it has ended.
    progress: BTreeMap<(NodeId, String), (Vec<u8>, bool)>,
    trunk: Vec<u8>,
    prepared: Vec<Vec<u8>>,
}

impl Job {
    /// Opens a graph, from its newest checkpoint when the store has one. Without a store nothing survives a restart.
    ///
    /// # Errors
    /// The graph, its tables or the checkpoint; each names the cure.
    pub fn open(graph: &JobGraph, parts: Parts, store: Option<CheckpointStore>) -> Result<Self, JobError> {
        let Parts { mut environment, connectors } = parts;
        let graph_hash = hash(graph)?;
        let restored = match &store {
            Some(store) => store.latest()?,
            None => None,
        };
        let saved =
            restored.as_ref().map(|checkpoint| read_saved(&checkpoint.body, graph_hash, store.as_ref())).transpose()?;
        let incarnation = saved.as_ref().map_or_else(|| environment.dice.roll(), |saved| saved.incarnation);
        environment.job = format!("{}-{incarnation:016x}", environment.job).into();
        let shared = Shared::new(graph, &environment, &connectors)?;
        let mut lanes = Vec::new();
        let mut bounded = true;
        for (id, node) in graph.nodes.iter().enumerate() {
            let Operator::Source(spec) = &node.operator else { continue };
            let factory = connectors.source(spec).map_err(JobError::Connect)?;
            bounded &= factory.is_bounded();
            let none = BTreeMap::new();
            let positions = saved.as_ref().and_then(|saved| saved.positions.get(&id)).unwrap_or(&none);
            let parallelism = graph.settings.parallelism.max(1);
            let splits = factory.open(spec, &environment, parallelism, positions).map_err(JobError::Connect)?;
            let (concurrent, following) = (splits.concurrent, splits.following);
            for (subtask, splits) in splits.subtasks.into_iter().enumerate() {
                lanes.push(Lane::new(&shared, id, subtask, splits, concurrent, following.clone())?);
            }
        }
        let sources: Vec<NodeId> = lanes.iter().map(Lane::source).collect();
        let trunk = Trunk::new(&shared, &sources, &connectors, &environment)?;
        let interval_ms = graph.settings.checkpoint_interval_ms;
        let mut job = Self {
            lanes,
            trunk,
            store,
            graph_hash,
            incarnation,
            bounded,
            interval_ms,
            epoch: 1,
            finished: false,
            checkpoints: 0,
            checkpoint_ms: 0,
            checkpoint_bytes: 0,
            places: Vec::new(),
            environment,
            shared,
        };
        match (saved, restored, &job.store) {
            (Some(saved), Some(checkpoint), Some(store)) => {
                store.save(&checkpoint)?;
                job.restore(saved, checkpoint.epoch)?;
            }
            (_, _, Some(_)) => job.checkpoint()?,
            (_, _, None) => {}
        }
        Ok(job)
    }

    fn restore(&mut self, saved: Saved, epoch: u64) -> Result<(), JobError> {
        self.trunk.load(&mut Reader(&saved.trunk)).map_err(JobError::State)?;
        for lane in &mut self.lanes {
            lane.load(&saved.progress)?;
            lane.resume(|node| self.trunk.window_watermark(node));
        }
        self.trunk.commit(epoch, &saved.prepared)?;
        self.epoch = epoch + 1;
        self.finished = saved.finished;
        Ok(())
    }

    /// Does a piece of work: reads each lane once and lets the results flow. Commits everything when the sources end.
    ///
    /// # Errors
    /// The job is then to be dropped; opened again it goes on from its last checkpoint.
    pub fn step(&mut self) -> Result<Progress, JobError> {
        if self.finished {
            return Ok(Progress::Finished);
        }
        let mut progress = Progress::Idle;
        for nth in 0..self.lanes.len() {
            let mut sent = Vec::new();
            if self.lanes[nth].step(&mut sent)? == Went::Worked {
                progress = Progress::Worked;
            }
            self.trunk.take(nth, sent)?;
        }
        if self.lanes.iter().all(Lane::is_finished) || self.trunk.is_full() {
            self.checkpoint()?;
            return Ok(Progress::Finished);
        }
        Ok(progress)
    }

    /// Saves where everything stands, then makes visible what was written since the last checkpoint.
    ///
    /// # Errors
    /// As [`Self::step`].
    pub fn checkpoint(&mut self) -> Result<(), JobError> {
        for nth in 0..self.lanes.len() {
            let mut sent = Vec::new();
            self.lanes[nth].flush(&mut sent);
            self.trunk.take(nth, sent)?;
        }
        let positions = self.lanes.iter().flat_map(Lane::save).collect();
        let finished = self.lanes.iter().all(Lane::is_finished) || self.trunk.is_full();
        self.save(positions, finished)
    }

    fn save(&mut self, positions: Vec<Place>, finished: bool) -> Result<(), JobError> {
        let epoch = self.epoch;
        let prepared = self.trunk.prepare(epoch)?;
        if let Some(store) = &self.store {
            let ids = (self.graph_hash, self.incarnation);
            let write = |out: &mut Writer<'_>| write_saved(out, ids, finished, &positions, &self.trunk, &prepared);
            let counted = Counted::new(write);
            store.save_pieces(epoch, counted.len, &mut |sink| counted.write(sink, write))?;
            self.checkpoint_bytes = counted.len;
        }
        self.trunk.commit(epoch, &prepared)?;
        self.trunk.is_changed = false;
        self.places = positions;
        self.epoch += 1;
        self.checkpoints += 1;
        self.finished = finished;
        Ok(())
    }

    /// Whether a checkpoint would hold what the last one of this process held: nothing was read, nothing reached the trunk,
    /// so no sink has anything to commit either.
    fn is_unchanged(&self, places: &[Place]) -> bool {
        self.checkpoints > 0 && !self.trunk.is_changed && self.places == places
    }

    /// Figures.
    pub fn counters(&self) -> Counters {
        self.counters_with(self.lanes.iter().map(Lane::rows_in).sum())
    }

    fn counters_with(&self, rows_in: u64) -> Counters {
        let watermark = self.trunk.watermark();
        Counters {
            rows_in,
            rows_out: self.trunk.rows_out,
            late: self.trunk.late,
            watermark: (watermark > i64::MIN).then_some(watermark),
            checkpoints: self.checkpoints,
            epoch: self.epoch,
            checkpoint_ms: self.checkpoint_ms,
            checkpoint_bytes: self.checkpoint_bytes,
            ..Counters::default()
        }
    }

    /// What each operator does, while it runs.
    pub fn figures(&self) -> Arc<Figures> {
        self.shared.figures.clone()
    }

    /// Whether all its sources end.
    pub fn is_bounded(&self) -> bool {
        self.bounded
    }

    /// Whether it has come to its end.
    pub fn is_finished(&self) -> bool {
        self.finished
    }
}

/// A split's place.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    source: NodeId,
    split: String,
    subtask: usize,
    /// What follows it is still waited for.
    ended: bool,
    position: Position,
    /// How far it has come in event time.
    progress: Vec<u8>,
}

/// A hash of all that state depends on: the operators, and the parallelism, by which files are cut.
fn hash(graph: &JobGraph) -> Result<u64, JobError> {
    use sha2::Digest;
    let text = serde_json::to_vec(&(&graph.nodes, graph.settings.parallelism))
        .map_err(|error| JobError::Graph(error.to_string()))?;
    let digest = sha2::Sha256::digest(&text);
    Ok(digest.iter().take(8).fold(0, |hash, byte| hash << 8 | u64::from(*byte)))
}

fn write_saved(
    out: &mut Writer<'_>,
    (hash, incarnation): (u64, u64),
    finished: bool,
    positions: &[Place],
    trunk: &Trunk,
    prepared: &[Vec<u8>],
) {
    out.u32(STATE_VERSION);
    out.u64(hash);
    out.u64(incarnation);
    out.u8(u8::from(finished));
    out.list(positions.iter(), |out, place| {
        out.u64(place.source as u64);
        out.bytes(place.split.as_bytes());
        out.u32(place.subtask as u32);
        out.u8(u8::from(place.ended));
        out.u64(place.position);
        out.bytes(&place.progress);
    });
    out.sized(|out| trunk.save(out));
    out.list(prepared.iter(), |out, bytes| out.bytes(bytes));
}

fn read_saved(body: &[u8], hash: u64, store: Option<&CheckpointStore>) -> Result<Saved, JobError> {
    let mut from = Reader(body);
    let mut read = || -> Result<Option<Saved>, CodecError> {
        let version = from.u32()?;
        if !(1..=STATE_VERSION).contains(&version) {
            return Err(CodecError("a version of another release"));
        }
        if from.u64()? != hash {
            return Ok(None);
        }
        let incarnation = from.u64()?;
        let finished = from.u8()? == 1;
        let places = from.list(|from| {
            let (source, split) = (from.u64()? as NodeId, from.text()?);
            let (subtask, ended) = match version {
                1 => (None, false),
                _ => (Some(from.u32()? as usize), from.u8()? == 1),
            };
            Ok((source, split, Restored { subtask, ended, position: from.u64()? }, from.bytes()?.to_vec()))
        })?;
        let mut positions: BTreeMap<NodeId, BTreeMap<String, Restored>> = BTreeMap::new();
        let mut progress = BTreeMap::new();
        for (source, split, restored, event_time) in places {
            positions.entry(source).or_default().insert(split.clone(), restored);
            progress.insert((source, split), (event_time, restored.ended));
        }
        let trunk = from.bytes()?.to_vec();
        let prepared = from.list(|from| Ok(from.bytes()?.to_vec()))?;
        Ok(Some(Saved { incarnation, finished, positions, progress, trunk, prepared }))
    };
    let dir = store.map(|store| store.dir().display().to_string()).unwrap_or_default();
    read().map_err(JobError::State)?.ok_or(JobError::OtherGraph { dir })
}
