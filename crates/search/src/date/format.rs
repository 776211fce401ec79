//! Date formats: OpenSearch's named ones and Java's patterns, alternatives joined with `||`; the first one also prints.

use super::zone::{Zone, parse_offset, render_offset};
use super::{Parts, iso};
use std::fmt;

/// The format of date fields whose mapping names none.
const DEFAULT: &str = "strict_date_optional_time||epoch_millis";
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// How a date is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DateFormat {
    text: String,
    alternatives: Vec<Alternative>,
}

/// A format that is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "Invalid format: [{0}]: use OpenSearch's named formats or a pattern of yyyy MM dd HH mm ss SSS XXX and quoted text"
)]
pub struct DateFormatError(String);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Alternative {
    Iso,
    EpochMillis,
    EpochSecond,
    Pattern(Vec<Item>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    Literal(String),
    /// A letter of Java's DateTimeFormatter and how often it stands there.
    Field(char, usize),
}

impl Default for DateFormat {
    fn default() -> Self {
        let alternatives = vec![Alternative::Iso, Alternative::EpochMillis];
        Self { text: DEFAULT.to_owned(), alternatives }
    }
}

impl DateFormat {
    /// Reads a format.
    pub fn parse_format(text: &str) -> Result<Self, DateFormatError> {
        let alternatives = text.split("||").map(alternative).collect::<Option<Vec<_>>>();
        let alternatives = alternatives.ok_or_else(|| DateFormatError(text.to_owned()))?;
        Ok(Self { text: text.to_owned(), alternatives })
    }

    /// The format as it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// True for the format that a mapping need not name.
    pub fn is_default(&self) -> bool {
        self.text == DEFAULT
    }

    /// Reads a date; what it does not say is the first moment (with `up` the last).
    pub fn parse(&self, text: &str, up: bool, zone: &Zone) -> Option<i64> {
        self.alternatives.iter().find_map(|alternative| match alternative {
            Alternative::Iso => iso::parse(text)?.to_millis(up, zone),
            Alternative::EpochMillis => text.parse::<i64>().ok(),
            Alternative::EpochSecond => text.parse::<i64>().ok()?.checked_mul(1000),
            Alternative::Pattern(items) => read(items, text)?.to_millis(up, zone),
        })
    }

    /// Writes a date.
    pub fn render(&self, millis: i64, zone: &Zone) -> String {
        match &self.alternatives[0] {
            Alternative::EpochMillis => millis.to_string(),
            Alternative::EpochSecond => millis.div_euclid(1000).to_string(),
            Alternative::Pattern(items) => write(items, millis, zone),
            Alternative::Iso => {
                let Some(at) = Parts::of(zone.to_local(millis)) else { return millis.to_string() };
                let date = format!("{:04}-{:02}-{:02}", at.year, at.month.unwrap_or(1), at.day.unwrap_or(1));
                let (hour, minute) = (at.hour.unwrap_or(0), at.minute.unwrap_or(0));
                let (second, milli) = (at.second.unwrap_or(0), at.millis.unwrap_or(0));
                let offset = render_offset(zone.offset_ms(millis), true);
                format!("{date}T{hour:02}:{minute:02}:{second:02}.{milli:03}{offset}")
            }
        }
    }
}

impl fmt::Display for DateFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn alternative(name: &str) -> Option<Alternative> {
    let pattern = match name.strip_prefix("strict_").unwrap_or(name) {
        "date_optional_time" | "date_optional_time_nanos" => return Some(Alternative::Iso),
        "epoch_millis" => return Some(Alternative::EpochMillis),
        "epoch_second" => return Some(Alternative::EpochSecond),
        "date_time" => "yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
        "date_time_no_millis" => "yyyy-MM-dd'T'HH:mm:ssXXX",
        "date_hour_minute_second" => "yyyy-MM-dd'T'HH:mm:ss",
        "date_hour_minute_second_millis" => "yyyy-MM-dd'T'HH:mm:ss.SSS",
        "date_hour_minute" => "yyyy-MM-dd'T'HH:mm",
        "date_hour" => "yyyy-MM-dd'T'HH",
        "date" | "year_month_day" => "yyyy-MM-dd",
        "year_month" => "yyyy-MM",
        "year" => "yyyy",
        "hour_minute_second" => "HH:mm:ss",
        "basic_date" => "yyyyMMdd",
        "basic_date_time" => "yyyyMMdd'T'HHmmss.SSSXX",
        "basic_date_time_no_millis" => "yyyyMMdd'T'HHmmssXX",
        other => other,
    };
    compile(pattern).map(Alternative::Pattern)
}

fn compile(pattern: &str) -> Option<Vec<Item>> {
    let mut items: Vec<Item> = Vec::new();
    let literal = |items: &mut Vec<Item>, c: char| match items.last_mut() {
        Some(Item::Literal(text)) => text.push(c),
        _ => items.push(Item::Literal(c.to_string())),
    };
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\'' if chars.next_if_eq(&'\'').is_some() => literal(&mut items, '\''),
            '\'' => loop {
                match chars.next()? {
                    '\'' => break,
                    c => literal(&mut items, c),
                }
            },
            'y' | 'u' | 'M' | 'd' | 'H' | 'm' | 's' | 'S' | 'X' | 'x' | 'Z' | 'E' => {
                let mut count = 1;
                while chars.next_if_eq(&c).is_some() {
                    count += 1;
                }
                items.push(Item::Field(if c == 'u' { 'y' } else { c }, count));
            }
            c if c.is_ascii_alphabetic() || matches!(c, '[' | ']' | '{' | '}' | '#') => return None,
            c => literal(&mut items, c),
        }
    }
    items.iter().any(|item| matches!(item, Item::Field(..))).then_some(items)
}

