//! Runs every file in `tests/cases`: a list of steps against one fresh server. A new case needs no compilation.
//!
//! A step: `call` (operation) or `headers` (all of them; null takes a usual one away), `json` or `cbor` (hex) or `body`,
//! then `status`, `answer` (JSON, where `"*"` is anything and `"*…"` in an object allows more members), `cbor_answer` (hex),
//! `answer_headers`. `save` keeps parts of the answer (JSON pointers) for `${name}` in later steps; `advance_ms` moves the
//! clock before the step; `repeat` sends it again and again.

use crate::door::{Answer, Door, TestClock, rpc_headers};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_case_answers_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    let mut failures = Vec::new();
    for path in files {
        let steps: Vec<Map<String, Value>> = serde_json::from_slice(&std::fs::read(&path).unwrap())
            .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let dir = tempfile::tempdir().unwrap();
        let door = Door::open(dir.path(), TestClock::default()).await;
        let mut saved = BTreeMap::new();
        for (number, step) in steps.iter().enumerate() {
            if let Err(why) = run(&door, step, &mut saved).await {
                failures.push(format!("{} step {number}: {why}", path.file_name().unwrap().display()));
            }
        }
        door.close().await;
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

async fn run(door: &Door, step: &Map<String, Value>, saved: &mut BTreeMap<String, String>) -> Result<(), String> {
    if let Some(ms) = step.get("advance_ms") {
        door.clock.advance(ms.as_i64().unwrap());
    }
    let Some(status) = step.get("status").and_then(Value::as_u64) else { return Ok(()) };
    let (headers, body) = request(step, saved);
    let mut answer = door.post(&headers, &body).await;
    for _ in 1..step.get("repeat").and_then(Value::as_u64).unwrap_or(1) {
        answer = door.post(&headers, &body).await;
    }
    let shown = String::from_utf8_lossy(&answer.body).into_owned();
    if u64::from(answer.status) != status {
        return Err(format!("status {} instead of {status}: {shown}", answer.status));
    }
    check(step, saved, &answer).map_err(|why| format!("{why}\n    got {shown}"))?;
    for (name, pointer) in step.get("save").and_then(Value::as_object).into_iter().flatten() {
        let json = answer.json();
        let value =
            json.pointer(pointer.as_str().unwrap()).ok_or_else(|| format!("no {pointer} to save in {shown}"))?;
        saved.insert(name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    }
    Ok(())
}

fn request(step: &Map<String, Value>, saved: &BTreeMap<String, String>) -> (BTreeMap<String, String>, Vec<u8>) {
    let is_cbor = step.contains_key("cbor");
    let content_type = if is_cbor { "application/x-amz-cbor-1.1" } else { "application/x-amz-json-1.1" };
    let mut headers = rpc_headers(step.get("call").and_then(Value::as_str).unwrap_or_default(), content_type);
    for (name, value) in step.get("headers").and_then(Value::as_object).into_iter().flatten() {
        match value.as_str() {
            Some(value) => headers.insert(name.clone(), value.to_owned()),
            None => headers.remove(name),
        };
    }
    let body = match (step.get("json"), step.get("cbor"), step.get("body")) {
        (Some(json), ..) => fill(json, saved).to_string().into_bytes(),
        (_, Some(hex), _) => unhex(hex.as_str().unwrap()),
        (_, _, Some(body)) => body.as_str().unwrap().as_bytes().to_vec(),
        _ => Vec::new(),
    };
    (headers, body)
}

fn check(step: &Map<String, Value>, saved: &BTreeMap<String, String>, answer: &Answer) -> Result<(), String> {
    if let Some(expected) = step.get("answer") {
        matches(&fill(expected, saved), &answer.json(), "")?;
    }
    if let Some(expected) = step.get("cbor_answer") {
        let (expected, got) = (unhex(expected.as_str().unwrap()), &answer.body);
        if expected != *got {
            let hex: String = got.iter().map(|byte| format!("{byte:02x}")).collect();
            return Err(format!("CBOR is {hex}"));
        }
    }
    for (name, expected) in step.get("answer_headers").and_then(Value::as_object).into_iter().flatten() {
        let got = answer.headers.get(name).cloned().map_or(Value::Null, Value::String);
        matches(expected, &got, name)?;
    }
    Ok(())
}

/// Puts what was saved into `${name}`.
fn fill(value: &Value, saved: &BTreeMap<String, String>) -> Value {
    match value {
        Value::String(text) => {
            let text =
                saved.iter().fold(text.clone(), |text, (name, kept)| text.replace(&format!("${{{name}}}"), kept));
            // `"@N text"` is the text N times, for members of exact lengths.
            match text.strip_prefix('@').and_then(|rest| rest.split_once(' ')) {
                Some((count, text)) => Value::String(text.repeat(count.parse().unwrap())),
                None => Value::String(text),
            }
        }
        Value::Array(items) => items.iter().map(|item| fill(item, saved)).collect(),
        Value::Object(members) => {
            Value::Object(members.iter().map(|(name, value)| (name.clone(), fill(value, saved))).collect())
        }
        other => other.clone(),
    }
}

fn matches(expected: &Value, got: &Value, place: &str) -> Result<(), String> {
    match (expected, got) {
        (Value::String(any), Value::Null) if any == "*" => Err(format!("{place} is missing")),
        (Value::String(any), _) if any == "*" => Ok(()),
        (Value::String(expected), Value::String(got)) if expected.len() > 1 && expected.ends_with('*') => {
            let start = &expected[..expected.len() - 1];
            if got.starts_with(start) { Ok(()) } else { Err(format!("{place} does not begin with {start}: {got}")) }
        }
        (Value::Array(expected), Value::Array(got)) if expected.len() == got.len() => {
            let mut pairs = expected.iter().zip(got).enumerate();
            pairs.try_for_each(|(at, (expected, got))| matches(expected, got, &format!("{place}/{at}")))
        }
        (Value::Object(expected), Value::Object(got)) => {
            let open = expected.contains_key("*…");
            if let Some(extra) = got.keys().find(|name| !open && !expected.contains_key(*name)) {
                return Err(format!("{place} has {extra}"));
            }
            let mut members = expected.iter().filter(|(name, _)| *name != "*…");
            members.try_for_each(|(name, value)| {
                matches(value, got.get(name).unwrap_or(&Value::Null), &format!("{place}/{name}"))
            })
        }
        _ if expected == got => Ok(()),
        _ => Err(format!("{place} is {got} instead of {expected}")),
    }
}

pub fn unhex(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}
