//! Tumbling windows: which records they have, and what becomes of their state.

use super::world::{START, World, answers, raises, texts};
use crate::mapping::stream::Shard;
use millrace_testkit::SimDice;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::sync::Arc;

const MINUTE: i64 = 60_000;

fn windowed(more: Value) -> (World, String, Shard) {
    let world = World::new(7, 1);
    // Windows are aligned with the clock.
    world.clock.set(START - START % MINUTE);
    let mut body = json!({ "TumblingWindowInSeconds": 60, "BatchSize": 2 });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let uuid = world.create(body).unwrap()["UUID"].as_str().unwrap().to_owned();
    let shard = world.shards(&uuid).into_values().next().unwrap();
    (world, uuid, shard)
}

/// Adds what it gets to the state.
fn collects(event: &Value) -> Result<crate::FunctionResponse, crate::InvokeError> {
    let mut all = event["state"]["all"].as_array().cloned().unwrap_or_default();
    all.extend(texts(event).into_iter().map(Value::from));
    answers(json!({ "state": { "all": all } }).to_string())
}

fn finals(world: &World) -> Vec<Value> {
    world.script.events.lock().iter().filter(|event| event["isFinalInvokeForWindow"] == true).cloned().collect()
}

#[test]
fn a_state_goes_from_call_to_call_and_ends_with_its_window() {
    let (world, _, mut shard) = windowed(json!({}));
    world.behave(collects);
    world.put(&[("k", b"1"), ("k", b"2"), ("k", b"3")]);
    world.settle(&mut shard);
    world.clock.advance(MINUTE);
    world.put(&[("k", b"4")]);
    world.settle(&mut shard);
    assert_eq!(world.calls(), [vec!["1", "2"], vec!["3"], vec![], vec!["4"]]);
    let last = finals(&world).remove(0);
    assert_eq!(last["state"], json!({ "all": ["1", "2", "3"] }));
    assert_eq!(last["shardId"], "shardId-000000000000");
    assert_eq!(last["isWindowTerminatedEarly"], false);
    let window = &last["window"];
    assert_eq!((&window["start"], &window["end"]), (&json!("2026-09-21T14:13:00Z"), &json!("2026-09-21T14:14:00Z")));
    // The next window begins without a state, and ends by the clock alone.
    assert_eq!(world.script.events.lock()[3]["state"], json!({}));
    world.settle_for(&mut shard, 2 * MINUTE);
    assert_eq!(finals(&world)[1]["state"], json!({ "all": ["4"] }));
    assert_eq!(world.calls().len(), 5);
}

#[test]
fn a_state_that_is_too_large_ends_its_window_early() {
    let (world, _, mut shard) = windowed(json!({ "BatchSize": 1 }));
    world.behave(|event| match texts(event).first().map(String::as_str) {
        Some("large") => answers(json!({ "state": { "x": "x".repeat(2 << 20) } }).to_string()),
        _ => answers(json!({ "state": { "x": "small" } }).to_string()),
    });
    world.put(&[("k", b"large"), ("k", b"2")]);
    world.settle(&mut shard);
    let events = world.script.events.lock();
    assert_eq!(events[1]["isWindowTerminatedEarly"], true);
    assert_eq!(events[1]["isFinalInvokeForWindow"], true);
    assert_eq!(events[2]["state"], json!({}));
    assert_eq!((&events[2]["window"], events.len()), (&events[0]["window"], 3));
}

#[test]
fn a_failed_batch_is_called_with_the_same_state() {
    let (world, _, mut shard) = windowed(json!({ "MaximumRetryAttempts": 1, "BatchSize": 1 }));
    world.behave(|event| if texts(event).contains(&"bad".to_owned()) { raises() } else { collects(event) });
    world.put(&[("k", b"1"), ("k", b"bad"), ("k", b"3")]);
    world.settle_for(&mut shard, 2 * MINUTE);
    assert_eq!(world.calls(), [vec!["1"], vec!["bad"], vec!["bad"], vec!["3"], vec![]]);
    assert_eq!(world.script.events.lock()[2]["state"], json!({ "all": ["1"] }));
    assert_eq!(finals(&world)[0]["state"], json!({ "all": ["1", "3"] }));
}

