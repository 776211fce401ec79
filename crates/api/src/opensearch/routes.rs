//! From method and path to what answers.

use super::request::Request;
use super::response::Answer;
use super::{cat, documents, indices, lifecycle, searches, templates};
use axum::http::Method;
use millrace_search::{Engine, Error};
use serde_json::json;

/// The version whose API this is; what of it is there is in docs/compat/opensearch.md.
const VERSION: &str = "2.19.0";

/// Answers a request.
pub fn route(engine: &Engine, request: &Request) -> Result<Answer, Error> {
    let parts: Vec<&str> = request.parts.iter().map(String::as_str).collect();
    let method = match request.method.as_str() {
        // A HEAD is a GET whose body nobody wants.
        "HEAD" => "GET",
        other => other,
    };
    match (method, &parts[..]) {
        ("GET", []) => Ok(Answer::ok(info())),
        (_, [first, rest @ ..]) if first.starts_with('_') && *first != "_all" => {
            whole(engine, request, method, first, rest)
        }
        (_, [index, rest @ ..]) => one(engine, request, method, index, rest),
        _ => Err(no_handler(request)),
    }
}

/// Paths without an index in front.
fn whole(engine: &Engine, request: &Request, method: &str, first: &str, rest: &[&str]) -> Result<Answer, Error> {
    match (method, first, rest) {
        ("POST" | "PUT", "_bulk", []) => documents::bulk(engine, request, None),
        ("GET" | "POST", "_search", []) => searches::search(engine, request, "_all"),
        ("GET" | "POST", "_msearch", []) => searches::msearch(engine, request, None),
        ("GET" | "POST", "_count", []) => searches::count(engine, request, "_all"),
        ("GET" | "POST", "_mget", []) => documents::mget(engine, request, None),
        ("GET" | "POST", "_refresh", []) => indices::refresh(engine, request, "_all"),
        ("GET", "_mapping" | "_mappings", []) => indices::get_mapping(engine, request, "_all"),
        ("GET", "_settings", []) => indices::get_settings(engine, request, "_all"),
        ("POST", "_aliases", []) => indices::update_aliases(engine, request),
        ("GET", "_alias" | "_aliases", []) => indices::get_alias(engine, request, "_all", None),
        ("GET", "_alias" | "_aliases", [alias]) => indices::get_alias(engine, request, "_all", Some(alias)),
        ("GET", "_cat", ["indices"]) => cat::indices(engine, request, "_all"),
        ("GET", "_cat", ["indices", expression]) => cat::indices(engine, request, expression),
        ("GET", "_cat", ["health"]) => cat::health(engine, request),
        ("GET", "_cat", ["count"]) => cat::count(engine, request, "_all"),
        ("GET", "_cat", ["count", expression]) => cat::count(engine, request, expression),
        ("GET", "_cluster", ["health"] | ["health", _]) => cat::cluster_health(engine, request),
        ("PUT" | "POST", "_index_template", [name]) => templates::put(engine, request, name),
        ("GET", "_index_template", []) => templates::get(engine, request, "*"),
        ("GET", "_index_template", [pattern]) => templates::get(engine, request, pattern),
        ("DELETE", "_index_template", [pattern]) => templates::delete(engine, request, pattern),
        (_, "_plugins", ["_ism", rest @ ..]) => policies(engine, request, method, rest),
        _ => Err(no_handler(request)),
    }
}

/// Paths of Index State Management.
fn policies(engine: &Engine, request: &Request, method: &str, rest: &[&str]) -> Result<Answer, Error> {
    match (method, rest) {
        ("PUT", ["policies", id]) => lifecycle::put(engine, request, id),
        ("GET", ["policies"]) => lifecycle::list(engine, request),
        ("GET", ["policies", id]) => lifecycle::get(engine, request, id),
        ("DELETE", ["policies", id]) => lifecycle::delete(engine, request, id),
        ("GET", ["explain"]) => lifecycle::explain(engine, request, "*"),
        ("GET", ["explain", expression]) => lifecycle::explain(engine, request, expression),
        _ => Err(no_handler(request)),
    }
}

/// Paths with an index, or an expression of several, in front.
fn one(engine: &Engine, request: &Request, method: &str, index: &str, rest: &[&str]) -> Result<Answer, Error> {
    match (method, rest) {
        ("GET", []) if request.method == Method::HEAD => indices::exists(engine, request, index),
        ("GET", []) => indices::get(engine, request, index),
        ("PUT", []) => indices::create(engine, request, index),
        ("DELETE", []) => indices::delete(engine, request, index),
        ("POST" | "PUT", ["_bulk"]) => documents::bulk(engine, request, Some(index)),
        ("POST", ["_doc"]) => documents::put(engine, request, index, None, false),
        ("POST" | "PUT", ["_doc", id]) => {
            let create = match request.param("op_type") {
                None | Some("index") => false,
                Some("create") => true,
                Some(other) => {
                    return Err(Error::illegal_argument(format!(
                        "opType must be 'create' or 'index', found: [{other}]"
                    )));
                }
            };
            documents::put(engine, request, index, Some(id), create)
        }
        ("POST" | "PUT", ["_create", id]) => documents::put(engine, request, index, Some(id), true),
        ("GET", ["_doc", id]) => documents::get(engine, request, index, id),
        ("GET", ["_source", id]) => documents::source(engine, request, index, id),
        ("DELETE", ["_doc", id]) => documents::delete(engine, request, index, id),
        ("POST", ["_update", id]) => documents::update(engine, request, index, id),
        ("GET" | "POST", ["_search"]) => searches::search(engine, request, index),
        ("GET" | "POST", ["_msearch"]) => searches::msearch(engine, request, Some(index)),
        ("GET" | "POST", ["_count"]) => searches::count(engine, request, index),
        ("GET" | "POST", ["_mget"]) => documents::mget(engine, request, Some(index)),
        ("GET" | "POST", ["_refresh"]) => indices::refresh(engine, request, index),
        ("GET", ["_mapping" | "_mappings"]) => indices::get_mapping(engine, request, index),
        ("PUT" | "POST", ["_mapping" | "_mappings"]) => indices::put_mapping(engine, request, index),
        ("GET", ["_alias" | "_aliases"]) => indices::get_alias(engine, request, index, None),
        ("GET", ["_alias" | "_aliases", alias]) => indices::get_alias(engine, request, index, Some(alias)),
        ("PUT" | "POST", ["_alias" | "_aliases", alias]) => indices::put_alias(engine, request, index, alias),
        ("DELETE", ["_alias" | "_aliases", alias]) => indices::delete_alias(engine, request, index, alias),
        ("GET", ["_settings"]) => indices::get_settings(engine, request, index),
        ("POST", ["_rollover"]) => indices::roll_over(engine, request, index, None),
        ("POST", ["_rollover", new]) => indices::roll_over(engine, request, index, Some(new)),
        _ => Err(no_handler(request)),
    }
}

fn no_handler(request: &Request) -> Error {
    Error::no_handler(request.method.as_str(), &request.path)
}

fn info() -> serde_json::Value {
    json!({
        "name": "millrace",
        "cluster_name": "millrace",
        "cluster_uuid": "_na_",
        "version": {
            "distribution": "opensearch",
            "number": VERSION,
            "build_type": "millrace",
            "build_hash": env!("CARGO_PKG_VERSION"),
            "build_date": "unknown",
            "build_snapshot": false,
            "lucene_version": "none",
            "minimum_wire_compatibility_version": VERSION,
            "minimum_index_compatibility_version": VERSION,
        },
        "tagline": "Millrace answers a part of the OpenSearch API; see docs/compat/opensearch.md",
    })
}
