//! JSON records, judged by `jsonschema`.
//!
//! It wants a tree, and most of what a tree costs is to build it. What a schema does not look at is therefore read, so that
//! all of a record must be JSON, but not kept: members that it does not name, and the inside of what is only to be, say, an
//! object. A record that does not conform so is judged once more as a whole, for the reason.

use crate::registry::json;
use jsonschema::Validator;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt::{self, Write};

/// How many errors of a record are told.
const ERRORS_SHOWN: usize = 3;
/// A value shown in an error is cut to this many characters.
const EXCERPT_CHARS: usize = 80;

/// A schema, ready to judge records.
#[derive(Debug)]
pub(super) struct Judge {
    validator: Validator,
    sight: Sight,
}

impl Judge {
    /// Compiles a definition.
    pub(super) fn new(definition: &str) -> Result<Self, String> {
        let json::Definition { root, draft } = json::parse(definition).map_err(|error| error.to_string())?;
        let sight = Sight::of(&root);
        let validator = jsonschema::options().with_draft(draft).offline().build(&root);
        Ok(Self { validator: validator.map_err(|error| error.to_string())?, sight })
    }

    /// Judges a record.
    pub(super) fn check(&self, payload: &[u8]) -> Result<(), String> {
        let Ok(text) = std::str::from_utf8(payload) else { return self.explain(payload) };
        let mut from = serde_json::Deserializer::from_str(text);
        let seen = self.sight.deserialize(&mut from).and_then(|seen| from.end().map(|()| seen));
        match seen {
            Ok(seen) if self.validator.is_valid(&seen) => Ok(()),
            _ => self.explain(payload),
        }
    }

    /// Judges a record with all that is in it.
    fn explain(&self, payload: &[u8]) -> Result<(), String> {
        let value: Value = serde_json::from_slice(payload).map_err(|error| format!("it is not JSON: {error}"))?;
        let mut reason = String::new();
        let mut errors = self.validator.iter_errors(&value);
        for error in errors.by_ref().take(ERRORS_SHOWN) {
            // A value may be a secret, and reasons stand in logs: they say where and what is wanted, not what came.
            let text = error.masked().to_string();
            let short: String = text.chars().take(2 * EXCERPT_CHARS).collect();
            let more = if short.len() < text.len() { "…" } else { "" };
            let place = error.instance_path().to_string();
            let separator = if reason.is_empty() { "" } else { "; " };
            let place = if place.is_empty() { String::new() } else { format!("at {place}: ") };
            // Writing to a text cannot fail.
            let _ = write!(reason, "{separator}{place}{short}{more}");
        }
        match errors.count() {
            0 => {}
            more => drop(write!(reason, "; and {more} more")),
        }
        if reason.is_empty() { Ok(()) } else { Err(reason) }
    }
}

/// What a schema looks at in a value, beside its type and, of a number, how much it is.
#[derive(Debug)]
enum Sight {
    /// Everything.
    Whole,
    /// Of a text nothing unless `texts`, of an object these members, of an array nothing.
    Parts { texts: bool, members: BTreeMap<String, Sight> },
}

/// Of a value that is only to be there, or to be of a type.
static NOTHING: Sight = Sight::Parts { texts: false, members: BTreeMap::new() };

impl Sight {
    /// Whatever else a schema says may look anywhere.
    fn of(schema: &Value) -> Self {
        let (mut texts, mut members) = (false, BTreeMap::new());
        for (word, said) in schema.as_object().into_iter().flatten() {
            match (word.as_str(), said) {
                ("type" | "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf", _) => {}
                ("$schema" | "$id" | "id" | "$comment" | "title" | "description" | "default" | "examples", _) => {}
                ("minLength" | "maxLength" | "pattern" | "format", _) => texts = true,
                ("properties", Value::Object(properties)) => {
                    members.extend(properties.iter().map(|(name, schema)| (name.clone(), Self::of(schema))));
                }
                ("required", Value::Array(names)) => {
                    for name in names.iter().filter_map(Value::as_str) {
                        members
                            .entry(name.to_owned())
                            .or_insert(Self::Parts { texts: false, members: BTreeMap::new() });
                    }
                }
                _ => return Self::Whole,
            }
        }
        Self::Parts { texts, members }
    }
}

impl<'de> DeserializeSeed<'de> for &Sight {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        match self {
            Sight::Whole => Value::deserialize(from),
            Sight::Parts { texts, members } => from.deserialize_any(Seen { texts: *texts, members }),
        }
    }
}

/// Makes what a schema looks at of a value.
struct Seen<'s> {
    texts: bool,
    members: &'s BTreeMap<String, Sight>,
}

