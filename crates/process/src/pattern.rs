//! Java's date patterns, as `DATE_FORMAT`, `TO_TIMESTAMP` and their like take them: `yyyy-MM-dd HH:mm:ss.SSS`.

use crate::time::Local;
use millrace_base::calendar::{DAY_MS, date_of, days_of, month_days};
use std::fmt::Write;

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
const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// A pattern, split into its parts once.
pub(crate) struct Pattern(Vec<Part>);

enum Part {
    Field(char, usize),
    Text(String),
}

impl Pattern {
    /// Splits a pattern.
    ///
    /// # Errors
    /// A letter that is not known.
    pub fn new(pattern: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut chars = pattern.chars().peekable();
        while let Some(c) = chars.next() {
            if c == '\'' {
                parts.push(Part::Text(quoted(&mut chars)));
            } else if c.is_ascii_alphabetic() {
                let mut count = 1;
                while chars.next_if_eq(&c).is_some() {
                    count += 1;
                }
                if !"yuMLdDHhkKmsSnaEe".contains(c) {
                    return Err(format!("the letter '{c}' in the date pattern '{pattern}' is not supported"));
                }
                parts.push(Part::Field(c, count));
            } else {
                parts.push(Part::Text(c.to_string()));
            }
        }
        Ok(Self(parts))
    }

    /// A local time in this form.
    pub fn format(&self, at: Local) -> String {
        let mut out = String::new();
        let day = at.millis.div_euclid(DAY_MS);
        let of_day = at.millis.rem_euclid(DAY_MS);
        let (year, month, day_of_month) = date_of(day);
        let hour = of_day / 3_600_000;
        for part in &self.0 {
            let (letter, width) = match part {
                Part::Text(text) => {
                    out.push_str(text);
                    continue;
                }
                Part::Field(letter, width) => (*letter, *width),
            };
            let name = |full: &'static str| if width == 3 { &full[..3] } else { full };
            let value = match letter {
                'y' | 'u' if width == 2 => year.rem_euclid(100),
                'y' | 'u' => year,
                'M' | 'L' if width >= 3 => {
                    out.push_str(name(MONTHS[month as usize - 1]));
                    continue;
                }
                'M' | 'L' => month,
                'd' => day_of_month,
                'D' => day - days_of(year, 1, 1) + 1,
                'H' => hour,
                'k' => (hour + 23) % 24 + 1,
                'K' => hour % 12,
                'h' => (hour + 11) % 12 + 1,
                'm' => of_day / 60_000 % 60,
                's' => of_day / 1000 % 60,
                'S' => {
                    let digits = format!("{:03}{:06}000000000", of_day % 1000, at.nanos);
                    out.push_str(&digits[..width.min(18)]);
                    continue;
                }
                'n' => of_day % 1000 * 1_000_000 + i64::from(at.nanos),
                'a' => {
                    out.push_str(if hour < 12 { "AM" } else { "PM" });
                    continue;
                }
                _ => {
                    let full = WEEKDAYS[(day + 4).rem_euclid(7) as usize];
                    out.push_str(if width <= 3 { &full[..3] } else { full });
                    continue;
                }
            };
            let _ = write!(out, "{value:0width$}");
        }
        out
    }

    /// Reads a text in this form; None when it is not.
    pub fn parse(&self, text: &str) -> Option<Local> {
        let mut rest = text;
        let (mut year, mut month, mut day) = (1970, 1, 1);
        let (mut hour, mut minute, mut second, mut nanos) = (0, 0, 0, 0i64);
        let mut afternoon = None;
        for (nth, part) in self.0.iter().enumerate() {
            let (letter, width) = match part {
                Part::Text(text) => {
                    rest = rest.strip_prefix(text.as_str())?;
                    continue;
                }
                Part::Field(letter, width) => (*letter, *width),
            };
            if matches!(letter, 'M' | 'L') && width >= 3 {
                let found = MONTHS.iter().position(|name| {
                    let name = if width == 3 { &name[..3] } else { name };
                    rest.get(..name.len()).is_some_and(|head| head.eq_ignore_ascii_case(name))
                })?;
                month = found as i64 + 1;
                rest = &rest[if width == 3 { 3 } else { MONTHS[found].len() }..];
                continue;
            }
            if letter == 'a' {
                afternoon = Some(rest.get(..2)?.eq_ignore_ascii_case("PM"));
                rest = &rest[2..];
                continue;
            }
            // Next to another field a number has exactly its width; else it may be longer, and one letter takes any.
            let adjacent = matches!(self.0.get(nth + 1), Some(Part::Field(..)));
            let most = if adjacent || letter == 'S' || width == 2 { width } else { width.max(9) };
            let digits = rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
            if digits == 0 || (digits < width && (width > 2 || adjacent)) || (width == 2 && digits < 2) {
                return None;
            }
            let value: i64 = rest[..digits].parse().ok()?;
            rest = &rest[digits..];
            match letter {
                'y' | 'u' => year = if width == 2 { 2000 + value } else { value },
                'M' | 'L' => month = value,
                'd' => day = value,
                'H' | 'K' => hour = value,
                'h' | 'k' => hour = value % if letter == 'h' { 12 } else { 24 },
                'm' => minute = value,
                's' => second = value,
                'S' => nanos = value * 10i64.pow(9u32.saturating_sub(digits as u32)),
                _ => return None,
            }
        }
        if let Some(true) = afternoon {
            hour += 12;
        }
        let is_date = (1..=12).contains(&month) && day >= 1 && day <= month_days(year, month);
        if !rest.is_empty() || !is_date || hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let clock = ((hour * 60 + minute) * 60 + second) * 1000 + nanos / 1_000_000;
        let day = days_of(year, month, day);
        Some(Local { millis: day * DAY_MS + clock, nanos: (nanos % 1_000_000) as u32 })
    }
}

fn quoted(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> String {
    if chars.next_if_eq(&'\'').is_some() {
        return "'".to_owned();
    }
    let mut text = String::new();
    while let Some(c) = chars.next() {
        if c != '\'' {
            text.push(c);
        } else if chars.next_if_eq(&'\'').is_some() {
            text.push('\'');
        } else {
            break;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_and_parses() {
        let pattern = Pattern::new("yyyy-MM-dd'T'HH:mm:ss.SSS").unwrap();
        let at = pattern.parse("2026-01-02T03:04:05.678").unwrap();
        assert_eq!(pattern.format(at), "2026-01-02T03:04:05.678");
        assert!(pattern.parse("2026-01-02 03:04:05.678").is_none());
        assert_eq!(Pattern::new("yyyyMMdd").unwrap().parse("20260102").unwrap().millis / DAY_MS, 20_455);
        assert_eq!(Pattern::new("dd MMM yyyy h:mm a").unwrap().format(at), "02 Jan 2026 3:04 AM");
    }
}
