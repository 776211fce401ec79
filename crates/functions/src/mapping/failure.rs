//! The record of a batch that was given up, as AWS sends it to the on-failure destination.
//!
//! ```text
//! requestContext { requestId, functionArn, condition, approximateInvokeCount }
//! responseContext { statusCode, executedVersion, functionError }        absent when the records were too old
//! version "1.0", timestamp
//! KinesisBatchInfo { shardId, startSequenceNumber, endSequenceNumber, approximateArrivalOfFirstRecord,
//!                    approximateArrivalOfLastRecord, batchSize, streamArn }
//! payload        the whole event, as a text; only in S3
//! ```
//! An S3 object's key is `aws/lambda/UUID/SHARD/YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-RANDOMUUID`.

use super::event::{Encoder, Item, ShardFacts};
use super::ports::FailureRecord;
use crate::moment::{iso_millis, object_path};
use bytes::Bytes;
use millrace_base::Millis;
use serde::Serialize;

/// Why records were given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) enum Condition {
    RetryAttemptsExhausted,
    RecordAgeExceeded,
}

/// The last call of a function that had the batch.
#[derive(Debug, Clone)]
pub(crate) struct LastCall {
    pub(crate) request_id: String,
    /// `None` when the function could not be called.
    pub(crate) answered: Option<Answered>,
}

/// That it answered, and how.
#[derive(Debug, Clone)]
pub(crate) struct Answered {
    pub(crate) version: String,
    /// It failed as a whole, not by an answer that named items.
    pub(crate) raised: bool,
}

/// First and last record, as far as failure records tell of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Edge {
    pub(crate) index: u64,
    pub(crate) arrival: Millis,
}

impl Edge {
    pub(crate) fn of(item: &Item) -> Self {
        Self { index: item.spot.index, arrival: item.arrival }
    }
}

/// What a failure record is made of.
pub(crate) struct GivenUp<'a> {
    pub(crate) mapping: &'a str,
    pub(crate) function_arn: &'a str,
    pub(crate) stream_arn: &'a str,
    pub(crate) role: &'a str,
    pub(crate) facts: &'a ShardFacts,
    pub(crate) items: &'a [Item],
    /// First and last; of a window's last call, which has no items, the last that its window had.
    pub(crate) edges: (Edge, Edge),
    pub(crate) condition: Condition,
    pub(crate) invokes: u32,
    pub(crate) last: Option<&'a LastCall>,
    pub(crate) at: Millis,
    /// A random UUID: names the object, and the request when there was none.
    pub(crate) uuid: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    request_context: RequestContext<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_context: Option<ResponseContext<'a>>,
    version: &'static str,
    timestamp: String,
    #[serde(rename = "KinesisBatchInfo")]
    batch: BatchInfo<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext<'a> {
    request_id: &'a str,
    function_arn: &'a str,
    condition: Condition,
    approximate_invoke_count: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResponseContext<'a> {
    status_code: u16,
    executed_version: &'a str,
    function_error: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BatchInfo<'a> {
    shard_id: String,
    start_sequence_number: String,
    end_sequence_number: String,
    approximate_arrival_of_first_record: String,
    approximate_arrival_of_last_record: String,
    batch_size: usize,
    stream_arn: &'a str,
}

