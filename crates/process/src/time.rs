//! Calendar arithmetic and the text forms of dates and times.
//!
//! A local time is [`Local`]: milliseconds since 1970 as if the zone were UTC, and the nanoseconds within the millisecond.

use chrono::{Offset, TimeZone};
use chrono_tz::Tz;
use millrace_base::Millis;
use millrace_base::calendar::{DAY_MS, date_of, days_of, month_days};
use millrace_schema::SqlType;
use std::fmt::Write;

/// A calendar time without zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Local {
    pub millis: i64,
    pub nanos: u32,
}

impl Local {
    /// From a count of ticks as Arrow holds a timestamp of this precision.
    pub fn from_ticks(ticks: i64, precision: u8) -> Self {
        let per_milli = ticks_per_milli(precision);
        let nanos = ticks.rem_euclid(per_milli) * (1_000_000 / per_milli);
        Self { millis: ticks.div_euclid(per_milli), nanos: nanos as u32 }
    }

    /// The ticks of a precision, digits beyond it cut off.
    pub fn to_ticks(self, precision: u8) -> i64 {
        let per_milli = ticks_per_milli(precision);
        let mut nanos = i64::from(self.nanos);
        let mut millis = self.millis;
        // Digits between the precision and the unit's own are cut as well.
        let keep = match precision {
            0 => (1000, 0),
            1 => (100, 0),
            2 => (10, 0),
            3 => (1, 0),
            p => (1, 10i64.pow(9 - u32::from(p.min(9)))),
        };
        millis -= millis.rem_euclid(keep.0);
        nanos = if keep.1 == 0 { 0 } else { nanos - nanos % keep.1 };
        millis.wrapping_mul(per_milli).wrapping_add(nanos / (1_000_000 / per_milli))
    }
}

fn ticks_per_milli(precision: u8) -> i64 {
    match precision {
        0..=3 => 1,
        4..=6 => 1_000,
        _ => 1_000_000,
    }
}

/// A local time so many months later, on the last day of the month when the day does not exist there.
pub(crate) fn add_months(millis: i64, months: i64) -> i64 {
    let (year, month, day) = date_of(millis.div_euclid(DAY_MS));
    let index = year * 12 + month - 1 + months;
    let (year, month) = (index.div_euclid(12), index.rem_euclid(12) + 1);
    days_of(year, month, day.min(month_days(year, month))) * DAY_MS + millis.rem_euclid(DAY_MS)
}

/// Milliseconds that the zone is ahead of UTC at a point in time.
pub(crate) fn offset_at(zone: Tz, millis: Millis) -> i64 {
    if zone == Tz::UTC {
        return 0;
    }
    match zone.timestamp_millis_opt(millis) {
        chrono::LocalResult::Single(at) => i64::from(at.offset().fix().local_minus_utc()) * 1000,
        _ => 0,
    }
}

/// The point in time at which a zone shows a local time: the earlier one when it shows it twice.
pub(crate) fn to_instant(zone: Tz, local: i64) -> Millis {
    if zone == Tz::UTC {
        return local;
    }
    let before = offset_at(zone, local - DAY_MS);
    let first = local - before;
    if offset_at(zone, first) == before {
        return first;
    }
    let after = offset_at(zone, local + DAY_MS);
    let second = local - after;
    // In a gap, where no instant shows it, Java moves forward by the gap: the offset before holds.
    if offset_at(zone, second) == after { second } else { first }
}

/// `yyyy-MM-dd`
pub(crate) fn date_text(day: i32) -> String {
    let mut text = String::new();
    write_date(&mut text, i64::from(day));
    text
}

fn write_date(out: &mut String, day: i64) {
    let (year, month, day) = date_of(day);
    let _ = write!(out, "{year:04}-{month:02}-{day:02}");
}

/// `HH:mm:ss` and as many digits as the precision.
pub(crate) fn time_text(millis: i32, precision: u8) -> String {
    let mut text = String::new();
    write_time(&mut text, i64::from(millis), 0, precision);
    text
}

