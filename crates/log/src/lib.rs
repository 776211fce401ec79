//! The durable, sharded, replayable log.
//!
//! ```text
//! append ─► group commit (one sync for all that wait) ─► segments ─► ShardReader, woken by the append
//! ```

mod contract;

pub use contract::*;
