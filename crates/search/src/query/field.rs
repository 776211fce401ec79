//! Queries on one field, by its type.

use super::bm25::Bm25Query;
use super::docs::{DocsQuery, Span};
use super::{BoxQuery, Context};
use crate::analysis;
use crate::date::{DateFormat, Zone, parse_math};
use crate::error::Error;
use crate::index::ColumnOf;
use crate::mapping::{Field, Kind};
use serde_json::Value;
use std::ops::Bound;
use tantivy::Term;
use tantivy::query::{BooleanQuery, ConstScoreQuery, EmptyQuery, Occur, PhraseQuery, TermQuery, TermSetQuery};
use tantivy::schema::IndexRecordOption;

/// The bounds of a range, as they were given.
#[derive(Debug, Clone, Default)]
pub struct Range {
    /// `gte`, or `gt` when not included.
    pub low: Option<(Value, bool)>,
    /// `lte`, or `lt` when not included.
    pub high: Option<(Value, bool)>,
    /// Another format for dates.
    pub format: Option<DateFormat>,
    /// Where midnight is.
    pub zone: Option<Zone>,
}

/// So many terms are cheaper to look up one by one: a set is made into an automaton, which begins with a megabyte.
const FEW_TERMS: usize = 64;

/// Documents with one of these terms; every match scores 1.
fn one_of(terms: Vec<Term>) -> BoxQuery {
    let any: BoxQuery = match terms.len() {
        0..=FEW_TERMS => {
            let single = |term| Box::new(TermQuery::new(term, IndexRecordOption::Basic)) as BoxQuery;
            Box::new(BooleanQuery::new(terms.into_iter().map(|term| (Occur::Should, single(term))).collect()))
        }
        _ => Box::new(TermSetQuery::new(terms)),
    };
    Box::new(ConstScoreQuery::new(any, 1.0))
}

