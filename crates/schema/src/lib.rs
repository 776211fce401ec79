//! Formats: bytes to Arrow and back, and the SQL types that describe them.

mod types;

pub mod avro;
pub mod csv;
mod error;
pub mod format;
pub mod json;
mod options;
pub mod protobuf;
mod raw;

mod column;
pub mod number;
mod put;
mod rows;
pub mod temporal;

pub mod framed;
pub mod glue;

pub mod hive;
pub mod registry;
pub mod tables;

pub use error::FormatError;
pub use format::{Decoder, Encoder};
pub use types::{Field, SqlType, Typed};
