//! Rows as people see them: changes of a table in the form of Flink's `Row.toString`, for example `+I[7, 2026-01-01T00:00]`.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, DurationMillisecondType, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, IntervalYearMonthType, Time32MillisecondType, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType,
};
use arrow::record_batch::RecordBatch;
use chrono::{DateTime, NaiveDateTime, NaiveTime, Timelike};
use millrace_schema::number::{print_decimal, print_double, print_float32};
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// What a row does to the table it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RowKind {
    /// `+I`: a new row.
    Insert,
    /// `-U`: a row as it was before its update.
    UpdateBefore,
    /// `+U`: a row as it is after its update.
    UpdateAfter,
    /// `-D`: a row that is gone.
    Delete,
}

impl RowKind {
    /// Flink's two letters.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Insert => "+I",
            Self::UpdateBefore => "-U",
            Self::UpdateAfter => "+U",
            Self::Delete => "-D",
        }
    }
}

/// Rows with what each does.
#[derive(Debug, Clone)]
pub struct Rows {
    /// The rows.
    pub batch: RecordBatch,
    /// One kind a row; none means that all are [`RowKind::Insert`].
    pub kinds: Option<Vec<RowKind>>,
}

impl Rows {
    /// What row `row` does.
    pub fn kind(&self, row: usize) -> RowKind {
        self.kinds.as_ref().map_or(RowKind::Insert, |kinds| kinds[row])
    }

    /// The values of row `row`, each as Flink prints it.
    pub fn values(&self, row: usize) -> Vec<String> {
        let shown = |column: &ArrayRef| plain(column, row).unwrap_or_else(|| "NULL".to_owned());
        self.batch.columns().iter().map(shown).collect()
    }

    /// Row `row` as Flink prints it.
    pub fn render(&self, row: usize) -> String {
        render_row(&self.batch, row, self.kind(row))
    }
}

/// One row as Flink's `Row.toString` gives it.
pub fn render_row(batch: &RecordBatch, row: usize, kind: RowKind) -> String {
    let mut out = String::from(kind.symbol());
    list(&mut out, '[', ']', batch.num_columns(), |out, i| value(out, batch.column(i), row));
    out
}

fn list(out: &mut String, open: char, close: char, len: usize, mut item: impl FnMut(&mut String, usize)) {
    out.push(open);
    for i in 0..len {
        if i > 0 {
            out.push_str(", ");
        }
        item(out, i);
    }
    out.push(close);
}

fn value(out: &mut String, array: &ArrayRef, row: usize) {
    if array.is_null(row) || array.data_type() == &DataType::Null {
        return out.push_str("null");
    }
    match array.data_type() {
        DataType::Boolean => show(out, array.as_boolean().value(row)),
        DataType::Int8 => show(out, array.as_primitive::<Int8Type>().value(row)),
        DataType::Int16 => show(out, array.as_primitive::<Int16Type>().value(row)),
        DataType::Int32 => show(out, array.as_primitive::<Int32Type>().value(row)),
        DataType::Int64 => show(out, array.as_primitive::<Int64Type>().value(row)),
        DataType::Float32 => bytes(out, |b| print_float32(array.as_primitive::<Float32Type>().value(row), b)),
        DataType::Float64 => bytes(out, |b| print_double(array.as_primitive::<Float64Type>().value(row), b)),
        DataType::Decimal128(_, scale) => {
            bytes(out, |b| print_decimal(array.as_primitive::<Decimal128Type>().value(row), *scale, b))
        }
        DataType::Utf8 => out.push_str(array.as_string::<i32>().value(row)),
        DataType::Binary => {
            let content = array.as_binary::<i32>().value(row);
            list(out, '[', ']', content.len(), |out, i| show(out, content[i] as i8));
        }
        DataType::Date32 => match array.as_primitive::<Date32Type>().value_as_date(row) {
            Some(date) => show(out, date),
            None => out.push('?'),
        },
        DataType::Time32(_) => time(out, array.as_primitive::<Time32MillisecondType>().value(row)),
        DataType::Timestamp(unit, zone) => timestamp(out, ticks(array, row, *unit), *unit, zone.is_some()),
        DataType::Interval(_) => period(out, array.as_primitive::<IntervalYearMonthType>().value(row)),
        DataType::Duration(_) => duration(out, array.as_primitive::<DurationMillisecondType>().value(row)),
        _ => nested(out, array, row),
    }
}

fn nested(out: &mut String, array: &ArrayRef, row: usize) {
    match array.data_type() {
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            list(out, '[', ']', items.len(), |out, i| value(out, &items, i));
        }
        DataType::Struct(_) => {
            let fields = array.as_struct().columns();
            out.push_str("+I");
            list(out, '[', ']', fields.len(), |out, i| value(out, &fields[i], row));
        }
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            list(out, '{', '}', entries.len(), |out, i| {
                value(out, entries.column(0), i);
                out.push('=');
                value(out, entries.column(1), i);
            });
        }
        other => {
            // No SQL type maps to another Arrow type (`SqlType::to_arrow`).
            let _ = write!(out, "<{other}>");
        }
    }
}

