//! The manager with its threads, on the machine's own disk and time.

use crate::world::{ROLE, World, s3};
use bytes::Bytes;
use millrace_base::{Scope, SystemClock, SystemDisk};
use millrace_catalog::Catalog;
use millrace_deliver::{Bucket, Buckets, Deliveries, LocalLake, ObjectStore, Parts};
use millrace_log::{LocalLog, LogOptions, LogParts};
use millrace_schema::registry::Registry;
use millrace_schema::tables::Tables;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

#[test]
fn names_are_listed_in_pages_and_scopes_do_not_meet() {
    let world = World::new(1);
    let deliveries = world.deliveries();
    for name in ["b", "a", "c"] {
        let mut body = s3(json!({}));
        body["DeliveryStreamName"] = json!(name);
        deliveries.create(&world.scope, body).unwrap();
    }
    let page = deliveries.list(&world.scope, None, None, Some(2)).unwrap();
    assert_eq!((page.names, page.has_more), (vec!["a".to_owned(), "b".to_owned()], true));
    assert_eq!(deliveries.list(&world.scope, Some("b"), None, None).unwrap().names, ["c"]);
    let other = Scope::new("111111111111", "us-east-1");
    assert!(deliveries.list(&other, None, None, None).unwrap().names.is_empty());
    assert_eq!(
        deliveries.get(&other, "a").unwrap_err().to_string(),
        "Firehose a under account 111111111111 not found."
    );
    let mut body = s3(json!({}));
    body["DeliveryStreamName"] = json!("a");
    assert!(deliveries.create(&world.scope, body.clone()).unwrap_err().to_string().contains("already exists"));
    body["KinesisStreamSourceConfiguration"]["KinesisStreamARN"] =
        json!("arn:aws:kinesis:us-east-1:000000000000:stream/nope");
    body["DeliveryStreamName"] = json!("z");
    assert!(deliveries.create(&world.scope, body).unwrap_err().to_string().contains("Stream nope under account"));
}

/// A function that never answers.
struct Stuck;

#[async_trait::async_trait]
impl millrace_deliver::Transform for Stuck {
    async fn transform(&self, _: &str, _: Bytes) -> Result<Bytes, millrace_deliver::TransformError> {
        std::future::pending().await
    }
}

#[test]
#[allow(clippy::disallowed_methods, reason = "threads and time are what is tested")]
fn a_function_that_never_answers_holds_up_nobody_else() {
    let world = World::new(1);
    let parts = Parts { transform: Arc::new(Stuck), clock: Arc::new(SystemClock), ..world.parts.clone() };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let deliveries = Deliveries::open(parts);
    deliveries.start(runtime.handle().clone()).unwrap();
    for (name, prefix) in [("stuck", "never/"), ("other", "data/")] {
        let mut body = s3(json!({ "Prefix": prefix, "BufferingHints": { "SizeInMBs": 1, "IntervalInSeconds": 0 } }));
        body["DeliveryStreamName"] = json!(name);
        if name == "stuck" {
            body["ExtendedS3DestinationConfiguration"]["ProcessingConfiguration"] =
                crate::world::lambda(&[("BufferIntervalInSeconds", "0")], &[]);
        }
        deliveries.create(&world.scope, body).unwrap();
    }
    world.append(&[(0, "x".to_owned())]);
    runtime.block_on(async {
        let delivered = async {
            while world.store.list("lake", "data/").await.unwrap().is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), delivered).await.unwrap();
        assert!(world.store.list("lake", "never/").await.unwrap().is_empty());
        tokio::time::timeout(Duration::from_secs(5), deliveries.shutdown()).await.unwrap();
    });
}

#[tokio::test]
#[allow(clippy::disallowed_methods, reason = "threads and time are what is tested")]
async fn direct_puts_arrive_and_a_deleted_stream_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(SystemDisk);
    let catalog = Catalog::open(disk.as_ref(), &dir.path().join("catalog")).unwrap();
    let clock = Arc::new(SystemClock);
    let log_parts =
        LogParts { clock: clock.clone(), disk: disk.clone(), catalog: catalog.clone(), dir: dir.path().join("log") };
    let buckets = Buckets::new(catalog.clone());
    let scope = Scope::default();
    buckets.create(&Bucket { name: "lake".into(), scope: scope.clone(), created: 0 }).unwrap();
    let lake = Arc::new(LocalLake::open(disk, &dir.path().join("lake"), buckets).unwrap());
    let parts = Parts {
        tables: Tables::new(catalog.clone()),
        registry: Registry::new(catalog.clone(), clock.clone(), Arc::new(millrace_base::SystemDice)),
        catalog,
        log: LocalLog::open(log_parts, LogOptions::default()).unwrap(),
        store: lake.clone(),
        index: Arc::<crate::world::FakeIndex>::default(),
        transform: Arc::<crate::world::FakeFunction>::default(),
        clock,
        permits: Arc::new(millrace_deliver::Unlimited),
        observer: Arc::new(millrace_deliver::Unobserved),
    };
    let deliveries = Deliveries::open(parts);
    deliveries.start(tokio::runtime::Handle::current()).unwrap();
    let body = json!({ "DeliveryStreamName": "direct", "ExtendedS3DestinationConfiguration": {
        "RoleARN": ROLE, "BucketARN": "arn:aws:s3:::lake", "Prefix": "p/",
        "BufferingHints": { "SizeInMBs": 1, "IntervalInSeconds": 0 } } });
    deliveries.create(&scope, body).unwrap();
    let records = vec![Bytes::from_static(b"one\n"), Bytes::from_static(b"two\n")];
    let puts = deliveries.put_record_batch(&scope, "direct", records).await.unwrap();
    assert_eq!(puts.record_ids().count(), 2);
    let mut found = Vec::new();
    for _ in 0..500 {
        found = lake.list("lake", "p/").await.unwrap();
        if !found.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(lake.get("lake", &found[0].key).await.unwrap(), "one\ntwo\n");
    // The object is there a moment before it is counted.
    for _ in 0..500 {
        if deliveries.stats(&scope, "direct").unwrap().records_out == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(deliveries.stats(&scope, "direct").unwrap().records_out, 2);
    assert!(deliveries.put_record_batch(&scope, "direct", Vec::new()).await.is_err());
    deliveries.delete(&scope, "direct").await.unwrap();
    assert!(deliveries.get(&scope, "direct").is_err());
    assert!(deliveries.stats(&scope, "direct").is_none());
    deliveries.shutdown().await;
}
