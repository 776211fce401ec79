//! Splitting, merging and scaling: where records go, what readers see, and what is left after the retention.

use crate::kit::{DIR, START, World, append, key, read_all, ready, record, spec};
use millrace_base::{SequenceNumber, ShardId};
use millrace_log::{
    Bounds, Closed, Commit, HashRange, Log, LogError, LogOptions, NewRecord, Producer, StreamMode, hash_key,
    uniform_ranges,
};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Waker};

const HOUR_MS: i64 = 3_600_000;

fn texts(count: usize) -> Vec<NewRecord> {
    (0..count).map(|i| record(&format!("key {i}"), format!("text {i}"))).collect()
}

#[test]
fn a_split_closes_the_parent_and_its_children_take_over() {
    let world = World::new(1);
    let log = world.open().unwrap();
    log.create_stream(&key("s"), spec(1)).unwrap();
    let before = append(&*log, &key("s"), texts(20), None).unwrap();
    world.clock.advance(2500);
    let start = 1 << 126;
    let info = log.split_shard(&key("s"), ShardId(0), start).unwrap();
    assert_eq!(info, log.stream(&key("s")).unwrap());
    let secs = START as u64 / 1000;
    assert_eq!(info.spec.shard_count, 2);
    assert_eq!(info.shards[0].closed, Some(Closed { tail: 20, at_secs: secs + 2 }));
    for (shard, range) in
        info.shards[1..].iter().zip([HashRange { start: 0, end: start - 1 }, HashRange { start, end: u128::MAX }])
    {
        assert_eq!((shard.parent, shard.adjacent_parent, shard.closed), (Some(ShardId(0)), None, None));
        assert_eq!((shard.range, shard.created_secs), (range, secs + 3));
    }
    let after = append(&*log, &key("s"), texts(20), None).unwrap();
    let end = info.shards[0].ending_number().unwrap();
    assert_eq!(end.index, SequenceNumber::INDEX_END);
    assert!(before.iter().all(|placed| placed.sequence < end));
    for (placed, record) in after.iter().zip(texts(20)) {
        let lower = hash_key(&record.partition_key) < start;
        assert_eq!(placed.shard, ShardId(if lower { 1 } else { 2 }));
        // The records arrived in the second before the shard's creation, but their numbers are not below its first.
        assert!(placed.sequence > info.shards[placed.shard.0 as usize].starting_number());
        assert!(placed.sequence > end && placed.sequence.to_string() > end.to_string());
    }
    assert!(matches!(log.split_shard(&key("s"), ShardId(0), 5), Err(LogError::ShardClosed(..))));
    assert!(matches!(log.split_shard(&key("s"), ShardId(7), 5), Err(LogError::NoShard(..))));
    assert!(matches!(log.merge_shards(&key("s"), ShardId(2), ShardId(1)), Err(LogError::BadReshard { .. })));
    assert!(matches!(log.split_shard(&key("t"), ShardId(0), 5), Err(LogError::NoStream(_))));
    assert_eq!(log.stream(&key("s")).unwrap(), info);
}

#[test]
fn readers_are_woken_at_the_end_and_see_the_children_then() {
    let world = World::new(1);
    let log = world.open().unwrap();
    log.create_stream(&key("s"), spec(2)).unwrap();
    append(&*log, &key("s"), texts(20), None).unwrap();
    let tail = log.bounds(&key("s"), ShardId(0)).unwrap().tail;
    let mut reader = log.reader(&key("s"), ShardId(0), tail).unwrap();
    let mut behind = log.reader(&key("s"), ShardId(0), 0).unwrap();
    let mut context = Context::from_waker(Waker::noop());
    {
        let mut wait = reader.wait();
        assert!(wait.as_mut().poll(&mut context).is_pending());
        log.merge_shards(&key("s"), ShardId(0), ShardId(1)).unwrap();
        ready(wait).unwrap();
    }
    let batch = reader.read(10, 1 << 20).unwrap();
    assert!(batch.ended && batch.records.is_empty() && batch.next == tail);
    let batch = behind.read(tail as usize - 1, 1 << 20).unwrap();
    assert!(!batch.ended && batch.next_arrival.is_some());
    assert!(behind.read(1, 1).unwrap().ended, "with the last record comes the end");
    // Whoever comes later finds the end, too, and does not wait for ever.
    let mut late = log.reader(&key("s"), ShardId(1), 1_000_000).unwrap();
    ready(late.wait()).unwrap();
    assert!(late.read(1, 1).unwrap().ended);
    let child = &log.stream(&key("s")).unwrap().shards[2];
    assert_eq!((child.parent, child.adjacent_parent), (Some(ShardId(0)), Some(ShardId(1))));
    assert_eq!(child.range, HashRange { start: 0, end: u128::MAX });
    let mut follower = log.reader(&key("s"), ShardId(2), 0).unwrap();
    append(&*log, &key("s"), texts(1), None).unwrap();
    ready(follower.wait()).unwrap();
    assert_eq!(follower.read(10, 1 << 20).unwrap().records.len(), 1);
}

