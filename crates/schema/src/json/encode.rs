//! The encoder: rows out of columns, printed as Flink prints them.

use super::options::{JsonOptions, MapNullKeys};
use crate::format::Encoder;
use crate::number::{print_decimal, print_double, print_float32, print_short_decimal};
use crate::temporal::{Moment, print_date, print_time, print_timestamp};
use crate::{Field, FormatError, SqlType, Typed};
use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray};
use arrow::datatypes::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    Time32MillisecondType, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
};
use arrow::record_batch::RecordBatch;
use std::io::Write;

/// Writes each row as one JSON object, without a line end.
pub struct JsonEncoder {
    row: Row,
    options: JsonOptions,
}

/// The fields of an object, their keys as they are written (`"name":`).
struct Row(Vec<(Vec<u8>, Node)>);

enum Node {
    Leaf(SqlType),
    List(Box<Node>),
    Map(Box<Node>),
    Row(Row),
}

impl JsonEncoder {
    /// An encoder of the given fields, in that order.
    pub fn new(fields: &[Field], options: JsonOptions) -> Result<Self, FormatError> {
        Ok(Self { row: Row::of(fields)?, options })
    }
}

impl Encoder for JsonEncoder {
    fn encode(&mut self, batch: &RecordBatch, row: usize, out: &mut Vec<u8>) -> Result<(), FormatError> {
        self.row.write(batch.columns(), row, &self.options, out)
    }
}

impl Row {
    fn of(fields: &[Field]) -> Result<Self, FormatError> {
        let one = |field: &Field| {
            let mut key = Vec::new();
            print_string(&field.name, &mut key);
            key.push(b':');
            Ok((key, Node::of(&field.name, &field.typed)?))
        };
        fields.iter().map(one).collect::<Result<_, _>>().map(Self)
    }

    fn write(
        &self,
        columns: &[ArrayRef],
        row: usize,
        options: &JsonOptions,
        out: &mut Vec<u8>,
    ) -> Result<(), FormatError> {
        out.push(b'{');
        let start = out.len();
        for ((key, node), column) in self.0.iter().zip(columns) {
            if options.encode_ignore_null_fields && column.is_null(row) {
                continue;
            }
            if out.len() > start {
                out.push(b',');
            }
            out.extend_from_slice(key);
            node.write(column, row, options, out)?;
        }
        out.push(b'}');
        Ok(())
    }
}

impl Node {
    fn of(field: &str, typed: &Typed) -> Result<Self, FormatError> {
        Ok(match &typed.ty {
            SqlType::Array(item) => Self::List(Box::new(Self::of(field, item)?)),
            SqlType::Map(key, value) if matches!(key.ty, SqlType::Char(_) | SqlType::Varchar(_)) => {
                Self::Map(Box::new(Self::of(field, value)?))
            }
            SqlType::Row(fields) => Self::Row(Row::of(fields)?),
            SqlType::Map(..) | SqlType::IntervalMonths | SqlType::IntervalMillis => {
                return Err(FormatError::UnsupportedType {
                    format: "json",
                    field: field.to_owned(),
                    ty: typed.to_string(),
                    reason: "Flink's json format has neither intervals nor maps whose keys are no texts".to_owned(),
                });
            }
            leaf => Self::Leaf(leaf.clone()),
        })
    }

    fn write(&self, array: &ArrayRef, row: usize, options: &JsonOptions, out: &mut Vec<u8>) -> Result<(), FormatError> {
        if array.is_null(row) {
            out.extend_from_slice(b"null");
            return Ok(());
        }
        match self {
            Self::Leaf(ty) => print_leaf(ty, array, row, options, out),
            Self::Row(fields) => return fields.write(array.as_struct().columns(), row, options, out),
            Self::List(item) => {
                let list = array.as_list::<i32>();
                let (from, to) = (list.value_offsets()[row] as usize, list.value_offsets()[row + 1] as usize);
                out.push(b'[');
                for at in from..to {
                    if at > from {
                        out.push(b',');
                    }
                    item.write(list.values(), at, options, out)?;
                }
                out.push(b']');
            }
            Self::Map(value) => return write_map(value, array, row, options, out),
        }
        Ok(())
    }
}