fn write_time(out: &mut String, millis: i64, nanos: u32, precision: u8) {
    let seconds = millis / 1000;
    let _ = write!(out, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if precision > 0 {
        let digits = format!("{:03}{nanos:06}", millis % 1000);
        let _ = write!(out, ".{}", &digits[..usize::from(precision.min(9))]);
    }
}

/// `yyyy-MM-dd HH:mm:ss` and as many digits as the precision.
pub(crate) fn write_timestamp(out: &mut String, at: Local, precision: u8) {
    write_date(out, at.millis.div_euclid(DAY_MS));
    out.push(' ');
    write_time(out, at.millis.rem_euclid(DAY_MS), at.nanos, precision);
}

/// A timestamp literal's ticks as text, in UTC.
pub(crate) fn timestamp_text_of(ticks: i64, ty: &SqlType) -> String {
    let precision = match ty {
        SqlType::Timestamp(p) | SqlType::TimestampLtz(p) => *p,
        _ => 3,
    };
    let mut text = String::new();
    write_timestamp(&mut text, Local::from_ticks(ticks, precision), precision);
    text
}

/// Reads `yyyy-[M]M-[d]d`; None when it is no date.
pub(crate) fn parse_date(text: &str) -> Option<i64> {
    let mut parts = text.trim().splitn(3, '-');
    let year = number(parts.next()?, 1, 9)?;
    let month = match parts.next() {
        Some(part) => number(part, 1, 2)?,
        None => 1,
    };
    let day = match parts.next() {
        Some(part) => number(part, 1, 2)?,
        None => 1,
    };
    valid_date(year, month, day)
}

fn valid_date(year: i64, month: i64, day: i64) -> Option<i64> {
    let valid = (0..=9999).contains(&year) && (1..=12).contains(&month) && day >= 1;
    (valid && day <= month_days(year, month)).then(|| days_of(year, month, day))
}

fn number(text: &str, min: usize, max: usize) -> Option<i64> {
    let is_number = (min..=max).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

/// Reads `[H]H:[m]m[:[s]s[.fffffffff]]` into milliseconds of the day and the nanoseconds beyond.
pub(crate) fn parse_time(text: &str) -> Option<(i64, u32)> {
    let (clock, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let mut parts = clock.split(':');
    let hour = number(parts.next()?, 1, 2).filter(|h| *h < 24)?;
    let minute = number(parts.next()?, 1, 2).filter(|m| *m < 60)?;
    let second = match parts.next() {
        Some(part) => number(part, 1, 2).filter(|s| *s < 60)?,
        None => 0,
    };
    if parts.next().is_some() {
        return None;
    }
    let nanos = if fraction.is_empty() { 0 } else { number(fraction, 1, 9)? * 10i64.pow(9 - fraction.len() as u32) };
    let millis = ((hour * 60 + minute) * 60 + second) * 1000 + nanos / 1_000_000;
    Some((millis, (nanos % 1_000_000) as u32))
}

/// Reads `date`, `date time` or `dateTtime`; None when it is no timestamp.
pub(crate) fn parse_timestamp(text: &str) -> Option<Local> {
    let text = text.trim();
    let (date, time) = match text.find([' ', 'T']) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, ""),
    };
    let day = parse_date(date)?;
    let (millis, nanos) = if time.is_empty() { (0, 0) } else { parse_time(time)? };
    Some(Local { millis: day * DAY_MS + millis, nanos })
}

/// A unit of time as `EXTRACT`, `FLOOR` and `TIMESTAMPADD` name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Millennium,
    Century,
    Decade,
    Year,
    Quarter,
    Month,
    Week,
    Day,
    Hour,
    Minute,
    Second,
    Milli,
    Micro,
    Nano,
    DayOfWeek,
    IsoDayOfWeek,
    DayOfYear,
    Epoch,
    IsoYear,
}

impl Unit {
    /// Any case; `SQL_TSI_DAY` and plurals too.
    pub fn parse(name: &str) -> Option<Self> {
        let upper = name.to_ascii_uppercase();
        let name = upper.strip_prefix("SQL_TSI_").unwrap_or(&upper);
        Some(match name {
            "MILLENNIUM" => Self::Millennium,
            "CENTURY" => Self::Century,
            "DECADE" => Self::Decade,
            "YEAR" | "YEARS" => Self::Year,
            "QUARTER" | "QUARTERS" => Self::Quarter,
            "MONTH" | "MONTHS" => Self::Month,
            "WEEK" | "WEEKS" => Self::Week,
            "DAY" | "DAYS" | "DAYOFMONTH" => Self::Day,
            "HOUR" | "HOURS" => Self::Hour,
            "MINUTE" | "MINUTES" => Self::Minute,
            "SECOND" | "SECONDS" => Self::Second,
            "MILLISECOND" | "MILLISECONDS" => Self::Milli,
            "MICROSECOND" | "MICROSECONDS" => Self::Micro,
            "NANOSECOND" | "NANOSECONDS" => Self::Nano,
            "DOW" | "DAYOFWEEK" => Self::DayOfWeek,
            "ISODOW" => Self::IsoDayOfWeek,
            "DOY" | "DAYOFYEAR" => Self::DayOfYear,
            "EPOCH" => Self::Epoch,
            "ISOYEAR" => Self::IsoYear,
            _ => return None,
        })
    }

    /// Its span, for units of one fixed length.
    pub fn millis(self) -> Option<i64> {
        Some(match self {
            Self::Week => 7 * DAY_MS,
            Self::Day => DAY_MS,
            Self::Hour => 3_600_000,
            Self::Minute => 60_000,
            Self::Second => 1000,
            Self::Milli => 1,
            _ => return None,
        })
    }

