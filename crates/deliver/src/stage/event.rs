//! The event that a transforming function gets, and what is read from its answer, both in AWS's shapes.

use super::staged::What;
use crate::TransformError;
use bytes::Bytes;
use millrace_base::Millis;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// Lambda's quota of a synchronous call, in both directions.
pub(super) const PAYLOAD_BYTES_MAX: usize = 6 << 20;
/// What an event costs beyond its records.
pub(super) const EVENT_OVERHEAD: usize = 1 << 10;
/// What a record of an event costs beyond its payload: names, numbers, timestamps.
const RECORD_OVERHEAD: usize = 420;
const FORMAT: &str = "Check your function and make sure the output is in required format. In addition to that, make sure \
     the processed records contain valid result status of Dropped, Ok, or ProcessingFailed";
const DUPLICATED: &str = "Multiple records were returned with the same record Id. Ensure that the Lambda function \
     returns unique record Ids for each record.";
const MISSING: &str = "One or more record Ids were not returned. Ensure that the Lambda function returns all received \
     record Ids.";

/// A record of the source that waits for the function.
#[derive(Debug, Clone)]
pub(super) struct Taken {
    pub(super) shard: u32,
    pub(super) index: u64,
    pub(super) arrival: Millis,
    /// As the source counts it.
    pub(super) sequence: String,
    pub(super) partition_key: Bytes,
    pub(super) data: Bytes,
}

impl Taken {
    /// About what it takes in an event: never less than the truth for keys of ordinary characters.
    pub(super) fn event_bytes(&self) -> usize {
        self.data.len().div_ceil(3) * 4 + self.partition_key.len() + RECORD_OVERHEAD
    }

    /// Unique in its batch, and the same at every try.
    fn record_id(&self) -> String {
        format!("{}000000", self.sequence)
    }
}

/// What is the same for all records of an event.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Envelope {
    pub(super) invocation_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) source_kinesis_stream_arn: Option<String>,
    pub(super) delivery_stream_arn: String,
    pub(super) region: String,
}

#[derive(Serialize)]
struct Event<'a> {
    #[serde(flatten)]
    envelope: &'a Envelope,
    records: Vec<EventRecord>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventRecord {
    record_id: String,
    approximate_arrival_timestamp: Millis,
    #[serde(skip_serializing_if = "Option::is_none")]
    kinesis_record_metadata: Option<KinesisRecordMetadata>,
    data: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KinesisRecordMetadata {
    sequence_number: String,
    subsequence_number: &'static str,
    partition_key: String,
    shard_id: String,
    approximate_arrival_timestamp: Millis,
}

/// The event about these records.
pub(super) fn event(envelope: &Envelope, records: &[Taken]) -> Bytes {
    let from_kinesis = envelope.source_kinesis_stream_arn.is_some();
    let record = |taken: &Taken| EventRecord {
        record_id: taken.record_id(),
        approximate_arrival_timestamp: taken.arrival,
        kinesis_record_metadata: from_kinesis.then(|| KinesisRecordMetadata {
            sequence_number: taken.sequence.clone(),
            subsequence_number: "",
            partition_key: String::from_utf8_lossy(&taken.partition_key).into_owned(),
            shard_id: millrace_base::ShardId(taken.shard).to_string(),
            approximate_arrival_timestamp: taken.arrival,
        }),
        data: base64_simd::STANDARD.encode_to_string(&taken.data),
    };
    let event = Event { envelope, records: records.iter().map(record).collect() };
    // Structs of texts and numbers always become JSON.
    serde_json::to_vec(&event).unwrap_or_default().into()
}

/// Why an answer cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl From<TransformError> for Refusal {
    fn from(error: TransformError) -> Self {
        Self { code: error.code(), message: error.to_string() }
    }
}

/// What became of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    Staged(What, Bytes),
    Dropped,
    ProcessingFailed,
}

#[derive(Deserialize)]
struct Answer {
    records: Vec<AnsweredRecord>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnsweredRecord {
    record_id: String,
    #[serde(default)]
    result: Option<String>,
    #[serde(default)]
    data: Option<String>,
    #[serde(default)]
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default)]
    partition_keys: Option<BTreeMap<String, serde_json::Value>>,
}

fn misshapen(detail: impl std::fmt::Display) -> Refusal {
    Refusal { code: "Lambda.FunctionError", message: format!("{FORMAT} ({detail})") }
}

/// What the function says of each record, in the order of `records`; all of them or a refusal of the whole.
pub(super) fn read(answer: &[u8], records: &[Taken]) -> Result<Vec<Outcome>, Refusal> {
    if answer.len() > PAYLOAD_BYTES_MAX {
        return Err(misshapen(format!(
            "the answer has {} bytes, at most {PAYLOAD_BYTES_MAX} are allowed",
            answer.len()
        )));
    }
    let answer: Answer = serde_json::from_slice(answer).map_err(misshapen)?;
    let mut by_id = HashMap::with_capacity(answer.records.len());
    for record in answer.records {
        if let Some(twice) = by_id.insert(record.record_id.clone(), record) {
            let message = format!("{DUPLICATED} ({})", twice.record_id);
            return Err(Refusal { code: "Lambda.DuplicatedRecordId", message });
        }
    }
    let mut outcomes = Vec::with_capacity(records.len());
    for taken in records {
        let id = taken.record_id();
        let Some(record) = by_id.remove(&id) else {
            return Err(Refusal { code: "Lambda.MissingRecordId", message: format!("{MISSING} ({id})") });
        };
        outcomes.push(outcome(record)?);
    }
    match by_id.into_keys().next() {
        Some(unknown) => Err(misshapen(format!("the record id {unknown} was not among those that were sent"))),
        None => Ok(outcomes),
    }
}

