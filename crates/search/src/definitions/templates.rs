//! Index templates (the composable ones, without component templates): what an index is like that is made under a matching name.

use super::{allow, matches_any, read_patterns};
use crate::error::Error;
use crate::mapping::Mappings;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Templates by their names, as they were put.
#[derive(Debug, Clone, Default)]
pub struct Templates(BTreeMap<String, Value>);

/// What an index is to be like: its settings, mapping and aliases.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// Flat, without `index.`.
    pub settings: Map<String, Value>,
    /// The mapping.
    pub mappings: Mappings,
    /// Names with their options.
    pub aliases: Map<String, Value>,
}

impl Plan {
    /// Reads the body of `PUT /{index}`, over that of a template: what the request says wins.
    pub fn read(template: &Value, body: &Value) -> Result<Self, Error> {
        let mut plan = Self::default();
        let mut mappings = json!({});
        for source in [template, body] {
            for (key, value) in source.as_object().into_iter().flatten() {
                match key.as_str() {
                    "settings" => crate::engine::read_settings("", value, &mut plan.settings)?,
                    "mappings" => merge(&mut mappings, value),
                    "aliases" => {
                        let named = value.as_object().ok_or_else(|| Error::parsing("[aliases] has to be an object"))?;
                        plan.aliases.extend(named.clone());
                    }
                    other => return Err(Error::parsing(format!("unknown key [{other}] for create index"))),
                }
            }
        }
        plan.mappings = Mappings::from_json(&mappings)?;
        Ok(plan)
    }
}

/// Lays one mapping over another, member by member; a field that has a type takes the place of the other as a whole.
fn merge(below: &mut Value, above: &Value) {
    let (Value::Object(members), Value::Object(added)) = (&mut *below, above) else {
        *below = above.clone();
        return;
    };
    for (key, value) in added {
        match members.get_mut(key) {
            Some(known) if known.is_object() && !value.get("type").is_some_and(Value::is_string) => merge(known, value),
            _ => drop(members.insert(key.clone(), value.clone())),
        }
    }
}

fn patterns(template: &Value) -> Vec<String> {
    read_patterns(&template["index_patterns"], "").unwrap_or_default()
}

fn priority(template: &Value) -> u64 {
    template["priority"].as_u64().unwrap_or_default()
}

impl Templates {
    /// Reads what [`Self::to_json`] wrote.
    pub fn from_json(value: &Value) -> Self {
        let named = value.as_object().into_iter().flatten();
        Self(named.map(|(name, body)| (name.clone(), body.clone())).collect())
    }

    /// `{NAME: body}`.
    pub fn to_json(&self) -> Value {
        json!(self.0)
    }

    /// Keeps a template once it has been found to make indices. Two of one priority may not want the same index.
    pub fn put(&mut self, name: &str, body: &Value) -> Result<(), Error> {
        let what = format!("index template [{name}]");
        allow(body, &["index_patterns", "template", "priority", "version", "_meta", "composed_of"], &what)?;
        if body.get("composed_of").is_some_and(|parts| parts.as_array().is_none_or(|parts| !parts.is_empty())) {
            return Err(Error::not_supported(format!("[composed_of] of {what}")));
        }
        let wanted = read_patterns(&body["index_patterns"], &what)?;
        for key in ["priority", "version"] {
            if body.get(key).is_some_and(|number| !number.is_u64()) {
                return Err(Error::illegal_argument(format!("[{key}] of {what} has to be a number, 0 or more")));
            }
        }
        let template = body.get("template").cloned().unwrap_or_else(|| json!({}));
        allow(&template, &["settings", "mappings", "aliases"], &what)?;
        let plan = Plan::read(&template, &json!({}))?;
        crate::aliases::read_created("index", &json!(plan.aliases))?;
        plan.aliases.keys().try_for_each(|alias| crate::names::check(alias))?;
        let rival = self.0.iter().find(|(other, known)| {
            *other != name && priority(known) == priority(body) && overlap(&patterns(known), &wanted)
        });
        if let Some((rival, known)) = rival {
            return Err(Error::illegal_argument(format!(
                "{what} has index patterns {wanted:?} matching patterns from existing templates [{rival}] with patterns {:?} \
                 that have the same priority [{}], multiple index templates may not match during index creation, please use \
                 a different priority",
                patterns(known),
                priority(known)
            )));
        }
        self.0.insert(name.to_owned(), body.clone());
        Ok(())
    }