fn read(items: &[Item], text: &str) -> Option<Parts> {
    let mut parts = Parts { year: 1970, ..Parts::default() };
    let mut rest = text;
    for item in items {
        match item {
            Item::Literal(literal) => rest = rest.strip_prefix(literal.as_str())?,
            Item::Field('S', _) => parts.millis = Some(iso::fraction(&mut rest)?),
            Item::Field('X' | 'x' | 'Z', _) => {
                let end = rest.find(|c: char| !matches!(c, '+' | '-' | ':' | 'Z' | '0'..='9')).unwrap_or(rest.len());
                parts.offset_ms = Some(parse_offset(&rest[..end])?);
                rest = &rest[end..];
            }
            Item::Field('M', 3) => {
                let name = rest.get(..3)?;
                parts.month = Some(MONTHS.iter().position(|month| *month == name)? as u32 + 1);
                rest = &rest[3..];
            }
            Item::Field('E', _) => rest = DAYS.iter().find_map(|day| rest.strip_prefix(day))?,
            Item::Field(letter, count) => {
                let most = if *count == 1 { if *letter == 'y' { 9 } else { 2 } } else { *count };
                let digits = rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
                if digits == 0 || (*count > 1 && digits < *count) {
                    return None;
                }
                let value: u32 = rest[..digits].parse().ok()?;
                rest = &rest[digits..];
                match letter {
                    'y' if *count == 2 => parts.year = 2000 + i32::try_from(value).ok()?,
                    'y' => parts.year = i32::try_from(value).ok()?,
                    'M' => parts.month = Some(value),
                    'd' => parts.day = Some(value),
                    'H' => parts.hour = Some(value),
                    'm' => parts.minute = Some(value),
                    _ => parts.second = Some(value),
                }
            }
        }
    }
    rest.is_empty().then_some(parts)
}

fn write(items: &[Item], millis: i64, zone: &Zone) -> String {
    let local = zone.to_local(millis);
    let Some(at) = Parts::of(local) else { return millis.to_string() };
    let mut out = String::new();
    for item in items {
        let (letter, count) = match item {
            Item::Literal(text) => {
                out.push_str(text);
                continue;
            }
            Item::Field(letter, count) => (*letter, *count),
        };
        let number = match letter {
            'y' if count == 2 => (at.year % 100) as u32,
            'y' => at.year as u32,
            'M' => at.month.unwrap_or(1),
            'd' => at.day.unwrap_or(1),
            'H' => at.hour.unwrap_or(0),
            'm' => at.minute.unwrap_or(0),
            's' => at.second.unwrap_or(0),
            _ => 0,
        };
        match letter {
            'M' if count == 3 => out.push_str(MONTHS[number as usize - 1]),
            'E' => out.push_str(DAYS[(local.div_euclid(super::DAY_MS) + 3).rem_euclid(7) as usize]),
            'S' => {
                let digits = format!("{:03}000000", at.millis.unwrap_or(0));
                out.push_str(&digits[..count.min(9)]);
            }
            'X' => out.push_str(&render_offset(zone.offset_ms(millis), count >= 3)),
            'x' | 'Z' => {
                let offset = render_offset(zone.offset_ms(millis), letter == 'x' && count >= 3);
                out.push_str(if offset == "Z" {
                    if count >= 3 && letter == 'x' { "+00:00" } else { "+0000" }
                } else {
                    &offset
                });
            }
            _ => out.push_str(&format!("{number:0count$}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_read_and_write() {
        let cases = [
            ("strict_date_optional_time", "2013-06-01T10:20:30.123Z", 1_370_082_030_123),
            ("yyyy-MM-dd HH:mm:ss", "2013-06-01 10:20:30", 1_370_082_030_000),
            ("dd/MMM/yyyy:HH:mm:ss Z", "01/Jun/2013:10:20:30 +0000", 1_370_082_030_000),
            ("epoch_second", "1370082030", 1_370_082_030_000),
            ("basic_date", "20130601", 1_370_044_800_000),
        ];
        for (format, text, millis) in cases {
            let format = DateFormat::parse_format(format).unwrap();
            assert_eq!(format.parse(text, false, &Zone::UTC), Some(millis), "{format} {text}");
            assert_eq!(format.render(millis, &Zone::UTC), text);
        }
        assert!(DateFormat::parse_format("quarter").is_err());
    }

    #[test]
    fn what_is_not_said_is_one_end_or_the_other() {
        let format = DateFormat::default();
        let day = 1_370_044_800_000;
        assert_eq!(format.parse("2013-06-01", false, &Zone::UTC), Some(day));
        assert_eq!(format.parse("2013-06-01", true, &Zone::UTC), Some(day + 86_399_999));
        let paris = Zone::parse("Europe/Paris").unwrap();
        assert_eq!(format.parse("2013-06-01", false, &paris), Some(day - 7_200_000));
        assert_eq!(format.parse("2013-06-01T00:00:00+02:00", false, &Zone::UTC), Some(day - 7_200_000));
        assert_eq!(format.parse("2013-6-1", false, &Zone::UTC), None);
    }
}
