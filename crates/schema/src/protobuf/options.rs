//! How Protobuf is to be read and written.

use super::schema::ProtobufSchema;
use crate::FormatError;
use crate::options::Options;
use prost_reflect::MessageDescriptor;
use std::collections::BTreeMap;

/// Settings of the `protobuf` format; the defaults are Flink's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProtobufOptions {
    /// A record that does not parse is left out.
    pub ignore_parse_errors: bool,
    /// A field that tracks presence and is absent is its default instead of NULL.
    pub read_default_values: bool,
    /// What a NULL text in an array or map is written as: Protobuf has no NULL there.
    pub write_null_string_literal: String,
}

impl ProtobufOptions {
    /// The settings from a table's `WITH` options that begin with `protobuf.`, and the message. Flink finds it in a Java
    /// class; here the definition is an option: `protobuf.definition` (the `.proto` text) or `protobuf.descriptor` (Base64 of a
    /// descriptor set).
    pub fn from_with(with: &BTreeMap<String, String>) -> Result<(Self, MessageDescriptor), FormatError> {
        let mut options = Options::new("protobuf", with);
        let name = options.get("message-class-name");
        let schema = match (options.get("definition"), options.get("descriptor")) {
            (Some(text), None) => ProtobufSchema::parse(text)?,
            (None, Some(text)) => {
                let bytes = base64_simd::STANDARD.decode_to_vec(text.trim());
                let bytes =
                    bytes.map_err(|_| options.refuse("descriptor", "Base64 of a descriptor set is expected"))?;
                ProtobufSchema::from_descriptor_set(&bytes)?
            }
            _ => {
                let expected = "set 'protobuf.definition' to the text of the .proto file, or 'protobuf.descriptor' to the Base64 of \
                                a descriptor set (one of them: there is no Java class to take it from)";
                return Err(options.refuse("definition", expected));
            }
        };
        let settings = Self {
            ignore_parse_errors: options.flag("ignore-parse-errors", false)?,
            read_default_values: options.flag("read-default-values", false)?,
            write_null_string_literal: options.text("write-null-string-literal", ""),
        };
        options.end()?;
        Ok((settings, schema.message(name)?))
    }
}
