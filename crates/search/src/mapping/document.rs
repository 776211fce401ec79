//! A document taken apart: every value with its path, typed by the mapping, which grows by what is new.

use super::read::read;
use super::values::{FieldValue, Number, Values};
use super::{Dynamic, FIELDS_MAX, Field, Kind, Mappings, lies_below};
use crate::analysis;
use crate::date::{DateFormat, Zone};
use crate::error::Error;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Deeper objects are refused (OpenSearch's `index.mapping.depth.limit`).
const DEPTH_MAX: usize = 20;
/// A keyword in the index is at most this long (Lucene's limit).
const KEYWORD_BYTES_MAX: usize = 32_766;

/// A document's values, and what it brings to the mapping.
#[derive(Debug, Default)]
pub struct Document {
    /// The values.
    pub values: Values,
    /// Fields that the mapping did not have.
    pub added: BTreeMap<String, Field>,
}

impl Mappings {
    /// Takes a document's JSON apart. The mapping itself is not changed: [`Self::adopt`] does that, once the document is accepted.
    pub fn take_apart(&self, id: &str, source: &[u8]) -> Result<Document, Error> {
        let out = Document { values: Values::for_document(source.len()), added: BTreeMap::new() };
        let mut walk = Walk { mappings: self, id, out, path: String::new(), failed: None };
        read(&mut walk, source)?;
        let total = self.fields.len() + walk.out.added.len();
        if !walk.out.added.is_empty() && total > FIELDS_MAX {
            let reason = format!("Limit of total fields [{FIELDS_MAX}] has been exceeded while adding new fields");
            return Err(Error::illegal_argument(reason));
        }
        Ok(walk.out)
    }

    /// Adds the fields that a document brought.
    pub fn adopt(&mut self, added: BTreeMap<String, Field>) {
        self.fields.extend(added);
    }
}

/// Where in a document its reader is, and what it has found.
pub(super) struct Walk<'a> {
    mappings: &'a Mappings,
    id: &'a str,
    out: Document,
    path: String,
    /// Why the document is refused, when its JSON is none of the reasons.
    pub failed: Option<Error>,
}

/// A value that is no object, no array and not null.
pub(super) enum Leaf<'a> {
    Bool(bool),
    Number(serde_json::Number),
    Text(&'a str),
}

impl Leaf<'_> {
    /// The value as text.
    fn plain(&self) -> Cow<'_, str> {
        match self {
            Self::Bool(truth) => truth.to_string().into(),
            Self::Number(number) => number.to_string().into(),
            Self::Text(text) => Cow::Borrowed(text),
        }
    }
}

