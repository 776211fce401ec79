//! `SET`: the settings that exist, and what they mean to a job.

use crate::bind::{Object, Objects};
use crate::error::SqlError;
use crate::plan::PlanSettings;
use crate::tree::Text;
use millrace_base::did_you_mean;
use millrace_process::graph::JobSettings;
use std::collections::BTreeMap;

/// The settings that can be set, with what they do.
pub const SETTINGS: [(&str, &str); 12] = [
    ("pipeline.name", "the job's name"),
    ("parallelism.default", "how many subtasks read and pre-aggregate a source; default 1"),
    ("table.local-time-zone", "the zone in which TIMESTAMP_LTZ is shown, an IANA name; default UTC"),
    ("execution.checkpointing.interval", "how often a streaming job commits, as '10 s'; default 1 s"),
    (
        "table.exec.source.idle-timeout",
        "after this long without a record a source split holds no watermark back; default never",
    ),
    ("pipeline.auto-watermark-interval", "how far event time moves between watermarks; default 200 ms"),
    ("execution.runtime-mode", "streaming"),
    (ALLOW_LATENESS, "how long after its end GROUP BY TUMBLE(…) takes late rows, when late-fire is enabled; default 0"),
    (LATE_FIRE, "whether a late row that is allowed updates its window; default false"),
    ("table.exec.emit.late-fire.delay", "0 s: at once"),
    ("table.exec.state.ttl", "0 ms: state is kept"),
    ("table.exec.late-events.sink", "a declared table that gets every row that a window drops as late (Millrace only)"),
];

const ALLOW_LATENESS: &str = "table.exec.emit.allow-lateness";
const LATE_FIRE: &str = "table.exec.emit.late-fire.enabled";

/// What was `SET`, in text and checked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    values: BTreeMap<String, String>,
}

impl Settings {
    /// What was set, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// `SET 'key' = 'value'`
    pub fn set(&mut self, key: &Text, value: &Text, objects: &Objects) -> Result<(), SqlError> {
        check_known(key)?;
        check_value(key, value, objects)?;
        self.values.insert(key.value.clone(), value.value.clone());
        Ok(())
    }

    /// `RESET 'key'`, `RESET`
    pub fn reset(&mut self, key: Option<&Text>) -> Result<(), SqlError> {
        match key {
            Some(key) => {
                check_known(key)?;
                self.values.remove(&key.value);
            }
            None => self.values.clear(),
        }
        Ok(())
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str)
    }

    fn duration(&self, key: &str) -> Option<i64> {
        self.get(key).and_then(duration_ms)
    }

    /// `table.exec.emit.allow-lateness`, which Flink heeds only when late rows fire.
    pub fn allowed_lateness_ms(&self) -> i64 {
        if self.get(LATE_FIRE) != Some("true") {
            return 0;
        }
        self.duration(ALLOW_LATENESS).unwrap_or(0)
    }

    /// What a person should know after setting `key`.
    pub fn remark(&self, key: &str) -> Option<String> {
        let asleep = key == ALLOW_LATENESS && self.get(LATE_FIRE) != Some("true");
        asleep.then(|| format!("As in Flink it takes effect with SET '{LATE_FIRE}' = 'true'."))
    }

    /// What planning needs.
    pub fn plan(&self, objects: &Objects) -> PlanSettings {
        let late_sink = self.get("table.exec.late-events.sink").and_then(|name| match objects.by_name.get(name) {
            Some(Object::Table(table)) => Some(table.clone()),
            _ => None,
        });
        let idle_timeout_ms = self.duration("table.exec.source.idle-timeout").filter(|millis| *millis > 0);
        PlanSettings { idle_timeout_ms, late_sink }
    }

    /// What running needs; `name` is the job's when none was set.
    pub fn job(&self, name: &str) -> JobSettings {
        let default = JobSettings::default();
        JobSettings {
            name: self.get("pipeline.name").unwrap_or(name).to_owned(),
            parallelism: self
                .get("parallelism.default")
                .and_then(|text| text.parse().ok())
                .unwrap_or(default.parallelism),
            time_zone: self.get("table.local-time-zone").map_or(default.time_zone, str::to_owned),
            auto_watermark_interval_ms: self
                .duration("pipeline.auto-watermark-interval")
                .unwrap_or(default.auto_watermark_interval_ms),
            checkpoint_interval_ms: self
                .duration("execution.checkpointing.interval")
                .or(default.checkpoint_interval_ms),
        }
    }
}

