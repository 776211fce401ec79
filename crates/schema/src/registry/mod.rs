//! The schema registry: what a definition is, and when one may follow another.
//!
//! [`validate`] says whether a definition is one at all; [`check`] whether data survives the step from old versions to a new
//! one, and if not, which field breaks which rule. Both are pure: they know no store, no clock and no network.

mod avro;
pub mod compat;
mod finding;
mod json;
mod protobuf;
mod words;

pub use compat::{check, validate};
pub use words::{Compatibility, DataFormat, Direction, InvalidDefinition, Violation};
