//! The `avro` format's decoder: bare records of the schema that the table's columns give.

use super::derive::derive;
use super::options::AvroOptions;
use super::plan::Plan;
use super::schema::AvroSchema;
use crate::format::Decoder;
use crate::json::KeyRules;
use crate::rows::Rows;
use crate::{Field, FormatError};
use arrow::record_batch::RecordBatch;
use std::sync::Arc;

/// Reads bare binary Avro records into columns.
pub struct AvroDecoder {
    plan: Plan,
    rows: Rows,
}

impl AvroDecoder {
    /// A decoder of records that were written with the schema derived from the fields.
    pub fn new(fields: &[Field], options: &AvroOptions) -> Result<Self, FormatError> {
        Self::by(&derive(fields, None, options.legacy_timestamps)?, fields)
    }

    /// A decoder of records that were written with another schema.
    pub fn by(writer: &str, fields: &[Field]) -> Result<Self, FormatError> {
        let writer = Arc::new(AvroSchema::parse(writer)?);
        Ok(Self { plan: Plan::new(writer, None, fields, &KeyRules::default())?, rows: Rows::new(fields) })
    }
}

impl Decoder for AvroDecoder {
    /// Bytes after the record are not read, as in Flink.
    fn push(&mut self, payload: &[u8]) -> Result<(), FormatError> {
        let plan = &self.plan;
        self.rows.push(|columns, base| plan.read(payload, columns, base)).map_err(|fail| fail.of("Avro"))?;
        Ok(())
    }

    fn len(&self) -> usize {
        self.rows.len()
    }

    fn finish(&mut self) -> RecordBatch {
        self.rows.finish()
    }
}
