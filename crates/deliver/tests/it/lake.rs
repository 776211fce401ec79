//! The local lake as a store.

use crate::world::{World, block};
use bytes::Bytes;
use millrace_deliver::{ObjectStore, StoreError};

#[test]
fn keys_are_files_and_never_leave_their_bucket() {
    let world = World::new(1);
    let lake = &world.store.inner;
    let keys = ["a/b/c.txt", "../../etc/passwd", "./x", "a//b", "100%/y", "é/日本", "/lead", "trail/"];
    for key in keys {
        block(lake.put("lake", key, Bytes::from(key))).unwrap();
        assert!(lake.path("lake", key).unwrap().starts_with("/data/lake/lake"), "{key}");
        assert!(!lake.path("lake", key).unwrap().components().any(|part| part.as_os_str() == ".."), "{key}");
    }
    for key in keys {
        assert_eq!(block(lake.get("lake", key)).unwrap(), key);
        assert_eq!(block(lake.head("lake", key)).unwrap().size, key.len() as u64);
    }
    let listed: Vec<_> = block(lake.list("lake", "")).unwrap().into_iter().map(|object| object.key).collect();
    let mut sorted = keys.to_vec();
    sorted.sort_unstable();
    assert_eq!(listed, sorted);
    let under_a: Vec<_> = block(lake.list("lake", "a/")).unwrap().into_iter().map(|object| object.key).collect();
    assert_eq!(under_a, ["a//b", "a/b/c.txt"]);
    block(lake.delete("lake", "./x")).unwrap();
    block(lake.delete("lake", "./x")).unwrap();
    assert!(matches!(block(lake.get("lake", "./x")), Err(StoreError::NoSuchKey { .. })));
    assert!(matches!(block(lake.put("nope", "x", Bytes::new())), Err(StoreError::NoSuchBucket(_))));
    assert!(matches!(block(lake.put("lake", "", Bytes::new())), Err(StoreError::BadKey { .. })));
    assert!(matches!(block(lake.put("lake", &"x".repeat(300), Bytes::new())), Err(StoreError::BadKey { .. })));
}

#[test]
fn an_object_that_was_put_survives_a_crash() {
    for seed in 0..50 {
        let world = World::new(seed);
        block(world.store.put("lake", "a/b/old", Bytes::from_static(b"one"))).unwrap();
        world.disk.die_after(1 + seed % 12);
        let second = block(world.store.put("lake", "a/b/old", Bytes::from_static(b"two")));
        let (disk, clock, index) = (world.disk.clone(), world.clock.clone(), world.index.clone());
        drop(world);
        disk.crash();
        let world = World::open(disk, clock, index);
        let found = block(world.store.get("lake", "a/b/old")).unwrap();
        assert!(found == "two" || (second.is_err() && found == "one"), "seed {seed}: {found:?}");
        assert_eq!(block(world.store.list("lake", "")).unwrap().len(), 1);
    }
}
