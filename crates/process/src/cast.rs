//! `CAST` and `TRY_CAST` between all types that Flink casts between, with its texts and its failures.

use crate::eval::{EvalContext, EvalError, relabel};
use crate::functions::{Locals, from_locals};
use crate::number::{double_text, float_text, parse_decimal, rescale, write_decimal};
use crate::time::{self, Local};
use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BinaryArray, BooleanArray, Decimal128Array, ListArray, MapArray,
    PrimitiveArray, StringArray, StringBuilder, StructArray, new_null_array,
};
use arrow::datatypes::{
    DataType, Decimal128Type, DurationMillisecondType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, IntervalYearMonthType,
};
use millrace_base::calendar::DAY_MS;
use millrace_schema::SqlType;
use std::sync::Arc;

/// Whether a CAST from `from` to `to` is possible at all.
pub fn is_castable(from: &SqlType, to: &SqlType) -> bool {
    use SqlType as T;
    let is_text = |ty: &SqlType| matches!(ty, T::Char(_) | T::Varchar(_));
    let is_bytes = |ty: &SqlType| matches!(ty, T::Binary(_) | T::Varbinary(_));
    let is_number = |ty: &SqlType| {
        matches!(ty, T::TinyInt | T::SmallInt | T::Int | T::BigInt | T::Float | T::Double | T::Decimal(..))
    };
    let is_time = |ty: &SqlType| matches!(ty, T::Date | T::Time(_) | T::Timestamp(_) | T::TimestampLtz(_));
    match (from, to) {
        (a, b) if a == b => true,
        (T::Null, _) => true,
        (_, b) if is_text(b) => true,
        (a, b) if is_text(a) => is_number(b) || is_time(b) || is_bytes(b) || *b == T::Boolean,
        (a, b) if is_number(a) && is_number(b) || is_bytes(a) && is_bytes(b) => true,
        (T::Boolean, b) => is_number(b),
        (a, T::Boolean) => is_number(a),
        (T::Date, b) | (b, T::Date) if *b != T::Date => matches!(b, T::Timestamp(_) | T::TimestampLtz(_)),
        (T::Time(_), T::Timestamp(_) | T::TimestampLtz(_)) => true,
        (a, b) if is_time(a) && is_time(b) => true,
        (T::IntervalMonths | T::IntervalMillis, T::Int | T::BigInt) => true,
        (T::Array(a), T::Array(b)) => is_castable(&a.ty, &b.ty),
        (T::Map(a, x), T::Map(b, y)) => is_castable(&a.ty, &b.ty) && is_castable(&x.ty, &y.ty),
        (T::Row(a), T::Row(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_castable(&a.typed.ty, &b.typed.ty))
        }
        _ => false,
    }
}

/// Whether a CAST can meet a value that it refuses (all others give NULL or a value).
pub(crate) fn can_fail(from: &SqlType, to: &SqlType) -> bool {
    let is_text = |ty: &SqlType| matches!(ty, SqlType::Char(_) | SqlType::Varchar(_));
    is_text(from) && !is_text(to) || matches!(from, SqlType::Array(_) | SqlType::Map(..) | SqlType::Row(_))
}

