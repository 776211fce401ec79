//! Whether a record is what a schema says: the reason, with the place in the record, when it is not.
//!
//! A definition is compiled once ([`Conform::new`]); a record is then read through without being built up (Avro), or as a tree
//! (JSON, Protobuf).
//!
//! Protobuf records hold their message alone, or, behind the registry's header, the index of their message before it: all
//! messages of the file, nested ones too, in order of their full names. A record may not carry fields that its message does not
//! have: without that rule nearly all bytes are some Protobuf.

mod avro;
mod protobuf;

use super::store::SchemaVersion;
use super::{DataFormat, json};
use jsonschema::Validator;
use serde_json::Value;
use std::fmt::Write;

/// How many errors of a JSON record are told.
const ERRORS_SHOWN: usize = 3;
/// A value shown in an error is cut to this many characters.
const EXCERPT_CHARS: usize = 80;

/// How a record's bytes lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// The value alone.
    Plain,
    /// As the registry's serializers write it behind their header: Protobuf with a message index.
    Framed,
}

/// A definition, ready to judge records.
#[derive(Debug)]
pub struct Conform(Compiled);

#[derive(Debug)]
enum Compiled {
    Avro(avro::Types),
    Json(Box<Validator>),
    Protobuf(protobuf::Messages),
}

impl Conform {
    /// Compiles a definition. Those that are registered compile.
    pub fn new(format: DataFormat, definition: &str) -> Result<Self, String> {
        Ok(Self(match format {
            DataFormat::Avro => Compiled::Avro(avro::Types::parse(definition)?),
            DataFormat::Json => Compiled::Json(Box::new(validator(definition)?)),
            DataFormat::Protobuf => Compiled::Protobuf(protobuf::Messages::parse(definition)?),
        }))
    }

    /// Judges a record; the reason names the place in it.
    pub fn check(&self, layout: Layout, payload: &[u8]) -> Result<(), String> {
        match &self.0 {
            Compiled::Avro(types) => types.check(payload),
            Compiled::Json(validator) => check_json(validator, payload),
            Compiled::Protobuf(messages) => messages.check(layout, payload),
        }
    }
}

/// Judges one record by one version. Whoever judges many keeps a [`Conform`].
pub fn conform(version: &SchemaVersion, layout: Layout, payload: &[u8]) -> Result<(), String> {
    Conform::new(version.format, &version.definition)?.check(layout, payload)
}

fn validator(definition: &str) -> Result<Validator, String> {
    let json::Definition { root, draft } = json::parse(definition).map_err(|error| error.to_string())?;
    jsonschema::options().with_draft(draft).offline().build(&root).map_err(|error| error.to_string())
}

fn check_json(validator: &Validator, payload: &[u8]) -> Result<(), String> {
    let value: Value = serde_json::from_slice(payload).map_err(|error| format!("it is not JSON: {error}"))?;
    if validator.is_valid(&value) {
        return Ok(());
    }
    let mut reason = String::new();
    let mut errors = validator.iter_errors(&value);
    for error in errors.by_ref().take(ERRORS_SHOWN) {
        // A value may be a secret, and reasons stand in logs: they say where and what is wanted, not what came.
        let text = error.masked().to_string();
        let short: String = text.chars().take(2 * EXCERPT_CHARS).collect();
        let more = if short.len() < text.len() { "…" } else { "" };
        let place = error.instance_path().to_string();
        let separator = if reason.is_empty() { "" } else { "; " };
        let place = if place.is_empty() { String::new() } else { format!("at {place}: ") };
        // Writing to a text cannot fail.
        let _ = write!(reason, "{separator}{place}{short}{more}");
    }
    match errors.count() {
        0 => {}
        more => drop(write!(reason, "; and {more} more")),
    }
    Err(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_records_are_validated() {
        let definition = r#"{"type": "object", "properties": {"id": {"type": "integer"}, "tags": {"items": {"type": "string"}}},
                             "required": ["id"]}"#;
        let conform = Conform::new(DataFormat::Json, definition).unwrap();
        let reason = |payload: &str| conform.check(Layout::Plain, payload.as_bytes()).unwrap_err();
        assert_eq!(conform.check(Layout::Plain, br#"{"id": 1, "tags": ["a"]}"#), Ok(()));
        assert!(reason("{").contains("not JSON"), "{}", reason("{"));
        assert!(reason("{}").contains("\"id\" is a required property"), "{}", reason("{}"));
        let wrong = reason(r#"{"id": "x", "tags": ["a", 7]}"#);
        assert!(wrong.contains("at /id: ") && wrong.contains("at /tags/1: "), "{wrong}");
        assert!(!reason(r#"{"id": "4111111111111111"}"#).contains("4111"), "a value stands in the reason");
    }
}
