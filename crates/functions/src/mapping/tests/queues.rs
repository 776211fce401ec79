//! Mappings of queues.

use super::world::{World, answers, raises};
use crate::InvokeError;
use crate::mapping::MappingError;
use crate::mapping::ports::{QueueFacts, QueueMessage};
use crate::mapping::queue::{QueueReader, QueueTask};
use crate::mapping::status::Status;
use millrace_base::{Arn, Clock, Scope};
use serde_json::{Value, json};
use std::sync::Arc;

const QUEUE_ARN: &str = "arn:aws:sqs:us-east-1:000000000000:work";
const FIFO_ARN: &str = "arn:aws:sqs:us-east-1:000000000000:work.fifo";

fn world() -> World {
    let world = World::new(7, 1);
    // The double names a queue by what `Arn::name` gives.
    for (arn, fifo) in [(QUEUE_ARN, false), (FIFO_ARN, true)] {
        let name = arn.parse::<Arn>().unwrap().name().to_owned();
        world.around.queues.lock().insert(name, QueueFacts { fifo, visibility_secs: 30 });
    }
    world
}

fn create(world: &World, more: Value) -> Result<Value, MappingError> {
    let mut body = json!({ "EventSourceArn": QUEUE_ARN, "StartingPosition": null });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    world.create(body)
}

fn mapped(more: Value) -> (World, QueueReader) {
    let world = world();
    let uuid = create(&world, more).unwrap()["UUID"].as_str().unwrap().to_owned();
    let status = Arc::<Status>::default();
    let reader = QueueReader::new(world.parts.clone(), QUEUE_ARN.parse().unwrap(), status, world.applied(&uuid));
    (world, reader)
}

pub(super) fn message(id: usize, body: &str) -> QueueMessage {
    QueueMessage {
        message_id: format!("m{id}"),
        receipt_handle: format!("r{id}"),
        body: body.to_owned(),
        attributes: vec![("ApproximateReceiveCount".to_owned(), "1".to_owned())],
        message_attributes: Vec::new(),
        md5_of_body: "0".to_owned(),
        md5_of_message_attributes: None,
    }
}

fn send(world: &World, bodies: &[&str]) {
    let mut messages = world.around.messages.lock();
    let first = world.around.deleted.lock().len() + messages.len() + 1;
    messages.extend(bodies.iter().enumerate().map(|(at, body)| message(first + at, body)));
}

/// Carries out everything but a receive that would wait; keeps calls when told to. The calls that are kept.
fn settle(world: &World, reader: &mut QueueReader, keeps_calls: bool) -> Vec<QueueTask> {
    let mut kept = Vec::new();
    loop {
        let mut tasks = reader.step(world.clock.now()).tasks;
        let mut worked = false;
        while let Some(task) = tasks.pop() {
            match task {
                QueueTask::Receive(_) if world.around.messages.lock().is_empty() => kept.push(task),
                QueueTask::Call(..) if keeps_calls => kept.push(task),
                task => {
                    worked = true;
                    let outcome = super::world::block(task.run(world.parts.clone(), QUEUE_ARN.parse().unwrap()));
                    tasks.extend(reader.complete(outcome, world.clock.now()));
                }
            }
        }
        if !worked {
            return kept;
        }
    }
}

fn bodies(world: &World) -> Vec<Vec<String>> {
    let body = |record: &Value| record["body"].as_str().unwrap().to_owned();
    let events = world.script.events.lock();
    events.iter().map(|event| event["Records"].as_array().unwrap().iter().map(body).collect()).collect()
}

#[test]
fn a_new_mapping_answers_with_awss_defaults() {
    let world = world();
    let mut answer = create(&world, json!({})).unwrap();
    let uuid = answer["UUID"].as_str().unwrap().to_owned();
    answer.as_object_mut().unwrap().remove("LastModified");
    let expected = json!({
        "BatchSize": 10,
        "EventSourceArn": QUEUE_ARN,
        "EventSourceMappingArn": format!("arn:aws:lambda:us-east-1:000000000000:event-source-mapping:{uuid}"),
        "FunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:f",
        "FunctionResponseTypes": [],
        "MaximumBatchingWindowInSeconds": 0,
        "State": "Creating",
        "StateTransitionReason": "USER_INITIATED",
        "UUID": uuid,
    });
    assert_eq!(answer, expected);
}