fn show(out: &mut String, value: impl std::fmt::Display) {
    // Writing to a String cannot fail.
    let _ = write!(out, "{value}");
}

fn bytes(out: &mut String, print: impl FnOnce(&mut Vec<u8>)) {
    let mut text = Vec::new();
    print(&mut text);
    out.push_str(&String::from_utf8_lossy(&text));
}

fn ticks(array: &ArrayRef, row: usize, unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Microsecond => array.as_primitive::<TimestampMicrosecondType>().value(row),
        TimeUnit::Nanosecond => array.as_primitive::<TimestampNanosecondType>().value(row),
        TimeUnit::Millisecond | TimeUnit::Second => array.as_primitive::<TimestampMillisecondType>().value(row),
    }
}

/// As `LocalDateTime.toString` and `Instant.toString`, which drop seconds (only the former) and digits that are zero.
fn timestamp(out: &mut String, ticks: i64, unit: TimeUnit, zoned: bool) {
    let moment = match unit {
        TimeUnit::Microsecond => DateTime::from_timestamp_micros(ticks),
        TimeUnit::Nanosecond => Some(DateTime::from_timestamp_nanos(ticks)),
        TimeUnit::Millisecond | TimeUnit::Second => DateTime::from_timestamp_millis(ticks),
    };
    let Some(moment) = moment.map(|moment| moment.naive_utc()) else { return out.push('?') };
    date_time(out, moment, zoned);
}

fn date_time(out: &mut String, moment: NaiveDateTime, zoned: bool) {
    show(out, moment.date());
    out.push('T');
    clock(out, moment.time(), zoned);
    if zoned {
        out.push('Z');
    }
}

fn time(out: &mut String, millis: i32) {
    let (secs, rest) = ((millis / 1000) as u32, (millis % 1000) as u32);
    match NaiveTime::from_num_seconds_from_midnight_opt(secs, rest * 1_000_000) {
        Some(time) => clock(out, time, false),
        None => out.push('?'),
    }
}

fn clock(out: &mut String, time: NaiveTime, with_seconds: bool) {
    show(out, format_args!("{:02}:{:02}", time.hour(), time.minute()));
    let nanos = time.nanosecond();
    if with_seconds || time.second() > 0 || nanos > 0 {
        show(out, format_args!(":{:02}", time.second()));
    }
    match nanos {
        0 => {}
        n if n % 1_000_000 == 0 => show(out, format_args!(".{:03}", n / 1_000_000)),
        n if n % 1_000 == 0 => show(out, format_args!(".{:06}", n / 1_000)),
        n => show(out, format_args!(".{n:09}")),
    }
}

/// As `Period.toString` of years and months.
fn period(out: &mut String, months: i32) {
    let (years, rest) = (months / 12, months % 12);
    out.push('P');
    if years != 0 {
        show(out, format_args!("{years}Y"));
    }
    if rest != 0 {
        show(out, format_args!("{rest}M"));
    }
    if months == 0 {
        out.push_str("0D");
    }
}

/// As `Duration.toString`.
fn duration(out: &mut String, millis: i64) {
    let (hours, minutes, rest) = (millis / 3_600_000, millis / 60_000 % 60, millis % 60_000);
    out.push_str("PT");
    if hours != 0 {
        show(out, format_args!("{hours}H"));
    }
    if minutes != 0 {
        show(out, format_args!("{minutes}M"));
    }
    if rest != 0 || millis == 0 {
        let sign = if rest < 0 { "-" } else { "" };
        show(out, format_args!("{sign}{}", (rest / 1000).abs()));
        if rest % 1000 != 0 {
            let digits = format!("{:03}", (rest % 1000).abs());
            show(out, format_args!(".{}", digits.trim_end_matches('0')));
        }
        out.push('S');
    }
}

/// A value alone, as the name of a partition folder; none for NULL.
pub(super) fn plain(array: &ArrayRef, row: usize) -> Option<String> {
    if array.is_null(row) {
        return None;
    }
    let mut out = String::new();
    value(&mut out, array, row);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::NaiveDate;

    fn shown(show: impl FnOnce(&mut String)) -> String {
        let mut out = String::new();
        show(&mut out);
        out
    }

    #[test]
    fn times_drop_what_java_drops() {
        let day = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap();
        let at = |h, m, s, ms| day.and_hms_milli_opt(h, m, s, ms).unwrap();
        assert_eq!(shown(|o| date_time(o, at(0, 0, 0, 0), false)), "2026-01-01T00:00");
        assert_eq!(shown(|o| date_time(o, at(0, 0, 0, 0), true)), "2026-01-01T00:00:00Z");
        assert_eq!(shown(|o| date_time(o, at(1, 2, 3, 40), false)), "2026-01-01T01:02:03.040");
        assert_eq!(shown(|o| duration(o, 90_061_500)), "PT25H1M1.5S");
        assert_eq!(shown(|o| period(o, 14)), "P1Y2M");
    }
}
