//! The committing thread under trouble: many appends share a frame, and the process dies in the middle of it.

use crate::kit::{World, key, read_all, record, spec};
use millrace_base::ShardId;
use millrace_log::{Commit, Log, LogOptions, Producer};
use millrace_testkit::SimDice;
use std::collections::HashMap;

const WRITERS: u64 = 6;

fn threaded(seed: u64) -> World {
    let world = World::new(seed);
    let options = LogOptions { commit: Commit::Thread, segment_bytes: 8 << 10, ..world.options.clone() };
    World { options, ..world }
}

/// Which thread comes first is up to the machine, so a seed does not replay; what must hold, holds for every order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_that_share_a_torn_frame_are_whole_or_absent() {
    for seed in 0..60 {
        let world = threaded(seed);
        let log = world.open().unwrap();
        log.create_stream(&key("s"), spec(2)).unwrap();
        world.disk.die_after(1 + SimDice::new(seed).below(120));
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let log = log.clone();
                tokio::spawn(async move {
                    let mut acknowledged = Vec::new();
                    for epoch in 1..=40 {
                        let texts: Vec<_> = (0..3).map(|i| format!("{writer} {epoch} {i}")).collect();
                        let records = texts.iter().map(|text| record(text, text.clone())).collect();
                        let producer = Producer { id: format!("{writer}").into(), epoch };
                        let Ok(placed) = log.append(&key("s"), records, Some(producer)).await else { break };
                        acknowledged.extend(placed.into_iter().zip(texts));
                    }
                    acknowledged
                })
            })
            .collect();
        let mut acknowledged = HashMap::new();
        for writer in writers {
            for (placed, text) in writer.await.unwrap() {
                acknowledged.insert((placed.shard, placed.sequence.index), text);
            }
        }
        drop(log);
        world.disk.crash();

        let log = world.open().unwrap();
        assert!(log.damaged().is_empty(), "{:?}", log.damaged());
        let mut parts: HashMap<String, usize> = HashMap::new();
        for shard in [ShardId(0), ShardId(1)] {
            for found in read_all(&*log, &key("s"), shard, 0).unwrap() {
                let text = String::from_utf8(found.data.to_vec()).unwrap();
                if let Some(expected) = acknowledged.remove(&(shard, found.index)) {
                    assert_eq!(text, expected);
                }
                let (append, _) = text.rsplit_once(' ').unwrap();
                *parts.entry(append.to_owned()).or_default() += 1;
            }
        }
        assert!(acknowledged.is_empty(), "seed {seed}: lost {acknowledged:?}");
        assert!(parts.values().all(|count| *count == 3), "seed {seed}: torn appends in {parts:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_come_and_go_under_writers_readers_and_trims() {
    let world = threaded(1);
    let log = world.open().unwrap();
    log.create_stream(&key("s"), spec(2)).unwrap();
    let writers: Vec<_> = (0..4)
        .map(|writer: u32| {
            let log = log.clone();
            tokio::spawn(async move {
                for i in 0..300 {
                    // It may be gone just now.
                    let _ = log.append(&key("s"), vec![record(&format!("{writer}.{i}"), vec![0; 300])], None).await;
                    if let Ok(mut reader) = log.reader(&key("s"), ShardId(writer % 2), 0) {
                        let _ = reader.read(10, 1 << 20);
                    }
                }
            })
        })
        .collect();
    let (log_2, clock) = (log.clone(), world.clock.clone());
    let keeper = tokio::task::spawn_blocking(move || {
        for i in 0..100 {
            clock.advance(5 * 3_600_000);
            log_2.trim_expired().unwrap();
            if i % 10 == 9 {
                log_2.delete_stream(&key("s")).unwrap();
                log_2.create_stream(&key("s"), spec(2)).unwrap();
            }
        }
    });
    for task in writers {
        task.await.unwrap();
    }
    keeper.await.unwrap();
    drop(log);
    let log = world.open().unwrap();
    assert!(log.damaged().is_empty(), "{:?}", log.damaged());
}
