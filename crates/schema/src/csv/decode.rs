//! The decoder: a line in, a row out.

use super::{CsvOptions, check_types};
use crate::column::{Column, Refused, Store};
use crate::format::{Decoder, batch_of, schema_of};
use crate::put::put_text;
use crate::temporal::TimestampStandard;
use crate::{Field, FormatError};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;

/// Reads lines into columns by position.
pub struct CsvDecoder {
    schema: SchemaRef,
    columns: Vec<Column>,
    options: CsvOptions,
    rows: usize,
    cells: Cells,
}

/// The cells of one line without their quotes, end to end.
#[derive(Default)]
struct Cells {
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl CsvDecoder {
    /// A decoder of the given fields, which are all cells of a line in their order.
    pub fn new(fields: &[Field], options: CsvOptions) -> Result<Self, FormatError> {
        check_types(fields)?;
        let (schema, columns) = (schema_of(fields), Column::all(fields));
        Ok(Self { schema, columns, options, rows: 0, cells: Cells::default() })
    }

    fn read(&mut self, line: &[u8]) -> Result<(), FormatError> {
        self.cells.split(line, &self.options)?;
        let (found, expected) = (self.cells.ends.len(), self.columns.len());
        if found > expected || (found < expected && !self.options.ignore_parse_errors) {
            let reason = format!("Row length mismatch. {expected} fields expected but was {found}");
            return Err(FormatError::Malformed { format: "CSV", at: line.len(), reason });
        }
        let text = std::str::from_utf8(&self.cells.text).map_err(|error| {
            let reason = "the text is not UTF-8".to_owned();
            FormatError::Malformed { format: "CSV", at: error.valid_up_to(), reason }
        })?;
        let mut start = 0;
        for (at, column) in self.columns.iter_mut().enumerate() {
            let cell = self.cells.ends.get(at).map(|&end| &text[start..end]);
            start = self.cells.ends.get(at).copied().unwrap_or(start);
            put_cell(column, cell, &self.options).map_err(|reason| {
                let field = self.schema.field(at).name().clone();
                FormatError::Value { field, reason }
            })?;
        }
        Ok(())
    }
}

impl Decoder for CsvDecoder {
    fn push(&mut self, payload: &[u8]) -> Result<(), FormatError> {
        if self.options.allow_comments && payload.starts_with(b"#") {
            return Ok(());
        }
        match self.read(payload) {
            Ok(()) => self.rows += 1,
            Err(error) => {
                self.columns.iter_mut().for_each(|column| column.truncate(self.rows));
                if !self.options.ignore_parse_errors {
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn len(&self) -> usize {
        self.rows
    }

    fn finish(&mut self) -> RecordBatch {
        let rows = std::mem::take(&mut self.rows);
        batch_of(&self.schema, &mut self.columns, rows)
    }
}

fn put_cell(column: &mut Column, cell: Option<&str>, options: &CsvOptions) -> Result<(), Refused> {
    let Some(cell) = cell.filter(|cell| options.null_literal.as_deref() != Some(*cell)) else {
        return column.null();
    };
    let len = column.len();
    match put_items(column, cell, options) {
        Err(_) if options.ignore_parse_errors => {
            column.truncate(len);
            column.null()
        }
        other => other,
    }
}

fn put_items(column: &mut Column, cell: &str, options: &CsvOptions) -> Result<(), Refused> {
    let delimiter = options.array_element_delimiter.as_str();
    match &mut column.store {
        Store::List { item, .. } => {
            if !cell.is_empty() {
                for text in cell.split(delimiter) {
                    put_cell(item, Some(text), options)?;
                }
            }
            column.close()
        }
        Store::Row(fields) => {
            let mut texts = cell.split(delimiter);
            for field in fields {
                put_cell(field, texts.next(), options)?;
            }
            column.done();
            Ok(())
        }
        _ => put_text(column, cell, TimestampStandard::Sql),
    }
}

impl Cells {
    fn split(&mut self, line: &[u8], options: &CsvOptions) -> Result<(), FormatError> {
        self.text.clear();
        self.ends.clear();
        let mut at = 0;
        loop {
            at = match options.quote {
                Some(quote) if line.get(at) == Some(&quote) => self.quoted(line, at + 1, quote, options)?,
                _ => self.plain(line, at, options),
            };
            self.ends.push(self.text.len());
            match line.get(at) {
                Some(byte) if *byte == options.delimiter => at += 1,
                None | Some(b'\n' | b'\r') => return Ok(()),
                Some(_) => {
                    let reason = "a delimiter was expected after the closing quote".to_owned();
                    return Err(FormatError::Malformed { format: "CSV", at, reason });
                }
            }
        }
    }

    fn plain(&mut self, line: &[u8], mut at: usize, options: &CsvOptions) -> usize {
        while let Some(&byte) = line.get(at) {
            if byte == options.delimiter || byte == b'\n' || byte == b'\r' {
                break;
            }
            at += usize::from(Some(byte) == options.escape && at + 1 < line.len());
            self.text.push(line[at]);
            at += 1;
        }
        at
    }

    fn quoted(&mut self, line: &[u8], mut at: usize, quote: u8, options: &CsvOptions) -> Result<usize, FormatError> {
        while let Some(&byte) = line.get(at) {
            if byte == quote {
                if line.get(at + 1) != Some(&quote) {
                    // White space may stand between the quote and the delimiter.
                    let space = line[at + 1..].iter().take_while(|byte| **byte == b' ').count();
                    return Ok(at + 1 + space);
                }
                at += 1;
            } else if Some(byte) == options.escape && at + 1 < line.len() {
                at += 1;
            }
            self.text.push(line[at]);
            at += 1;
        }
        let reason = "the closing quote is missing".to_owned();
        Err(FormatError::Malformed { format: "CSV", at, reason })
    }
}
