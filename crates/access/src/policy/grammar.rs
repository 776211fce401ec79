//! The form of policy documents, below what the elements mean. What is not known is refused, never skipped: a misspelt
//! `Condition` that nobody looks at would permit more than its writer meant.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fmt;

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

/// IAM's words for whatever is not of the language, with what it is.
pub(super) fn syntax(detail: &str) -> Malformed {
    Malformed(format!("Syntax errors in policy. {detail}").trim_end().to_owned())
}

/// A document's JSON; an object that has a key twice is refused, since only one of its values would count.
pub(super) fn json(document: &str) -> Result<Value, Malformed> {
    let read = serde_json::from_str(document).map_err(|_| Malformed("This policy contains invalid Json".to_owned()))?;
    serde_json::from_str::<Unique>(document).map_err(|error| syntax(&error.to_string()))?;
    Ok(read)
}

/// Refuses members of an object that are none of `known`.
pub(super) fn only(object: &Map<String, Value>, known: &[&str], what: &str) -> Result<(), Malformed> {
    match object.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(syntax(&format!("{what} has no element \"{key}\"; it has {}.", known.join(", ")))),
        None => Ok(()),
    }
}

/// JSON of which it is only looked at whether each object's keys differ.
struct Unique;

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Unique {
    type Value = Self;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("JSON")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E: Error>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self, A::Error> {
        while seq.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut keys = BTreeSet::new();
        while let Some(key) = map.next_key::<String>()? {
            map.next_value::<Self>()?;
            if keys.contains(&key) {
                return Err(A::Error::custom(format!("An object has \"{key}\" twice:")));
            }
            keys.insert(key);
        }
        Ok(self)
    }
}
