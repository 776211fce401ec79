//! Indices, their mappings and settings.

use super::request::Request;
use super::response::Answer;
use millrace_search::{Engine, Error};
use serde_json::json;

const PATTERN_PARAMS: [&str; 6] = [
    "ignore_unavailable",
    "allow_no_indices",
    "expand_wildcards",
    "flat_settings",
    "include_defaults",
    "write_index_only",
];

/// `PUT /{index}`
pub fn create(engine: &Engine, request: &Request, index: &str) -> Result<Answer, Error> {
    request.allow(&[])?;
    engine.create_index(index, &request.json()?)?;
    Ok(Answer::ok(json!({"acknowledged": true, "shards_acknowledged": true, "index": index})))
}

/// `DELETE /{index}`
pub fn delete(engine: &Engine, request: &Request, expression: &str) -> Result<Answer, Error> {
    request.allow(&["ignore_unavailable", "allow_no_indices", "expand_wildcards"])?;
    match engine.delete_index(expression) {
        Err(error) if error.status == 404 && request.truth("ignore_unavailable")? => {}
        other => other?,
    }
    Ok(Answer::ok(json!({"acknowledged": true})))
}

/// `HEAD /{index}`
pub fn exists(engine: &Engine, request: &Request, expression: &str) -> Result<Answer, Error> {
    request.allow(&PATTERN_PARAMS)?;
    Ok(Answer::empty(if engine.describe(expression).is_ok() { 200 } else { 404 }))
}

/// `GET /{index}`
pub fn get(engine: &Engine, request: &Request, expression: &str) -> Result<Answer, Error> {
    allow_reading(request)?;
    Ok(Answer::ok(engine.describe(expression)?))
}

/// `GET /{index}/_mapping`
pub fn get_mapping(engine: &Engine, request: &Request, expression: &str) -> Result<Answer, Error> {
    allow_reading(request)?;
    Ok(Answer::ok(engine.mappings(expression)?))
}

/// `PUT /{index}/_mapping`
pub fn put_mapping(engine: &Engine, request: &Request, expression: &str) -> Result<Answer, Error> {
    request.allow(&["ignore_unavailable", "allow_no_indices", "expand_wildcards"])?;
    engine.put_mapping(expression, &request.json()?)?;
    Ok(Answer::ok(json!({"acknowledged": true})))
}

/// `GET /{index}/_settings`
pub fn get_settings(engine: &Engine, request: &Request, expression: &str) -> Result<Answer, Error> {
    allow_reading(request)?;
    Ok(Answer::ok(engine.settings(expression)?))
}

/// `_refresh`
pub fn refresh(engine: &Engine, request: &Request, expression: &str) -> Result<Answer, Error> {
    request.allow(&["ignore_unavailable", "allow_no_indices", "expand_wildcards"])?;
    let count = engine.refresh(expression)?;
    Ok(Answer::ok(json!({"_shards": {"total": count, "successful": count, "failed": 0}})))
}

fn allow_reading(request: &Request) -> Result<(), Error> {
    request.allow(&PATTERN_PARAMS)?;
    for name in ["flat_settings", "include_defaults", "ignore_unavailable"] {
        if request.truth(name)? {
            return Err(Error::not_supported(format!("[{name}] of [{}]", request.path)));
        }
    }
    Ok(())
}
