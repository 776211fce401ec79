//! Files that an earlier build wrote stay readable: one folder for each version of the format.

use crate::kit::{DIR, START, World, append, key, read_all, record, spec};
use millrace_base::{Disk, ShardId, SystemDisk};
use millrace_catalog::Catalog;
use millrace_log::{Bounds, Log, NewRecord, Producer};
use serde_json::value::RawValue;
use std::path::{Path, PathBuf};

const STREAM_DIR: &str = "0000000000000001-orders";
const FILES_1: [&str; 3] = ["000000000001.log", "000000000001.idx", "000000000002.log"];
const FILES_2: [&str; 5] =
    ["000000000001.log", "000000000001.idx", "000000000002.log", "000000000003.log", "000000000004.log"];
/// The catalog's entry of the stream.
const ENTRY: &str = "stream.json";

fn folder(version: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/v{version}"))
}

/// Appends of three records at a time, every second one by a producer.
fn fill(world: &World, log: &dyn Log, appends: u64) {
    let info = log.stream(&key("orders")).unwrap();
    for i in 0..appends {
        let mut records: Vec<NewRecord> =
            (0..3).map(|j| record(&format!("customer {}", i % 7), format!("order {i}.{j}"))).collect();
        records[2].explicit_hash = Some(info.shards[1].range.end);
        let producer = (i % 2 == 1).then(|| Producer { id: "application/sink".into(), epoch: i });
        append(log, &key("orders"), records, producer).unwrap();
        world.clock.advance(250);
    }
}

#[test]
#[ignore = "writes the fixture of the present version; run it once when the version changes"]
fn write_fixture() {
    let world = World::new(1);
    let log = world.open().unwrap();
    log.create_stream(&key("orders"), spec(2)).unwrap();
    fill(&world, &*log, 15);
    log.merge_shards(&key("orders"), ShardId(0), ShardId(1)).unwrap();
    log.split_shard(&key("orders"), ShardId(2), 1 << 127).unwrap();
    append(&*log, &key("orders"), vec![record("customer 0", "the last order")], None).unwrap();
    drop(log);
    let target = folder(millrace_log::format::VERSION);
    SystemDisk.create_dir(&target).unwrap();
    for name in FILES_2 {
        let content = world.disk.read(&Path::new(DIR).join(STREAM_DIR).join(name)).unwrap();
        SystemDisk.replace(&target.join(name), &content).unwrap();
    }
    let catalog = Catalog::open(&world.disk, Path::new("/data/catalog.redb")).unwrap();
    let entry: Box<RawValue> = catalog.get("log-stream", &key("orders").to_string()).unwrap().unwrap();
    SystemDisk.replace(&target.join(ENTRY), entry.get().as_bytes()).unwrap();
}

/// A disk with a version's files.
fn stored(version: u32, files: &[&str]) -> World {
    let world = World::new(1);
    let dir = Path::new(DIR).join(STREAM_DIR);
    world.disk.create_dir(&dir).unwrap();
    for name in files {
        let content = SystemDisk.read(&folder(version).join(name)).unwrap();
        world.disk.open(&dir.join(name), true).unwrap().write_at(&content, 0).unwrap();
    }
    let entry = SystemDisk.read(&folder(version).join(ENTRY)).unwrap();
    let entry: Box<RawValue> = serde_json::from_slice(&entry).unwrap();
    let catalog = Catalog::open(&world.disk, Path::new("/data/catalog.redb")).unwrap();
    catalog.put("log-stream", &key("orders").to_string(), &entry).unwrap();
    drop(catalog);
    world
}

#[test]
fn version_2_is_read_and_continued() {
    let world = stored(2, &FILES_2);
    let log = world.open().unwrap();
    assert!(log.damaged().is_empty(), "{:?}", log.damaged());
    let info = log.stream(&key("orders")).unwrap();
    let parents: Vec<_> = info.shards.iter().map(|shard| (shard.parent, shard.adjacent_parent)).collect();
    let (zero, one, two) = (Some(ShardId(0)), Some(ShardId(1)), Some(ShardId(2)));
    assert_eq!(parents, [(None, None), (None, None), (zero, one), (two, None), (two, None)]);
    assert_eq!([0, 1, 2].map(|id| info.shards[id].closed.unwrap().tail), [18, 27, 0]);
    let last = read_all(&*log, &key("orders"), ShardId(3), 0).unwrap();
    assert_eq!((last.len(), &last[0].data[..]), (1, &b"the last order"[..]));
    assert_eq!(read_all(&*log, &key("orders"), ShardId(1), 0).unwrap().len(), 27);
    append(&*log, &key("orders"), vec![record("customer 0", "one more")], None).unwrap();
    log.set_shard_count(&key("orders"), 1).unwrap();
}

#[test]
fn version_1_is_read_and_continued() {
    let world = stored(1, &FILES_1);
    let log = world.open().unwrap();
    assert!(log.damaged().is_empty(), "{:?}", log.damaged());
    let shards = [ShardId(0), ShardId(1)];
    let tails = shards.map(|shard| log.bounds(&key("orders"), shard).unwrap());
    assert_eq!(tails, [Bounds { trim: 0, tail: 18 }, Bounds { trim: 0, tail: 27 }]);
    let records = shards.map(|shard| read_all(&*log, &key("orders"), shard, 0).unwrap());
    let last = records[1].last().unwrap();
    assert_eq!((&last.data[..], &last.partition_key[..]), (&b"order 14.2"[..], &b"customer 0"[..]));
    assert_eq!(last.arrival, START + 14 * 250);
    assert_eq!(log.index_at(&key("orders"), ShardId(0), START + 250).unwrap(), records[0][1].index + 1);
    let repeated = Some(Producer { id: "application/sink".into(), epoch: 13 });
    assert!(append(&*log, &key("orders"), vec![record("k", "again")], repeated).unwrap().is_empty());
    world.clock.advance(15 * 250);
    fill(&world, &*log, 20);
    log.split_shard(&key("orders"), ShardId(0), 1).unwrap();
    drop(log);
    world.disk.crash();
    let log = world.open().unwrap();
    assert!(log.damaged().is_empty(), "{:?}", log.damaged());
    assert_eq!(log.stream(&key("orders")).unwrap().shards.len(), 4);
}
