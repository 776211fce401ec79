//! Formats: bytes to Arrow and back, and the SQL types that describe them.

mod types;

mod error;
pub mod format;
pub mod json;
pub mod csv;
mod raw;
mod options;

mod column;
mod put;
pub mod number;
pub mod temporal;

pub mod hive;
pub mod tables;

pub use error::FormatError;
pub use format::{Decoder, Encoder};
pub use types::{Field, SqlType, Typed};