impl<'de> Visitor<'de> for Seen<'_> {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Value, E> {
        Ok(truth.into())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(if self.texts { text.to_owned() } else { String::new() }))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        while items.next_element_seed(&NOTHING)?.is_some() {}
        Ok(Value::Array(Vec::new()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut seen = Map::with_capacity(self.members.len());
        while let Some(known) = members.next_key_seed(Name(self.members))? {
            match known {
                Some((name, sight)) => drop(seen.insert(name.clone(), members.next_value_seed(sight)?)),
                None => drop(members.next_value_seed(&NOTHING)?),
            }
        }
        Ok(Value::Object(seen))
    }
}

/// A member's name, and what is looked at in it; none when that is nothing.
struct Name<'s>(&'s BTreeMap<String, Sight>);

impl<'de, 's> DeserializeSeed<'de> for Name<'s> {
    type Value = Option<(&'s String, &'s Sight)>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_str(self)
    }
}

impl<'s> Visitor<'_> for Name<'s> {
    type Value = Option<(&'s String, &'s Sight)>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a member's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.get_key_value(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn records_are_validated() {
        let definition = r#"{"type": "object", "properties": {"id": {"type": "integer"}, "tags": {"items": {"type": "string"}}},
                             "required": ["id"]}"#;
        let judge = Judge::new(definition).unwrap();
        let reason = |payload: &str| judge.check(payload.as_bytes()).unwrap_err();
        assert_eq!(judge.check(br#"{"id": 1, "tags": ["a"]}"#), Ok(()));
        assert!(reason("{").contains("not JSON"), "{}", reason("{"));
        assert!(reason("{}").contains("\"id\" is a required property"), "{}", reason("{}"));
        let wrong = reason(r#"{"id": "x", "tags": ["a", 7]}"#);
        assert!(wrong.contains("at /id: ") && wrong.contains("at /tags/1: "), "{wrong}");
        assert!(!reason(r#"{"id": "4111111111111111"}"#).contains("4111"), "a value stands in the reason");
    }

    /// What the library says of a whole record is what is said of the part of it that the schema looks at.
    #[test]
    fn a_part_of_a_record_is_judged_as_the_whole() {
        let schemas = [
            json!(true),
            json!({"type": "object"}),
            json!({"required": ["a"], "properties": {"a": {"type": "string"}}}),
            json!({"required": ["z"], "properties": {"a": {"minLength": 2}}}),
            json!({"properties": {"a": {"type": "object", "required": ["b"], "properties": {"b": {"pattern": "^x"}}}}}),
            json!({"properties": {"a": {"minimum": 3, "type": "integer"}, "z": false}}),
            json!({"properties": {"a": {"enum": ["x", ["x"], {"b": 1}]}}}),
            json!({"properties": {"a": {"items": {"type": "string"}}, "z": {"maxLength": 0}}}),
            json!({"additionalProperties": false, "properties": {"a": {}}}),
            json!({"maxProperties": 1}),
            json!({"properties": {"a": {"$ref": "#/definitions/x"}}, "definitions": {"x": {"const": "x"}}}),
            json!({"format": "date-time"}),
        ];
        let values =
            [json!(null), json!("x"), json!("xy"), json!(2), json!(2.5), json!(3), json!(["x"]), json!([1, {}])];
        let objects = [json!({}), json!({"b": 1}), json!({"b": "xy"}), json!({"b": "y", "c": [1]})];
        let mut verdicts = [0, 0];
        for schema in schemas {
            let judge = Judge::new(&schema.to_string()).unwrap();
            for value in values.iter().chain(&objects) {
                for record in
                    [value.clone(), json!({"a": value}), json!({"a": "x", "z": value}), json!({"z": 1, "b": value})]
                {
                    let is_valid = judge.validator.is_valid(&record);
                    let seen = (&judge.sight).deserialize(&record).unwrap();
                    assert_eq!(judge.validator.is_valid(&seen), is_valid, "{record} by {schema}: {seen} is looked at");
                    assert_eq!(judge.check(record.to_string().as_bytes()).is_ok(), is_valid, "{record} by {schema}");
                    verdicts[usize::from(is_valid)] += 1;
                }
            }
        }
        assert!(verdicts.iter().all(|count| *count > 100), "{verdicts:?}");
    }

    #[test]
    fn what_is_not_looked_at_must_be_json_and_is_not_built() {
        let judge =
            Judge::new(r#"{"required": ["id"], "properties": {"id": {}, "chip": {"type": "object"}}}"#).unwrap();
        let seen = (&judge.sight).deserialize(&json!({"id": "x", "chip": {"9f26": "00"}, "more": [1]})).unwrap();
        assert_eq!(seen, json!({"id": "", "chip": {}}));
        for bad in
            [r#"{"id": 1, "x": "\ud800"}"#, r#"{"id": 1, "x": [1,]}"#, r#"{"id": 1} 2"#, r#"{"id": 1, "x": 1e999}"#]
        {
            assert!(judge.check(bad.as_bytes()).unwrap_err().contains("not JSON"), "{bad}");
        }
        assert!(judge.check(b"{\"id\": 1, \"x\": \"\xff\"}").unwrap_err().contains("not JSON"));
    }
}