impl GivenUp<'_> {
    pub(crate) fn record(&self) -> FailureRecord {
        let payload = self.payload();
        let payload = String::from_utf8_lossy(&payload);
        let object_key =
            format!("aws/lambda/{}/{}/{}-{}", self.mapping, self.facts.shard.id, object_path(self.at), self.uuid);
        FailureRecord { message: self.json(None), object_key, object: self.json(Some(&payload)) }
    }

    fn payload(&self) -> Bytes {
        let mut encoder = Encoder::new(self.facts, self.role, None);
        for item in self.items {
            // A batch that was sent fits; of one that never was, what fits is kept.
            if !encoder.push(item) {
                break;
            }
        }
        encoder.finish()
    }

    fn json(&self, payload: Option<&str>) -> Bytes {
        let (first, last) = self.edges;
        let sequence = |edge: Edge| self.facts.sequence(edge.index, edge.arrival).to_string();
        let answered = self.last.and_then(|call| call.answered.as_ref());
        let response_context = answered.filter(|_| self.condition == Condition::RetryAttemptsExhausted);
        let record = Record {
            request_context: RequestContext {
                request_id: self.last.map_or(&self.uuid, |call| &call.request_id),
                function_arn: self.function_arn,
                condition: self.condition,
                approximate_invoke_count: self.invokes,
            },
            response_context: response_context.map(|answered| ResponseContext {
                status_code: 200,
                executed_version: &answered.version,
                function_error: answered.raised.then_some("Unhandled"),
            }),
            version: "1.0",
            timestamp: iso_millis(self.at),
            batch: BatchInfo {
                shard_id: self.facts.shard.id.to_string(),
                start_sequence_number: sequence(first),
                end_sequence_number: sequence(last),
                approximate_arrival_of_first_record: iso_millis(first.arrival),
                approximate_arrival_of_last_record: iso_millis(last.arrival),
                batch_size: self.items.len(),
                stream_arn: self.stream_arn,
            },
            payload,
        };
        serde_json::to_vec(&record).expect("a record of texts and numbers is JSON").into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::event::Spot;
    use crate::mapping::event::tests::shard;

    fn record(condition: Condition, raised: bool) -> FailureRecord {
        let facts = ShardFacts {
            shard: shard(0, 1_573_000_000),
            region: "us-east-1".to_owned(),
            source_arn: "arn:aws:kinesis:us-east-1:111111111111:stream/s".to_owned(),
        };
        let item = |index, arrival| Item {
            ticket: index,
            spot: Spot { index, sub: 0 },
            arrival,
            partition_key: Bytes::from_static(b"k"),
            data: Bytes::from_static(b"x"),
        };
        let items = [item(3, 1_573_691_800_000), item(4, 1_573_691_801_500)];
        let answered = Some(Answered { version: "$LATEST".to_owned(), raised });
        let last = LastCall { request_id: "c9b8fa9f-5a7f-xmpl-af9c-0c604cde93a5".to_owned(), answered };
        let given_up = GivenUp {
            mapping: "72b8d7a3",
            function_arn: "arn:aws:lambda:us-east-1:111111111111:function:f",
            stream_arn: &facts.source_arn,
            role: "arn:aws:iam::111111111111:role/r",
            facts: &facts,
            items: &items,
            edges: (Edge::of(&items[0]), Edge::of(&items[1])),
            condition,
            invokes: 2,
            last: Some(&last),
            at: 1_573_691_886_021,
            uuid: "0-1".to_owned(),
        };
        given_up.record()
    }

    fn text(bytes: &Bytes) -> &str {
        std::str::from_utf8(bytes).unwrap()
    }

    const TAIL: &str = concat!(
        r#""version":"1.0","timestamp":"2019-11-14T00:38:06.021Z","KinesisBatchInfo":{"shardId":"shardId-000000000000","#,
        r#""startSequenceNumber":"49601122462865062190693275826299534723784287947021352962","#,
        r#""endSequenceNumber":"49601122462865062190693275826300743649603902644915535874","#,
        r#""approximateArrivalOfFirstRecord":"2019-11-14T00:36:40.000Z","#,
        r#""approximateArrivalOfLastRecord":"2019-11-14T00:36:41.500Z","batchSize":2,"#,
        r#""streamArn":"arn:aws:kinesis:us-east-1:111111111111:stream/s"}"#
    );

    #[test]
    fn an_exhausted_batch_reads_as_aws_writes_it() {
        let head = concat!(
            r#"{"requestContext":{"requestId":"c9b8fa9f-5a7f-xmpl-af9c-0c604cde93a5","#,
            r#""functionArn":"arn:aws:lambda:us-east-1:111111111111:function:f","condition":"RetryAttemptsExhausted","#,
            r#""approximateInvokeCount":2},"responseContext":{"statusCode":200,"executedVersion":"$LATEST","#
        );
        let raised = record(Condition::RetryAttemptsExhausted, true);
        assert_eq!(text(&raised.message), format!(r#"{head}"functionError":"Unhandled"}},{TAIL}}}"#));
        let reported = record(Condition::RetryAttemptsExhausted, false);
        assert_eq!(text(&reported.message), format!(r#"{head}"functionError":null}},{TAIL}}}"#));
    }

    #[test]
    fn records_that_were_too_old_have_no_response() {
        let old = record(Condition::RecordAgeExceeded, true);
        assert!(
            text(&old.message).contains(r#""condition":"RecordAgeExceeded","approximateInvokeCount":2},"version""#)
        );
        assert!(!text(&old.message).contains("responseContext"));
    }

    #[test]
    fn an_object_has_the_whole_event_under_awss_key() {
        let record = record(Condition::RetryAttemptsExhausted, true);
        let object: serde_json::Value = serde_json::from_slice(&record.object).unwrap();
        let payload: serde_json::Value = serde_json::from_str(object["payload"].as_str().unwrap()).unwrap();
        assert_eq!(payload["Records"][1]["kinesis"]["data"], "eA==");
        assert_eq!(record.object_key, "aws/lambda/72b8d7a3/shardId-000000000000/2019/11/14/2019-11-14T00.38.06-0-1");
    }
}
