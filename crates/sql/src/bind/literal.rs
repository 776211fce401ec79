//! Literals: Flink's types for them, dates, times and intervals from their texts.

use crate::error::{Span, SqlError};
use crate::tree::TimeUnit;
use millrace_base::calendar::{DAY_MS, days_of, month_days};
use millrace_process::graph::{Expr, Value};
use millrace_schema::SqlType;

const DIGITS_MAX: usize = 38;

/// `NULL`
pub(super) fn null() -> Expr {
    Expr::literal(Value::Null, SqlType::Null)
}

/// A string: `CHAR(n)`.
pub(super) fn text(value: &str) -> Expr {
    let length = u32::try_from(value.chars().count()).unwrap_or(u32::MAX);
    Expr::literal(Value::String(value.to_owned()), SqlType::Char(length))
}

/// `INT`, else `BIGINT`, else `DECIMAL(n, 0)`.
pub(super) fn integer(text: &str, span: Span) -> Result<Expr, SqlError> {
    if let Ok(value) = text.parse::<i64>() {
        let ty = if i32::try_from(value).is_ok() { SqlType::Int } else { SqlType::BigInt };
        return Ok(Expr::literal(Value::Int(value), ty));
    }
    decimal(text, span)
}

/// `1.50` is DECIMAL(3, 2).
pub(super) fn decimal(text: &str, span: Span) -> Result<Expr, SqlError> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.is_empty() && text.ends_with('.') {
        return integer(whole, span);
    }
    let digits = format!("{whole}{fraction}");
    let unscaled = digits.parse::<i128>().ok().filter(|_| digits.len() <= DIGITS_MAX);
    let Some(unscaled) = unscaled else {
        return Err(SqlError::invalid(span, format!("{text} has more than {DIGITS_MAX} digits")));
    };
    let ty = SqlType::Decimal(digits.len() as u8, fraction.len() as i8);
    Ok(Expr::literal(Value::Decimal(unscaled), ty))
}

/// `1e3` is a DOUBLE.
pub(super) fn approximate(text: &str, span: Span) -> Result<Expr, SqlError> {
    let value = text.parse::<f64>().map_err(|_| SqlError::invalid(span, format!("{text} is no number")))?;
    Ok(Expr::literal(Value::Float(value), SqlType::Double))
}

/// `DATE '…'`, `TIME '…'`, `TIMESTAMP '…'`
pub(super) fn moment(keyword: &str, text: &str, span: Span) -> Result<Expr, SqlError> {
    let shape = match keyword {
        "DATE" => "'2026-01-31'",
        "TIME" => "'12:30:00'",
        _ => "'2026-01-31 12:30:00.123'",
    };
    let wrong = || {
        SqlError::invalid(span, format!("Illegal {keyword} literal '{text}'"))
            .help(format!("it is written as {keyword} {shape}"))
    };
    match keyword {
        "DATE" => {
            let days = date(text).ok_or_else(wrong)?;
            Ok(Expr::literal(Value::Date(days as i32), SqlType::Date))
        }
        "TIME" => {
            let (nanos, digits) = time(text).ok_or_else(wrong)?;
            Ok(Expr::literal(Value::Time((nanos / 1_000_000) as i32), SqlType::Time(digits.min(3))))
        }
        _ => {
            let (day, clock) = text.split_once(' ').unwrap_or((text, "00:00:00"));
            let (nanos, digits) = time(clock).ok_or_else(wrong)?;
            let days = date(day).ok_or_else(wrong)?;
            let value = match digits {
                0..=3 => days * DAY_MS + nanos / 1_000_000,
                4..=6 => days * DAY_MS * 1_000 + nanos / 1_000,
                _ => days * DAY_MS * 1_000_000 + nanos,
            };
            Ok(Expr::literal(Value::Timestamp(value), SqlType::Timestamp(digits)))
        }
    }
}

/// Days since 1970 of `yyyy-mm-dd`.
fn date(text: &str) -> Option<i64> {
    let mut parts = text.split('-');
    let (year, month, day) = (number(parts.next()?)?, number(parts.next()?)?, number(parts.next()?)?);
    let is_month = parts.next().is_none() && (1..=12).contains(&month) && year <= 9999;
    (is_month && (1..=month_days(year, month)).contains(&day)).then(|| days_of(year, month, day))
}

/// Nanoseconds of the day of `hh:mm:ss[.fraction]`, and the fraction's digits.
fn time(text: &str) -> Option<(i64, u8)> {
    let mut parts = text.split(':');
    let (hour, minute, second) = (number(parts.next()?)?, number(parts.next()?)?, parts.next()?);
    let (second, fraction) = second.split_once('.').unwrap_or((second, ""));
    let second = number(second)?;
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 59 || fraction.len() > 9 {
        return None;
    }
    let nanos = if fraction.is_empty() { 0 } else { number(&format!("{fraction:0<9}"))? };
    Some((((hour * 60 + minute) * 60 + second) * 1_000_000_000 + nanos, fraction.len() as u8))
}

