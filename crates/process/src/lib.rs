//! The stream processor: runs job graphs on Arrow columns with the semantics of Apache Flink's SQL.
//!
//! ```text
//! JobGraph ─► Job::open ─┬─ lane (source ─► calc ─► watermark ─► local window) ─┐
//!                        └─ lane …                                              ├─► trunk (windows, calcs) ─► sinks
//!                             checkpoint = positions + state + sink epochs ◄────┘
//! ```

pub mod aggregates;
mod cast;
mod eval;
mod explain;
pub mod functions;
pub mod graph;
mod nearest;
mod number;
mod pattern;
mod time;

pub use cast::is_castable;
pub use eval::{Column, EvalContext, EvalError, Program};
pub(crate) use nearest::nearest;
