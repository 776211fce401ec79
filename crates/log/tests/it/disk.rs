//! The real disk, the committing thread, and many writers at once.

use crate::kit::{key, read_all, record, spec};
use millrace_base::{ShardId, SystemClock, SystemDisk};
use millrace_catalog::Catalog;
use millrace_log::{LocalLog, Log, LogOptions, LogParts, NewRecord};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

fn open(dir: &Path, options: LogOptions) -> Arc<LocalLog> {
    let disk = Arc::new(SystemDisk);
    let catalog = Catalog::open(&*disk, &dir.join("catalog.redb")).unwrap();
    LocalLog::open(LogParts { clock: Arc::new(SystemClock), disk, catalog, dir: dir.join("log") }, options).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_writers_share_commits_and_everything_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    // Segments that are small enough to roll often, and a cache that is too small for all.
    let options = LogOptions { segment_bytes: 256 << 10, cache_bytes: 64 << 10, ..LogOptions::default() };
    let log = open(dir.path(), options.clone());
    let stream = key("orders");
    log.create_stream(&stream, spec(4)).unwrap();

    let follower = {
        let mut reader = log.reader(&stream, ShardId(2), 0).unwrap();
        tokio::spawn(async move {
            let mut seen = 0;
            let mut last = Vec::new();
            while last != b"the end" {
                reader.wait().await.unwrap();
                for record in reader.read(100, 64 << 10).unwrap().records {
                    assert_eq!(record.index, seen);
                    seen += 1;
                    last = record.data.to_vec();
                }
            }
            seen
        })
    };
    let mut writers = Vec::new();
    for writer in 0..16 {
        let (log, stream) = (log.clone(), stream.clone());
        writers.push(tokio::spawn(async move {
            let mut placed = Vec::new();
            for i in 0..100 {
                let text = |j| format!("writer {writer} append {i} record {j} {}", "x".repeat(i * 3));
                let records: Vec<_> = (0..5).map(|j| record(&format!("{writer}-{i}-{j}"), text(j))).collect();
                let places = log.append(&stream, records, None).await.unwrap();
                placed.extend(places.into_iter().enumerate().map(|(j, place)| (place, text(j))));
            }
            placed
        }));
    }
    let mut acknowledged = HashMap::new();
    for writer in writers {
        for (place, text) in writer.await.unwrap() {
            let twice = acknowledged.insert((place.shard, place.sequence.index), text);
            assert!(twice.is_none(), "no place is given twice");
        }
    }
    let in_2 = log.bounds(&stream, ShardId(2)).unwrap().tail;
    let last = NewRecord { explicit_hash: Some(u128::MAX / 4 * 2 + 2), ..record("any", "the end") };
    log.append(&stream, vec![last], None).await.unwrap();
    assert_eq!(follower.await.unwrap(), in_2 + 1);

    let check = |log: &LocalLog| {
        let mut found = 0;
        for shard in (0..4).map(ShardId) {
            for record in read_all(log, &stream, shard, 0).unwrap() {
                if record.data != "the end" {
                    let text = &acknowledged[&(shard, record.index)];
                    assert_eq!(record.data, text.as_bytes());
                    found += 1;
                }
            }
        }
        assert_eq!(found, acknowledged.len());
    };
    check(&log);
    drop(log);
    check(&open(dir.path(), options));
}

/// `cargo test --release -p millrace-log -- --ignored bench --nocapture`: durable appends of 500 × 1 KB.
#[test]
#[ignore = "a measurement, for release builds"]
#[allow(clippy::disallowed_methods, reason = "it measures time")]
fn bench_durable_appends() {
    for (writers, shards) in [(1, 8), (4, 8), (16, 8), (64, 8)] {
        let dir = tempfile::tempdir().unwrap();
        let log = open(dir.path(), LogOptions::default());
        let stream = key("bench");
        log.create_stream(&stream, spec(shards)).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        let data = bytes::Bytes::from(vec![b'x'; 1024]);
        let appends = 1_600 / writers;
        let start = Instant::now();
        runtime.block_on(async {
            let tasks: Vec<_> = (0..writers)
                .map(|writer| {
                    let (log, stream, data) = (log.clone(), stream.clone(), data.clone());
                    tokio::spawn(async move {
                        for i in 0..appends {
                            let records =
                                (0..500).map(|j| record(&format!("{writer}-{i}-{j}"), data.clone())).collect();
                            log.append(&stream, records, None).await.unwrap();
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
        let (records, took) = (writers * appends * 500, start.elapsed());
        println!("{writers} writers: {:.0} records/s", records as f64 / took.as_secs_f64());
    }
}
