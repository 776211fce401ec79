//! What every format does, and the formats by name.

use crate::avro::{self, AvroDecoder, AvroEncoder, AvroOptions};
use crate::column::Column;
use crate::csv::{CsvDecoder, CsvEncoder, CsvOptions};
use crate::glue::{FramedDecoder, FramedEncoder, GlueOptions, Schemas};
use crate::json::{JsonDecoder, JsonEncoder, JsonOptions};
use crate::options::Options;
use crate::protobuf::{ProtobufDecoder, ProtobufEncoder, ProtobufOptions};
use crate::raw::{RawDecoder, RawEncoder};
use crate::registry::DataFormat;
use crate::{Field, FormatError};
use arrow::datatypes::{Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The formats by name.
pub const NAMES: [&str; 8] = ["avro", "avro-glue", "csv", "json", "json-glue", "protobuf", "protobuf-glue", "raw"];
/// Those whose records are text, and can be told apart by line ends.
pub const TEXT_NAMES: [&str; 3] = ["csv", "json", "raw"];

/// Bytes to Arrow columns, row by row.
pub trait Decoder: Send {
    /// Appends one record as one row. On `Err` no row was added. A format that ignores parse errors may add none on `Ok`.
    fn push(&mut self, payload: &[u8]) -> Result<(), FormatError>;
    /// The number of rows that wait for [`Decoder::finish`].
    fn len(&self) -> usize;
    /// True when no row waits.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Takes the rows and is ready for more.
    fn finish(&mut self) -> RecordBatch;
}

/// Rows of Arrow columns to bytes.
pub trait Encoder: Send {
    /// Appends one row's bytes to `out`, without a separator between rows. On `Err` what was appended is to be discarded.
    fn encode(&mut self, batch: &RecordBatch, row: usize, out: &mut Vec<u8>) -> Result<(), FormatError>;
}

/// A decoder by the format's name and the table's `WITH` options (`json.ignore-parse-errors`, …). Options of other
/// prefixes are not looked at.
pub fn decoder(
    name: &str,
    options: &BTreeMap<String, String>,
    fields: &[Field],
) -> Result<Box<dyn Decoder>, FormatError> {
    decoder_with(name, options, fields, None)
}

/// An encoder, likewise.
pub fn encoder(
    name: &str,
    options: &BTreeMap<String, String>,
    fields: &[Field],
) -> Result<Box<dyn Encoder>, FormatError> {
    encoder_with(name, options, fields, None)
}

/// A decoder for whoever can reach the schema registry, which `avro-glue`, `json-glue` and `protobuf-glue` need.
pub fn decoder_with(
    name: &str,
    options: &BTreeMap<String, String>,
    fields: &[Field],
    schemas: Option<&Schemas>,
) -> Result<Box<dyn Decoder>, FormatError> {
    if let Some((name, format)) = framed(name) {
        let options = GlueOptions::from_with(name, options, schemas)?;
        return Ok(Box::new(FramedDecoder::of(format, fields, &options)?));
    }
    match name {
        "avro" => Ok(Box::new(AvroDecoder::new(fields, &AvroOptions::from_with(options)?)?)),
        "protobuf" => {
            let (options, message) = ProtobufOptions::from_with(options)?;
            Ok(Box::new(ProtobufDecoder::new(fields, &message, &options)?))
        }
        "json" => Ok(Box::new(JsonDecoder::new(fields, JsonOptions::from_with(options)?)?)),
        "csv" => Ok(Box::new(CsvDecoder::new(fields, CsvOptions::from_with(options)?)?)),
        "raw" => {
            Options::new("raw", options).end()?;
            Ok(Box::new(RawDecoder::new(fields)?))
        }
        _ => Err(unknown(name)),
    }
}

/// An encoder, likewise.
pub fn encoder_with(
    name: &str,
    options: &BTreeMap<String, String>,
    fields: &[Field],
    schemas: Option<&Schemas>,
) -> Result<Box<dyn Encoder>, FormatError> {
    if let Some((name, format)) = framed(name) {
        let options = GlueOptions::from_with(name, options, schemas)?;
        return Ok(Box::new(FramedEncoder::new(format, fields, &options)?));
    }
    match name {
        "avro" => {
            let options = AvroOptions::from_with(options)?;
            let definition = avro::derive(fields, None, options.legacy_timestamps)?;
            Ok(Box::new(AvroEncoder::new(fields, &definition)?))
        }
        "protobuf" => {
            let (options, message) = ProtobufOptions::from_with(options)?;
            Ok(Box::new(ProtobufEncoder::new(fields, &message, &options)?))
        }
        "json" => Ok(Box::new(JsonEncoder::new(fields, JsonOptions::from_with(options)?)?)),
        "csv" => Ok(Box::new(CsvEncoder::new(fields, CsvOptions::from_with(options)?)?)),
        "raw" => {
            Options::new("raw", options).end()?;
            Ok(Box::new(RawEncoder::new(fields)?))
        }
        _ => Err(unknown(name)),
    }
}

/// The formats of the schema registry.
fn framed(name: &str) -> Option<(&'static str, DataFormat)> {
    match name {
        "avro-glue" => Some(("avro-glue", DataFormat::Avro)),
        "json-glue" => Some(("json-glue", DataFormat::Json)),
        "protobuf-glue" => Some(("protobuf-glue", DataFormat::Protobuf)),
        _ => None,
    }
}

fn unknown(name: &str) -> FormatError {
    FormatError::UnknownFormat { name: name.to_owned(), available: NAMES.join(", ") }
}

/// The Arrow schema of the fields.
pub fn schema_of(fields: &[Field]) -> SchemaRef {
    Arc::new(Schema::new(fields.iter().map(Field::to_arrow).collect::<Vec<_>>()))
}

/// Takes what the columns hold as a batch of `rows` rows.
pub(crate) fn batch_of(schema: &SchemaRef, columns: &mut [Column], rows: usize) -> RecordBatch {
    let arrays = columns.iter_mut().map(Column::finish).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema.clone(), arrays, &options)
        .expect("every column has one value of its type for each row")
}
