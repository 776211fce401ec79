//! What a message in a dead-letter queue stands for.
//!
//! Event source mappings and asynchronous invocations describe in JSON what failed; any other message is itself what failed.

use super::DeadLetter;
use serde_json::Value;

/// What failed.
#[derive(Debug, Clone, PartialEq)]
pub enum Failure {
    /// A batch of a stream's records.
    Batch(Batch),
    /// An asynchronous invocation of a function.
    Event(Event),
    /// A message of a queue, by the queue's ARN.
    Message(String),
    /// Something that somebody sent here.
    Other,
}

/// What a function was called with in vain.
#[derive(Debug, Clone, PartialEq)]
pub struct Called {
    /// The function's ARN.
    pub function: String,
    /// The last request's id.
    pub request: String,
    /// Why it was given up: `RetryAttemptsExhausted`, `RecordAgeExceeded`, ….
    pub condition: String,
    /// How often it was tried.
    pub tries: u64,
    /// When it was given up.
    pub at: String,
    /// `Unhandled` and the like, when the function answered.
    pub error: Option<String>,
}

/// A batch of a stream's records.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The call.
    pub called: Called,
    /// The stream's ARN.
    pub stream: String,
    /// The shard's id.
    pub shard: String,
    /// The first record.
    pub start: String,
    /// The last record.
    pub end: String,
    /// How many records there were.
    pub size: u64,
    /// When the first and the last arrived.
    pub arrived: (String, String),
}

/// An asynchronous invocation.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The call.
    pub called: Called,
    /// The event.
    pub payload: Value,
    /// What the function answered.
    pub answer: Value,
}

impl Failure {
    /// Reads a message.
    pub fn of(letter: &DeadLetter) -> Self {
        let described = serde_json::from_str(&letter.body).ok().and_then(|value: Value| Self::described(&value));
        match (described, &letter.source) {
            (Some(failure), _) => failure,
            (None, Some(source)) => Self::Message(source.clone()),
            (None, None) => Self::Other,
        }
    }

    fn described(value: &Value) -> Option<Self> {
        // A failure that came by a topic is the topic's message.
        if value.get("Type").and_then(Value::as_str) == Some("Notification") {
            return Self::described(&serde_json::from_str(value.get("Message")?.as_str()?).ok()?);
        }
        let text = |place: &str| value.pointer(place).and_then(Value::as_str).map(str::to_owned);
        let called = Called {
            function: text("/requestContext/functionArn")?,
            request: text("/requestContext/requestId").unwrap_or_default(),
            condition: text("/requestContext/condition").unwrap_or_default(),
            tries: value.pointer("/requestContext/approximateInvokeCount").and_then(Value::as_u64).unwrap_or(0),
            at: text("/timestamp").unwrap_or_default(),
            error: text("/responseContext/functionError"),
        };
        if let Some(payload) = value.get("requestPayload") {
            let answer = value.get("responsePayload").cloned().unwrap_or_default();
            return Some(Self::Event(Event { called, payload: payload.clone(), answer }));
        }
        let of = |member: &str| text(&format!("/KinesisBatchInfo/{member}"));
        Some(Self::Batch(Batch {
            called,
            stream: of("streamArn")?,
            shard: of("shardId")?,
            start: of("startSequenceNumber")?,
            end: of("endSequenceNumber")?,
            size: value.pointer("/KinesisBatchInfo/batchSize").and_then(Value::as_u64).unwrap_or(0),
            arrived: (
                of("approximateArrivalOfFirstRecord").unwrap_or_default(),
                of("approximateArrivalOfLastRecord").unwrap_or_default(),
            ),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(body: &str, source: Option<&str>) -> DeadLetter {
        DeadLetter {
            id: "i".into(),
            handle: "h".into(),
            body: body.into(),
            sent: 0,
            received: 0,
            source: source.map(str::to_owned),
        }
    }

    /// As AWS's documentation shows it.
    const BATCH: &str = r#"{"requestContext":{"requestId":"c9b8fa9f-5a7f-xmpl-af9c-0c604cde93a5",
        "functionArn":"arn:aws:lambda:us-east-2:123456789012:function:myfunction","condition":"RetryAttemptsExhausted",
        "approximateInvokeCount":1},"responseContext":{"statusCode":200,"executedVersion":"$LATEST",
        "functionError":"Unhandled"},"version":"1.0","timestamp":"2019-11-14T00:38:06.021Z","KinesisBatchInfo":{
        "shardId":"shardId-000000000001","startSequenceNumber":"49601189658422359378836298521827638475320189012309704722",
        "endSequenceNumber":"49601189658422359378836298522902373528957594348623495186",
        "approximateArrivalOfFirstRecord":"2019-11-14T00:38:04.835Z",
        "approximateArrivalOfLastRecord":"2019-11-14T00:38:05.580Z","batchSize":500,
        "streamArn":"arn:aws:kinesis:us-east-2:123456789012:stream/mystream"}}"#;

    #[test]
    fn failures_are_told_apart() {
        let Failure::Batch(batch) = Failure::of(&letter(BATCH, None)) else { panic!("a batch") };
        assert_eq!((batch.size, batch.called.tries, batch.called.error.as_deref()), (500, 1, Some("Unhandled")));
        assert_eq!(batch.called.request, "c9b8fa9f-5a7f-xmpl-af9c-0c604cde93a5");
        let by_topic = serde_json::json!({ "Type": "Notification", "Message": BATCH }).to_string();
        assert_eq!(Failure::of(&letter(&by_topic, None)), Failure::Batch(batch));
        let event = r#"{"requestContext":{"functionArn":"f"},"requestPayload":{"a":1}}"#;
        assert!(matches!(Failure::of(&letter(event, None)), Failure::Event(event) if event.payload["a"] == 1));
        assert_eq!(Failure::of(&letter("{}", Some("arn"))), Failure::Message("arn".into()));
        assert_eq!(Failure::of(&letter("plain", None)), Failure::Other);
    }
}
