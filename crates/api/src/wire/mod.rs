//! AWS's wire protocols, typed: bytes ↔ generated shapes, checked by the service model's own rules.
//!
//! ```text
//! body ─► Reader (JSON, CBOR, form, REST) ─► Shape::read ─► Checks (all broken rules at once) ─► handler
//! handler ─► Shape::write ─► Writer (JSON, CBOR, XML, REST) ─► body
//! ```
//!
//! One reader and one writer per format, one `Shape` per type: a `PutRecords` of 500 records takes the same road as a
//! `DescribeLimits`. Texts and blobs share the memory of the request's body, so the common road is the fast one.

mod cbor;
pub mod event_stream;
mod fault;
mod format;
mod json;
mod members;
mod model;
mod query;
mod rest;
mod rule;
mod shape;
mod structure;
mod values;

pub use cbor::{CborReader, CborWriter};
pub use fault::{Fault, FaultKind, kinds};
pub use format::Format;
pub(crate) use format::read_whole;
pub use json::{JsonReader, JsonWriter};
pub use members::Members;
pub use model::{Model, NO_NAMES, Place, QueryName, QueryNames, Route};
pub use query::{FormReader, SQS_NAMES, XmlWriter, escape};
pub use rest::{Parameters, RestReader, RestResponse, RestWriter};
pub use rule::{Checks, Rule};
pub use shape::{DEPTH_MAX, Kind, Malformed, Reader, Shape, Unsupported, Writer};
pub(crate) use structure::structures;
pub use values::{Text, Timestamp};
pub(crate) use values::{http_date, iso};
