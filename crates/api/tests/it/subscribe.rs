//! SubscribeToShard over both versions of HTTP: frames as clients read them.

use crate::door::{Door, TestClock, rpc_headers};
use bytes::{Buf, Bytes};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::net::TcpStream;

const STREAM: &str = "arn:aws:kinesis:us-east-1:111111111111:stream/s";
const JSON: &str = "application/x-amz-json-1.1";
const CBOR: &str = "application/x-amz-cbor-1.1";

/// A frame taken apart, its checksums checked.
#[derive(Debug)]
struct Frame {
    headers: BTreeMap<String, String>,
    payload: Vec<u8>,
}

impl Frame {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.payload).unwrap()
    }
}

/// An answer that goes on.
struct Subscribed {
    body: Incoming,
    rest: Vec<u8>,
}

impl Subscribed {
    async fn frame(&mut self) -> Option<Frame> {
        loop {
            if self.rest.len() >= 12 {
                let total = (&self.rest[..4]).get_u32() as usize;
                if self.rest.len() >= total {
                    let frame: Vec<u8> = self.rest.drain(..total).collect();
                    return Some(taken_apart(&frame));
                }
            }
            let chunk =
                tokio::time::timeout(Duration::from_secs(10), self.body.frame()).await.expect("a frame in time")?;
            self.rest.extend_from_slice(&chunk.unwrap().into_data().unwrap());
        }
    }

    /// The next event's payload.
    async fn event(&mut self) -> Value {
        let frame = self.frame().await.expect("an event");
        assert_eq!(frame.headers[":message-type"], "event");
        assert_eq!(frame.headers[":event-type"], "SubscribeToShardEvent");
        assert_eq!(frame.headers[":content-type"], "application/json");
        frame.json()
    }
}

fn taken_apart(frame: &[u8]) -> Frame {
    let end = frame.len() - 4;
    assert_eq!((&frame[8..12]).get_u32(), crc32fast::hash(&frame[..8]));
    assert_eq!((&frame[end..]).get_u32(), crc32fast::hash(&frame[..end]));
    let headers_end = 12 + (&frame[4..8]).get_u32() as usize;
    let (mut rest, mut headers) = (&frame[12..headers_end], BTreeMap::new());
    while rest.has_remaining() {
        let name_len = usize::from(rest.get_u8());
        let name = String::from_utf8(rest.copy_to_bytes(name_len).to_vec()).unwrap();
        assert_eq!(rest.get_u8(), 7);
        let len = usize::from(rest.get_u16());
        headers.insert(name, String::from_utf8(rest.copy_to_bytes(len).to_vec()).unwrap());
    }
    Frame { headers, payload: frame[headers_end..end].to_vec() }
}

fn request(content_type: &str, body: Vec<u8>) -> Request<Full<Bytes>> {
    let mut request = Request::post("http://localhost/");
    for (name, value) in rpc_headers("SubscribeToShard", content_type) {
        request = request.header(name, value);
    }
    request.body(Full::new(body.into())).unwrap()
}

async fn send(door: &Door, request: Request<Full<Bytes>>, http2: bool) -> Response<Incoming> {
    let socket = TokioIo::new(TcpStream::connect(door.address).await.unwrap());
    if http2 {
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), socket).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    } else {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(socket).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    }
}

/// Subscribes, and reads the first frame.
async fn subscribe(door: &Door, consumer: &str, shard: u32, from: Value, http2: bool) -> Subscribed {
    let input = json!({ "ConsumerARN": consumer, "ShardId": format!("shardId-{shard:012}"), "StartingPosition": from });
    let answer = send(door, request(JSON, input.to_string().into_bytes()), http2).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/vnd.amazon.eventstream");
    let mut subscribed = Subscribed { body: answer.into_body(), rest: Vec::new() };
    let first = subscribed.frame().await.unwrap();
    assert_eq!(first.headers[":event-type"], "initial-response");
    assert_eq!(first.headers[":message-type"], "event");
    assert_eq!(first.json(), json!({}));
    subscribed
}

async fn open(dir: &std::path::Path) -> (Door, String) {
    let door = Door::open(dir, TestClock::default()).await;
    door.call("CreateStream", json!({ "StreamName": "s", "ShardCount": 1 })).await;
    let registered = door.call("RegisterStreamConsumer", json!({ "StreamARN": STREAM, "ConsumerName": "app" })).await;
    let arn = registered.json()["Consumer"]["ConsumerARN"].as_str().unwrap().to_owned();
    (door, arn)
}

