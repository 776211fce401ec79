//! JSON Schema definitions, drafts 4 to 2020-12, and whether a reader's schema accepts all that a writer's schema allows.

mod arrays;
mod contains;
mod cover;
mod objects;
mod scalars;
mod types;
mod view;

use super::finding::Finding;
use super::words::{DataFormat, InvalidDefinition};
use jsonschema::Draft;
use serde_json::Value;

/// A definition that passed its draft's meta-schema.
#[derive(Debug)]
pub(super) struct Definition {
    /// The schema.
    pub root: Value,
    /// The draft it is written in: that of `$schema`, or 2020-12's predecessor in wide use, draft 7, without one.
    pub draft: Draft,
}

/// The draft of a definition that names none: what the official serializers' validator assumes.
const DRAFT: Draft = Draft::Draft7;
/// The drafts that are known, by what their `$schema` contains.
const DRAFTS: [(&str, Draft); 5] = [
    ("draft-04/", Draft::Draft4),
    ("draft-06/", Draft::Draft6),
    ("draft-07/", Draft::Draft7),
    ("draft/2019-09/", Draft::Draft201909),
    ("draft/2020-12/", Draft::Draft202012),
];

/// The schema of a definition.
pub(super) fn parse(definition: &str) -> Result<Definition, InvalidDefinition> {
    let root: Value = serde_json::from_str(definition).map_err(|error| {
        let at = format!("line {}, column {}", error.line(), error.column());
        invalid(at, format!("it is not JSON: {error}"))
    })?;
    if !root.is_object() && !root.is_boolean() {
        return Err(invalid(String::new(), "a JSON Schema is an object, or true or false".to_owned()));
    }
    let draft = draft(&root)?;
    meta(&root, draft)?;
    let built = jsonschema::options().with_draft(draft).offline().build(&root);
    built.map_err(|error| {
        let at = error.schema_path().to_string();
        invalid(pointer(&at), format!("{error}; a definition is one document, which refers to nothing outside of it"))
    })?;
    Ok(Definition { root, draft })
}

fn draft(root: &Value) -> Result<Draft, InvalidDefinition> {
    let Some(named) = root.get("$schema") else { return Ok(DRAFT) };
    let named = named.as_str().unwrap_or_default();
    // "http://json-schema.org/schema#" is the latest draft of its time.
    if named.trim_end_matches('#') == "http://json-schema.org/schema" {
        return Ok(DRAFT);
    }
    let known = DRAFTS.iter().find(|(part, _)| named.contains(part) && named.contains("json-schema.org"));
    known.map(|(_, draft)| *draft).ok_or_else(|| {
        let reason =
            format!("there is no draft '{named}': known are draft-04, draft-06, draft-07, 2019-09 and 2020-12");
        invalid("/$schema".to_owned(), reason)
    })
}

/// The meta-schema's verdict.
fn meta(root: &Value, draft: Draft) -> Result<(), InvalidDefinition> {
    let verdict = match draft {
        Draft::Draft4 => jsonschema::draft4::meta::validate(root),
        Draft::Draft6 => jsonschema::draft6::meta::validate(root),
        Draft::Draft201909 => jsonschema::draft201909::meta::validate(root),
        Draft::Draft202012 => jsonschema::draft202012::meta::validate(root),
        _ => jsonschema::draft7::meta::validate(root),
    };
    verdict.map_err(|error| invalid(pointer(&error.instance_path().to_string()), error.to_string()))
}

fn pointer(text: &str) -> String {
    if text.is_empty() { "/".to_owned() } else { text.to_owned() }
}

fn invalid(at: String, reason: String) -> InvalidDefinition {
    InvalidDefinition { format: DataFormat::Json, at, reason }
}

/// Whether validators look at a format. Others are remarks.
fn is_known_format(name: &str) -> bool {
    const NAMES: [&str; 19] = [
        "date",
        "date-time",
        "duration",
        "email",
        "hostname",
        "idn-email",
        "idn-hostname",
        "ipv4",
        "ipv6",
        "iri",
        "iri-reference",
        "json-pointer",
        "regex",
        "relative-json-pointer",
        "time",
        "uri",
        "uri-reference",
        "uri-template",
        "uuid",
    ];
    NAMES.contains(&name)
}

/// Where `reader` refuses what `writer` allows.
pub(super) fn findings(writer: &Definition, reader: &Definition) -> Vec<Finding> {
    contains::findings(writer, reader)
}
