//! What AWS was recorded doing, or documents, one behaviour a test.

use super::world::{DLQ_ARN, ROLE, START, STREAM_ARN, World, answers, raises, texts};
use crate::InvokeError;
use crate::mapping::stream::Shard;
use millrace_base::{Scope, ShardId};
use millrace_log::hash_key;
use serde_json::{Value, json};

/// A world of one shard with a mapping from its start.
fn mapped(more: Value) -> (World, String, Shard) {
    let world = World::new(7, 1);
    let uuid = world.create(more).unwrap()["UUID"].as_str().unwrap().to_owned();
    let shard = world.shards(&uuid).into_values().next().unwrap();
    (world, uuid, shard)
}

fn put(world: &World, key: &str, texts: &[&str]) {
    let records: Vec<_> = texts.iter().map(|text| (key, text.as_bytes())).collect();
    assert!(world.put(&records));
}

fn dlq(more: Value) -> Value {
    let mut body = json!({ "DestinationConfig": { "OnFailure": { "Destination": DLQ_ARN } } });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

/// Fails every batch that has `poison` in it.
fn fails_on_poison(event: &Value) -> Result<crate::FunctionResponse, InvokeError> {
    if texts(event).iter().any(|text| text.contains("poison")) { raises() } else { answers("null") }
}

fn index(world: &World, uuid: &str) -> u64 {
    world.writer.flush().unwrap();
    world.checkpoints(uuid)[&ShardId(0)].index
}

#[test]
fn a_new_mapping_answers_with_awss_defaults() {
    let world = World::new(7, 1);
    let mut answer = world.create(json!({ "StartingPosition": "LATEST" })).unwrap();
    let uuid = answer["UUID"].as_str().unwrap().to_owned();
    assert_eq!(answer["LastModified"], json!(START as f64 / 1000.0));
    answer.as_object_mut().unwrap().remove("LastModified");
    let expected = json!({
        "BatchSize": 100,
        "BisectBatchOnFunctionError": false,
        "DestinationConfig": { "OnFailure": {} },
        "EventSourceArn": STREAM_ARN,
        "EventSourceMappingArn": format!("arn:aws:lambda:us-east-1:000000000000:event-source-mapping:{uuid}"),
        "FunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:f",
        "FunctionResponseTypes": [],
        "LastProcessingResult": "No records processed",
        "MaximumBatchingWindowInSeconds": 0,
        "MaximumRecordAgeInSeconds": -1,
        "MaximumRetryAttempts": -1,
        "ParallelizationFactor": 1,
        "StartingPosition": "LATEST",
        "State": "Creating",
        "StateTransitionReason": "User action",
        "TumblingWindowInSeconds": 0,
        "UUID": uuid,
    });
    assert_eq!(answer, expected);
}

#[test]
fn batches_have_exactly_their_size_and_at_once_what_is_there() {
    let (world, uuid, mut shard) = mapped(json!({ "BatchSize": 3 }));
    put(&world, "k", &["1", "2", "3", "4", "5", "6", "7"]);
    assert_eq!(world.settle(&mut shard), 3);
    assert_eq!(world.calls(), [vec!["1", "2", "3"], vec!["4", "5", "6"], vec!["7"]]);
    assert_eq!(index(&world, &uuid), 7);
    let event = world.script.events.lock()[0]["Records"][0].clone();
    assert_eq!((&event["invokeIdentityArn"], &event["eventSourceARN"]), (&json!(ROLE), &json!(STREAM_ARN)));
}

#[test]
fn a_batching_window_gathers_until_it_ends_or_the_batch_is_full() {
    let (world, _, mut shard) = mapped(json!({ "BatchSize": 3, "MaximumBatchingWindowInSeconds": 5 }));
    put(&world, "k", &["1"]);
    world.settle(&mut shard);
    world.clock.advance(3_000);
    put(&world, "k", &["2"]);
    assert_eq!(world.settle(&mut shard), 0);
    assert_eq!(shard.step(START + 3_000).wake_at, Some(START + 5_000));
    world.clock.advance(2_000);
    assert_eq!(world.settle(&mut shard), 1);
    put(&world, "k", &["3", "4", "5", "6"]);
    assert_eq!(world.settle(&mut shard), 1);
    assert_eq!(world.calls(), [vec!["1", "2"], vec!["3", "4", "5"]]);
}

#[test]
fn parts_of_a_gathered_batch_wait_a_moment_while_another_is_called() {
    let lanes = json!({ "BatchSize": 4, "MaximumBatchingWindowInSeconds": 5, "ParallelizationFactor": 2 });
    let (world, _, mut shard) = mapped(lanes);
    put(&world, "a", &["1", "2", "3"]);
    assert_eq!((world.settle(&mut shard), shard.step(START).wake_at), (0, Some(START + 5_000)));
    // Four of the shard; the key e has the other lane.
    put(&world, "e", &["4"]);
    let first = shard.step(START);
    assert_eq!((first.tasks.len(), first.wake_at), (1, Some(START + 400)));
    assert_eq!(shard.step(START + 399).tasks.len(), 0);
    let second = shard.step(START + 400);
    assert_eq!(second.tasks.len(), 1);
    for task in first.tasks.into_iter().chain(second.tasks) {
        shard.complete(world.run(task), START + 400);
    }
    put(&world, "a", &["5", "6", "7"]);
    put(&world, "e", &["8"]);
    assert_eq!(world.settle(&mut shard), 2, "they do not wait when none is called");
    assert_eq!(world.calls(), [vec!["4"], vec!["1", "2", "3"], vec!["8"], vec!["5", "6", "7"]]);
    put(&world, "e", &["9"]);
    put(&world, "a", &["10", "11", "12", "13", "14"]);
    assert_eq!(shard.step(START + 400).tasks.len(), 2, "a lane that has a whole batch does not wait");
}

#[test]
fn a_payload_is_at_most_six_megabytes() {
    let (world, _, mut shard) = mapped(json!({ "BatchSize": 10_000 }));
    let large = vec![b'x'; 1_000_000];
    world.put(&vec![("k", large.as_slice()); 9]);
    world.settle(&mut shard);
    let sizes: Vec<_> = world.calls().iter().map(Vec::len).collect();
    assert_eq!(sizes, [4, 4, 1]);
}

#[test]
fn a_record_that_no_payload_takes_is_given_up() {
    let (world, uuid, mut shard) = mapped(dlq(json!({ "BatchSize": 2 })));
    world.behave(|event| match texts(event).iter().any(|text| text.len() > 1_000) {
        true => Err(InvokeError::TooLarge { bytes: 7 << 20, kind: "RequestResponse", bytes_max: 6 << 20 }),
        false => answers("null"),
    });
    let large = "x".repeat(2_000);
    put(&world, "k", &["1", &large, "3"]);
    world.settle(&mut shard);
    assert_eq!(world.given_up()[0]["KinesisBatchInfo"]["batchSize"], 1);
    assert_eq!(world.given_up()[0].get("responseContext"), None);
    assert_eq!(index(&world, &uuid), 3);
}

#[test]
fn latest_is_what_was_durable_at_the_creation() {
    let world = World::new(7, 1);
    put(&world, "k", &["before"]);
    let uuid = world.create(json!({ "StartingPosition": "LATEST" })).unwrap()["UUID"].as_str().unwrap().to_owned();
    put(&world, "k", &["after"]);
    let world = world.restart(true);
    put(&world, "k", &["later"]);
    let mut shard = world.shards(&uuid).into_values().next().unwrap();
    world.settle(&mut shard);
    assert_eq!(world.calls(), [vec!["after", "later"]]);
}

#[test]
fn a_timestamp_is_exact_and_not_in_the_future() {
    let world = World::new(7, 1);
    for (text, wait) in [("1", 1), ("2", 1), ("3", 1)] {
        put(&world, "k", &[text]);
        world.clock.advance(wait);
    }
    let at = |millis: i64| json!({ "StartingPosition": "AT_TIMESTAMP", "StartingPositionTimestamp": millis as f64 / 1000.0 });
    let refused = world.create(at(START + 60_000)).unwrap_err().to_string();
    assert_eq!(refused, "StartingPositionTimestamp cannot be in the future");
    let answer = world.create(at(START + 1)).unwrap();
    assert_eq!(answer["StartingPositionTimestamp"], json!((START + 1) as f64 / 1000.0));
    let mut shard = world.shards(answer["UUID"].as_str().unwrap()).into_values().next().unwrap();
    world.settle(&mut shard);
    assert_eq!(world.calls(), [vec!["2", "3"]]);
}

#[test]
fn an_exhausted_batch_goes_to_its_destination_before_the_checkpoint_moves() {
    let (world, uuid, mut shard) = mapped(dlq(json!({ "BatchSize": 1, "MaximumRetryAttempts": 1 })));
    world.behave(fails_on_poison);
    put(&world, "k", &["poison", "good"]);
    *world.around.refuses.lock() = 1;
    world.settle_for(&mut shard, 400);
    assert_eq!((world.calls().len(), world.given_up().len()), (2, 0));
    assert_eq!(shard.trouble(), Some("arn:aws:sqs:us-east-1:000000000000:dlq took no record: it is away"));
    world.writer.flush().unwrap();
    assert_eq!(world.checkpoints(&uuid)[&ShardId(0)].index, 0);
    world.settle_for(&mut shard, 60_000);
    assert_eq!(world.calls(), [["poison"], ["poison"], ["good"]]);
    assert_eq!(shard.trouble(), None);
    let record = &world.given_up()[0];
    assert_eq!(record["requestContext"]["condition"], "RetryAttemptsExhausted");
    assert_eq!(record["requestContext"]["approximateInvokeCount"], 2);
    assert_eq!(
        record["responseContext"],
        json!({ "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled" })
    );
    assert_eq!(record["KinesisBatchInfo"]["streamArn"], STREAM_ARN);
    assert_eq!(world.around.delivered.lock()[0].0, DLQ_ARN);
    assert_eq!(index(&world, &uuid), 2);
}

#[test]
fn records_that_are_too_old_are_given_up_without_a_response() {
    let (world, uuid, mut shard) = mapped(dlq(json!({ "MaximumRecordAgeInSeconds": 60 })));
    put(&world, "k", &["old", "older"]);
    world.clock.advance(60_001);
    put(&world, "k", &["new"]);
    world.settle(&mut shard);
    assert_eq!(world.calls(), [["new"]]);
    let record = &world.given_up()[0];
    assert_eq!(record["requestContext"]["condition"], "RecordAgeExceeded");
    assert_eq!((record.get("responseContext"), &record["KinesisBatchInfo"]["batchSize"]), (None, &json!(2)));
    assert_eq!(index(&world, &uuid), 3);
}

#[test]
fn a_batch_that_fails_until_it_is_too_old_is_given_up() {
    let (world, _, mut shard) = mapped(dlq(json!({ "MaximumRecordAgeInSeconds": 60 })));
    world.behave(|_| raises());
    put(&world, "k", &["1"]);
    world.settle_for(&mut shard, 59_000);
    assert!(world.given_up().is_empty() && world.calls().len() > 3);
    assert_eq!(shard.trouble(), Some("the function fails"));
    world.settle_for(&mut shard, 40_000);
    assert_eq!(world.given_up()[0]["requestContext"]["condition"], "RecordAgeExceeded");
    assert_eq!(world.given_up()[0]["requestContext"]["approximateInvokeCount"], world.calls().len());
    assert_eq!(world.given_up()[0].get("responseContext"), None);
}

#[test]
fn without_a_destination_what_is_given_up_is_dropped() {
    let more = json!({ "MaximumRetryAttempts": 0, "BatchSize": 1, "MetricsConfig": { "Metrics": ["EventCount"] } });
    let (world, uuid, mut shard) = mapped(more);
    world.behave(fails_on_poison);
    put(&world, "k", &["poison", "good"]);
    world.settle(&mut shard);
    assert_eq!((world.calls().len(), index(&world, &uuid)), (2, 2));
    let counts = world.around.counts.lock().clone();
    let expected =
        [("DroppedEventCount", 1), ("FailedInvokeEventCount", 1), ("InvokedEventCount", 2), ("PolledEventCount", 2)];
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn whole_batches_fail_as_aws_was_recorded() {
    for answer in [
        r#"{"batchItemFailures": [{"itemIdentifier": ""}]}"#,
        r#"{"batchItemFailures": [{"itemIdentifier": null}]}"#,
        r#"{"batchItemFailures": [{"foo": "49"}]}"#,
        r#"{"batchItemFailures": [{"foo": null}]}"#,
        r#"{"batchItemFailures": [{"itemIdentifier": "record-not-in-batch"}]}"#,
        "exception",
    ] {
        let more =
            json!({ "BatchSize": 1, "MaximumRetryAttempts": 2, "FunctionResponseTypes": ["ReportBatchItemFailures"] });
        let (world, _, mut shard) = mapped(dlq(more));
        world.behave(move |_| if answer == "exception" { raises() } else { answers(answer) });
        put(&world, "test", &["hello"]);
        world.settle_for(&mut shard, 60_000);
        assert_eq!(world.calls(), [["hello"], ["hello"], ["hello"]], "{answer}");
        let record = &world.given_up()[0];
        assert_eq!(record["requestContext"]["approximateInvokeCount"], 3, "{answer}");
        let error = if answer == "exception" { json!("Unhandled") } else { Value::Null };
        assert_eq!(record["responseContext"]["functionError"], error, "{answer}");
    }
}

#[test]
fn whole_batches_succeed_as_aws_was_recorded() {
    for answer in [r#""""#, "[]", "null", "{}", r#"{"batchItemFailures": []}"#, r#"{"batchItemFailures": null}"#] {
        let (world, uuid, mut shard) = mapped(dlq(json!({ "FunctionResponseTypes": ["ReportBatchItemFailures"] })));
        world.behave(move |_| answers(answer));
        put(&world, "test", &["hello"]);
        world.settle_for(&mut shard, 60_000);
        assert_eq!((world.calls().len(), world.given_up().len(), index(&world, &uuid)), (1, 0, 1), "{answer}");
        assert_eq!(shard.status.last_result(), "OK");
    }
}

#[test]
fn a_report_resumes_at_the_lowest_failed_record() {
    let (world, uuid, mut shard) = mapped(dlq(json!({ "FunctionResponseTypes": ["ReportBatchItemFailures"] })));
    let mut call = 0;
    world.behave(move |event| {
        call += 1;
        let id = |at: usize| json!({ "itemIdentifier": event["Records"][at]["kinesis"]["sequenceNumber"] });
        if call == 1 { answers(json!({ "batchItemFailures": [id(3), id(1)] }).to_string()) } else { answers("") }
    });
    put(&world, "k", &["0", "1", "2", "3"]);
    world.settle(&mut shard);
    assert_eq!(index(&world, &uuid), 1);
    assert_eq!(shard.status.last_result(), "PROBLEM: Function call failed");
    world.settle_for(&mut shard, 1_000);
    assert_eq!(world.calls(), [vec!["0", "1", "2", "3"], vec!["1", "2", "3"]]);
    assert_eq!(index(&world, &uuid), 4);
}

#[test]
fn a_report_without_bisection_gives_up_the_rest_of_the_batch() {
    let more = json!({ "MaximumRetryAttempts": 1, "FunctionResponseTypes": ["ReportBatchItemFailures"] });
    let (world, _, mut shard) = mapped(dlq(more));
    world.behave(|event| {
        let records = event["Records"].as_array().unwrap();
        let bad =
            texts(event).iter().position(|text| text == "poison").map(|at| &records[at]["kinesis"]["sequenceNumber"]);
        answers(json!({ "batchItemFailures": bad.map(|id| [json!({ "itemIdentifier": id })]) }).to_string())
    });
    put(&world, "k", &["0", "poison", "2"]);
    world.settle_for(&mut shard, 10_000);
    assert_eq!(world.calls(), [vec!["0", "poison", "2"], vec!["poison", "2"]]);
    let record = &world.given_up()[0];
    assert_eq!(
        (&record["KinesisBatchInfo"]["batchSize"], &record["responseContext"]["functionError"]),
        (&json!(2), &Value::Null)
    );
}

#[test]
fn bisection_isolates_a_poison_record_and_uses_up_no_retries() {
    let more = json!({ "BisectBatchOnFunctionError": true, "MaximumRetryAttempts": 0 });
    let (world, uuid, mut shard) = mapped(dlq(more));
    world.behave(fails_on_poison);
    put(&world, "k", &["0", "1", "poison", "3", "4", "5", "6", "7"]);
    world.settle(&mut shard);
    let expected = [
        vec!["0", "1", "poison", "3", "4", "5", "6", "7"],
        vec!["0", "1", "poison", "3"],
        vec!["0", "1"],
        vec!["poison", "3"],
        vec!["poison"],
        vec!["3"],
        vec!["4", "5", "6", "7"],
    ];
    assert_eq!(world.calls(), expected);
    let record = &world.given_up()[0];
    assert_eq!(record["KinesisBatchInfo"]["batchSize"], 1);
    assert_eq!(record["requestContext"]["approximateInvokeCount"], 4);
    assert_eq!(index(&world, &uuid), 8);
}

#[test]
fn bisection_and_reports_together_split_at_the_lowest_failed_record() {
    let types = json!(["ReportBatchItemFailures"]);
    let more = json!({ "BisectBatchOnFunctionError": true, "MaximumRetryAttempts": 0, "FunctionResponseTypes": types });
    let (world, _, mut shard) = mapped(dlq(more));
    world.behave(|event| {
        let bad = texts(event).iter().position(|text| text == "poison");
        let ids = bad.map(|at| [json!({ "itemIdentifier": event["Records"][at]["kinesis"]["sequenceNumber"] })]);
        answers(json!({ "batchItemFailures": ids }).to_string())
    });
    put(&world, "k", &["0", "1", "poison", "3"]);
    world.settle(&mut shard);
    let expected = [vec!["0", "1", "poison", "3"], vec!["poison", "3"], vec!["poison"], vec!["3"]];
    assert_eq!(world.calls(), expected);
    assert_eq!(world.given_up()[0]["KinesisBatchInfo"]["batchSize"], 1);
}

#[test]
fn throttled_calls_are_no_attempts() {
    let (world, uuid, mut shard) = mapped(dlq(json!({ "MaximumRetryAttempts": 0 })));
    let mut call = 0;
    world.behave(move |_| {
        call += 1;
        let throttled = Err(InvokeError::Throttled { reason: "ReservedFunctionConcurrentInvocationLimitExceeded" });
        if call <= 5 { throttled } else { answers("") }
    });
    put(&world, "k", &["1"]);
    world.settle_for(&mut shard, 600_000);
    assert_eq!((world.calls().len(), world.given_up().len(), index(&world, &uuid)), (6, 0, 1));
}

#[test]
fn filters_look_at_each_record_and_are_passed_by() {
    let pattern = r#"{"data": {"kind": ["wanted"]}}"#;
    let (world, uuid, mut shard) = mapped(json!({ "FilterCriteria": { "Filters": [{ "Pattern": pattern }] } }));
    let (wanted, other) = (r#"{"kind": "wanted"}"#, r#"{"kind": "other"}"#);
    put(&world, "k", &[other, wanted, other, "no json", wanted, other]);
    world.settle(&mut shard);
    assert_eq!(world.calls(), [[wanted, wanted]]);
    assert_eq!(index(&world, &uuid), 6);
    put(&world, "k", &[other]);
    assert_eq!((world.settle(&mut shard), index(&world, &uuid)), (0, 7));
}

#[test]
fn aggregated_records_come_out_one_by_one_and_none_is_lost() {
    let (world, uuid, mut shard) = mapped(json!({ "BatchSize": 2 }));
    let field = |number: u8, bytes: &[u8]| [&[number << 3 | 2, bytes.len() as u8], bytes].concat();
    let mut message = [field(1, b"a"), field(1, b"b")].concat();
    for (key, data) in [(0, "1"), (1, "2"), (0, "3")] {
        message.extend(field(3, &[&[8, key][..], &field(3, data.as_bytes())].concat()));
    }
    let aggregate = [&[0xf3, 0x89, 0x9a, 0xc2], message.as_slice(), &hash_key(&message).to_be_bytes()].concat();
    assert!(world.put(&[("a", b"0"), ("a", &aggregate)]));
    let step = shard.step(START);
    for task in step.tasks {
        shard.complete(world.run(task), START);
    }
    world.writer.flush().unwrap();
    let checkpoint = world.checkpoints(&uuid).remove(&ShardId(0)).unwrap();
    assert_eq!((checkpoint.index, checkpoint.sub), (1, 1));
    // A restart goes on within the aggregate.
    let world = world.restart(true);
    world.settle(&mut world.shards(&uuid).into_values().next().unwrap());
    assert_eq!(world.calls(), [["0", "1"], ["2", "3"]]);
    let event = world.script.events.lock()[1].clone();
    assert_eq!(event["Records"][0]["kinesis"]["partitionKey"], "b");
    assert_eq!(index(&world, &uuid), 2);
}

#[test]
fn a_stuck_key_holds_up_no_other_lane() {
    let (world, uuid, mut shard) = mapped(json!({ "ParallelizationFactor": 10, "BatchSize": 1 }));
    world.behave(fails_on_poison);
    let keys: Vec<String> = (0..40).map(|key| format!("k{key}")).collect();
    let stuck = hash_key(b"k0") % 10;
    world.put(&[("k0", b"poison")]);
    for key in &keys {
        world.put(&[(key, key.as_bytes())]);
    }
    world.settle(&mut shard);
    let others = keys.iter().filter(|key| hash_key(key.as_bytes()) % 10 != stuck).count();
    assert_eq!(world.calls().len(), others + 1);
    assert_eq!(world.checkpoints(&uuid)[&ShardId(0)].index, 0);
}

#[test]
fn settings_change_while_a_batch_waits_and_positions_stay() {
    let (world, uuid, mut shard) = mapped(json!({ "BatchSize": 1 }));
    put(&world, "k", &["1"]);
    world.settle(&mut shard);
    let change = json!({ "BatchSize": 2, "ParallelizationFactor": 3, "FunctionName": "f:live" });
    let answer = world.mappings().update(&Scope::default(), &uuid, change).unwrap();
    assert_eq!(answer["FunctionArn"], "arn:aws:lambda:us-east-1:000000000000:function:f:live");
    shard.reconfigure(world.applied(&uuid));
    put(&world, "k", &["2", "3", "4"]);
    world.settle(&mut shard);
    assert_eq!(world.calls(), [vec!["1"], vec!["2", "3"], vec!["4"]]);
}

#[test]
fn expired_records_are_said_to_be_lost() {
    let (world, uuid, mut shard) = mapped(json!({ "BatchSize": 1 }));
    put(&world, "k", &["0"]);
    world.settle(&mut shard);
    drop(shard);
    world.writer.flush().unwrap();
    // What expires leaves with its segment.
    let filler = vec![b'x'; 900_000];
    world.put(&[("k", b"1"), ("k", b"2"), ("k", &filler)]);
    world.put(&[("k", &filler)]);
    world.clock.advance(25 * 3_600_000);
    world.put(&[("k", &filler)]);
    world.parts.log.trim_expired().unwrap();
    let mut shard = world.shards(&uuid).into_values().next().unwrap();
    shard.step(START + 25 * 3_600_000);
    let words = shard.status.last_result();
    assert!(words.starts_with("PROBLEM: ") && words.ends_with("expired before they were processed"), "{words}");
}

#[test]
fn a_consumer_has_to_be_registered() {
    let world = World::new(7, 1);
    let arn = |name: &str| format!("{STREAM_ARN}/consumer/{name}:1790000000");
    let refused = world.create(json!({ "EventSourceArn": arn("nobody") })).unwrap_err().to_string();
    assert!(refused.contains("nobody"), "{refused}");
    let uuid = world.create(json!({ "EventSourceArn": arn("fan") })).unwrap()["UUID"].as_str().unwrap().to_owned();
    put(&world, "k", &["1"]);
    world.settle(&mut world.shards(&uuid).into_values().next().unwrap());
    assert_eq!(world.script.events.lock()[0]["Records"][0]["eventSourceARN"], arn("fan"));
}

#[test]
fn refusals_are_in_awss_words() {
    let world = World::new(7, 1);
    let stream = |name: &str| format!("arn:aws:kinesis:us-east-1:000000000000:stream/{name}");
    let unsupported = "Unsupported ScalingConfig parameter for given event source mapping type.";
    let age = "MaximumRecordAgeInSeconds must be either -1 (forever) or between 60 and 604800 (inclusive)";
    let enumeration = "1 validation error detected: Value '0' at 'startingPosition' failed to satisfy constraint: Member must \
                       satisfy enum value set: [LATEST, AT_TIMESTAMP, TRIM_HORIZON]";
    let null = "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not \
                be null.";
    let size = "1 validation error detected: Value '0' at 'batchSize' failed to satisfy constraint: Member must have value \
                greater than or equal to 1";
    let lanes = "1 validation error detected: Value '11' at 'parallelizationFactor' failed to satisfy constraint: Member must \
                 have value less than or equal to 10";
    let cases = [
        (json!({ "EventSourceArn": null }), "Unrecognized event source."),
        (json!({ "EventSourceArn": "arn:aws:s3:::bucket" }), "Unrecognized event source."),
        (json!({ "FunctionName": "nobody" }), "Function does not exist"),
        (json!({ "FunctionName": "f:nothing" }), "Function does not exist"),
        (
            json!({ "EventSourceArn": stream("nothing") }),
            "Received Exception while reading from provided stream. Stream nothing under account 000000000000 not found.",
        ),
        (json!({ "StartingPosition": null }), null),
        (json!({ "StartingPosition": "0" }), enumeration),
        (json!({ "StartingPositionTimestamp": 1.0 }), "Timestamp only valid with StartingPosition AT_TIMESTAMP"),
        (
            json!({ "StartingPosition": "AT_TIMESTAMP", "StartingPositionTimestamp": -1.0 }),
            "Received Exception while reading from provided stream. class java.lang.Long can not be converted to a Timestamp",
        ),
        (json!({ "MaximumRecordAgeInSeconds": 30 }), age),
        (json!({ "BatchSize": 0 }), size),
        (json!({ "ParallelizationFactor": 11 }), lanes),
        (json!({ "ScalingConfig": { "MaximumConcurrency": 5 } }), unsupported),
        (json!({ "FilterCriteria": { "Filters": [{ "Pattern": "{" }] } }), "Invalid filter pattern definition."),
    ];
    for (more, words) in cases {
        assert_eq!(world.create(more.clone()).unwrap_err().to_string(), words, "{more}");
    }
    let kafka = world.create(json!({ "Topics": ["t"] })).unwrap_err().to_string();
    assert!(kafka.contains("Millrace does not support Topics"), "{kafka}");
}

#[test]
fn one_source_and_function_are_mapped_once() {
    let world = World::new(7, 1);
    let uuid = world.create(json!({})).unwrap()["UUID"].as_str().unwrap().to_owned();
    let expected = format!(
        "The event source arn (\" {STREAM_ARN} \") and function (\" f \") provided mapping already exists. Please update or \
         delete the existing mapping with UUID {uuid}"
    );
    assert_eq!(world.create(json!({})).unwrap_err().to_string(), expected);
    assert!(world.create(json!({ "FunctionName": "g" })).is_ok());
}

#[test]
fn an_answer_to_a_stranger_is_the_same_for_all_operations() {
    let mappings = World::new(7, 1).mappings();
    let (scope, uuid) = (Scope::default(), "00000000-0000-4000-8000-000000000000");
    let words = "The resource you requested does not exist.";
    assert_eq!(mappings.get(&scope, uuid).unwrap_err().to_string(), words);
    assert_eq!(mappings.update(&scope, uuid, json!({})).unwrap_err().to_string(), words);
    assert_eq!(super::world::block(mappings.delete(&scope, uuid)).unwrap_err().to_string(), words);
}
