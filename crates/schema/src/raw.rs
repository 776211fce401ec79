//! The `raw` format: the whole payload is the one column's value.

use crate::column::Column;
use crate::format::{Decoder, Encoder, batch_of, schema_of};
use crate::{Field, FormatError, SqlType};
use arrow::array::{Array, AsArray};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;

/// Payloads into one STRING or BYTES column.
pub struct RawDecoder {
    schema: SchemaRef,
    columns: Vec<Column>,
    text: bool,
}

/// One STRING or BYTES column into payloads.
pub struct RawEncoder {
    text: bool,
}

impl RawDecoder {
    /// A decoder of the one field.
    pub fn new(fields: &[Field]) -> Result<Self, FormatError> {
        Ok(Self { text: is_text(fields)?, schema: schema_of(fields), columns: Column::all(fields) })
    }
}

impl RawEncoder {
    /// An encoder of the one field.
    pub fn new(fields: &[Field]) -> Result<Self, FormatError> {
        Ok(Self { text: is_text(fields)? })
    }
}

fn is_text(fields: &[Field]) -> Result<bool, FormatError> {
    let refuse = |field: &str, ty: String, reason: &str| {
        let reason = reason.to_owned();
        Err(FormatError::UnsupportedType { format: "raw", field: field.to_owned(), ty, reason })
    };
    match fields {
        [field] => match field.typed.ty {
            SqlType::Char(_) | SqlType::Varchar(_) => Ok(true),
            SqlType::Binary(_) | SqlType::Varbinary(_) => Ok(false),
            _ => refuse(&field.name, field.typed.to_string(), "STRING and BYTES are supported so far"),
        },
        _ => {
            let ty = format!("({} columns)", fields.len());
            refuse(fields.get(1).map_or("", |field| &field.name), ty, "it carries exactly one physical column")
        }
    }
}

impl Decoder for RawDecoder {
    fn push(&mut self, payload: &[u8]) -> Result<(), FormatError> {
        if self.text
            && let Err(error) = std::str::from_utf8(payload)
        {
            let reason = "the text is not UTF-8".to_owned();
            return Err(FormatError::Malformed { format: "raw text", at: error.valid_up_to(), reason });
        }
        self.columns[0].bytes(payload).map_err(|reason| {
            let field = self.schema.field(0).name().clone();
            FormatError::Value { field, reason }
        })
    }

    fn len(&self) -> usize {
        self.columns[0].len()
    }

    fn finish(&mut self) -> RecordBatch {
        let rows = self.len();
        batch_of(&self.schema, &mut self.columns, rows)
    }
}

impl Encoder for RawEncoder {
    fn encode(&mut self, batch: &RecordBatch, row: usize, out: &mut Vec<u8>) -> Result<(), FormatError> {
        let column = batch.column(0);
        if column.is_valid(row) {
            let value = if self.text {
                column.as_string::<i32>().value(row).as_bytes()
            } else {
                column.as_binary::<i32>().value(row)
            };
            out.extend_from_slice(value);
        }
        Ok(())
    }
}
