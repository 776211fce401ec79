//! Avro definitions, and whether a reader's schema resolves what a writer's schema wrote.

mod names;
mod resolve;

use super::finding::Finding;
use super::words::{DataFormat, InvalidDefinition};
use apache_avro::Schema;

/// The schema of a definition.
pub(super) fn parse(definition: &str) -> Result<Schema, InvalidDefinition> {
    let value: serde_json::Value = serde_json::from_str(definition).map_err(|error| {
        let at = format!("line {}, column {}", error.line(), error.column());
        InvalidDefinition { format: DataFormat::Avro, at, reason: format!("it is not JSON: {error}") }
    })?;
    names::check(&value)?;
    Schema::parse(&value).map_err(|error| {
        let at = names::place_of(&value, &error.to_string());
        InvalidDefinition { format: DataFormat::Avro, at, reason: error.to_string() }
    })
}

/// Where `reader` does not resolve what `writer` allows.
pub(super) fn findings(writer: &Schema, reader: &Schema) -> Vec<Finding> {
    resolve::findings(writer, reader)
}
