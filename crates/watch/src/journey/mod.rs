//! One record's journey: who put it where, and what each stage made of it.
//!
//! Nothing is written *into* records. A put notes its correlation id and the positions that it filled; a stage notes which
//! positions it worked on, when, and what came of them. Because positions are exact, the two are joined when somebody asks:
//!
//! ```text
//! Put  { trace 4bf9…, orders / shard 2, 17..42 }
//! Step { firehose "lake", orders / shard 2, 0..400, made s3://lake/…parquet }      17 lies in 0..400
//! Step { application "rates", orders / shard 2, 0..50, led to rates / shard 0, 3..5 }   go on from there
//! ```
//!
//! A note costs one push into a bounded list; a thread writes what has gathered once a second ([`Journeys::flush`]). Notes
//! beyond the bound are dropped and counted ([`Journeys::dropped`]): a journey is for people, no result depends on it.

mod format;
mod id;
mod note;
mod spans;
mod store;

pub use id::{TraceContext, TraceId};
pub use note::{Note, Outcome, Put, Range, Step};
pub use spans::Spans;
pub use store::{JOURNEY_BYTES_MAX, Journeys, JourneysParts};
