//! An asynchronous invocation on its way, and what becomes of it: decisions only, no effects.

use crate::mapping::FailureRecord;
use crate::moment::{iso_millis, object_path};
use crate::{EventConfig, FunctionKey, FunctionResponse, InvokeError};
use bytes::Bytes;
use millrace_base::Millis;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// How long to wait before what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Before the first and the second attempt after one that failed, as on AWS.
    pub retries_ms: [Millis; 2],
    /// After a function could not be called: doubled each time …
    pub throttled_ms: Millis,
    /// … until it is this long.
    pub throttled_ms_max: Millis,
}

impl Default for Pace {
    fn default() -> Self {
        Self { retries_ms: [60_000, 120_000], throttled_ms: 1000, throttled_ms_max: 300_000 }
    }
}

/// What is kept of an accepted event until nothing is left to do for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Event {
    pub function: FunctionKey,
    pub qualifier: Option<String>,
    pub request_id: String,
    pub payload: String,
    pub client_context: Option<String>,
    pub accepted: Millis,
    /// When it is to be looked at next.
    pub due: Millis,
    /// How often the function ran.
    pub attempts: u32,
    /// How often in a row it could not be called.
    pub refusals: u32,
    /// What is left to deliver. Once there is anything, the function does not run any more.
    pub deliveries: Vec<Delivery>,
}

/// A record for one destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Delivery {
    /// Its ARN.
    pub destination: String,
    /// What it gets.
    pub message: String,
    /// The key, where it is a bucket.
    pub object_key: String,
}

impl Delivery {
    pub fn record(&self) -> FailureRecord {
        let message = Bytes::from(self.message.clone());
        FailureRecord { object: message.clone(), message, object_key: self.object_key.clone() }
    }
}

/// What happens to an event next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// It stays, changed; look at it when it is due.
    Keep(Box<Event>),
    /// Nothing is left to do.
    Forget,
}

/// AWS's reasons why an event is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Condition {
    Success,
    RetriesExhausted,
    EventAgeExceeded,
    ZeroReservedConcurrency,
}

impl Event {
    /// True when it is too old to be tried at `now`.
    pub fn is_late(&self, config: &EventConfig, now: Millis) -> bool {
        now - self.accepted > Millis::from(config.age_secs_max) * 1000
    }

    /// What to do after an invocation ended so. `arn` is the function's with its qualifier.
    pub fn after_attempt(
        mut self,
        outcome: Result<&FunctionResponse, &InvokeError>,
        (config, pace): (&EventConfig, &Pace),
        arn: &str,
        now: Millis,
    ) -> Next {
        let response = match outcome {
            // Who deleted the function deleted its events.
            Err(InvokeError::NotFound(_)) => return Next::Forget,
            Err(_) => return self.refused(config, pace, arn, now),
            Ok(response) => response,
        };
        self.attempts += 1;
        self.refusals = 0;
        if !response.failed {
            return self.over(Condition::Success, Some(response), config, arn, now);
        }
        if self.attempts > config.retries_max {
            return self.over(Condition::RetriesExhausted, Some(response), config, arn, now);
        }
        self.due = now + pace.retries_ms[(self.attempts as usize - 1).min(1)];
        if self.is_late(config, self.due) {
            return self.over(Condition::EventAgeExceeded, Some(response), config, arn, now);
        }
        Next::Keep(Box::new(self))
    }

    /// The function was not called: that is no attempt.
    fn refused(mut self, config: &EventConfig, pace: &Pace, arn: &str, now: Millis) -> Next {
        self.due = now + (pace.throttled_ms << self.refusals.min(20)).min(pace.throttled_ms_max);
        self.refusals += 1;
        if self.is_late(config, self.due) {
            return self.over(Condition::EventAgeExceeded, None, config, arn, now);
        }
        Next::Keep(Box::new(self))
    }

    /// What to do with one whose time is over before it was tried.
    pub fn expired(self, config: &EventConfig, arn: &str, now: Millis) -> Next {
        self.over(Condition::EventAgeExceeded, None, config, arn, now)
    }

    /// What to do with one of a function that is switched off by reserving nothing for it.
    pub fn switched_off(self, config: &EventConfig, arn: &str, now: Millis) -> Next {
        self.over(Condition::ZeroReservedConcurrency, None, config, arn, now)
    }