    /// Removes those of some names or patterns; how many there were.
    pub fn remove(&mut self, pattern: &str) -> usize {
        let before = self.0.len();
        self.0.retain(|name, _| !matches_any(pattern.split(','), name));
        before - self.0.len()
    }

    /// Those of some names or patterns, as `GET /_index_template` shows them.
    pub fn show(&self, pattern: &str) -> Vec<Value> {
        let wanted = self.0.iter().filter(|(name, _)| matches_any(pattern.split(','), name));
        wanted.map(|(name, body)| json!({"name": name, "index_template": shown(body)})).collect()
    }

    /// What a new index of this name is like, unless its request says otherwise: of the template with the highest priority.
    pub fn of(&self, index: &str) -> Value {
        self.best(index).and_then(|(_, body)| body.get("template")).cloned().unwrap_or_else(|| json!({}))
    }

    /// The template that gives a new index of this name an alias, by its name.
    pub fn giving(&self, index: &str, alias: &str) -> Option<&str> {
        let (name, body) = self.best(index)?;
        body["template"]["aliases"].get(alias).map(|_| name.as_str())
    }

    fn best(&self, index: &str) -> Option<(&String, &Value)> {
        let fits = |(_, body): &(&String, &Value)| matches_any(patterns(body).iter().map(String::as_str), index);
        self.0.iter().filter(fits).max_by_key(|(_, body)| priority(body))
    }
}

/// A template as OpenSearch shows it, where patterns and parts are lists in any case.
fn shown(body: &Value) -> Value {
    let mut shown = body.clone();
    shown["index_patterns"] = json!(patterns(body));
    if shown.get("composed_of").is_none() {
        shown["composed_of"] = json!([]);
    }
    shown
}

/// Whether a template that is shown is what a request puts: putting it again changes nothing, and costs no write.
pub(super) fn is_same(known: &Value, body: &Value) -> bool {
    known["index_template"] == shown(body)
}

/// Whether a name may fit two patterns: one of them, with its stars taken for letters, fits the other.
fn overlap(some: &[String], others: &[String]) -> bool {
    let fits = |one: &str, other: &str| matches_any([one], &other.replace('*', "a"));
    let both = |one: &str, other: &str| fits(one, other) || fits(other, one);
    some.iter().any(|one| others.iter().any(|other| both(one, other)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_priority_says_what_a_new_index_is_like() {
        let mut templates = Templates::default();
        let low = json!({"index_patterns": ["a-*", "b-*"], "template": {"settings": {"refresh_interval": "1s"}}});
        templates.put("low", &low).unwrap();
        let rival = json!({"index_patterns": "a-b-*"});
        assert!(templates.put("rival", &rival).unwrap_err().reason.contains("same priority [0]"));
        let high = json!({"index_patterns": "a-b-*", "priority": 7, "template": {"aliases": {"all": {}}}});
        templates.put("high", &high).unwrap();
        templates.put("high", &high).unwrap();
        assert_eq!(templates.of("a-b-1"), json!({"aliases": {"all": {}}}));
        assert_eq!(templates.of("b-1"), json!({"settings": {"refresh_interval": "1s"}}));
        assert_eq!(templates.of("c"), json!({}));
        assert_eq!(templates.show("h*")[0]["index_template"]["index_patterns"], json!(["a-b-*"]));
        assert_eq!((templates.remove("h*"), templates.remove("h*")), (1, 0));
        for wrong in [
            json!({}),
            json!({"index_patterns": []}),
            json!({"index_patterns": "x", "data_stream": {}}),
            json!({"index_patterns": "x", "priority": -1}),
            json!({"index_patterns": "x", "composed_of": ["part"]}),
            json!({"index_patterns": "x", "template": {"mappings": {"properties": {"f": {"type": "none"}}}}}),
            json!({"index_patterns": "x", "template": {"aliases": {"Upper": {}}}}),
        ] {
            assert!(templates.put("wrong", &wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_a_request_says_wins() {
        let keyword = json!({"type": "keyword"});
        let text = json!({"type": "text", "fields": {"k": keyword}});
        let template =
            json!({"mappings": {"dynamic": false, "properties": {"a": text, "o": {"properties": {"b": keyword}}}}});
        let body = json!({"mappings": {"properties": {"a": keyword, "o": {"properties": {"c": keyword}}}}});
        let plan = Plan::read(&template, &body).unwrap();
        let fields = json!({"a": keyword, "o": {"properties": {"b": keyword, "c": keyword}}});
        assert_eq!(plan.mappings, Mappings::from_json(&json!({"dynamic": false, "properties": fields})).unwrap());
    }
}