impl Walk<'_> {
    /// Goes to a member, below so many objects; gives what [`Self::leave`] wants.
    pub fn enter(&mut self, name: &str, depth: usize) -> Result<usize, Error> {
        if depth > DEPTH_MAX {
            return Err(Error::illegal_argument(format!("Limit of mapping depth [{DEPTH_MAX}] has been exceeded")));
        }
        if !is_name(name) {
            return Err(Error::mapper_parsing(format!(
                "failed to parse: field name [{name}] in [{}] cannot be empty or have empty parts between dots",
                self.path
            )));
        }
        let above = self.path.len();
        if above > 0 {
            self.path.push('.');
        }
        self.path.push_str(name);
        Ok(above)
    }

    /// Goes back to where it was before it entered.
    pub fn leave(&mut self, above: usize) {
        self.path.truncate(above);
    }

    /// Whether nothing of an object is mapped, nor will be.
    pub fn is_unmapped(&self) -> bool {
        self.mappings.dynamic == Dynamic::False && !self.mappings.is_object(&self.path)
    }

    /// The field here, if there is one.
    pub fn known(&self) -> Option<&Field> {
        self.mappings.fields.get(&self.path).or_else(|| self.out.added.get(&self.path))
    }

    /// Takes a value in.
    pub fn leaf(&mut self, value: &Leaf<'_>) -> Result<(), Error> {
        let mappings = self.mappings;
        if let Some(field) = mappings.fields.get(&self.path) {
            return self.put_all(field, value);
        }
        let added = self.out.added.get(&self.path).cloned();
        match added.map_or_else(|| self.introduce(value), |field| Ok(Some(field)))? {
            Some(field) => self.put_all(&field, value),
            None => Ok(()),
        }
    }

    fn put_all(&mut self, field: &Field, value: &Leaf<'_>) -> Result<(), Error> {
        self.put(None, field, value)?;
        field.subfields.iter().try_for_each(|(name, field)| self.put(Some(name), field, value))
    }

    /// Maps a field that is new, or does not (`None`).
    fn introduce(&mut self, value: &Leaf<'_>) -> Result<Option<Field>, Error> {
        if lies_below(&self.out.added, &self.path) || self.mappings.is_object(&self.path) {
            return Err(Error::mapper_parsing(format!(
                "object mapping for [{}] tried to parse field [{}] as object, but found a concrete value",
                self.path, self.path
            )));
        }
        let added_above = self.path.match_indices('.').find(|(at, _)| self.out.added.contains_key(&self.path[..*at]));
        if let Some(above) =
            self.mappings.has_leaf_above(&self.path).or(added_above.map(|(at, _)| self.path[..at].to_owned()))
        {
            return Err(Error::mapper_parsing(format!(
                "failed to parse field [{above}] in document with id '{}': it has a value of its own, [{}] cannot lie below it",
                self.id, self.path
            )));
        }
        match self.mappings.dynamic {
            Dynamic::Strict => Err(Error::strict_dynamic(&self.path)),
            Dynamic::False => Ok(None),
            Dynamic::True => {
                let field = infer(value);
                self.out.added.insert(self.path.clone(), field.clone());
                Ok(Some(field))
            }
        }
    }

    /// Takes a value of the field here in, or of its multi-field of that name.
    fn put(&mut self, multi: Option<&str>, field: &Field, value: &Leaf<'_>) -> Result<(), Error> {
        let values = &mut self.out.values;
        match &field.kind {
            Kind::Text => {
                let text = value.plain();
                values.lengthen(&self.path, multi, analysis::count(&text));
                values.push(&self.path, multi, FieldValue::Text(&text));
            }
            Kind::Keyword => {
                let text = value.plain();
                if field.ignore_above.is_some_and(|limit| text.chars().count() > limit) {
                    return Ok(());
                }
                if text.len() > KEYWORD_BYTES_MAX {
                    return Err(Error::illegal_argument(format!(
                        "Document contains at least one immense term in field=\"{}\": at most {KEYWORD_BYTES_MAX} bytes \
                         are indexed; set [ignore_above]",
                        multi.map_or_else(|| self.path.clone(), |name| format!("{}.{name}", self.path))
                    )));
                }
                values.push(&self.path, multi, FieldValue::Keyword(&text));
            }
            kind => {
                let number = number(kind, value).map_err(|why| self.unfit(&value.plain(), &why))?;
                self.out.values.push(&self.path, multi, FieldValue::Number(number));
            }
        }
        Ok(())
    }

    /// What is said of a value that its field cannot hold.
    pub fn unfit(&self, preview: &str, why: &str) -> Error {
        let kind = self.known().map_or("object", |field| field.kind.name());
        Error::mapper_parsing(format!(
            "failed to parse field [{}] of type [{kind}] in document with id '{}'. Preview of field's value: '{preview}': {why}",
            self.path, self.id
        ))
    }
}

/// Whether a member can be a field: a path has names that are not empty, with dots between them.
fn is_name(name: &str) -> bool {
    let mut before = b'.';
    for byte in name.bytes() {
        if byte == 0 || (byte == b'.' && before == b'.') {
            return false;
        }
        before = byte;
    }
    before != b'.'
}

/// What a new field's first value makes of it.
fn infer(value: &Leaf<'_>) -> Field {
    match value {
        Leaf::Bool(_) => Field::of(Kind::Boolean),
        Leaf::Number(number) if number.is_f64() => Field::of(Kind::Float),
        Leaf::Number(_) => Field::of(Kind::Long),
        Leaf::Text(text) if looks_like_date(text) => Field::of(Kind::Date(DateFormat::default())),
        Leaf::Text(_) => Field::dynamic_text(),
    }
}

/// True for what `strict_date_optional_time` reads and is at least a year, as OpenSearch's date detection has it.
fn looks_like_date(text: &str) -> bool {
    // "2013" is a year to the format, but a number in a string stays text.
    text.len() >= 7 && text.as_bytes()[4] == b'-' && DateFormat::default().parse(text, false, &Zone::UTC).is_some()
}

