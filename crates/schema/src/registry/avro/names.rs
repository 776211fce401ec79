//! Where in an Avro definition something is wrong: the library says what, and this finds the place.

use crate::registry::words::{DataFormat, InvalidDefinition};
use serde_json::Value;

/// The types that need no definition.
const PRIMITIVES: [&str; 8] = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"];
/// The types that are objects with members of their own.
const COMPLEX: [&str; 6] = ["record", "error", "enum", "array", "map", "fixed"];

/// What can be said with its place before the library looks: members that are missing.
pub(super) fn check(value: &Value) -> Result<(), InvalidDefinition> {
    walk(value, "", &mut |value, at| {
        let Value::Object(object) = value else { return Ok(()) };
        let Some(Value::String(kind)) = object.get("type") else { return Ok(()) };
        let needs: &[&str] = match kind.as_str() {
            "record" | "error" => &["name", "fields"],
            "enum" => &["name", "symbols"],
            "fixed" => &["name", "size"],
            "array" => &["items"],
            "map" => &["values"],
            _ => &[],
        };
        match needs.iter().find(|need| !object.contains_key(**need)) {
            Some(need) => Err(invalid(at, format!("the {kind} has no \"{need}\""))),
            None => Ok(()),
        }
    })
}

/// The place that an error of the library speaks of: the first that names what the error names in quotes.
pub(super) fn place_of(value: &Value, error: &str) -> String {
    let mut place = String::new();
    let _ = walk(value, "", &mut |value, at| {
        let name = match value {
            Value::String(name) => Some(name.as_str()),
            Value::Object(object) => object.get("name").and_then(Value::as_str),
            _ => None,
        };
        let known = |name: &str| PRIMITIVES.contains(&name) || COMPLEX.contains(&name);
        match name {
            Some(name) if !name.is_empty() && !known(name) && names(error, name) => {
                place = at.to_owned();
                Err(invalid(at, String::new()))
            }
            _ => Ok(()),
        }
    });
    place
}

/// Whether a message has a name as a word of its own.
fn names(message: &str, name: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    message.match_indices(name).any(|(start, _)| {
        let before = message[..start].chars().next_back();
        let after = message[start + name.len()..].chars().next();
        !before.is_some_and(is_name) && !after.is_some_and(is_name)
    })
}

/// Visits every type of a definition with its path.
fn walk(
    value: &Value,
    at: &str,
    visit: &mut dyn FnMut(&Value, &str) -> Result<(), InvalidDefinition>,
) -> Result<(), InvalidDefinition> {
    if let Value::Array(branches) = value {
        return branches.iter().try_for_each(|branch| walk(branch, at, visit));
    }
    let own = match value.get("name").and_then(Value::as_str) {
        Some(name) if at.is_empty() => name.to_owned(),
        _ => at.to_owned(),
    };
    visit(value, &own)?;
    let Value::Object(object) = value else { return Ok(()) };
    for field in object.get("fields").and_then(Value::as_array).into_iter().flatten() {
        let name = field.get("name").and_then(Value::as_str).unwrap_or("(a field without a name)");
        let path = format!("{own}.{name}");
        match field.get("type") {
            Some(ty) => walk(ty, &path, visit)?,
            None => return Err(invalid(&path, "the field has no \"type\"".to_owned())),
        }
    }
    for member in ["items", "values"] {
        object.get(member).map_or(Ok(()), |inner| walk(inner, &format!("{own}[]"), visit))?;
    }
    match object.get("type") {
        Some(inner) if !inner.is_string() => walk(inner, &own, visit),
        _ => Ok(()),
    }
}

fn invalid(at: &str, reason: String) -> InvalidDefinition {
    InvalidDefinition { format: DataFormat::Avro, at: at.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::super::parse;

    #[test]
    fn errors_say_where() {
        let field = |field: &str| format!(r#"{{"type":"record","name":"Order","fields":[{field}]}}"#);
        let cases = [
            ("{\n  \"type\": }".to_owned(), "line 2"),
            (field(r#"{"name":"total"}"#), "Order.total"),
            (field(r#"{"name":"total","type":"monye"}"#), "Order.total"),
            (field(r#"{"name":"lines","type":{"type":"array"}}"#), "Order.lines"),
            (field(r#"{"name":"id","type":{"type":"fixed","name":"Id"}}"#), "Order.id"),
            (r#"{"type":"enum","name":"Suit"}"#.to_owned(), "Suit"),
        ];
        for (definition, place) in cases {
            let error = parse(&definition).unwrap_err();
            assert!(error.at.starts_with(place), "{definition}: {error:?}");
        }
    }

    #[test]
    fn what_the_specification_forbids_is_refused() {
        let field = |ty: &str| format!(r#"{{"type":"record","name":"A","fields":[{{"name":"f","type":{ty}}}]}}"#);
        let refused = [
            r#"["int","int"]"#,
            r#"[["int"]]"#,
            r#"{"type":"enum","name":"E","symbols":["A","A"]}"#,
            r#"{"type":"enum","name":"E","symbols":["A"],"default":"B"}"#,
            r#"{"type":"enum","name":"E","symbols":["1a"]}"#,
            r#"{"type":"record","name":"1a","fields":[]}"#,
            r#"{"type":"fixed","name":"F","size":-1}"#,
            r#"{"type":"nothing"}"#,
        ];
        for definition in refused {
            assert!(parse(definition).is_err(), "{definition}");
            assert!(parse(&field(definition)).is_err(), "{definition}");
        }
        let wrong_default = r#"{"type":"record","name":"A","fields":[{"name":"f","type":"int","default":"x"}]}"#;
        assert!(parse(wrong_default).is_err());
        let twice = r#"{"type":"record","name":"A","fields":[{"name":"f","type":"int"},{"name":"f","type":"int"}]}"#;
        assert!(parse(twice).is_err());
    }
}
