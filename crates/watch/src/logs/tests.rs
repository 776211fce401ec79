//! Logs over a disk that loses what was not synced.

use super::*;
use crate::FilterPattern;
use millrace_base::calendar::DAY_MS;
use millrace_base::{Clock, Dice, Disk, Millis, Scope};
use millrace_catalog::Catalog;
use millrace_testkit::{Call, SimClock, SimDice, SimDisk};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

const NOW: Millis = 1_795_279_662_000;

struct World {
    disk: Arc<SimDisk>,
    clock: Arc<SimClock>,
    logs: Logs,
}

fn key(name: &str) -> GroupKey {
    GroupKey { scope: Scope::default(), name: name.into() }
}

fn event(timestamp: Millis, message: impl Into<String>) -> LogEvent {
    LogEvent { timestamp, message: message.into() }
}

fn all() -> Query {
    Query {
        start: 0,
        end: Millis::MAX,
        streams: Streams::All,
        pattern: FilterPattern::ALL,
        beyond: None,
        newest_first: false,
        events_max: 10_000,
    }
}

impl World {
    fn new() -> Self {
        let (disk, clock) = (Arc::new(SimDisk::new(3)), Arc::new(SimClock::at(NOW)));
        let logs = Self::open(&disk, &clock);
        Self { disk, clock, logs }
    }

    fn open(disk: &Arc<SimDisk>, clock: &Arc<SimClock>) -> Logs {
        let disk: Arc<dyn Disk> = disk.clone();
        let catalog = Catalog::open(&*disk, Path::new("/data/catalog.redb")).unwrap();
        Logs::open(LogsParts { catalog, clock: clock.clone(), disk, dir: "/data/logs".into() }).unwrap()
    }

    fn put(&self, stream: &str, events: Vec<LogEvent>) {
        self.logs.put(&key("g"), &stream.into(), events);
        self.logs.step().unwrap();
    }

    fn messages(&self, query: &Query) -> Vec<String> {
        let found = self.logs.query(&key("g"), query).unwrap();
        found.events.into_iter().map(|event| event.message).collect()
    }
}

#[test]
fn events_come_back_in_order_of_time_across_streams() {
    let world = World::new();
    world.put("a", vec![event(5, "a5"), event(1, "a1")]);
    world.put("b", vec![event(3, "b3"), event(5, "b5")]);
    assert_eq!(world.messages(&all()), ["a1", "b3", "a5", "b5"]);
    assert_eq!(world.messages(&Query { start: 3, end: 5, ..all() }), ["b3"]);
    assert_eq!(world.messages(&Query { streams: Streams::Prefix("a".into()), ..all() }), ["a1", "a5"]);
    let pattern = FilterPattern::parse("5").unwrap();
    assert_eq!(world.messages(&Query { pattern, ..all() }), ["a5", "b5"]);
    assert_eq!(world.messages(&Query { newest_first: true, events_max: 2, ..all() }), ["a5", "b5"]);
    let a = world.logs.stream(&key("g"), "a").unwrap();
    assert_eq!((a.first, a.last, a.last_ingestion), (Some(1), Some(5), Some(NOW)));
    assert!(matches!(world.logs.query(&key("none"), &all()), Err(LogsError::NoGroup)));
}

/// Every page walk, in both directions, finds every event once and in order, whatever the order of arrival.
#[test]
fn pages_meet_without_gaps() {
    for seed in 0..20 {
        let (world, dice) = (World::new(), SimDice::new(seed));
        let mut expected = Vec::new();
        for n in 0..300 {
            let timestamp = dice.below(40) as Millis;
            expected.push((timestamp, n));
            world.logs.put(&key("g"), &format!("s{}", dice.below(4)).into(), vec![event(timestamp, n.to_string())]);
            if dice.one_in(20) {
                world.logs.step().unwrap();
            }
        }
        world.logs.step().unwrap();
        // Within one step events of one stream stand together, so only times are ordered.
        expected.sort();
        for newest_first in [false, true] {
            let (mut walked, mut beyond) = (Vec::new(), None);
            loop {
                let query = Query { beyond, newest_first, events_max: 1 + dice.roll() as usize % 17, ..all() };
                let found = world.logs.query(&key("g"), &query).unwrap();
                let page: Vec<_> =
                    found.events.iter().map(|e| (e.key.timestamp, e.message.parse::<i32>().unwrap())).collect();
                beyond = if newest_first { found.events.first() } else { found.events.last() }.map(|event| event.key);
                if newest_first {
                    walked.splice(0..0, page)
                } else {
                    walked.splice(walked.len().., page)
                };
                if !found.more {
                    break;
                }
            }
            assert!(walked.is_sorted_by_key(|(timestamp, _)| *timestamp), "seed {seed}");
            walked.sort();
            assert_eq!(walked, expected, "seed {seed}");
        }
    }
}

