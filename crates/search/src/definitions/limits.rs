//! What an index is measured by: limits of its age, documents and bytes, as conditions of transitions and rollovers name them.

use super::allow;
use crate::error::Error;
use crate::index::parse_interval;
use millrace_base::Millis;
use serde_json::{Map, Value, json};

/// What limits ask about an index.
#[derive(Debug, Clone, Copy, Default)]
pub struct Figures {
    /// When it was created.
    pub created: Millis,
    /// Milliseconds since then.
    pub age_ms: i64,
    /// Its documents.
    pub docs: u64,
    /// Its bytes on disk.
    pub bytes: u64,
    /// Milliseconds since an alias was rolled over from it for the first time; none when none was.
    pub rolled_ms: Option<i64>,
    /// Whether its own rollover alias was rolled over from it.
    pub has_rolled: bool,
}

/// Members that are limits, with what they measure.
pub type Known = &'static [(&'static str, fn(&Value) -> Option<Measure>)];

/// What is measured, and from where on the limit is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Milliseconds since the creation.
    Age(i64),
    /// Milliseconds since a rollover.
    RolloverAge(i64),
    /// Documents.
    Docs(u64),
    /// Bytes.
    Bytes(u64),
}

impl Measure {
    /// Reads an age, `7d`.
    pub fn age(value: &Value) -> Option<Self> {
        interval(value).map(Self::Age)
    }

    /// Reads an age since a rollover, `7d`.
    pub fn rollover_age(value: &Value) -> Option<Self> {
        interval(value).map(Self::RolloverAge)
    }

    /// Reads a number of documents.
    pub fn docs(value: &Value) -> Option<Self> {
        value.as_u64().map(Self::Docs)
    }

    /// Reads a size, `50gb`.
    pub fn bytes(value: &Value) -> Option<Self> {
        value.as_str().and_then(parse_bytes).map(Self::Bytes)
    }

    fn is_reached(self, of: Figures) -> bool {
        match self {
            Self::Age(ms) => of.age_ms >= ms,
            Self::RolloverAge(ms) => of.rolled_ms.is_some_and(|rolled| rolled >= ms),
            Self::Docs(docs) => of.docs >= docs,
            Self::Bytes(bytes) => of.bytes >= bytes,
        }
    }

    /// As OpenSearch writes it: ages and sizes in their largest unit.
    fn text(self) -> String {
        match self {
            Self::Age(ms) | Self::RolloverAge(ms) => interval_text(ms),
            Self::Docs(docs) => docs.to_string(),
            Self::Bytes(bytes) => size_text(bytes),
        }
    }

    /// The limit beside what the index has of it.
    fn explained(self, of: Figures) -> Value {
        match self {
            Self::Age(_) => {
                json!({"condition": self.text(), "current": interval_text(of.age_ms), "creationDate": of.created})
            }
            Self::RolloverAge(_) => json!({"condition": self.text(), "current": of.rolled_ms.map(interval_text)}),
            Self::Docs(docs) => json!({"condition": docs, "current": of.docs}),
            Self::Bytes(_) => json!({"condition": self.text(), "current": size_text(of.bytes)}),
        }
    }
}

/// Limits under the names that they were given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits(Vec<(&'static str, Measure)>);

impl Limits {
    /// Reads an object of limits; none when it is null. `what` they are is told with what is wrong.
    pub fn read(value: &Value, known: Known, what: &str) -> Result<Self, Error> {
        if value.is_null() {
            return Ok(Self::default());
        }
        allow(value, &known.iter().map(|(name, _)| *name).collect::<Vec<_>>(), what)?;
        let given = known.iter().filter_map(|(name, read)| Some((*name, read, value.get(*name)?)));
        let read = |(name, read, value): (_, &fn(&Value) -> Option<Measure>, &Value)| match read(value) {
            Some(measure) => Ok((name, measure)),
            None => Err(Error::illegal_argument(format!("[{name}] of {what} cannot be read: [{value}]"))),
        };
        Ok(Self(given.map(read).collect::<Result<_, _>>()?))
    }

