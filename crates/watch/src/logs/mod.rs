//! Logs under CloudWatch Logs' words: groups, streams and events.
//!
//! ```text
//! put ─► buffer (bounded, never waits) ─► thread ─► segments (one row per group) ─► query (a page in order of time)
//! ```

mod admin;
mod handle;
mod read;
mod segment;
mod store;
#[cfg(test)]
mod tests;
mod types;

pub use handle::Logs;
pub use store::{EVENT_BYTES_MAX, LogsParts};
pub use types::{EventKey, Found, GroupInfo, GroupKey, LogEvent, LogsError, Query, StoredEvent, StreamInfo, Streams};
