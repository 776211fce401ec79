//! Records that Glue Schema Registry's serializers wrote: decoded by the schema version that the record names, into the columns
//! of whoever reads; and written likewise.
//!
//! Old and new versions may stand in one stream in any order: each is resolved to the reader's columns once, and the result is
//! kept by the version's id.

mod decode;
mod derive_json;
mod encode;
mod options;
mod text;
mod versions;

pub use decode::{FramedDecoder, Mixed};
pub use derive_json::derive_json;
pub use encode::FramedEncoder;
pub use options::GlueOptions;
pub use text::FramedText;
pub use versions::Schemas;
