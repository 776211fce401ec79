//! What every `Log` promises. Each test takes any log; here the local one, committing inline on a simulated disk.

use crate::kit::{START, World, append, key, read_all, ready, record, spec};
use bytes::Bytes;
use millrace_base::{Scope, ShardId};
use millrace_log::{Bounds, Log, LogError, NewRecord, Producer, StreamKey, hash_key};
use std::sync::Arc;
use std::task::{Context, Waker};

fn local() -> (World, Arc<dyn Log>) {
    let world = World::new(1);
    let log = world.open().unwrap();
    (world, log)
}

fn texts(count: usize) -> Vec<NewRecord> {
    (0..count).map(|i| record(&format!("key {i}"), format!("text {i}"))).collect()
}

#[test]
fn streams_are_created_listed_by_scope_and_deleted() {
    let (_world, log) = local();
    let other = StreamKey { scope: Scope::new("111111111111", "eu-west-1"), name: "b".into() };
    for key in [&key("b"), &key("a"), &other] {
        let info = log.create_stream(key, spec(3)).unwrap();
        assert_eq!(info.shards.len(), 3);
        assert_eq!(info.shards[1].created_secs, START as u64 / 1000);
        assert_eq!(log.stream(key).unwrap(), info);
    }
    assert_eq!(log.streams(&Scope::default()), ["a".into(), "b".into()]);
    assert!(matches!(log.create_stream(&key("a"), spec(1)), Err(LogError::StreamExists(_))));
    let first = log.stream(&key("a")).unwrap().incarnation;
    append(&*log, &key("a"), texts(3), None).unwrap();
    log.delete_stream(&key("a")).unwrap();
    assert!(matches!(log.delete_stream(&key("a")), Err(LogError::NoStream(_))));
    assert!(matches!(append(&*log, &key("a"), texts(1), None), Err(LogError::NoStream(_))));
    let again = log.create_stream(&key("a"), spec(1)).unwrap();
    assert!(again.incarnation > first);
    assert_eq!(log.bounds(&key("a"), ShardId(0)).unwrap(), Bounds { trim: 0, tail: 0 });
    assert!(matches!(log.bounds(&key("a"), ShardId(1)), Err(LogError::NoShard(..))));
    assert!(log.reader(&key("a"), ShardId(1), 0).is_err());
}

#[test]
fn records_are_placed_by_their_hash_densely_and_in_order() {
    let (world, log) = local();
    let stream = key("orders");
    let info = log.create_stream(&stream, spec(4)).unwrap();
    let mut next = [0; 4];
    for round in 0..20 {
        world.clock.advance(1000);
        let mut records = texts(50);
        records[7].explicit_hash = Some(info.shards[3].range.start);
        let placed = append(&*log, &stream, records.clone(), None).unwrap();
        for (record, placed) in records.iter().zip(placed) {
            let hash = record.explicit_hash.unwrap_or_else(|| hash_key(&record.partition_key));
            let shard = info.shards.iter().find(|s| s.range.start <= hash && hash <= s.range.end).unwrap();
            assert_eq!(placed.shard, shard.id);
            assert_eq!(placed.sequence.index, next[shard.id.0 as usize]);
            assert_eq!(placed.sequence.arrival_secs, (START / 1000) as u64 + round + 1);
            next[shard.id.0 as usize] += 1;
        }
    }
    for shard in 0..4 {
        let records = read_all(&*log, &stream, ShardId(shard), 0).unwrap();
        assert!(records.iter().map(|r| r.index).eq(0..next[shard as usize]));
        assert_eq!(log.bounds(&stream, ShardId(shard)).unwrap(), Bounds { trim: 0, tail: next[shard as usize] });
    }
}

#[test]
fn a_read_is_bounded_and_says_how_far_behind_it_is() {
    let (world, log) = local();
    let stream = key("orders");
    log.create_stream(&stream, spec(1)).unwrap();
    for _ in 0..10 {
        append(&*log, &stream, texts(10), None).unwrap();
        world.clock.advance(7);
    }
    let mut reader = log.reader(&stream, ShardId(0), 0).unwrap();
    let batch = reader.read(25, usize::MAX).unwrap();
    assert_eq!((batch.records.len(), batch.next, batch.next_arrival), (25, 25, Some(START + 14)));
    let batch = reader.read(5, usize::MAX).unwrap();
    assert_eq!((batch.records.len(), batch.next, batch.next_arrival), (5, 30, Some(START + 21)));
    let batch = reader.read(1000, 1).unwrap();
    assert_eq!(batch.records.len(), 1, "one record, however small the limit");
    assert_eq!(batch.records[0].data, "text 0");
    assert_eq!(batch.records[0].partition_key, "key 0");
    let batch = reader.read(1000, usize::MAX).unwrap();
    assert_eq!((batch.records.len(), batch.next, batch.next_arrival, batch.ended), (69, 100, None, false));
    assert!(reader.read(1, 1).unwrap().records.is_empty());
    for index in [0, 1, 9, 10, 11, 55, 99] {
        let mut reader = log.reader(&stream, ShardId(0), index).unwrap();
        assert_eq!(reader.read(1, 1).unwrap().records[0].index, index);
    }
}