impl Context<'_> {
    /// A field with exactly this value.
    pub fn term(&self, path: &str, value: &Value) -> Result<BoxQuery, Error> {
        if path == "_id" {
            return Ok(self.ids(std::iter::once(text_of(value))));
        }
        let Some(field) = self.mappings.field(path) else { return Ok(Box::new(EmptyQuery)) };
        match &field.kind {
            Kind::Text | Kind::Keyword => Ok(self.token(path, field, &text_of(value))),
            _ => Ok(Box::new(DocsQuery::spans(path, vec![self.span_of_value(path, field, value)?]))),
        }
    }

    /// A field with one of these values; every match scores 1.
    pub fn terms(&self, path: &str, values: &[Value]) -> Result<BoxQuery, Error> {
        if path == "_id" {
            return Ok(self.ids(values.iter().map(text_of)));
        }
        let Some(field) = self.mappings.field(path) else { return Ok(Box::new(EmptyQuery)) };
        if matches!(field.kind, Kind::Text | Kind::Keyword) {
            let into = self.tantivy_field(field);
            let terms = values.iter().map(|value| self.layout.path_term(into, path, &text_of(value)));
            return Ok(one_of(terms.collect()));
        }
        let spans = values.iter().map(|value| self.span_of_value(path, field, value)).collect::<Result<_, _>>()?;
        Ok(Box::new(DocsQuery::spans(path, spans)))
    }

    /// Documents of these ids.
    pub fn ids(&self, ids: impl Iterator<Item = String>) -> BoxQuery {
        one_of(self.index.known(ids).iter().map(|id| self.layout.id_term(id)).collect())
    }

    /// A field that matches a text: any (or `needed`) of its words, or the value itself where there are no words.
    pub fn match_text(&self, path: &str, value: &Value, needed: impl Fn(usize) -> usize) -> Result<BoxQuery, Error> {
        let Some(field) = self.mappings.field(path) else { return self.term(path, value) };
        if field.kind != Kind::Text {
            return self.term(path, value);
        }
        let tokens = analysis::tokens(&text_of(value));
        let needed = needed(tokens.len());
        let mut clauses: Vec<(Occur, BoxQuery)> =
            tokens.iter().map(|token| (Occur::Should, self.token(path, field, token))).collect();
        Ok(match clauses.len() {
            0 => Box::new(EmptyQuery),
            1 => clauses.remove(0).1,
            _ => Box::new(BooleanQuery::with_minimum_required_clauses(clauses, needed.max(1))),
        })
    }

    /// A field with these words one after the other, or with `slop` moves between them.
    pub fn match_phrase(&self, path: &str, value: &Value, slop: u32) -> Result<BoxQuery, Error> {
        let Some(field) = self.mappings.field(path) else { return self.term(path, value) };
        if field.kind != Kind::Text {
            return self.term(path, value);
        }
        let tokens = analysis::tokens(&text_of(value));
        match &tokens[..] {
            [] => Ok(Box::new(EmptyQuery)),
            [one] => Ok(self.token(path, field, one)),
            many => {
                let terms =
                    many.iter().map(|token| self.layout.path_term(self.layout.text, path, token)).enumerate().collect();
                Ok(Box::new(PhraseQuery::new_with_offset_and_slop(terms, slop)))
            }
        }
    }

    /// A field with a value between two others.
    pub fn range(&self, path: &str, range: &Range) -> Result<BoxQuery, Error> {
        let Some(field) = self.mappings.field(path) else { return Ok(Box::new(EmptyQuery)) };
        let span = match &field.kind {
            Kind::Text => return Err(Error::not_supported(format!("a range query on the text field [{path}]"))),
            Kind::Keyword => {
                let bound = |bound: &Option<(Value, bool)>| match bound {
                    Some((value, true)) => Bound::Included(text_of(value)),
                    Some((value, false)) => Bound::Excluded(text_of(value)),
                    None => Bound::Unbounded,
                };
                return Ok(Box::new(DocsQuery::strings(path, bound(&range.low), bound(&range.high))));
            }
            Kind::Date(format) => {
                let zone = range.zone.unwrap_or(Zone::UTC);
                let format = range.format.as_ref().unwrap_or(format);
                let at = |value: &Value, up| self.date(path, value, format, up, &zone);
                let low = match &range.low {
                    Some((value, true)) => at(value, false)?,
                    // Greater than a day means after its end.
                    Some((value, false)) => at(value, true)?.saturating_add(1),
                    None => i64::MIN,
                };
                let high = match &range.high {
                    Some((value, true)) => at(value, true)?,
                    Some((value, false)) => at(value, false)?.saturating_sub(1),
                    None => i64::MAX,
                };
                Span::Integer(low, high)
            }
            kind if kind.is_integral() || *kind == Kind::Boolean => {
                let low = match &range.low {
                    Some((value, included)) => integer_from(self.real(path, field, value)?, value, *included),
                    None => i64::MIN,
                };
                let high = match &range.high {
                    Some((value, included)) => integer_to(self.real(path, field, value)?, value, *included),
                    None => i64::MAX,
                };
                Span::Integer(low, high)
            }
            _ => {
                let low = match &range.low {
                    Some((value, true)) => self.real(path, field, value)?,
                    Some((value, false)) => self.real(path, field, value)?.next_up(),
                    None => f64::NEG_INFINITY,
                };
                let high = match &range.high {
                    Some((value, true)) => self.real(path, field, value)?,
                    Some((value, false)) => self.real(path, field, value)?.next_down(),
                    None => f64::INFINITY,
                };
                Span::Real(low, high)
            }
        };
        Ok(Box::new(DocsQuery::spans(path, vec![span])))
    }

    /// A field with any value at all; for an object, any below it.
    pub fn exists(&self, path: &str) -> BoxQuery {
        if let Some(field) = self.mappings.field(path) {
            return Box::new(DocsQuery::exists(column_of(&field.kind), path));
        }
        let below = format!("{path}.");
        let fields = self.mappings.all().filter(|(inner, _)| inner.starts_with(&below));
        let clauses = fields.map(|(inner, field)| -> (Occur, BoxQuery) {
            (Occur::Should, Box::new(DocsQuery::exists(column_of(&field.kind), &inner)))
        });
        Box::new(ConstScoreQuery::new(Box::new(BooleanQuery::new(clauses.collect())), 1.0))
    }

    /// A field with a term that begins so.
    pub fn prefix(&self, path: &str, prefix: &str, fold_case: bool) -> Result<BoxQuery, Error> {
        let mut pattern = regex::escape(prefix);
        pattern.push_str(".*");
        self.pattern(path, if fold_case { "" } else { prefix }, fold_case.then_some(pattern), true)
    }

    /// A field with a term that a pattern of `*` and `?` matches.
    pub fn wildcard(&self, path: &str, wildcard: &str, fold_case: bool) -> Result<BoxQuery, Error> {
        let (pattern, literal) = wildcard_to_regex(wildcard);
        self.pattern(path, if fold_case { "" } else { &literal }, Some(pattern), fold_case)
    }

    fn pattern(&self, path: &str, prefix: &str, pattern: Option<String>, fold_case: bool) -> Result<BoxQuery, Error> {
        let Some(field) = self.mappings.field(path) else { return Ok(Box::new(EmptyQuery)) };
        if !matches!(field.kind, Kind::Text | Kind::Keyword) {
            return Err(Error::query_shard(format!(
                "Can only use wildcard and prefix queries on keyword and text fields - not on [{path}] which is of type [{}]",
                field.kind.name()
            )));
        }
        let compile = |pattern: String| {
            regex::bytes::RegexBuilder::new(&format!("^(?:{pattern})$"))
                .case_insensitive(fold_case)
                .dot_matches_new_line(true)
                .build()
                .map_err(|error| Error::query_shard(format!("the pattern for [{path}] cannot be used: {error}")))
        };
        let into = self.tantivy_field(field);
        let term = self.layout.path_term(into, path, "");
        Ok(Box::new(DocsQuery::terms_like(into, &term, prefix, pattern.map(compile).transpose()?)))
    }

    fn token(&self, path: &str, field: &Field, token: &str) -> BoxQuery {
        let term = self.layout.path_term(self.tantivy_field(field), path, token);
        Box::new(Bm25Query { term, path: path.to_owned(), lengths: field.kind == Kind::Text })
    }

    fn tantivy_field(&self, field: &Field) -> tantivy::schema::Field {
        if field.kind == Kind::Text { self.layout.text } else { self.layout.keyword }
    }

    fn span_of_value(&self, path: &str, field: &Field, value: &Value) -> Result<Span, Error> {
        Ok(match &field.kind {
            Kind::Date(format) => {
                let at = |up| self.date(path, value, format, up, &Zone::UTC);
                Span::Integer(at(false)?, at(true)?)
            }
            kind if kind.is_integral() || *kind == Kind::Boolean => {
                let real = self.real(path, field, value)?;
                // A number between two integers matches none: the span is empty.
                Span::Integer(integer_from(real, value, true), integer_to(real, value, true))
            }
            Kind::Float => {
                let real = f64::from(self.real(path, field, value)? as f32);
                Span::Real(real, real)
            }
            _ => {
                let real = self.real(path, field, value)?;
                Span::Real(real, real)
            }
        })
    }

    fn date(&self, path: &str, value: &Value, format: &DateFormat, up: bool, zone: &Zone) -> Result<i64, Error> {
        let text = text_of(value);
        let millis = parse_math(&text, format, self.now, up, zone);
        // A number is milliseconds, whatever the format of texts.
        let millis = millis.or_else(|| value.as_i64());
        millis.ok_or_else(|| {
            Error::query_shard(format!("failed to parse date field [{text}] with format [{format}] for field [{path}]"))
        })
    }

    fn real(&self, path: &str, field: &Field, value: &Value) -> Result<f64, Error> {
        let real = match value {
            Value::Number(number) => number.as_f64(),
            Value::Bool(truth) => Some(f64::from(u8::from(*truth))),
            Value::String(text) if field.kind == Kind::Boolean => match text.as_str() {
                "true" => Some(1.0),
                "false" | "" => Some(0.0),
                _ => None,
            },
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        real.filter(|real| !real.is_nan()).ok_or_else(|| {
            let text = text_of(value);
            Error::query_shard(format!(
                "failed to create query: For input string: \"{text}\" on field [{path}] of type [{}]",
                field.kind.name()
            ))
        })
    }
}

