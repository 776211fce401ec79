//! Dates and times as Flink's formats read and print them.
//!
//! The two standards of `json.timestamp-format.standard`, where `f` is a fraction of up to nine digits:
//!
//! | | `SQL` | `ISO-8601` |
//! | --- | --- | --- |
//! | TIMESTAMP | `2026-01-31 08:05:00[.f]` | `2026-01-31T08:05[:00[.f]]` |
//! | TIMESTAMP_LTZ | the same and a literal `Z` | the same and a literal `Z` |
//!
//! Both print as many digits of the fraction as are not zero at its end. SQL timestamps
//! move a day that the month lacks (`02-30`) to the month's last and read `24:00:00` as the next day, as Java's "smart"
//! resolver does; dates and ISO timestamps refuse both.

use millrace_base::calendar::{date_of, days_of, month_days};
use std::io::Write;

/// Seconds in a day.
const DAY_SECS: i64 = 86_400;

/// How timestamps are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimestampStandard {
    /// `2026-01-31 08:05:00.5`
    #[default]
    Sql,
    /// `2026-01-31T08:05:00.5`
    Iso8601,
    /// What Firehose's OpenX JSON SerDe reads: either of the above with or without a zone, and seconds or milliseconds
    /// since 1970 as numbers.
    OpenX,
}

/// A moment on the calendar: seconds and nanoseconds since 1970-01-01T00:00:00.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// Whole seconds, negative before 1970.
    pub secs: i64,
    /// 0 to 999,999,999, always forwards.
    pub nanos: u32,
}

impl Moment {
    /// In the unit that `TIMESTAMP(precision)` is held in (ms, µs or ns); None beyond its 64 bits.
    #[inline]
    pub fn in_unit(self, precision: u8) -> Option<i64> {
        let (per_sec, nanos_per) = match precision {
            0..=3 => (1_000, 1_000_000),
            4..=6 => (1_000_000, 1_000),
            _ => (1_000_000_000, 1),
        };
        self.secs.checked_mul(per_sec)?.checked_add(i64::from(self.nanos / nanos_per))
    }

    /// From the unit that `TIMESTAMP(precision)` is held in.
    pub fn of_unit(value: i64, precision: u8) -> Self {
        let (per_sec, nanos_per) = match precision {
            0..=3 => (1_000, 1_000_000),
            4..=6 => (1_000_000, 1_000),
            _ => (1_000_000_000, 1),
        };
        Self { secs: value.div_euclid(per_sec), nanos: (value.rem_euclid(per_sec) * nanos_per) as u32 }
    }
}

/// Two digits at the front.
#[inline]
fn two(text: &[u8]) -> Option<u32> {
    let (high, low) = (text.first()?.wrapping_sub(b'0'), text.get(1)?.wrapping_sub(b'0'));
    (high < 10 && low < 10).then_some(u32::from(high) * 10 + u32::from(low))
}

/// `yyyy-MM-dd` at the front; days and the rest.
#[inline]
fn date(text: &[u8], smart: bool) -> Option<(i32, &[u8])> {
    let (head, rest) = text.split_first_chunk::<10>()?;
    let year = i64::from(two(head)? * 100 + two(&head[2..])?);
    let (month, day) = (i64::from(two(&head[5..])?), i64::from(two(&head[8..])?));
    if head[4] != b'-' || head[7] != b'-' || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let last = month_days(year, month);
    if day > last && !smart {
        return None;
    }
    Some((days_of(year, month, day.min(last)) as i32, rest))
}

/// `HH:mm:ss[.f]` at the front, `24:00:00` included, seconds optional if `short`; seconds of the day, nanoseconds and the rest.
#[inline]
fn time(text: &[u8], short: bool) -> Option<(u32, u32, &[u8])> {
    let (hour, minute) = (two(text)?, two(text.get(3..)?)?);
    if text[2] != b':' || hour > 24 || minute > 59 {
        return None;
    }
    let rest = &text[5..];
    if rest.first() != Some(&b':') {
        return (short && hour < 24).then_some((hour * 3600 + minute * 60, 0, rest));
    }
    let second = two(&rest[1..]).filter(|second| *second < 60)?;
    let (nanos, rest) = fraction(&rest[3..])?;
    let whole = hour < 24 || (minute, second, nanos) == (0, 0, 0);
    whole.then_some((hour * 3600 + minute * 60 + second, nanos, rest))
}

