//! Index templates.

use super::request::Request;
use super::response::Answer;
use millrace_search::{Engine, Error};
use serde_json::json;

/// `PUT /_index_template/{name}`
pub fn put(engine: &Engine, request: &Request, name: &str) -> Result<Answer, Error> {
    request.allow(&["create"])?;
    engine.put_template(name, &request.json()?, request.truth("create")?)?;
    Ok(Answer::ok(json!({"acknowledged": true})))
}

/// `GET /_index_template`, `GET /_index_template/{name}`
pub fn get(engine: &Engine, request: &Request, pattern: &str) -> Result<Answer, Error> {
    request.allow(&[])?;
    Ok(Answer::ok(json!({"index_templates": engine.templates(pattern)?})))
}

/// `DELETE /_index_template/{name}`
pub fn delete(engine: &Engine, request: &Request, pattern: &str) -> Result<Answer, Error> {
    request.allow(&[])?;
    engine.delete_template(pattern)?;
    Ok(Answer::ok(json!({"acknowledged": true})))
}
