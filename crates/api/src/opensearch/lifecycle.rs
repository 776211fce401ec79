//! Lifecycle policies: the part of Index State Management that rolls aliases over and deletes old indices.

use super::request::Request;
use super::response::Answer;
use millrace_search::{Engine, Error};
use serde_json::{Value, json};

/// `PUT /_plugins/_ism/policies/{id}`
pub fn put(engine: &Engine, request: &Request, id: &str) -> Result<Answer, Error> {
    request.allow(&["if_seq_no", "if_primary_term"])?;
    let policy = engine.put_policy(id, &request.json()?, request.number("if_seq_no")?)?;
    let status = if request.number("if_seq_no")?.is_some() { 200 } else { 201 };
    Ok(Answer::json(status, wrapped(policy)))
}

/// A policy stands in an object of its own here, beside its id.
fn wrapped(mut policy: Value) -> Value {
    let inner = policy["policy"].take();
    policy["policy"] = json!({ "policy": inner });
    policy
}

/// `GET /_plugins/_ism/policies/{id}`
pub fn get(engine: &Engine, request: &Request, id: &str) -> Result<Answer, Error> {
    request.allow(&[])?;
    Ok(Answer::ok(engine.policy(id)?))
}

/// `GET /_plugins/_ism/policies`
pub fn list(engine: &Engine, request: &Request) -> Result<Answer, Error> {
    request.allow(&[])?;
    let policies = engine.policies();
    Ok(Answer::ok(json!({"total_policies": policies.len(), "policies": policies})))
}

/// `DELETE /_plugins/_ism/policies/{id}`
pub fn delete(engine: &Engine, request: &Request, id: &str) -> Result<Answer, Error> {
    request.allow(&[])?;
    engine.delete_policy(id)?;
    Ok(Answer::ok(json!({"_index": ".opendistro-ism-config", "_id": id, "result": "deleted"})))
}

/// `GET /_plugins/_ism/explain/{index}`
pub fn explain(engine: &Engine, request: &Request, expression: &str) -> Result<Answer, Error> {
    request.allow(&[])?;
    Ok(Answer::ok(engine.explain_policies(expression)?))
}
