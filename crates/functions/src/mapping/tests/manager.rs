//! The whole room on a runtime: states, changes while it runs, restarts, resharding.

#![allow(clippy::disallowed_methods, reason = "the driver is tested in real time")]

use super::world::{World, answers, raises};
use crate::mapping::Mappings;
use crate::mapping::ports::QueueFacts;
use millrace_base::Scope;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::runtime::{Handle, Runtime};

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Waits until something holds.
async fn until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..1_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("never: {what}");
}

fn state(mappings: &Mappings, uuid: &str) -> String {
    mappings.get(&Scope::default(), uuid).unwrap()["State"].as_str().unwrap().to_owned()
}

fn seen(world: &World) -> Vec<String> {
    world.calls().concat()
}

fn body(more: Value) -> Value {
    let mut body =
        json!({ "FunctionName": "f", "EventSourceArn": super::world::STREAM_ARN, "StartingPosition": "TRIM_HORIZON" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

#[test]
fn a_mapping_is_created_paused_changed_and_deleted_while_it_runs() {
    let runtime = runtime();
    let world = World::new(3, 1);
    runtime.block_on(async {
        let (scope, mappings) = (Scope::default(), world.mappings());
        mappings.start(Handle::current()).unwrap();
        let uuid = mappings.create(&scope, body(json!({}))).unwrap()["UUID"].as_str().unwrap().to_owned();
        until("it is enabled", || state(&mappings, &uuid) == "Enabled").await;
        world.put(&[("k", b"1")]);
        until("the first record is seen", || seen(&world) == ["1"]).await;
        let result = |words: &str| mappings.get(&scope, &uuid).unwrap()["LastProcessingResult"] == words;
        until("it went well", || result("OK")).await;
        let answer = mappings.update(&scope, &uuid, json!({ "UUID": uuid, "Enabled": false })).unwrap();
        assert_eq!(answer["State"], "Disabling");
        until("it rests", || state(&mappings, &uuid) == "Disabled").await;
        world.put(&[("k", b"2"), ("k", b"3")]);
        tokio::time::sleep(Duration::from_millis(30)).await;
        assert_eq!(seen(&world), ["1"]);
        let answer = mappings.update(&scope, &uuid, json!({ "Enabled": true, "BatchSize": 1 })).unwrap();
        assert_eq!((&answer["State"], &answer["BatchSize"]), (&json!("Enabling"), &json!(1)));
        until("it goes on where it was", || world.calls() == [["1"], ["2"], ["3"]]).await;
        assert_eq!(state(&mappings, &uuid), "Enabled");
        assert_eq!(mappings.update(&scope, &uuid, json!({ "BatchSize": 2 })).unwrap()["State"], "Updating");
        until("the change is applied", || state(&mappings, &uuid) == "Enabled").await;
        world.put(&[("k", b"4"), ("k", b"5")]);
        until("batches have the new size", || world.calls().last().unwrap() == &["4", "5"]).await;
        assert_eq!(mappings.delete(&scope, &uuid).await.unwrap()["State"], "Deleting");
        assert!(mappings.get(&scope, &uuid).is_err() && world.checkpoints(&uuid).is_empty());
        world.put(&[("k", b"6")]);
        tokio::time::sleep(Duration::from_millis(30)).await;
        assert_eq!(seen(&world).len(), 5);
        mappings.shutdown().await;
    });
}

#[test]
fn what_was_done_before_a_shutdown_is_not_done_again() {
    let runtime = runtime();
    let world = World::new(3, 2);
    runtime.block_on(async {
        let mappings = world.mappings();
        mappings.start(Handle::current()).unwrap();
        let uuid = mappings.create(&Scope::default(), body(json!({}))).unwrap()["UUID"].as_str().unwrap().to_owned();
        world.put(&[("a", b"1"), ("b", b"2"), ("c", b"3")]);
        until("all are seen", || seen(&world).len() == 3).await;
        until("all are done", || mappings.get(&Scope::default(), &uuid).unwrap()["LastProcessingResult"] == "OK").await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        mappings.shutdown().await;
        world.put(&[("a", b"4")]);
        let mappings = world.mappings();
        mappings.start(Handle::current()).unwrap();
        until("the new record is seen", || seen(&world).len() == 4).await;
        assert_eq!(seen(&world)[3], "4");
        mappings.shutdown().await;
    });
}

#[test]
fn children_follow_their_parents_without_a_poll() {
    let runtime = runtime();
    let world = World::new(3, 1);
    runtime.block_on(async {
        let mappings = world.mappings();
        mappings.start(Handle::current()).unwrap();
        mappings.create(&Scope::default(), body(json!({}))).unwrap();
        world.put(&[("a", b"1")]);
        until("the parent is read", || seen(&world) == ["1"]).await;
        let log = &world.parts.log;
        let info = log.split_shard(&world.orders(), millrace_base::ShardId(0), 1 << 127).unwrap();
        world.put(&[("a", b"2"), ("b", b"3"), ("c", b"4"), ("d", b"5")]);
        until("the children are read", || seen(&world).len() == 5).await;
        let open: Vec<_> = info.shards.iter().filter(|shard| shard.closed.is_none()).map(|shard| shard.id).collect();
        log.merge_shards(&world.orders(), open[0], open[1]).unwrap();
        world.put(&[("a", b"6")]);
        until("the grandchild is read", || seen(&world).len() == 6).await;
        mappings.shutdown().await;
    });
}

#[test]
fn a_consumer_that_is_deregistered_gets_nothing_more() {
    let runtime = runtime();
    let world = World::new(3, 1);
    runtime.block_on(async {
        let mappings = world.mappings();
        mappings.start(Handle::current()).unwrap();
        let consumer = format!("{}/consumer/fan:1790000000", super::world::STREAM_ARN);
        let created = mappings.create(&Scope::default(), body(json!({ "EventSourceArn": consumer }))).unwrap();
        let uuid = created["UUID"].as_str().unwrap();
        world.put(&[("a", b"1")]);
        until("the first record is seen", || seen(&world) == ["1"]).await;
        world.around.deregistered.store(true, Ordering::Relaxed);
        world.put(&[("a", b"2")]);
        let problem = format!("PROBLEM: Consumer {consumer} not found");
        let result = || mappings.get(&Scope::default(), uuid).unwrap()["LastProcessingResult"].clone();
        until("it says what is missing", || result() == problem.as_str()).await;
        world.put(&[("a", b"3")]);
        tokio::time::sleep(Duration::from_millis(30)).await;
        assert_eq!(seen(&world), ["1"]);
        mappings.shutdown().await;
    });
}

#[test]
fn a_queue_shows_its_problem_and_nothing_else() {
    let runtime = runtime();
    let world = World::new(3, 1);
    let queue = "arn:aws:sqs:us-east-1:000000000000:work";
    let exists = |there: bool| {
        let mut queues = world.around.queues.lock();
        queues.clear();
        if there {
            queues.insert(
                queue.parse::<millrace_base::Arn>().unwrap().name().to_owned(),
                QueueFacts { fifo: false, visibility_secs: 30 },
            );
        }
        world.around.arrived.notify_waiters();
    };
    exists(true);
    runtime.block_on(async {
        let mappings = world.mappings();
        mappings.start(Handle::current()).unwrap();
        // No call follows a message that the filters drop: its receive alone ends the problem.
        let filters = json!({ "Filters": [{ "Pattern": r#"{"body": ["other"]}"# }] });
        let more = json!({ "EventSourceArn": queue, "StartingPosition": null, "FilterCriteria": filters });
        let body = body(more);
        let uuid = mappings.create(&Scope::default(), body).unwrap()["UUID"].as_str().unwrap().to_owned();
        let result = || mappings.get(&Scope::default(), &uuid).unwrap().get("LastProcessingResult").cloned();
        until("it is enabled", || state(&mappings, &uuid) == "Enabled").await;
        assert_eq!(result(), None);
        exists(false);
        let problem = Some(json!("PROBLEM: The specified queue does not exist."));
        until("the missing queue is told", || result() == problem).await;
        exists(true);
        world.around.messages.lock().push_back(super::queues::message(1, "1"));
        world.clock.advance(60_000);
        until("nothing is wrong any more", || result().is_none()).await;
        mappings.shutdown().await;
    });
}

#[test]
fn a_stuck_shard_starves_no_other() {
    let runtime = runtime();
    let world = World::new(3, 2);
    runtime.block_on(async {
        let mappings = world.mappings();
        mappings.start(Handle::current()).unwrap();
        mappings.create(&Scope::default(), body(json!({}))).unwrap();
        world.behave(|event| {
            if event["Records"][0]["eventID"].as_str().unwrap().starts_with("shardId-000000000000") {
                raises()
            } else {
                answers("")
            }
        });
        // `a` lies in the first shard, `c` in the second: 0x0c… and 0x4a… of MD5 are below the middle, 0x92… is above.
        world.put(&[("a", b"stuck")]);
        for text in ["1", "2", "3"] {
            world.put(&[("b", text.as_bytes())]);
            until("the other shard goes on", || seen(&world).iter().any(|seen| seen == text)).await;
        }
        mappings.shutdown().await;
    });
}

#[test]
fn pages_and_filters_of_the_list() {
    let world = World::new(3, 1);
    let scope = Scope::default();
    let mappings = world.mappings();
    let first = mappings.create(&scope, body(json!({}))).unwrap();
    let second = mappings.create(&scope, body(json!({ "FunctionName": "g" }))).unwrap();
    let of_g = mappings.list(&scope, None, Some("g"), None, None).unwrap();
    assert_eq!(of_g.mappings.iter().map(|mapping| &mapping["UUID"]).collect::<Vec<_>>(), [&second["UUID"]]);
    assert!(mappings.list(&scope, Some("arn:aws:sqs:us-east-1:0:x"), None, None, None).unwrap().mappings.is_empty());
    let page = mappings.list(&scope, Some(super::world::STREAM_ARN), None, None, Some(1)).unwrap();
    let rest = mappings.list(&scope, None, None, page.next_marker.as_deref(), None).unwrap();
    let mut uuids: Vec<_> = page.mappings.iter().chain(&rest.mappings).map(|mapping| mapping["UUID"].clone()).collect();
    let mut expected = vec![first["UUID"].clone(), second["UUID"].clone()];
    uuids.sort_by_key(Value::to_string);
    expected.sort_by_key(Value::to_string);
    assert_eq!((uuids, rest.next_marker), (expected, None));
    let uuid = first["UUID"].as_str().unwrap();
    mappings.change_tags(&scope, uuid, |tags| drop(tags.insert("a".into(), "b".into()))).unwrap();
    assert_eq!(mappings.tags(&scope, uuid).unwrap()["a"], "b");
}

#[test]
fn records_that_name_their_schema_are_json_for_a_mapping_whose_tag_asks_for_it() {
    let runtime = runtime();
    let world = World::new(5, 1);
    runtime.block_on(async {
        let (scope, mappings) = (Scope::default(), world.mappings());
        mappings.start(Handle::current()).unwrap();
        let wrong = mappings.create(&scope, body(json!({ "Tags": { "millrace:event-record-format": "XML" } })));
        assert!(wrong.unwrap_err().to_string().contains("JSON or SOURCE"));
        let filter = json!({ "Filters": [{ "Pattern": r#"{"data":{"n":[1]}}"# }] });
        let more = json!({ "FilterCriteria": filter, "Tags": { "millrace:event-record-format": "JSON" } });
        let uuid = mappings.create(&scope, body(more)).unwrap()["UUID"].as_str().unwrap().to_owned();
        world.put(&[
            ("k", b"\x03{\"n\":1}"),
            ("k", b"\x03{\"n\":2}"),
            ("k", b"{\"n\":1,\"plain\":true}"),
            ("k", b"\x03!"),
        ]);
        // What cannot be read comes as it is, past the filters.
        let expected = ["{\"n\":1}", "{\"n\":1,\"plain\":true}", "\u{3}!"];
        until("three records are seen", || seen(&world) == expected).await;
        mappings.change_tags(&scope, &uuid, |tags| drop(tags.remove("millrace:event-record-format"))).unwrap();
        until("it is enabled", || state(&mappings, &uuid) == "Enabled").await;
        world.put(&[("k", b"\x03{\"n\":1}"), ("k", b"{\"n\":1,\"last\":true}")]);
        until("the frame does not match now", || seen(&world).len() == 4).await;
        assert_eq!(seen(&world)[3], "{\"n\":1,\"last\":true}");
        mappings.shutdown().await;
    });
}
