//! Mute rules: times in which alarms change their states and do nothing.
//!
//! ```text
//! schedule := cron(MINUTES HOURS DAY-OF-MONTH MONTH DAY-OF-WEEK) | at(yyyy-mm-ddThh:mm)
//! field    := * | part (, part)*          part := value | value-value, each with an optional /step; or */step
//! duration := ISO 8601, PT1M to P15D
//! ```
//! Source: the documentation of `PutAlarmMuteRule`. Days of the week are 0 to 7 (0 and 7 are Sunday) or SUN to SAT, months 1
//! to 12 or JAN to DEC. As in other crons, when both days are restricted either is enough.

use chrono::{DateTime, Datelike, NaiveDateTime, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use millrace_base::{Millis, Scope};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const MINUTE_MS: Millis = 60_000;
const DURATION_MAX_MS: Millis = 15 * 24 * 60 * MINUTE_MS;
const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// A mute rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MuteRule {
    /// Account and region.
    pub scope: Scope,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// The schedule as it was given.
    pub expression: String,
    /// For how long, as it was given.
    pub duration: String,
    /// Where its clock stands; UTC unless set.
    pub timezone: Option<String>,
    /// The alarms.
    pub alarms: Vec<String>,
    /// From when on it holds.
    pub start: Option<Millis>,
    /// Until when.
    pub expire: Option<Millis>,
    /// When it was last defined.
    pub updated: Millis,
    /// Tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// Whether a rule mutes now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MuteStatus {
    /// Later.
    Scheduled,
    /// Now.
    Active,
    /// Never again.
    Expired,
}

/// A schedule that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MuteSchedule {
    when: When,
    duration_ms: Millis,
    zone: Tz,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum When {
    At(NaiveDateTime),
    Cron(Box<Cron>),
}

/// The values of each field, as bits.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cron {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    any_day: bool,
    any_weekday: bool,
}

impl MuteRule {
    /// Its schedule, or why it cannot be understood.
    pub fn schedule(&self) -> Result<MuteSchedule, String> {
        MuteSchedule::parse(&self.expression, &self.duration, self.timezone.as_deref())
    }

    /// Whether it mutes at a moment.
    pub fn status(&self, now: Millis) -> MuteStatus {
        let Ok(schedule) = self.schedule() else { return MuteStatus::Expired };
        if self.expire.is_some_and(|expire| now >= expire) || schedule.is_over(now) {
            return MuteStatus::Expired;
        }
        let begun = self.start.is_none_or(|start| now >= start);
        if begun && schedule.is_active(now) { MuteStatus::Active } else { MuteStatus::Scheduled }
    }
}

impl MuteSchedule {
    /// Reads a schedule.
    pub fn parse(expression: &str, duration: &str, zone: Option<&str>) -> Result<Self, String> {
        let zone = zone.unwrap_or("UTC");
        let zone = zone.parse().map_err(|_| format!("'{zone}' is no time zone: write one such as Europe/London"))?;
        let duration_ms = duration_ms(duration)
            .filter(|millis| (MINUTE_MS..=DURATION_MAX_MS).contains(millis))
            .ok_or_else(|| format!("'{duration}' is no duration from PT1M to P15D, such as PT4H or P2DT12H"))?;
        let inside = |kind: &str| expression.trim().strip_prefix(kind)?.strip_prefix('(')?.strip_suffix(')');
        let when = if let Some(moment) = inside("at") {
            let read = |format| NaiveDateTime::parse_from_str(moment.trim(), format).ok();
            let moment = read("%Y-%m-%dT%H:%M").or_else(|| read("%Y-%m-%dT%H:%M:%S"));
            When::At(moment.ok_or_else(|| format!("'{expression}' is no moment: write at(2026-11-21T08:00)"))?)
        } else if let Some(fields) = inside("cron") {
            When::Cron(Box::new(Cron::parse(fields)?))
        } else {
            return Err(format!("'{expression}' is no schedule: write cron(0 2 * * SUN) or at(2026-11-21T08:00)"));
        };
        Ok(Self { when, duration_ms, zone })
    }

