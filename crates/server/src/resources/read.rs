//! Reading typed properties, and the helpers that all adapters share.

use super::ports::PortError;
use millrace_stack::{Context, ResourceError};
use serde_json::Value;
use std::collections::BTreeMap;

/// The text at `path` (`A.B`), if it is there.
pub(super) fn text<'a>(properties: &'a Value, path: &str) -> Option<&'a str> {
    at(properties, path)?.as_str()
}

/// The value at `path`, if it is there.
pub(super) fn at<'a>(properties: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(properties, |value, part| value.get(part))
}

/// The switch at `path`, if it is there.
pub(super) fn flag(properties: &Value, path: &str) -> Option<bool> {
    match at(properties, path)? {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// The name that the template gives at `path`, else the generated one.
pub(super) fn name(ctx: &Context, properties: &Value, path: &str) -> String {
    text(properties, path).unwrap_or(&ctx.generated_name).to_owned()
}

/// Whether a value is a reference to a resource that does not exist yet.
pub(super) fn is_open(value: &Value) -> bool {
    let Some(members) = value.as_object().filter(|members| members.len() == 1) else { return false };
    members.keys().all(|key| key == "Ref" || key.starts_with("Fn::"))
}

/// Whether a reference to a resource that does not exist yet is anywhere in a value.
pub(super) fn has_open(value: &Value) -> bool {
    match value {
        Value::Object(members) => is_open(value) || members.values().any(has_open),
        Value::Array(items) => items.iter().any(has_open),
        _ => false,
    }
}

/// A value as the text that APIs take attributes in: a text as it is, everything else as JSON.
pub(super) fn as_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The texts of the list at `path`.
pub(super) fn texts_of<'a>(properties: &'a Value, path: &str) -> impl Iterator<Item = &'a str> {
    at(properties, path).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// `[{"Key": …, "Value": …}]` as a map.
pub(super) fn tags(value: Option<&Value>) -> BTreeMap<String, String> {
    let items = value.and_then(Value::as_array);
    let tag = |item: &Value| Some((text(item, "Key")?.to_owned(), item.get("Value").map(as_text)?));
    items.into_iter().flatten().filter_map(tag).collect()
}

/// The last `characters` of a generated name: its end is what makes it unique.
pub(super) fn tail(name: &str, characters: usize) -> String {
    name.chars().skip(name.chars().count().saturating_sub(characters)).collect()
}

/// A name that a resource outside of the stack has.
pub(super) fn taken(kind: &str, name: &str, property: &str) -> ResourceError {
    ResourceError::Exists(format!(
        "a {kind} named '{name}' exists already and is not of this stack: delete it, or give this one another {property}"
    ))
}

/// An object's members as texts, as Glue's `Parameters` are.
pub(super) fn texts(value: Option<&Value>) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let members = value.and_then(Value::as_object);
    members.into_iter().flatten().map(|(name, value)| (name.clone(), text(value))).collect()
}

/// A creation's outcome: what is there already is ours when an earlier deploy died while it made it.
pub(super) fn created(ctx: &Context, result: Result<(), PortError>) -> Result<(), ResourceError> {
    match result {
        Err(PortError::Exists(_)) if ctx.resuming => Ok(()),
        other => other.map_err(error),
    }
}

/// A removal's outcome: what is gone already is removed.
pub(super) fn deleted(result: Result<(), PortError>) -> Result<(), ResourceError> {
    match result {
        Err(PortError::Absent(_)) => Ok(()),
        other => other.map_err(error),
    }
}

/// A room's error as a resource's.
pub(super) fn error(error: PortError) -> ResourceError {
    match error {
        PortError::Exists(message) => ResourceError::Exists(message),
        PortError::Invalid(message) => ResourceError::property("", message),
        PortError::Absent(message) | PortError::Failed(message) => ResourceError::Failed(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn open_references_are_told_from_objects() {
        assert!(is_open(&json!({"Fn::GetAtt": ["A", "Arn"]})) && is_open(&json!({"Ref": "A"})));
        assert!(!is_open(&json!({"Reference": "A"})) && !is_open(&json!({})));
    }

    #[test]
    fn tags_become_a_map() {
        let given = json!([{"Key": "a", "Value": "x"}, {"Key": "b", "Value": 1}]);
        let expected = BTreeMap::from([("a".to_owned(), "x".to_owned()), ("b".to_owned(), "1".to_owned())]);
        assert_eq!(tags(Some(&given)), expected);
        assert_eq!(tail("stack-Queue-ABC", 3), "ABC");
        assert!(has_open(&json!({"a": [{"Ref": "B"}]})) && !has_open(&json!({"a": [{"b": 1, "Ref": 2}]})));
    }

    #[test]
    fn parameters_become_texts() {
        let expected = BTreeMap::from([("a".to_owned(), "x".to_owned()), ("b".to_owned(), "1".to_owned())]);
        assert_eq!(texts(Some(&json!({"a": "x", "b": 1}))), expected);
    }
}
