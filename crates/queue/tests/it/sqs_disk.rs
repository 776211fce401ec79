//! The journal on disk: compaction, damage, and the order in which things fail.

#![allow(clippy::disallowed_methods, reason = "the large backlog is timed on the real disk")]

use crate::sqs_kit::{DIR, World, bodies, create, delete, depth, receive, send};
use futures::executor::block_on;
use millrace_base::{Disk, SystemClock, SystemDice, SystemDisk};
use millrace_catalog::Catalog;
use millrace_queue::{Commit, NewMessage, QueueError, QueueOptions, QueueParts, Queues, ReceiveOptions};
use millrace_testkit::Call;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

fn used(world: &World) -> u64 {
    world.disk.files().iter().filter(|(path, _)| path.starts_with(DIR)).map(|(_, len)| len).sum()
}

#[test]
fn the_disk_holds_about_twice_what_is_live() {
    let mut world = World::new(3);
    let queues = world.open().unwrap();
    create(&queues, "keep", &[]);
    create(&queues, "pass", &[]);
    let kept: Vec<String> = (0..50).map(|at| format!("keep {at} {}", "k".repeat(100))).collect();
    for text in &kept {
        send(&queues, "keep", &[text]);
        for at in 0..20 {
            send(&queues, "pass", &[&format!("{at} {}", "p".repeat(200))]);
        }
        for message in receive(&queues, "pass", 20) {
            delete(&queues, "pass", &message).unwrap();
        }
        world.clock.advance(300);
        queues.upkeep();
    }
    let live = 50 * (110 + 250);
    assert!(used(&world) < 2 * live + 4 * world.options.segment_bytes, "{} bytes for {live} live ones", used(&world));
    world.disk.crash();
    let queues = world.open().unwrap();
    assert_eq!(bodies(&receive(&queues, "keep", 100)), kept);
    assert_eq!(depth(&queues, "pass"), (0, 0, 0));
}

#[test]
fn a_torn_tail_is_cut_and_damage_before_it_is_told() {
    let mut world = World::new(4);
    world.options.segment_bytes = 1 << 20;
    let queues = world.open().unwrap();
    create(&queues, "q", &[]);
    send(&queues, "q", &["first"]);
    let first_end = used(&world);
    send(&queues, "q", &["second"]);
    drop(queues);
    let path = Path::new(DIR).join("000000000001.mrq");
    let end = used(&world);
    world.disk.kill();
    world.disk.corrupt(&path, end - 1, 1);
    assert_eq!(bodies(&receive(&world.open().unwrap(), "q", 10)), ["first"], "the last commit was torn");
    let queues = world.open().unwrap();
    send(&queues, "q", &["third"]);
    drop(queues);
    world.disk.kill();
    world.disk.corrupt(&path, first_end - 1, 1);
    let parts = QueueParts {
        clock: Arc::new(SystemClock),
        dice: Arc::new(SystemDice),
        disk: Arc::new(world.disk.clone()),
        catalog: Catalog::open(&world.disk, Path::new("/data/catalog.redb")).unwrap(),
        dir: DIR.into(),
        keys: Arc::new(crate::sqs_kit::TurnedKeys::default()),
    };
    let error = Queues::open(parts, world.options.clone()).err().unwrap();
    assert!(matches!(&error, QueueError::Corrupt { path, .. } if path.ends_with("000000000001.mrq")), "{error}");
}

#[test]
fn after_a_failed_sync_nothing_more_is_taken() {
    let mut world = World::new(5);
    let queues = world.open().unwrap();
    create(&queues, "q", &[]);
    send(&queues, "q", &["a"]);
    world.disk.fail(Call::Sync, 1, ".mrq");
    for _ in 0..2 {
        let refused = block_on(queues.send(&super::sqs_kit::key("q"), vec![NewMessage::of("b")]));
        assert!(matches!(refused, Err(QueueError::Disk { .. })));
    }
    assert_eq!(bodies(&receive(&queues, "q", 10)), ["a"]);
    world.disk.crash();
    let queues = world.open().unwrap();
    assert!(depth(&queues, "q").0 <= 2);
    send(&queues, "q", &["c"]);
}

#[test]
fn a_full_disk_takes_again_what_has_room() {
    let mut world = World::new(6);
    let queues = world.open().unwrap();
    create(&queues, "q", &[]);
    world.disk.set_capacity(Some(world.disk.used() + 10));
    let refused = block_on(queues.send(&super::sqs_kit::key("q"), vec![NewMessage::of("x".repeat(100))]));
    assert!(matches!(refused, Err(QueueError::DiskFull { .. })));
    world.disk.set_capacity(None);
    send(&queues, "q", &["a"]);
    assert_eq!(bodies(&receive(&queues, "q", 10)), ["a"]);
}

/// The committed file of version 1 keeps being read.
#[test]
fn version_1_is_read() {
    let mut world = World::new(7);
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v1.mrq");
    let queues = world.open().unwrap();
    create(&queues, "q", &[]);
    create(&queues, "dead", &[]);
    drop(queues);
    let content = SystemDisk.read(&fixture).unwrap();
    world.disk.replace(&Path::new(DIR).join("000000000001.mrq"), &content).unwrap();
    let queues = world.open().unwrap();
    assert_eq!(bodies(&receive(&queues, "q", 10)), ["kept", "with attributes"]);
    assert_eq!(bodies(&receive(&queues, "dead", 10)), ["given up"]);
}

