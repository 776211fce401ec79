//! Events as functions get them: the members and their order are AWS's.

use super::ports::QueueMessage;
use crate::moment::iso_secs;
use base64_simd::STANDARD;
use bytes::Bytes;
use millrace_base::{Arn, Millis, SequenceNumber};
use millrace_log::{Record, Shard};
use serde_json::value::RawValue;
use std::io::Write;

/// The largest payload of a synchronous invocation (AWS quota: 6 MB).
pub(crate) const PAYLOAD_BYTES_MAX: usize = 6 << 20;
/// What a Kinesis record's event has beside its data and key, roughly: to tell whether waiting records fill a payload.
const RECORD_OVERHEAD: usize = 640;
/// `{"Records":[` and `]}`.
const ENVELOPE_BYTES: usize = 14;

/// Where a record lies: its index in the shard, and which of the user records in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Spot {
    pub(crate) index: u64,
    pub(crate) sub: u32,
}

/// A record that a function is to see.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    /// Dense, in order of reading.
    pub(crate) ticket: u64,
    pub(crate) spot: Spot,
    pub(crate) arrival: Millis,
    pub(crate) partition_key: Bytes,
    pub(crate) data: Bytes,
}

impl Item {
    /// What its event takes, roughly.
    pub(crate) fn event_bytes(&self) -> usize {
        self.data.len().div_ceil(3) * 4 + self.partition_key.len() + RECORD_OVERHEAD
    }
}

/// What all records of a shard share.
#[derive(Debug, Clone)]
pub(crate) struct ShardFacts {
    pub(crate) shard: Shard,
    pub(crate) region: String,
    /// As the mapping names it: a stream or a consumer.
    pub(crate) source_arn: String,
}

impl ShardFacts {
    /// The number that clients know a record by.
    pub(crate) fn sequence(&self, index: u64, arrival: Millis) -> SequenceNumber {
        self.shard.number(index, arrival)
    }

    /// The same of an item.
    pub(crate) fn sequence_of(&self, item: &Item) -> SequenceNumber {
        self.sequence(item.spot.index, item.arrival)
    }