/// Casts a column. With `try_`, values that cannot be cast become NULL.
pub(crate) fn cast(
    array: &ArrayRef,
    from: &SqlType,
    to: &SqlType,
    try_: bool,
    context: &EvalContext,
) -> Result<ArrayRef, EvalError> {
    use SqlType as T;
    if from == to {
        return Ok(array.clone());
    }
    match (from, to) {
        (T::Null, to) => Ok(new_null_array(&to.to_arrow(), array.len())),
        (from, T::Char(_) | T::Varchar(_)) => to_text(array, from, to, context),
        (T::Char(_) | T::Varchar(_), to) => from_text(array.as_string(), to, try_, context),
        (T::Binary(_) | T::Varbinary(_), T::Binary(_) | T::Varbinary(_)) => to_bytes(array, to),
        (T::Boolean, to) => {
            let bits: PrimitiveArray<Int32Type> = array.as_boolean().iter().map(|v| v.map(i32::from)).collect();
            cast_number(&(Arc::new(bits) as ArrayRef), &T::Int, to)
        }
        (from, T::Boolean) => {
            let wide = cast_number(array, from, &T::Double)?;
            let truth: BooleanArray = wide.as_primitive::<Float64Type>().iter().map(|v| v.map(|v| v != 0.0)).collect();
            Ok(Arc::new(truth))
        }
        (
            T::Date | T::Time(_) | T::Timestamp(_) | T::TimestampLtz(_),
            T::Date | T::Time(_) | T::Timestamp(_) | T::TimestampLtz(_),
        ) => cast_time(array, from, to, context),
        (T::IntervalMillis, to) => {
            let values: PrimitiveArray<Int64Type> = array.as_primitive::<DurationMillisecondType>().unary(|v| v);
            cast_number(&(Arc::new(values) as ArrayRef), &T::BigInt, to)
        }
        (T::IntervalMonths, to) => {
            let values: PrimitiveArray<Int32Type> = array.as_primitive::<IntervalYearMonthType>().unary(|v| v);
            cast_number(&(Arc::new(values) as ArrayRef), &T::Int, to)
        }
        (T::Array(_) | T::Map(..) | T::Row(_), _) => nested(array, from, to, try_, context),
        _ => cast_number(array, from, to),
    }
}

fn impossible(from: &SqlType, to: &SqlType) -> EvalError {
    EvalError(format!("{from} cannot be cast to {to}"))
}

fn cast_time(array: &ArrayRef, from: &SqlType, to: &SqlType, context: &EvalContext) -> Result<ArrayRef, EvalError> {
    if let (SqlType::TimestampLtz(_), SqlType::TimestampLtz(_)) = (from, to) {
        // Between instants the zone plays no part.
        let context = EvalContext { zone: chrono_tz::Tz::UTC, ..context.clone() };
        let locals = Locals::new(array, from, &context);
        return from_locals((0..array.len()).map(|at| locals.get(at)), to, &context);
    }
    let locals = Locals::new(array, from, context);
    from_locals((0..array.len()).map(|at| locals.get(at)), to, context)
}

fn cast_number(array: &ArrayRef, from: &SqlType, to: &SqlType) -> Result<ArrayRef, EvalError> {
    use SqlType as T;
    if from == to {
        return Ok(array.clone());
    }
    if let T::Decimal(precision, scale) = to {
        return number_to_decimal(array, from, *precision, *scale);
    }
    fn ints<F: ArrowPrimitiveType>(
        array: &ArrayRef,
        wide: impl Fn(F::Native) -> i64,
        to: &SqlType,
    ) -> Option<ArrayRef> {
        let values = array.as_primitive::<F>();
        fn make<F: ArrowPrimitiveType, T: ArrowPrimitiveType>(
            values: &PrimitiveArray<F>,
            op: impl Fn(F::Native) -> T::Native,
        ) -> ArrayRef {
            Arc::new(values.unary::<_, T>(op))
        }
        Some(match to {
            SqlType::TinyInt => make::<F, Int8Type>(values, |v| wide(v) as i8),
            SqlType::SmallInt => make::<F, Int16Type>(values, |v| wide(v) as i16),
            SqlType::Int => make::<F, Int32Type>(values, |v| wide(v) as i32),
            SqlType::BigInt => make::<F, Int64Type>(values, wide),
            SqlType::Float => make::<F, Float32Type>(values, |v| wide(v) as f32),
            SqlType::Double => make::<F, Float64Type>(values, |v| wide(v) as f64),
            _ => return None,
        })
    }
    // Java saturates floats at INT (LONG for BIGINT), then narrows by cutting bits.
    let float_to = |v: f64| if *to == T::BigInt { v as i64 } else { i64::from(v as i32) };
    let cast = match from {
        T::TinyInt => ints::<Int8Type>(array, i64::from, to),
        T::SmallInt => ints::<Int16Type>(array, i64::from, to),
        T::Int => ints::<Int32Type>(array, i64::from, to),
        T::BigInt => ints::<Int64Type>(array, |v| v, to),
        T::Float if *to == T::Double => {
            Some(Arc::new(array.as_primitive::<Float32Type>().unary::<_, Float64Type>(f64::from)) as ArrayRef)
        }
        T::Double if *to == T::Float => {
            Some(Arc::new(array.as_primitive::<Float64Type>().unary::<_, Float32Type>(|v| v as f32)) as ArrayRef)
        }
        T::Float => ints::<Float32Type>(array, |v| float_to(f64::from(v)), to),
        T::Double => ints::<Float64Type>(array, float_to, to),
        T::Decimal(_, scale) => decimal_to_number(array, *scale, to),
        _ => None,
    };
    cast.ok_or_else(|| impossible(from, to))
}

