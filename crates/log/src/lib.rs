//! The durable, sharded, replayable log.
//!
//! ```text
//! append ─► routing ─► group commit (one write, one sync) ─► segments ─► view, tail cache ─► ShardReader, woken
//! ```
//!
//! [`Log`] is the contract; [`LocalLog`] keeps it on one machine's disk. The layout of the files is in [`mod@format`].

mod commit;
mod consumers;
mod contract;
mod error;
pub mod format;
mod local;
mod monitoring;
mod open;
mod reader;
mod readership;
mod reshard;
mod routing;
mod rubbish;
mod scan;
mod segments;
mod stream;
mod tags;
mod trim;
mod view;
mod writer;

pub use consumers::{ConsumerError, Consumers, StreamConsumer};
use contract::number;
pub use contract::*;
pub use local::{Commit, LocalLog, LogOptions, LogParts};
pub use monitoring::{Monitoring, ShardMetric};
pub use readership::{Bookmark, ReaderKind, Readership, Reading, StreamReader};
pub use routing::{hash_key, uniform_ranges};
pub use tags::{TagStore, Tags};
