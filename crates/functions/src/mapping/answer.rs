//! What a function's answer says about its batch.
//!
//! The shapes are AWS's, recorded from it: an answer that means nothing (`""`, `null`, `[]`, `{}`) is a success, an answer
//! that names something which is not in the batch fails the whole batch.

use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// All of it is done.
    Success,
    /// Nothing of it counts as done.
    Failure,
    /// These items failed: their places in the batch, ascending, at least one. The others are done.
    Failed(Vec<usize>),
}

/// Reads the answer of a function that reports batch item failures. `place` tells where in the batch an identifier stands.
pub(crate) fn report(payload: &[u8], place: impl Fn(&str) -> Option<usize>) -> Answer {
    if payload.is_empty() {
        return Answer::Success;
    }
    let items = match serde_json::from_slice(payload) {
        Ok(Value::Null) => return Answer::Success,
        Ok(Value::String(text)) if text.is_empty() => return Answer::Success,
        Ok(Value::Array(items)) if items.is_empty() => return Answer::Success,
        Ok(Value::Object(mut answer)) => match answer.remove("batchItemFailures") {
            None | Some(Value::Null) => return Answer::Success,
            Some(Value::Array(items)) => items,
            Some(_) => return Answer::Failure,
        },
        _ => return Answer::Failure,
    };
    let places = items.iter().map(|item| place(item.get("itemIdentifier")?.as_str()?));
    let Some(mut places) = places.collect::<Option<Vec<_>>>() else { return Answer::Failure };
    places.sort_unstable();
    places.dedup();
    if places.is_empty() { Answer::Success } else { Answer::Failed(places) }
}

/// The state that a function hands to the next call of its window; `{}` when it hands on none.
pub(crate) fn state(payload: &[u8]) -> Box<RawValue> {
    let answer = serde_json::from_slice::<BTreeMap<String, Box<RawValue>>>(payload);
    let state = answer.ok().and_then(|mut answer| answer.remove("state"));
    state.filter(|state| state.get() != "null").unwrap_or_else(no_state)
}

/// `{}`.
pub(crate) fn no_state() -> Box<RawValue> {
    RawValue::from_string("{}".to_owned()).expect("two braces are JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(payload: &str) -> Answer {
        report(payload.as_bytes(), |id| ["1", "2", "3"].iter().position(|known| *known == id))
    }

    #[test]
    fn successes_that_aws_was_recorded_with() {
        let recorded = [r#""""#, "[]", "null", "{}", r#"{"batchItemFailures": []}"#, r#"{"batchItemFailures": null}"#];
        for payload in recorded {
            assert_eq!(answer(payload), Answer::Success, "{payload}");
        }
        assert_eq!(answer(""), Answer::Success);
        assert_eq!(answer(r#"{"statusCode": 200}"#), Answer::Success);
    }

    #[test]
    fn failures_that_aws_was_recorded_with() {
        let recorded = [
            r#"{"batchItemFailures": [{"itemIdentifier": ""}]}"#,
            r#"{"batchItemFailures": [{"itemIdentifier": null}]}"#,
            r#"{"batchItemFailures": [{"foo": "2"}]}"#,
            r#"{"batchItemFailures": [{"foo": null}]}"#,
            r#"{"batchItemFailures": [{"itemIdentifier": "not-in-the-batch"}]}"#,
        ];
        for payload in recorded {
            assert_eq!(answer(payload), Answer::Failure, "{payload}");
        }
        let of_ours = [r#""done""#, "7", "[1]", "{", r#"{"batchItemFailures": "2"}"#, r#"{"batchItemFailures": [2]}"#];
        for payload in of_ours {
            assert_eq!(answer(payload), Answer::Failure, "{payload}");
        }
        // One unknown identifier fails the batch, whatever the others say.
        let mixed = r#"{"batchItemFailures": [{"itemIdentifier": "2"}, {"itemIdentifier": "9"}]}"#;
        assert_eq!(answer(mixed), Answer::Failure);
    }

    #[test]
    fn reported_items_are_sorted() {
        let payload =
            r#"{"batchItemFailures": [{"itemIdentifier": "3"}, {"itemIdentifier": "2"}, {"itemIdentifier": "3"}]}"#;
        assert_eq!(answer(payload), Answer::Failed(vec![1, 2]));
    }

    #[test]
    fn a_state_is_handed_on_as_it_was_written() {
        assert_eq!(
            state(br#"{"state": {"b": 1.50, "a": [ ]}, "batchItemFailures": []}"#).get(),
            r#"{"b": 1.50, "a": [ ]}"#
        );
        for none in ["", "null", "{}", r#"{"state": null}"#, "7"] {
            assert_eq!(state(none.as_bytes()).get(), "{}", "{none}");
        }
    }
}
