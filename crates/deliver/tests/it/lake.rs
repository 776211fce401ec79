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

#[test]
fn pages_are_in_order_of_key_and_leave_nothing_out() {
    let world = World::new(1);
    let lake = &world.store.inner;
    // A dot comes before a slash, a nought behind it.
    let mut keys = ["a.b", "a/1", "a/2", "a/s/3", "a/s.4", "a0", "b", "c/", "c/d", "é/x"];
    keys.sort_unstable();
    for key in keys {
        block(lake.put("lake", key, Bytes::from(key))).unwrap();
    }
    for prefix in ["", "a", "a/", "a/s", "a/s/", "b", "x"] {
        for after in ["", "a", "a/", "a/1", "a/s", "a/s/\u{10ffff}", "b", "c/d", "é/x"] {
            for count in [1, 2, 100] {
                let wanted = keys.iter().filter(|key| key.starts_with(prefix) && **key > after).take(count);
                let found = lake.list_after("lake", prefix, after, count).unwrap();
                let found: Vec<_> = found.iter().map(|object| object.key.as_str()).collect();
                assert_eq!(found, wanted.copied().collect::<Vec<_>>(), "{prefix} {after} {count}");
            }
        }
    }
}

#[test]
fn an_etag_is_the_contents_and_an_open_object_stays_as_it_was() {
    let world = World::new(1);
    let lake = &world.store.inner;
    block(lake.put("lake", "x", Bytes::from_static(b"one"))).unwrap();
    let first = block(lake.head("lake", "x")).unwrap();
    assert_eq!(lake.list_after("lake", "", "", 9).unwrap(), std::slice::from_ref(&first));
    let open = lake.open_object("lake", "x").unwrap();
    block(lake.put("lake", "x", Bytes::from_static(b"two"))).unwrap();
    let second = block(lake.head("lake", "x")).unwrap();
    assert_ne!(first.etag, second.etag);
    assert_eq!((&open.read(0..3).unwrap()[..], open.info.etag), (&b"one"[..], first.etag));
    // A piece that cannot be had leaves the object as it was.
    let mut broken = [Ok(Bytes::from_static(b"thr")), Err(std::io::Error::other("gone"))].into_iter();
    assert!(lake.write_object("lake", "x", &mut broken).is_err());
    assert_eq!(block(lake.head("lake", "x")).unwrap(), second);
}

#[test]
fn parts_are_joined_in_the_order_that_is_asked_for() {
    let world = World::new(1);
    let lake = &world.store.inner;
    for (number, text) in [(1, "one "), (2, "zwei "), (2, "two "), (10, "ten")] {
        lake.write_part("upload", number, &mut std::iter::once(Ok(Bytes::from(text)))).unwrap();
    }
    let joined = lake.join_parts("upload", &[1, 2, 10], "lake", "whole").unwrap();
    assert_eq!(block(lake.get("lake", "whole")).unwrap(), "one two ten");
    assert_eq!(block(lake.head("lake", "whole")).unwrap(), joined);
    assert!(lake.join_parts("upload", &[1, 3], "lake", "other").is_err());
    lake.remove_parts("upload").unwrap();
    assert!(lake.join_parts("upload", &[1], "lake", "whole").is_err());
    assert_eq!(block(lake.list("lake", "")).unwrap(), [joined]);
}
