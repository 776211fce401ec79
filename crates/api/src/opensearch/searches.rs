//! Searches and counts.

use super::request::Request;
use super::response::{Answer, took};
use millrace_search::{Engine, Error};
use serde_json::{Map, Value, json};

/// Parameters that make a query of `?q=`.
const QUERY_PARAMS: [&str; 5] = ["q", "df", "default_operator", "analyze_wildcard", "lenient"];
/// Parameters about which indices there must be, and about nodes, of which there is one.
const INDEX_PARAMS: [&str; 4] = ["ignore_unavailable", "allow_no_indices", "expand_wildcards", "preference"];

/// `_search`
pub fn search(engine: &Engine, request: &Request, expression: &str) -> Result<Answer, Error> {
    let mut known = vec!["from", "size", "sort", "track_total_hits", "track_scores", "version", "seq_no_primary_term"];
    known.extend([
        "_source",
        "_source_includes",
        "_source_excludes",
        "request_cache",
        "search_type",
        "batched_reduce_size",
    ]);
    known.extend(QUERY_PARAMS);
    known.extend(INDEX_PARAMS);
    request.allow(&known)?;
    if let Some(other) =
        request.param("search_type").filter(|kind| !matches!(*kind, "query_then_fetch" | "dfs_query_then_fetch"))
    {
        return Err(Error::illegal_argument(format!("No search type for [{other}]")));
    }
    let mut body = request.json()?;
    if body.is_null() {
        body = json!({});
    }
    let Some(members) = body.as_object_mut() else { return Err(Error::parsing("a search is a JSON object")) };
    add_params(request, members)?;
    Ok(Answer::ok(engine.search(expression, &body, request.truth("ignore_unavailable")?)?))
}

/// Parameters say what members of the body could say, and win over them.
fn add_params(request: &Request, body: &mut Map<String, Value>) -> Result<(), Error> {
    for name in ["from", "size"] {
        if let Some(number) = request.number(name)? {
            body.insert(name.to_owned(), json!(number));
        }
    }
    for name in ["track_scores", "version", "seq_no_primary_term"] {
        if request.param(name).is_some() {
            body.insert(name.to_owned(), json!(request.truth(name)?));
        }
    }
    if let Some(sort) = request.param("sort") {
        body.insert("sort".to_owned(), json!(sort.split(',').collect::<Vec<_>>()));
    }
    match request.param("track_total_hits") {
        None => {}
        Some("true" | "") => drop(body.insert("track_total_hits".to_owned(), json!(true))),
        Some("false") => drop(body.insert("track_total_hits".to_owned(), json!(false))),
        Some(_) => drop(body.insert("track_total_hits".to_owned(), json!(request.number("track_total_hits")?))),
    }
    let list = |text: &str| json!(text.split(',').collect::<Vec<_>>());
    let (includes, excludes) = (request.param("_source_includes"), request.param("_source_excludes"));
    match request.param("_source") {
        Some("true") => drop(body.insert("_source".to_owned(), json!(true))),
        Some("false") => drop(body.insert("_source".to_owned(), json!(false))),
        Some(names) => drop(body.insert("_source".to_owned(), list(names))),
        None if includes.is_some() || excludes.is_some() => {
            let of = |text: Option<&str>| text.map_or(json!([]), list);
            body.insert("_source".to_owned(), json!({"includes": of(includes), "excludes": of(excludes)}));
        }
        None => {}
    }
    if let Some(query) = query_of_params(request)? {
        body.insert("query".to_owned(), query);
    }
    Ok(())
}

fn query_of_params(request: &Request) -> Result<Option<Value>, Error> {
    let Some(text) = request.param("q") else { return Ok(None) };
    let mut query = json!({"query": text, "lenient": request.truth("lenient")?});
    if request.param("lenient").is_none() {
        query.as_object_mut().map(|query| query.remove("lenient"));
    }
    if let Some(field) = request.param("df") {
        query["default_field"] = json!(field);
    }
    if let Some(operator) = request.param("default_operator") {
        query["default_operator"] = json!(operator);
    }
    if request.truth("analyze_wildcard")? {
        query["analyze_wildcard"] = json!(true);
    }
    Ok(Some(json!({"query_string": query})))
}

/// `_count`
pub fn count(engine: &Engine, request: &Request, expression: &str) -> Result<Answer, Error> {
    let mut known = QUERY_PARAMS.to_vec();
    known.extend(INDEX_PARAMS);
    request.allow(&known)?;
    let mut body = request.json()?;
    if let Some(query) = query_of_params(request)? {
        body = json!({"query": query});
    }
    Ok(Answer::ok(engine.count(expression, &body, request.truth("ignore_unavailable")?)?))
}

/// `_msearch`: lines of JSON, a header and a search by turns; each has its own answer or error.
pub fn msearch(engine: &Engine, request: &Request, index: Option<&str>) -> Result<Answer, Error> {
    request.allow(&["max_concurrent_searches", "ccs_minimize_roundtrips"])?;
    let begun = engine.now();
    let parse = |line: &[u8]| -> Result<Value, Error> {
        let trimmed = line.trim_ascii();
        if trimmed.is_empty() {
            return Ok(json!({}));
        }
        serde_json::from_slice(trimmed)
            .map_err(|error| Error::parsing(format!("a line of _msearch is no JSON: {error}")))
    };
    let body = request.body.strip_suffix(b"\n").unwrap_or(&request.body);
    let lines: Vec<&[u8]> = body.split(|byte| *byte == b'\n').collect();
    if body.is_empty() || !lines.len().is_multiple_of(2) {
        return Err(Error::validation("a multi search is pairs of lines: a header and a search"));
    }
    let mut responses = Vec::with_capacity(lines.len() / 2);
    for pair in lines.chunks(2) {
        let (header, body) = (parse(pair[0])?, parse(pair[1])?);
        let expression = match &header["index"] {
            Value::String(name) => name.clone(),
            Value::Array(names) => names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","),
            _ => index.unwrap_or("_all").to_owned(),
        };
        let ignore_unavailable = header["ignore_unavailable"] == json!(true);
        responses.push(match engine.search(&expression, &body, ignore_unavailable) {
            Ok(mut answer) => {
                answer["status"] = json!(200);
                answer
            }
            Err(error) => error.body(),
        });
    }
    Ok(Answer::ok(json!({"took": took(engine, begun), "responses": responses})))
}
