//! Date math: `now-1d/d`, `2013-06-01||+1M/d`, and the calendar units behind it.

use super::{DAY_MS, DateFormat, Parts, Zone, civil};

/// A unit of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// From 1 January.
    Year,
    /// From the first of January, April, July or October.
    Quarter,
    /// From the first.
    Month,
    /// From Monday.
    Week,
    /// From midnight.
    Day,
    /// Sixty minutes.
    Hour,
    /// Sixty seconds.
    Minute,
    /// A thousand milliseconds.
    Second,
}

impl Unit {
    /// The unit of a calendar interval: `month`, `1M`, `day`, `1d`, …
    pub fn of_calendar_interval(text: &str) -> Option<Self> {
        Some(match text {
            "year" | "1y" => Self::Year,
            "quarter" | "1q" => Self::Quarter,
            "month" | "1M" => Self::Month,
            "week" | "1w" => Self::Week,
            "day" | "1d" => Self::Day,
            "hour" | "1h" => Self::Hour,
            "minute" | "1m" => Self::Minute,
            "second" | "1s" => Self::Second,
            _ => return None,
        })
    }

    fn of_letter(letter: char) -> Option<Self> {
        Some(match letter {
            'y' => Self::Year,
            'M' => Self::Month,
            'w' => Self::Week,
            'd' => Self::Day,
            'h' | 'H' => Self::Hour,
            'm' => Self::Minute,
            's' => Self::Second,
            _ => return None,
        })
    }

    fn fixed_ms(self) -> Option<i64> {
        Some(match self {
            Self::Week => 7 * DAY_MS,
            Self::Day => DAY_MS,
            Self::Hour => 3_600_000,
            Self::Minute => 60_000,
            Self::Second => 1000,
            Self::Year | Self::Quarter | Self::Month => return None,
        })
    }

    /// The start of the unit in which a local time lies.
    pub fn floor(self, local: i64) -> i64 {
        match self {
            // 1970 began on a Thursday, weeks begin on Monday.
            Self::Week => (local + 3 * DAY_MS).div_euclid(7 * DAY_MS) * 7 * DAY_MS - 3 * DAY_MS,
            Self::Day | Self::Hour | Self::Minute | Self::Second => {
                let unit = self.fixed_ms().unwrap_or(1);
                local.div_euclid(unit) * unit
            }
            Self::Year | Self::Quarter | Self::Month => {
                let Some(at) = Parts::of(local) else { return local };
                let month = at.month.unwrap_or(1);
                let month = match self {
                    Self::Year => 1,
                    Self::Quarter => (month - 1) / 3 * 3 + 1,
                    _ => month,
                };
                civil(at.year, month, 1).unwrap_or(local)
            }
        }
    }

    /// A local time so many units later; the 31st becomes the last day of a shorter month.
    pub fn add(self, local: i64, count: i64) -> Option<i64> {
        if let Some(unit) = self.fixed_ms() {
            return local.checked_add(unit.checked_mul(count)?);
        }
        let months = count.checked_mul(match self {
            Self::Year => 12,
            Self::Quarter => 3,
            _ => 1,
        })?;
        let at = Parts::of(local)?;
        let month = i64::from(at.year) * 12 + i64::from(at.month?) - 1 + months;
        let (year, month) = (i32::try_from(month.div_euclid(12)).ok()?, month.rem_euclid(12) as u32 + 1);
        let midnight = (28..=31).rev().chain(1..28).filter(|day| *day <= at.day.unwrap_or(1));
        midnight.into_iter().find_map(|day| civil(year, month, day)).map(|midnight| midnight + local.rem_euclid(DAY_MS))
    }
}

/// Reads a date with date math. `up` is for bounds that include what is rounded to (`lte`, `gt`): `/d` is then the day's
/// last millisecond.
pub fn parse_math(text: &str, format: &DateFormat, now: i64, up: bool, zone: &Zone) -> Option<i64> {
    let (base, math) = match text.strip_prefix("now") {
        Some(math) => (now, math),
        None => match text.split_once("||") {
            Some((date, math)) => (format.parse(date, false, zone)?, math),
            None => return format.parse(text, up, zone),
        },
    };
    let mut local = zone.to_local(base);
    let mut chars = math.chars().peekable();
    while let Some(operator) = chars.next() {
        let mut count = String::new();
        while let Some(digit) = chars.next_if(char::is_ascii_digit) {
            count.push(digit);
        }
        let unit = Unit::of_letter(chars.next()?)?;
        let count: i64 = if count.is_empty() { 1 } else { count.parse().ok()? };
        local = match operator {
            '+' => unit.add(local, count)?,
            '-' => unit.add(local, -count)?,
            '/' if up => unit.add(unit.floor(local), 1)? - 1,
            '/' => unit.floor(local),
            _ => return None,
        };
    }
    Some(zone.to_utc(local))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::date::render;

    #[test]
    fn math() {
        let now = DateFormat::default().parse("2013-03-31T10:20:30Z", false, &Zone::UTC).unwrap();
        let cases = [
            ("now", false, "2013-03-31T10:20:30.000Z"),
            ("now-1d/d", false, "2013-03-30T00:00:00.000Z"),
            ("now/M", true, "2013-03-31T23:59:59.999Z"),
            ("now-1M", false, "2013-02-28T10:20:30.000Z"),
            ("now/w", false, "2013-03-25T00:00:00.000Z"),
            ("2013-01-31||+1M/d", false, "2013-02-28T00:00:00.000Z"),
            ("now+1y-2h", false, "2014-03-31T08:20:30.000Z"),
        ];
        for (text, up, expected) in cases {
            let millis = parse_math(text, &DateFormat::default(), now, up, &Zone::UTC).unwrap();
            assert_eq!(render(millis), expected, "{text}");
        }
        assert_eq!(parse_math("now-1x", &DateFormat::default(), now, false, &Zone::UTC), None);
    }
}
