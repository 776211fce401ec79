//! What every format does, and the formats by name.

use crate::column::Column;
use crate::csv::{CsvDecoder, CsvEncoder, CsvOptions};
use crate::json::{JsonDecoder, JsonEncoder, JsonOptions};
use crate::options::Options;
use crate::raw::{RawDecoder, RawEncoder};
use crate::{Field, FormatError};
use arrow::datatypes::{Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The formats by name.
pub const NAMES: [&str; 3] = ["csv", "json", "raw"];

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
    match name {
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
pub fn encoder(
    name: &str,
    options: &BTreeMap<String, String>,
    fields: &[Field],
) -> Result<Box<dyn Encoder>, FormatError> {
    match name {
        "json" => Ok(Box::new(JsonEncoder::new(fields, JsonOptions::from_with(options)?)?)),
        "csv" => Ok(Box::new(CsvEncoder::new(fields, CsvOptions::from_with(options)?)?)),
        "raw" => {
            Options::new("raw", options).end()?;
            Ok(Box::new(RawEncoder::new(fields)?))
        }
        _ => Err(unknown(name)),
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
