//! When two definitions are the same: what the registry compares is neither white space nor the order of a JSON object's
//! members, nor a Protobuf file's comments.

use super::DataFormat;
use serde_json::Value;
use std::collections::BTreeMap;
use uuid::Uuid;

/// What the fingerprints of definitions are told from other UUIDs by.
const NAMESPACE: Uuid = Uuid::from_u128(0x6d1f_27aa_2f0e_4b8c_9d53_51f6_0a4e_77c1);

/// A digest of a definition's canonical form: the same for definitions that say the same in other spacing.
pub(super) fn fingerprint(format: DataFormat, definition: &str) -> Uuid {
    Uuid::new_v5(&NAMESPACE, canonical(format, definition).as_bytes())
}

fn canonical(format: DataFormat, definition: &str) -> String {
    match format {
        DataFormat::Avro | DataFormat::Json => match serde_json::from_str(definition) {
            Ok(value) => sorted(value).to_string(),
            Err(_) => definition.trim().to_owned(),
        },
        DataFormat::Protobuf => words(definition),
    }
}

/// The value with the members of its objects in order of their names.
fn sorted(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        Value::Object(members) => {
            let members: BTreeMap<String, Value> =
                members.into_iter().map(|(name, value)| (name, sorted(value))).collect();
            Value::Object(members.into_iter().collect())
        }
        other => other,
    }
}

/// A Protobuf file's words and signs, one space apart, without comments.
fn words(definition: &str) -> String {
    let mut out = String::with_capacity(definition.len());
    let mut rest = definition;
    while let Some(first) = rest.chars().next() {
        let len = match first {
            '"' | '\'' => quoted(rest, first),
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            _ if is_word(first) => rest.find(|letter| !is_word(letter)).unwrap_or(rest.len()),
            other => other.len_utf8(),
        };
        let (word, behind) = rest.split_at(len);
        rest = behind;
        if first.is_whitespace() || word.starts_with("//") || word.starts_with("/*") {
            continue;
        }
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_' || letter == '.'
}

/// The length of a text in quotes, which stand at its ends; a backslash hides the sign behind it.
fn quoted(text: &str, quote: char) -> usize {
    let mut hidden = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            _ if hidden => hidden = false,
            '\\' => hidden = true,
            _ if letter == quote => return at + quote.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(format: DataFormat, left: &str, right: &str) -> bool {
        fingerprint(format, left) == fingerprint(format, right)
    }

    #[test]
    fn json_is_the_same_in_any_spacing_and_order() {
        let left = r#"{"type": "record", "name": "A", "fields": [{"name": "x", "type": "int"}]}"#;
        let right = "{\"name\":\"A\",\n\"fields\":[{\"type\":\"int\",\"name\":\"x\"}],\"type\":\"record\"}";
        assert!(same(DataFormat::Avro, left, right));
        assert!(!same(DataFormat::Avro, left, &right.replace("int", "long")));
        assert!(!same(DataFormat::Json, r#"{"enum": [1, 2]}"#, r#"{"enum": [2, 1]}"#));
    }

    #[test]
    fn protobuf_is_the_same_without_comments() {
        let left = "syntax = \"proto3\"; // the syntax\nmessage A { /* one */ string x = 1; }";
        assert!(same(DataFormat::Protobuf, left, "syntax=\"proto3\";\n\nmessage A{string x=1;}"));
        assert!(!same(DataFormat::Protobuf, left, "syntax=\"proto3\";message A{stringx=1;}"));
        assert!(!same(DataFormat::Protobuf, "option a = \"// b\";", "option a = \""));
        assert!(same(DataFormat::Protobuf, r#"option a = "b\" c";"#, r#"option  a="b\" c" ;"#));
    }
}
