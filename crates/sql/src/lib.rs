//! Flink SQL: text → syntax tree with places → bound, typed plan → job graph.
//!
//! [`parse`] reads a script; a [`Session`] executes its statements one by one, each giving an [`Outcome`]: a text, a job
//! to run, a query's job, or a plan in text. Errors are [`SqlError`]s that point at their place.

mod error;
mod words;

mod lex;
mod parse;
pub mod tree;

mod bind;
mod plan;

mod session;
mod settings;

pub use error::{ErrorKind, Span, SqlError};
pub use parse::{parse, split};
pub use session::{Outcome, QueryJob, Session, SessionOptions, is_incomplete, needs_streams};
pub use settings::SETTINGS;
pub use words::is_reserved;
