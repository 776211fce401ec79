//! Dates and times. TIMESTAMP_LTZ is seen in the session's zone.

use super::signature::{Args, Call, Entry, Param, Signature, is_numeric, is_text};
use super::text::{Texts, texts_of};
use crate::eval::{Column, EvalContext, EvalError, relabel};
use crate::pattern::Pattern;
use crate::time::{self, Local, Unit, add_months, extract, floor_to, months_between, offset_at, to_instant};
use arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, Int64Array, Time32MillisecondArray, TimestampMicrosecondArray,
    TimestampMillisecondArray, TimestampNanosecondArray,
};
use arrow::datatypes::{
    Date32Type, DurationMillisecondType, Int32Type, Int64Type, IntervalYearMonthType, Time32MillisecondType,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
};
use millrace_base::calendar::DAY_MS;
use millrace_schema::{SqlType, Typed};
use std::sync::Arc;

use Param::{Big, Day, Int, Str, Ts};

pub(super) const TABLE: &[Entry] = &[
    Entry { name: "CURRENT_TIMESTAMP", sign: sign_now, eval: now },
    Entry { name: "CURRENT_ROW_TIMESTAMP", sign: sign_now, eval: now },
    Entry { name: "NOW", sign: sign_now, eval: now },
    Entry { name: "PROCTIME", sign: sign_now, eval: now },
    Entry { name: "LOCALTIMESTAMP", sign: |args| sign_clock(args, SqlType::Timestamp(3)), eval: now },
    Entry { name: "CURRENT_DATE", sign: |args| sign_clock(args, SqlType::Date), eval: now },
    Entry { name: "CURRENT_TIME", sign: |args| sign_clock(args, SqlType::Time(0)), eval: now },
    Entry { name: "LOCALTIME", sign: |args| sign_clock(args, SqlType::Time(0)), eval: now },
    Entry { name: "EXTRACT", sign: sign_extract, eval: |call| field(call, 1, unit_of(call, 0)?) },
    Entry { name: "YEAR", sign: sign_field, eval: |call| field(call, 0, Unit::Year) },
    Entry { name: "QUARTER", sign: sign_field, eval: |call| field(call, 0, Unit::Quarter) },
    Entry { name: "MONTH", sign: sign_field, eval: |call| field(call, 0, Unit::Month) },
    Entry { name: "WEEK", sign: sign_field, eval: |call| field(call, 0, Unit::Week) },
    Entry { name: "DAYOFYEAR", sign: sign_field, eval: |call| field(call, 0, Unit::DayOfYear) },
    Entry { name: "DAYOFMONTH", sign: sign_field, eval: |call| field(call, 0, Unit::Day) },
    Entry { name: "DAYOFWEEK", sign: sign_field, eval: |call| field(call, 0, Unit::DayOfWeek) },
    Entry { name: "HOUR", sign: sign_field, eval: |call| field(call, 0, Unit::Hour) },
    Entry { name: "MINUTE", sign: sign_field, eval: |call| field(call, 0, Unit::Minute) },
    Entry { name: "SECOND", sign: sign_field, eval: |call| field(call, 0, Unit::Second) },
    Entry { name: "TIMESTAMPADD", sign: sign_add, eval: add },
    Entry { name: "TIMESTAMPDIFF", sign: sign_diff, eval: difference },
    Entry { name: "DATE_FORMAT", sign: sign_format, eval: date_format },
    Entry { name: "TO_TIMESTAMP", sign: sign_to_timestamp, eval: to_timestamp },
    Entry { name: "TO_TIMESTAMP_LTZ", sign: sign_to_ltz, eval: to_ltz },
    Entry { name: "TO_DATE", sign: sign_to_date, eval: to_date },
    Entry { name: "FROM_UNIXTIME", sign: sign_from_unix, eval: from_unix },
    Entry { name: "UNIX_TIMESTAMP", sign: sign_unix, eval: unix },
];

fn sign_now(args: &Args<'_>) -> Result<Signature, String> {
    sign_clock(args, SqlType::TimestampLtz(3))
}

fn sign_clock(args: &Args<'_>, ty: SqlType) -> Result<Signature, String> {
    args.takes(&[], &[Int], None)?;
    Ok(Signature { args: args.types.to_vec(), result: Typed { ty, nullable: false } })
}

