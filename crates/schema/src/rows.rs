//! Rows under construction, into which readers of several formats and schema versions may push in turn.

use crate::column::Column;
use crate::format::{batch_of, schema_of};
use crate::{Field, FormatError};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;

/// Why a record in a binary format was not read.
#[derive(Debug)]
pub(crate) enum Fail {
    /// The bytes are not of the format, from `at` on.
    Syntax { at: usize, reason: String },
    /// The bytes are fine, the value does not fit its field. The path is built while unwinding.
    Value { path: String, reason: String },
}

impl Fail {
    pub(crate) fn value(reason: impl Into<String>) -> Self {
        Self::Value { path: String::new(), reason: reason.into() }
    }

    /// The same, one level further up.
    pub(crate) fn within(self, name: &str) -> Self {
        match self {
            Self::Value { path, reason } if path.is_empty() => Self::Value { path: name.to_owned(), reason },
            Self::Value { path, reason } => Self::Value { path: format!("{name}.{path}"), reason },
            syntax => syntax,
        }
    }

    pub(crate) fn of(self, format: &'static str) -> FormatError {
        match self {
            Self::Syntax { at, reason } => FormatError::Malformed { format, at, reason },
            Self::Value { path, reason } => FormatError::Value { field: path, reason },
        }
    }
}

/// Columns of one table that always hold the same number of rows between two pushes.
pub(crate) struct Rows {
    schema: SchemaRef,
    columns: Vec<Column>,
    len: usize,
}

impl Rows {
    pub(crate) fn new(fields: &[Field]) -> Self {
        Self { schema: schema_of(fields), columns: Column::all(fields), len: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Adds the row that `read` appends to the columns, which hold the given number of rows before. Nothing on an error.
    pub(crate) fn push<T, E>(&mut self, read: impl FnOnce(&mut [Column], usize) -> Result<T, E>) -> Result<T, E> {
        let result = read(&mut self.columns, self.len);
        match result {
            Ok(_) => self.len += 1,
            Err(_) => self.truncate(self.len),
        }
        result
    }

    /// Takes back the rows from `len` on.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
        self.columns.iter_mut().for_each(|column| column.truncate(self.len));
    }

    pub(crate) fn finish(&mut self) -> RecordBatch {
        let rows = std::mem::take(&mut self.len);
        batch_of(&self.schema, &mut self.columns, rows)
    }
}