fn decimal_to_number(array: &ArrayRef, scale: i8, to: &SqlType) -> Option<ArrayRef> {
    let values = array.as_primitive::<Decimal128Type>();
    let unit = crate::number::TEN[scale.max(0) as usize];
    // Through the text, so that the nearest floating point number is found.
    let double = |v: i128| {
        let mut text = String::new();
        write_decimal(&mut text, v, scale);
        text.parse::<f64>().unwrap_or(f64::NAN)
    };
    Some(match to {
        SqlType::TinyInt => Arc::new(values.unary::<_, Int8Type>(|v| (v / unit) as i8)),
        SqlType::SmallInt => Arc::new(values.unary::<_, Int16Type>(|v| (v / unit) as i16)),
        SqlType::Int => Arc::new(values.unary::<_, Int32Type>(|v| (v / unit) as i32)),
        SqlType::BigInt => Arc::new(values.unary::<_, Int64Type>(|v| (v / unit) as i64)),
        SqlType::Float => Arc::new(values.unary::<_, Float32Type>(|v| double(v) as f32)),
        SqlType::Double => Arc::new(values.unary::<_, Float64Type>(double)),
        _ => return None,
    })
}

fn number_to_decimal(array: &ArrayRef, from: &SqlType, precision: u8, scale: i8) -> Result<ArrayRef, EvalError> {
    use SqlType as T;
    let whole = |v: i128| rescale(v, 0, scale, precision);
    let text = |text: String| parse_decimal(&text, precision, scale).ok().flatten();
    let values: Decimal128Array = match from {
        T::TinyInt => array.as_primitive::<Int8Type>().iter().map(|v| v.and_then(|v| whole(v.into()))).collect(),
        T::SmallInt => array.as_primitive::<Int16Type>().iter().map(|v| v.and_then(|v| whole(v.into()))).collect(),
        T::Int => array.as_primitive::<Int32Type>().iter().map(|v| v.and_then(|v| whole(v.into()))).collect(),
        T::BigInt => array.as_primitive::<Int64Type>().iter().map(|v| v.and_then(|v| whole(v.into()))).collect(),
        T::Float => {
            let wide = |v: f32| text(format!("{:e}", f64::from(v)));
            array.as_primitive::<Float32Type>().iter().map(|v| v.and_then(wide)).collect()
        }
        T::Double => {
            array.as_primitive::<Float64Type>().iter().map(|v| v.and_then(|v| text(format!("{v:e}")))).collect()
        }
        T::Decimal(_, from) => {
            let moved = |v: i128| rescale(v, *from, scale, precision);
            array.as_primitive::<Decimal128Type>().iter().map(|v| v.and_then(moved)).collect()
        }
        _ => return Err(impossible(from, &T::Decimal(precision, scale))),
    };
    Ok(Arc::new(values.with_precision_and_scale(precision, scale)?))
}

