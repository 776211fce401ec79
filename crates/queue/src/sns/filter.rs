//! Filter policies: which of a topic's messages a subscription wants.
//!
//! The language is that of [event patterns](millrace_base::pattern). Over message attributes it has no nesting: an attribute
//! is a text, a number, or with the type `String.Array` a list of values. Over the message body it is whole.

use super::TopicError;
use crate::sqs::{AttributeValue, MessageAttribute};
use millrace_base::pattern::Pattern;
use serde_json::{Map, Value};

/// AWS's quotas.
const KEYS_MAX: usize = 5;
const COMBINATIONS_MAX: usize = 150;
const POLICY_BYTES_MAX: usize = 256 * 1024;

/// What a policy looks at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FilterPolicyScope {
    /// The attributes beside the message.
    #[default]
    MessageAttributes,
    /// The message, which has to be a JSON object.
    MessageBody,
}

impl FilterPolicyScope {
    /// AWS's word.
    pub fn parse(word: &str) -> Result<Self, TopicError> {
        match word {
            "" | "MessageAttributes" => Ok(Self::MessageAttributes),
            "MessageBody" => Ok(Self::MessageBody),
            other => Err(TopicError::invalid(format!(
                "FilterPolicyScope: Invalid value [{other}]. Please use either MessageBody or MessageAttributes"
            ))),
        }
    }
}

/// A subscription's compiled filter policy.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Filter {
    pattern: Pattern,
    scope: FilterPolicyScope,
}

impl Filter {
    /// `None` for a policy that wants everything: empty, or `{}`.
    pub(super) fn parse(text: &str, scope: FilterPolicyScope) -> Result<Option<Self>, TopicError> {
        if text.trim().is_empty() {
            return Ok(None);
        }
        if text.len() > POLICY_BYTES_MAX {
            return Err(wrong("Filter policy is too long"));
        }
        let policy: Value =
            serde_json::from_str(text).map_err(|error| wrong(format!("failed to parse JSON. {error}")))?;
        let pattern = Pattern::from_json(&policy).map_err(wrong)?;
        let fields = policy.as_object().ok_or_else(|| wrong("Filter is not an object"))?;
        if fields.is_empty() {
            return Ok(None);
        }
        let nested = |value: &Value| value.is_object();
        if scope == FilterPolicyScope::MessageAttributes && fields.values().any(nested) {
            return Err(wrong("Filter policy scope MessageAttributes does not support nested filter policy"));
        }
        if keys(&policy) > KEYS_MAX {
            return Err(wrong(format!("Filter policy can not have more than {KEYS_MAX} keys")));
        }
        if combinations(&policy, 1) > COMBINATIONS_MAX {
            return Err(wrong("Filter policy is too complex"));
        }
        Ok(Some(Self { pattern, scope }))
    }

    /// True when the subscription wants this message.
    pub(super) fn matches(&self, message: &str, attributes: &[MessageAttribute]) -> bool {
        match self.scope {
            // A message without attributes matches no policy, not even one for what is absent (SNS developer guide, "Key
            // matching").
            FilterPolicyScope::MessageAttributes => {
                !attributes.is_empty() && self.pattern.matches(&attributes_as_event(attributes))
            }
            FilterPolicyScope::MessageBody => {
                serde_json::from_str::<Value>(message).is_ok_and(|body| body.is_object() && self.pattern.matches(&body))
            }
        }
    }
}

/// Binary attributes are left out: a policy cannot ask for them.
fn attributes_as_event(attributes: &[MessageAttribute]) -> Value {
    let mut event = Map::new();
    for MessageAttribute { name, data_type, value } in attributes {
        let AttributeValue::Text(bytes) = value else { continue };
        let text = String::from_utf8_lossy(bytes);
        let value = match data_type.as_str() {
            "String.Array" => serde_json::from_str(&text).ok().filter(Value::is_array),
            "Number" => serde_json::from_str(text.trim()).ok().filter(Value::is_number),
            _ => None,
        };
        event.insert(name.clone(), value.unwrap_or_else(|| Value::String(text.into_owned())));
    }
    Value::Object(event)
}

/// The keys that hold tests, at any depth.
fn keys(policy: &Value) -> usize {
    let Some(fields) = policy.as_object() else { return 0 };
    let of_field = |(name, value): (&String, &Value)| match value {
        Value::Object(_) => keys(value),
        Value::Array(items) if name == "$or" => items.iter().map(keys).sum::<usize>().max(1),
        _ => 1,
    };
    fields.iter().map(of_field).sum()
}