#[test]
fn a_kill_loses_nothing_and_a_power_cut_what_was_not_synced() {
    let world = World::new();
    world.put("a", vec![event(1, "one")]);
    world.disk.kill();
    let again = World { logs: World::open(&world.disk, &world.clock), ..world };
    assert_eq!(again.messages(&all()), ["one"]);
    assert_eq!(again.logs.stream(&key("g"), "a").unwrap().last, Some(1));
    again.put("a", vec![event(2, "two")]);
    again.logs.close().unwrap();
    again.put("a", vec![event(3, "three")]);
    again.disk.crash();
    let third = World { logs: World::open(&again.disk, &again.clock), ..again };
    let found = third.messages(&all());
    assert!(found.starts_with(&["one".to_owned(), "two".to_owned()]), "{found:?}");
    third.put("a", vec![event(4, "four")]);
    assert_eq!(third.messages(&all()).last().unwrap(), "four");
}

#[test]
fn segments_end_and_go_with_their_retention() {
    let world = World::new();
    let line = "x".repeat(100_000);
    for n in 0..200 {
        world.put("old", vec![event(NOW - 2 * DAY_MS, format!("{n}{line}"))]);
    }
    world.put("new", vec![event(NOW, "fresh")]);
    let before = world.logs.group(&key("g")).unwrap().stored_bytes;
    assert!(before > 20_000_000, "{before}");
    assert!(matches!(world.logs.set_retention(&key("g"), Some(2)), Err(LogsError::Invalid(_))));
    world.logs.set_retention(&key("g"), Some(1)).unwrap();
    assert_eq!(world.messages(&all()), ["fresh"], "what is too old is not shown, whether or not it is gone");
    world.logs.expire().unwrap();
    let after = world.logs.group(&key("g")).unwrap().stored_bytes;
    assert!(after < 8_500_000, "{after}: whole segments are gone");
    world.clock.advance(2 * DAY_MS);
    world.logs.expire().unwrap();
    assert_eq!(world.logs.group(&key("g")).unwrap().stored_bytes, 0);
    assert!(world.disk.files().iter().all(|(path, _)| !path.starts_with("/data/logs")));
    assert!(world.logs.streams(&key("g"), "").unwrap().is_empty());
    world.put("new", vec![event(NOW + 2 * DAY_MS, "again")]);
    assert_eq!(world.messages(&all()), ["again"]);
}

#[test]
fn what_does_not_fit_is_counted_where_it_is_missing() {
    let world = World::new();
    let line = "x".repeat(1 << 20);
    for _ in 0..20 {
        world.logs.put(&key("g"), &"a".into(), vec![event(1, line.clone()), event(1, "and")]);
    }
    world.logs.step().unwrap();
    let pattern = FilterPattern::parse("\"[millrace]\"").unwrap();
    let markers = world.messages(&Query { pattern, ..all() });
    assert_eq!(markers.len(), 1);
    assert!(markers[0].starts_with("[millrace] 10 log events are missing here"), "{}", markers[0]);
}

#[test]
fn a_failing_disk_is_told_and_its_losses_are_counted() {
    let world = World::new();
    world.put("a", vec![event(1, "one")]);
    world.disk.fail(Call::Write, 1, "/data/logs");
    world.logs.put(&key("g"), &"a".into(), vec![event(2, "two"), event(2, "2")]);
    assert!(matches!(world.logs.step(), Err(LogsError::Disk { .. })));
    world.put("a", vec![event(3, "three")]);
    let found = world.messages(&all());
    assert_eq!(found[..2], ["one".to_owned(), "three".to_owned()]);
    assert!(found[2].contains("2 log events are missing here"), "{found:?}");
}

#[test]
fn long_messages_are_cut_between_letters() {
    let world = World::new();
    let long = "ä".repeat(EVENT_BYTES_MAX);
    world.put("a", vec![event(1, long.clone())]);
    let (mut whole, mut query) = (String::new(), all());
    loop {
        let found = world.logs.query(&key("g"), &query).unwrap();
        found.events.iter().for_each(|event| whole.push_str(&event.message));
        query.beyond = found.events.last().map(|event| event.key);
        if !found.more {
            break;
        }
    }
    assert!(whole == long, "{} of {} bytes", whole.len(), long.len());
}

