//! The body of `_bulk`: lines of JSON, an action and (but for `delete`) its document.

use crate::engine::BulkOp;
use crate::error::Error;
use crate::index::{Action, Condition, Done, Write};
use bytes::Bytes;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

/// What an item of a bulk response is called, and the index that it was for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkLabel {
    /// `index`, `create`, `update` or `delete`.
    pub action: &'static str,
    /// The index.
    pub index: String,
    /// The id that was given.
    pub id: Option<String>,
}

/// Reads a bulk body. `index` is the one in the URL, for actions that name none.
pub fn parse_bulk(body: &Bytes, index: Option<&str>) -> Result<Vec<(BulkLabel, BulkOp)>, Error> {
    if body.is_empty() {
        return Err(Error::parsing("request body is required"));
    }
    if body.last() != Some(&b'\n') {
        return Err(Error::illegal_argument("The bulk request must be terminated by a newline [\\n]"));
    }
    let mut ops = Vec::new();
    let mut lines = Lines { body, at: 0, number: 0 };
    while let Some(line) = lines.next() {
        if line.is_empty() {
            continue;
        }
        let number = lines.number;
        let malformed =
            |what: &str| Error::illegal_argument(format!("Malformed action/metadata line [{number}], {what}"));
        let parsed: Map<String, Value> =
            serde_json::from_slice(&line).map_err(|error| malformed(&format!("expected an action: {error}")))?;
        let mut members = parsed.into_iter();
        let (Some((name, Value::Object(meta))), None) = (members.next(), members.next()) else {
            return Err(malformed("expected one action with an object"));
        };
        let mut source =
            || lines.next().filter(|line| !line.is_empty()).ok_or_else(|| malformed("its document is missing"));
        let (action, label) = match name.as_str() {
            "index" if meta.get("op_type").is_some_and(|kind| kind == "create") => {
                (Action::Create(source()?), "create")
            }
            "index" => (Action::Index(source()?), "index"),
            "create" => (Action::Create(source()?), "create"),
            "update" => (Action::Update(source()?), "update"),
            "delete" => (Action::Delete, "delete"),
            other => {
                return Err(malformed(&format!(
                    "expected field [create], [delete], [index] or [update] but found [{other}]"
                )));
            }
        };
        let (named, id, condition) = read_meta(&meta, number)?;
        let index = named.or_else(|| index.map(str::to_owned)).ok_or_else(|| Error::validation("index is missing"))?;
        if id.is_none() && matches!(action, Action::Update(_) | Action::Delete) {
            return Err(Error::validation("id is missing"));
        }
        let label = BulkLabel { action: label, index: index.clone(), id: id.clone() };
        ops.push((label, BulkOp { index, write: Write { id, action, condition } }));
    }
    if ops.is_empty() {
        return Err(Error::validation("no requests added"));
    }
    Ok(ops)
}

struct Lines<'a> {
    body: &'a Bytes,
    at: usize,
    number: usize,
}

impl Lines<'_> {
    /// The next line, without its end; it shares the body's memory.
    fn next(&mut self) -> Option<Bytes> {
        let rest = self.body.get(self.at..).filter(|rest| !rest.is_empty())?;
        let len = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let line = self.body.slice(self.at..self.at + len);
        self.at += len + 1;
        self.number += 1;
        Some(if line.last() == Some(&b'\r') { line.slice(..len - 1) } else { line })
    }
}

fn read_meta(meta: &Map<String, Value>, line: usize) -> Result<(Option<String>, Option<String>, Condition), Error> {
    let (mut index, mut id, mut condition) = (None, None, Condition::default());
    let (mut version, mut external) = (None, false);
    for (key, value) in meta {
        let number =
            || value.as_u64().ok_or_else(|| Error::illegal_argument(format!("[{key}] on line [{line}] is no number")));
        match key.as_str() {
            _ if value.is_null() => {}
            "_index" => index = Some(crate::query::text_of(value)),
            "_id" => id = Some(crate::query::text_of(value)),
            "if_seq_no" => condition.if_seq_no = Some(number()?),
            "if_primary_term" => condition.if_primary_term = Some(number()?),
            "version" => version = Some(number()?),
            "version_type" if value == "external" => external = true,
            "version_type" if value == "internal" => {}
            // Nothing ever comes between a read and its update here.
            "retry_on_conflict" => {}
            "op_type" if value == "index" => {}
            other => {
                return Err(Error::illegal_argument(format!(
                    "Action/metadata line [{line}] contains an unknown parameter [{other}], or one not supported by Millrace yet"
                )));
            }
        }
    }
    match (version, external) {
        (Some(version), true) => condition.external_version = Some(version),
        (None, false) => {}
        _ => {
            return Err(Error::illegal_argument(
                "[version] goes with [version_type] external, and the other way round",
            ));
        }
    }
    Ok((index, id, condition))
}

/// What became of a write, as OpenSearch answers it.
#[derive(Debug, Serialize)]
pub struct Outcome<'a> {
    _index: &'a str,
    _id: &'a str,
    _version: u64,
    result: &'static str,
    _shards: Copies,
    _seq_no: u64,
    _primary_term: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    forced_refresh: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
}

#[derive(Debug, Serialize)]
struct Copies {
    total: u32,
    successful: u32,
    failed: u32,
}

impl<'a> Outcome<'a> {
    /// Of a write alone.
    pub fn new(index: &'a str, done: &'a Done, forced_refresh: bool) -> Self {
        let copies = u32::from(done.result != "noop");
        Self {
            _index: index,
            _id: &done.id,
            _version: done.version,
            result: done.result,
            _shards: Copies { total: copies, successful: copies, failed: 0 },
            _seq_no: done.seq,
            _primary_term: 1,
            forced_refresh: forced_refresh.then_some(true),
            status: None,
        }
    }
}

/// An item of a bulk response: under the action's name an [`Outcome`] with its status, or what went wrong.
#[derive(Debug)]
pub struct BulkItem<'a> {
    label: &'a BulkLabel,
    became: Became<'a>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Became<'a> {
    Done(Outcome<'a>),
    Failed { _index: &'a str, _id: Option<&'a str>, error: Value, status: u16 },
}

impl<'a> BulkItem<'a> {
    /// Of one action.
    pub fn new(label: &'a BulkLabel, result: &'a Result<Done, Error>, forced_refresh: bool) -> Self {
        let became = match result {
            Ok(done) => {
                let outcome = Outcome::new(&label.index, done, forced_refresh);
                Became::Done(Outcome { status: Some(done.status()), ..outcome })
            }
            Err(error) => Became::Failed {
                _index: &label.index,
                _id: label.id.as_deref(),
                error: error.cause(),
                status: error.status,
            },
        };
        Self { label, became }
    }
}

impl Serialize for BulkItem<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([(self.label.action, &self.became)])
    }
}
