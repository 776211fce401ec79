//! A record as JSON text, for those who have no columns: queries over records, functions.
//!
//! Values are printed as what they mean: a union's value without its branch's name, dates and times as ISO 8601 texts,
//! timestamps with a `Z` unless they are local, decimals as numbers with all their digits, bytes as Base64.

use super::input::{DEPTH_MAX, Input};
use super::schema::{AvroSchema, Meaning, Type, TypeId};
use crate::json::print_string;
use crate::number::{print_decimal, print_double, print_float32};
use crate::rows::Fail;
use crate::temporal::{Moment, TimestampStandard, print_date, print_time, print_timestamp};
use std::io::Write;
use uuid::Uuid;

/// Appends the record as one JSON object.
pub(crate) fn print_record(schema: &AvroSchema, payload: &[u8], out: &mut Vec<u8>) -> Result<(), Fail> {
    print(schema, schema.root, &mut Input::new(payload), 0, out)
}

fn print(schema: &AvroSchema, ty: TypeId, input: &mut Input<'_>, depth: usize, out: &mut Vec<u8>) -> Result<(), Fail> {
    if depth > DEPTH_MAX {
        return input.fail("the record is nested deeper than 500");
    }
    match schema.get(ty) {
        Type::Null => out.extend_from_slice(b"null"),
        Type::Boolean => out.extend_from_slice(if input.boolean()? { b"true" } else { b"false" }),
        Type::Int(meaning) | Type::Long(meaning) => print_number(*meaning, input.long()?, out)?,
        Type::Float => {
            let value = input.float()?;
            quoted(!value.is_finite(), out, |out| print_float32(value, out));
        }
        Type::Double => {
            let value = input.double()?;
            quoted(!value.is_finite(), out, |out| print_double(value, out));
        }
        Type::String => print_string(input.text()?, out),
        Type::Bytes => print_bytes(input.bytes()?, out),
        Type::Fixed(size) => print_bytes(input.take(*size)?, out),
        Type::Uuid => {
            let id = Uuid::from_slice(input.take(16)?).map_err(|error| Fail::value(error.to_string()))?;
            print_string(&id.hyphenated().to_string(), out);
        }
        Type::Decimal { size, scale, .. } => match (input.unscaled(*size)?, i8::try_from(*scale)) {
            (Some(unscaled), Ok(scale)) => print_decimal(unscaled, scale, out),
            _ => return Err(Fail::value("a decimal has more than 38 digits")),
        },
        Type::Enum(symbols) => print_string(&symbols[input.index(symbols.len())?], out),
        Type::Array(item) => print_items(schema, *item, false, input, depth, out)?,
        Type::Map(value) => print_items(schema, *value, true, input, depth, out)?,
        Type::Union(branches) => {
            let branch = input.index(branches.len())?;
            print(schema, branches[branch], input, depth + 1, out)?;
        }
        Type::Record(fields) => {
            out.push(b'{');
            for (place, field) in fields.iter().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                print_string(&field.name, out);
                out.push(b':');
                print(schema, field.ty, input, depth + 1, out).map_err(|fail| fail.within(&field.name))?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

fn print_items(
    schema: &AvroSchema,
    item: TypeId,
    keyed: bool,
    input: &mut Input<'_>,
    depth: usize,
    out: &mut Vec<u8>,
) -> Result<(), Fail> {
    out.push(if keyed { b'{' } else { b'[' });
    let mut first = true;
    loop {
        let count = input.block()?;
        if count == 0 {
            break;
        }
        for _ in 0..count {
            if !std::mem::take(&mut first) {
                out.push(b',');
            }
            if keyed {
                print_string(input.text()?, out);
                out.push(b':');
            }
            print(schema, item, input, depth + 1, out)?;
        }
    }
    out.push(if keyed { b'}' } else { b']' });
    Ok(())
}

fn print_number(meaning: Meaning, value: i64, out: &mut Vec<u8>) -> Result<(), Fail> {
    let beyond = || Fail::value("a date or time is beyond the calendar");
    match meaning {
        Meaning::Number => {
            // Writing to a Vec cannot fail.
            let _ = write!(out, "{value}");
        }
        Meaning::Date => {
            let days = i32::try_from(value).map_err(|_| beyond())?;
            quoted(true, out, |out| print_date(days, out));
        }
        Meaning::TimeMillis | Meaning::TimeMicros => {
            let per_sec = if meaning == Meaning::TimeMillis { 1_000 } else { 1_000_000 };
            let secs = u32::try_from(value.div_euclid(per_sec)).map_err(|_| beyond())?;
            let nanos = (value.rem_euclid(per_sec) * (1_000_000_000 / per_sec)) as u32;
            quoted(true, out, |out| print_time(secs, nanos, out));
        }
        Meaning::Timestamp { digits, local } => {
            let moment = Moment::of_unit(value, digits);
            // Beyond these days the calendar's numbers no longer fit.
            if moment.secs.div_euclid(86_400).unsigned_abs() > 1 << 30 {
                return Err(beyond());
            }
            quoted(true, out, |out| print_timestamp(moment, TimestampStandard::Iso8601, !local, out));
        }
    }
    Ok(())
}

fn quoted(quotes: bool, out: &mut Vec<u8>, print: impl FnOnce(&mut Vec<u8>)) {
    if quotes {
        out.push(b'"');
    }
    print(out);
    if quotes {
        out.push(b'"');
    }
}

fn print_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    quoted(true, out, |out| out.extend_from_slice(base64_simd::STANDARD.encode_to_string(bytes).as_bytes()));
}