#[test]
fn scaling_and_its_mode_survive_a_crash() {
    let world = World::new(1);
    let log = world.open().unwrap();
    log.create_stream(&key("s"), spec(3)).unwrap();
    for count in [4, 8, 1, 5] {
        append(&*log, &key("s"), texts(40), None).unwrap();
        let info = log.set_shard_count(&key("s"), count).unwrap();
        assert_eq!(log.set_shard_count(&key("s"), count).unwrap(), info, "nothing is left to do");
    }
    log.set_mode(&key("s"), StreamMode::OnDemand).unwrap();
    append(&*log, &key("s"), texts(40), None).unwrap();
    let info = log.stream(&key("s")).unwrap();
    drop(log);
    world.disk.crash();
    let log = world.open().unwrap();
    assert_eq!(log.stream(&key("s")).unwrap(), info);
    assert_eq!((info.spec.mode, info.spec.shard_count), (StreamMode::OnDemand, 5));
    let mut open: Vec<_> = info.shards.iter().filter(|s| s.closed.is_none()).map(|s| s.range).collect();
    open.sort_by_key(|range| range.start);
    assert_eq!(open, uniform_ranges(5));
    let all: usize = info.shards.iter().map(|s| read_all(&*log, &key("s"), s.id, 0).unwrap().len()).sum();
    assert_eq!(all, 200);
    let arrivals = log.index_at(&key("s"), info.shards[0].id, START).unwrap();
    assert_eq!(arrivals, 0);
}

#[test]
fn a_closed_shard_goes_when_its_records_and_its_end_are_past_the_retention() {
    let world = World::new(1);
    let log = world.open().unwrap();
    log.create_stream(&key("s"), spec(2)).unwrap();
    append(&*log, &key("s"), texts(20), None).unwrap();
    let mut left_behind = log.reader(&key("s"), ShardId(0), 0).unwrap();
    world.clock.advance(10 * HOUR_MS);
    log.set_shard_count(&key("s"), 3).unwrap();
    let ids = |log: &dyn Log| log.stream(&key("s")).unwrap().shards.iter().map(|s| s.id.0).collect::<Vec<_>>();
    let all = ids(&*log);
    world.clock.advance(20 * HOUR_MS);
    log.trim_expired().unwrap();
    assert_eq!(ids(&*log), all, "the records are past the retention, the end is not");
    let tail = log.bounds(&key("s"), ShardId(0)).unwrap().tail;
    assert_eq!(log.bounds(&key("s"), ShardId(0)).unwrap(), Bounds { trim: tail, tail });
    world.clock.advance(5 * HOUR_MS);
    log.trim_expired().unwrap();
    let open = ids(&*log);
    assert_eq!(open.len(), 3);
    assert!(matches!(log.bounds(&key("s"), ShardId(0)), Err(LogError::NoShard(..))));
    assert!(matches!(log.reader(&key("s"), ShardId(0), 0), Err(LogError::NoShard(..))));
    ready(left_behind.wait()).unwrap();
    assert!(left_behind.read(10, 1 << 20).unwrap().ended, "a reader that was left behind finds the end");
    // Segments that only held what is gone go, too, and the ids are not given again.
    append(&*log, &key("s"), texts(20), None).unwrap();
    drop(log);
    world.disk.crash();
    let log = world.open().unwrap();
    assert_eq!(ids(&*log), open);
    let split =
        log.split_shard(&key("s"), ShardId(open[0]), log.stream(&key("s")).unwrap().shards[0].range.end).unwrap();
    assert_eq!(split.shards.last().unwrap().id.0, open[2] + 2);
    append(&*log, &key("s"), texts(40), None).unwrap();
    let all: usize = split.shards.iter().map(|s| read_all(&*log, &key("s"), s.id, 0).unwrap().len()).sum();
    assert_eq!(all, 60);
    assert!(world.disk.files().iter().filter(|(path, _)| path.starts_with(DIR)).count() < 8);
}

