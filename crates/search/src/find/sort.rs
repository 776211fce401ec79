//! The order of hits.
//!
//! In a segment a document's key is a list of [`Place`]s: order-preserving numbers, turned so that less is better. Outside
//! it is a list of [`SortValue`]s, which compare the same way over segments and indices.

use crate::date::{DateFormat, Zone};
use crate::error::Error;
use crate::index::ColumnOf;
use crate::mapping::{Kind, Mappings};
use crate::query::{column_of, text_of};
use crate::values::Values;
use serde_json::{Value, json};
use std::cmp::Ordering;
use std::ops::Bound;
use tantivy::columnar::StrColumn;
use tantivy::{DocId, Score, SegmentReader};

/// One key of the order.
#[derive(Debug, Clone)]
pub struct SortKey {
    pub by: SortBy,
    pub descending: bool,
    /// `_last` (the default), `_first`, or a value.
    pub missing: Option<Value>,
    /// Of several values the greatest counts; by default it does when descending.
    pub of_greatest: Option<bool>,
    pub format: Option<DateFormat>,
    /// An index without the field is no error.
    pub unmapped: bool,
}

/// What is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SortBy {
    Score,
    Doc,
    Field(String),
}

/// A key in a segment: first (0), with a value (1), last (2); and the value.
pub type Place = (u8, u64);

/// A key as it is given back.
#[derive(Debug, Clone, PartialEq)]
pub enum SortValue {
    Missing,
    Integer(i64),
    Real(f64),
    Text(String),
}

/// One key of the order, in one segment.
pub struct SegmentKey {
    by: SortBy,
    descending: bool,
    of_greatest: bool,
    values: Option<Values>,
    strings: Option<StrColumn>,
    kind: Option<Kind>,
    missing: Place,
    missing_value: SortValue,
}

impl SortKey {
    /// Opens the key's column in a segment.
    pub fn open(&self, mappings: &Mappings, reader: &SegmentReader) -> Result<SegmentKey, Error> {
        let mut key = SegmentKey {
            by: self.by.clone(),
            descending: self.descending,
            of_greatest: self.of_greatest.unwrap_or(self.descending),
            values: None,
            strings: None,
            kind: None,
            missing: (2, 0),
            missing_value: SortValue::Missing,
        };
        let SortBy::Field(path) = &self.by else { return Ok(key) };
        let Some(field) = mappings.field(path) else {
            if self.unmapped {
                return Ok(key);
            }
            return Err(Error::query_shard(format!("No mapping found for [{path}] in order to sort on")));
        };
        if field.kind == Kind::Text {
            return Err(Error::illegal_argument(format!(
                "Text fields are not optimised for operations that require per-document field data like aggregations and \
                 sorting, so these operations are disabled by default. Please use a keyword field instead of [{path}], for \
                 example [{path}.keyword]"
            )));
        }
        key.values = Values::open(reader, column_of(&field.kind), path)?;
        if field.kind.is_keyword() {
            key.strings = reader.fast_fields().str(&ColumnOf::Keyword.name(path))?;
        }
        key.kind = Some(field.kind.clone());
        match self.missing.as_ref() {
            None => {}
            Some(value) if value == "_last" => {}
            Some(value) if value == "_first" => key.missing = (0, 0),
            Some(value) => {
                key.missing_value = read_value(value, &field.kind).ok_or_else(|| {
                    Error::illegal_argument(format!("[missing] of the sort on [{path}] does not fit"))
                })?;
                key.missing = key.place_of(&key.missing_value)?;
            }
        }
        Ok(key)
    }

    /// Compares two values of this key; less comes first.
    pub fn compare(&self, a: &SortValue, b: &SortValue) -> Ordering {
        let first = self.missing.as_ref().is_some_and(|missing| missing == "_first");
        let ordering = match (a, b) {
            (SortValue::Missing, SortValue::Missing) => return Ordering::Equal,
            (SortValue::Missing, _) => return if first { Ordering::Less } else { Ordering::Greater },
            (_, SortValue::Missing) => return if first { Ordering::Greater } else { Ordering::Less },
            (SortValue::Integer(a), SortValue::Integer(b)) => a.cmp(b),
            (SortValue::Text(a), SortValue::Text(b)) => a.cmp(b),
            (a, b) => a.real().total_cmp(&b.real()),
        };
        if self.descending { ordering.reverse() } else { ordering }
    }

    /// A value as the response shows it.
    pub fn json(&self, value: &SortValue) -> Value {
        match (value, &self.format) {
            (SortValue::Missing, _) => Value::Null,
            (SortValue::Integer(millis), Some(format)) => json!(format.render(*millis, &Zone::UTC)),
            (SortValue::Integer(integer), None) => json!(integer),
            (SortValue::Real(real), _) => json!(real),
            (SortValue::Text(text), _) => json!(text),
        }
    }
}