#[test]
fn groups_and_streams_are_made_and_removed() {
    let world = World::new();
    world.logs.create_group(&key("g"), BTreeMap::from([("a".into(), "b".into())])).unwrap();
    assert!(matches!(world.logs.create_group(&key("g"), BTreeMap::new()), Err(LogsError::GroupExists)));
    assert!(matches!(world.logs.put_now(&key("g"), "s", vec![event(1, "x")]), Err(LogsError::NoStream)));
    world.logs.create_stream(&key("g"), "s").unwrap();
    assert!(matches!(world.logs.create_stream(&key("g"), "s"), Err(LogsError::StreamExists)));
    world.logs.put_now(&key("g"), "s", vec![event(1, "x")]).unwrap();
    assert_eq!(world.messages(&all()), ["x"]);
    world.logs.delete_stream(&key("g"), "s").unwrap();
    assert!(world.messages(&all()).is_empty());
    world.logs.create_stream(&key("g"), "s").unwrap();
    assert!(world.messages(&all()).is_empty(), "a stream made again is empty");
    world.logs.delete_group(&key("g")).unwrap();
    assert!(matches!(world.logs.group(&key("g")), Err(LogsError::NoGroup)));
    assert!(world.disk.files().iter().all(|(path, _)| !path.starts_with("/data/logs")));
    world.put("s", vec![event(2, "y")]);
    let other = Scope::new("111111111111", "us-east-1");
    assert!(world.logs.groups(&other, |_| true).is_empty(), "scopes are walls");
    assert_eq!(world.logs.groups(&Scope::default(), |_| true)[0].tags, BTreeMap::new());
    assert!(world.clock.now() == NOW);
}

/// A process that dies between any two calls of the disk: what was acknowledged is there once, whatever was not may be. After
/// a power cut, what was synced is there.
#[test]
fn dying_at_any_moment_loses_nothing_that_was_promised() {
    for seed in 0..50 {
        let dice = SimDice::new(seed);
        let (disk, clock) = (Arc::new(SimDisk::new(seed)), Arc::new(SimClock::at(NOW)));
        let mut logs = World::open(&disk, &clock);
        let (mut acknowledged, mut tried, mut synced) = (Vec::new(), Vec::new(), 0);
        for life in 0..4 {
            disk.die_after(dice.below(120));
            let mut is_dying = false;
            for n in 0..40 {
                let message = format!("{life}/{n}{}", "x".repeat(if dice.one_in(8) { 900_000 } else { 0 }));
                let stream = format!("s{}", dice.below(3));
                tried.push(message.clone());
                let made = match logs.create_stream(&key("g"), &stream) {
                    Err(LogsError::NoGroup) => logs
                        .create_group(&key("g"), BTreeMap::new())
                        .and_then(|()| logs.create_stream(&key("g"), &stream)),
                    other => other,
                };
                let made = matches!(made, Ok(()) | Err(LogsError::StreamExists));
                if made && logs.put_now(&key("g"), &stream, vec![event(n, message.clone())]).is_ok() {
                    acknowledged.push(message);
                } else {
                    // A sync may have failed in it: from here on nothing is promised beyond the process's death.
                    is_dying = true;
                }
                if dice.one_in(5) && logs.close().is_ok() && !is_dying {
                    synced = acknowledged.len();
                }
            }
            if dice.one_in(3) {
                disk.crash();
                acknowledged.truncate(synced);
            } else {
                disk.kill();
            }
            logs = World::open(&disk, &clock);
            synced = acknowledged.len();
            let found = messages_of(&logs);
            for message in &acknowledged {
                let times = found.iter().filter(|other| *other == message).count();
                assert_eq!(times, 1, "seed {seed}, life {life}: {}", &message[..message.len().min(9)]);
            }
            assert!(found.iter().all(|message| tried.contains(message)), "seed {seed}, life {life}");
        }
    }
}

fn messages_of(logs: &Logs) -> Vec<String> {
    let (mut all_found, mut query) = (Vec::new(), all());
    loop {
        let found = match logs.query(&key("g"), &query) {
            Err(LogsError::NoGroup) => return Vec::new(),
            other => other.unwrap(),
        };
        query.beyond = found.events.last().map(|event| event.key);
        all_found.extend(found.events.into_iter().map(|event| event.message));
        if !found.more {
            return all_found;
        }
    }
}
