//! Torn tails are cut, damage is reported, and the two are never confused.

use crate::kit::{DIR, World, append, key, read_all, record, spec};
use millrace_base::{Disk, ShardId};
use millrace_log::{Log, LogError};
use millrace_testkit::Call;
use std::path::{Path, PathBuf};

/// The segments of the only stream, in order.
fn segments(world: &World) -> Vec<(PathBuf, u64)> {
    let files = world.disk.files().into_iter();
    files.filter(|(path, _)| path.starts_with(DIR) && path.extension().is_some_and(|e| e == "log")).collect()
}

/// A log with `appends` appends of one record, each of which is its own frame; it is closed again.
fn written(world: &World, appends: usize) {
    let log = world.open().unwrap();
    log.create_stream(&key("s"), spec(1)).unwrap();
    for i in 0..appends {
        append(&*log, &key("s"), vec![record("k", format!("text {i} {}", "x".repeat(100)))], None).unwrap();
    }
}

fn tail(log: &dyn Log) -> u64 {
    log.bounds(&key("s"), ShardId(0)).unwrap().tail
}

#[test]
fn a_torn_last_frame_is_cut_wherever_it_tears() {
    let world = World::new(1);
    written(&world, 5);
    let (path, len) = segments(&world).pop().unwrap();
    let whole = world.disk.read(&path).unwrap();
    let frame = (len as usize - 76 - 12) / 5;
    for cut in (whole.len() - frame)..whole.len() {
        let file = world.disk.open(&path, false).unwrap();
        file.set_len(0).unwrap();
        file.write_at(&whole[..cut], 0).unwrap();
        let log = world.open().unwrap();
        assert!(log.damaged().is_empty(), "cut at {cut}");
        assert_eq!(tail(&*log), 4, "cut at {cut}");
        append(&*log, &key("s"), vec![record("k", "again")], None).unwrap();
        assert_eq!(read_all(&*log, &key("s"), ShardId(0), 0).unwrap().len(), 5);
    }
}

#[test]
fn rubbish_and_zeros_behind_the_last_frame_are_cut() {
    for rubbish in [vec![0; 3000], b"MRF1MRF1MRF1MRF1 and so on".repeat(100)] {
        let world = World::new(1);
        written(&world, 5);
        let (path, len) = segments(&world).pop().unwrap();
        world.disk.open(&path, false).unwrap().write_at(&rubbish, len).unwrap();
        let log = world.open().unwrap();
        assert_eq!(tail(&*log), 5);
        assert_eq!(segments(&world).pop().unwrap().1, len);
    }
}

#[test]
fn a_flipped_byte_before_the_last_frame_is_reported_and_never_cut() {
    let world = World::new(1);
    written(&world, 5);
    let (path, len) = segments(&world).pop().unwrap();
    let last_frame = len - (len - 76 - 12) / 5;
    for offset in 0..last_frame {
        world.disk.corrupt(&path, offset, 0x10);
        let log = world.open().unwrap();
        let damaged = log.damaged();
        assert!(matches!(&damaged[..], [(_, LogError::Corrupt { .. })]), "byte {offset}");
        assert!(matches!(log.reader(&key("s"), ShardId(0), 0), Err(LogError::Corrupt { .. })));
        assert!(matches!(append(&*log, &key("s"), vec![], None), Err(LogError::Corrupt { .. })));
        // Other streams do not suffer.
        if offset == 0 {
            log.create_stream(&key("other"), spec(1)).unwrap();
        }
        append(&*log, &key("other"), vec![record("k", "text")], None).unwrap();
        drop(log);
        assert_eq!(world.disk.open(&path, false).unwrap().len().unwrap(), len, "nothing is cut");
        world.disk.corrupt(&path, offset, 0x10);
    }
    let log = world.open().unwrap();
    assert_eq!(tail(&*log), 5);
}

#[test]
fn damage_in_a_closed_segment_is_reported_by_whoever_reads_it() {
    let world = World::new(1);
    written(&world, 40);
    let all = segments(&world);
    assert!(all.len() > 2);
    let (path, len) = &all[0];
    world.disk.corrupt(path, len - 3, 1);
    let log = world.open().unwrap();
    let error = read_all(&*log, &key("s"), ShardId(0), 0).unwrap_err();
    assert!(matches!(&error, LogError::Corrupt { path: p, .. } if Path::new(p) == path), "{error}");
    // What lies behind it is still readable.
    assert_eq!(read_all(&*log, &key("s"), ShardId(0), 30).unwrap().len(), 10);
}

