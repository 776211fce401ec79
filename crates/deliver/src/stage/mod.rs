//! The first half of a delivery stream with a Lambda processor: from the source, through the function, into a stream of its
//! own that the second half ([`crate::run`]) reads like any other.
//!
//! ```text
//! source ─► batch (written down) ─► function ─► staged stream ─► lanes ─► cut ─► objects or documents
//! ```
//!
//! # Why a stream
//! A function need not answer the same twice: after a restart a record could be dropped that was delivered before, or move
//! to another partition and be delivered there again. So the function's answer is made durable once, and everything behind
//! it follows from positions again.
//!
//! # Crash behaviour
//! The positions of a batch are in the catalog, under the batch's number, before the function is asked. The answer is
//! appended with that number as its producer's epoch, all records of it or none, then the batch is marked as staged. A run
//! that was killed between any two of these steps asks the function again with the same records; the log drops the second
//! answer if it has the first.
//!
//! # What is staged (v1, little endian)
//! ```text
//! staged := version(1) = 1  kind(1)  arrival(8)  head_len(4)  head  data
//! kind   := 0 source: as it came, for the backup; no head
//!         | 1 transformed: the head is the JSON object of the function's partition keys, or empty
//!         | 2 failed: the head is a JSON object that says why; data is the record as it came
//! ```

mod event;
mod progress;
mod staged;
mod stager;
mod waiting;

pub(crate) use progress::{StageProgress, TABLE as STAGING, create_staged_stream, staged_key};
pub(crate) use staged::{Failed, Staged, What};
pub use stager::Stager;
