//! Aggregations: read from the request, collected a segment at a time from columns, merged, written as OpenSearch does.
//!
//! An aggregator gets documents in blocks, each with the number of the bucket of its parent that it fell into, and hands its
//! children the same documents with its own buckets' numbers. So a tree of any depth is a few flat loops over columns, and
//! memory is by bucket, never by document. What a segment found is a [`Partial`]: keys in place of numbers, so that partials
//! of other segments and other indices merge.

mod collect;
mod digest;
mod distinct;
mod keys;
mod partial;
mod read;
mod render;
mod request;

pub use collect::SegmentAggs;
pub use partial::Partial;
pub use read::read;
pub use render::{nothing, render};
pub use request::Agg;

/// OpenSearch's `search.max_buckets`.
pub const BUCKETS_MAX: usize = 65_535;