#[test]
fn a_missing_or_shortened_segment_is_reported() {
    let world = World::new(1);
    written(&world, 40);
    let (path, len) = segments(&world).remove(1);
    let whole = world.disk.read(&path).unwrap();
    world.disk.open(&path, false).unwrap().set_len(len - 1).unwrap();
    assert_eq!(world.open().unwrap().damaged().len(), 1);
    world.disk.remove(&path).unwrap();
    assert_eq!(world.open().unwrap().damaged().len(), 1);
    world.disk.open(&path, true).unwrap().write_at(&whole, 0).unwrap();
    let log = world.open().unwrap();
    assert_eq!(read_all(&*log, &key("s"), ShardId(0), 0).unwrap().len(), 40);
    // A damaged stream can be deleted.
    drop(log);
    world.disk.remove(&path).unwrap();
    let log = world.open().unwrap();
    log.delete_stream(&key("s")).unwrap();
    assert!(segments(&world).is_empty());
    log.create_stream(&key("s"), spec(1)).unwrap();
}

#[test]
fn lost_or_damaged_indexes_are_built_again() {
    let world = World::new(1);
    written(&world, 40);
    let indexes = world.disk.files().into_iter().filter(|(path, _)| path.extension().is_some_and(|e| e == "idx"));
    for (i, (path, _)) in indexes.enumerate() {
        if i % 2 == 0 {
            world.disk.remove(&path).unwrap();
        } else {
            world.disk.corrupt(&path, 40, 0xff);
        }
    }
    let log = world.open().unwrap();
    assert_eq!(read_all(&*log, &key("s"), ShardId(0), 0).unwrap().len(), 40);
}

#[test]
fn a_full_disk_refuses_and_then_carries_on() {
    let world = World::new(1);
    written(&world, 5);
    let log = world.open().unwrap();
    for slack in [0, 10, 60, 150] {
        let before = tail(&*log);
        world.disk.set_capacity(Some(world.disk.used() + slack));
        for _ in 0..5 {
            let refused = append(&*log, &key("s"), vec![record("k", vec![1; 1900])], None);
            assert!(matches!(refused, Err(LogError::DiskFull { .. })), "{refused:?}");
        }
        world.disk.set_capacity(None);
        append(&*log, &key("s"), vec![record("k", "text")], None).unwrap();
        assert_eq!(tail(&*log), before + 1);
    }
    drop(log);
    world.disk.crash();
    let log = world.open().unwrap();
    assert_eq!(read_all(&*log, &key("s"), ShardId(0), 0).unwrap().len(), 9);
}

#[test]
fn after_a_failed_write_or_sync_nothing_is_written_until_the_log_is_opened_again() {
    for call in [Call::Write, Call::Sync] {
        let world = World::new(1);
        written(&world, 5);
        let log = world.open().unwrap();
        world.disk.fail(call, 1, ".log");
        for _ in 0..3 {
            let failed = append(&*log, &key("s"), vec![record("k", "text")], None);
            assert!(matches!(failed, Err(LogError::Disk { .. })), "{failed:?}");
        }
        // What was acknowledged can still be read.
        assert_eq!(read_all(&*log, &key("s"), ShardId(0), 0).unwrap().len(), 5);
        drop(log);
        world.disk.crash();
        let log = world.open().unwrap();
        assert!(tail(&*log) >= 5);
        append(&*log, &key("s"), vec![record("k", "text")], None).unwrap();
    }
}

#[test]
fn a_lost_catalog_does_not_make_records_rubbish() {
    let world = World::new(1);
    written(&world, 5);
    let catalog = Path::new("/data/catalog.redb");
    let kept = world.disk.read(catalog).unwrap();
    world.disk.remove(catalog).unwrap();
    let Err(error) = world.open() else { panic!("the catalog is gone") };
    assert!(error.to_string().contains("was the catalog lost"), "{error}");
    world.disk.remove(catalog).unwrap();
    world.disk.open(catalog, true).unwrap().write_at(&kept, 0).unwrap();
    assert_eq!(tail(&*world.open().unwrap()), 5);
}