fn to_bytes(array: &ArrayRef, to: &SqlType) -> Result<ArrayRef, EvalError> {
    let cut = |bytes: &[u8]| match to {
        SqlType::Binary(n) => {
            let mut fixed = bytes.to_vec();
            fixed.resize(*n as usize, 0);
            fixed
        }
        SqlType::Varbinary(n) => bytes[..bytes.len().min(*n as usize)].to_vec(),
        _ => bytes.to_vec(),
    };
    let bytes: BinaryArray = array.as_binary::<i32>().iter().map(|v| v.map(cut)).collect();
    Ok(Arc::new(bytes))
}

fn to_text(array: &ArrayRef, from: &SqlType, to: &SqlType, context: &EvalContext) -> Result<ArrayRef, EvalError> {
    if matches!(from, SqlType::Char(_) | SqlType::Varchar(_)) && is_widening(from, to) {
        return Ok(array.clone());
    }
    let mut out = StringBuilder::with_capacity(array.len(), array.len() * 12);
    let mut text = String::new();
    for row in 0..array.len() {
        if array.is_null(row) {
            out.append_null();
            continue;
        }
        text.clear();
        write_value(&mut text, array, row, from, context)?;
        match to {
            SqlType::Char(n) => {
                let length = text.chars().count();
                text.extend(std::iter::repeat_n(' ', (*n as usize).saturating_sub(length)));
                out.append_value(head(&text, *n));
            }
            SqlType::Varchar(n) => out.append_value(head(&text, *n)),
            _ => out.append_value(&text),
        }
    }
    Ok(Arc::new(out.finish()))
}

fn is_widening(from: &SqlType, to: &SqlType) -> bool {
    match (from, to) {
        (SqlType::Char(a) | SqlType::Varchar(a), SqlType::Varchar(b)) => a <= b,
        _ => false,
    }
}

fn head(text: &str, chars: u32) -> &str {
    if text.len() <= chars as usize {
        return text;
    }
    text.char_indices().nth(chars as usize).map_or(text, |(end, _)| &text[..end])
}

/// Appends a value that is not NULL as `CAST(… AS STRING)` writes it.
pub(crate) fn write_value(
    out: &mut String,
    array: &ArrayRef,
    row: usize,
    ty: &SqlType,
    context: &EvalContext,
) -> Result<(), EvalError> {
    use SqlType as T;
    use std::fmt::Write;
    match ty {
        T::Null => out.push_str("NULL"),
        T::Boolean => out.push_str(if array.as_boolean().value(row) { "TRUE" } else { "FALSE" }),
        T::TinyInt => drop(write!(out, "{}", array.as_primitive::<Int8Type>().value(row))),
        T::SmallInt => drop(write!(out, "{}", array.as_primitive::<Int16Type>().value(row))),
        T::Int => drop(write!(out, "{}", array.as_primitive::<Int32Type>().value(row))),
        T::BigInt => drop(write!(out, "{}", array.as_primitive::<Int64Type>().value(row))),
        T::Float => out.push_str(&float_text(array.as_primitive::<Float32Type>().value(row))),
        T::Double => out.push_str(&double_text(array.as_primitive::<Float64Type>().value(row))),
        T::Decimal(_, scale) => write_decimal(out, array.as_primitive::<Decimal128Type>().value(row), *scale),
        T::Char(_) | T::Varchar(_) => out.push_str(array.as_string::<i32>().value(row)),
        T::Binary(_) | T::Varbinary(_) => out.push_str(&String::from_utf8_lossy(array.as_binary::<i32>().value(row))),
        T::Date | T::Time(_) | T::Timestamp(_) | T::TimestampLtz(_) => {
            let at = Locals::new(array, ty, context).get(row).unwrap_or(Local { millis: 0, nanos: 0 });
            match ty {
                T::Date => out.push_str(&time::date_text(at.millis.div_euclid(DAY_MS) as i32)),
                T::Time(p) => out.push_str(&time::time_text(at.millis as i32, *p)),
                T::Timestamp(p) | T::TimestampLtz(p) => time::write_timestamp(out, at, *p),
                _ => {}
            }
        }
        T::IntervalMonths => {
            let months = array.as_primitive::<IntervalYearMonthType>().value(row);
            let sign = if months < 0 { '-' } else { '+' };
            let _ = write!(out, "{sign}{}-{:02}", months.abs() / 12, months.abs() % 12);
        }
        T::IntervalMillis => {
            let millis = array.as_primitive::<DurationMillisecondType>().value(row);
            let (sign, size) = (if millis < 0 { '-' } else { '+' }, millis.unsigned_abs());
            let (days, rest) = (size / DAY_MS as u64, size % DAY_MS as u64);
            let (hours, minutes) = (rest / 3_600_000, rest / 60_000 % 60);
            let _ = write!(out, "{sign}{days} {hours:02}:{minutes:02}:{:02}.{:03}", rest / 1000 % 60, rest % 1000);
        }
        T::Array(item) => {
            let items = array.as_list::<i32>().value(row);
            write_list(out, ('[', ']'), items.len(), |out, nth| write_nullable(out, &items, nth, &item.ty, context))?;
        }
        T::Map(key, value) => {
            let entries = array.as_map().value(row);
            let (keys, values) = (entries.column(0), entries.column(1));
            write_list(out, ('{', '}'), keys.len(), |out, nth| {
                write_nullable(out, keys, nth, &key.ty, context)?;
                out.push('=');
                write_nullable(out, values, nth, &value.ty, context)
            })?;
        }
        T::Row(fields) => {
            let columns = array.as_struct().columns();
            write_list(out, ('(', ')'), fields.len(), |out, nth| {
                write_nullable(out, &columns[nth], row, &fields[nth].typed.ty, context)
            })?;
        }
    }
    Ok(())
}

