//! Following a [`Step`]: one value from the record into its column.

use super::input::Input;
use super::plan::{Step, row_columns};
use super::schema::AvroSchema;
use crate::SqlType;
use crate::column::{Column, Store};
use crate::put::{put_decimal, put_moment};
use crate::rows::Fail;
use crate::temporal::Moment;
use uuid::Uuid;

/// A decimal from the writer's scale to the column's.
pub(super) struct Decimals {
    pub(super) size: Option<usize>,
    pub(super) from: usize,
    pub(super) precision: u8,
    pub(super) to: i8,
}

/// Reads one value and appends it.
#[inline]
pub(super) fn append(step: &Step, writer: &AvroSchema, input: &mut Input<'_>, column: &mut Column) -> Result<(), Fail> {
    match step {
        Step::Union(branches) => {
            let branch = input.index(branches.len())?;
            append(&branches[branch], writer, input, column)
        }
        Step::Null => column.null().map_err(Fail::value),
        Step::Whole => put_whole(input.long()?, column),
        Step::Double => put_double(input.double()?, column),
        Step::Float => {
            let value = input.float()?;
            match &mut column.store {
                Store::F32(values) => values.push(value),
                Store::F64(values) => values.push(f64::from(value)),
                _ => return Err(Fail::value("is no FLOAT")),
            }
            column.done();
            Ok(())
        }
        Step::Text => column.bytes(input.text()?.as_bytes()).map_err(Fail::value),
        Step::Bytes => column.bytes(input.bytes()?).map_err(Fail::value),
        Step::Boolean => {
            let value = input.boolean()?;
            let Store::Bool(values) = &mut column.store else { return Err(Fail::value("is no BOOLEAN")) };
            values.append(value);
            column.done();
            Ok(())
        }
        Step::Moment(digits) => put_stamp(input.long()?, *digits, column),
        Step::Row(plan) => {
            let base = column.len();
            plan.read(writer, input, row_columns(column)?, base)?;
            column.done();
            Ok(())
        }
        other => append_other(other, writer, input, column),
    }
}

fn append_other(step: &Step, writer: &AvroSchema, input: &mut Input<'_>, column: &mut Column) -> Result<(), Fail> {
    match step {
        Step::WholeToFloat => {
            let value = input.long()?;
            match &mut column.store {
                Store::F32(values) => values.push(value as f32),
                Store::F64(values) => values.push(value as f64),
                _ => return Err(Fail::value("is no FLOAT")),
            }
            column.done();
            Ok(())
        }
        Step::TimeMicros => put_whole(input.long()?.div_euclid(1000), column),
        Step::BytesToText => {
            let bytes = input.bytes()?;
            std::str::from_utf8(bytes).map_err(|_| Fail::value("the bytes are no UTF-8 text"))?;
            column.bytes(bytes).map_err(Fail::value)
        }
        Step::Fixed(size) => column.bytes(input.take(*size)?).map_err(Fail::value),
        Step::Uuid => {
            let id = Uuid::from_slice(input.take(16)?).map_err(|error| Fail::value(error.to_string()))?;
            column.bytes(id.hyphenated().to_string().as_bytes()).map_err(Fail::value)
        }
        Step::Enum(symbols) => {
            let symbol = input.index(symbols.len())?;
            column.bytes(symbols[symbol].as_bytes()).map_err(Fail::value)
        }
        Step::Decimal(decimals) => {
            let unscaled = input.unscaled(decimals.size)?;
            let value = unscaled.map(|unscaled| decimals.rescaled(unscaled)).transpose()?.flatten();
            put_decimal(column, value).map_err(Fail::value)
        }
        Step::List(item) => loop {
            let count = input.block()?;
            if count == 0 {
                return column.close().map_err(Fail::value);
            }
            let Store::List { item: values, .. } = &mut column.store else { return Err(Fail::value("is no ARRAY")) };
            for _ in 0..count {
                append(item, writer, input, values)?;
            }
        },
        Step::Map(value) => append_map(value, writer, input, column),
        Step::Refuse(reason) => Err(Fail::value(reason.clone())),
        Step::Skip(ty) => input.skip(writer, *ty, 0),
        // The others are the caller's.
        _ => Ok(()),
    }
}

fn append_map(step: &Step, writer: &AvroSchema, input: &mut Input<'_>, column: &mut Column) -> Result<(), Fail> {
    loop {
        let count = input.block()?;
        if count == 0 {
            return column.close().map_err(Fail::value);
        }
        let Store::Map { key, value, .. } = &mut column.store else { return Err(Fail::value("is no MAP")) };
        for _ in 0..count {
            key.bytes(input.text()?.as_bytes()).map_err(Fail::value)?;
            append(step, writer, input, value)?;
        }
    }
}

impl Decimals {
    /// In the column's scale, rounded half up as SQL does; None when the column has too few digits for it.
    fn rescaled(&self, unscaled: i128) -> Result<Option<i128>, Fail> {
        let from = i32::try_from(self.from).map_err(|_| Fail::value("a decimal's scale is beyond 32 bits"))?;
        let shift = i32::from(self.to) - from;
        let power = 10i128.checked_pow(shift.unsigned_abs());
        let value = match power {
            Some(power) if shift >= 0 => unscaled.checked_mul(power),
            Some(power) => {
                let half = if unscaled < 0 { -(power / 2) } else { power / 2 };
                unscaled.checked_add(half).map(|value| value / power)
            }
            None if shift < 0 => Some(0),
            None => None,
        };
        let limit = 10u128.pow(u32::from(self.precision));
        Ok(value.filter(|value| value.unsigned_abs() < limit))
    }
}

/// Appends a whole number to a column of whole numbers, dates or times.
#[inline]
pub(crate) fn put_whole(value: i64, column: &mut Column) -> Result<(), Fail> {
    let fits = match &mut column.store {
        Store::I64(values) => {
            values.push(value);
            true
        }
        Store::I32(values) => i32::try_from(value).map(|value| values.push(value)).is_ok(),
        Store::I16(values) => i16::try_from(value).map(|value| values.push(value)).is_ok(),
        Store::I8(values) => i8::try_from(value).map(|value| values.push(value)).is_ok(),
        _ => false,
    };
    if !fits {
        return Err(Fail::value(format!("{value} is no {}", column.ty)));
    }
    column.done();
    Ok(())
}

fn put_double(value: f64, column: &mut Column) -> Result<(), Fail> {
    let Store::F64(values) = &mut column.store else { return Err(Fail::value("is no DOUBLE")) };
    values.push(value);
    column.done();
    Ok(())
}

/// Appends 10^-digits seconds since 1970 to a timestamp.
#[inline]
pub(crate) fn put_stamp(value: i64, digits: u8, column: &mut Column) -> Result<(), Fail> {
    let (SqlType::Timestamp(precision) | SqlType::TimestampLtz(precision)) = column.ty else {
        return Err(Fail::value("is no timestamp"));
    };
    put_moment(column, Moment::of_unit(value, digits), precision).map_err(Fail::value)
}
