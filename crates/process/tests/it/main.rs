//! The engine through its public door: graphs in, tables out.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs, reason = "tests")]

mod aggregates;
mod expressions;
mod external;
mod figures;
mod recovery;
mod support;
mod throughput;
mod windows;
