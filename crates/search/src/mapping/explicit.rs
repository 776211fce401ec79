//! Explicit mappings: what a client declares when it creates an index or puts a mapping.

use super::{Dynamic, FIELDS_MAX, Field, Kind, Mappings};
use crate::date::DateFormat;
use crate::error::Error;
use serde_json::{Map, Value};

impl Mappings {
    /// Reads a mapping: `{"properties": {…}, "dynamic": …}`.
    pub fn from_json(body: &Value) -> Result<Self, Error> {
        let mut mappings = Self::default();
        mappings.merge_json(body)?;
        Ok(mappings)
    }

    /// Adds what a mapping declares. A field keeps its type for life; on an error nothing is added.
    pub fn merge_json(&mut self, body: &Value) -> Result<(), Error> {
        let Some(root) = body.as_object() else {
            return Err(Error::mapper_parsing("a mapping is an object with [properties]"));
        };
        let mut merged = self.clone();
        for (key, value) in root {
            match key.as_str() {
                "properties" => merged.properties("", value)?,
                "dynamic" => merged.dynamic = dynamic(value)?,
                other => return Err(unsupported_parameter("", other)),
            }
        }
        if merged.fields.len() > FIELDS_MAX {
            return Err(Error::illegal_argument(format!("Limit of total fields [{FIELDS_MAX}] has been exceeded")));
        }
        *self = merged;
        Ok(())
    }

    fn properties(&mut self, prefix: &str, value: &Value) -> Result<(), Error> {
        let Some(properties) = value.as_object() else {
            return Err(Error::mapper_parsing(format!("[properties] of [{prefix}] must be an object")));
        };
        for (name, definition) in properties {
            let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
            let Some(definition) = definition.as_object() else {
                return Err(Error::mapper_parsing(format!("Expected map for property [{path}]")));
            };
            self.property(&path, definition)?;
        }
        Ok(())
    }

    fn property(&mut self, path: &str, definition: &Map<String, Value>) -> Result<(), Error> {
        let kind = definition.get("type").and_then(Value::as_str);
        if kind.is_none_or(|kind| kind == "object") {
            return self.object(path, definition);
        }
        let field = field(path, definition)?;
        if let Some(above) = self.has_leaf_above(path) {
            return Err(Error::mapper_parsing(format!(
                "[{path}] cannot lie below [{above}], which has a value of its own"
            )));
        }
        if self.is_object(path) {
            let reason = format!("can't merge a non object mapping [{path}] with an object mapping");
            return Err(Error::illegal_argument(reason));
        }
        match self.fields.get_mut(path) {
            Some(existing) if existing.kind.name() != field.kind.name() => Err(Error::illegal_argument(format!(
                "mapper [{path}] cannot be changed from type [{}] to [{}]",
                existing.kind.name(),
                field.kind.name()
            ))),
            Some(existing) if existing.kind != field.kind => Err(Error::illegal_argument(format!(
                "Mapper for [{path}] conflicts with existing mapper: Cannot update parameter [format]"
            ))),
            Some(existing) => {
                existing.ignore_above = field.ignore_above;
                existing.subfields.extend(field.subfields);
                Ok(())
            }
            None => {
                self.fields.insert(path.to_owned(), field);
                Ok(())
            }
        }
    }

    fn object(&mut self, path: &str, definition: &Map<String, Value>) -> Result<(), Error> {
        if self.fields.contains_key(path) {
            let reason = format!("can't merge a non object mapping [{path}] with an object mapping");
            return Err(Error::illegal_argument(reason));
        }
        for (key, value) in definition {
            match key.as_str() {
                "type" => {}
                "properties" => self.properties(path, value)?,
                other => return Err(unsupported_parameter(path, other)),
            }
        }
        if !self.is_object(path) {
            self.objects.insert(path.to_owned());
        }
        Ok(())
    }
}

fn dynamic(value: &Value) -> Result<Dynamic, Error> {
    match value.as_str().map_or_else(|| value.to_string(), str::to_owned).as_str() {
        "true" => Ok(Dynamic::True),
        "false" => Ok(Dynamic::False),
        "strict" => Ok(Dynamic::Strict),
        other => Err(Error::mapper_parsing(format!("[dynamic] is true, false or strict, not [{other}]"))),
    }
}

