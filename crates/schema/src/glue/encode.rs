//! Rows to framed records, of a schema that is registered or gets registered.

use super::derive_json::derive_json;
use super::options::GlueOptions;
use super::versions::failed;
use crate::avro::{self, AvroEncoder};
use crate::format::Encoder;
use crate::framed::{self, Compression};
use crate::json::{JsonEncoder, JsonOptions, MapNullKeys};
use crate::protobuf::{self, ProtobufEncoder, ProtobufOptions, ProtobufSchema, put_varint};
use crate::registry::store::NewSchema;
use crate::registry::{DataFormat, RegistryError};
use crate::{Field, FormatError};
use arrow::array::Array;
use arrow::record_batch::RecordBatch;
use std::collections::BTreeMap;
use uuid::Uuid;

/// Writes each row behind the registry's header.
pub struct FramedEncoder {
    id: Uuid,
    compression: Compression,
    /// What stands before each record: the number of the message for Protobuf.
    before: Vec<u8>,
    /// Columns that a JSON record must not have NULL in: the other formats refuse that themselves.
    required: Vec<(usize, String)>,
    encoder: Box<dyn Encoder>,
    room: Vec<u8>,
}

impl FramedEncoder {
    /// An encoder of the fields. Finds the id of the definition that they give in the registry, or registers it there when the
    /// options say so.
    pub fn new(format: DataFormat, fields: &[Field], options: &GlueOptions) -> Result<Self, FormatError> {
        let (mut before, mut required) = (Vec::new(), Vec::new());
        let (definition, encoder): (String, Box<dyn Encoder>) = match format {
            DataFormat::Avro => {
                let definition = avro_definition(fields, options)?;
                let encoder = Box::new(AvroEncoder::new(fields, &definition)?);
                (definition, encoder)
            }
            DataFormat::Json => {
                let not_null = |(at, field): (usize, &Field)| (!field.typed.nullable).then(|| (at, field.name.clone()));
                required = fields.iter().enumerate().filter_map(not_null).collect();
                let map_null_keys = MapNullKeys::Literal("null".to_owned());
                let json = JsonOptions { map_null_keys, ..JsonOptions::default() };
                (derive_json(fields)?, Box::new(JsonEncoder::new(fields, json)?))
            }
            DataFormat::Protobuf => {
                let definition = protobuf::derive(fields, &options.key.name)?;
                let schema = ProtobufSchema::parse(&definition)?;
                let message = schema.message(None)?;
                put_varint(schema.index_of(&message), &mut before);
                let encoder = Box::new(ProtobufEncoder::new(fields, &message, &ProtobufOptions::default())?);
                (definition, encoder)
            }
        };
        let id = version(format, &definition, options)?;
        Ok(Self { id, compression: options.compression, before, required, encoder, room: Vec::new() })
    }
}

impl Encoder for FramedEncoder {
    fn encode(&mut self, batch: &RecordBatch, row: usize, out: &mut Vec<u8>) -> Result<(), FormatError> {
        if let Some((_, name)) = self.required.iter().find(|(at, _)| batch.column(*at).is_null(row)) {
            return Err(FormatError::Value {
                field: name.clone(),
                reason: "is NULL, and the column is NOT NULL".to_owned(),
            });
        }
        if self.compression == Compression::None {
            framed::header(self.id, self.compression, out);
            out.extend_from_slice(&self.before);
            return self.encoder.encode(batch, row, out);
        }
        self.room.clear();
        self.room.extend_from_slice(&self.before);
        self.encoder.encode(batch, row, &mut self.room)?;
        framed::write(self.id, self.compression, &self.room, out);
        Ok(())
    }
}

/// The definition of what is written: the registry's latest when it is to be fetched and is there, else the derived one.
fn avro_definition(fields: &[Field], options: &GlueOptions) -> Result<String, FormatError> {
    match latest(options)? {
        Some(definition) => Ok(definition),
        None => avro::derive(fields, options.record.as_deref(), true),
    }
}

/// The latest definition, when the options say that it is to be fetched and there is one.
pub(super) fn latest(options: &GlueOptions) -> Result<Option<String>, FormatError> {
    if !options.fetch {
        return Ok(None);
    }
    match options.schemas.registry().latest(&options.key) {
        Ok(found) => Ok(found.map(|version| version.definition)),
        Err(RegistryError::NotFound(_)) => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

fn version(format: DataFormat, definition: &str, options: &GlueOptions) -> Result<Uuid, FormatError> {
    let (registry, key) = (options.schemas.registry(), &options.key);
    match registry.version_by_definition(key, definition) {
        Ok(version) => return Ok(version.id),
        Err(RegistryError::NotFound(_)) if options.auto_registration => {}
        Err(RegistryError::NotFound(_)) => {
            return Err(FormatError::Registry(format!(
                "schema '{}' of registry '{}' has no version with the definition that this table gives; register it, or set \
                 'schema.autoRegistration' to 'true'. The definition: {definition}",
                key.name, key.registry
            )));
        }
        Err(error) => return Err(failed(error)),
    }
    let new = NewSchema {
        format,
        compatibility: options.compatibility,
        description: None,
        tags: BTreeMap::new(),
        definition: Some(definition.to_owned()),
    };
    match registry.create_schema(key, new) {
        Ok((_, Some(registered))) => return Ok(registered.id),
        Ok((_, None)) | Err(RegistryError::AlreadyExists(_)) => {}
        Err(error) => return Err(failed(error)),
    }
    let schema = registry.schema(key).map_err(failed)?;
    if schema.format != format {
        let reason =
            format!("schema '{}' is {}, and the table's format is {}", key.name, schema.format.name(), format.name());
        return Err(FormatError::Registry(reason));
    }
    registry.register(key, definition).map(|registered| registered.id).map_err(failed)
}