#[inline]
fn fraction(text: &[u8]) -> Option<(u32, &[u8])> {
    let Some(digits) = text.strip_prefix(b".") else { return Some((0, text)) };
    let len = digits.iter().take_while(|digit| digit.is_ascii_digit()).count();
    if len > 9 {
        return None;
    }
    let value = digits[..len].iter().fold(0, |value, digit| value * 10 + u32::from(digit - b'0'));
    Some((value * 10u32.pow(9 - len as u32), &digits[len..]))
}

/// A date `yyyy-MM-dd`, in days since 1970.
pub fn parse_date(text: &str) -> Option<i32> {
    date(text.as_bytes(), false).filter(|(_, rest)| rest.is_empty()).map(|(days, _)| days)
}

/// A time of day `HH:mm:ss[.f]`, in milliseconds. The fraction is dropped, as Flink's formats drop it.
pub fn parse_time(text: &str) -> Option<i32> {
    let (secs, _, rest) = time(text.as_bytes(), false)?;
    rest.is_empty().then_some((secs % DAY_SECS as u32 * 1000) as i32)
}

/// A timestamp in one of the standards; `zoned` is TIMESTAMP_LTZ.
#[inline]
pub fn parse_timestamp(text: &str, standard: TimestampStandard, zoned: bool) -> Option<Moment> {
    let text = text.as_bytes();
    match standard {
        TimestampStandard::Sql => calendar(text, b' ', true, false, zoned),
        TimestampStandard::Iso8601 => calendar(text, b'T', zoned, true, zoned),
        TimestampStandard::OpenX => openx(text),
    }
}

#[inline]
fn calendar(text: &[u8], between: u8, smart: bool, short: bool, zoned: bool) -> Option<Moment> {
    let (days, rest) = date(text, smart)?;
    let (secs, nanos, rest) = time(rest.strip_prefix(&[between])?, short)?;
    if !smart && i64::from(secs) == DAY_SECS {
        return None;
    }
    let wanted: &[u8] = if zoned { b"Z" } else { b"" };
    (rest == wanted).then_some(Moment { secs: i64::from(days) * DAY_SECS + i64::from(secs), nanos })
}

fn openx(text: &[u8]) -> Option<Moment> {
    let (days, rest) = date(text, false)?;
    let at = |secs: i64, nanos| Moment { secs: i64::from(days) * DAY_SECS + secs, nanos };
    if rest.is_empty() {
        return Some(at(0, 0));
    }
    let (secs, nanos, rest) = time(rest.strip_prefix(b" ").or_else(|| rest.strip_prefix(b"T"))?, false)?;
    Some(at(i64::from(secs) - zone_offset(rest)?, nanos))
}

/// `Z`, `+02:00`, `+0200` or nothing, in seconds east.
fn zone_offset(text: &[u8]) -> Option<i64> {
    let sign = match text {
        b"" | b"Z" => return Some(0),
        [b'+', ..] => 1,
        [b'-', ..] => -1,
        _ => return None,
    };
    let hours = two(&text[1..])?;
    let minutes = match &text[3..] {
        b"" => 0,
        rest => two(rest.strip_prefix(b":").unwrap_or(rest)).filter(|_| matches!(text.len(), 5 | 6))?,
    };
    Some(sign * i64::from(hours * 3600 + minutes * 60))
}

/// Appends `yyyy-MM-dd`.
pub fn print_date(days: i32, out: &mut Vec<u8>) {
    let (year, month, day) = date_of(i64::from(days));
    // Writing to a Vec cannot fail.
    let _ = match year {
        0..=9999 => write!(out, "{year:04}-{month:02}-{day:02}"),
        10_000.. => write!(out, "+{year}-{month:02}-{day:02}"),
        _ => write!(out, "-{:04}-{month:02}-{day:02}", -year),
    };
}

