//! Event patterns as data: every entry of `tests/cases/pattern.json` has a pattern and either the events that it matches and
//! misses, or the error that it is refused with.

use millrace_base::pattern::Pattern;
use serde_json::Value;

const CASES: &str = include_str!("../cases/pattern.json");

#[test]
fn cases() {
    let cases: Vec<Value> = serde_json::from_str(CASES).unwrap();
    assert!(cases.len() >= 60, "the cases are missing");
    let wrong: Vec<String> = cases.iter().flat_map(wrong).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What a case says and the pattern does not do.
fn wrong(case: &Value) -> Vec<String> {
    let text = case["text"].as_str().map_or_else(|| case["pattern"].to_string(), str::to_owned);
    let pattern = match (Pattern::parse(&text), case["error"].as_str()) {
        (Err(error), Some(expected)) if error.to_string() == expected => return Vec::new(),
        (Err(error), expected) => return vec![format!("{text}: expected {expected:?}, was refused with '{error}'")],
        (Ok(_), Some(expected)) => return vec![format!("{text}: expected '{expected}', was taken")],
        (Ok(pattern), None) => pattern,
    };
    let events = |key: &str| case[key].as_array().cloned().unwrap_or_default();
    let (matched, missed) = (events("matches"), events("misses"));
    assert!(!matched.is_empty() || !missed.is_empty(), "{text}: a case without events proves nothing");
    let not_matched = matched.iter().filter(|event| !pattern.matches(event));
    let not_missed = missed.iter().filter(|event| pattern.matches(event));
    not_matched
        .map(|event| format!("{text}: does not match {event}"))
        .chain(not_missed.map(|event| format!("{text}: matches {event}")))
        .collect()
}
