//! Sources whose shards are split and merged: order, positions, and what is left of a shard that has expired.

use crate::world::{World, s3};
use serde_json::{Value, json};

/// Records of 100 KB, all under one key.
fn orders(ids: std::ops::Range<u64>) -> Vec<(u128, String)> {
    ids.map(|id| (77, format!("{id:06}{}", "x".repeat(100_000)))).collect()
}

/// The ids in the objects, in the order in which these were put.
fn ids(world: &World) -> Vec<u64> {
    let objects = world.objects();
    let puts = world.store.puts.lock();
    let text: String = puts.iter().map(|key| String::from_utf8(objects[key].to_vec()).unwrap()).collect();
    text.lines().map(|line| line[..6].parse().unwrap()).collect()
}

#[test]
fn a_key_is_delivered_in_order_through_splits_and_merges() {
    let world = World::new(1);
    let lines = json!({ "ProcessingConfiguration": { "Enabled": true,
        "Processors": [{ "Type": "AppendDelimiterToRecord" }] } });
    world.deliveries().create(&world.scope, s3(lines)).unwrap();
    // More than one read of the parent is left when its children are there to be read, too.
    world.append(&orders(0..40));
    world.parts.log.set_shard_count(&world.orders(), 5).unwrap();
    world.append(&orders(40..80));
    world.parts.log.set_shard_count(&world.orders(), 1).unwrap();
    world.append(&orders(80..100));
    let mut runner = world.runner("d");
    world.settle(&mut runner);
    world.clock.advance(61_000);
    world.settle(&mut runner);
    assert!(world.store.puts.lock().len() > 5);
    assert!(ids(&world).iter().copied().eq(0..100), "{:?}", ids(&world));
    // Waiting, it is woken by a change of shards, and goes on behind it.
    world.parts.log.set_shard_count(&world.orders(), 2).unwrap();
    crate::world::block(runner.wait());
    world.append(&orders(100..101));
    world.settle(&mut runner);
    drop(runner);
    let mut runner = world.runner("d");
    world.settle(&mut runner);
    world.clock.advance(61_000);
    world.settle(&mut runner);
    assert!(ids(&world).iter().copied().eq(0..101));
}

#[test]
fn shards_that_have_expired_leave_the_progress() {
    let world = World::new(2);
    world.deliveries().create(&world.scope, s3(json!({}))).unwrap();
    let mut runner = world.runner("d");
    let base = || -> Vec<String> {
        let progress: Value =
            world.parts.catalog.get("firehose-progress", "000000000000/us-east-1/d").unwrap().unwrap();
        progress["base"].as_object().unwrap().keys().cloned().collect()
    };
    for count in [3, 1, 2, 3] {
        world.append(&orders(0..3));
        world.settle(&mut runner);
        world.clock.advance(61_000);
        world.settle(&mut runner);
        world.parts.log.set_shard_count(&world.orders(), count).unwrap();
        world.clock.advance(10 * 3_600_000);
        world.parts.log.trim_expired().unwrap();
    }
    world.settle(&mut runner);
    world.append(&orders(0..1));
    world.settle(&mut runner);
    world.clock.advance(61_000);
    world.settle(&mut runner);
    let listed: Vec<_> = world.parts.log.stream(&world.orders()).unwrap().shards.iter().map(|s| s.id.0).collect();
    assert!(listed[0] > 4, "{listed:?}");
    let kept: Vec<u32> = base().iter().map(|shard| shard.parse().unwrap()).collect();
    assert!(kept.iter().all(|shard| listed.contains(shard)) && !kept.is_empty(), "{kept:?} of {listed:?}");
}
