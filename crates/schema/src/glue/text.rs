//! Framed records as JSON text, for those who have no columns: queries over records, search, functions.

use super::decode::message_index;
use super::versions::{Schemas, VERSIONS_MAX, frame, payload};
use crate::avro::{AvroSchema, print_record};
use crate::protobuf::{ProtobufSchema, print_message};
use crate::registry::DataFormat;
use crate::{FormatError, framed};
use std::collections::HashMap;
use uuid::Uuid;

/// Turns framed records into JSON text by their writers' schemas.
///
/// Avro's values are printed as what they mean (see `docs/compat/formats.md`); a Protobuf message in Protobuf's JSON with the field
/// names of its definition.
pub struct FramedText {
    schemas: Schemas,
    by_version: HashMap<Uuid, Writer>,
}

enum Writer {
    Avro(AvroSchema),
    Json,
    Protobuf(ProtobufSchema),
}

impl FramedText {
    /// By these schemas.
    pub fn new(schemas: Schemas) -> Self {
        Self { schemas, by_version: HashMap::new() }
    }

    /// Whether a record begins as frames do. No text does.
    pub fn is_framed(record: &[u8]) -> bool {
        framed::Frame::parse(record).is_ok()
    }

    /// Appends the record as JSON; None when it is no frame, and then nothing is appended.
    pub fn print(&mut self, record: &[u8], out: &mut Vec<u8>) -> Option<Result<(), FormatError>> {
        Self::is_framed(record).then(|| self.print_framed(record, out))
    }

    fn print_framed(&mut self, record: &[u8], out: &mut Vec<u8>) -> Result<(), FormatError> {
        let frame = frame(record)?;
        let payload = payload(&frame)?;
        match self.writer(frame.version)? {
            Writer::Json => out.extend_from_slice(&payload),
            Writer::Avro(schema) => print_record(schema, &payload, out).map_err(|fail| fail.of("Avro"))?,
            Writer::Protobuf(schema) => {
                let (index, len) = message_index(&payload)?;
                let message = schema.by_index(index).map_err(FormatError::Unregistered)?;
                print_message(message, &payload[len..], out).map_err(|reason| FormatError::Malformed {
                    format: "Protobuf",
                    at: len,
                    reason,
                })?;
            }
        }
        Ok(())
    }

    fn writer(&mut self, id: Uuid) -> Result<&Writer, FormatError> {
        if !self.by_version.contains_key(&id) {
            let version = self.schemas.version(id)?;
            let writer = match version.format {
                DataFormat::Json => Writer::Json,
                DataFormat::Avro => Writer::Avro(AvroSchema::parse(&version.definition)?),
                DataFormat::Protobuf => Writer::Protobuf(ProtobufSchema::parse(&version.definition)?),
            };
            if self.by_version.len() >= VERSIONS_MAX {
                self.by_version.clear();
            }
            self.by_version.insert(id, writer);
        }
        Ok(&self.by_version[&id])
    }
}
