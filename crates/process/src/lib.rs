//! The stream processor: runs job graphs on Arrow columns with the semantics of Apache Flink's SQL.
//!
//! ```text
//! JobGraph ─► Job::open ─┬─ lane (source ─► calc ─► watermark ─► local window) ─┐
//!                        └─ lane …                                              ├─► trunk (windows, calcs) ─► sinks
//!                             checkpoint = positions + state + sink epochs ◄────┘
//! ```

mod explain;
pub mod graph;

pub mod aggregates;
mod cast;
mod eval;
pub mod functions;
mod number;
mod pattern;
mod time;

pub mod connect;
mod external;

mod chunk;
mod operators;
mod state;

mod checkpoint;
mod codec;
mod durable;
mod job;

pub use cast::is_castable;
pub use checkpoint::{Checkpoint, CheckpointError, CheckpointStore};
pub use codec::CodecError;
pub use eval::{Column, EvalContext, EvalError, Program};
pub use external::{CallFailure, ScalarCalls};
pub use job::{
    Counters, DEFAULT_INTERVAL_MS, Figures, Job, JobError, NodeFigures, Parts, Progress, RunOptions, SavedPosition,
    Stop, ThreadFigures, run_job,
};