impl SortValue {
    fn real(&self) -> f64 {
        match self {
            Self::Integer(integer) => *integer as f64,
            Self::Real(real) => *real,
            _ => f64::NAN,
        }
    }
}

/// Reads a value as the field's type has it.
fn read_value(value: &Value, kind: &Kind) -> Option<SortValue> {
    Some(match kind {
        _ if value.is_null() => SortValue::Missing,
        Kind::Keyword | Kind::Text => SortValue::Text(text_of(value)),
        Kind::Double | Kind::Float => SortValue::Real(value.as_f64().or_else(|| value.as_str()?.parse().ok())?),
        Kind::Boolean if value.is_boolean() => SortValue::Integer(i64::from(value == &Value::Bool(true))),
        Kind::Date(format) => {
            let parsed = || format.parse(value.as_str()?, false, &Zone::UTC);
            SortValue::Integer(
                value
                    .as_i64()
                    .or_else(parsed)
                    .or_else(|| DateFormat::default().parse(value.as_str()?, false, &Zone::UTC))?,
            )
        }
        _ => SortValue::Integer(value.as_i64().or_else(|| value.as_str()?.parse().ok())?),
    })
}

impl SegmentKey {
    /// The place of a document.
    pub fn place(&self, doc: DocId, score: Score) -> Place {
        let raw = match &self.by {
            // Scores are never negative, so their bits are in their order.
            SortBy::Score => u64::from(score.to_bits()),
            SortBy::Doc => u64::from(doc),
            SortBy::Field(_) => {
                let Some(values) = &self.values else { return self.missing };
                let value = if self.of_greatest { values.of(doc).max() } else { values.of(doc).min() };
                match value {
                    Some(raw) if self.strings.is_some() => raw * 2 + 1,
                    Some(raw) => raw,
                    None => return self.missing,
                }
            }
        };
        (1, if self.descending { !raw } else { raw })
    }

    /// The place of a value that comes from a request: strings between two of the segment's have a place between theirs.
    fn place_of(&self, value: &SortValue) -> Result<Place, Error> {
        let raw = match (value, &self.strings, &self.values) {
            (SortValue::Missing, _, _) => return Ok(self.missing),
            (SortValue::Text(text), Some(strings), _) => {
                let dictionary = strings.dictionary();
                match dictionary.term_ord(text)? {
                    Some(ord) => ord * 2 + 1,
                    None => match dictionary.term_bounds_to_ord(Bound::Included(text), Bound::Unbounded)?.0 {
                        Bound::Included(next) | Bound::Excluded(next) => next.min(u64::MAX / 2 - 1) * 2,
                        Bound::Unbounded => u64::MAX - 1,
                    },
                }
            }
            (SortValue::Integer(integer), _, _) => match self.by {
                SortBy::Doc => *integer as u64,
                _ => tantivy::i64_to_u64(*integer),
            },
            (SortValue::Real(real), _, _) => match self.by {
                SortBy::Score => u64::from((*real as f32).to_bits()),
                _ => tantivy::f64_to_u64(*real),
            },
            // Without a column every document is missing the value.
            (SortValue::Text(_), None, _) => 0,
        };
        Ok((1, if self.descending { !raw } else { raw }))
    }

    /// The place of a value of `search_after`.
    pub fn place_after(&self, value: &Value) -> Result<Place, Error> {
        let read = match (&self.by, &self.kind) {
            (SortBy::Score, _) => value.as_f64().map(SortValue::Real),
            (SortBy::Doc, _) => value.as_i64().map(SortValue::Integer),
            (SortBy::Field(_), Some(kind)) => read_value(value, kind),
            (SortBy::Field(_), None) => Some(SortValue::Missing),
        };
        let read = read.ok_or_else(|| {
            Error::illegal_argument(format!(
                "Failed to parse search_after value [{}] for field [{:?}]",
                text_of(value),
                self.by
            ))
        })?;
        self.place_of(&read)
    }

    /// A document's value as it is known outside the segment.
    pub fn outside(&self, place: Place) -> Result<SortValue, Error> {
        if place == self.missing && place.0 != 1 {
            return Ok(self.missing_value.clone());
        }
        let raw = if self.descending { !place.1 } else { place.1 };
        Ok(match (&self.by, &self.kind, &self.strings, &self.values) {
            (SortBy::Score, ..) => SortValue::Real(f64::from(f32::from_bits(raw as u32))),
            (SortBy::Doc, ..) => SortValue::Integer(raw as i64),
            (_, _, Some(strings), _) if raw % 2 == 1 => {
                let mut text = String::new();
                strings.ord_to_str(raw / 2, &mut text)?;
                SortValue::Text(text)
            }
            (_, Some(Kind::Double | Kind::Float), _, Some(values)) if place != self.missing => {
                SortValue::Real(values.real(raw))
            }
            (_, _, None, Some(values)) if place != self.missing => SortValue::Integer(values.integer(raw)),
            _ => self.missing_value.clone(),
        })
    }
}
