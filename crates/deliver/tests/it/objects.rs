//! S3 destinations: when objects appear, under which keys, with what in them.

use crate::world::{World, block, converted, create_table, failures, gunzip, parquet_ids, partitioned, s3};
use bytes::Bytes;
use serde_json::json;
use std::collections::BTreeMap;

fn order(id: u64, customer: &str) -> (u128, String) {
    (u128::from(id % 2) * 200, format!(r#"{{"id":{id},"c":"{customer}"}}"#))
}

#[test]
fn a_buffer_becomes_an_object_when_its_time_is_up() {
    let world = World::new(1);
    world.append(&[order(0, "before")]);
    world.deliveries().create(&world.scope, s3(json!({ "Prefix": "raw/" }))).unwrap();
    let mut runner = world.runner("d");
    world.append(&[order(1, "a"), order(2, "b"), order(3, "c")]);
    world.settle(&mut runner);
    world.clock.advance(59_999);
    world.append(&[order(4, "d")]);
    world.settle(&mut runner);
    assert!(world.objects().is_empty(), "the first record's clock has one millisecond to go");
    world.clock.advance(1);
    world.settle(&mut runner);
    let objects = world.objects();
    assert_eq!(objects.len(), 1);
    let (key, content) = objects.first_key_value().unwrap();
    // What stood in the stream before the delivery stream was created is not delivered; shards follow each other.
    let expected = [order(2, "b"), order(4, "d"), order(1, "a"), order(3, "c")].map(|(_, text)| text).concat();
    assert_eq!(std::str::from_utf8(content).unwrap(), expected);
    assert!(key.starts_with("raw/2026/01/31/08/d-1-2026-01-31-08-05-00-"), "{key}");
    assert_eq!(key.len(), "raw/2026/01/31/08/d-1-2026-01-31-08-05-00-".len() + 36);
    let stats = runner.stats().snapshot();
    assert_eq!((stats.records_in, stats.records_out, stats.objects, stats.oldest_pending), (4, 4, 1, None));
    world.clock.advance(600_000);
    world.settle(&mut runner);
    assert_eq!(world.objects().len(), 1);
}

#[test]
fn a_buffer_becomes_an_object_when_it_is_large() {
    let world = World::new(2);
    let more = json!({ "CompressionFormat": "GZIP", "ProcessingConfiguration": { "Enabled": true, "Processors": [
        { "Type": "AppendDelimiterToRecord" } ] } });
    world.deliveries().create(&world.scope, s3(more)).unwrap();
    let mut runner = world.runner("d");
    let big = "x".repeat(900_000);
    for id in 0..4 {
        world.append(&[order(id, &big)]);
    }
    world.settle(&mut runner);
    let objects = world.objects();
    assert!(!objects.is_empty());
    for (key, content) in &objects {
        assert!(key.ends_with(".gz"), "{key}");
        assert!(gunzip(content).lines().all(|line| line.ends_with("\"}")));
    }
}

#[test]
fn records_are_split_by_what_is_in_them() {
    let world = World::new(3);
    world.deliveries().create(&world.scope, s3(partitioned())).unwrap();
    let mut runner = world.runner("d");
    world.append(&[order(1, "a"), order(2, "b"), (0, "no json".to_owned()), (0, r#"{"id":9}"#.to_owned())]);
    world.settle(&mut runner);
    world.clock.advance(30_000);
    world.append(&[order(3, "late")]);
    world.settle(&mut runner);
    world.clock.advance(30_000);
    world.settle(&mut runner);
    assert_eq!(world.objects().len(), 3, "the late partition's own clock still runs");
    world.clock.advance(30_000);
    world.settle(&mut runner);
    let objects = world.objects();
    for customer in ["a", "b", "late"] {
        let prefix = format!("c={customer}/2026/d-1-");
        let found: Vec<_> = objects.iter().filter(|(key, _)| key.starts_with(&prefix)).collect();
        assert_eq!(found.len(), 1, "{customer}");
        assert!(found[0].1.ends_with(b"}\n"));
    }
    let (_, errors) = objects.iter().find(|(key, _)| key.starts_with("errors/processing-failed/")).unwrap();
    let errors = failures(errors);
    assert_eq!(errors.len(), 2);
    assert_eq!(errors[0]["errorCode"], "DynamicPartitioning.MetadataExtractionFailed");
    assert_eq!(errors[0]["rawData"], "no json");
    assert!(errors[1]["errorMessage"].as_str().unwrap().contains("null or empty: c"));
    assert_eq!(errors[0]["arrivalTimestamp"], crate::world::START);
}

#[test]
fn json_becomes_parquet_by_its_table() {
    let world = World::new(4);
    create_table(&world.parts.tables, &world.scope);
    world.deliveries().create(&world.scope, s3(converted())).unwrap();
    let mut runner = world.runner("d");
    world.append(&[
        order(2, "a"),
        (0, r#"{"ID":4,"C":"upper"}{"id":6}"#.to_owned()),
        (0, r#"{"id":8}{"id":"not a number"}"#.to_owned()),
        (0, "broken".to_owned()),
    ]);
    world.settle(&mut runner);
    world.clock.advance(60_000);
    world.settle(&mut runner);
    let objects = world.objects();
    let (key, file) = objects.iter().find(|(key, _)| key.ends_with(".parquet")).unwrap();
    assert!(key.starts_with("2026/01/31/08/d-1-"), "{key}");
    assert_eq!(parquet_ids(file), [2, 4, 6]);
    let (_, errors) = objects.iter().find(|(key, _)| key.starts_with("errors/format-conversion-failed/")).unwrap();
    let errors = failures(errors);
    assert_eq!(errors.len(), 2);
    assert_eq!(errors[0]["lastErrorMessage"], "field 'id': 'not a number' is no BIGINT");
    assert_eq!(errors[1]["rawData"], "broken");
    assert_eq!(errors[1]["dataCatalogTable"]["tableName"], "orders");
    assert_eq!(errors[1]["sequenceNumber"].as_str().unwrap().len(), 56);
    let stats = runner.stats().snapshot();
    assert_eq!((stats.records_out, stats.records_failed), (2, 2));
}

#[test]
fn records_are_read_while_an_object_is_made() {
    let world = World::new(14);
    create_table(&world.parts.tables, &world.scope);
    world.deliveries().create(&world.scope, s3(converted())).unwrap();
    let mut runner = world.runner("d");
    // More than are converted in two steps.
    world.append(&(0..3000).map(|id| order(id, "a")).collect::<Vec<_>>());
    world.settle(&mut runner);
    world.clock.advance(60_000);
    assert!(block(runner.step()).worked, "the cut");
    world.append(&[order(3000, "b"), order(3001, "b")]);
    while runner.stats().snapshot().records_in < 3002 {
        assert!(block(runner.step()).worked);
        assert!(world.objects().is_empty(), "the object came before what arrived meanwhile was read");
    }
    world.settle(&mut runner);
    let made = |objects: BTreeMap<String, Bytes>| {
        let mut ids: Vec<Vec<i64>> = objects.values().map(parquet_ids).collect();
        ids.iter_mut().for_each(|ids| ids.sort_unstable());
        ids
    };
    assert_eq!(made(world.objects()), [(0..3000).collect::<Vec<_>>()], "what came after the cut is not in its object");
    world.clock.advance(60_000);
    world.settle(&mut runner);
    let mut all = made(world.objects());
    all.sort();
    assert_eq!(all, [(0..3000).collect::<Vec<_>>(), vec![3000, 3001]]);
}

#[test]
fn a_failing_store_is_tried_until_it_works() {
    let world = World::new(5);
    world.deliveries().create(&world.scope, s3(json!({}))).unwrap();
    let mut runner = world.runner("d");
    world.append(&[order(1, "a")]);
    world.settle(&mut runner);
    *world.store.fails.lock() = 5;
    world.clock.advance(60_000);
    world.settle(&mut runner);
    assert_eq!(runner.stats().snapshot().retries, 1);
    assert!(runner.stats().snapshot().last_error.unwrap().contains("the store is away"));
    for _ in 0..5 {
        world.clock.advance(30_000);
        world.settle(&mut runner);
    }
    assert_eq!(world.objects().len(), 1);
    assert_eq!(runner.stats().snapshot().last_error, None);
    assert_eq!(runner.stats().snapshot().retries, 5);
}

#[test]
fn source_records_are_backed_up() {
    let world = World::new(6);
    create_table(&world.parts.tables, &world.scope);
    let mut more = converted();
    more["S3BackupMode"] = json!("Enabled");
    more["S3BackupConfiguration"] =
        json!({ "RoleARN": crate::world::ROLE, "BucketARN": "arn:aws:s3:::lake", "Prefix": "backup/" });
    world.deliveries().create(&world.scope, s3(more)).unwrap();
    let mut runner = world.runner("d");
    world.append(&[order(1, "a"), (0, "broken".to_owned())]);
    world.settle(&mut runner);
    world.clock.advance(60_000);
    world.settle(&mut runner);
    let objects = world.objects();
    let (_, backup) = objects.iter().find(|(key, _)| key.starts_with("backup/2026/")).unwrap();
    assert_eq!(&backup[..], br#"broken{"id":1,"c":"a"}"#);
    assert_eq!(objects.len(), 3);
}

#[test]
fn a_changed_definition_applies_to_what_comes_after() {
    let world = World::new(7);
    let deliveries = world.deliveries();
    deliveries.create(&world.scope, s3(json!({ "Prefix": "old/" }))).unwrap();
    let mut runner = world.runner("d");
    world.append(&[order(1, "a")]);
    world.settle(&mut runner);
    let update = json!({ "ExtendedS3DestinationUpdate": { "Prefix": "new/" } });
    deliveries.update_destination(&world.scope, "d", "1", "destinationId-000000000001", update).unwrap();
    world.clock.advance(10_000);
    world.settle(&mut runner);
    world.append(&[order(2, "b")]);
    world.settle(&mut runner);
    world.clock.advance(60_000);
    world.settle(&mut runner);
    let keys: Vec<_> = world.objects().into_keys().collect();
    assert!(keys[0].starts_with("new/") && keys[0].contains("/d-2-"), "{keys:?}");
    assert!(keys[1].starts_with("old/") && keys[1].contains("/d-1-"), "{keys:?}");
}