    /// What to do after a destination took its record, or did not.
    pub fn after_delivery(mut self, delivered: bool, config: &EventConfig, pace: &Pace, now: Millis) -> Next {
        if delivered {
            self.refusals = 0;
            self.due = now;
            self.deliveries.remove(0);
            return if self.deliveries.is_empty() { Next::Forget } else { Next::Keep(Box::new(self)) };
        }
        self.due = now + (pace.throttled_ms << self.refusals.min(20)).min(pace.throttled_ms_max);
        self.refusals += 1;
        // The age counts twice at most: once for the function, once for its destination.
        if self.due - self.accepted > 2 * Millis::from(config.age_secs_max) * 1000 {
            return Next::Forget;
        }
        Next::Keep(Box::new(self))
    }

    fn over(
        mut self,
        condition: Condition,
        response: Option<&FunctionResponse>,
        config: &EventConfig,
        arn: &str,
        now: Millis,
    ) -> Next {
        let destination = if condition == Condition::Success { &config.on_success } else { &config.on_failure };
        if let Some(destination) = destination {
            let message = fitting(self.record(condition, response, arn, now), destination);
            self.deliveries.push(self.delivery(destination, message, now));
        }
        if let Some(letters) = config.dead_letter.as_deref().filter(|_| condition != Condition::Success) {
            self.deliveries.push(self.delivery(letters, self.payload.clone(), now));
        }
        if self.deliveries.is_empty() {
            return Next::Forget;
        }
        (self.due, self.refusals) = (now, 0);
        Next::Keep(Box::new(self))
    }

    fn delivery(&self, destination: &str, message: String, now: Millis) -> Delivery {
        let object_key = format!("aws/lambda/async/{}/{}-{}", self.function.name, object_path(now), self.request_id);
        Delivery { destination: destination.to_owned(), message, object_key }
    }

    /// AWS's invocation record.
    fn record(&self, condition: Condition, response: Option<&FunctionResponse>, arn: &str, now: Millis) -> Value {
        let mut record = json!({
            "version": "1.0",
            "timestamp": iso_millis(now),
            "requestContext": {
                "requestId": self.request_id,
                "functionArn": arn,
                "condition": format!("{condition:?}"),
                "approximateInvokeCount": self.attempts,
            },
            "requestPayload": raw(self.payload.as_bytes()),
        });
        if let Some(response) = response {
            record["responseContext"] = json!({"statusCode": 200, "executedVersion": &*response.executed_version});
            if response.failed {
                record["responseContext"]["functionError"] = json!("Unhandled");
            }
            record["responsePayload"] = raw(&response.payload);
        }
        record
    }
}

/// A queue or topic that cannot take the payloads gets the record without them, as on AWS.
fn fitting(mut record: Value, destination: &str) -> String {
    let bytes_max = match destination.split(':').nth(2) {
        Some("sns") => 256 * 1024,
        Some("sqs" | "lambda") => 1024 * 1024,
        _ => usize::MAX,
    };
    for payload in ["responsePayload", "requestPayload"] {
        let message = record.to_string();
        if message.len() <= bytes_max {
            return message;
        }
        record[payload] = Value::Null;
    }
    record.to_string()
}