fn write_map(
    value: &Node,
    array: &ArrayRef,
    row: usize,
    options: &JsonOptions,
    out: &mut Vec<u8>,
) -> Result<(), FormatError> {
    let map = array.as_map();
    let (from, to) = (map.value_offsets()[row] as usize, map.value_offsets()[row + 1] as usize);
    let keys = map.keys().as_string::<i32>();
    out.push(b'{');
    let start = out.len();
    for at in from..to {
        let key = match &options.map_null_keys {
            _ if keys.is_valid(at) => keys.value(at),
            MapNullKeys::Drop => continue,
            MapNullKeys::Literal(literal) => literal,
            MapNullKeys::Fail => {
                return Err(FormatError::Value {
                    field: "a map".to_owned(),
                    reason: "JSON has no NULL keys: set 'json.map-null-key.mode' to DROP or LITERAL".to_owned(),
                });
            }
        };
        if out.len() > start {
            out.push(b',');
        }
        print_string(key, out);
        out.push(b':');
        value.write(map.values(), at, options, out)?;
    }
    out.push(b'}');
    Ok(())
}

/// The value of a primitive array.
pub(crate) fn value<T: ArrowPrimitiveType>(array: &dyn Array, row: usize) -> T::Native {
    array.as_primitive::<T>().value(row)
}

fn print_leaf(ty: &SqlType, array: &ArrayRef, row: usize, options: &JsonOptions, out: &mut Vec<u8>) {
    let standard = options.timestamps;
    let quoted = matches!(
        ty,
        SqlType::Date
            | SqlType::Time(_)
            | SqlType::Timestamp(_)
            | SqlType::TimestampLtz(_)
            | SqlType::Binary(_)
            | SqlType::Varbinary(_)
    );
    if quoted {
        out.push(b'"');
    }
    match ty {
        SqlType::Char(_) | SqlType::Varchar(_) => print_string(array.as_string::<i32>().value(row), out),
        SqlType::Binary(_) | SqlType::Varbinary(_) => {
            out.extend_from_slice(
                base64_simd::STANDARD.encode_to_string(array.as_binary::<i32>().value(row)).as_bytes(),
            );
        }
        SqlType::Decimal(_, scale) => {
            let print = if options.decimal_as_plain_number { print_decimal } else { print_short_decimal };
            print(value::<Decimal128Type>(array, row), *scale, out);
        }
        SqlType::Float => print_finite(value::<Float32Type>(array, row).is_finite(), out, |out| {
            print_float32(value::<Float32Type>(array, row), out);
        }),
        SqlType::Double => print_finite(value::<Float64Type>(array, row).is_finite(), out, |out| {
            print_double(value::<Float64Type>(array, row), out);
        }),
        SqlType::Date => print_date(value::<Date32Type>(array, row), out),
        SqlType::Time(_) => {
            let millis = value::<Time32MillisecondType>(array, row) as u32;
            print_time(millis / 1000, millis % 1000 * 1_000_000, out);
        }
        SqlType::Timestamp(precision) => print_timestamp(moment(array, row, *precision), standard, false, out),
        SqlType::TimestampLtz(precision) => print_timestamp(moment(array, row, *precision), standard, true, out),
        _ => print_whole(ty, array, row, out),
    }
    if quoted {
        out.push(b'"');
    }
}

/// Appends a boolean or an integer, in decimal.
pub(crate) fn print_whole(ty: &SqlType, array: &dyn Array, row: usize, out: &mut Vec<u8>) {
    // Writing to a Vec cannot fail.
    let _ = match ty {
        SqlType::Boolean => write!(out, "{}", array.as_boolean().value(row)),
        SqlType::TinyInt => write!(out, "{}", value::<Int8Type>(array, row)),
        SqlType::SmallInt => write!(out, "{}", value::<Int16Type>(array, row)),
        SqlType::Int => write!(out, "{}", value::<Int32Type>(array, row)),
        SqlType::BigInt => write!(out, "{}", value::<Int64Type>(array, row)),
        _ => write!(out, "null"),
    };
}

/// The moment of a timestamp of that precision.
pub(crate) fn moment(array: &dyn Array, row: usize, precision: u8) -> Moment {
    let raw = match precision {
        0..=3 => value::<TimestampMillisecondType>(array, row),
        4..=6 => value::<TimestampMicrosecondType>(array, row),
        _ => value::<TimestampNanosecondType>(array, row),
    };
    Moment::of_unit(raw, precision)
}

/// JSON has no NaN and no infinity: Jackson writes them as texts.
fn print_finite(finite: bool, out: &mut Vec<u8>, print: impl FnOnce(&mut Vec<u8>)) {
    if !finite {
        out.push(b'"');
    }
    print(out);
    if !finite {
        out.push(b'"');
    }
}

/// Appends a JSON string with Jackson's escapes.
pub(crate) fn print_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut start = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[start..at]);
        start = at + 1;
        let short = match byte {
            b'"' => b'"',
            b'\\' => b'\\',
            8 => b'b',
            9 => b't',
            10 => b'n',
            12 => b'f',
            13 => b'r',
            _ => {
                let _ = write!(out, "\\u{byte:04X}");
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', short]);
    }
    out.extend_from_slice(&bytes[start..]);
    out.push(b'"');
}
