//! The records of a stream that a failed batch stands for: the failure tells only where they lie.

use super::super::client::{CliError, Client};
use crate::dlq::failure::Batch;
use serde_json::{Value, json};

/// A record as Kinesis gives it.
#[derive(Debug, Clone)]
pub struct Record {
    /// Its sequence number.
    pub sequence: String,
    /// Its partition key.
    pub key: String,
    /// Its data in base64.
    pub data: String,
    /// When it arrived, in seconds.
    pub arrived: f64,
}

impl Record {
    /// The data as people read it: text when it is text, else how many bytes.
    pub fn shown(&self) -> String {
        let bytes = base64_simd::STANDARD.decode_to_vec(self.data.as_bytes()).unwrap_or_default();
        match std::str::from_utf8(&bytes) {
            Ok(text) if !text.chars().any(|c| c.is_control() && !c.is_whitespace()) => text.trim_end().to_owned(),
            _ => format!("{} that are not text", super::counted(bytes.len() as u64, "byte")),
        }
    }
}

/// The records of a batch that are still there, at most `max`.
pub async fn of(client: &Client, batch: &Batch, max: usize) -> Result<Vec<Record>, CliError> {
    let first = json!({
        "StreamARN": batch.stream,
        "ShardId": batch.shard,
        "ShardIteratorType": "AT_SEQUENCE_NUMBER",
        "StartingSequenceNumber": batch.start,
    });
    let mut iterator = text(&client.kinesis("GetShardIterator", &first).await?, "ShardIterator");
    let mut found = Vec::new();
    while !iterator.is_empty() {
        let asked = json!({ "ShardIterator": iterator, "Limit": 1000, "StreamARN": batch.stream });
        let answer = client.kinesis("GetRecords", &asked).await?;
        let records: Vec<Record> = answer["Records"].as_array().into_iter().flatten().map(record).collect();
        let is_tail = records.is_empty() && answer["MillisBehindLatest"].as_i64() == Some(0);
        for record in records {
            if order(&record.sequence) > order(&batch.end) || found.len() == max {
                return Ok(found);
            }
            found.push(record);
        }
        if is_tail || found.last().is_some_and(|last: &Record| last.sequence == batch.end) {
            return Ok(found);
        }
        iterator = text(&answer, "NextShardIterator");
    }
    Ok(found)
}

/// The event that a function gets for records, as event source mappings make it.
pub fn event(batch: &Batch, records: &[Record], role: &str) -> Value {
    let region = batch.stream.split(':').nth(3).unwrap_or_default();
    let one = |record: &Record| {
        json!({
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": record.key,
                "sequenceNumber": record.sequence,
                "data": record.data,
                "approximateArrivalTimestamp": record.arrived,
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": format!("{}:{}", batch.shard, record.sequence),
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": role,
            "awsRegion": region,
            "eventSourceARN": batch.stream,
        })
    };
    json!({ "Records": records.iter().map(one).collect::<Vec<_>>() })
}

/// Sequence numbers are numbers: longer ones are larger.
pub fn order(sequence: &str) -> (usize, &str) {
    (sequence.len(), sequence)
}

fn record(value: &Value) -> Record {
    Record {
        sequence: text(value, "SequenceNumber"),
        key: text(value, "PartitionKey"),
        data: text(value, "Data"),
        arrived: value["ApproximateArrivalTimestamp"].as_f64().unwrap_or(0.0),
    }
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}