#[test]
fn many_changes_leave_no_trace_once_they_have_expired() {
    let world = World::new(1);
    let log = world.open().unwrap();
    log.create_stream(&key("s"), spec(1)).unwrap();
    let mut most = 0;
    for round in 0..200 {
        log.set_shard_count(&key("s"), 1 + round % 7).unwrap();
        append(&*log, &key("s"), texts(10), None).unwrap();
        world.clock.advance(6 * HOUR_MS);
        log.trim_expired().unwrap();
        most = most.max(log.index_bytes());
    }
    let info = log.stream(&key("s")).unwrap();
    assert!(info.shards.len() < 80 && info.shards[0].id.0 > 700, "{} from {}", info.shards.len(), info.shards[0].id);
    assert!(most < 20 << 10, "{most} bytes of index");
    drop(log);
    world.disk.crash();
    assert_eq!(world.open().unwrap().stream(&key("s")).unwrap().shards.last(), info.shards.last());
}

#[test]
fn a_failed_change_leaves_the_old_shards_or_shuts_the_log() {
    let world = World::new(1);
    let log = world.open().unwrap();
    let info = log.create_stream(&key("s"), spec(1)).unwrap();
    append(&*log, &key("s"), texts(5), None).unwrap();
    world.disk.set_capacity(Some(world.disk.used()));
    assert!(matches!(log.split_shard(&key("s"), ShardId(0), 9), Err(LogError::DiskFull { .. })));
    assert_eq!(log.stream(&key("s")).unwrap(), info);
    world.disk.set_capacity(None);
    append(&*log, &key("s"), texts(5), None).unwrap();
    // The catalog cannot write: perhaps it has, so no record may go by either list.
    world.disk.fail(millrace_testkit::Call::Sync, 1, "catalog");
    assert!(log.split_shard(&key("s"), ShardId(0), 9).is_err());
    assert!(append(&*log, &key("s"), texts(5), None).is_err());
    assert_eq!(read_all(&*log, &key("s"), ShardId(0), 0).unwrap().len(), 10);
    drop(log);
    world.disk.crash();
    let log = world.open().unwrap();
    let info = log.stream(&key("s")).unwrap();
    assert!([1, 3].contains(&info.shards.len()));
    log.set_shard_count(&key("s"), 2).unwrap();
    append(&*log, &key("s"), texts(5), None).unwrap();
}

/// Writers race with changes: every key's records are in order along the shards that took it, each once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_keep_their_order_while_their_shards_change() {
    let mut world = World::new(1);
    world.options = LogOptions { commit: Commit::Thread, segment_bytes: 16 << 10, ..world.options };
    let log = world.open().unwrap();
    log.create_stream(&key("s"), spec(2)).unwrap();
    let done = std::sync::Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..4)
        .map(|writer: u32| {
            let log = log.clone();
            tokio::spawn(async move {
                for epoch in 1..=400u64 {
                    let records = (0..5).map(|i| record(&format!("{writer}.{i}"), format!("{epoch}"))).collect();
                    let producer = (epoch % 2 == 0).then(|| Producer { id: format!("{writer}").into(), epoch });
                    let placed = log.append(&key("s"), records, producer.clone()).await.unwrap();
                    assert_eq!(placed.len(), 5);
                    if producer.is_some() {
                        let again = log.append(&key("s"), vec![record("k", "again")], producer).await.unwrap();
                        assert!(again.is_empty(), "an epoch holds over all shards");
                    }
                }
            })
        })
        .collect();
    let (keeper_log, is_done) = (log.clone(), done.clone());
    let keeper = tokio::task::spawn_blocking(move || {
        let mut changes = 0;
        while !is_done.load(Ordering::Acquire) && changes < 200 {
            keeper_log.set_shard_count(&key("s"), 1 + changes % 5).unwrap();
            changes += 1;
        }
        changes
    });
    for writer in writers {
        writer.await.unwrap();
    }
    done.store(true, Ordering::Release);
    assert!(keeper.await.unwrap() > 3);
    drop(log);
    let log = world.open().unwrap();
    let mut seen: HashMap<String, Vec<(SequenceNumber, u64)>> = HashMap::new();
    for shard in &log.stream(&key("s")).unwrap().shards {
        for found in read_all(&*log, &key("s"), shard.id, 0).unwrap() {
            let hash = hash_key(&found.partition_key);
            assert!(shard.range.start <= hash && hash <= shard.range.end);
            let of_key = seen.entry(String::from_utf8(found.partition_key.to_vec()).unwrap()).or_default();
            let text = std::str::from_utf8(&found.data).unwrap();
            of_key.push((shard.number(found.index, found.arrival), text.parse().unwrap()));
        }
    }
    assert_eq!(seen.len(), 20);
    for (key, mut found) in seen {
        found.sort();
        assert!(found.iter().map(|(_, epoch)| *epoch).eq(1..=400), "{key}");
    }
}