#[test]
fn a_wait_is_woken_by_its_own_shard_and_may_be_cancelled() {
    let (_world, log) = local();
    let stream = key("orders");
    let info = log.create_stream(&stream, spec(2)).unwrap();
    let to =
        |shard: usize| vec![NewRecord { explicit_hash: Some(info.shards[shard].range.start), ..record("k", "text") }];
    let mut reader = log.reader(&stream, ShardId(1), 0).unwrap();
    let mut context = Context::from_waker(Waker::noop());
    {
        let mut wait = reader.wait();
        assert!(wait.as_mut().poll(&mut context).is_pending());
        append(&*log, &stream, to(0), None).unwrap();
        assert!(wait.as_mut().poll(&mut context).is_pending(), "the other shard's records are not ours");
    }
    append(&*log, &stream, to(1), None).unwrap();
    ready(reader.wait()).unwrap();
    assert_eq!(reader.read(10, 1 << 20).unwrap().records.len(), 1);
    let mut ahead = log.reader(&stream, ShardId(1), 3).unwrap();
    assert!(ahead.wait().as_mut().poll(&mut context).is_pending());
    assert!(ahead.read(1, 1).unwrap().records.is_empty());
    let mut wait = ahead.wait();
    assert!(wait.as_mut().poll(&mut context).is_pending());
    log.delete_stream(&stream).unwrap();
    assert!(matches!(ready(wait), Err(LogError::NoStream(_))));
    assert!(matches!(reader.read(1, 1), Err(LogError::NoStream(_))));
}

#[test]
fn a_producer_never_repeats_an_epoch_even_after_a_restart() {
    let (world, log) = local();
    let stream = key("orders");
    log.create_stream(&stream, spec(2)).unwrap();
    let producer = |epoch| Some(Producer { id: "app/sink".into(), epoch });
    assert_eq!(append(&*log, &stream, texts(5), producer(3)).unwrap().len(), 5);
    assert_eq!(append(&*log, &stream, texts(5), producer(3)).unwrap().len(), 0);
    assert_eq!(append(&*log, &stream, texts(5), producer(2)).unwrap().len(), 0);
    // An epoch without records counts, too.
    assert_eq!(append(&*log, &stream, Vec::new(), producer(4)).unwrap().len(), 0);
    let other = Some(Producer { id: "app/other".into(), epoch: 1 });
    assert_eq!(append(&*log, &stream, texts(1), other).unwrap().len(), 1);
    // Many segments later the epoch is still known.
    for _ in 0..100 {
        append(&*log, &stream, texts(5), None).unwrap();
    }
    drop(log);
    world.disk.crash();
    let log = world.open().unwrap();
    assert_eq!(append(&*log, &stream, texts(5), producer(4)).unwrap().len(), 0);
    assert_eq!(append(&*log, &stream, texts(5), producer(5)).unwrap().len(), 5);
}

#[test]
fn index_at_finds_the_first_arrival_at_or_after_a_time() {
    let (world, log) = local();
    let stream = key("orders");
    log.create_stream(&stream, spec(1)).unwrap();
    let mut arrivals = Vec::new();
    // Time goes back now and then.
    for step in [5, 5, 40, -30, 5, 100, 0, -200, 300, 5].repeat(10) {
        let now = world.clock.advance(step);
        append(&*log, &stream, texts(3), None).unwrap();
        arrivals.extend([now; 3]);
    }
    for time in START - 300..START + 2600 {
        let expected = arrivals.iter().position(|a| *a >= time).unwrap_or(arrivals.len()) as u64;
        assert_eq!(log.index_at(&stream, ShardId(0), time).unwrap(), expected, "at {time}");
    }
}

#[test]
fn index_at_of_a_quiet_shard_steps_over_the_busy_ones() {
    let (world, log) = local();
    let stream = key("orders");
    let info = log.create_stream(&stream, spec(2)).unwrap();
    let to = |shard: usize| {
        vec![NewRecord { explicit_hash: Some(info.shards[shard].range.start), ..record("k", vec![0; 500]) }]
    };
    let mut quiet = Vec::new();
    for i in 0..200 {
        let now = world.clock.advance(10);
        append(&*log, &stream, to(0), None).unwrap();
        if i % 50 == 25 {
            append(&*log, &stream, to(1), None).unwrap();
            quiet.push(now);
        }
    }
    for (index, arrival) in quiet.iter().enumerate() {
        for time in [arrival - 10, *arrival] {
            assert_eq!(log.index_at(&stream, ShardId(1), time).unwrap(), index as u64);
        }
    }
    assert_eq!(log.index_at(&stream, ShardId(1), quiet[3] + 1).unwrap(), 4);
    let records = read_all(&*log, &stream, ShardId(1), 0).unwrap();
    assert!(records.iter().map(|r| r.arrival).eq(quiet));
}

#[test]
fn large_records_pass_and_larger_ones_are_refused() {
    let (_world, log) = local();
    let stream = key("orders");
    log.create_stream(&stream, spec(2)).unwrap();
    let ten_mib = Bytes::from(vec![7; 10 << 20]);
    append(&*log, &stream, vec![record("a", ten_mib.clone()), record("a", "small")], None).unwrap();
    let shard = if log.bounds(&stream, ShardId(0)).unwrap().tail == 2 { ShardId(0) } else { ShardId(1) };
    let records = read_all(&*log, &stream, shard, 0).unwrap();
    assert_eq!(records[0].data, ten_mib);
    assert_eq!(records[1].data, "small");
    let refused = append(&*log, &stream, vec![record("a", vec![7; 17 << 20])], None);
    assert!(matches!(refused, Err(LogError::TooLarge { .. })));
}