fn outcome(record: AnsweredRecord) -> Result<Outcome, Refusal> {
    let id = record.record_id;
    match record.result.as_deref() {
        Some("Dropped") => Ok(Outcome::Dropped),
        Some("ProcessingFailed") => Ok(Outcome::ProcessingFailed),
        Some("Ok") => {
            let Some(text) = record.data else { return Err(misshapen(format!("record {id} is Ok and has no data"))) };
            let data = base64_simd::STANDARD
                .decode_to_vec(text)
                .map_err(|_| misshapen(format!("the data of record {id} is not base64")))?;
            let keys = record.metadata.and_then(|metadata| metadata.partition_keys).unwrap_or_default();
            let keys = keys.into_iter().map(|(name, value)| (name, key_text(value))).collect();
            Ok(Outcome::Staged(What::Transformed { keys }, data.into()))
        }
        Some(other) => Err(misshapen(format!("record {id} has the result '{other}'"))),
        None => Err(misshapen(format!("record {id} has no result"))),
    }
}

/// AWS's keys are texts; numbers and booleans are taken as they are written.
fn key_text(value: serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text,
        serde_json::Value::Null | serde_json::Value::Array(_) | serde_json::Value::Object(_) => String::new(),
        scalar => scalar.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn taken(index: u64) -> Taken {
        Taken {
            shard: 1,
            index,
            arrival: 1_769_846_700_000,
            sequence: format!("4900{index}"),
            partition_key: Bytes::from_static(b"k"),
            data: Bytes::from_static(b"hello"),
        }
    }

    #[test]
    fn the_event_is_aws() {
        let mut envelope = Envelope {
            invocation_id: "i".into(),
            source_kinesis_stream_arn: Some("arn:s".into()),
            delivery_stream_arn: "arn:d".into(),
            region: "us-east-1".into(),
        };
        let read = |envelope: &Envelope| serde_json::from_slice::<Value>(&event(envelope, &[taken(7)])).unwrap();
        assert_eq!(
            read(&envelope),
            json!({ "invocationId": "i", "sourceKinesisStreamArn": "arn:s", "deliveryStreamArn": "arn:d",
                "region": "us-east-1", "records": [{ "recordId": "49007000000",
                "approximateArrivalTimestamp": 1_769_846_700_000_i64, "data": "aGVsbG8=", "kinesisRecordMetadata": {
                "sequenceNumber": "49007", "subsequenceNumber": "", "partitionKey": "k",
                "shardId": "shardId-000000000001", "approximateArrivalTimestamp": 1_769_846_700_000_i64 } }] })
        );
        envelope.source_kinesis_stream_arn = None;
        let direct = read(&envelope);
        assert!(direct.get("sourceKinesisStreamArn").is_none());
        assert!(direct["records"][0].get("kinesisRecordMetadata").is_none());
        assert!(event(&envelope, &[taken(7)]).len() < EVENT_OVERHEAD + taken(7).event_bytes());
    }

    fn answered(records: Value) -> Result<Vec<Outcome>, Refusal> {
        super::read(json!({ "records": records }).to_string().as_bytes(), &[taken(1), taken(2)])
    }

    #[test]
    fn answers_are_read_in_the_order_of_the_records() {
        let outcomes = answered(json!([
            { "recordId": "49002000000", "result": "Dropped", "data": "AAA=" },
            { "recordId": "49001000000", "result": "Ok", "data": "eA==",
              "metadata": { "partitionKeys": { "c": "a", "n": 5, "none": null } } },
        ]))
        .unwrap();
        let keys = [("c", "a"), ("n", "5"), ("none", "")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        assert_eq!(outcomes[0], Outcome::Staged(What::Transformed { keys }, Bytes::from_static(b"x")));
        assert_eq!(outcomes[1], Outcome::Dropped);
    }

    #[test]
    fn every_mistake_has_its_code() {
        let ok = |id: u32| json!({ "recordId": format!("4900{id}000000"), "result": "Ok", "data": "eA==" });
        let with = |member: &str, value: Value| {
            let mut record = ok(2);
            record[member] = value;
            json!([ok(1), record])
        };
        let cases = [
            (json!([ok(1)]), "Lambda.MissingRecordId", "49002000000"),
            (json!([ok(1), ok(2), ok(2)]), "Lambda.DuplicatedRecordId", "49002000000"),
            (json!([ok(1), ok(2), ok(3)]), "Lambda.FunctionError", "49003000000 was not among"),
            (with("result", json!("Okay")), "Lambda.FunctionError", "'Okay'"),
            (with("result", json!(null)), "Lambda.FunctionError", "no result"),
            (with("data", json!("%%%")), "Lambda.FunctionError", "not base64"),
            (with("data", json!(null)), "Lambda.FunctionError", "no data"),
            (json!("nothing"), "Lambda.FunctionError", "required format"),
        ];
        for (records, code, words) in cases {
            let refusal = answered(records).unwrap_err();
            assert_eq!(refusal.code, code);
            assert!(refusal.message.contains(words), "{}", refusal.message);
        }
        let huge = vec![b' '; PAYLOAD_BYTES_MAX + 1];
        assert!(super::read(&huge, &[]).unwrap_err().message.contains("at most 6291456"));
    }
}