#[test]
fn what_a_function_did_is_deleted() {
    let (world, mut reader) = mapped(json!({ "BatchSize": 3 }));
    send(&world, &["1", "2", "3", "4"]);
    settle(&world, &mut reader, false);
    assert_eq!(bodies(&world), [vec!["1", "2", "3"], vec!["4"]]);
    assert_eq!(*world.around.deleted.lock(), ["r1", "r2", "r3", "r4"]);
    assert!(reader.is_still());
}

#[test]
fn what_failed_stays_until_its_visibility_ends() {
    let (world, mut reader) = mapped(json!({}));
    world.behave(|_| raises());
    send(&world, &["1", "2"]);
    settle(&world, &mut reader, false);
    assert_eq!(bodies(&world), [["1", "2"]]);
    assert!(world.around.deleted.lock().is_empty() && world.around.shown.lock().is_empty() && reader.is_still());
}

#[test]
fn reported_messages_stay_and_the_others_are_deleted() {
    let (world, mut reader) = mapped(json!({ "FunctionResponseTypes": ["ReportBatchItemFailures"] }));
    world.behave(|_| answers(r#"{"batchItemFailures": [{"itemIdentifier": "m2"}]}"#));
    send(&world, &["1", "2", "3"]);
    settle(&world, &mut reader, false);
    assert_eq!(*world.around.deleted.lock(), ["r1", "r3"]);
    let (world, mut reader) = mapped(json!({ "FunctionResponseTypes": ["ReportBatchItemFailures"] }));
    world.behave(|_| answers(r#"{"batchItemFailures": [{"itemIdentifier": "stranger"}]}"#));
    send(&world, &["1", "2", "3"]);
    settle(&world, &mut reader, false);
    assert!(world.around.deleted.lock().is_empty());
}

#[test]
fn filtered_messages_are_deleted_unseen() {
    let filters = json!({ "Filters": [{ "Pattern": r#"{"body": {"kind": ["wanted"]}}"# }] });
    let (world, mut reader) =
        mapped(json!({ "FilterCriteria": filters, "MetricsConfig": { "Metrics": ["EventCount"] } }));
    send(&world, &[r#"{"kind": "wanted"}"#, r#"{"kind": "other"}"#, "no json"]);
    settle(&world, &mut reader, false);
    assert_eq!(bodies(&world), [[r#"{"kind": "wanted"}"#]]);
    let mut deleted = world.around.deleted.lock().clone();
    deleted.sort();
    assert_eq!(deleted, ["r1", "r2", "r3"]);
    assert_eq!(world.around.counts.lock()["FilteredOutEventCount"], 2);
}

#[test]
fn a_batching_window_gathers_over_receives() {
    let (world, mut reader) = mapped(json!({ "BatchSize": 100, "MaximumBatchingWindowInSeconds": 5 }));
    let many: Vec<String> = (0..25).map(|body| body.to_string()).collect();
    send(&world, &many.iter().map(String::as_str).collect::<Vec<_>>());
    settle(&world, &mut reader, false);
    assert!(bodies(&world).is_empty());
    world.clock.advance(5_000);
    settle(&world, &mut reader, false);
    assert_eq!(bodies(&world), [many]);
}

#[test]
fn concurrency_starts_at_five_grows_while_busy_and_stops_at_its_maximum() {
    let (world, mut reader) = mapped(json!({ "BatchSize": 1, "ScalingConfig": { "MaximumConcurrency": 7 } }));
    send(&world, &["x"; 30]);
    let calls = |kept: &[QueueTask]| kept.iter().filter(|task| matches!(task, QueueTask::Call(..))).count();
    assert_eq!(calls(&settle(&world, &mut reader, true)), 5);
    // The rest waits in the queue, where others can have it.
    assert_eq!(world.around.messages.lock().len(), 25);
    world.clock.advance(200);
    assert_eq!(calls(&settle(&world, &mut reader, true)), 1);
    world.clock.advance(60_000);
    assert_eq!(calls(&settle(&world, &mut reader, true)), 1);
    assert_eq!(world.around.messages.lock().len(), 23);
}

#[test]
fn a_throttled_batch_is_called_again_until_it_shows_by_itself() {
    let (world, mut reader) = mapped(json!({}));
    let mut call = 0;
    world.behave(move |_| {
        call += 1;
        if call < 3 { Err(InvokeError::Throttled { reason: "x" }) } else { answers("") }
    });
    send(&world, &["1"]);
    settle(&world, &mut reader, false);
    for _ in 0..10 {
        world.clock.advance(500);
        settle(&world, &mut reader, false);
    }
    assert_eq!((bodies(&world).len(), world.around.deleted.lock().len()), (3, 1));
    world.behave(|_| Err(InvokeError::Throttled { reason: "x" }));
    send(&world, &["2"]);
    settle(&world, &mut reader, false);
    world.clock.advance(30_000);
    settle(&world, &mut reader, false);
    assert!(reader.is_still());
}

#[test]
fn a_delete_that_failed_is_tried_again() {
    let (world, mut reader) = mapped(json!({}));
    *world.around.delete_fails.lock() = 2;
    send(&world, &["1"]);
    settle(&world, &mut reader, false);
    assert!(world.around.deleted.lock().is_empty() && !reader.is_still());
    assert_eq!(reader.status.last_result(), "PROBLEM: the disk is full");
    for _ in 0..4 {
        world.clock.advance(600);
        settle(&world, &mut reader, false);
    }
    assert_eq!(*world.around.deleted.lock(), ["r1"]);
    assert_eq!(bodies(&world).len(), 1);
    assert_eq!(reader.status.last_result(), "OK");
}

#[test]
fn a_mapping_that_rests_gives_back_what_it_gathered() {
    let (world, mut reader) = mapped(json!({ "MaximumBatchingWindowInSeconds": 5 }));
    send(&world, &["1", "2"]);
    settle(&world, &mut reader, false);
    let show = reader.stop().unwrap();
    super::world::block(show.run(world.parts.clone(), QUEUE_ARN.parse().unwrap()));
    assert_eq!(*world.around.shown.lock(), ["r1", "r2"]);
    assert!(reader.step(world.clock.now()).tasks.is_empty() && reader.is_still());
}

#[test]
fn refusals_are_in_awss_words() {
    let world = world();
    let cases = [
        (
            json!({ "BatchSize": 11 }),
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10",
        ),
        (json!({ "EventSourceArn": FIFO_ARN, "BatchSize": 11 }), "Batch size must not exceed 10 for FIFO queues"),
        (
            json!({ "EventSourceArn": FIFO_ARN, "MaximumBatchingWindowInSeconds": 1 }),
            "Batching window is not supported for FIFO queues",
        ),
        (json!({ "StartingPosition": "LATEST" }), "StartingPosition is not valid for SQS event sources."),
        (
            json!({ "EventSourceArn": "arn:aws:sqs:us-east-1:000000000000:nothing" }),
            "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: \
             The specified queue does not exist for this wsdl version.",
        ),
        (
            json!({ "ScalingConfig": { "MaximumConcurrency": 1 } }),
            "1 validation error detected: Value '1' at 'maximumConcurrency' failed to satisfy constraint: Member must have \
             value greater than or equal to 2",
        ),
        (
            json!({ "ParallelizationFactor": 2 }),
            "Unsupported ParallelizationFactor parameter for given event source mapping type.",
        ),
        (
            json!({ "DestinationConfig": { "OnFailure": { "Destination": QUEUE_ARN } } }),
            "Unsupported DestinationConfig parameter for given event source mapping type.",
        ),
    ];
    for (more, words) in cases {
        assert_eq!(create(&world, more.clone()).unwrap_err().to_string(), words, "{more}");
    }
    world.around.queues.lock().values_mut().for_each(|queue| queue.visibility_secs = 20);
    let words = "Queue visibility timeout: 20 seconds is less than Function timeout: 30 seconds";
    assert_eq!(create(&world, json!({})).unwrap_err().to_string(), words);
    assert!(world.mappings().list(&Scope::default(), None, None, None, None).unwrap().mappings.is_empty());
}