#[test]
fn windows_and_parallel_lanes_are_refused_together() {
    let world = World::new(7, 1);
    let error = world.create(json!({ "TumblingWindowInSeconds": 60, "ParallelizationFactor": 2 })).unwrap_err();
    assert!(error.to_string().contains("does not support TumblingWindowInSeconds with a ParallelizationFactor"));
}

#[test]
fn a_switch_to_no_windows_closes_the_open_one() {
    let (world, uuid, mut shard) = windowed(json!({}));
    world.behave(collects);
    world.put(&[("k", b"1")]);
    world.settle(&mut shard);
    let change = json!({ "TumblingWindowInSeconds": 0, "ParallelizationFactor": 4 });
    world.mappings().update(&millrace_base::Scope::default(), &uuid, change).unwrap();
    shard.reconfigure(world.applied(&uuid));
    world.put(&[("k", b"2")]);
    world.settle(&mut shard);
    assert_eq!(finals(&world)[0]["state"], json!({ "all": ["1"] }));
    assert_eq!(world.calls(), [vec!["1"], vec![], vec!["2"]]);
    assert!(world.script.events.lock()[2].get("window").is_none());
}

/// Kills at any moment: every record is in the state of the last call of a window exactly once, however often it was called.
#[test]
fn states_and_positions_are_one_fact() {
    for seed in 0..200 {
        let dice = SimDice::new(seed);
        let (mut world, uuid, shard) = windowed(json!({ "BatchSize": 1 + dice.below(3) }));
        let mut shard = Some(shard);
        let mut pending = Vec::new();
        let ends = Arc::<Mutex<Vec<Value>>>::default();
        let (unlucky, seen) = (SimDice::new(seed ^ 1), ends.clone());
        world.behave(move |event| {
            if unlucky.one_in(6) {
                return raises();
            }
            if event["isFinalInvokeForWindow"] == true {
                seen.lock().push(event.clone());
            }
            collects(event)
        });
        let mut sent = 0;
        for _ in 0..80 {
            match dice.below(10) {
                0..=2 => {
                    sent += 1;
                    assert!(world.put(&[("k", sent.to_string().as_bytes())]));
                }
                3..=5 => pending.extend(shard.as_mut().unwrap().step(world.clock.advance(0)).tasks),
                6 => drop(pending.pop().map(|task| {
                    let outcome = world.run(task);
                    shard.as_mut().unwrap().complete(outcome, world.clock.advance(0));
                })),
                7 => drop(world.clock.advance(dice.below(30_000) as i64)),
                8 => world.writer.flush().unwrap(),
                _ if dice.one_in(3) => {
                    pending.clear();
                    drop(shard.take());
                    world = world.restart(dice.one_in(2));
                    shard = world.shards(&uuid).into_values().next();
                }
                _ => {}
            }
        }
        pending.into_iter().for_each(|task| {
            let outcome = world.run(task);
            shard.as_mut().unwrap().complete(outcome, world.clock.advance(0));
        });
        world.settle_for(shard.as_mut().unwrap(), 10 * MINUTE);
        audit(seed, sent, &ends.lock());
    }
}

/// A window that was closed more than once, around a kill, was closed with the same records each time or with more of them.
fn audit(seed: u64, sent: u64, ends: &[Value]) {
    let mut last: std::collections::BTreeMap<String, Vec<u64>> = Default::default();
    for event in ends {
        let all = event["state"]["all"].as_array().cloned().unwrap_or_default();
        let ids: Vec<u64> = all.iter().map(|id| id.as_str().unwrap().parse().unwrap()).collect();
        assert!(ids.is_sorted_by(|a, b| a < b), "seed {seed}: {ids:?}");
        last.insert(event["window"]["start"].to_string(), ids);
    }
    let mut all: Vec<u64> = last.into_values().flatten().collect();
    all.sort_unstable();
    assert_eq!(all, (1..=sent).collect::<Vec<_>>(), "seed {seed}");
}
