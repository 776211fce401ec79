//! Runs `tests/cases/*.json`: requests, and what OpenSearch's documentation says of their answers.
//!
//! A file is an array of cases, a case has a name and steps, run on an empty engine. A step is one of `create`, `bulk`,
//! `search`, `count`, `mapping`, `aliases` (the member's value is the index), `template` (its value is the name), with a `body` or `lines`, and either `expect`, a map from
//! path in the answer to value (`*` goes through an array), or `error`, parts of the error.

use millrace_search::{BulkItem, Engine, Error, Refresh, parse_bulk};
use serde_json::{Value, json};

#[test]
fn cases() {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut failures = Vec::new();
    let mut count = 0;
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let cases: Vec<Value> = serde_json::from_slice(&std::fs::read(&path).unwrap())
            .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        for case in cases {
            let home = tempfile::tempdir().unwrap();
            let engine = crate::open(home.path());
            for (number, step) in case["steps"].as_array().unwrap().iter().enumerate() {
                count += 1;
                for problem in check(step, run(&engine, step)) {
                    failures.push(format!("{} / {} / step {number}: {problem}", path.display(), case["name"]));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} of {count} steps failed:\n{}", failures.len(), failures.join("\n"));
}

fn run(engine: &Engine, step: &Value) -> Result<Value, Error> {
    let (body, text) = (&step["body"], |key: &str| step[key].as_str());
    if let Some(index) = text("create") {
        return engine.create_index(index, body).map(|()| json!({}));
    }
    if let Some(name) = text("template") {
        return engine.put_template(name, body, false).map(|()| json!({}));
    }
    if let Some(index) = text("aliases") {
        return engine.aliases(index, None);
    }
    if let Some(index) = text("put_mapping") {
        return engine.put_mapping(index, body).map(|()| json!({}));
    }
    if let Some(index) = text("bulk") {
        let lines: String = step["lines"].as_array().unwrap().iter().map(|line| format!("{line}\n")).collect();
        let (labels, ops): (Vec<_>, Vec<_>) = parse_bulk(&lines.into(), Some(index))?.into_iter().unzip();
        let results = engine.bulk(ops, Refresh::Now)?;
        let errors = results.iter().any(Result::is_err);
        let items: Vec<_> =
            labels.iter().zip(&results).map(|(label, result)| BulkItem::new(label, result, false)).collect();
        if errors && step.get("expect").is_none() {
            panic!("a bulk failed: {items:?}");
        }
        return Ok(json!({"errors": errors, "items": items}));
    }
    if let Some(index) = text("search") {
        return engine.search(index, body, false);
    }
    if let Some(index) = text("count") {
        return engine.count(index, body, false);
    }
    if let Some(index) = text("mapping") {
        return engine.mappings(index);
    }
    panic!("an unknown step: {step}");
}

fn check(step: &Value, answer: Result<Value, Error>) -> Vec<String> {
    let answer = match (answer, step.get("error")) {
        (Ok(answer), None) => answer,
        (Ok(answer), Some(_)) => return vec![format!("it should fail, but gave {answer}")],
        (Err(error), None) => return vec![format!("it failed: {error}")],
        (Err(error), Some(expected)) => {
            let fits = expected["type"].as_str().is_none_or(|kind| kind == error.kind)
                && expected["status"].as_u64().is_none_or(|status| status == u64::from(error.status))
                && expected["reason"].as_str().is_none_or(|reason| error.reason.contains(reason));
            return if fits { Vec::new() } else { vec![format!("it failed otherwise: {} {error}", error.status)] };
        }
    };
    let expected = step["expect"].as_object().into_iter().flatten();
    let wrong = expected.filter_map(|(path, expected)| {
        let got = pluck(&answer, &path.split('.').map(|part| part.replace('/', ".")).collect::<Vec<_>>());
        (!same(&got, expected)).then(|| format!("{path}\n    expected {expected}\n    got      {got}"))
    });
    wrong.collect()
}

/// What lies at a path; a dot in a name is written `/`.
fn pluck(value: &Value, path: &[String]) -> Value {
    let Some((first, rest)) = path.split_first() else { return value.clone() };
    match (first.as_str(), value) {
        ("", _) => value.clone(),
        ("*", Value::Array(items)) => items.iter().map(|item| pluck(item, rest)).collect(),
        (at, Value::Array(items)) => {
            at.parse::<usize>().ok().and_then(|at| items.get(at)).map_or(Value::Null, |item| pluck(item, rest))
        }
        (key, value) => value.get(key).map_or(Value::Null, |value| pluck(value, rest)),
    }
}

fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            (a - b).abs() <= 1e-5 * a.abs().max(1.0)
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        (a, b) => a == b,
    }
}