/// The product over all keys of how many values there are, times how deep the key lies (SNS developer guide, "Filter policy
/// constraints").
fn combinations(policy: &Value, depth: usize) -> usize {
    let Some(fields) = policy.as_object() else { return 1 };
    let of_field = |(name, value): (&String, &Value)| match value {
        Value::Object(_) => combinations(value, depth + 1),
        Value::Array(items) if name == "$or" && items.iter().all(Value::is_object) => {
            items.iter().map(|item| combinations(item, depth)).fold(0, usize::saturating_add)
        }
        Value::Array(items) => items.len().saturating_mul(depth),
        _ => 1,
    };
    fields.iter().map(of_field).fold(1, usize::saturating_mul)
}

fn wrong(what: impl std::fmt::Display) -> TopicError {
    TopicError::invalid(format!("FilterPolicy: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn text(name: &str, data_type: &str, value: &'static str) -> MessageAttribute {
        let value = AttributeValue::Text(Bytes::from_static(value.as_bytes()));
        MessageAttribute { name: name.into(), data_type: data_type.into(), value }
    }

    fn by_attributes(policy: &str, attributes: &[MessageAttribute]) -> bool {
        let filter = Filter::parse(policy, FilterPolicyScope::MessageAttributes).unwrap();
        filter.is_none_or(|filter| filter.matches("", attributes))
    }

    #[test]
    fn attributes_have_the_type_that_they_say() {
        let one =
            [text("n", "Number", "3.0e2"), text("s", "String", "300"), text("l", "String.Array", r#"["a", 7, null]"#)];
        assert!(by_attributes(r#"{"n": [300]}"#, &one));
        assert!(by_attributes(r#"{"n": [{"numeric": [">", 299, "<", 301]}]}"#, &one));
        assert!(!by_attributes(r#"{"n": ["300"]}"#, &one));
        assert!(!by_attributes(r#"{"s": [300]}"#, &one));
        assert!(by_attributes(r#"{"s": ["300"]}"#, &one));
        assert!(by_attributes(r#"{"l": ["a"]}"#, &one) && by_attributes(r#"{"l": [7]}"#, &one));
        assert!(by_attributes(r#"{"l": [null]}"#, &one) && !by_attributes(r#"{"l": ["b"]}"#, &one));
        assert!(by_attributes(r#"{"x": [{"exists": false}]}"#, &one));
        assert!(!by_attributes(r#"{"n": [{"exists": false}]}"#, &one));
    }

    #[test]
    fn a_message_without_attributes_matches_nothing_but_no_policy() {
        assert!(!by_attributes(r#"{"x": [{"exists": false}]}"#, &[]));
        assert!(by_attributes("{}", &[]));
    }

    #[test]
    fn bodies_are_json_objects() {
        let filter = Filter::parse(r#"{"a": {"b": [1]}}"#, FilterPolicyScope::MessageBody).unwrap().unwrap();
        assert!(filter.matches(r#"{"a": {"b": 1}}"#, &[]));
        assert!(!filter.matches(r#"{"a": 1}"#, &[]));
        assert!(!filter.matches("a", &[]) && !filter.matches(r#"[{"a": {"b": 1}}]"#, &[]));
    }

    #[test]
    fn quotas_are_aws_s_own() {
        let refused = |policy: &str, scope| Filter::parse(policy, scope).unwrap_err().to_string();
        let (attributes, body) = (FilterPolicyScope::MessageAttributes, FilterPolicyScope::MessageBody);
        let six = r#"{"a": [1], "b": [1], "c": [1], "d": [1], "e": [1], "f": [1]}"#;
        assert_eq!(
            refused(six, attributes),
            "Invalid parameter: FilterPolicy: Filter policy can not have more than 5 keys"
        );
        // The developer guide's example: 4 values at depth 3, 3 at depth 2, 3 at depth 1 are 216.
        let deep = r#"{"a": {"b": {"c": [1, 2, 3, 4]}}, "d": {"e": [1, 2, 3]}, "f": [1, 2, 3]}"#;
        assert_eq!(refused(deep, body), "Invalid parameter: FilterPolicy: Filter policy is too complex");
        assert!(refused(r#"{"a": {"b": [1]}}"#, attributes).ends_with("does not support nested filter policy"));
        assert_eq!(refused(r#"{"a": []}"#, body), "Invalid parameter: FilterPolicy: Empty arrays are not allowed");
        assert!(refused("{", body).starts_with("Invalid parameter: FilterPolicy: failed to parse JSON."));
    }
}
