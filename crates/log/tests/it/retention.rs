//! What is trimmed, when, and that it never comes back; and that memory does not grow with what is stored.

use crate::kit::{DIR, World, append, key, read_all, record, spec};
use millrace_base::ShardId;
use millrace_log::{Bounds, Log, LogOptions, NewRecord};

const HOUR_MS: i64 = 3_600_000;

fn hourly(world: &World, log: &dyn Log, hours: i64) {
    for _ in 0..hours {
        append(log, &key("s"), (0..4).map(|i| record("k", format!("{i}"))).collect(), None).unwrap();
        world.clock.advance(HOUR_MS);
    }
}

#[test]
fn records_expire_exactly_and_files_follow() {
    let world = World::new(1);
    let log = world.open().unwrap();
    log.create_stream(&key("s"), spec(1)).unwrap();
    hourly(&world, &*log, 100);
    log.trim_expired().unwrap();
    // The record that is exactly 24 hours old is still there.
    assert_eq!(log.bounds(&key("s"), ShardId(0)).unwrap(), Bounds { trim: 76 * 4, tail: 400 });
    assert_eq!(read_all(&*log, &key("s"), ShardId(0), 0).unwrap()[0].index, 76 * 4);
    let files = world.disk.files().iter().filter(|(path, _)| path.starts_with(DIR)).count();
    world.clock.advance(30 * HOUR_MS);
    log.trim_expired().unwrap();
    assert_eq!(log.bounds(&key("s"), ShardId(0)).unwrap(), Bounds { trim: 400, tail: 400 });
    let left = world.disk.files().iter().filter(|(path, _)| path.starts_with(DIR)).count();
    assert!(left < files && left == 1, "only an empty segment is left of {files} files, not {left}");
    drop(log);
    world.disk.crash();
    let log = world.open().unwrap();
    assert_eq!(log.bounds(&key("s"), ShardId(0)).unwrap(), Bounds { trim: 400, tail: 400 });
    hourly(&world, &*log, 2);
    assert_eq!(read_all(&*log, &key("s"), ShardId(0), 0).unwrap().len(), 8);
}

#[test]
fn a_shorter_retention_trims_at_once_and_a_longer_one_brings_nothing_back() {
    let world = World::new(1);
    let log = world.open().unwrap();
    let mut longer = spec(1);
    longer.retention_hours = 168;
    log.create_stream(&key("s"), longer).unwrap();
    hourly(&world, &*log, 100);
    log.set_retention(&key("s"), 24).unwrap();
    let trimmed = Bounds { trim: 76 * 4, tail: 400 };
    assert_eq!(log.bounds(&key("s"), ShardId(0)).unwrap(), trimmed);
    log.set_retention(&key("s"), 8760).unwrap();
    assert_eq!(log.stream(&key("s")).unwrap().spec.retention_hours, 8760);
    assert_eq!(log.bounds(&key("s"), ShardId(0)).unwrap(), trimmed);
    drop(log);
    world.disk.crash();
    let log = world.open().unwrap();
    assert_eq!(log.stream(&key("s")).unwrap().spec.retention_hours, 8760);
    assert_eq!(log.bounds(&key("s"), ShardId(0)).unwrap(), trimmed);
}

#[test]
fn a_reader_that_is_overtaken_by_the_trim_goes_on_behind_it() {
    let world = World::new(1);
    let log = world.open().unwrap();
    log.create_stream(&key("s"), spec(1)).unwrap();
    hourly(&world, &*log, 10);
    let mut reader = log.reader(&key("s"), ShardId(0), 0).unwrap();
    assert_eq!(reader.read(2, 1 << 20).unwrap().next, 2);
    hourly(&world, &*log, 90);
    log.trim_expired().unwrap();
    let batch = reader.read(1000, 1 << 20).unwrap();
    assert_eq!(batch.records[0].index, 76 * 4);
}

#[test]
fn indexes_in_memory_are_bounded_whatever_is_stored() {
    let world = World::new(1);
    let options = LogOptions { segment_bytes: 1 << 20, cache_bytes: 1 << 20, ..world.options.clone() };
    let world = World { options, ..world };
    let log = world.open().unwrap();
    let info = log.create_stream(&key("s"), spec(64)).unwrap();
    let mut most = 0;
    // 100 segments.
    for i in 0..100 {
        let of = |shard: &millrace_log::Shard| NewRecord {
            explicit_hash: Some(shard.range.start),
            ..record("k", vec![i; 16 << 10])
        };
        append(&*log, &key("s"), info.shards.iter().map(of).collect(), None).unwrap();
        most = most.max(log.index_bytes());
    }
    for shard in &info.shards {
        assert_eq!(read_all(&*log, &key("s"), shard.id, 0).unwrap().len(), 100);
    }
    assert!(most < 64 << 10, "writing took {most} bytes of index");
    assert!(log.index_bytes() < 17 << 20, "reading took {} bytes of index", log.index_bytes());
}