fn check_unit(args: &Args<'_>, nth: usize) -> Result<Option<Unit>, String> {
    match args.literal_word(nth) {
        Some(word) => Unit::parse(&word).map(Some).ok_or_else(|| format!("{word} is not a unit of time")),
        None => Ok(None),
    }
}

fn sign_extract(args: &Args<'_>) -> Result<Signature, String> {
    check_unit(args, 0)?;
    args.fixed(args.takes(&[Str, Day], &[], None)?, SqlType::BigInt)
}

fn sign_field(args: &Args<'_>) -> Result<Signature, String> {
    args.fixed(args.takes(&[Day], &[], None)?, SqlType::BigInt)
}

pub(super) fn sign_floor(args: &Args<'_>) -> Result<Signature, String> {
    check_unit(args, 1)?;
    let types = args.takes(&[Day, Str], &[], None)?;
    let ty = types[0].ty.clone();
    args.fixed(types, ty)
}

fn sign_add(args: &Args<'_>) -> Result<Signature, String> {
    let unit = check_unit(args, 0)?;
    let types = args.takes(&[Str, Big, Day], &[], None)?;
    let is_clock = unit.is_none_or(|unit| unit.millis().is_some_and(|span| span < DAY_MS));
    let ty = match &types[2].ty {
        SqlType::Date if is_clock => SqlType::Timestamp(3),
        ty => ty.clone(),
    };
    args.fixed(types, ty)
}

fn sign_diff(args: &Args<'_>) -> Result<Signature, String> {
    check_unit(args, 0)?;
    args.fixed(args.takes(&[Str, Day, Day], &[], None)?, SqlType::Int)
}

fn sign_format(args: &Args<'_>) -> Result<Signature, String> {
    args.maybe(args.takes(&[Ts, Str], &[], None)?, SqlType::STRING)
}

fn sign_to_timestamp(args: &Args<'_>) -> Result<Signature, String> {
    args.maybe(args.takes(&[Str], &[Str], None)?, SqlType::Timestamp(3))
}

fn sign_to_ltz(args: &Args<'_>) -> Result<Signature, String> {
    let first = args.types.first().ok_or("TO_TIMESTAMP_LTZ takes one to three arguments, not 0")?;
    let types =
        if is_text(&first.ty) { args.takes(&[Str], &[Str, Str], None)? } else { args.takes(&[Big], &[Int], None)? };
    if !is_numeric(&first.ty) && !is_text(&first.ty) && first.ty != SqlType::Null {
        return Err(format!("TO_TIMESTAMP_LTZ takes a number or a text, not {}", first.ty));
    }
    match args.literal_int(1) {
        None | Some(0 | 3) => args.maybe(types, SqlType::TimestampLtz(3)),
        Some(other) => {
            Err(format!("the precision of TO_TIMESTAMP_LTZ is 0 (seconds) or 3 (milliseconds), not {other}"))
        }
    }
}

fn sign_to_date(args: &Args<'_>) -> Result<Signature, String> {
    args.maybe(args.takes(&[Str], &[Str], None)?, SqlType::Date)
}

fn sign_from_unix(args: &Args<'_>) -> Result<Signature, String> {
    args.maybe(args.takes(&[Big], &[Str], None)?, SqlType::STRING)
}

fn sign_unix(args: &Args<'_>) -> Result<Signature, String> {
    args.fixed(args.takes(&[], &[Str, Str], None)?, SqlType::BigInt)
}

/// The local times of a DATE, TIME, TIMESTAMP or (in the session's zone) TIMESTAMP_LTZ column.
pub(crate) struct Locals<'a> {
    array: &'a ArrayRef,
    ty: &'a SqlType,
    context: &'a EvalContext,
}

impl<'a> Locals<'a> {
    pub fn new(array: &'a ArrayRef, ty: &'a SqlType, context: &'a EvalContext) -> Self {
        Self { array, ty, context }
    }

    pub fn get(&self, at: usize) -> Option<Local> {
        if self.array.is_null(at) {
            return None;
        }
        let ticks = |p: u8| match p {
            0..=3 => self.array.as_primitive::<TimestampMillisecondType>().value(at),
            4..=6 => self.array.as_primitive::<TimestampMicrosecondType>().value(at),
            _ => self.array.as_primitive::<TimestampNanosecondType>().value(at),
        };
        Some(match self.ty {
            SqlType::Date => {
                Local { millis: i64::from(self.array.as_primitive::<Date32Type>().value(at)) * DAY_MS, nanos: 0 }
            }
            SqlType::Time(_) => {
                Local { millis: i64::from(self.array.as_primitive::<Time32MillisecondType>().value(at)), nanos: 0 }
            }
            SqlType::Timestamp(p) => Local::from_ticks(ticks(*p), *p),
            SqlType::TimestampLtz(p) => {
                let mut local = Local::from_ticks(ticks(*p), *p);
                local.millis += offset_at(self.context.zone, local.millis);
                local
            }
            _ => return None,
        })
    }
}