async fn put(door: &Door, data: &str) -> String {
    let data = base64_simd::STANDARD.encode_to_string(data);
    let placed = door.call("PutRecord", json!({ "StreamName": "s", "Data": data, "PartitionKey": "k" })).await;
    placed.json()["SequenceNumber"].as_str().unwrap().to_owned()
}

fn numbers(event: &Value) -> Vec<&str> {
    event["Records"].as_array().unwrap().iter().map(|record| record["SequenceNumber"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_pushed_as_they_come_and_a_continuation_loses_none() {
    for http2 in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let (door, arn) = open(dir.path()).await;
        let mut events = subscribe(&door, &arn, 0, json!({ "Type": "TRIM_HORIZON" }), http2).await;
        let first = events.event().await;
        assert_eq!(first["Records"], json!([]));
        assert_eq!(first["MillisBehindLatest"], 0);
        assert!(first.get("ChildShards").is_none(), "AWS leaves it out");
        let nothing_yet = first["ContinuationSequenceNumber"].as_str().unwrap().to_owned();
        let a = put(&door, "a").await;
        let second = events.event().await;
        assert_eq!(numbers(&second), [&a]);
        assert_eq!(second["ContinuationSequenceNumber"], *a);
        assert!(nothing_yet < a);
        drop(events);
        let b = put(&door, "b").await;
        for (kind, number, expected) in [
            ("AFTER_SEQUENCE_NUMBER", &nothing_yet, vec![&a, &b]),
            ("AT_SEQUENCE_NUMBER", &nothing_yet, vec![&a, &b]),
            ("AFTER_SEQUENCE_NUMBER", &a, vec![&b]),
            ("AT_SEQUENCE_NUMBER", &a, vec![&a, &b]),
        ] {
            door.clock.advance(5_000);
            let from = json!({ "Type": kind, "SequenceNumber": number });
            let mut events = subscribe(&door, &arn, 0, from, http2).await;
            assert_eq!(numbers(&events.event().await), expected, "{kind} {number}");
        }
        // At the tail, where no record is yet, the continuation stands before the next one.
        door.clock.advance(5_000);
        let mut events = subscribe(&door, &arn, 0, json!({ "Type": "LATEST" }), http2).await;
        let tail = events.event().await["ContinuationSequenceNumber"].as_str().unwrap().to_owned();
        assert!(b < tail);
        drop(events);
        let c = put(&door, "c").await;
        assert!(tail < c);
        for kind in ["AFTER_SEQUENCE_NUMBER", "AT_SEQUENCE_NUMBER"] {
            door.clock.advance(5_000);
            let from = json!({ "Type": kind, "SequenceNumber": tail });
            let mut events = subscribe(&door, &arn, 0, from, http2).await;
            assert_eq!(numbers(&events.event().await), [&c], "{kind}");
        }
        door.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_a_shard_comes_with_its_children_and_no_continuation() {
    let dir = tempfile::tempdir().unwrap();
    let (door, arn) = open(dir.path()).await;
    let mut events = subscribe(&door, &arn, 0, json!({ "Type": "LATEST" }), true).await;
    events.event().await;
    let split = json!({ "StreamName": "s", "ShardToSplit": "shardId-000000000000", "NewStartingHashKey": "1000" });
    assert_eq!(door.call("SplitShard", split).await.status, 200);
    let is_end = |end: &Value| {
        assert!(end.get("ContinuationSequenceNumber").is_none(), "{end}");
        let ids: Vec<_> = end["ChildShards"].as_array().unwrap().iter().map(|child| &child["ShardId"]).collect();
        assert_eq!(ids, ["shardId-000000000001", "shardId-000000000002"]);
        assert_eq!(end["ChildShards"][0]["ParentShards"], json!(["shardId-000000000000"]));
    };
    is_end(&events.event().await);
    assert!(events.frame().await.is_none());
    // KCL asks again with LATEST and expects the end at once.
    door.clock.advance(5_000);
    let mut events = subscribe(&door, &arn, 0, json!({ "Type": "LATEST" }), false).await;
    is_end(&events.event().await);
    assert!(events.frame().await.is_none());
    door.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_later_subscription_takes_over_an_early_one_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (door, arn) = open(dir.path()).await;
    let latest = || json!({ "Type": "LATEST" });
    let mut first = subscribe(&door, &arn, 0, latest(), true).await;
    first.event().await;
    door.clock.advance(4_999);
    let input = json!({ "ConsumerARN": arn, "ShardId": "shardId-000000000000", "StartingPosition": latest() });
    let refused = door.call("SubscribeToShard", input).await;
    assert_eq!((refused.status, refused.json()["__type"].as_str()), (400, Some("ResourceInUseException")));
    door.clock.advance(1);
    let mut second = subscribe(&door, &arn, 0, latest(), false).await;
    let taken = first.frame().await.unwrap();
    assert_eq!(taken.headers[":message-type"], "exception");
    assert_eq!(taken.headers[":exception-type"], "ResourceInUseException");
    assert!(taken.json()["message"].is_string());
    assert!(first.frame().await.is_none());
    second.event().await;
    let a = put(&door, "a").await;
    assert_eq!(numbers(&second.event().await), [&a]);
    // Whoever is deregistered reads no more.
    door.call("DeregisterStreamConsumer", json!({ "ConsumerARN": arn })).await;
    let gone = second.frame().await.unwrap();
    assert_eq!(gone.headers[":exception-type"], "ResourceNotFoundException");
    assert!(second.frame().await.is_none());
    door.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quiet_subscription_sends_an_event_every_five_seconds_for_five_minutes() {
    let dir = tempfile::tempdir().unwrap();
    let (door, arn) = open(dir.path()).await;
    let mut events = subscribe(&door, &arn, 0, json!({ "Type": "LATEST" }), true).await;
    let first = events.event().await;
    door.clock.advance(5_000);
    let second = events.event().await;
    assert_eq!(second["Records"], json!([]));
    assert_eq!(second["ContinuationSequenceNumber"], first["ContinuationSequenceNumber"]);
    door.clock.advance(295_000);
    assert!(events.frame().await.is_none(), "five minutes are over, and the end is clean");
    // A server that ends does not wait for those who would go on.
    let mut events = subscribe(&door, &arn, 0, json!({ "Type": "LATEST" }), true).await;
    events.event().await;
    let began = std::time::Instant::now();
    door.close().await;
    assert!(events.frame().await.is_none());
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_stream_ends_its_subscriptions() {
    let dir = tempfile::tempdir().unwrap();
    let (door, arn) = open(dir.path()).await;
    let mut events = subscribe(&door, &arn, 0, json!({ "Type": "LATEST" }), false).await;
    events.event().await;
    door.call("DeleteStream", json!({ "StreamName": "s", "EnforceConsumerDeletion": true })).await;
    let gone = events.frame().await.unwrap();
    assert_eq!(gone.headers[":exception-type"], "ResourceNotFoundException");
    assert!(events.frame().await.is_none());
    door.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_read_holds_nothing_back_and_nothing_up() {
    let dir = tempfile::tempdir().unwrap();
    let (door, arn) = open(dir.path()).await;
    let mut events = subscribe(&door, &arn, 0, json!({ "Type": "TRIM_HORIZON" }), true).await;
    let data = base64_simd::STANDARD.encode_to_string(vec![7; 900_000]);
    let entry = json!({ "Data": data, "PartitionKey": "k" });
    for _ in 0..20 {
        let put = json!({ "StreamName": "s", "Records": [entry, entry] });
        assert_eq!(door.call("PutRecords", put).await.status, 200);
    }
    let mut count = 0;
    while count < 40 {
        let event = events.event().await;
        assert!(event["Records"].as_array().unwrap().len() <= 2, "an event holds about a MiB");
        count += event["Records"].as_array().unwrap().len();
    }
    door.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cbor_is_answered_in_cbor() {
    let dir = tempfile::tempdir().unwrap();
    let (door, arn) = open(dir.path()).await;
    put(&door, "abc").await;
    let mut body = vec![0xa3, 0x6b];
    body.extend(b"ConsumerARN\x78");
    body.push(arn.len() as u8);
    body.extend(arn.as_bytes());
    body.extend(b"\x67ShardId\x74shardId-000000000000");
    body.extend(b"\x70StartingPosition\xa1\x64Type\x6cTRIM_HORIZON");
    let answer = send(&door, request(CBOR, body), true).await;
    assert_eq!(answer.status(), 200);
    let mut events = Subscribed { body: answer.into_body(), rest: Vec::new() };
    let first = events.frame().await.unwrap();
    assert_eq!((&first.headers[":content-type"][..], &first.payload[..]), (CBOR, &[0xa0][..]));
    let event = events.frame().await.unwrap();
    assert_eq!(event.headers[":content-type"], CBOR);
    // The blob is a byte string of three.
    assert!(event.payload.windows(9).any(|bytes| bytes == b"\x64Data\x43abc"), "{:x?}", event.payload);
    door.close().await;
}
