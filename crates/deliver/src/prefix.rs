//! Prefixes with expressions: `orders/!{partitionKeyFromQuery:customer}/!{timestamp:yyyy/MM/dd}/`.

use crate::DeliverError;
use crate::javatime::Pattern;
use chrono::{DateTime, TimeZone};
use chrono_tz::Tz;
use std::collections::BTreeMap;

/// What AWS appends to a prefix without expressions.
const DEFAULT_TIMESTAMP: &str = "yyyy/MM/dd/HH/";

/// A prefix, ready to be evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Timestamp(Pattern),
    Key(PartitionKey),
    RandomString,
    ErrorType,
}

/// A key that splits records, by who finds it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PartitionKey {
    /// `!{partitionKeyFromQuery:…}`: the jq query.
    Query(String),
    /// `!{partitionKeyFromLambda:…}`: the function.
    Lambda(String),
}

impl PartitionKey {
    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Query(name) | Self::Lambda(name) => name,
        }
    }
}

/// What expressions stand for.
#[derive(Debug, Clone, Copy)]
pub struct Evaluation<'a> {
    /// When the oldest record arrived, milliseconds since 1970.
    pub oldest: i64,
    /// The zone of timestamps.
    pub zone: Tz,
    /// The partition keys that were found.
    pub keys: &'a BTreeMap<PartitionKey, String>,
    /// `!{firehose:random-string}`
    pub random: &'a str,
    /// `!{firehose:error-output-type}`, and whether this is about errors at all.
    pub error_type: Option<&'a str>,
}

impl Prefix {
    /// Reads a prefix.
    pub fn parse(text: &str) -> Result<Self, DeliverError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find("!{") {
            if at > 0 {
                parts.push(Part::Literal(rest[..at].to_owned()));
            }
            let body = &rest[at + 2..];
            let Some(end) = body.find('}') else {
                return Err(DeliverError::InvalidArgument(format!(
                    "The prefix '{text}' has an expression without its }}"
                )));
            };
            parts.push(Part::parse(&body[..end], text)?);
            rest = &body[end + 1..];
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.to_owned()));
        }
        Ok(Self { parts })
    }

    /// Whether there is any expression: then nothing is appended.
    pub fn has_expressions(&self) -> bool {
        self.parts.iter().any(|part| !matches!(part, Part::Literal(_)))
    }

    /// Whether `!{firehose:error-output-type}` is in it.
    pub fn uses_error_type(&self) -> bool {
        self.parts.contains(&Part::ErrorType)
    }

    /// The keys of `!{partitionKeyFromQuery:…}` and `!{partitionKeyFromLambda:…}`, in order, each once.
    pub fn partition_keys(&self) -> Vec<&PartitionKey> {
        let mut keys = Vec::new();
        for part in &self.parts {
            if let Part::Key(key) = part
                && !keys.contains(&key)
            {
                keys.push(key);
            }
        }
        keys
    }

    /// The prefix of an object. Without expressions the hour is appended, for errors after their type.
    pub fn evaluate(&self, evaluation: &Evaluation<'_>) -> String {
        let oldest = local_time(evaluation.oldest, evaluation.zone);
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(text) => out.push_str(text),
                Part::Timestamp(pattern) => pattern.print(&oldest, &mut out),
                Part::Key(key) => out.push_str(evaluation.keys.get(key).map_or("", String::as_str)),
                Part::RandomString => out.push_str(evaluation.random),
                Part::ErrorType => out.push_str(evaluation.error_type.unwrap_or("")),
            }
        }
        if !self.has_expressions() {
            if let Some(error_type) = evaluation.error_type {
                out.push_str(error_type);
                out.push('/');
            }
            if let Ok(pattern) = Pattern::parse(DEFAULT_TIMESTAMP) {
                pattern.print(&oldest, &mut out);
            }
        }
        out
    }
}

/// A point in time in a zone.
pub(crate) fn local_time(millis: i64, zone: Tz) -> DateTime<Tz> {
    let utc = DateTime::from_timestamp_millis(millis).unwrap_or_default();
    zone.from_utc_datetime(&utc.naive_utc())
}

impl Part {
    fn parse(expression: &str, whole: &str) -> Result<Self, DeliverError> {
        let refuse = |reason: &str| {
            Err(DeliverError::InvalidArgument(format!(
                "The expression !{{{expression}}} of the prefix '{whole}' {reason}"
            )))
        };
        let Some((namespace, value)) = expression.split_once(':') else {
            return refuse("has no namespace: write !{timestamp:…}, !{firehose:…} or !{partitionKeyFromQuery:…}");
        };
        match (namespace, value) {
            ("timestamp", pattern) => match Pattern::parse(pattern) {
                Ok(pattern) => Ok(Self::Timestamp(pattern)),
                Err(reason) => refuse(&format!("is no pattern of Java's DateTimeFormatter: {reason}")),
            },
            ("firehose", "random-string") => Ok(Self::RandomString),
            ("firehose", "error-output-type") => Ok(Self::ErrorType),
            ("firehose", _) => refuse("is neither random-string nor error-output-type"),
            ("partitionKeyFromQuery" | "partitionKeyFromLambda", "") => refuse("names no key"),
            ("partitionKeyFromQuery", key) => Ok(Self::Key(PartitionKey::Query(key.to_owned()))),
            ("partitionKeyFromLambda", key) => Ok(Self::Key(PartitionKey::Lambda(key.to_owned()))),
            _ => refuse(
                "is of no namespace that Firehose knows (timestamp, firehose, partitionKeyFromQuery, \
                 partitionKeyFromLambda)",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluate(prefix: &str, error_type: Option<&str>) -> String {
        let keys = [
            (PartitionKey::Query("c".to_owned()), "42".to_owned()),
            (PartitionKey::Lambda("c".to_owned()), "43".to_owned()),
        ]
        .into();
        let evaluation =
            Evaluation { oldest: 1_769_846_700_000, zone: Tz::UTC, keys: &keys, random: "abcdefghijk", error_type };
        Prefix::parse(prefix).unwrap().evaluate(&evaluation)
    }

    #[test]
    fn prefixes_follow_aws() {
        assert_eq!(evaluate("", None), "2026/01/31/08/");
        assert_eq!(evaluate("raw", None), "raw2026/01/31/08/");
        assert_eq!(evaluate("a/!{timestamp:yyyy-MM}/!{partitionKeyFromQuery:c}/", None), "a/2026-01/42/");
        assert_eq!(evaluate("!{partitionKeyFromLambda:c}/!{partitionKeyFromQuery:c}", None), "43/42");
        assert_eq!(evaluate("!{firehose:random-string}", None), "abcdefghijk");
        assert_eq!(evaluate("e/!{firehose:error-output-type}/x/", Some("processing-failed")), "e/processing-failed/x/");
        assert_eq!(evaluate("e/", Some("processing-failed")), "e/processing-failed/2026/01/31/08/");
    }

    #[test]
    fn mistakes_are_named() {
        for (prefix, reason) in [
            ("a!{timestamp:yyyy", "without its }"),
            ("!{time:yyyy}", "no namespace that Firehose knows"),
            ("!{timestamp:b}", "'b' is no pattern letter"),
            ("!{firehose:x}", "neither"),
        ] {
            let error = Prefix::parse(prefix).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}