fn check_known(key: &Text) -> Result<(), SqlError> {
    if SETTINGS.iter().any(|(known, _)| *known == key.value) {
        return Ok(());
    }
    let names = || SETTINGS.iter().map(|(known, _)| *known);
    let help = did_you_mean(&key.value, names());
    let listed = format!("there are {}", names().collect::<Vec<_>>().join(", "));
    Err(SqlError::invalid(key.span, format!("there is no setting '{}'", key.value)).help_with(help.or(Some(listed))))
}

fn check_value(key: &Text, value: &Text, objects: &Objects) -> Result<(), SqlError> {
    let text = value.value.as_str();
    let wrong =
        |wanted: &str| Err(SqlError::invalid(value.span, format!("'{}' takes {wanted}, not '{text}'", key.value)));
    match key.value.as_str() {
        "parallelism.default" => match text.parse::<usize>() {
            Ok(1..=1024) => Ok(()),
            _ => wrong("a number from 1 to 1024"),
        },
        "execution.runtime-mode" => match text.to_ascii_lowercase().as_str() {
            "streaming" => Ok(()),
            "batch" | "automatic" => Err(SqlError::not_supported(value.span, format!("the runtime mode {text}"))
                .help("streaming mode reads bounded inputs to their end too")),
            _ => wrong("streaming"),
        },
        "table.local-time-zone" if text.parse::<chrono_tz::Tz>().is_ok() => Ok(()),
        "table.local-time-zone" => wrong("an IANA zone such as UTC or Europe/Berlin"),
        "pipeline.name" => Ok(()),
        "table.exec.late-events.sink" => match objects.by_name.get(text) {
            Some(Object::Table(_)) => Ok(()),
            _ => {
                let help = did_you_mean(text, objects.by_name.keys().map(String::as_str));
                Err(SqlError::invalid(value.span, format!("there is no table '{text}' for late events"))
                    .help_with(help.or_else(|| Some("CREATE TABLE it before this SET".to_owned()))))
            }
        },
        LATE_FIRE => match text {
            "true" | "false" => Ok(()),
            _ => wrong("true or false"),
        },
        "table.exec.emit.late-fire.delay" => match duration_ms(text) {
            Some(0) => Ok(()),
            Some(_) => {
                Err(SqlError::not_supported(value.span, "a delay of late firing").help("late rows fire at once: '0 s'"))
            }
            None => wrong("a duration such as '0 s'"),
        },
        "table.exec.state.ttl" => match duration_ms(text) {
            Some(0) => Ok(()),
            Some(_) => {
                Err(SqlError::not_supported(value.span, "a time to live of state").help("state is kept: '0 ms'"))
            }
            None => wrong("a duration such as '0 ms'"),
        },
        _ if duration_ms(text).is_some() => Ok(()),
        _ => wrong("a duration such as '10 s', '200 ms' or '1 min'"),
    }
}

/// Flink's durations: a number and a unit, milliseconds without one.
pub(crate) fn duration_ms(text: &str) -> Option<i64> {
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let number: i64 = text[..digits].parse().ok()?;
    let size = match text[digits..].trim().to_ascii_lowercase().as_str() {
        "" | "ms" | "milli" | "millis" | "millisecond" | "milliseconds" => 1,
        "s" | "sec" | "secs" | "second" | "seconds" => 1_000,
        "m" | "min" | "mins" | "minute" | "minutes" => 60_000,
        "h" | "hour" | "hours" => 3_600_000,
        "d" | "day" | "days" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_as_flink_writes_them() {
        assert_eq!(duration_ms("10 s"), Some(10_000));
        assert_eq!(duration_ms("200ms"), Some(200));
        assert_eq!(duration_ms("1 min"), Some(60_000));
        assert_eq!(duration_ms("500"), Some(500));
        assert_eq!(duration_ms("soon"), None);
    }
}