    /// Its span in months, for units of the calendar.
    pub fn months(self) -> Option<i64> {
        Some(match self {
            Self::Millennium => 12_000,
            Self::Century => 1200,
            Self::Decade => 120,
            Self::Year => 12,
            Self::Quarter => 3,
            Self::Month => 1,
            _ => return None,
        })
    }
}

/// The field of a local time that `EXTRACT` names.
pub(crate) fn extract(unit: Unit, at: Local) -> i64 {
    let day = at.millis.div_euclid(DAY_MS);
    let of_day = at.millis.rem_euclid(DAY_MS);
    let (year, month, day_of_month) = date_of(day);
    match unit {
        Unit::Millennium => (year + 999) / 1000,
        Unit::Century => (year + 99) / 100,
        Unit::Decade => year / 10,
        Unit::Year => year,
        Unit::Quarter => (month + 2) / 3,
        Unit::Month => month,
        Unit::Week => iso_week(day).1,
        Unit::IsoYear => iso_week(day).0,
        Unit::Day => day_of_month,
        Unit::Hour => of_day / 3_600_000,
        Unit::Minute => of_day / 60_000 % 60,
        Unit::Second => of_day / 1000 % 60,
        Unit::Milli => of_day % 60_000,
        Unit::Micro => of_day % 60_000 * 1000 + i64::from(at.nanos / 1000),
        Unit::Nano => of_day % 60_000 * 1_000_000 + i64::from(at.nanos),
        Unit::DayOfWeek => (day + 4).rem_euclid(7) + 1,
        Unit::IsoDayOfWeek => (day + 3).rem_euclid(7) + 1,
        Unit::DayOfYear => day - days_of(year, 1, 1) + 1,
        Unit::Epoch => at.millis.div_euclid(1000),
    }
}

fn iso_week(day: i64) -> (i64, i64) {
    let thursday = day + 3 - (day + 3).rem_euclid(7);
    let (year, ..) = date_of(thursday);
    (year, (thursday - days_of(year, 1, 1)) / 7 + 1)
}

/// The start of the unit that holds a local time (weeks start on Sunday, as in Calcite), or of the next one.
pub(crate) fn floor_to(unit: Unit, millis: i64, up: bool) -> i64 {
    if unit == Unit::Week {
        let day = millis.div_euclid(DAY_MS);
        let sunday = (day - (day + 4).rem_euclid(7)) * DAY_MS;
        return if up && sunday < millis { sunday + 7 * DAY_MS } else { sunday };
    }
    if let Some(span) = unit.millis() {
        let floor = millis - millis.rem_euclid(span);
        return if up && floor < millis { floor + span } else { floor };
    }
    let Some(span) = unit.months() else { return millis };
    let (year, month, _) = date_of(millis.div_euclid(DAY_MS));
    let index = match unit {
        // Centuries and millennia begin with year 1.
        Unit::Century | Unit::Millennium => {
            let years = span / 12;
            ((year - 1).div_euclid(years) * years + 1) * 12
        }
        _ => (year * 12 + month - 1).div_euclid(span) * span,
    };
    let start = |index: i64| days_of(index.div_euclid(12), index.rem_euclid(12) + 1, 1) * DAY_MS;
    let floor = start(index);
    if up && floor < millis { start(index + span) } else { floor }
}

/// Whole months from `b` to `a` (negative when `a` is earlier), as `TIMESTAMPDIFF(MONTH, b, a)` counts.
pub(crate) fn months_between(a: i64, b: i64) -> i64 {
    let (ya, ma, _) = date_of(a.div_euclid(DAY_MS));
    let (yb, mb, _) = date_of(b.div_euclid(DAY_MS));
    let mut months = (ya - yb) * 12 + ma - mb;
    if months > 0 && add_months(b, months) > a {
        months -= 1;
    } else if months < 0 && add_months(b, months) < a {
        months += 1;
    }
    months
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_and_prints() {
        let at = parse_timestamp("2026-01-31 23:59:59.123456").unwrap();
        let mut text = String::new();
        write_timestamp(&mut text, at, 6);
        assert_eq!(text, "2026-01-31 23:59:59.123456");
        assert_eq!(parse_date("2026-02-30"), None);
        assert_eq!(date_text((add_months(at.millis, 1) / DAY_MS) as i32), "2026-02-28");
    }

    #[test]
    fn zones_have_gaps() {
        let zone: Tz = "Europe/Berlin".parse().unwrap();
        let local = parse_timestamp("2026-03-29 02:30:00").unwrap().millis;
        assert_eq!(to_instant(zone, local), local - 3_600_000);
        let summer = parse_timestamp("2026-07-01 00:00:00").unwrap().millis;
        assert_eq!(to_instant(zone, summer), summer - 7_200_000);
    }
}
