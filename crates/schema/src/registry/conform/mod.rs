//! Whether a record is what a schema says: the reason, with the place in the record, when it is not.
//!
//! A definition is compiled once ([`Conform::new`]); a record is then read through without being built up (Avro), or as a tree
//! (JSON, of which only what the schema looks at; Protobuf).
//!
//! Protobuf records hold their message alone, or, behind the registry's header, the index of their message before it: all
//! messages of the file, nested ones too, in order of their full names. A record may not carry fields that its message does not
//! have: without that rule nearly all bytes are some Protobuf.

mod avro;
mod json;
mod protobuf;

use super::DataFormat;
use super::store::SchemaVersion;

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
    Json(Box<json::Judge>),
    Protobuf(protobuf::Messages),
}

impl Conform {
    /// Compiles a definition. Those that are registered compile.
    pub fn new(format: DataFormat, definition: &str) -> Result<Self, String> {
        Ok(Self(match format {
            DataFormat::Avro => Compiled::Avro(avro::Types::parse(definition)?),
            DataFormat::Json => Compiled::Json(Box::new(json::Judge::new(definition)?)),
            DataFormat::Protobuf => Compiled::Protobuf(protobuf::Messages::parse(definition)?),
        }))
    }

    /// Judges a record; the reason names the place in it.
    pub fn check(&self, layout: Layout, payload: &[u8]) -> Result<(), String> {
        match &self.0 {
            Compiled::Avro(types) => types.check(payload),
            Compiled::Json(judge) => judge.check(payload),
            Compiled::Protobuf(messages) => messages.check(layout, payload),
        }
    }
}

/// Judges one record by one version. Whoever judges many keeps a [`Conform`].
pub fn conform(version: &SchemaVersion, layout: Layout, payload: &[u8]) -> Result<(), String> {
    Conform::new(version.format, &version.definition)?.check(layout, payload)
}
