//! What a policy document that cannot be read is refused with.

use serde_json::Value;

/// A document that is no policy, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub String);

/// One text or a list of them; numbers and truth values are taken for what they are written as.
pub(super) fn texts(value: &Value, place: &str) -> Result<Vec<String>, Malformed> {
    let text = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(value) => Ok(value.to_string()),
        Value::Number(number) => Ok(number.to_string()),
        _ => Err(Malformed(format!("{place} must be a text or a list of texts."))),
    };
    match value {
        Value::Array(values) => values.iter().map(text).collect(),
        value => Ok(vec![text(value)?]),
    }
}
