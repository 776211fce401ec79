//! OpenSearch destinations.

use crate::world::{ROLE, World, failures};
use serde_json::{Value, json};

fn definition() -> Value {
    json!({
        "DeliveryStreamName": "d",
        "DeliveryStreamType": "KinesisStreamAsSource",
        "KinesisStreamSourceConfiguration":
            { "KinesisStreamARN": "arn:aws:kinesis:us-east-1:000000000000:stream/orders", "RoleARN": ROLE },
        "AmazonopensearchserviceDestinationConfiguration": {
            "RoleARN": ROLE,
            "DomainARN": "arn:aws:es:us-east-1:000000000000:domain/hot",
            "IndexName": "orders",
            "IndexRotationPeriod": "NoRotation",
            "BufferingHints": { "SizeInMBs": 1, "IntervalInSeconds": 0 },
            "RetryOptions": { "DurationInSeconds": 60 },
            "S3Configuration": { "RoleARN": ROLE, "BucketARN": "arn:aws:s3:::lake", "Prefix": "search/" },
        },
    })
}

fn documents(world: &World) -> Vec<String> {
    let documents = world.index.documents.lock();
    documents.values().map(|source| String::from_utf8(source.to_vec()).unwrap()).collect()
}

#[test]
fn documents_have_ids_of_their_place_and_are_indexed_once() {
    let world = World::new(1);
    world.deliveries().create(&world.scope, definition()).unwrap();
    let mut runner = world.runner("d");
    world.append(&[(0, r#"{"id":1}"#.to_owned()), (200, r#"{"id":2}"#.to_owned())]);
    world.settle(&mut runner);
    assert_eq!(documents(&world), [r#"{"id":1}"#, r#"{"id":2}"#]);
    let ids: Vec<_> = world.index.documents.lock().keys().map(|(_, id)| id.clone()).collect();
    assert!(ids[0].starts_with("shardId-000000000000:49"), "{ids:?}");
    drop(runner);
    world.settle(&mut world.runner("d"));
    assert_eq!(documents(&world).len(), 2);
    assert!(world.objects().is_empty());
}

#[test]
fn a_document_that_is_refused_goes_to_the_bucket() {
    let world = World::new(2);
    world.deliveries().create(&world.scope, definition()).unwrap();
    let mut runner = world.runner("d");
    *world.index.refuses.lock() = Some((400, "bad"));
    world.append(&[(0, r#"{"id":"bad"}"#.to_owned()), (0, r#"{"id":2}"#.to_owned())]);
    world.settle(&mut runner);
    assert_eq!(documents(&world), [r#"{"id":2}"#]);
    let objects = world.objects();
    let (key, content) = objects.first_key_value().unwrap();
    assert!(key.starts_with("search/AmazonOpenSearchService-failed/2026/01/31/08/d-1-"), "{key}");
    let failure = &failures(content)[0];
    assert_eq!(failure["errorCode"], "400");
    assert_eq!(failure["rawData"], r#"{"id":"bad"}"#);
    assert_eq!(failure["esIndexName"], "orders");
    assert!(failure["esDocumentId"].as_str().unwrap().starts_with("shardId-"));
}

#[test]
fn an_index_that_is_away_is_tried_for_the_given_time() {
    let world = World::new(3);
    world.deliveries().create(&world.scope, definition()).unwrap();
    let mut runner = world.runner("d");
    *world.index.down.lock() = 3;
    world.append(&[(0, r#"{"id":1}"#.to_owned())]);
    for _ in 0..4 {
        world.settle(&mut runner);
        world.clock.advance(5_000);
    }
    assert_eq!(documents(&world).len(), 1);
    *world.index.down.lock() = u32::MAX;
    world.append(&[(0, r#"{"id":2}"#.to_owned())]);
    for _ in 0..20 {
        world.settle(&mut runner);
        world.clock.advance(30_000);
    }
    let objects = world.objects();
    let failure = &failures(objects.first_key_value().unwrap().1)[0];
    assert_eq!(failure["errorCode"], "503");
    assert_eq!(failure["errorMessage"], "connection refused");
    assert!(failure["attemptsMade"].as_u64().unwrap() > 2);
}
