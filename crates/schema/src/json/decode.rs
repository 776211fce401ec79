//! The decoder: records in, columns out.

use super::options::JsonOptions;
use super::row::{Context, Row};
use super::scan::{Cursor, Fail};
use crate::column::Column;
use crate::format::{Decoder, batch_of};
use crate::{Field, FormatError};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads JSON objects straight into columns, and only the fields that it was given: the others are skipped unread.
pub struct JsonDecoder {
    schema: SchemaRef,
    reader: JsonReader,
    columns: Vec<Column>,
    rows: usize,
}

/// The same without columns of its own.
pub(crate) struct JsonReader {
    row: Row,
    context: Context,
}

impl JsonReader {
    pub(crate) fn new(fields: &[Field], options: JsonOptions) -> Result<Self, FormatError> {
        Ok(Self { row: Row::new(fields, &options.keys)?, context: Context { options, room: Vec::new() } })
    }

    /// Reads the first object of `payload` into the columns, which all have `base` values before and one more after; returns
    /// the number of bytes that it and the white space around it take. On an error the columns are to be cut back.
    pub(crate) fn read(&mut self, payload: &[u8], columns: &mut [Column], base: usize) -> Result<usize, FormatError> {
        Ok(self.read_object(payload, columns, base)?)
    }

    fn read_object(&mut self, payload: &[u8], columns: &mut [Column], base: usize) -> Result<usize, Fail> {
        let mut cursor = Cursor::new(payload);
        cursor.take(BYTE_ORDER_MARK);
        cursor.skip_space();
        if cursor.peek() != b'{' {
            return cursor.fail("a JSON object was expected");
        }
        self.row.object(columns, base, &mut cursor, &mut self.context)?;
        cursor.skip_space();
        Ok(cursor.at)
    }
}

impl JsonDecoder {
    /// A decoder of the given fields, in that order.
    pub fn new(fields: &[Field], options: JsonOptions) -> Result<Self, FormatError> {
        Ok(Self {
            schema: crate::format::schema_of(fields),
            reader: JsonReader::new(fields, options)?,
            columns: Column::all(fields),
            rows: 0,
        })
    }

    /// Reads the first object of `payload` as one row and returns the number of bytes that it and the white space around
    /// it take, so that a payload of several objects can be read one by one. On an error no row was added.
    pub fn push_next(&mut self, payload: &[u8]) -> Result<usize, FormatError> {
        let result = self.reader.read(payload, &mut self.columns, self.rows);
        match result {
            Ok(_) => self.rows += 1,
            Err(_) => self.columns.iter_mut().for_each(|column| column.truncate(self.rows)),
        }
        result
    }

    /// Takes back the rows from `rows` on, for a payload whose later object turned out to be bad.
    pub fn truncate(&mut self, rows: usize) {
        self.rows = self.rows.min(rows);
        self.columns.iter_mut().for_each(|column| column.truncate(self.rows));
    }
}

impl Decoder for JsonDecoder {
    /// What follows the object is not read, as in Flink.
    fn push(&mut self, payload: &[u8]) -> Result<(), FormatError> {
        match self.push_next(payload) {
            Err(_) if self.reader.context.options.ignore_parse_errors => Ok(()),
            other => other.map(drop),
        }
    }

    fn len(&self) -> usize {
        self.rows
    }

    fn finish(&mut self) -> RecordBatch {
        let rows = std::mem::take(&mut self.rows);
        batch_of(&self.schema, &mut self.columns, rows)
    }
}

impl From<Fail> for FormatError {
    fn from(fail: Fail) -> Self {
        match fail {
            Fail::Syntax { at, reason } => Self::Malformed { format: "JSON", at, reason: reason.to_owned() },
            Fail::Value { path, reason } => Self::Value { field: path, reason },
        }
    }
}