fn field(path: &str, definition: &Map<String, Value>) -> Result<Field, Error> {
    let name = definition.get("type").and_then(Value::as_str).unwrap_or_default();
    let mut field = Field::of(kind(path, name)?);
    for (key, value) in definition {
        match (key.as_str(), &field.kind) {
            ("type", _) => {}
            ("format", Kind::Date(_)) => {
                let text = value.as_str().unwrap_or_default();
                let format =
                    DateFormat::parse_format(text).map_err(|e| Error::mapper_parsing(format!("[{path}]: {e}")))?;
                field.kind = Kind::Date(format);
            }
            ("ignore_above", Kind::Keyword) => {
                let limit = value.as_u64().and_then(|limit| usize::try_from(limit).ok());
                let wrong = || Error::mapper_parsing(format!("[ignore_above] of [{path}] must be a positive number"));
                field.ignore_above = Some(limit.ok_or_else(wrong)?);
            }
            ("analyzer" | "search_analyzer", Kind::Text) if value == "standard" => {}
            // What every field has here anyway may be said.
            ("index", _) if is_true(value) => {}
            ("doc_values", kind) if is_true(value) && *kind != Kind::Text => {}
            ("store", _) if value == "false" || value == &Value::Bool(false) => {}
            ("fields", _) => {
                for (name, definition) in value.as_object().into_iter().flatten() {
                    let path = format!("{path}.{name}");
                    let definition = definition.as_object().ok_or_else(|| {
                        Error::mapper_parsing(format!("Expected map for property [fields] on field [{path}]"))
                    })?;
                    field.subfields.insert(name.clone(), self::field(&path, definition)?);
                }
            }
            (other, _) => return Err(unsupported_parameter(path, other)),
        }
    }
    Ok(field)
}

fn is_true(value: &Value) -> bool {
    value == "true" || value == &Value::Bool(true)
}

fn kind(path: &str, name: &str) -> Result<Kind, Error> {
    Ok(match name {
        "text" => Kind::Text,
        "keyword" => Kind::Keyword,
        "long" => Kind::Long,
        "integer" => Kind::Integer,
        "short" => Kind::Short,
        "byte" => Kind::Byte,
        "double" => Kind::Double,
        "float" => Kind::Float,
        "boolean" => Kind::Boolean,
        "date" => Kind::Date(DateFormat::default()),
        other => {
            return Err(Error::mapper_parsing(format!(
                "No handler for type [{other}] declared on field [{path}]: Millrace has text, keyword, long, integer, short, \
                 byte, double, float, boolean, date and object"
            )));
        }
    })
}

fn unsupported_parameter(path: &str, parameter: &str) -> Error {
    let place = if path.is_empty() { "the root of the mapping".to_owned() } else { format!("field [{path}]") };
    Error::mapper_parsing(format!("the mapping parameter [{parameter}] on {place} is not supported by Millrace yet"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_mapping_round_trips() {
        let body = json!({"dynamic": "strict", "properties": {
            "title": {"type": "text", "fields": {"raw": {"type": "keyword", "ignore_above": 10}}},
            "user": {"properties": {"age": {"type": "integer"}, "born": {"type": "date", "format": "yyyy-MM-dd"}}},
            "extra": {"type": "object"}}});
        let mappings = Mappings::from_json(&body).unwrap();
        assert_eq!(mappings.to_json(), body);
        assert_eq!(mappings.field("title.raw").unwrap().kind, Kind::Keyword);
        assert_eq!(mappings.field("user.age").unwrap().kind, Kind::Integer);
    }

    #[test]
    fn a_type_is_for_life() {
        let mut mappings = Mappings::from_json(&json!({"properties": {"a": {"type": "long"}}})).unwrap();
        let error = mappings.merge_json(&json!({"properties": {"a": {"type": "text"}}})).unwrap_err();
        assert_eq!(error.reason, "mapper [a] cannot be changed from type [long] to [text]");
        assert!(mappings.merge_json(&json!({"properties": {"p": {"type": "geo_point"}}})).is_err());
    }
}