/// Appends `HH:mm:ss` and the fraction without the zeros at its end.
pub fn print_time(secs: u32, nanos: u32, out: &mut Vec<u8>) {
    let _ = write!(out, "{:02}:{:02}:{:02}", secs / 3600, secs / 60 % 60, secs % 60);
    if nanos == 0 {
        return;
    }
    let digits = format!("{nanos:09}");
    out.push(b'.');
    out.extend_from_slice(digits.trim_end_matches('0').as_bytes());
}

/// Appends a timestamp; `zoned` is TIMESTAMP_LTZ.
pub fn print_timestamp(moment: Moment, standard: TimestampStandard, zoned: bool, out: &mut Vec<u8>) {
    print_date(moment.secs.div_euclid(DAY_SECS) as i32, out);
    out.push(if standard == TimestampStandard::Iso8601 { b'T' } else { b' ' });
    print_time(moment.secs.rem_euclid(DAY_SECS) as u32, moment.nanos, out);
    if zoned {
        out.push(b'Z');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_in_their_whole_form() {
        assert_eq!(parse_date("2024-02-29"), Some(19_782));
        assert_eq!(parse_date("2023-02-29"), None);
        assert_eq!(parse_date("2023-2-01"), None);
    }

    #[test]
    fn timestamps_follow_their_standard() {
        use TimestampStandard::{Iso8601, OpenX, Sql};
        let cases = [
            ("2026-01-31 08:05:00", Sql, false, Some((1_769_846_700, 0))),
            ("2026-01-31 08:05:00.5", Sql, false, Some((1_769_846_700, 500_000_000))),
            ("2026-01-31 08:05:00.1234567890", Sql, false, None),
            ("2026-02-30 00:00:00", Sql, false, Some((1_772_236_800, 0))),
            ("2026-02-30T00:00:00", Iso8601, false, None),
            ("2026-01-31T08:05:00", Sql, false, None),
            ("2026-01-31T08:05", Iso8601, false, Some((1_769_846_700, 0))),
            ("2026-01-31T08:05:00Z", Iso8601, true, Some((1_769_846_700, 0))),
            ("2026-01-31T08:05:00Z", Iso8601, false, None),
            ("2026-01-31 08:05:00Z", Sql, true, Some((1_769_846_700, 0))),
            ("2026-01-31 08:05:00", Sql, true, None),
            ("2026-01-31 24:05:00", Sql, false, None),
            ("2026-01-31 24:00:00", Sql, false, Some((1_769_904_000, 0))),
            ("2026-01-31T24:00:00", Iso8601, false, None),
            ("2026-01-31T08:05:00+02:00", OpenX, false, Some((1_769_839_500, 0))),
            ("2026-01-31T08:05:00.25Z", OpenX, false, Some((1_769_846_700, 250_000_000))),
            ("", Sql, false, None),
        ];
        for (text, standard, zoned, expected) in cases {
            let found = parse_timestamp(text, standard, zoned).map(|m| (m.secs, m.nanos));
            assert_eq!(found, expected, "{text} {standard:?}");
        }
    }

    #[test]
    fn printing_keeps_the_digits_that_flink_keeps() {
        let print = |nanos, standard| {
            let mut out = Vec::new();
            print_timestamp(Moment { secs: 1_769_846_700, nanos }, standard, false, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(print(0, TimestampStandard::Sql), "2026-01-31 08:05:00");
        assert_eq!(print(500_000_000, TimestampStandard::Sql), "2026-01-31 08:05:00.5");
        assert_eq!(print(500_000_000, TimestampStandard::Iso8601), "2026-01-31T08:05:00.5");
        assert_eq!(print(1_000, TimestampStandard::Iso8601), "2026-01-31T08:05:00.000001");
        assert_eq!(Moment::of_unit(-1, 3), Moment { secs: -1, nanos: 999_000_000 });
    }
}
