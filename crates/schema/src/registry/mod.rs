//! The schema registry: what a definition is, when one may follow another, which there are, and which records conform to one.
//!
//! [`validate`] says whether a definition is one at all; [`check`] whether data survives the step from old versions to a new
//! one, and if not, which field breaks which rule. Both are pure: they know no store, no clock and no network.
//! [`Registry`] keeps registries, schemas and versions; [`conform`] judges records.

mod avro;
mod canonical;
pub mod compat;
pub mod conform;
pub mod diff;
mod finding;
mod json;
mod protobuf;
pub mod store;
mod words;

pub use compat::{check, validate};
pub use store::{Registry, RegistryError, Schema, SchemaKey, SchemaVersion, VersionNumber, VersionStatus};
pub use uuid::Uuid;
pub use words::{Compatibility, DataFormat, Direction, InvalidDefinition, Violation};
