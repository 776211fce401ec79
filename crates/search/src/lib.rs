//! The search index: OpenSearch's documents, mappings, queries and aggregations over [tantivy](https://docs.rs/tantivy).
//!
//! A write goes to the index's translog, synced, before it is acknowledged, and into tantivy's writer; a refresh makes it
//! found. [`Engine`] holds many indices; bodies and answers are OpenSearch's JSON.

mod aggs;
mod aliases;
mod analysis;
mod bulk;
mod date;
mod definitions;
mod engine;
mod error;
mod find;
mod index;
mod mapping;
mod names;
mod query;
mod rollover;
mod tally;
mod values;

pub use bulk::{BulkItem, BulkLabel, Outcome, parse_bulk};
pub use definitions::size_text;
pub use engine::{BulkOp, Engine, Parts, Refresh};
pub use error::Error;
pub use find::SourceFilter;
pub use index::{Action, Condition, Done, Found, Write};
pub use tally::{Figures, INDEXING_BYTES_MAX, Tally};