/// A column of a DATE, TIME, TIMESTAMP or TIMESTAMP_LTZ type from local times.
pub(crate) fn from_locals(
    locals: impl Iterator<Item = Option<Local>>,
    ty: &SqlType,
    context: &EvalContext,
) -> Result<ArrayRef, EvalError> {
    let zone = context.zone;
    let ticks = |p: u8| {
        move |local: Option<Local>| {
            local.map(|mut local| {
                if matches!(ty, SqlType::TimestampLtz(_)) {
                    local.millis = to_instant(zone, local.millis);
                }
                local.to_ticks(p)
            })
        }
    };
    let array: ArrayRef = match ty {
        SqlType::Date => {
            Arc::new(locals.map(|l| l.map(|l| l.millis.div_euclid(DAY_MS) as i32)).collect::<Date32Array>())
        }
        SqlType::Time(p) => {
            let unit = 10i64.pow(3 - u32::from((*p).min(3)));
            let of_day = |l: Local| (l.millis.rem_euclid(DAY_MS) / unit * unit) as i32;
            Arc::new(locals.map(|l| l.map(of_day)).collect::<Time32MillisecondArray>())
        }
        SqlType::Timestamp(p) | SqlType::TimestampLtz(p) => {
            let array: ArrayRef = match p {
                0..=3 => Arc::new(locals.map(ticks(*p)).collect::<TimestampMillisecondArray>()),
                4..=6 => Arc::new(locals.map(ticks(*p)).collect::<TimestampMicrosecondArray>()),
                _ => Arc::new(locals.map(ticks(*p)).collect::<TimestampNanosecondArray>()),
            };
            return relabel(array, ty);
        }
        other => return Err(EvalError(format!("{other} is not a type of time"))),
    };
    Ok(array)
}

fn locals<'a>(call: &'a Call<'_>, nth: usize) -> impl Fn(usize) -> Option<Local> + 'a {
    let column = &call.args[nth];
    let locals = Locals::new(column.array(), &call.types[nth].ty, call.context);
    move |row| locals.get(column.at(row))
}

fn longs(column: &Column, row: usize) -> Option<i64> {
    let (values, at) = (column.array().as_primitive::<Int64Type>(), column.at(row));
    values.is_valid(at).then(|| values.value(at))
}

fn unit_of(call: &Call<'_>, nth: usize) -> Result<Unit, EvalError> {
    let word = Texts::new(&call.args[nth]).get(0).unwrap_or_default();
    Unit::parse(word).ok_or_else(|| EvalError(format!("'{word}' is not a unit of time")))
}

fn now(call: &Call<'_>) -> Result<ArrayRef, EvalError> {
    let millis = call.context.now + offset_at(call.context.zone, call.context.now);
    from_locals(std::iter::repeat_n(Some(Local { millis, nanos: 0 }), call.rows), &call.result.ty, call.context)
}

fn field(call: &Call<'_>, nth: usize, unit: Unit) -> Result<ArrayRef, EvalError> {
    let at = locals(call, nth);
    // Seconds since 1970 do not depend on where one stands.
    let shift = |local: Local| match (&call.types[nth].ty, unit) {
        (SqlType::TimestampLtz(_), Unit::Epoch) => to_instant(call.context.zone, local.millis) - local.millis,
        _ => 0,
    };
    let value = |local: Local| extract(unit, Local { millis: local.millis + shift(local), ..local });
    Ok(Arc::new((0..call.rows).map(|row| at(row).map(value)).collect::<Int64Array>()))
}

pub(super) fn eval_floor(call: &Call<'_>, up: bool) -> Result<ArrayRef, EvalError> {
    let (at, unit) = (locals(call, 0), unit_of(call, 1)?);
    let floor = |local: Local| {
        // A ceiling must see the digits below the millisecond.
        let millis = local.millis + i64::from(up && local.nanos > 0);
        Local { millis: floor_to(unit, millis, up), nanos: 0 }
    };
    from_locals((0..call.rows).map(|row| at(row).map(floor)), &call.result.ty, call.context)
}