fn write_list(
    out: &mut String,
    (open, close): (char, char),
    len: usize,
    mut item: impl FnMut(&mut String, usize) -> Result<(), EvalError>,
) -> Result<(), EvalError> {
    out.push(open);
    for nth in 0..len {
        if nth > 0 {
            out.push_str(", ");
        }
        item(out, nth)?;
    }
    out.push(close);
    Ok(())
}

fn write_nullable(
    out: &mut String,
    array: &ArrayRef,
    row: usize,
    ty: &SqlType,
    context: &EvalContext,
) -> Result<(), EvalError> {
    if array.is_null(row) {
        out.push_str("NULL");
        return Ok(());
    }
    write_value(out, array, row, ty, context)
}

fn from_text(texts: &StringArray, to: &SqlType, try_: bool, context: &EvalContext) -> Result<ArrayRef, EvalError> {
    use SqlType as T;
    fn each<'a, V>(
        texts: &'a StringArray,
        to: &'a SqlType,
        try_: bool,
        parse: impl Fn(&str) -> Option<V> + 'a,
    ) -> impl Iterator<Item = Result<Option<V>, EvalError>> + 'a {
        texts.iter().map(move |text| match text.map(|text| (parse(text), text)) {
            Some((None, text)) if !try_ => {
                Err(EvalError(format!("'{text}' cannot be cast to {to}; TRY_CAST gives NULL instead")))
            }
            parsed => Ok(parsed.and_then(|(value, _)| value)),
        })
    }
    let whole = |text: &str, min: i64, max: i64| parse_integer(text).filter(|v| (min..=max).contains(v));
    let array: ArrayRef = match to {
        T::Boolean => Arc::new(each(texts, to, try_, parse_boolean).collect::<Result<BooleanArray, _>>()?),
        T::TinyInt => Arc::new(
            each(texts, to, try_, |t| whole(t, i8::MIN.into(), i8::MAX.into()).map(|v| v as i8))
                .collect::<Result<PrimitiveArray<Int8Type>, _>>()?,
        ),
        T::SmallInt => Arc::new(
            each(texts, to, try_, |t| whole(t, i16::MIN.into(), i16::MAX.into()).map(|v| v as i16))
                .collect::<Result<PrimitiveArray<Int16Type>, _>>()?,
        ),
        T::Int => Arc::new(
            each(texts, to, try_, |t| whole(t, i32::MIN.into(), i32::MAX.into()).map(|v| v as i32))
                .collect::<Result<PrimitiveArray<Int32Type>, _>>()?,
        ),
        T::BigInt => Arc::new(each(texts, to, try_, parse_integer).collect::<Result<PrimitiveArray<Int64Type>, _>>()?),
        T::Float => Arc::new(
            each(texts, to, try_, |t| t.trim().parse::<f32>().ok())
                .collect::<Result<PrimitiveArray<Float32Type>, _>>()?,
        ),
        T::Double => Arc::new(
            each(texts, to, try_, |t| t.trim().parse::<f64>().ok())
                .collect::<Result<PrimitiveArray<Float64Type>, _>>()?,
        ),
        T::Decimal(precision, scale) => {
            let parse = |text: &str| parse_decimal(text.trim(), *precision, *scale).ok();
            let values =
                each(texts, to, try_, parse).map(|v| v.map(Option::flatten)).collect::<Result<Decimal128Array, _>>()?;
            Arc::new(values.with_precision_and_scale(*precision, *scale)?)
        }
        T::Date | T::Time(_) | T::Timestamp(_) | T::TimestampLtz(_) => {
            let parse = |text: &str| match to {
                T::Date => time::parse_timestamp(text),
                T::Time(_) => time::parse_time(text).map(|(millis, nanos)| Local { millis, nanos }),
                _ => time::parse_timestamp(text),
            };
            let locals = each(texts, to, try_, parse).collect::<Result<Vec<_>, _>>()?;
            return from_locals(locals.into_iter(), to, context);
        }
        T::Binary(_) | T::Varbinary(_) => {
            let bytes: BinaryArray = texts.iter().map(|text| text.map(str::as_bytes)).collect();
            return to_bytes(&(Arc::new(bytes) as ArrayRef), to);
        }
        _ => return Err(impossible(&T::STRING, to)),
    };
    Ok(array)
}

