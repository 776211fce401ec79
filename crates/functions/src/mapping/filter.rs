//! Filter criteria: which records and messages a function sees at all.
//!
//! A pattern on `data` (Kinesis) or `body` (SQS) looks into JSON objects and compares everything else as plain text, so a
//! record that is no JSON does not match a pattern of JSON fields and is dropped, as AWS documents. Several filters are
//! alternatives; none lets everything pass.

use super::MappingError;
use super::definition::FilterCriteria;
use super::ports::QueueMessage;
use base64_simd::STANDARD;
use millrace_base::Millis;
use millrace_base::pattern::Pattern;
use serde_json::{Map, Value, json};

/// AWS's quota: 5 by default, 10 on request. Ours is the greater.
const FILTERS_MAX: usize = 10;
/// AWS's ceiling for one pattern.
const PATTERN_CHARS_MAX: usize = 4096;

/// Compiled filter criteria.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Filters(Vec<Pattern>);

/// What is asked whether it passes.
pub(crate) enum Subject<'a> {
    /// A record of a stream.
    Record { data: &'a [u8], partition_key: &'a [u8], sequence: String, arrival: Millis },
    /// A message of a queue.
    Message(&'a QueueMessage),
}

impl Filters {
    /// Compiles the criteria of a definition.
    pub(crate) fn parse(criteria: &FilterCriteria) -> Result<Self, MappingError> {
        if criteria.filters.len() > FILTERS_MAX {
            return Err(MappingError::invalid(format!(
                "FilterCriteria has {} filters, at most {FILTERS_MAX} are possible.",
                criteria.filters.len()
            )));
        }
        let compile = |filter: &super::definition::Filter| {
            let text = filter.pattern.as_deref().unwrap_or("");
            let pattern = (text.len() <= PATTERN_CHARS_MAX).then(|| Pattern::parse(text));
            pattern.and_then(Result::ok).ok_or_else(|| MappingError::invalid("Invalid filter pattern definition."))
        };
        Ok(Self(criteria.filters.iter().map(compile).collect::<Result<_, _>>()?))
    }

    /// True when everything passes.
    pub(crate) fn is_open(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the function is to see it.
    pub(crate) fn accepts(&self, subject: &Subject<'_>) -> bool {
        if self.is_open() {
            return true;
        }
        let event = subject.event();
        self.0.iter().any(|pattern| pattern.matches(&event))
    }
}

impl Subject<'_> {
    /// The fields that a pattern can name.
    fn event(&self) -> Value {
        match self {
            Self::Record { data, partition_key, sequence, arrival } => {
                let mut event = json!({
                    "kinesisSchemaVersion": "1.0",
                    "partitionKey": String::from_utf8_lossy(partition_key),
                    "sequenceNumber": sequence,
                    "approximateArrivalTimestamp": *arrival as f64 / 1000.0,
                    "eventSource": "aws:kinesis",
                    "eventName": "aws:kinesis:record",
                });
                event["data"] = content(data);
                event
            }
            Self::Message(message) => json!({
                "messageId": message.message_id,
                "body": content(message.body.as_bytes()),
                "attributes": message.attributes.iter().map(|(name, value)| (name.clone(), json!(value))).collect::<Map<_, _>>(),
                "messageAttributes": attributes(message),
                "md5OfBody": message.md5_of_body,
                "eventSource": "aws:sqs",
            }),
        }
    }
}

fn attributes(message: &QueueMessage) -> Map<String, Value> {
    let shown = message.message_attributes.iter().map(|(name, attribute)| {
        let mut value = json!({ "dataType": attribute.data_type });
        if let Some(text) = &attribute.string_value {
            value["stringValue"] = json!(text);
        }
        if let Some(bytes) = &attribute.binary_value {
            value["binaryValue"] = json!(STANDARD.encode_to_string(bytes));
        }
        (name.clone(), value)
    });
    shown.collect()
}

/// A JSON object as one, everything else as text; what is neither matches no pattern.
fn content(bytes: &[u8]) -> Value {
    match serde_json::from_slice(bytes) {
        Ok(object @ Value::Object(_)) => object,
        _ => std::str::from_utf8(bytes).map_or(Value::Null, |text| Value::String(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::definition::Filter;

    fn passes(pattern: &str, data: &[u8], key: &str) -> bool {
        let filter = Filter { pattern: Some(pattern.to_owned()) };
        let filters = Filters::parse(&FilterCriteria { filters: vec![filter] }).unwrap();
        let sequence = "49".to_owned();
        filters.accepts(&Subject::Record { data, partition_key: key.as_bytes(), sequence, arrival: 0 })
    }

    #[test]
    fn patterns_look_into_data_and_beside_it() {
        assert!(passes(r#"{"data": {"temperature": [{"numeric": [">", 30]}]}}"#, br#"{"temperature": 31}"#, "a"));
        assert!(!passes(r#"{"data": {"temperature": [{"numeric": [">", 30]}]}}"#, br#"{"temperature": 29}"#, "a"));
        assert!(passes(r#"{"partitionKey": ["a"]}"#, b"\xff", "a"));
        assert!(!passes(r#"{"partitionKey": ["a"]}"#, b"{}", "b"));
        assert!(passes(r#"{"data": ["plain"]}"#, b"plain", "a"));
    }

    #[test]
    fn what_is_no_json_does_not_match_a_pattern_of_fields() {
        for data in [&b"plain"[..], b"7", b"[1]", b"\xff\xfe", b"", b"{"] {
            assert!(!passes(r#"{"data": {"a": [1]}}"#, data, "a"), "{data:?}");
        }
        assert!(!passes(r#"{"data": ["plain"]}"#, br#"{"a": 1}"#, "a"));
    }

    #[test]
    fn a_wrong_pattern_is_refused_in_awss_words() {
        for pattern in ["", "{", "[]", r#"{"data": 7}"#, r#"{"data": {"a": [{"no-such-test": 1}]}}"#] {
            let criteria = FilterCriteria { filters: vec![Filter { pattern: Some(pattern.to_owned()) }] };
            let error = Filters::parse(&criteria).unwrap_err().to_string();
            assert_eq!(error, "Invalid filter pattern definition.", "{pattern}");
        }
    }
}
