//! What differs between two definitions, as a JSON Patch (RFC 6902) from the first to the second.
//!
//! Definitions in JSON are compared as documents. A Protobuf definition is compared as the list of its lines.

use super::DataFormat;
use serde_json::{Value, json};

/// The patch that makes `second` of `first`; `[]` when they say the same.
pub fn diff(format: DataFormat, first: &str, second: &str) -> String {
    let document = |text: &str| match format {
        DataFormat::Avro | DataFormat::Json => {
            serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
        }
        DataFormat::Protobuf => text.lines().map(str::trim_end).collect(),
    };
    let mut steps = Vec::new();
    compare("", &document(first), &document(second), &mut steps);
    Value::Array(steps).to_string()
}

fn compare(path: &str, first: &Value, second: &Value, steps: &mut Vec<Value>) {
    match (first, second) {
        _ if first == second => {}
        (Value::Object(before), Value::Object(after)) => {
            for name in before.keys().filter(|name| !after.contains_key(*name)) {
                steps.push(json!({"op": "remove", "path": below(path, name)}));
            }
            for (name, value) in after {
                match before.get(name) {
                    Some(old) => compare(&below(path, name), old, value, steps),
                    None => steps.push(json!({"op": "add", "path": below(path, name), "value": value})),
                }
            }
        }
        (Value::Array(before), Value::Array(after)) => items(path, before, after, steps),
        _ => steps.push(json!({"op": "replace", "path": path, "value": second})),
    }
}

/// Leaves what is the same at both ends, changes what lies between pair by pair, removes or adds the rest.
fn items(path: &str, before: &[Value], after: &[Value], steps: &mut Vec<Value>) {
    let start = before.iter().zip(after).take_while(|(old, new)| old == new).count();
    let (before, after) = (&before[start..], &after[start..]);
    let end = before.iter().rev().zip(after.iter().rev()).take_while(|(old, new)| old == new).count();
    let (before, after) = (&before[..before.len() - end], &after[..after.len() - end]);
    let pairs = before.len().min(after.len());
    for (index, (old, new)) in before.iter().zip(after).enumerate() {
        compare(&format!("{path}/{}", start + index), old, new, steps);
    }
    for index in (pairs..before.len()).rev() {
        steps.push(json!({"op": "remove", "path": format!("{path}/{}", start + index)}));
    }
    for (index, value) in after.iter().enumerate().skip(pairs) {
        steps.push(json!({"op": "add", "path": format!("{path}/{}", start + index), "value": value}));
    }
}

/// The JSON pointer of a member.
fn below(path: &str, name: &str) -> String {
    format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patch(first: &str, second: &str) -> Value {
        serde_json::from_str(&diff(DataFormat::Json, first, second)).unwrap()
    }

    #[test]
    fn a_patch_names_what_was_added_removed_and_replaced() {
        let first = r#"{"name": "A", "doc": "x", "fields": [{"n": 1}, {"n": 2}, {"n": 3}]}"#;
        let second = r#"{"name": "B", "fields": [{"n": 1}, {"n": 9}, {"n": 2}, {"n": 3}], "a/b": 0}"#;
        let expected = json!([
            {"op": "remove", "path": "/doc"},
            {"op": "replace", "path": "/name", "value": "B"},
            {"op": "add", "path": "/fields/1", "value": {"n": 9}},
            {"op": "add", "path": "/a~1b", "value": 0},
        ]);
        assert_eq!(patch(first, second), expected);
        assert_eq!(
            patch("[1,2,3,4]", "[1,5,4]"),
            json!([
                {"op": "replace", "path": "/1", "value": 5},
                {"op": "remove", "path": "/2"},
            ])
        );
        assert_eq!(diff(DataFormat::Json, "[1, 2]", "[1,2]"), "[]");
    }

    #[test]
    fn protobuf_is_compared_line_by_line() {
        let first = "message A {\n  string x = 1;\n}\n";
        let second = "message A {\n  string x = 1;\n  string y = 2;\n}\n";
        let patch: Value = serde_json::from_str(&diff(DataFormat::Protobuf, first, second)).unwrap();
        assert_eq!(patch, json!([{"op": "add", "path": "/2", "value": "  string y = 2;"}]));
    }
}