/// An integer, or a decimal number whose fraction is cut off.
fn parse_integer(text: &str) -> Option<i64> {
    let text = text.trim();
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    if !part.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    whole.parse().ok()
}

fn parse_boolean(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "t" | "true" | "y" | "yes" | "1" => Some(true),
        "f" | "false" | "n" | "no" | "0" => Some(false),
        _ => None,
    }
}

fn nested(
    array: &ArrayRef,
    from: &SqlType,
    to: &SqlType,
    try_: bool,
    context: &EvalContext,
) -> Result<ArrayRef, EvalError> {
    match (from, to, to.to_arrow()) {
        (SqlType::Array(a), SqlType::Array(b), DataType::List(field)) => {
            let lists = array.as_list::<i32>();
            let values = cast(lists.values(), &a.ty, &b.ty, try_, context)?;
            Ok(Arc::new(ListArray::try_new(field, lists.offsets().clone(), values, lists.nulls().cloned())?))
        }
        (SqlType::Map(a, x), SqlType::Map(b, y), DataType::Map(field, sorted)) => {
            let maps = array.as_map();
            let DataType::Struct(fields) = field.data_type() else { return Err(impossible(from, to)) };
            let keys = cast(maps.keys(), &a.ty, &b.ty, try_, context)?;
            let values = cast(maps.values(), &x.ty, &y.ty, try_, context)?;
            let entries = StructArray::try_new(fields.clone(), vec![keys, values], None)?;
            Ok(Arc::new(MapArray::try_new(field, maps.offsets().clone(), entries, maps.nulls().cloned(), sorted)?))
        }
        (SqlType::Row(a), SqlType::Row(b), DataType::Struct(fields)) if a.len() == b.len() => {
            let rows = array.as_struct();
            let columns = a.iter().zip(b).zip(rows.columns());
            let columns = columns
                .map(|((a, b), column)| cast(column, &a.typed.ty, &b.typed.ty, try_, context))
                .collect::<Result<Vec<_>, _>>()?;
            Ok(Arc::new(StructArray::try_new(fields, columns, rows.nulls().cloned())?))
        }
        _ => relabel(array.clone(), to).map_err(|_| impossible(from, to)),
    }
}
