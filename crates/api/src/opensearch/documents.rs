//! Single documents and bulks of them.

use super::request::Request;
use super::response::{Answer, took};
use millrace_base::Millis;
use millrace_search::{
    Action, BulkItem, Condition, Engine, Error, Found, Outcome, Refresh, SourceFilter, Write, parse_bulk,
};
use serde::Serialize;
use serde_json::{Value, json};

const SOURCE_PARAMS: [&str; 3] = ["_source", "_source_includes", "_source_excludes"];

/// `_bulk`
pub fn bulk(engine: &Engine, request: &Request, index: Option<&str>) -> Result<Answer, Error> {
    request.allow(&["refresh"])?;
    let refresh = request.refresh()?;
    let begun = engine.now();
    let (labels, ops): (Vec<_>, Vec<_>) = parse_bulk(&request.body, index)?.into_iter().unzip();
    let results = engine.bulk(ops, refresh)?;
    let errors = results.iter().any(Result::is_err);
    let forced = refresh == Refresh::Now;
    let items = labels.iter().zip(&results).map(|(label, result)| BulkItem::new(label, result, forced)).collect();
    Ok(Answer::ok(Bulk { took: took(engine, begun), errors, items }))
}

#[derive(Serialize)]
struct Bulk<'a> {
    took: Millis,
    errors: bool,
    items: Vec<BulkItem<'a>>,
}

/// `PUT /{index}/_doc/{id}`, `POST /{index}/_doc`, `PUT /{index}/_create/{id}`
pub fn put(engine: &Engine, request: &Request, index: &str, id: Option<&str>, create: bool) -> Result<Answer, Error> {
    request.allow(&["refresh", "op_type", "if_seq_no", "if_primary_term", "version", "version_type"])?;
    if request.body.is_empty() {
        return Err(Error::parsing("request body is required"));
    }
    let source = request.body.clone();
    let action = if create { Action::Create(source) } else { Action::Index(source) };
    write(engine, request, index, id, action)
}

/// `DELETE /{index}/_doc/{id}`
pub fn delete(engine: &Engine, request: &Request, index: &str, id: &str) -> Result<Answer, Error> {
    request.allow(&["refresh", "if_seq_no", "if_primary_term", "version", "version_type"])?;
    if !engine.has_index(index) {
        return Err(Error::index_not_found(index));
    }
    write(engine, request, index, Some(id), Action::Delete)
}

/// `POST /{index}/_update/{id}`
pub fn update(engine: &Engine, request: &Request, index: &str, id: &str) -> Result<Answer, Error> {
    // Nothing ever comes between a read and its update here, so there is nothing to retry.
    request.allow(&["refresh", "retry_on_conflict", "if_seq_no", "if_primary_term"])?;
    write(engine, request, index, Some(id), Action::Update(request.body.clone()))
}

fn write(engine: &Engine, request: &Request, index: &str, id: Option<&str>, action: Action) -> Result<Answer, Error> {
    let refresh = request.refresh()?;
    let write = Write { id: id.map(str::to_owned), action, condition: condition(request)? };
    let result = engine.write(index, vec![write], refresh)?.into_iter().next();
    let done = result.unwrap_or_else(|| Err(Error::storage(index, "the write has no result")))?;
    Ok(Answer::json(done.status(), Outcome::new(index, &done, refresh == Refresh::Now)))
}

fn condition(request: &Request) -> Result<Condition, Error> {
    let external_version = match (request.number("version")?, request.param("version_type")) {
        (Some(version), Some("external")) => Some(version),
        (None, None | Some("internal")) => None,
        _ => return Err(Error::illegal_argument("[version] goes with version_type=external, and the other way round")),
    };
    let (if_seq_no, if_primary_term) = (request.number("if_seq_no")?, request.number("if_primary_term")?);
    Ok(Condition { if_seq_no, if_primary_term, external_version })
}

/// `GET /{index}/_doc/{id}`
pub fn get(engine: &Engine, request: &Request, index: &str, id: &str) -> Result<Answer, Error> {
    let mut known = vec!["realtime", "refresh", "preference"];
    known.extend(SOURCE_PARAMS);
    request.allow(&known)?;
    let filter = source_filter(request)?;
    let found = engine.get_doc(index, id)?;
    let status = if found.is_some() { 200 } else { 404 };
    Ok(Answer::json(status, shown(index, id, found, &filter)?))
}

/// `GET /{index}/_source/{id}`
pub fn source(engine: &Engine, request: &Request, index: &str, id: &str) -> Result<Answer, Error> {
    request.allow(&SOURCE_PARAMS)?;
    let missing = || {
        let mut error = Error::document_missing(index, id);
        error.kind = "resource_not_found_exception";
        error.reason = format!("Document not found [{index}]/[{id}]");
        error
    };
    let found = engine.get_doc(index, id)?.ok_or_else(missing)?;
    let source = source_filter(request)?.apply(read(&found)?);
    Ok(Answer::ok(source.unwrap_or_else(|| json!({}))))
}

/// `_mget`
pub fn mget(engine: &Engine, request: &Request, index: Option<&str>) -> Result<Answer, Error> {
    let mut known = vec!["realtime", "refresh", "preference"];
    known.extend(SOURCE_PARAMS);
    request.allow(&known)?;
    let body = request.json()?;
    let by_default = source_filter(request)?;
    let docs: Vec<Value> = match (&body["docs"], &body["ids"]) {
        (Value::Array(docs), Value::Null) => docs.clone(),
        (Value::Null, Value::Array(ids)) => ids.iter().map(|id| json!({"_id": id})).collect(),
        _ => return Err(Error::validation("no documents to get: the body has either [docs] or [ids]")),
    };
    let mut out = Vec::with_capacity(docs.len());
    for doc in docs {
        let index = doc["_index"].as_str().or(index).ok_or_else(|| Error::validation("index is missing for doc 0"))?;
        let id = match &doc["_id"] {
            Value::String(id) => id.clone(),
            Value::Null => return Err(Error::validation("id is missing for doc 0")),
            other => other.to_string(),
        };
        let filter = match doc.get("_source") {
            Some(filter) => &SourceFilter::read(filter)?,
            None => &by_default,
        };
        out.push(match engine.get_doc(index, &id) {
            Ok(found) => shown(index, &id, found, filter)?,
            Err(error) => json!({"_index": index, "_id": id, "error": error.body()["error"]}),
        });
    }
    Ok(Answer::ok(json!({"docs": out})))
}

fn source_filter(request: &Request) -> Result<SourceFilter, Error> {
    let param = |name| request.param(name);
    SourceFilter::read_params(param("_source"), param("_source_includes"), param("_source_excludes"))
}

fn read(found: &Found) -> Result<Value, Error> {
    serde_json::from_slice(&found.source).map_err(|error| Error::mapper_parsing(error.to_string()))
}

fn shown(index: &str, id: &str, found: Option<Found>, filter: &SourceFilter) -> Result<Value, Error> {
    let Some(found) = found else { return Ok(json!({"_index": index, "_id": id, "found": false})) };
    let mut out = json!({
        "_index": index, "_id": id, "_version": found.version, "_seq_no": found.seq, "_primary_term": 1, "found": true,
    });
    if let Some(source) = filter.apply(read(&found)?) {
        out["_source"] = source;
    }
    Ok(out)
}
