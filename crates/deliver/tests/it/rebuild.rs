//! Objects that are made again: the same records as the first time, up to where the delivery stream went on.

use crate::world::{START, World, converted, create_table, failures, parquet_ids, partitioned, s3};
use bytes::Bytes;
use millrace_base::ShardId;
use millrace_deliver::{DeliveredTo, Rebuilder, Reread, count_records, failures_of};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

fn orders(ids: std::ops::Range<u128>) -> Vec<(u128, String)> {
    ids.map(|id| (id % 2 * 255, json!({ "id": id as u64, "c": format!("c{}", id % 3) }).to_string())).collect()
}

/// Everything of the stream from its start to where the delivery stream went on.
fn reread(world: &World, rebuilder: &Rebuilder) -> Vec<Reread> {
    let mut records = Vec::new();
    for (&shard, &until) in &rebuilder.handover().positions {
        let mut reader = world.parts.log.reader(&world.orders(), ShardId(shard), 0).unwrap();
        let found = reader.read(10_000, 1 << 24).unwrap().records.into_iter().filter(|record| record.index < until);
        records.extend(found.map(|record| Reread {
            shard,
            index: record.index,
            arrival: record.arrival,
            data: record.data,
        }));
    }
    records
}

/// A delivery stream that has written ids 0 to 59 with a poison, is taken over to version 2, and writes 60 to 79 under that.
fn handed_over(more: Value) -> (World, DeliveredTo, Rebuilder) {
    let world = World::new(7);
    create_table(&world.parts.tables, &world.scope);
    let deliveries = world.deliveries();
    deliveries.create(&world.scope, s3(more)).unwrap();
    let mut runner = world.runner("d");
    world.append(&orders(0..40));
    world.append(&[(0, "{poison".to_owned())]);
    world.settle(&mut runner);
    // Another value of the prefix: an object of its own when it is made again.
    world.clock.advance(30_000);
    world.append(&orders(40..60));
    world.settle(&mut runner);
    let version = deliveries.hand_over(&world.scope, "d").unwrap();
    assert_eq!((version, deliveries.handover(&world.scope, "d").unwrap().unwrap().version), (2, 1));
    world.clock.advance(20_000);
    world.settle(&mut runner);
    world.append(&orders(60..80));
    world.clock.advance(61_000);
    world.settle(&mut runner);
    world.clock.advance(61_000);
    world.settle(&mut runner);
    let lake = deliveries.lake_of(&world.scope, "d").unwrap().unwrap();
    let info = world.parts.log.stream(&world.orders()).unwrap();
    let rebuilder = deliveries.rebuilder(&world.scope, "d", &info).unwrap().unwrap();
    assert_eq!(rebuilder.handover().version, 2);
    (world, lake, rebuilder)
}

/// The objects of a version of the delivery stream, data and failures.
fn of_version(world: &World, lake: &DeliveredTo, version: u64) -> BTreeMap<String, Bytes> {
    let is_of = |key: &String| lake.object(key).is_some_and(|object| object.version == version);
    world.objects().into_iter().filter(|(key, _)| is_of(key)).collect()
}

fn ids(lake: &DeliveredTo, objects: &BTreeMap<String, Bytes>) -> Vec<i64> {
    let data = objects.iter().filter(|(key, _)| lake.object(key).is_some_and(|object| !object.failed));
    let mut ids: Vec<i64> = data.flat_map(|(_, content)| parquet_ids(content)).collect();
    ids.sort_unstable();
    ids
}

