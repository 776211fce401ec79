//! Whether a reader's schema accepts every instance that a writer's schema accepts.

use super::Definition;
use crate::registry::finding::{Finding, rules};
use jsonschema::canonical::{self, CanonicalSchema, Containment};

rules! {
    NARROWED = "json-narrowed",
        new reads: "accept in the new version all that the old one accepted",
        old reads: "allow in the new version only what the old one accepts";
}

/// Where `reader` refuses what `writer` allows.
pub(super) fn findings(writer: &Definition, reader: &Definition) -> Vec<Finding> {
    if containment(writer, reader) == Containment::Yes {
        return Vec::new();
    }
    let why = "instances that the writer's schema accepts are refused by the reader's".to_owned();
    let (writer, reader) = (writer.root.to_string(), reader.root.to_string());
    vec![Finding { rule: &NARROWED, at: "/".to_owned(), writer, reader, why }]
}

/// What the library proves.
fn containment(writer: &Definition, reader: &Definition) -> Containment {
    let canonical = |definition: &Definition| -> Option<CanonicalSchema> {
        canonical::options().with_draft(definition.draft).offline().canonicalize(&definition.root).ok()
    };
    let (Some(writer), Some(reader)) = (canonical(writer), canonical(reader)) else { return Containment::Unknown };
    reader.covers(&writer).unwrap_or(Containment::Unknown)
}