/// The column that knows whether a field has a value.
pub fn column_of(kind: &Kind) -> ColumnOf {
    match kind {
        Kind::Text => ColumnOf::Length,
        Kind::Keyword => ColumnOf::Keyword,
        _ => ColumnOf::Number,
    }
}

/// A value as the text that a term has.
pub fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The least integer of a range that begins at a number; exact for integers beyond a double's reach.
fn integer_from(real: f64, value: &Value, included: bool) -> i64 {
    match value.as_i64().or_else(|| value.as_str()?.parse().ok()) {
        Some(integer) if included => integer,
        Some(integer) => integer.saturating_add(1),
        None => (if included || real.fract() != 0.0 { real.ceil() } else { real + 1.0 }) as i64,
    }
}

fn integer_to(real: f64, value: &Value, included: bool) -> i64 {
    match value.as_i64().or_else(|| value.as_str()?.parse().ok()) {
        Some(integer) if included => integer,
        Some(integer) => integer.saturating_sub(1),
        None => (if included || real.fract() != 0.0 { real.floor() } else { real - 1.0 }) as i64,
    }
}

/// A regular expression for a wildcard pattern, and the letters before its first wildcard.
pub fn wildcard_to_regex(wildcard: &str) -> (String, String) {
    let (mut pattern, mut literal, mut is_literal) = (String::new(), String::new(), true);
    let mut chars = wildcard.chars();
    while let Some(c) = chars.next() {
        let c = match c {
            '*' => {
                pattern.push_str(".*");
                is_literal = false;
                continue;
            }
            '?' => {
                pattern.push('.');
                is_literal = false;
                continue;
            }
            '\\' => chars.next().unwrap_or('\\'),
            c => c,
        };
        pattern.push_str(&regex::escape(&c.to_string()));
        if is_literal {
            literal.push(c);
        }
    }
    (pattern, literal)
}
