//! The `csv` format: one line a record, as Flink's csv format reads and writes it.

mod decode;
mod encode;

pub use decode::CsvDecoder;
pub use encode::CsvEncoder;

use crate::options::Options;
use crate::{Field, FormatError, SqlType};
use std::collections::BTreeMap;

/// Settings of the `csv` format; the defaults are Flink's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvOptions {
    /// Between cells.
    pub delimiter: u8,
    /// Around cells that contain special characters; None when quoting is off.
    pub quote: Option<u8>,
    /// Before a character that is meant literally.
    pub escape: Option<u8>,
    /// The text of a cell that is NULL.
    pub null_literal: Option<String>,
    /// Lines that begin with `#` are left out.
    pub allow_comments: bool,
    /// A cell that does not parse becomes NULL, and a line that is no CSV is left out.
    pub ignore_parse_errors: bool,
    /// Between the items of an ARRAY or ROW within a cell.
    pub array_element_delimiter: String,
    /// Decimals are written as `1E-8` where Java does so, else always plain.
    pub decimal_in_scientific_notation: bool,
}

impl Default for CsvOptions {
    fn default() -> Self {
        Self {
            delimiter: b',',
            quote: Some(b'"'),
            escape: None,
            null_literal: None,
            allow_comments: false,
            ignore_parse_errors: false,
            array_element_delimiter: ";".to_owned(),
            decimal_in_scientific_notation: true,
        }
    }
}

impl CsvOptions {
    /// The settings from a table's `WITH` options that begin with `csv.`.
    pub fn from_with(with: &BTreeMap<String, String>) -> Result<Self, FormatError> {
        let mut options = Options::new("csv", with);
        let delimiter = options.character("field-delimiter")?.unwrap_or(b',');
        let disable_quote = options.flag("disable-quote-character", false)?;
        let quote = options.character("quote-character")?;
        if disable_quote && quote.is_some() {
            return Err(
                options.refuse("quote-character", "quotes are off by disable-quote-character: keep one of the two")
            );
        }
        let read = Self {
            delimiter,
            quote: (!disable_quote).then_some(quote.unwrap_or(b'"')),
            escape: options.character("escape-character")?,
            null_literal: options.get("null-literal").map(str::to_owned),
            allow_comments: options.flag("allow-comments", false)?,
            ignore_parse_errors: options.flag("ignore-parse-errors", false)?,
            array_element_delimiter: options.text("array-element-delimiter", ";"),
            decimal_in_scientific_notation: options.flag("write-bigdecimal-in-scientific-notation", true)?,
        };
        if read.array_element_delimiter.is_empty() {
            return Err(options.refuse("array-element-delimiter", "it cannot be empty"));
        }
        options.end()?;
        Ok(read)
    }
}

/// Refuses the types that a cell cannot carry.
fn check_types(fields: &[Field]) -> Result<(), FormatError> {
    for field in fields {
        let nested = match &field.typed.ty {
            SqlType::Array(item) => !is_scalar(&item.ty),
            SqlType::Row(fields) => !fields.iter().all(|field| is_scalar(&field.typed.ty)),
            other => !is_scalar(other),
        };
        if nested {
            return Err(FormatError::UnsupportedType {
                format: "csv",
                field: field.name.clone(),
                ty: field.typed.to_string(),
                reason: "a cell carries a scalar, or an ARRAY or ROW of scalars".to_owned(),
            });
        }
    }
    Ok(())
}

fn is_scalar(ty: &SqlType) -> bool {
    let composite = matches!(ty, SqlType::Array(_) | SqlType::Map(..) | SqlType::Row(_));
    !composite && !matches!(ty, SqlType::IntervalMonths | SqlType::IntervalMillis)
}
