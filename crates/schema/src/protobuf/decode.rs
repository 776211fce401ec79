//! The `protobuf` format's decoder: one bare message a record.

use super::options::ProtobufOptions;
use super::plan::Plan;
use crate::format::Decoder;
use crate::json::KeyRules;
use crate::rows::Rows;
use crate::{Field, FormatError};
use arrow::record_batch::RecordBatch;
use prost_reflect::MessageDescriptor;

/// Reads bare Protobuf messages into columns.
pub struct ProtobufDecoder {
    plan: Plan,
    rows: Rows,
    ignore_parse_errors: bool,
}

impl ProtobufDecoder {
    /// A decoder of the fields out of the message.
    pub fn new(fields: &[Field], message: &MessageDescriptor, options: &ProtobufOptions) -> Result<Self, FormatError> {
        let plan = Plan::new(message, fields, options, &KeyRules::default())?;
        Ok(Self { plan, rows: Rows::new(fields), ignore_parse_errors: options.ignore_parse_errors })
    }
}

impl Decoder for ProtobufDecoder {
    fn push(&mut self, payload: &[u8]) -> Result<(), FormatError> {
        let plan = &self.plan;
        match self.rows.push(|columns, _| plan.read(payload, columns)) {
            Err(_) if self.ignore_parse_errors => Ok(()),
            other => other.map_err(|fail| fail.of("Protobuf")),
        }
    }

    fn len(&self) -> usize {
        self.rows.len()
    }

    fn finish(&mut self) -> RecordBatch {
        self.rows.finish()
    }
}