/// JSON as it is, anything else as a text.
fn raw(bytes: &[u8]) -> Value {
    match serde_json::from_slice::<&RawValue>(bytes) {
        Ok(_) => serde_json::from_slice(bytes).unwrap_or(Value::Null),
        Err(_) => Value::String(String::from_utf8_lossy(bytes).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Millis = 3_600_000;

    fn event() -> Event {
        Event {
            function: FunctionKey { scope: Default::default(), name: "f".into() },
            qualifier: None,
            request_id: "id".into(),
            payload: r#"{"a":1}"#.into(),
            client_context: None,
            accepted: 0,
            due: 0,
            attempts: 0,
            refusals: 0,
            deliveries: Vec::new(),
        }
    }

    fn response(failed: bool) -> FunctionResponse {
        let payload = Bytes::from_static(br#"{"errorMessage":"no"}"#);
        FunctionResponse { executed_version: "$LATEST".into(), failed, payload, log_tail: Bytes::new() }
    }

    fn both() -> EventConfig {
        let on_failure = Some("arn:aws:sqs:us-east-1:000000000000:failed".into());
        let dead_letter = Some("arn:aws:sqs:us-east-1:000000000000:letters".into());
        EventConfig { on_failure, dead_letter, ..EventConfig::default() }
    }

    fn kept(next: Next) -> Event {
        match next {
            Next::Keep(event) => *event,
            Next::Forget => panic!("it should have been kept"),
        }
    }

    #[test]
    fn failures_are_tried_twice_more_and_then_recorded() {
        let (config, pace) = (both(), Pace::default());
        let failed = response(true);
        let first = kept(event().after_attempt(Ok(&failed), (&config, &pace), "arn", 1000));
        assert_eq!((first.attempts, first.due), (1, 61_000));
        let second = kept(first.after_attempt(Ok(&failed), (&config, &pace), "arn", 61_000));
        assert_eq!((second.attempts, second.due), (2, 181_000));
        let over = kept(second.after_attempt(Ok(&failed), (&config, &pace), "arn", 181_000));
        let record: Value = serde_json::from_str(&over.deliveries[0].message).unwrap();
        assert_eq!(record["requestContext"]["condition"], "RetriesExhausted");
        assert_eq!(record["requestContext"]["approximateInvokeCount"], 3);
        assert_eq!(record["requestPayload"], json!({"a": 1}));
        assert_eq!(record["responseContext"]["functionError"], "Unhandled");
        assert_eq!(record["responsePayload"]["errorMessage"], "no");
        assert_eq!(over.deliveries[1].message, r#"{"a":1}"#);
        let one_left = kept(over.after_delivery(true, &config, &pace, 181_000));
        assert_eq!(one_left.after_delivery(true, &config, &pace, 181_000), Next::Forget);
    }

    #[test]
    fn a_success_is_recorded_only_where_somebody_wants_it() {
        let done = event().after_attempt(Ok(&response(false)), (&both(), &Pace::default()), "arn", 0);
        assert_eq!(done, Next::Forget);
        let config = EventConfig { on_success: Some("arn:aws:sqs:::done".into()), ..both() };
        let done = kept(event().after_attempt(Ok(&response(false)), (&config, &Pace::default()), "arn", 0));
        let record: Value = serde_json::from_str(&done.deliveries[0].message).unwrap();
        assert_eq!(record["requestContext"]["condition"], "Success");
        assert!(record["responseContext"]["functionError"].is_null());
    }

    #[test]
    fn being_refused_is_no_attempt_and_ends_with_the_age() {
        let (config, pace) = (both(), Pace::default());
        let throttled = InvokeError::Throttled { reason: "x" };
        let mut event = event();
        let mut waits = Vec::new();
        loop {
            let now = event.due;
            event = kept(event.after_attempt(Err(&throttled), (&config, &pace), "arn", now));
            if !event.deliveries.is_empty() {
                break;
            }
            waits.push(event.due - now);
        }
        assert_eq!(waits[..4], [1000, 2000, 4000, 8000]);
        assert_eq!((event.attempts, *waits.last().unwrap()), (0, 300_000));
        assert!(event.due > 5 * HOUR + HOUR / 2 && event.due <= 6 * HOUR);
        assert!(event.deliveries[0].message.contains("EventAgeExceeded"));
        let record: Value = serde_json::from_str(&event.deliveries[0].message).unwrap();
        assert!(record["responseContext"].is_null());
    }

    #[test]
    fn events_of_a_deleted_function_are_forgotten() {
        let gone = InvokeError::NotFound("arn".into());
        assert_eq!(event().after_attempt(Err(&gone), (&both(), &Pace::default()), "arn", 0), Next::Forget);
    }

    #[test]
    fn payloads_that_do_not_fit_are_left_out() {
        let large = FunctionResponse { payload: format!("\"{}\"", "x".repeat(2 << 20)).into(), ..response(true) };
        let given_up = |destination: &str| {
            let on_failure = Some(destination.into());
            let config = EventConfig { on_failure, retries_max: 0, ..EventConfig::default() };
            let over = kept(event().after_attempt(Ok(&large), (&config, &Pace::default()), "arn", 0));
            serde_json::from_str::<Value>(&over.deliveries[0].message).unwrap()
        };
        let queued = given_up("arn:aws:sqs:us-east-1:000000000000:failed");
        assert!(queued["responsePayload"].is_null() && queued["requestPayload"]["a"] == 1);
        assert_eq!(given_up("arn:aws:s3:::failed")["responsePayload"].as_str().unwrap().len(), 2 << 20);
    }

    #[test]
    fn objects_are_named_as_on_aws() {
        let config = both();
        let over = kept(event().expired(&config, "arn", 1_700_000_000_000));
        assert_eq!(over.deliveries[0].object_key, "aws/lambda/async/f/2023/11/14/2023-11-14T22.13.20-id");
    }
}