fn add(call: &Call<'_>) -> Result<ArrayRef, EvalError> {
    let (unit, at) = (unit_of(call, 0)?, locals(call, 2));
    let moved = (0..call.rows).map(|row| {
        let (local, count) = (at(row)?, longs(&call.args[1], row)?);
        let millis = match (unit.millis(), unit.months()) {
            (Some(span), _) => local.millis.wrapping_add(count.wrapping_mul(span)),
            (None, Some(span)) => add_months(local.millis, count.wrapping_mul(span)),
            (None, None) => local.millis,
        };
        Some(Local { millis, ..local })
    });
    from_locals(moved, &call.result.ty, call.context)
}

fn difference(call: &Call<'_>) -> Result<ArrayRef, EvalError> {
    let (unit, from, to) = (unit_of(call, 0)?, locals(call, 1), locals(call, 2));
    let counts = (0..call.rows).map(|row| {
        let (from, to) = (from(row)?, to(row)?);
        Some(match (unit.millis(), unit.months()) {
            (Some(span), _) => (to.millis - from.millis) / span,
            (None, Some(span)) => months_between(to.millis, from.millis) / span,
            (None, None) => 0,
        } as i32)
    });
    Ok(Arc::new(counts.collect::<arrow::array::Int32Array>()))
}

/// Timestamps, dates and times plus or minus intervals, and arithmetic of intervals.
pub(super) fn eval_interval<const OP: char>(call: &Call<'_>) -> Result<ArrayRef, EvalError> {
    use SqlType as T;
    let is_interval = |ty: &SqlType| matches!(ty, T::IntervalMillis | T::IntervalMonths);
    let amount = |nth: usize, row: usize| -> Option<i64> {
        let (column, at) = (&call.args[nth], call.args[nth].at(row));
        let array = column.array();
        array.is_valid(at).then(|| match &call.types[nth].ty {
            T::IntervalMillis => array.as_primitive::<DurationMillisecondType>().value(at),
            T::IntervalMonths => i64::from(array.as_primitive::<IntervalYearMonthType>().value(at)),
            _ => array.as_primitive::<Int64Type>().value(at),
        })
    };
    if is_interval(&call.result.ty) {
        let values: Vec<Option<i64>> = (0..call.rows)
            .map(|row| {
                let (a, b) = (amount(0, row)?, amount(1, row)?);
                Some(match OP {
                    '+' => a.wrapping_add(b),
                    '-' => a.wrapping_sub(b),
                    '*' => a.wrapping_mul(b),
                    _ => a.checked_div(b)?,
                })
            })
            .collect();
        return Ok(match call.result.ty {
            T::IntervalMillis => Arc::new(arrow::array::DurationMillisecondArray::from(values)),
            _ => {
                let values: Vec<Option<i32>> = values.into_iter().map(|v| v.map(|v| v as i32)).collect();
                Arc::new(arrow::array::IntervalYearMonthArray::from(values))
            }
        });
    }
    let (time, interval) = if is_interval(&call.types[0].ty) { (1, 0) } else { (0, 1) };
    let at = locals(call, time);
    let in_months = call.types[interval].ty == T::IntervalMonths;
    let moved = (0..call.rows).map(|row| {
        let (local, amount) = (at(row)?, amount(interval, row)?);
        let amount = if OP == '-' { -amount } else { amount };
        let millis = if in_months { add_months(local.millis, amount) } else { local.millis.wrapping_add(amount) };
        Some(Local { millis, ..local })
    });
    from_locals(moved, &call.result.ty, call.context)
}

/// The pattern of each row, split once for as long as it stays the same.
struct Patterns<'a> {
    texts: Option<Texts<'a>>,
    last: Option<(String, Pattern)>,
}

impl<'a> Patterns<'a> {
    fn new(call: &'a Call<'_>, nth: usize) -> Self {
        Self { texts: call.args.get(nth).map(Texts::new), last: None }
    }

    /// `absent` when the call has no such argument; None when it is NULL.
    fn get(&mut self, row: usize, absent: &str) -> Result<Option<&Pattern>, EvalError> {
        let wanted = match &self.texts {
            Some(texts) => texts.get(row),
            None => Some(absent),
        };
        let Some(wanted) = wanted else { return Ok(None) };
        if self.last.as_ref().is_none_or(|(text, _)| text != wanted) {
            self.last = Some((wanted.to_owned(), Pattern::new(wanted).map_err(EvalError)?));
        }
        Ok(self.last.as_ref().map(|(_, pattern)| pattern))
    }
}

