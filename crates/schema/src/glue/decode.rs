//! Framed records into columns.

use super::encode::latest;
use super::options::GlueOptions;
use super::versions::{Schemas, VERSIONS_MAX, frame, payload};
use crate::avro::AvroSchema;
use crate::column::Column;
use crate::format::Decoder;
use crate::json::{JsonOptions, JsonReader};
use crate::protobuf::{ProtobufOptions, ProtobufSchema, varint};
use crate::registry::DataFormat;
use crate::rows::Rows;
use crate::{Field, FormatError, avro, protobuf};
use arrow::record_batch::RecordBatch;
use std::collections::HashMap;
use std::sync::Arc;
use uuid::Uuid;

/// Reads framed records of one format, or of any, into columns.
pub struct FramedDecoder {
    readers: Readers,
    rows: Rows,
}

/// Reads framed records of any format and plain JSON, mixed as they come.
pub struct Mixed {
    readers: Readers,
    rows: Rows,
}

struct Readers {
    schemas: Schemas,
    fields: Vec<Field>,
    only: Option<DataFormat>,
    /// The reader's schema, for aliases and defaults.
    own: Option<Arc<AvroSchema>>,
    json: JsonReader,
    options: JsonOptions,
    by_version: HashMap<Uuid, Reader>,
}

/// How the records of one version are read.
enum Reader {
    Avro(avro::Plan),
    Json,
    /// By the number of the message.
    Protobuf(ProtobufSchema, Vec<(u64, protobuf::Plan)>),
    /// Its definition does not fit the columns, which no record changes.
    Unfit(FormatError),
}

impl FramedDecoder {
    /// A decoder of the fields. `only` refuses the other formats; `own` is the definition of the reader's own Avro schema, if it is
    /// not just the fields.
    pub fn new(
        schemas: Schemas,
        fields: &[Field],
        only: Option<DataFormat>,
        own: Option<&str>,
        json: JsonOptions,
    ) -> Result<Self, FormatError> {
        let mut readers = Readers::new(schemas, fields, json)?;
        readers.only = only;
        readers.own = own.map(|own| AvroSchema::parse(own).map(Arc::new)).transpose()?;
        Ok(Self { readers, rows: Rows::new(fields) })
    }
}

impl FramedDecoder {
    /// A decoder as a table's options say.
    pub fn of(format: DataFormat, fields: &[Field], options: &GlueOptions) -> Result<Self, FormatError> {
        let own = latest(options)?;
        Self::new(options.schemas.clone(), fields, Some(format), own.as_deref(), JsonOptions::default())
    }
}

impl Decoder for FramedDecoder {
    fn push(&mut self, record: &[u8]) -> Result<(), FormatError> {
        let readers = &mut self.readers;
        self.rows.push(|columns, base| readers.read(record, columns, base))
    }

    fn len(&self) -> usize {
        self.rows.len()
    }

    fn finish(&mut self) -> RecordBatch {
        self.rows.finish()
    }
}

impl Mixed {
    /// A decoder of the fields; `json` says how keys and names find their columns, in framed records of every format too.
    pub fn new(schemas: Schemas, fields: &[Field], json: JsonOptions) -> Result<Self, FormatError> {
        Ok(Self { readers: Readers::new(schemas, fields, json)?, rows: Rows::new(fields) })
    }

    /// Adds all rows of a record: one of a frame, one for each object of a JSON text. On an error none was added.
    pub fn push(&mut self, record: &[u8]) -> Result<(), FormatError> {
        if record.first() == Some(&crate::framed::HEADER_VERSION) {
            // No JSON begins with this byte.
            let readers = &mut self.readers;
            return self.rows.push(|columns, base| readers.read(record, columns, base));
        }
        let (before, mut rest) = (self.rows.len(), record);
        loop {
            let json = &mut self.readers.json;
            match self.rows.push(|columns, base| json.read(rest, columns, base)) {
                Ok(taken) if taken < rest.len() => rest = &rest[taken..],
                Ok(_) => return Ok(()),
                Err(error) => {
                    self.rows.truncate(before);
                    return Err(error);
                }
            }
        }
    }

