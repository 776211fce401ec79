//! `_source` filtering: which parts of a document are given back.

use crate::error::Error;
use crate::query::wildcard_to_regex;
use regex::Regex;
use serde_json::{Map, Value};

/// What to give back of a document.
#[derive(Debug, Clone, Default)]
pub enum SourceFilter {
    /// All of it.
    #[default]
    All,
    /// Nothing.
    None,
    /// What is included (everything, when nothing is named) and not excluded.
    Parts {
        /// Patterns of paths.
        includes: Vec<Regex>,
        /// Patterns of paths.
        excludes: Vec<Regex>,
    },
}

impl SourceFilter {
    /// Reads `_source`: `true`, `false`, a pattern, several, or `{"includes": …, "excludes": …}`.
    pub fn read(value: &Value) -> Result<Self, Error> {
        Ok(match value {
            Value::Bool(true) => Self::All,
            Value::Bool(false) => Self::None,
            Value::Object(members) => {
                if let Some(unknown) =
                    members.keys().find(|key| !matches!(key.as_str(), "includes" | "excludes" | "include" | "exclude"))
                {
                    return Err(Error::parsing(format!("Unknown key for a [_source]: [{unknown}]")));
                }
                let of = |plural: &str, singular: &str| patterns(members.get(plural).or_else(|| members.get(singular)));
                Self::Parts { includes: of("includes", "include")?, excludes: of("excludes", "exclude")? }
            }
            other => Self::Parts { includes: patterns(Some(other))?, excludes: Vec::new() },
        })
    }

    /// Reads the parameters `_source`, `_source_includes` and `_source_excludes` of a URL.
    pub fn read_params(source: Option<&str>, includes: Option<&str>, excludes: Option<&str>) -> Result<Self, Error> {
        match (source, includes, excludes) {
            (None, None, None) => Ok(Self::All),
            (Some("true"), None, None) => Ok(Self::All),
            (Some("false"), _, _) => Ok(Self::None),
            (source, includes, excludes) => {
                let list = |text: Option<&str>| text.map(|text| Value::from(text.split(',').collect::<Vec<_>>()));
                let includes = includes.or(source.filter(|source| *source != "true"));
                Ok(Self::Parts {
                    includes: patterns(list(includes).as_ref())?,
                    excludes: patterns(list(excludes).as_ref())?,
                })
            }
        }
    }

    /// The parts of a document that are given back; `None` for nothing at all.
    pub fn apply(&self, source: Value) -> Option<Value> {
        match (self, source) {
            (Self::None, _) => None,
            (Self::Parts { includes, excludes }, Value::Object(members)) => {
                Some(Value::Object(filter("", members, includes, excludes, includes.is_empty())))
            }
            (_, source) => Some(source),
        }
    }
}

fn patterns(value: Option<&Value>) -> Result<Vec<Regex>, Error> {
    let Some(value) = value else { return Ok(Vec::new()) };
    let one = std::slice::from_ref(value);
    let texts = value.as_array().map_or(one, Vec::as_slice);
    let compile = |value: &Value| {
        let text = value.as_str().ok_or_else(|| Error::parsing("[_source] takes names and patterns"))?;
        // A pattern that names an object also takes what lies below it.
        let pattern = format!("^(?:{})(?:\\..*)?$", wildcard_to_regex(text).0);
        Regex::new(&pattern).map_err(|error| Error::parsing(format!("[_source] pattern [{text}]: {error}")))
    };
    texts.iter().map(compile).collect()
}

fn filter(
    prefix: &str,
    members: Map<String, Value>,
    includes: &[Regex],
    excludes: &[Regex],
    included: bool,
) -> Map<String, Value> {
    let mut out = Map::new();
    for (name, value) in members {
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        if excludes.iter().any(|pattern| pattern.is_match(&path)) {
            continue;
        }
        let included = included || includes.iter().any(|pattern| pattern.is_match(&path));
        if let Some(value) = part(&path, value, includes, excludes, included) {
            out.insert(name, value);
        }
    }
    out
}

fn part(path: &str, value: Value, includes: &[Regex], excludes: &[Regex], included: bool) -> Option<Value> {
    match value {
        Value::Object(members) => {
            let inner = filter(path, members, includes, excludes, included);
            (included || !inner.is_empty()).then_some(Value::Object(inner))
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            let items: Vec<_> =
                items.into_iter().filter_map(|item| part(path, item, includes, excludes, included)).collect();
            (included || !items.is_empty()).then_some(Value::Array(items))
        }
        leaf => included.then_some(leaf),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn parts() {
        let source = json!({"a": {"b": 1, "c": 2}, "d": [{"e": 1, "f": 2}], "g": 3});
        let cases = [
            (json!(["a.*", "g"]), json!({"a": {"b": 1, "c": 2}, "g": 3})),
            (json!("a"), json!({"a": {"b": 1, "c": 2}})),
            (json!({"excludes": ["a.b", "d"]}), json!({"a": {"c": 2}, "g": 3})),
            (json!({"includes": ["d.e"]}), json!({"d": [{"e": 1}]})),
            (json!(true), source.clone()),
        ];
        for (filter, expected) in cases {
            assert_eq!(SourceFilter::read(&filter).unwrap().apply(source.clone()), Some(expected), "{filter}");
        }
        assert_eq!(SourceFilter::read(&json!(false)).unwrap().apply(source), None);
    }
}