    /// Whether it began at most its duration ago.
    fn is_active(&self, now: Millis) -> bool {
        match &self.when {
            When::At(moment) => {
                self.of_local(*moment).is_some_and(|begin| (begin..begin + self.duration_ms).contains(&now))
            }
            When::Cron(cron) => {
                let last = now - now.rem_euclid(MINUTE_MS);
                let minutes = (0..).map(|minute| last - minute * MINUTE_MS);
                let mut minutes = minutes.take_while(|begin| begin + self.duration_ms > now);
                minutes.any(|begin| self.local(begin).is_some_and(|local| cron.matches(&local)))
            }
        }
    }

    fn is_over(&self, now: Millis) -> bool {
        match &self.when {
            When::At(moment) => self.of_local(*moment).is_none_or(|begin| begin + self.duration_ms <= now),
            When::Cron(_) => false,
        }
    }

    fn of_local(&self, moment: NaiveDateTime) -> Option<Millis> {
        self.zone.from_local_datetime(&moment).earliest().map(|moment| moment.timestamp_millis())
    }

    fn local(&self, moment: Millis) -> Option<DateTime<Tz>> {
        DateTime::<Utc>::from_timestamp_millis(moment).map(|moment| moment.with_timezone(&self.zone))
    }
}

impl Cron {
    fn parse(text: &str) -> Result<Self, String> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields[..] else {
            return Err(format!(
                "cron({text}) has {} fields: it needs minutes, hours, day, month and weekday",
                fields.len()
            ));
        };
        let field = |field: &str, range, names: &[&str], first| {
            bits(field, range, names, first).ok_or_else(|| format!("cron({text}): '{field}' cannot be read"))
        };
        let weekday_bits = field(weekdays, (0, 7), &DAYS, 0)?;
        Ok(Self {
            minutes: field(minutes, (0, 59), &[], 0)?,
            hours: field(hours, (0, 23), &[], 0)?,
            days: field(days, (1, 31), &[], 0)?,
            months: field(months, (1, 12), &MONTHS, 1)?,
            weekdays: weekday_bits | weekday_bits >> 7 & 1,
            any_day: matches!(days, "*" | "?"),
            any_weekday: matches!(weekdays, "*" | "?"),
        })
    }

    fn matches(&self, local: &DateTime<Tz>) -> bool {
        let has = |bits: u64, value: u32| bits >> value & 1 == 1;
        let day = has(self.days, local.day());
        let weekday = has(self.weekdays, local.weekday().num_days_from_sunday());
        let date = if self.any_day || self.any_weekday { day && weekday } else { day || weekday };
        date && has(self.minutes, local.minute()) && has(self.hours, local.hour()) && has(self.months, local.month())
    }
}

/// The values of a field as bits.
fn bits(field: &str, (low, high): (u32, u32), names: &[&str], first: u32) -> Option<u64> {
    let value = |text: &str| {
        let named = names.iter().position(|name| name.eq_ignore_ascii_case(text)).map(|place| place as u32 + first);
        named.or_else(|| text.parse().ok()).filter(|value| (low..=high).contains(value))
    };
    let mut bits = 0;
    for part in field.split(',') {
        let (range, step) = part.split_once('/').map_or((part, None), |(range, step)| (range, Some(step)));
        let step = step.map_or(Some(1), |step| step.parse::<u32>().ok().filter(|step| *step > 0))?;
        let (from, to) = match range {
            "*" | "?" => (low, high),
            range => match range.split_once('-') {
                Some((from, to)) => (value(from)?, value(to)?),
                None if part.contains('/') => (value(range)?, high),
                None => (value(range)?, value(range)?),
            },
        };
        (from..=to).step_by(step as usize).for_each(|value| bits |= 1 << value);
    }
    (bits != 0).then_some(bits)
}