    /// The number of rows that wait.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// True when no row waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes the rows and is ready for more.
    pub fn finish(&mut self) -> RecordBatch {
        self.rows.finish()
    }
}

impl Readers {
    fn new(schemas: Schemas, fields: &[Field], json: JsonOptions) -> Result<Self, FormatError> {
        Ok(Self {
            schemas,
            fields: fields.to_vec(),
            only: None,
            own: None,
            json: JsonReader::new(fields, json.clone())?,
            options: json,
            by_version: HashMap::new(),
        })
    }

    fn read(&mut self, record: &[u8], columns: &mut [Column], base: usize) -> Result<(), FormatError> {
        let frame = frame(record)?;
        if !self.by_version.contains_key(&frame.version) {
            self.resolve(frame.version)?;
        }
        let payload = payload(&frame)?;
        match self.by_version.get_mut(&frame.version) {
            Some(Reader::Avro(plan)) => plan.read(&payload, columns, base).map(drop).map_err(|fail| fail.of("Avro")),
            Some(Reader::Json) => self.json.read(&payload, columns, base).map(drop),
            Some(Reader::Protobuf(schema, plans)) => {
                let (index, len) = message_index(&payload)?;
                let plan = plan_of(schema, plans, index, &self.fields, &self.options)?;
                plan.read(&payload[len..], columns).map_err(|fail| fail.of("Protobuf"))
            }
            Some(Reader::Unfit(error)) => Err(error.clone()),
            None => Ok(()),
        }
    }

    /// Finds out how a version's records are read, and keeps it.
    #[cold]
    fn resolve(&mut self, id: Uuid) -> Result<(), FormatError> {
        let version = self.schemas.version(id)?;
        if let Some(only) = self.only.filter(|only| *only != version.format) {
            return Err(FormatError::Unregistered(format!(
                "the record was written as {} (schema {}, version {}), and the table's format reads {}",
                version.format.name(),
                version.schema.name,
                version.number,
                only.name()
            )));
        }
        if self.by_version.len() >= VERSIONS_MAX {
            self.by_version.clear();
        }
        let reader = match version.format {
            DataFormat::Json => Ok(Reader::Json),
            DataFormat::Avro => self.avro(&version.definition).map(Reader::Avro),
            DataFormat::Protobuf => {
                ProtobufSchema::parse(&version.definition).map(|schema| Reader::Protobuf(schema, Vec::new()))
            }
        };
        let reader = reader.unwrap_or_else(|error| {
            let (name, number) = (&version.schema.name, version.number);
            Reader::Unfit(FormatError::Unregistered(format!(
                "the record's schema {name}, version {number}, does not fit the columns: {error}"
            )))
        });
        self.by_version.insert(id, reader);
        Ok(())
    }

    fn avro(&self, definition: &str) -> Result<avro::Plan, FormatError> {
        let writer = Arc::new(AvroSchema::parse(definition)?);
        avro::Plan::new(writer, self.own.as_ref(), &self.fields, &self.options.keys)
    }
}

/// The number of the message that stands before a framed Protobuf record, and its length.
pub(super) fn message_index(payload: &[u8]) -> Result<(u64, usize), FormatError> {
    varint(payload).ok_or_else(|| FormatError::Malformed {
        format: "Protobuf",
        at: 0,
        reason: "the number of the message, which the registry's serializers write first, is missing".to_owned(),
    })
}

fn plan_of<'a>(
    schema: &ProtobufSchema,
    plans: &'a mut Vec<(u64, protobuf::Plan)>,
    index: u64,
    fields: &[Field],
    options: &JsonOptions,
) -> Result<&'a protobuf::Plan, FormatError> {
    let place = match plans.iter().position(|(other, _)| *other == index) {
        Some(place) => place,
        None => {
            let message = schema.by_index(index).map_err(FormatError::Unregistered)?;
            plans.push((index, protobuf::Plan::new(message, fields, &ProtobufOptions::default(), &options.keys)?));
            plans.len() - 1
        }
    };
    Ok(&plans[place].1)
}
