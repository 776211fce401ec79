//! SQS queues.
//!
//! ```text
//! send, delete ─► plan ─► group commit (one frame, one sync) ─► state ─► reply, waiting receives are woken
//! receive ─► state (who may have what, until when) ─► library (memory, or the segment) ─► message
//! ```
//!
//! [`Queues`] is the handle. What is on disk is described in [`format`](mod@format). Memory holds about 200 bytes of each
//! message; bodies are read back from the journal, but for the newest. A send or delete that was acknowledged is on disk;
//! receives are noted on disk a moment later (see there what a crash can forget).

mod clean;
mod commit;
mod counts;
mod env;
mod error;
pub mod format;
mod journal;
mod keys;
mod library;
mod message;
mod open;
mod queue_info;
mod queues;
mod receipt;
mod settings;
mod state;
mod tasks;
mod traffic;
mod upkeep;
mod work;

pub use counts::{Counters, Counts, Depth};
pub(crate) use env::Env;
pub use env::{Commit, QueueOptions, QueueParts};
pub use error::QueueError;
pub(crate) use keys::OUTBOX_ACCOUNT;
pub use keys::{KMS_REUSE_SECS_DEFAULT, KeyRefusal, MessageKey, MessageKeys, NoKeys};
pub use message::{
    AttributeValue, Delivered, MESSAGE_BYTES_MAX, MessageAttribute, NewMessage, ReceiveOptions, Sent, SystemAttributes,
    hex, md5_of_attributes,
};
pub use queue_info::{FIFO_SUFFIX, QueueInfo, QueueKey};
pub use queues::Queues;
pub use receipt::Receipt;
pub use settings::{Fifo, Redrive, RedriveAllow, Settings};
pub use tasks::{MoveTask, TaskStatus};
pub use traffic::{IN_FLIGHT_MAX, VISIBILITY_SECS_MAX};
