//! Dates: formats as OpenSearch writes them, date math, calendars and time zones. A date is milliseconds since 1970.

mod format;
mod iso;
mod math;
mod zone;

pub use format::DateFormat;
pub use math::{Unit, parse_math};
pub use zone::Zone;

use chrono::{DateTime, Datelike, NaiveDate, Timelike};

/// What a text said of a date; what it did not say is filled in at one end or the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Parts {
    pub year: i32,
    pub month: Option<u32>,
    pub day: Option<u32>,
    pub hour: Option<u32>,
    pub minute: Option<u32>,
    pub second: Option<u32>,
    pub millis: Option<u32>,
    pub offset_ms: Option<i64>,
}

impl Parts {
    /// The first millisecond (or with `up` the last one) of what was said, in UTC; `zone` applies where no offset was said.
    pub fn to_millis(self, up: bool, zone: &Zone) -> Option<i64> {
        let month = self.month.unwrap_or(if up { 12 } else { 1 });
        let day = match self.day {
            Some(day) => day,
            None if up => days_in_month(self.year, month)?,
            None => 1,
        };
        let or = |value: Option<u32>, end: u32| i64::from(value.unwrap_or(if up { end } else { 0 }));
        let (hour, minute) = (or(self.hour, 23), or(self.minute, 59));
        let (second, millis) = (or(self.second, 59), or(self.millis, 999));
        if hour > 24 || minute > 59 || second > 59 {
            return None;
        }
        let local = civil(self.year, month, day)? + ((hour * 60 + minute) * 60 + second) * 1000 + millis;
        Some(match self.offset_ms {
            Some(offset) => local - offset,
            None => zone.to_utc(local),
        })
    }

    /// The parts of a local time.
    pub fn of(local: i64) -> Option<Self> {
        let at = DateTime::from_timestamp_millis(local)?.naive_utc();
        Some(Self {
            year: at.year(),
            month: Some(at.month()),
            day: Some(at.day()),
            hour: Some(at.hour()),
            minute: Some(at.minute()),
            second: Some(at.second()),
            millis: Some(at.nanosecond() / 1_000_000),
            offset_ms: None,
        })
    }
}

/// Milliseconds of one day.
pub const DAY_MS: i64 = 86_400_000;

/// Midnight of a day, in milliseconds; `None` when there is no such day.
pub(crate) fn civil(year: i32, month: u32, day: u32) -> Option<i64> {
    NaiveDate::from_ymd_opt(year, month, day)?.and_hms_opt(0, 0, 0).map(|at| at.and_utc().timestamp_millis())
}

fn days_in_month(year: i32, month: u32) -> Option<u32> {
    let (next_year, next_month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    let days = (civil(next_year, next_month, 1)? - civil(year, month, 1)?) / DAY_MS;
    u32::try_from(days).ok()
}

/// A date in the default form, `2020-01-31T10:00:00.000Z`.
#[cfg(test)]
pub(crate) fn render(millis: i64) -> String {
    DateFormat::default().render(millis, &Zone::UTC)
}
