//! What a client holds stays good when the server is started again.

use crate::door::{Door, TestClock};
use serde_json::{Value, json};
use std::time::Duration;

async fn iterator(door: &Door, kind: &str) -> String {
    let input = json!({"StreamName": "s", "ShardId": "shardId-000000000000", "ShardIteratorType": kind});
    door.call("GetShardIterator", input).await.json()["ShardIterator"].as_str().unwrap().to_owned()
}

async fn put(door: &Door, data: &str) {
    let answer = door.call("PutRecord", json!({"StreamName": "s", "Data": data, "PartitionKey": "k"})).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
}

async fn read(door: &Door, iterator: &str) -> Value {
    let answer = door.call("GetRecords", json!({"ShardIterator": iterator})).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    answer.json()
}

fn data(records: &Value) -> Vec<&str> {
    records["Records"].as_array().unwrap().iter().map(|record| record["Data"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn iterators_are_exact_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let clock = TestClock::default();
    let door = Door::open(dir.path(), clock.clone()).await;
    door.call("CreateStream", json!({"StreamName": "s", "ShardCount": 1})).await;
    put(&door, "QQ==").await;
    // LATEST is a place, taken now: what is written before the first read is read.
    let latest = iterator(&door, "LATEST").await;
    let first = iterator(&door, "TRIM_HORIZON").await;
    let next = read(&door, &first).await["NextShardIterator"].as_str().unwrap().to_owned();
    put(&door, "Qg==").await;
    door.close().await;

    let door = Door::open(dir.path(), clock.clone()).await;
    put(&door, "Qw==").await;
    assert_eq!(data(&read(&door, &first).await), ["QQ==", "Qg==", "Qw=="]);
    assert_eq!(data(&read(&door, &latest).await), ["Qg==", "Qw=="]);
    let rest = read(&door, &next).await;
    assert_eq!(data(&rest), ["Qg==", "Qw=="]);

    // An empty read answers at once, with an iterator of its own.
    let tail = rest["NextShardIterator"].as_str().unwrap();
    clock.advance(1);
    let empty =
        tokio::time::timeout(Duration::from_secs(1), read(&door, tail)).await.expect("no waiting on an empty tail");
    assert!(data(&empty).is_empty());
    assert_eq!(empty["MillisBehindLatest"], 0);
    assert_ne!(empty["NextShardIterator"].as_str().unwrap(), tail);

    clock.advance(300_000);
    let expired = door.call("GetRecords", json!({"ShardIterator": tail})).await;
    assert_eq!(expired.json()["__type"], "ExpiredIteratorException");
    assert_eq!(read(&door, empty["NextShardIterator"].as_str().unwrap()).await["MillisBehindLatest"], 0);

    // A stream of the same name is another stream.
    door.call("DeleteStream", json!({"StreamName": "s"})).await;
    door.call("CreateStream", json!({"StreamName": "s", "ShardCount": 1})).await;
    let stale = door.call("GetRecords", json!({"ShardIterator": empty["NextShardIterator"]})).await;
    assert_eq!(stale.json()["__type"], "ResourceNotFoundException");
    door.close().await;
}