fn number(text: &str) -> Option<i64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// `INTERVAL '…' unit [TO last]`
pub(super) fn interval(
    negated: bool,
    text: &str,
    unit: TimeUnit,
    last: Option<TimeUnit>,
    span: Span,
) -> Result<Expr, SqlError> {
    let (minus, amount) = match text.trim().strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.trim()),
    };
    let sign = if minus != negated { -1 } else { 1 };
    let shape = last.map_or_else(|| unit.to_owned(), |last| format!("{unit} TO {last}"));
    let wrong = || SqlError::invalid(span, format!("Illegal interval literal format '{text}' for INTERVAL {shape}"));
    if matches!(unit, "YEAR" | "QUARTER" | "MONTH") {
        let months = months(amount, unit, last).ok_or_else(wrong)?;
        let months = i32::try_from(sign * months).map_err(|_| wrong())?;
        return Ok(Expr::literal(Value::IntervalMonths(months), SqlType::IntervalMonths));
    }
    let millis = millis(amount, unit, last).ok_or_else(wrong)?;
    Ok(Expr::literal(Value::IntervalMillis(sign * millis), SqlType::IntervalMillis))
}

fn months(amount: &str, unit: &str, last: Option<&str>) -> Option<i64> {
    match (unit, last) {
        ("YEAR", Some("MONTH")) => {
            let (years, months) = amount.split_once('-')?;
            Some(number(years)? * 12 + number(months).filter(|months| *months < 12)?)
        }
        (_, Some(_)) => None,
        ("YEAR", None) => number(amount).map(|years| years * 12),
        ("QUARTER", None) => number(amount).map(|quarters| quarters * 3),
        _ => number(amount),
    }
}

/// The units from great to small, each with its milliseconds.
const STEPS: [(&str, i64); 4] = [("DAY", DAY_MS), ("HOUR", 3_600_000), ("MINUTE", 60_000), ("SECOND", 1_000)];

fn millis(amount: &str, unit: &str, last: Option<&str>) -> Option<i64> {
    if unit == "WEEK" {
        return number(amount)?.checked_mul(7 * DAY_MS).filter(|_| last.is_none());
    }
    let from = STEPS.iter().position(|(name, _)| *name == unit)?;
    let to = STEPS.iter().position(|(name, _)| *name == last.unwrap_or(unit)).filter(|to| *to >= from)?;
    let parts: Vec<&str> = amount.split([' ', ':']).collect();
    if parts.len() != to - from + 1 {
        return None;
    }
    parts.iter().zip(&STEPS[from..=to]).try_fold(0_i64, |sum, (part, (name, size))| {
        let (whole, fraction) =
            if *name == "SECOND" { part.split_once('.').unwrap_or((part, "")) } else { (*part, "") };
        let fraction = if fraction.is_empty() { 0 } else { number(&format!("{fraction:0<3}")[..3])? };
        sum.checked_add(number(whole).filter(|_| !whole.is_empty())?.checked_mul(*size)?)?.checked_add(fraction)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_process::graph::ExprKind;

    fn value(expr: Result<Expr, SqlError>) -> (Value, SqlType) {
        let expr = expr.unwrap();
        let ExprKind::Literal(value) = expr.kind else { panic!("no literal") };
        (value, expr.typed.ty)
    }

    #[test]
    fn numbers_have_flinks_types() {
        let span = Span::default();
        assert_eq!(value(integer("42", span)), (Value::Int(42), SqlType::Int));
        assert_eq!(value(integer("2147483648", span)), (Value::Int(2_147_483_648), SqlType::BigInt));
        assert_eq!(value(integer("9223372036854775808", span)).1, SqlType::Decimal(19, 0));
        assert_eq!(value(decimal("1.50", span)), (Value::Decimal(150), SqlType::Decimal(3, 2)));
    }

    #[test]
    fn moments_and_intervals() {
        let span = Span::default();
        assert_eq!(value(moment("DATE", "1970-01-02", span)).0, Value::Date(1));
        assert_eq!(value(moment("DATE", "2024-02-29", span)).0, Value::Date(19_782));
        assert!(moment("DATE", "2023-02-29", span).is_err());
        let expected = (Value::Timestamp(86_400_120), SqlType::Timestamp(2));
        assert_eq!(value(moment("TIMESTAMP", "1970-01-02 00:00:00.12", span)), expected);
        assert_eq!(value(interval(false, "1:30", "MINUTE", Some("SECOND"), span)).0, Value::IntervalMillis(90_000));
        assert_eq!(value(interval(true, "0.5", "SECOND", None, span)).0, Value::IntervalMillis(-500));
        assert_eq!(value(interval(false, "1-2", "YEAR", Some("MONTH"), span)).0, Value::IntervalMonths(14));
    }
}
