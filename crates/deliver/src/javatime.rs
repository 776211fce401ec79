//! Patterns of Java's `DateTimeFormatter`, the part that makes sense in a key: `yyyy/MM/dd/HH`, `'dt='yyyy-MM-dd`.

use chrono::{DateTime, Datelike, Offset, Timelike};
use chrono_tz::Tz;
use std::fmt::Write;

/// A pattern, ready to print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Vec<Item>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    Literal(String),
    Field { letter: char, count: usize },
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
/// A field wider than this is refused: Java's own limit is 19.
const COUNT_MAX: usize = 19;

impl Pattern {
    /// Reads a pattern; the error says which letter is not understood.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut items = Vec::new();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\'' => items.push(Item::Literal(quoted(&mut chars)?)),
                c if c.is_ascii_alphabetic() => {
                    let mut count = 1;
                    while chars.next_if_eq(&c).is_some() {
                        count += 1;
                    }
                    check(c, count)?;
                    items.push(Item::Field { letter: c, count });
                }
                '{' | '}' | '#' | '[' | ']' => return Err(format!("'{c}' is reserved; put it in quotes")),
                c => items.push(Item::Literal(c.to_string())),
            }
        }
        Ok(Self(items))
    }

    /// Appends the time.
    pub fn print(&self, at: &DateTime<Tz>, out: &mut String) {
        for item in &self.0 {
            match item {
                Item::Literal(text) => out.push_str(text),
                Item::Field { letter, count } => print_field(*letter, *count, at, out),
            }
        }
    }
}

fn quoted(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<String, String> {
    let mut text = String::new();
    loop {
        match chars.next() {
            None => return Err("a quote is not closed".to_owned()),
            Some('\'') if chars.next_if_eq(&'\'').is_some() => text.push('\''),
            Some('\'') if text.is_empty() => return Ok("'".to_owned()),
            Some('\'') => return Ok(text),
            Some(c) => text.push(c),
        }
    }
}

fn check(letter: char, count: usize) -> Result<(), String> {
    let widest = match letter {
        'y' | 'u' | 'Y' | 'S' | 'n' | 'A' | 'N' => COUNT_MAX,
        'M' | 'L' | 'E' => 4,
        'D' => 3,
        'd' | 'H' | 'k' | 'K' | 'h' | 'm' | 's' | 'w' => 2,
        'a' | 'e' => 1,
        'Z' | 'X' | 'x' => 3,
        'V' => 2,
        'z' => 1,
        _ => return Err(format!("'{letter}' is no pattern letter that is supported")),
    };
    if count > widest || (letter == 'V' && count != 2) || (letter == 'S' && count > 9) {
        return Err(format!("'{letter}' cannot stand {count} times"));
    }
    Ok(())
}

fn print_field(letter: char, count: usize, at: &DateTime<Tz>, out: &mut String) {
    let number = match letter {
        'y' | 'u' if count == 2 => at.year().rem_euclid(100).into(),
        'Y' if count == 2 => at.iso_week().year().rem_euclid(100).into(),
        'y' | 'u' => at.year().into(),
        'Y' => at.iso_week().year().into(),
        'M' | 'L' if count >= 3 => return print_name(MONTHS[at.month0() as usize], count, out),
        'M' | 'L' => at.month().into(),
        'w' => at.iso_week().week().into(),
        'D' => at.ordinal().into(),
        'd' => at.day().into(),
        'E' => return print_name(DAYS[at.weekday().num_days_from_monday() as usize], count, out),
        'e' => i64::from(at.weekday().number_from_monday()),
        'a' => return out.push_str(if at.hour() < 12 { "AM" } else { "PM" }),
        'H' => at.hour().into(),
        'k' => i64::from((at.hour() + 23) % 24 + 1),
        'K' => i64::from(at.hour() % 12),
        'h' => i64::from((at.hour() + 11) % 12 + 1),
        'm' => at.minute().into(),
        's' => at.second().into(),
        'S' => {
            let digits = format!("{:09}", at.nanosecond());
            return out.push_str(&digits[..count]);
        }
        'n' => at.nanosecond().into(),
        'A' => i64::from(at.num_seconds_from_midnight()) * 1000 + i64::from(at.nanosecond() / 1_000_000),
        'N' => i64::from(at.num_seconds_from_midnight()) * 1_000_000_000 + i64::from(at.nanosecond()),
        'V' => return out.push_str(at.timezone().name()),
        'z' => return out.push_str(&at.format("%Z").to_string()),
        zone => return print_offset(zone, count, at.offset().fix().local_minus_utc(), out),
    };
    // Writing to a String cannot fail.
    let _ = write!(out, "{number:0count$}");
}

fn print_name(name: &str, count: usize, out: &mut String) {
    out.push_str(if count == 4 { name } else { &name[..3] });
}

fn print_offset(letter: char, count: usize, secs: i32, out: &mut String) {
    if letter == 'X' && secs == 0 {
        return out.push('Z');
    }
    let sign = if secs < 0 { '-' } else { '+' };
    let (hours, minutes) = (secs.abs() / 3600, secs.abs() / 60 % 60);
    let _ = match (letter, count) {
        ('Z', _) | (_, 2) => write!(out, "{sign}{hours:02}{minutes:02}"),
        (_, 1) if minutes == 0 => write!(out, "{sign}{hours:02}"),
        (_, 1) => write!(out, "{sign}{hours:02}{minutes:02}"),
        _ => write!(out, "{sign}{hours:02}:{minutes:02}"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prefix::local_time;

    #[test]
    fn letters_print_as_java_prints_them() {
        let cases = [
            ("yyyy-MM-dd'T'HH:mm:ss.SSS", "2026-01-31T08:05:00.123"),
            ("'year='yyyy'/month='MM", "year=2026/month=01"),
            ("yy M d H", "26 1 31 8"),
            ("EEE MMM dd", "Sat Jan 31"),
            ("EEEE MMMM", "Saturday January"),
            ("DDD", "031"),
            ("hh a", "08 AM"),
            ("YYYY-'W'ww", "2026-W05"),
            ("''", "'"),
            ("XXX Z", "Z +0000"),
        ];
        for (pattern, expected) in cases {
            let mut out = String::new();
            Pattern::parse(pattern).unwrap().print(&local_time(1_769_846_700_123, Tz::UTC), &mut out);
            assert_eq!(out, expected, "{pattern}");
        }
        let mut out = String::new();
        Pattern::parse("HH VV XXX").unwrap().print(&local_time(1_769_846_700_123, Tz::Asia__Tokyo), &mut out);
        assert_eq!(out, "17 Asia/Tokyo +09:00");
        for pattern in ["b", "yyyy'", "dddd", "[yyyy]"] {
            assert!(Pattern::parse(pattern).is_err(), "{pattern}");
        }
    }
}