/// `P2DT12H`, `PT90M`.
fn duration_ms(text: &str) -> Option<Millis> {
    let (date, time) = text.strip_prefix('P')?.split_once('T').unwrap_or((text.strip_prefix('P')?, ""));
    let mut total: Millis = 0;
    for (part, units) in [(date, &[('W', 7 * 1440), ('D', 1440)][..]), (time, &[('H', 60), ('M', 1)][..])] {
        let mut rest = part;
        while !rest.is_empty() {
            let end = rest.find(|c: char| !c.is_ascii_digit())?;
            let unit = rest[end..].chars().next()?;
            let minutes = units.iter().find(|(letter, _)| *letter == unit).map(|(_, minutes)| *minutes)?;
            let count = rest[..end].parse::<Millis>().ok().filter(|count| *count < 100_000)?;
            total += count * minutes * MINUTE_MS;
            rest = &rest[end + 1..];
        }
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Millis {
        DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis()
    }

    fn active(expression: &str, duration: &str, zone: &str, now: &str) -> bool {
        MuteSchedule::parse(expression, duration, Some(zone)).unwrap().is_active(at(now))
    }

    #[test]
    fn windows_open_and_close() {
        // 2026-11-22 is a Sunday.
        assert!(active("cron(0 2 * * SUN)", "PT4H", "UTC", "2026-11-22T02:00:00Z"));
        assert!(active("cron(0 2 * * 0)", "PT4H", "UTC", "2026-11-22T05:59:59Z"));
        assert!(active("cron(0 2 * * 7)", "PT4H", "UTC", "2026-11-22T05:59:59Z"));
        assert!(!active("cron(0 2 * * SUN)", "PT4H", "UTC", "2026-11-22T06:00:00Z"));
        assert!(!active("cron(0 2 * * SUN)", "PT4H", "UTC", "2026-11-23T02:00:00Z"));
        assert!(active("cron(0 18 * * FRI)", "P2DT12H", "America/New_York", "2026-11-22T12:00:00Z"));
        assert!(active("cron(*/15 9-17 1,22 NOV MON-FRI)", "PT1M", "UTC", "2026-11-22T09:45:30Z"));
        assert!(active("at(2026-11-22T08:00)", "PT1H", "Asia/Tokyo", "2026-11-21T23:30:00Z"));
        assert!(!active("at(2026-11-22T08:00)", "PT1H", "Asia/Tokyo", "2026-11-22T00:00:00Z"));
    }

    #[test]
    fn what_cannot_be_read_says_how_to_write_it() {
        let said = |expression, duration, zone| MuteSchedule::parse(expression, duration, Some(zone)).unwrap_err();
        assert!(said("every day", "PT1H", "UTC").contains("cron(0 2 * * SUN)"));
        assert!(said("cron(0 2 * *)", "PT1H", "UTC").contains("4 fields"));
        assert!(said("cron(60 2 * * *)", "PT1H", "UTC").contains("'60'"));
        for duration in ["PT30S", "P16D", "4H", "P", "PTH", "PT"] {
            assert!(said("cron(0 2 * * *)", duration, "UTC").contains("P15D"), "{duration}");
        }
        assert!(said("cron(0 2 * * *)", "PT1H", "Nowhere").contains("time zone"));
    }

    #[test]
    fn a_rule_is_scheduled_active_and_expired() {
        let rule = MuteRule {
            scope: Scope::default(),
            name: "r".to_owned(),
            description: None,
            expression: "at(2026-11-22T08:00)".to_owned(),
            duration: "PT1H".to_owned(),
            timezone: None,
            alarms: vec!["a".to_owned()],
            start: None,
            expire: None,
            updated: 0,
            tags: BTreeMap::new(),
        };
        let status = |now: &str| rule.status(at(now));
        assert_eq!(status("2026-11-22T07:59:00Z"), MuteStatus::Scheduled);
        assert_eq!(status("2026-11-22T08:59:00Z"), MuteStatus::Active);
        assert_eq!(status("2026-11-22T09:00:00Z"), MuteStatus::Expired);
        let expired = MuteRule { expire: Some(at("2026-11-22T08:10:00Z")), ..rule };
        assert_eq!(expired.status(at("2026-11-22T08:10:00Z")), MuteStatus::Expired);
    }
}