    fn write_record(&self, out: &mut Vec<u8>, item: &Item, role: &str) {
        let sequence = self.sequence_of(item).to_string();
        out.extend_from_slice(br#"{"kinesis":{"kinesisSchemaVersion":"1.0","partitionKey":"#);
        write_text(out, &String::from_utf8_lossy(&item.partition_key));
        put(out, format_args!(r#","sequenceNumber":"{sequence}","data":""#));
        STANDARD.encode_append(&item.data, out);
        let (secs, millis) = (item.arrival.div_euclid(1000), item.arrival.rem_euclid(1000));
        put(out, format_args!(r#"","approximateArrivalTimestamp":{secs}.{millis:03}}},"eventSource":"aws:kinesis","#));
        put(out, format_args!(r#""eventVersion":"1.0","eventID":"{}:{sequence}","#, self.shard.id));
        out.extend_from_slice(br#""eventName":"aws:kinesis:record","invokeIdentityArn":"#);
        write_text(out, role);
        put(out, format_args!(r#","awsRegion":"{}","eventSourceARN":"#, self.region));
        write_text(out, &self.source_arn);
        out.push(b'}');
    }
}

/// The tumbling window that an invocation belongs to.
#[derive(Debug, Clone)]
pub(crate) struct WindowPart {
    pub(crate) start: Millis,
    pub(crate) end: Millis,
    pub(crate) state: Box<RawValue>,
    pub(crate) is_final: bool,
    pub(crate) is_early: bool,
}

/// Encodes an event record by record, so that it ends where the payload is full.
pub(crate) struct Encoder<'a> {
    facts: &'a ShardFacts,
    role: &'a str,
    tail: Vec<u8>,
    out: Vec<u8>,
    records: usize,
}

impl<'a> Encoder<'a> {
    pub(crate) fn new(facts: &'a ShardFacts, role: &'a str, window: Option<&WindowPart>) -> Self {
        let mut tail = Vec::new();
        if let Some(window) = window {
            let (start, end) = (iso_secs(window.start), iso_secs(window.end));
            put(
                &mut tail,
                format_args!(r#","window":{{"start":"{start}","end":"{end}"}},"state":{},"#, window.state.get()),
            );
            put(&mut tail, format_args!(r#""shardId":"{}","eventSourceARN":"#, facts.shard.id));
            write_text(&mut tail, &facts.source_arn);
            let (is_final, is_early) = (window.is_final, window.is_early);
            put(
                &mut tail,
                format_args!(r#","isFinalInvokeForWindow":{is_final},"isWindowTerminatedEarly":{is_early}"#),
            );
        }
        Self { facts, role, tail, out: br#"{"Records":["#.to_vec(), records: 0 }
    }

    /// Adds a record; false, and nothing was added, when the payload is full. The first always fits.
    pub(crate) fn push(&mut self, item: &Item) -> bool {
        let before = self.out.len();
        if self.records > 0 {
            self.out.push(b',');
        }
        self.facts.write_record(&mut self.out, item, self.role);
        if self.records > 0 && self.out.len() + self.tail.len() + ENVELOPE_BYTES > PAYLOAD_BYTES_MAX {
            self.out.truncate(before);
            return false;
        }
        self.records += 1;
        true
    }

    pub(crate) fn finish(mut self) -> Bytes {
        self.out.push(b']');
        self.out.extend_from_slice(&self.tail);
        self.out.push(b'}');
        self.out.into()
    }
}

/// The event of a stream's records, as an event source mapping would send it, and how many of the records are in it: a payload
/// is full at some time, but has one record at least.
pub fn stream_event(shard: &Shard, stream: &Arn, role: &str, records: &[Record]) -> (Bytes, usize) {
    let facts =
        ShardFacts { shard: shard.clone(), region: stream.scope.region.to_string(), source_arn: stream.to_string() };
    let mut encoder = Encoder::new(&facts, role, None);
    let item = |(ticket, record): (usize, &Record)| Item {
        ticket: ticket as u64,
        spot: Spot { index: record.index, sub: 0 },
        arrival: record.arrival,
        partition_key: record.partition_key.clone(),
        data: record.data.clone(),
    };
    let count = records.iter().enumerate().map(item).take_while(|item| encoder.push(item)).count();
    (encoder.finish(), count)
}

/// The event of messages from a queue.
pub(crate) fn queue_event(messages: &[QueueMessage], queue_arn: &str, region: &str) -> Bytes {
    let mut out = br#"{"Records":["#.to_vec();
    for (at, message) in messages.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_message(&mut out, message, queue_arn, region);
    }
    out.extend_from_slice(b"]}");
    out.into()
}

/// What a message's event takes, roughly.
pub(crate) fn message_bytes(message: &QueueMessage) -> usize {
    let attributes = message.message_attributes.iter().map(|(name, attribute)| {
        let text = attribute.string_value.as_ref().map_or(0, String::len);
        name.len() + text + attribute.binary_value.as_ref().map_or(0, |bytes| bytes.len() * 2) + RECORD_OVERHEAD / 4
    });
    // Quotes and line ends of a body are escaped.
    let escapes = message.body.bytes().filter(|byte| *byte < 0x20 || matches!(byte, b'"' | b'\\')).count();
    message.body.len() + escapes * 2 + message.receipt_handle.len() + attributes.sum::<usize>() + RECORD_OVERHEAD * 2
}

fn write_message(out: &mut Vec<u8>, message: &QueueMessage, queue_arn: &str, region: &str) {
    out.extend_from_slice(br#"{"messageId":"#);
    write_text(out, &message.message_id);
    out.extend_from_slice(br#","receiptHandle":"#);
    write_text(out, &message.receipt_handle);
    out.extend_from_slice(br#","body":"#);
    write_text(out, &message.body);
    out.extend_from_slice(br#","attributes":{"#);
    for (at, (name, value)) in message.attributes.iter().enumerate() {
        write_name(out, at, name);
        write_text(out, value);
    }
    out.extend_from_slice(br#"},"messageAttributes":{"#);
    for (at, (name, attribute)) in message.message_attributes.iter().enumerate() {
        write_name(out, at, name);
        out.push(b'{');
        if let Some(text) = &attribute.string_value {
            out.extend_from_slice(br#""stringValue":"#);
            write_text(out, text);
            out.push(b',');
        }
        if let Some(bytes) = &attribute.binary_value {
            out.extend_from_slice(br#""binaryValue":""#);
            STANDARD.encode_append(bytes, out);
            out.extend_from_slice(br#"","#);
        }
        out.extend_from_slice(br#""stringListValues":[],"binaryListValues":[],"dataType":"#);
        write_text(out, &attribute.data_type);
        out.push(b'}');
    }
    put(out, format_args!(r#"}},"md5OfBody":"{}","#, message.md5_of_body));
    if let Some(digest) = &message.md5_of_message_attributes {
        put(out, format_args!(r#""md5OfMessageAttributes":"{digest}","#));
    }
    put(out, format_args!(r#""eventSource":"aws:sqs","eventSourceARN":"{queue_arn}","awsRegion":"{region}"}}"#));
}

fn write_name(out: &mut Vec<u8>, at: usize, name: &str) {
    if at > 0 {
        out.push(b',');
    }
    write_text(out, name);
    out.push(b':');
}

/// A JSON string.
fn write_text(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("memory takes every text");
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("memory takes every text");
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::mapping::answer::no_state;
    use crate::mapping::ports::MessageAttribute;
    use millrace_base::ShardId;
    use millrace_log::HashRange;
    use serde_json::{Value, json};

    /// A shard that takes all hashes.
    pub(crate) fn shard(id: u32, created_secs: u64) -> Shard {
        let range = HashRange { start: 0, end: u128::MAX };
        Shard { id: ShardId(id), parent: None, adjacent_parent: None, range, created_secs, closed: None }
    }

    fn facts() -> ShardFacts {
        ShardFacts {
            shard: shard(6, 1_545_084_000),
            region: "us-east-2".to_owned(),
            source_arn: "arn:aws:kinesis:us-east-2:123456789012:stream/lambda-stream".to_owned(),
        }
    }

    fn item(index: u64, data: &'static str) -> Item {
        let (partition_key, data) = (Bytes::from_static("k\"é".as_bytes()), Bytes::from_static(data.as_bytes()));
        Item { ticket: index, spot: Spot { index, sub: 0 }, arrival: 1_545_084_650_087, partition_key, data }
    }

    #[test]
    fn a_kinesis_record_has_awss_members_in_awss_order() {
        let facts = facts();
        let mut encoder = Encoder::new(&facts, "arn:aws:iam::123456789012:role/lambda-role", None);
        assert!(encoder.push(&item(7, "Hello, this is a test.")));
        let sequence = facts.sequence(7, 1_545_084_650_087).to_string();
        let expected = format!(
            concat!(
                r#"{{"Records":[{{"kinesis":{{"kinesisSchemaVersion":"1.0","partitionKey":"k\"é","sequenceNumber":"{0}","#,
                r#""data":"SGVsbG8sIHRoaXMgaXMgYSB0ZXN0Lg==","approximateArrivalTimestamp":1545084650.087}},"#,
                r#""eventSource":"aws:kinesis","eventVersion":"1.0","eventID":"shardId-000000000006:{0}","#,
                r#""eventName":"aws:kinesis:record","#,
                r#""invokeIdentityArn":"arn:aws:iam::123456789012:role/lambda-role","awsRegion":"us-east-2","#,
                r#""eventSourceARN":"arn:aws:kinesis:us-east-2:123456789012:stream/lambda-stream"}}]}}"#
            ),
            sequence
        );
        assert_eq!(String::from_utf8_lossy(&encoder.finish()), expected);
    }

    #[test]
    fn a_window_stands_behind_its_records() {
        let facts = facts();
        let (start, end) = (1_607_497_440_000, 1_607_497_560_000);
        let window = WindowPart { start, end, state: no_state(), is_final: true, is_early: false };
        let event = Encoder::new(&facts, "r", Some(&window)).finish();
        let expected = concat!(
            r#"{"Records":[],"window":{"start":"2020-12-09T07:04:00Z","end":"2020-12-09T07:06:00Z"},"state":{},"#,
            r#""shardId":"shardId-000000000006","#,
            r#""eventSourceARN":"arn:aws:kinesis:us-east-2:123456789012:stream/lambda-stream","#,
            r#""isFinalInvokeForWindow":true,"isWindowTerminatedEarly":false}"#
        );
        assert_eq!(String::from_utf8_lossy(&event), expected);
    }

    #[test]
    fn a_payload_ends_before_six_megabytes_but_has_one_record() {
        let facts = facts();
        let large = |index, bytes| Item { data: vec![b'x'; bytes].into(), ..item(index, "") };
        let mut encoder = Encoder::new(&facts, "r", None);
        let pushed = (0..10).take_while(|index| encoder.push(&large(*index, 1_000_000))).count();
        assert_eq!(pushed, 4);
        assert!(encoder.push(&large(11, 100)));
        let event = encoder.finish();
        assert!(event.len() <= PAYLOAD_BYTES_MAX);
        let parsed: Value = serde_json::from_slice(&event).unwrap();
        assert_eq!(parsed["Records"].as_array().unwrap().len(), 5);
        let mut encoder = Encoder::new(&facts, "r", None);
        assert!(encoder.push(&large(0, PAYLOAD_BYTES_MAX)));
        assert!(!encoder.push(&large(1, 1)));
    }

    #[test]
    fn a_message_has_awss_members_in_awss_order() {
        let attribute = MessageAttribute {
            data_type: "Binary".to_owned(),
            string_value: None,
            binary_value: Some(Bytes::from_static(b"\x01")),
        };
        let message = QueueMessage {
            message_id: "059f36b4".to_owned(),
            receipt_handle: "AQEB".to_owned(),
            body: "Test \"message\".\n".to_owned(),
            attributes: vec![("ApproximateReceiveCount".to_owned(), "1".to_owned())],
            message_attributes: vec![("a".to_owned(), attribute)],
            md5_of_body: "e4e68fb7".to_owned(),
            md5_of_message_attributes: Some("00".to_owned()),
        };
        let arn = "arn:aws:sqs:us-east-2:123456789012:my-queue";
        let event = queue_event(std::slice::from_ref(&message), arn, "us-east-2");
        let expected = concat!(
            r#"{"Records":[{"messageId":"059f36b4","receiptHandle":"AQEB","body":"Test \"message\".\n","#,
            r#""attributes":{"ApproximateReceiveCount":"1"},"messageAttributes":{"a":{"binaryValue":"AQ==","#,
            r#""stringListValues":[],"binaryListValues":[],"dataType":"Binary"}},"md5OfBody":"e4e68fb7","#,
            r#""md5OfMessageAttributes":"00","eventSource":"aws:sqs","#,
            r#""eventSourceARN":"arn:aws:sqs:us-east-2:123456789012:my-queue","awsRegion":"us-east-2"}]}"#
        );
        assert_eq!(String::from_utf8_lossy(&event), expected);
        assert!(message_bytes(&message) > event.len());
        let many = queue_event(&[message.clone(), message], arn, "us-east-2");
        assert_eq!(serde_json::from_slice::<Value>(&many).unwrap()["Records"][1]["messageId"], json!("059f36b4"));
    }
}