#[test]
fn the_version_divides_what_was_written_and_the_first_part_is_made_again() {
    let more = json!({ "Prefix": "data/dt=!{timestamp:yyyy-MM-dd}/at=!{timestamp:HH-mm-ss}/" });
    let mut members = converted();
    members.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let (world, lake, rebuilder) = handed_over(members);
    let (first, second) = (of_version(&world, &lake, 1), of_version(&world, &lake, 2));
    assert_eq!(ids(&lake, &first), (0..60).collect::<Vec<_>>());
    assert_eq!(ids(&lake, &second), (60..80).collect::<Vec<_>>());

    let records = reread(&world, &rebuilder);
    let made = rebuilder.objects(records.clone(), 5).unwrap();
    let rebuilt: BTreeMap<String, Bytes> = made.iter().map(|one| (one.key.clone(), one.content.clone())).collect();
    assert_eq!(rebuilt.len(), made.len(), "every object has a name of its own");
    assert_eq!(ids(&lake, &rebuilt), ids(&lake, &first));
    assert!(rebuilt.keys().all(|key| lake.object(key).unwrap().version == 2 && !second.contains_key(key)));
    // By the second in which the records arrived; the first time they were in one object.
    let folders = |objects: &BTreeMap<String, Bytes>| {
        let data = objects.keys().filter(|key| key.starts_with("data/"));
        data.map(|key| key.rsplit_once('/').unwrap().0.to_owned()).collect::<BTreeSet<_>>().len()
    };
    assert_eq!((folders(&first), folders(&rebuilt)), (1, 2));
    let failed: Vec<_> = made.iter().filter(|one| one.failure.is_some()).collect();
    assert_eq!((failed.len(), failed[0].records), (1, 1));
    assert!(failed[0].key.starts_with("errors/format-conversion-failed/"), "{}", failed[0].key);
    assert_eq!(failures(&failed[0].content)[0]["rawData"], "{poison");
    assert_eq!(failures_of(&failed[0].content).unwrap(), [(START, Bytes::from_static(b"{poison"))]);
    let counted: u64 = made.iter().map(|one| count_records(&one.content).unwrap()).sum();
    assert_eq!(counted, 61);
    let again = rebuilder.objects(records, 5).unwrap();
    assert!(made.iter().zip(&again).all(|(one, two)| (&one.key, &one.content) == (&two.key, &two.content)));
}

#[test]
fn partitions_and_records_without_keys_are_what_they_were() {
    let (world, lake, rebuilder) = handed_over(partitioned());
    let made = rebuilder.objects(reread(&world, &rebuilder), 5).unwrap();
    assert!(rebuilder.delimits());
    let lines =
        |content: &Bytes| -> Vec<String> { std::str::from_utf8(content).unwrap().lines().map(str::to_owned).collect() };
    let sorted = |mut lines: Vec<(String, String)>| {
        lines.sort_unstable();
        lines
    };
    let of = |key: &str, content: &Bytes| -> Vec<(String, String)> {
        let partition = key.split('/').next().unwrap().to_owned();
        lines(content).into_iter().map(|line| (partition.clone(), line)).collect()
    };
    let data = |key: &str| lake.object(key).is_some_and(|object| !object.failed);
    let first = of_version(&world, &lake, 1);
    let before: Vec<_> =
        first.iter().filter(|(key, _)| data(key)).flat_map(|(key, content)| of(key, content)).collect();
    let after: Vec<_> =
        made.iter().filter(|one| one.failure.is_none()).flat_map(|one| of(&one.key, &one.content)).collect();
    assert_eq!((sorted(after.clone()), after.len()), (sorted(before), 60));
    assert_eq!(made.iter().filter(|one| one.failure.is_some()).count(), 1);
}

#[test]
fn what_cannot_be_made_again_says_why() {
    let world = World::new(3);
    let deliveries = world.deliveries();
    deliveries.create(&world.scope, s3(json!({ "Prefix": "a/!{timestamp:yyyy}-" }))).unwrap();
    let refused = |stream: &str| {
        let key = millrace_log::StreamKey { scope: world.scope.clone(), name: stream.into() };
        deliveries.may_rebuild(&world.scope, "d", &key).unwrap_err().to_string()
    };
    assert!(refused("others").contains("does not read the stream others"));
    assert!(refused("orders").contains("does not end in a slash"));
    assert!(deliveries.hand_over(&world.scope, "none").is_err());
}
