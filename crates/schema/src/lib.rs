//! Formats: bytes to Arrow and back, and the SQL types that describe them.

mod types;

pub use types::{Field, SqlType, Typed};
