//! The encoder: a row in, a line out, quoted as Jackson's CSV writer quotes it.

use super::{CsvOptions, check_types};
use crate::format::Encoder;
use crate::json::{moment, print_whole, value};
use crate::number::{print_decimal, print_double, print_float32, print_short_decimal};
use crate::temporal::{TimestampStandard, print_date, print_time, print_timestamp};
use crate::{Field, FormatError, SqlType};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{Date32Type, Decimal128Type, Float32Type, Float64Type, Time32MillisecondType};
use arrow::record_batch::RecordBatch;

/// Texts longer than this are quoted without being looked at (Jackson's `MAX_QUOTE_CHECK`).
const QUOTE_CHECK_CHARS: usize = 24;

/// Writes each row as one line, without its end.
pub struct CsvEncoder {
    types: Vec<SqlType>,
    options: CsvOptions,
    /// Characters below this make a text quoted.
    safe_from: u8,
    cell: Vec<u8>,
}

impl CsvEncoder {
    /// An encoder of the given fields, in that order.
    pub fn new(fields: &[Field], options: CsvOptions) -> Result<Self, FormatError> {
        check_types(fields)?;
        let special = [Some(options.delimiter), options.quote, options.escape, Some(b'\n')];
        let safe_from = special.into_iter().flatten().max().unwrap_or(0).saturating_add(1);
        let types = fields.iter().map(|field| field.typed.ty.clone()).collect();
        Ok(Self { types, options, safe_from, cell: Vec::new() })
    }

    fn print_cell(&mut self, at: usize, array: &ArrayRef, row: usize, out: &mut Vec<u8>) {
        let mut cell = std::mem::take(&mut self.cell);
        cell.clear();
        let text = print(&self.types[at], array, row, &self.options, &mut cell);
        if text {
            self.quote(&cell, out)
        } else {
            out.extend_from_slice(&cell)
        }
        self.cell = cell;
    }

    fn quote(&self, cell: &[u8], out: &mut Vec<u8>) {
        let chars = || cell.iter().filter(|byte| **byte & 0xc0 != 0x80).count();
        let plain = cell.iter().all(|byte| *byte >= self.safe_from)
            && (cell.len() <= QUOTE_CHECK_CHARS || chars() <= QUOTE_CHECK_CHARS);
        let Some(quote) = self.options.quote.filter(|_| !plain) else { return out.extend_from_slice(cell) };
        out.push(quote);
        for &byte in cell {
            if byte == quote || Some(byte) == self.options.escape {
                out.push(self.options.escape.unwrap_or(quote));
            }
            out.push(byte);
        }
        out.push(quote);
    }
}

impl Encoder for CsvEncoder {
    fn encode(&mut self, batch: &RecordBatch, row: usize, out: &mut Vec<u8>) -> Result<(), FormatError> {
        for (at, array) in batch.columns().iter().enumerate() {
            if at > 0 {
                out.push(self.options.delimiter);
            }
            if array.is_null(row) {
                out.extend_from_slice(self.options.null_literal.as_deref().unwrap_or("").as_bytes());
            } else {
                self.print_cell(at, array, row, out);
            }
        }
        Ok(())
    }
}

/// Appends a value without quotes; true when it is a text, which may need them.
fn print(ty: &SqlType, array: &ArrayRef, row: usize, options: &CsvOptions, out: &mut Vec<u8>) -> bool {
    let standard = TimestampStandard::Sql;
    match ty {
        SqlType::Char(_) | SqlType::Varchar(_) => out.extend_from_slice(array.as_string::<i32>().value(row).as_bytes()),
        SqlType::Binary(_) | SqlType::Varbinary(_) => {
            out.extend_from_slice(
                base64_simd::STANDARD.encode_to_string(array.as_binary::<i32>().value(row)).as_bytes(),
            );
        }
        SqlType::Date => print_date(value::<Date32Type>(array, row), out),
        SqlType::Time(_) => {
            let millis = value::<Time32MillisecondType>(array, row) as u32;
            print_time(millis / 1000, millis % 1000 * 1_000_000, out);
        }
        SqlType::Timestamp(precision) => print_timestamp(moment(array, row, *precision), standard, false, out),
        SqlType::TimestampLtz(precision) => print_timestamp(moment(array, row, *precision), standard, true, out),
        SqlType::Array(item) => {
            let list = array.as_list::<i32>();
            let offsets = list.value_offsets();
            let items = (offsets[row] as usize..offsets[row + 1] as usize).map(|at| (&item.ty, list.values(), at));
            print_items(items, options, out);
        }
        SqlType::Row(fields) => {
            let columns = array.as_struct().columns();
            print_items(fields.iter().zip(columns).map(|(field, column)| (&field.typed.ty, column, row)), options, out);
        }
        _ => {
            print_number(ty, array, row, options, out);
            return false;
        }
    }
    true
}

fn print_number(ty: &SqlType, array: &ArrayRef, row: usize, options: &CsvOptions, out: &mut Vec<u8>) {
    match ty {
        SqlType::Decimal(_, scale) => {
            let print = if options.decimal_in_scientific_notation { print_short_decimal } else { print_decimal };
            print(value::<Decimal128Type>(array, row), *scale, out);
        }
        SqlType::Float => print_float32(value::<Float32Type>(array, row), out),
        SqlType::Double => print_double(value::<Float64Type>(array, row), out),
        whole => print_whole(whole, array, row, out),
    }
}

fn print_items<'a>(
    items: impl Iterator<Item = (&'a SqlType, &'a ArrayRef, usize)>,
    options: &CsvOptions,
    out: &mut Vec<u8>,
) {
    for (place, (ty, array, at)) in items.enumerate() {
        if place > 0 {
            out.extend_from_slice(options.array_element_delimiter.as_bytes());
        }
        if array.is_null(at) {
            out.extend_from_slice(options.null_literal.as_deref().unwrap_or("").as_bytes());
        } else {
            print(ty, array, at, options, out);
        }
    }
}
