//! Time zones: a fixed offset (`+01:00`) or a name (`Europe/Paris`).

use chrono::{Offset, TimeZone};

/// Where midnight lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// So many milliseconds ahead of UTC.
    Fixed(i64),
    /// By the rules of a region.
    Named(chrono_tz::Tz),
}

impl Zone {
    /// Greenwich.
    pub const UTC: Self = Self::Fixed(0);

    /// Reads `Z`, `UTC`, `+01:00`, `-0530` or a region's name.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(offset) = parse_offset(text) {
            return Some(Self::Fixed(offset));
        }
        match text {
            "UTC" | "GMT" => Some(Self::UTC),
            name => name.parse().ok().map(Self::Named),
        }
    }

    /// How far ahead of UTC it is at a moment, in milliseconds.
    pub fn offset_ms(self, utc: i64) -> i64 {
        match self {
            Self::Fixed(offset) => offset,
            Self::Named(zone) => chrono::DateTime::from_timestamp_millis(utc).map_or(0, |at| {
                i64::from(zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc()) * 1000
            }),
        }
    }

    /// The clock on the wall, as milliseconds.
    pub fn to_local(self, utc: i64) -> i64 {
        utc + self.offset_ms(utc)
    }

    /// The moment at which the clock on the wall shows `local`; a time that a change of the clock skips is the moment of
    /// the change, one that it repeats is the first.
    pub fn to_utc(self, local: i64) -> i64 {
        match self {
            Self::Fixed(offset) => local - offset,
            Self::Named(_) => {
                let first = local - self.offset_ms(local - super::DAY_MS);
                if self.to_local(first) == local {
                    first
                } else {
                    local - self.offset_ms(local - self.offset_ms(local))
                }
            }
        }
    }
}

/// An ISO offset in milliseconds: `Z`, `+01`, `+0100`, `+01:00`.
pub(crate) fn parse_offset(text: &str) -> Option<i64> {
    if text == "Z" || text == "z" {
        return Some(0);
    }
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits: String = text[1..].chars().filter(|c| *c != ':').collect();
    if !matches!(digits.len(), 2 | 4) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let hours: i64 = digits[..2].parse().ok()?;
    let minutes: i64 = if digits.len() == 4 { digits[2..].parse().ok()? } else { 0 };
    (hours <= 18 && minutes < 60).then_some(sign * (hours * 60 + minutes) * 60_000)
}

/// An offset as ISO writes it, `Z` for none.
pub(crate) fn render_offset(offset_ms: i64, colon: bool) -> String {
    if offset_ms == 0 {
        return "Z".to_owned();
    }
    let minutes = offset_ms.abs() / 60_000;
    let sign = if offset_ms < 0 { '-' } else { '+' };
    let colon = if colon { ":" } else { "" };
    format!("{sign}{:02}{colon}{:02}", minutes / 60, minutes % 60)
}