/// Writes the fixture anew: only when the format's version changes.
#[test]
#[ignore = "writes tests/fixtures/v1.mrq"]
fn write_fixture() {
    use millrace_queue::{AttributeValue, MessageAttribute};
    let mut world = World::new(8);
    world.options.segment_bytes = 1 << 20;
    let queues = world.open().unwrap();
    create(&queues, "q", &[("VisibilityTimeout", "0")]);
    create(&queues, "dead", &[]);
    let policy = crate::sqs_kit::redrive("dead", 1);
    queues.set_attributes(&crate::sqs_kit::key("q"), &crate::sqs_kit::map(&[("RedrivePolicy", &policy)])).unwrap();
    send(&queues, "q", &["given up"]);
    receive(&queues, "q", 1);
    receive(&queues, "q", 1);
    send(&queues, "q", &["deleted"]);
    let deleted = receive(&queues, "q", 1).remove(0);
    delete(&queues, "q", &deleted).unwrap();
    let value = AttributeValue::Binary(vec![1, 2, 3].into());
    let attribute = MessageAttribute { name: "a".into(), data_type: "Binary".into(), value };
    let message = NewMessage { attributes: vec![attribute], ..NewMessage::of("with attributes") };
    send(&queues, "q", &["kept"]);
    block_on(queues.send(&crate::sqs_kit::key("q"), vec![message])).unwrap();
    let content = world.disk.read(&Path::new(DIR).join("000000000001.mrq")).unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v1.mrq");
    SystemDisk.create_dir(fixture.parent().unwrap()).unwrap();
    SystemDisk.replace(&fixture, &content).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_share_their_syncs_and_get_every_message_once() {
    let dir = tempfile::tempdir().unwrap();
    let parts = || QueueParts {
        clock: Arc::new(SystemClock),
        dice: Arc::new(SystemDice),
        disk: Arc::new(SystemDisk),
        catalog: Catalog::open(&SystemDisk, &dir.path().join("catalog.redb")).unwrap(),
        dir: dir.path().join("queue"),
        keys: Arc::new(crate::sqs_kit::TurnedKeys::default()),
    };
    let options =
        QueueOptions { commit: Commit::Thread, segment_bytes: 64 << 10, cache_bytes: 16 << 10, is_sealed: false };
    let queues = Queues::open(parts(), options.clone()).unwrap();
    let key = super::sqs_kit::key("q");
    queues.create(&key, &BTreeMap::new(), &BTreeMap::new()).unwrap();
    let producers = (0..8).map(|producer| {
        let (queues, key) = (queues.clone(), key.clone());
        tokio::spawn(async move {
            for at in 0..100 {
                let messages = (0..5).map(|part| NewMessage::of(format!("{producer}-{at}-{part}"))).collect();
                queues.send(&key, messages).await.unwrap();
            }
        })
    });
    let consumers = (0..8).map(|_| {
        let (queues, key) = (queues.clone(), key.clone());
        tokio::spawn(async move {
            let mut got = Vec::new();
            loop {
                let options = ReceiveOptions { max: 10, wait: Some(1), ..Default::default() };
                let messages = queues.receive(&key, options).await.unwrap();
                if messages.is_empty() {
                    return got;
                }
                got.extend(bodies(&messages));
                let receipts = messages.into_iter().map(|message| message.receipt_handle).collect();
                assert!(queues.delete(&key, receipts).await.unwrap().iter().all(Result::is_ok));
            }
        })
    });
    let (producers, consumers): (Vec<_>, Vec<_>) = (producers.collect(), consumers.collect());
    for producer in producers {
        producer.await.unwrap();
    }
    let mut all = Vec::new();
    for consumer in consumers {
        all.extend(consumer.await.unwrap());
    }
    all.sort();
    let before = all.len();
    all.dedup();
    assert_eq!((before, all.len()), (4000, 4000));
    drop(queues);
    let queues = Queues::open(parts(), options).unwrap();
    assert_eq!(depth(&queues, "q"), (0, 0, 0));
}

/// A backlog far beyond the cache: sent, opened again, received and deleted. Says how long each took.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "writes more than a gigabyte; run with --nocapture to see the times"]
async fn a_million_messages_are_opened_again() {
    const MESSAGES: usize = 1_000_000;
    let dir = tempfile::tempdir().unwrap();
    let open = || {
        let parts = QueueParts {
            clock: Arc::new(SystemClock),
            dice: Arc::new(SystemDice),
            disk: Arc::new(SystemDisk),
            catalog: Catalog::open(&SystemDisk, &dir.path().join("catalog.redb")).unwrap(),
            dir: dir.path().join("queue"),
            keys: Arc::new(crate::sqs_kit::TurnedKeys::default()),
        };
        Queues::open(parts, QueueOptions::default()).unwrap()
    };
    let memory = || std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident = || memory().lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default().to_owned();
    let said = |what: &str, begun: std::time::Instant| println!("{what}: {:?}, {}", begun.elapsed(), resident());
    let key = super::sqs_kit::key("q");
    let queues = open();
    queues.create(&key, &BTreeMap::new(), &BTreeMap::new()).unwrap();
    let begun = std::time::Instant::now();
    for at in 0..MESSAGES / 1000 {
        let messages = (0..1000).map(|part| NewMessage::of(format!("{at}-{part:<1000}"))).collect();
        queues.send(&key, messages).await.unwrap();
    }
    said("sent", begun);
    drop(queues);
    let begun = std::time::Instant::now();
    let queues = open();
    said("opened", begun);
    assert_eq!(depth(&queues, "q").0, MESSAGES);
    let begun = std::time::Instant::now();
    let mut got = 0;
    while got < MESSAGES {
        let options = ReceiveOptions { max: 1000, wait: Some(0), ..Default::default() };
        let messages = queues.receive(&key, options).await.unwrap();
        got += messages.len();
        let receipts = messages.into_iter().map(|message| message.receipt_handle).collect();
        queues.delete(&key, receipts).await.unwrap();
    }
    said("received and deleted", begun);
    assert_eq!(depth(&queues, "q"), (0, 0, 0));
}