/// A value as a field's number; the reason when it is none.
fn number(kind: &Kind, value: &Leaf<'_>) -> Result<Number, String> {
    match kind {
        Kind::Boolean => match value {
            Leaf::Bool(truth) => Ok(Number::Integer(i64::from(*truth))),
            Leaf::Text("true") => Ok(Number::Integer(1)),
            Leaf::Text("false" | "") => Ok(Number::Integer(0)),
            other => Err(format!("Failed to parse value [{}] as only [true] or [false] are allowed.", other.plain())),
        },
        Kind::Date(format) => {
            let text = value.plain();
            let millis = format.parse(&text, false, &Zone::UTC);
            let millis = millis.ok_or_else(|| format!("failed to parse date field [{text}] with format [{format}]"))?;
            Ok(Number::Integer(millis))
        }
        Kind::Double | Kind::Float => {
            let real = match value {
                Leaf::Number(number) => number.as_f64(),
                Leaf::Text(text) => text.trim().parse().ok(),
                _ => None,
            };
            let real = real
                .filter(|real| real.is_finite())
                .ok_or_else(|| format!("For input string: \"{}\"", value.plain()))?;
            Ok(Number::Real(if *kind == Kind::Float { f64::from(real as f32) } else { real }))
        }
        _ => {
            let whole = match value {
                Leaf::Number(number) => number.as_i64().or_else(|| number.as_f64().and_then(truncate)),
                Leaf::Text(text) => text.trim().parse().ok().or_else(|| text.trim().parse().ok().and_then(truncate)),
                _ => None,
            };
            let whole = whole.ok_or_else(|| format!("For input string: \"{}\"", value.plain()))?;
            let (least, most) = match kind {
                Kind::Integer => (i64::from(i32::MIN), i64::from(i32::MAX)),
                Kind::Short => (i64::from(i16::MIN), i64::from(i16::MAX)),
                Kind::Byte => (i64::from(i8::MIN), i64::from(i8::MAX)),
                _ => (i64::MIN, i64::MAX),
            };
            if (least..=most).contains(&whole) {
                Ok(Number::Integer(whole))
            } else {
                Err(format!("Value [{whole}] is out of range for a {}", kind.name()))
            }
        }
    }
}

/// OpenSearch's `coerce`: a fraction is cut off.
fn truncate(real: f64) -> Option<i64> {
    (real.is_finite() && real.abs() < 9.3e18).then_some(real as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn dynamic_mapping_is_opensearchs() {
        let mut mappings = Mappings::default();
        let source = json!({"name": "Ann Lee", "n": 1, "x": 1.5, "ok": true, "at": "2013-01-01T05:00:00Z", "no": null,
            "year": "2013", "a": {"b": ["p", "q"], "c.d": 2}});
        let mut document = mappings.take_apart("1", source.to_string().as_bytes()).unwrap();
        mappings.adopt(std::mem::take(&mut document.added));
        let text = json!({"type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": 256}}});
        let expected = json!({"properties": {
            "a": {"properties": {"b": text, "c": {"properties": {"d": {"type": "long"}}}}},
            "at": {"type": "date"}, "n": {"type": "long"}, "name": text, "ok": {"type": "boolean"},
            "x": {"type": "float"}, "year": text}});
        assert_eq!(mappings.to_json(), expected);
        let lengths = document.values.iter().filter(|(_, value)| matches!(value, FieldValue::Length(_)));
        let expected =
            [("name", FieldValue::Length(2)), ("year", FieldValue::Length(1)), ("a.b", FieldValue::Length(2))];
        assert_eq!(lengths.collect::<Vec<_>>(), expected);
        let keywords = document.values.iter().filter(|(_, value)| matches!(value, FieldValue::Keyword(_)));
        let expected =
            [("name.keyword", "Ann Lee"), ("year.keyword", "2013"), ("a.b.keyword", "p"), ("a.b.keyword", "q")];
        assert_eq!(keywords.collect::<Vec<_>>(), expected.map(|(path, text)| (path, FieldValue::Keyword(text))));
        let error = mappings.take_apart("7", json!({"n": "abc"}).to_string().as_bytes()).unwrap_err();
        assert!(
            error.reason.starts_with("failed to parse field [n] of type [long] in document with id '7'."),
            "{error}"
        );
        assert!(mappings.take_apart("7", json!({"name": {"first": "x"}}).to_string().as_bytes()).is_err());
        assert!(mappings.take_apart("7", json!({"a": 1}).to_string().as_bytes()).is_err());
    }

    #[test]
    fn what_is_no_document_is_refused() {
        let refused = |json: &str| Mappings::default().take_apart("1", json.as_bytes()).unwrap_err().reason;
        for json in ["1", "[{}]", "null", "\"a\""] {
            assert_eq!(refused(json), "failed to parse: a document is a JSON object", "{json}");
        }
        assert_eq!(refused(r#"{"a": {"b": 1, "c": 2, "b": 3}}"#), "failed to parse: Duplicate field 'b'");
        assert!(refused(r#"{"a": 1} x"#).starts_with("failed to parse: trailing characters"));
        assert!(refused(r#"{"a": "#).starts_with("failed to parse: EOF"));
    }

    #[test]
    fn what_is_not_mapped_is_passed_over_but_must_be_json() {
        let mappings = Mappings { dynamic: Dynamic::False, ..Mappings::default() };
        let taken = mappings.take_apart("1", br#"{"a": {"b": [1, {"c": null}]}, "d": 2}"#).unwrap();
        assert!(taken.values.iter().next().is_none() && taken.added.is_empty());
        assert!(mappings.take_apart("1", br#"{"a": {"b": [1, }}"#).is_err());
    }
}
