//! Answers, and the parts of them that were asked for.

use millrace_base::{Millis, wildcard_matches};
use millrace_search::{Engine, Error};
use serde::Serialize;
use serde_json::{Map, Value, json};

const JSON: &str = "application/json; charset=UTF-8";
const TEXT: &str = "text/plain; charset=UTF-8";

/// The milliseconds since a request began, by the engine's clock: what OpenSearch calls `took`.
pub fn took(engine: &Engine, begun: Millis) -> Millis {
    (engine.now() - begun).max(0)
}

/// What a client gets.
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Its body.
    pub body: Vec<u8>,
    /// What the body is.
    pub content_type: &'static str,
}

impl Answer {
    /// JSON with status 200.
    pub fn ok(value: impl Serialize) -> Self {
        Self::json(200, value)
    }

    /// JSON with a status.
    pub fn json(status: u16, value: impl Serialize) -> Self {
        // What is answered has text keys only, so it can be written.
        Self { status, body: serde_json::to_vec(&value).unwrap_or_default(), content_type: JSON }
    }

    /// Text with status 200.
    pub fn text(text: String) -> Self {
        Self { status: 200, body: text.into_bytes(), content_type: TEXT }
    }

    /// A status and nothing else.
    pub fn empty(status: u16) -> Self {
        Self { status, body: Vec::new(), content_type: TEXT }
    }

    /// What went wrong.
    pub fn error(error: &Error) -> Self {
        Self::json(error.status, error.body())
    }

    /// The body was larger than what is taken.
    pub fn too_large(limit: usize) -> Self {
        let mut error =
            Error::illegal_argument(format!("the request's body is larger than {limit} bytes; send less at once"));
        error.status = 413;
        Self::error(&error)
    }

    /// Nothing is done, because it could not be put on record.
    pub fn unavailable(message: &str) -> Self {
        Self::error(&Error::storage("_all", message.to_owned()))
    }

    /// What an error's body says; nothing of an answer that is none.
    pub fn reason(&self) -> String {
        let body: Value = match self.status {
            400.. => serde_json::from_slice(&self.body).unwrap_or_default(),
            _ => return String::new(),
        };
        body["error"]["reason"].as_str().unwrap_or_default().to_owned()
    }

    /// Makes the JSON pretty, or leaves only the parts that `filter_path` names.
    pub fn shaped(mut self, pretty: bool, filter: Option<&str>) -> Self {
        let filter = filter.filter(|_| self.status < 400);
        if self.content_type != JSON || !pretty && filter.is_none() {
            return self;
        }
        let mut value: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        if let Some(filter) = filter {
            let paths: Vec<Vec<&str>> = filter.split(',').map(|path| path.trim().split('.').collect()).collect();
            let paths: Vec<&[&str]> = paths.iter().map(Vec::as_slice).collect();
            value = parts(value, &paths).unwrap_or_else(|| json!({}));
        }
        self.body = match pretty {
            true => serde_json::to_vec_pretty(&value).unwrap_or_default(),
            false => serde_json::to_vec(&value).unwrap_or_default(),
        };
        if pretty {
            self.body.push(b'\n');
        }
        self
    }
}

/// What of a value the paths name; `*` stands for a part of a path, `**` for any number of them.
fn parts(value: Value, paths: &[&[&str]]) -> Option<Value> {
    if paths.iter().any(|path| path.is_empty() || *path == ["**"]) {
        return Some(value);
    }
    match value {
        Value::Object(members) => {
            let mut out = Map::new();
            for (name, value) in members {
                let mut below: Vec<&[&str]> = Vec::new();
                for path in paths {
                    if path[0] == "**" {
                        below.push(path);
                        if wildcard_matches(path[1], &name) {
                            below.push(&path[2..]);
                        }
                    } else if wildcard_matches(path[0], &name) {
                        below.push(&path[1..]);
                    }
                }
                if !below.is_empty()
                    && let Some(value) = parts(value, &below)
                {
                    out.insert(name, value);
                }
            }
            (!out.is_empty()).then_some(Value::Object(out))
        }
        Value::Array(items) => {
            let items: Vec<_> = items.into_iter().filter_map(|item| parts(item, paths)).collect();
            (!items.is_empty()).then_some(Value::Array(items))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filter_path_names_parts() {
        let value = json!({"took": 1, "hits": {"total": {"value": 2}, "hits": [{"_id": "1", "_source": {"a": 1}}, {"_id": "2"}]}});
        let cases = [
            ("took,hits.hits._id", json!({"took": 1, "hits": {"hits": [{"_id": "1"}, {"_id": "2"}]}})),
            ("hits.to*", json!({"hits": {"total": {"value": 2}}})),
            ("**.a", json!({"hits": {"hits": [{"_source": {"a": 1}}]}})),
            ("none", json!({})),
        ];
        for (filter, expected) in cases {
            let shown = Answer::ok(value.clone()).shaped(false, Some(filter));
            assert_eq!(serde_json::from_slice::<Value>(&shown.body).unwrap(), expected, "{filter}");
        }
    }
}
