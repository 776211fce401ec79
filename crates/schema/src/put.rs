//! Puts a text into a column of any scalar type, with the coercions that Flink's formats make.

use crate::SqlType;
use crate::column::{Column, Refused, Store};
use crate::number::{NotANumber, parse_decimal, parse_double};
use crate::temporal::{Moment, TimestampStandard, parse_date, parse_time, parse_timestamp};

/// A value shown in an error is cut to this many characters.
const EXCERPT_CHARS: usize = 64;

/// Appends a text to a scalar column, parsed by the column's type. Numbers and booleans are trimmed, as in Flink.
pub(crate) fn put_text(column: &mut Column, text: &str, standard: TimestampStandard) -> Result<(), Refused> {
    match column.ty {
        SqlType::Char(_) | SqlType::Varchar(_) => return column.bytes(text.as_bytes()),
        SqlType::Binary(_) | SqlType::Varbinary(_) => {
            let decoded = base64_simd::STANDARD.decode_to_vec(text).map_err(|_| refusal(column, text))?;
            return column.bytes(&decoded);
        }
        SqlType::Decimal(precision, scale) => {
            return match parse_decimal(text.trim(), precision, scale) {
                Ok(value) => put_decimal(column, value),
                Err(NotANumber) => Err(refusal(column, text)),
            };
        }
        SqlType::Timestamp(precision) => {
            let moment = parse_timestamp(text, standard, false).ok_or_else(|| refusal(column, text))?;
            return put_moment(column, moment, precision);
        }
        SqlType::TimestampLtz(precision) => {
            let moment = parse_timestamp(text, standard, true).ok_or_else(|| refusal(column, text))?;
            return put_moment(column, moment, precision);
        }
        _ => {}
    }
    if put_plain(column, text) {
        column.done();
        return Ok(());
    }
    Err(refusal(column, text))
}

/// The types whose parse is one call; false when the text does not parse.
fn put_plain(column: &mut Column, text: &str) -> bool {
    let trimmed = text.trim();
    let parsed = match (&mut column.store, &column.ty) {
        (Store::Bool(values), _) => {
            // Java's parseBoolean: everything but "true" is false.
            values.append(trimmed.eq_ignore_ascii_case("true"));
            Some(())
        }
        (Store::I8(values), _) => trimmed.parse().ok().map(|value| values.push(value)),
        (Store::I16(values), _) => trimmed.parse().ok().map(|value| values.push(value)),
        (Store::I32(values), SqlType::Date) => parse_date(text).map(|value| values.push(value)),
        (Store::I32(values), SqlType::Time(_)) => parse_time(text).map(|value| values.push(value)),
        (Store::I32(values), _) => trimmed.parse().ok().map(|value| values.push(value)),
        (Store::I64(values), _) => trimmed.parse().ok().map(|value| values.push(value)),
        (Store::F32(values), _) => parse_double(trimmed).map(|value| values.push(value as f32)),
        (Store::F64(values), _) => parse_double(trimmed).map(|value| values.push(value)),
        _ => None,
    };
    parsed.is_some()
}

/// Appends a decimal, or NULL for one with more digits than the type holds, as Flink does.
pub(crate) fn put_decimal(column: &mut Column, value: Option<i128>) -> Result<(), Refused> {
    let (Some(value), Store::Decimal(values)) = (value, &mut column.store) else { return column.null() };
    values.push(value);
    column.done();
    Ok(())
}

/// Appends a timestamp in the column's unit.
#[inline]
pub(crate) fn put_moment(column: &mut Column, moment: Moment, precision: u8) -> Result<(), Refused> {
    let (Some(value), Store::I64(values)) = (moment.in_unit(precision), &mut column.store) else {
        return Err(format!("the time is beyond what {} holds", column.ty));
    };
    values.push(value);
    column.done();
    Ok(())
}

/// Says that a text is no value of the column's type.
#[cold]
pub(crate) fn refusal(column: &Column, text: &str) -> Refused {
    let excerpt: String = text.chars().take(EXCERPT_CHARS).collect();
    let more = if excerpt.len() < text.len() { "…" } else { "" };
    format!("'{excerpt}{more}' is no {}", column.ty)
}