    /// A limit that every index has reached, by its name.
    pub fn pointless(&self) -> Option<&'static str> {
        let zero = |measure: &Measure| matches!(measure, Measure::Docs(0) | Measure::Bytes(0));
        self.0.iter().find(|(_, measure)| zero(measure)).map(|(name, _)| *name)
    }

    /// Whether an index has reached all of them.
    pub fn all(&self, of: Figures) -> bool {
        self.0.iter().all(|(_, measure)| measure.is_reached(of))
    }

    /// Whether an index has reached one of them, or there are none.
    pub fn any(&self, of: Figures) -> bool {
        self.0.is_empty() || self.0.iter().any(|(_, measure)| measure.is_reached(of))
    }

    /// `{"[max_docs: 1000]": true}`: which of them an index has reached.
    pub fn results(&self, of: Figures) -> Value {
        let result = |(name, measure): &(&str, Measure)| {
            (format!("[{name}: {}]", measure.text()), json!(measure.is_reached(of)))
        };
        self.0.iter().map(result).collect::<Map<_, _>>().into()
    }

    /// `{"min_doc_count": {"condition": 1000, "current": 7}}`.
    pub fn explained(&self, of: Figures) -> Value {
        let one = |(name, measure): &(&str, Measure)| ((*name).to_owned(), measure.explained(of));
        self.0.iter().map(one).collect::<Map<_, _>>().into()
    }
}

fn interval(value: &Value) -> Option<i64> {
    value.as_str().and_then(parse_interval).filter(|interval| *interval >= 0)
}

/// `50gb`, `10mb`, `7b`.
fn parse_bytes(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let shift = match text[digits..].to_ascii_lowercase().as_str() {
        "b" => 0,
        "kb" => 10,
        "mb" => 20,
        "gb" => 30,
        "tb" => 40,
        _ => return None,
    };
    text[..digits].parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// A size as OpenSearch writes it, `5.2kb`: in its largest unit, one digit behind the point, cut off.
pub fn size_text(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes}b"),
        1024..1_048_576 => fraction(bytes as f64 / 1024.0, "kb"),
        1_048_576..1_073_741_824 => fraction(bytes as f64 / 1_048_576.0, "mb"),
        _ => fraction(bytes as f64 / 1_073_741_824.0, "gb"),
    }
}

/// A time as OpenSearch writes it, `1.5h`.
fn interval_text(ms: i64) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s")];
    match units.into_iter().find(|(unit, _)| ms >= *unit) {
        Some((unit, name)) => fraction(ms as f64 / unit as f64, name),
        None => format!("{ms}ms"),
    }
}

fn fraction(number: f64, unit: &str) -> String {
    let text = format!("{:.1}", (number * 10.0).floor() / 10.0);
    format!("{}{unit}", text.strip_suffix(".0").unwrap_or(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: Known = &[("max_age", Measure::age), ("max_docs", Measure::docs), ("max_size", Measure::bytes)];

    #[test]
    fn limits_are_read_and_shown() {
        let limits = Limits::read(&json!({"max_age": "36h", "max_docs": 5, "max_size": "1024kb"}), KNOWN, "x").unwrap();
        let of = Figures { age_ms: 3_600_000, docs: 5, bytes: 1000, ..Figures::default() };
        let results = json!({"[max_age: 1.5d]": false, "[max_docs: 5]": true, "[max_size: 1mb]": false});
        assert_eq!(limits.results(of), results);
        assert!(limits.any(of) && !limits.all(of));
        assert_eq!(
            limits.explained(of),
            json!({
                "max_age": {"condition": "1.5d", "current": "1h", "creationDate": 0},
                "max_docs": {"condition": 5, "current": 5},
                "max_size": {"condition": "1mb", "current": "1000b"},
            })
        );
        for wrong in [json!({"max_age": "soon"}), json!({"max_docs": "5"}), json!({"max_size": "5"}), json!({"max": 1})]
        {
            assert!(Limits::read(&wrong, KNOWN, "x").is_err(), "{wrong}");
        }
    }

    #[test]
    fn none_at_all_is_reached() {
        let none = Limits::read(&Value::Null, KNOWN, "x").unwrap();
        assert!(none.any(Figures::default()) && none.all(Figures::default()));
    }
}
