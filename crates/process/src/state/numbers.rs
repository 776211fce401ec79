//! Columns seen as plain numbers, whatever their width.

use crate::eval::EvalError;
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, DurationMillisecondType, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, IntervalYearMonthType, Time32MillisecondType, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType,
};
use millrace_schema::SqlType;
use std::borrow::Cow;
use std::sync::Arc;

/// The values of an integer, boolean or time column.
pub(crate) fn longs(array: &ArrayRef) -> Result<Cow<'_, [i64]>, EvalError> {
    macro_rules! narrow {
        ($ty:ty) => {
            Cow::Owned(array.as_primitive::<$ty>().values().iter().map(|&v| i64::from(v)).collect())
        };
    }
    macro_rules! wide {
        ($ty:ty) => {
            Cow::Borrowed(&array.as_primitive::<$ty>().values()[..])
        };
    }
    Ok(match array.data_type() {
        DataType::Boolean => Cow::Owned(array.as_boolean().values().iter().map(i64::from).collect()),
        DataType::Int8 => narrow!(Int8Type),
        DataType::Int16 => narrow!(Int16Type),
        DataType::Int32 => narrow!(Int32Type),
        DataType::Date32 => narrow!(Date32Type),
        DataType::Time32(_) => narrow!(Time32MillisecondType),
        DataType::Interval(_) => narrow!(IntervalYearMonthType),
        DataType::Int64 => wide!(Int64Type),
        DataType::Timestamp(TimeUnit::Millisecond, _) => wide!(TimestampMillisecondType),
        DataType::Timestamp(TimeUnit::Microsecond, _) => wide!(TimestampMicrosecondType),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => wide!(TimestampNanosecondType),
        DataType::Duration(_) => wide!(DurationMillisecondType),
        other => return Err(EvalError(format!("{other} is not held as an integer"))),
    })
}

/// A column of `ty` from integers.
pub(crate) fn from_longs(values: Vec<Option<i64>>, ty: &SqlType) -> Result<ArrayRef, EvalError> {
    use arrow::array::*;
    macro_rules! narrow {
        ($ty:ty) => {
            Arc::new(values.into_iter().map(|v| v.map(|v| v as _)).collect::<$ty>()) as ArrayRef
        };
    }
    let array: ArrayRef = match ty {
        SqlType::Boolean => Arc::new(values.into_iter().map(|v| v.map(|v| v != 0)).collect::<BooleanArray>()),
        SqlType::TinyInt => narrow!(Int8Array),
        SqlType::SmallInt => narrow!(Int16Array),
        SqlType::Int => narrow!(Int32Array),
        SqlType::Date => narrow!(Date32Array),
        SqlType::Time(_) => narrow!(Time32MillisecondArray),
        SqlType::IntervalMonths => narrow!(IntervalYearMonthArray),
        SqlType::BigInt => Arc::new(Int64Array::from(values)),
        SqlType::IntervalMillis => Arc::new(DurationMillisecondArray::from(values)),
        SqlType::Timestamp(0..=3) | SqlType::TimestampLtz(0..=3) => Arc::new(TimestampMillisecondArray::from(values)),
        SqlType::Timestamp(4..=6) | SqlType::TimestampLtz(4..=6) => Arc::new(TimestampMicrosecondArray::from(values)),
        SqlType::Timestamp(_) | SqlType::TimestampLtz(_) => Arc::new(TimestampNanosecondArray::from(values)),
        other => return Err(EvalError(format!("{other} is not held as an integer"))),
    };
    crate::eval::relabel(array, ty)
}

/// The values of a FLOAT or DOUBLE column.
pub(crate) fn doubles(array: &ArrayRef) -> Cow<'_, [f64]> {
    match array.data_type() {
        DataType::Float32 => {
            Cow::Owned(array.as_primitive::<Float32Type>().values().iter().map(|&v| f64::from(v)).collect())
        }
        _ => Cow::Borrowed(&array.as_primitive::<Float64Type>().values()[..]),
    }
}

/// The unscaled values of a DECIMAL column.
pub(crate) fn decimals(array: &ArrayRef) -> &[i128] {
    array.as_primitive::<Decimal128Type>().values()
}