const DEFAULT_FORMAT: &str = "yyyy-MM-dd HH:mm:ss";

fn date_format(call: &Call<'_>) -> Result<ArrayRef, EvalError> {
    let (at, mut patterns) = (locals(call, 0), Patterns::new(call, 1));
    let mut out = Vec::with_capacity(call.rows);
    for row in 0..call.rows {
        let pattern = patterns.get(row, DEFAULT_FORMAT)?;
        out.push(at(row).zip(pattern).map(|(at, pattern)| pattern.format(at)));
    }
    Ok(texts_of(out))
}

fn parsed(call: &Call<'_>, plain: fn(&str) -> Option<Local>) -> Result<Vec<Option<Local>>, EvalError> {
    let (texts, mut patterns) = (Texts::new(&call.args[0]), Patterns::new(call, 1));
    let mut out = Vec::with_capacity(call.rows);
    for row in 0..call.rows {
        let text = texts.get(row);
        out.push(match call.args.len() {
            1 => text.and_then(plain),
            _ => text.zip(patterns.get(row, DEFAULT_FORMAT)?).and_then(|(text, pattern)| pattern.parse(text)),
        });
    }
    Ok(out)
}

fn to_timestamp(call: &Call<'_>) -> Result<ArrayRef, EvalError> {
    from_locals(parsed(call, time::parse_timestamp)?.into_iter(), &call.result.ty, call.context)
}

fn to_date(call: &Call<'_>) -> Result<ArrayRef, EvalError> {
    let plain = |text: &str| Some(Local { millis: time::parse_date(text)? * DAY_MS, nanos: 0 });
    from_locals(parsed(call, plain)?.into_iter(), &call.result.ty, call.context)
}

fn to_ltz(call: &Call<'_>) -> Result<ArrayRef, EvalError> {
    if is_text(&call.types[0].ty) {
        if call.args.len() == 3 {
            return Err(EvalError("TO_TIMESTAMP_LTZ with a zone is not supported yet".to_owned()));
        }
        // A text without zone is in UTC, as Flink documents it.
        let context = EvalContext { zone: chrono_tz::Tz::UTC, ..call.context.clone() };
        return from_locals(parsed(call, time::parse_timestamp)?.into_iter(), &call.result.ty, &context);
    }
    let precision = |row: usize| match call.args.get(1) {
        Some(column) => {
            let (values, at) = (column.array().as_primitive::<Int32Type>(), column.at(row));
            values.is_valid(at).then(|| values.value(at))
        }
        None => Some(3),
    };
    let instants = (0..call.rows).map(|row| {
        let (value, precision) = (longs(&call.args[0], row)?, precision(row)?);
        Some(if precision == 0 { value.wrapping_mul(1000) } else { value })
    });
    relabel(Arc::new(instants.collect::<TimestampMillisecondArray>()), &call.result.ty)
}

fn from_unix(call: &Call<'_>) -> Result<ArrayRef, EvalError> {
    let mut patterns = Patterns::new(call, 1);
    let mut out = Vec::with_capacity(call.rows);
    for row in 0..call.rows {
        let pattern = patterns.get(row, DEFAULT_FORMAT)?;
        out.push(longs(&call.args[0], row).zip(pattern).map(|(seconds, pattern)| {
            let instant = seconds.wrapping_mul(1000);
            pattern.format(Local { millis: instant + offset_at(call.context.zone, instant), nanos: 0 })
        }));
    }
    Ok(texts_of(out))
}

fn unix(call: &Call<'_>) -> Result<ArrayRef, EvalError> {
    if call.args.is_empty() {
        return Ok(Arc::new(Int64Array::from(vec![call.context.now.div_euclid(1000); call.rows])));
    }
    // A text that does not parse gives Long.MIN_VALUE / 1000 seconds, as in Flink.
    const UNPARSED: i64 = i64::MIN / 1000;
    let texts = Texts::new(&call.args[0]);
    let seconds = parsed(call, time::parse_timestamp)?.into_iter().enumerate().map(|(row, local)| {
        texts.get(row)?;
        Some(local.map_or(UNPARSED, |local| to_instant(call.context.zone, local.millis).div_euclid(1000)))
    });
    Ok(Arc::new(seconds.collect::<Int64Array>()))
}
