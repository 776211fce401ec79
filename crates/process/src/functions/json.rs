//! SQL/JSON: `JSON_VALUE`, `JSON_QUERY`, `JSON_EXISTS`, `IS JSON`, with paths of members and indices (`$.a.b[0]`).
//!
//! Behaviour on empty and on error is the default: NULL (FALSE for `JSON_EXISTS`).

use super::signature::{Args, Call, Entry, Param, Signature};
use super::text::{Texts, texts_of};
use crate::eval::EvalError;
use arrow::array::{ArrayRef, BooleanArray};
use millrace_schema::{SqlType, Typed};
use serde_json::Value as Json;
use std::sync::Arc;

pub(super) const TABLE: &[Entry] = &[
    Entry { name: "JSON_VALUE", sign: sign_text, eval: |call| found(call, scalar) },
    Entry { name: "JSON_QUERY", sign: sign_text, eval: |call| found(call, compound) },
    Entry { name: "JSON_EXISTS", sign: sign_exists, eval: exists },
    Entry { name: "IS JSON", sign: sign_is, eval: is_json },
];

fn sign_text(args: &Args<'_>) -> Result<Signature, String> {
    let types = args.takes(&[Param::Str, Param::Str], &[], None)?;
    if let Some(path) = args.literal_path() {
        parse_path(&path)?;
    }
    args.maybe(types, SqlType::STRING)
}

fn sign_exists(args: &Args<'_>) -> Result<Signature, String> {
    args.fixed(args.takes(&[Param::Str, Param::Str], &[], None)?, SqlType::Boolean)
}

fn sign_is(args: &Args<'_>) -> Result<Signature, String> {
    let args = args.takes(&[Param::Str], &[], None)?;
    Ok(Signature { args, result: Typed { ty: SqlType::Boolean, nullable: false } })
}

impl Args<'_> {
    fn literal_path(&self) -> Option<String> {
        match self.literals.get(1) {
            Some(Some(crate::graph::Value::String(path))) => Some(path.clone()),
            _ => None,
        }
    }
}

enum Part {
    Member(String),
    Index(usize),
}

struct Path {
    parts: Vec<Part>,
}

fn parse_path(text: &str) -> Result<Path, String> {
    let wrong = || format!("the JSON path '{text}' is not supported: write members and indices, as in '$.a.b[0]'");
    let body = text.trim();
    let body = body.strip_prefix("lax ").or_else(|| body.strip_prefix("strict ")).unwrap_or(body).trim();
    let mut rest = body.strip_prefix('$').ok_or_else(wrong)?;
    let mut parts = Vec::new();
    while !rest.is_empty() {
        if let Some(member) = rest.strip_prefix('.') {
            let end = member.find(['.', '[']).unwrap_or(member.len());
            let name = member[..end].trim_matches('"');
            if name.is_empty() || name == "*" {
                return Err(wrong());
            }
            parts.push(Part::Member(name.to_owned()));
            rest = &member[end..];
        } else {
            let (inner, after) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')).ok_or_else(wrong)?;
            let quoted = inner.strip_prefix('\'').and_then(|inner| inner.strip_suffix('\''));
            let quoted = quoted.or_else(|| inner.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')));
            parts.push(match quoted {
                Some(name) => Part::Member(name.to_owned()),
                None => Part::Index(inner.trim().parse().map_err(|_| wrong())?),
            });
            rest = after;
        }
    }
    Ok(Path { parts })
}

impl Path {
    fn find<'a>(&self, root: &'a Json) -> Option<&'a Json> {
        self.parts.iter().try_fold(root, |at, part| match part {
            Part::Member(name) => at.get(name.as_str()),
            Part::Index(index) => at.get(*index),
        })
    }
}

/// The path of each row: parsed once when it is a constant.
fn each(call: &Call<'_>, mut visit: impl FnMut(Option<(&str, &Path)>)) -> Result<(), EvalError> {
    let (documents, paths) = (Texts::new(&call.args[0]), Texts::new(&call.args[1]));
    let mut last: Option<(String, Path)> = None;
    for row in 0..call.rows {
        let (Some(document), Some(path)) = (documents.get(row), paths.get(row)) else {
            visit(None);
            continue;
        };
        if last.as_ref().is_none_or(|(text, _)| text != path) {
            last = Some((path.to_owned(), parse_path(path).map_err(EvalError)?));
        }
        visit(last.as_ref().map(|(_, path)| (document, path)));
    }
    Ok(())
}

fn found(call: &Call<'_>, show: fn(&Json) -> Option<String>) -> Result<ArrayRef, EvalError> {
    let mut out = Vec::with_capacity(call.rows);
    each(call, |pair| {
        out.push(pair.and_then(|(document, path)| {
            let root: Json = serde_json::from_str(document).ok()?;
            path.find(&root).and_then(show)
        }));
    })?;
    Ok(texts_of(out))
}

fn scalar(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Bool(_) | Json::Number(_) => Some(value.to_string()),
        _ => None,
    }
}

fn compound(value: &Json) -> Option<String> {
    matches!(value, Json::Object(_) | Json::Array(_)).then(|| value.to_string())
}

fn exists(call: &Call<'_>) -> Result<ArrayRef, EvalError> {
    let mut out = Vec::with_capacity(call.rows);
    each(call, |pair| {
        out.push(pair.map(|(document, path)| {
            // A null is a value of JSON, but none of SQL: it does not exist.
            serde_json::from_str::<Json>(document)
                .is_ok_and(|root| path.find(&root).is_some_and(|found| !found.is_null()))
        }));
    })?;
    Ok(Arc::new(BooleanArray::from(out)))
}

fn is_json(call: &Call<'_>) -> Result<ArrayRef, EvalError> {
    let documents = Texts::new(&call.args[0]);
    let is_json = |row| documents.get(row).is_some_and(|text| serde_json::from_str::<Json>(text).is_ok());
    Ok(Arc::new(BooleanArray::from((0..call.rows).map(is_json).collect::<Vec<bool>>())))
}
