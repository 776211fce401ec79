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

/// `POST /_aliases`
pub fn update_aliases(engine: &Engine, request: &Request) -> Result<Answer, Error> {
    request.allow(&[])?;
    engine.update_aliases(&request.json()?)?;
    Ok(Answer::ok(json!({"acknowledged": true})))
}

/// `PUT /{index}/_alias/{alias}`
pub fn put_alias(engine: &Engine, request: &Request, expression: &str, alias: &str) -> Result<Answer, Error> {
    request.allow(&[])?;
    engine.put_alias(expression, alias, &request.json()?)?;
    Ok(Answer::ok(json!({"acknowledged": true})))
}

/// `DELETE /{index}/_alias/{alias}`
pub fn delete_alias(engine: &Engine, request: &Request, expression: &str, aliases: &str) -> Result<Answer, Error> {
    request.allow(&[])?;
    engine.delete_alias(expression, aliases)?;
    Ok(Answer::ok(json!({"acknowledged": true})))
}

/// `GET /_alias`, `GET /_alias/{alias}`, `GET /{index}/_alias/{alias}`; as `HEAD` whether there is one.
pub fn get_alias(engine: &Engine, request: &Request, expression: &str, aliases: Option<&str>) -> Result<Answer, Error> {
    request.allow(&PATTERN_PARAMS)?;
    Ok(Answer::ok(engine.aliases(expression, aliases)?))
}

/// `POST /{alias}/_rollover`, `POST /{alias}/_rollover/{new index}`
pub fn roll_over(engine: &Engine, request: &Request, alias: &str, new: Option<&str>) -> Result<Answer, Error> {
    request.allow(&["dry_run"])?;
    Ok(Answer::ok(engine.roll_over(alias, new, &request.json()?, request.truth("dry_run")?)?))
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
