//! Lambda processors: what the function gets, what becomes of its answers, and what a function that fails does to nobody else.

use crate::world::{ROLE, World, answer, block, decoded, encoded, failures, lambda, partitioned, s3};
use millrace_deliver::{DeliveryStreamDefinition, TransformError};
use serde_json::{Value, json};

const ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function:enrich";

fn order(id: u64) -> (u128, String) {
    (u128::from(id % 2) * 200, format!("{{\"id\":{id}}}\n"))
}

fn transformed(parameters: &[(&str, &str)]) -> Value {
    s3(json!({ "Prefix": "data/", "ProcessingConfiguration": lambda(parameters, &[]) }))
}

fn object(world: &World, prefix: &str) -> String {
    let objects = world.objects();
    let found: Vec<_> = objects.iter().filter(|(key, _)| key.starts_with(prefix)).collect();
    assert_eq!(found.len(), 1, "{prefix}: {:?}", objects.keys());
    String::from_utf8(found[0].1.to_vec()).unwrap()
}

#[test]
fn a_function_is_asked_when_its_buffer_is_full_or_old() {
    let world = World::new(1);
    world.deliveries().create(&world.scope, transformed(&[("BufferIntervalInSeconds", "10")])).unwrap();
    let mut halves = world.halves("d");
    world.append(&[order(1), order(2)]);
    world.settle_both(&mut halves);
    world.clock.advance(9_999);
    world.settle_both(&mut halves);
    assert!(world.function.events.lock().is_empty());
    world.clock.advance(1);
    world.settle_both(&mut halves);
    let event = world.function.events.lock()[0].clone();
    assert_eq!(event["deliveryStreamArn"], "arn:aws:firehose:us-east-1:000000000000:deliverystream/d");
    assert_eq!(event["sourceKinesisStreamArn"], "arn:aws:kinesis:us-east-1:000000000000:stream/orders");
    assert_eq!((&event["region"], event["records"].as_array().unwrap().len()), (&json!("us-east-1"), 2));
    let record = &event["records"][1];
    assert_eq!(decoded(&record["data"]), order(1).1);
    assert_eq!(record["kinesisRecordMetadata"]["shardId"], "shardId-000000000001");
    assert_eq!(record["kinesisRecordMetadata"]["sequenceNumber"].as_str().unwrap().len(), 56);
    assert_eq!(record["approximateArrivalTimestamp"], crate::world::START);
    // A buffer that is full does not wait.
    let big = "x".repeat(600 << 10);
    world.append(&[(0, big.clone()), (0, big)]);
    world.settle_both(&mut halves);
    assert_eq!(world.function.events.lock().len(), 2);
}

#[test]
fn answers_are_delivered_dropped_and_set_aside() {
    let world = World::new(2);
    world.function.does(|event| {
        Ok(answer(event, |text| match text {
            "1" => json!({ "data": encoded("one\n") }),
            "2" => json!({ "result": "Dropped" }),
            _ => json!({ "result": "ProcessingFailed", "data": encoded("never seen") }),
        }))
    });
    let mut more = json!({ "ProcessingConfiguration": lambda(&[("BufferIntervalInSeconds", "0")], &[]) });
    more["Prefix"] = json!("data/");
    more["S3BackupMode"] = json!("Enabled");
    more["S3BackupConfiguration"] = json!({ "RoleARN": ROLE, "BucketARN": "arn:aws:s3:::lake", "Prefix": "backup/" });
    world.deliveries().create(&world.scope, s3(more)).unwrap();
    let mut halves = world.halves("d");
    world.append(&[(0, "1".to_owned()), (0, "2".to_owned()), (0, "3".to_owned())]);
    world.settle_both(&mut halves);
    world.clock.advance(60_000);
    world.settle_both(&mut halves);
    assert_eq!(object(&world, "data/"), "one\n");
    assert_eq!(object(&world, "backup/"), "123");
    let line = failures(object(&world, "errors/processing-failed/").as_bytes()).remove(0);
    let start = crate::world::START;
    assert_eq!(
        line,
        json!({ "attemptsMade": 1, "arrivalTimestamp": start, "errorCode": "Lambda.ProcessingFailedStatus",
            "errorMessage": "ProcessingFailed status set for record", "attemptEndingTimestamp": start,
            "rawData": "3", "lambdaArn": ARN })
    );
    let stats = halves.0.stats().snapshot();
    assert_eq!((stats.records_in, stats.records_failed, stats.oldest_pending), (3, 1, None));
}

#[test]
fn a_batch_that_fails_to_the_last_is_set_aside_and_the_next_goes_on() {
    for (code, words) in [
        ("Lambda.FunctionTimedOut", "Increase the Timeout"),
        ("Lambda.MissingRecordId", "One or more record Ids were not returned"),
        ("Lambda.FunctionError", "required format"),
    ] {
        let world = World::new(3);
        world.function.does(move |event| match code {
            "Lambda.FunctionTimedOut" => Err(TransformError::TimedOut("5 minutes".to_owned())),
            "Lambda.MissingRecordId" => Ok(json!({ "records": [] })),
            _ => Ok(answer(event, |_| json!({ "result": "Fine" }))),
        });
        let parameters = [("BufferIntervalInSeconds", "0"), ("NumberOfRetries", "2")];
        world.deliveries().create(&world.scope, transformed(&parameters)).unwrap();
        let mut halves = world.halves("d");
        world.append(&[order(1), order(2)]);
        world.settle_both(&mut halves);
        assert!(halves.0.stats().snapshot().last_error.unwrap().contains(words), "{code}");
        for _ in 0..3 {
            world.clock.advance(30_000);
            world.settle_both(&mut halves);
        }
        assert_eq!(world.function.events.lock().len(), 3, "asked once and twice again");
        let ids: Vec<_> = world.function.events.lock().iter().map(|event| event["invocationId"].clone()).collect();
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        world.function.does(|event| Ok(answer(event, |_| json!({}))));
        world.append(&[order(3)]);
        world.settle_both(&mut halves);
        world.clock.advance(60_000);
        world.settle_both(&mut halves);
        assert_eq!(object(&world, "data/"), order(3).1);
        let lines = failures(object(&world, "errors/processing-failed/").as_bytes());
        assert_eq!(lines.len(), 2);
        assert_eq!((&lines[0]["errorCode"], &lines[0]["attemptsMade"]), (&json!(code), &json!(3)));
        assert_eq!(lines[1]["rawData"], order(1).1);
        assert_eq!(halves.0.stats().snapshot().last_error, None);
    }
}

#[test]
fn a_function_finds_partitions() {
    let world = World::new(4);
    world.function.does(|event| {
        Ok(answer(event, |text| match text {
            "none" => json!({ "data": encoded(r#"{"kind":"x"}"#) }),
            "bad" => json!({ "metadata": { "partitionKeys": { "customer": "c" } } }),
            text => json!({ "data": encoded(r#"{"kind":"gold"}"#),
                "metadata": { "partitionKeys": { "customer": text } } }),
        }))
    });
    let query = json!({ "Type": "MetadataExtraction", "Parameters": [
        { "ParameterName": "MetadataExtractionQuery", "ParameterValue": "{kind: .kind}" } ] });
    let mut more = partitioned();
    more["Prefix"] = json!("c=!{partitionKeyFromLambda:customer}/k=!{partitionKeyFromQuery:kind}/");
    more["ProcessingConfiguration"] = lambda(&[("BufferIntervalInSeconds", "0")], &[query]);
    world.deliveries().create(&world.scope, s3(more)).unwrap();
    let mut halves = world.halves("d");
    world.append(&["ann", "bob", "none", "bad"].map(|text| (0, text.to_owned())));
    world.settle_both(&mut halves);
    world.clock.advance(60_000);
    world.settle_both(&mut halves);
    assert_eq!(object(&world, "c=ann/k=gold/d-1-"), r#"{"kind":"gold"}"#);
    assert_eq!(object(&world, "c=bob/k=gold/d-1-"), r#"{"kind":"gold"}"#);
    let lines = failures(object(&world, "errors/processing-failed/").as_bytes());
    let messages: Vec<_> = lines.iter().map(|line| line["errorMessage"].as_str().unwrap()).collect();
    assert!(messages[0].contains("the function gives no partition key 'customer'"), "{messages:?}");
    assert!(messages[1].contains("the record is no JSON"), "{messages:?}");
}

#[test]
fn documents_are_transformed_and_keep_their_ids() {
    let world = World::new(5);
    world.function.does(|event| Ok(answer(event, |text| json!({ "data": encoded(&format!(r#"{{"n":{text}}}"#)) }))));
    let s3 = json!({ "RoleARN": ROLE, "BucketARN": "arn:aws:s3:::lake", "Prefix": "backup/",
        "ErrorOutputPrefix": "errors/" });
    let body = json!({ "DeliveryStreamName": "d", "DeliveryStreamType": "KinesisStreamAsSource",
        "KinesisStreamSourceConfiguration":
            { "KinesisStreamARN": "arn:aws:kinesis:us-east-1:000000000000:stream/orders", "RoleARN": ROLE },
        "AmazonopensearchserviceDestinationConfiguration": { "RoleARN": ROLE,
            "DomainARN": "arn:aws:es:us-east-1:000000000000:domain/d", "IndexName": "orders",
            "IndexRotationPeriod": "NoRotation", "S3BackupMode": "AllDocuments", "S3Configuration": s3,
            "BufferingHints": { "SizeInMBs": 1, "IntervalInSeconds": 60 },
            "ProcessingConfiguration": lambda(&[("BufferIntervalInSeconds", "0")], &[]) } });
    world.deliveries().create(&world.scope, body).unwrap();
    let mut halves = world.halves("d");
    world.append(&[(0, "1".to_owned()), (0, "2".to_owned())]);
    world.settle_both(&mut halves);
    world.clock.advance(60_000);
    world.settle_both(&mut halves);
    let documents: Vec<_> = world.index.documents.lock().values().cloned().collect();
    assert_eq!(documents, [r#"{"n":1}"#, r#"{"n":2}"#]);
    assert_eq!(object(&world, "backup/"), "12");
}

#[test]
fn a_processor_that_comes_and_goes_loses_nothing() {
    let world = World::new(6);
    let deliveries = world.deliveries();
    deliveries.create(&world.scope, s3(json!({ "Prefix": "data/" }))).unwrap();
    world.function.does(|event| Ok(answer(event, |text| json!({ "data": encoded(&text.replace('{', "{F")) }))));
    let mut halves = world.halves("d");
    let mut version = 0;
    let mut id = 0;
    for enabled in [true, false, true] {
        id += 1;
        world.append(&[(0, format!("{{{id}}}"))]);
        world.settle_both(&mut halves);
        version += 1;
        let mut processing = lambda(&[("BufferIntervalInSeconds", "0")], &[]);
        processing["Enabled"] = json!(enabled);
        let update = json!({ "ExtendedS3DestinationUpdate": { "ProcessingConfiguration": processing } });
        let to = "destinationId-000000000001";
        deliveries.update_destination(&world.scope, "d", &version.to_string(), to, update).unwrap();
        for _ in 0..4 {
            world.clock.advance(10_000);
            world.settle_both(&mut halves);
        }
    }
    world.append(&[(0, "{4}".to_owned())]);
    world.settle_both(&mut halves);
    world.clock.advance(60_000);
    world.settle_both(&mut halves);
    let mut contents: Vec<_> =
        world.objects().into_values().map(|bytes| String::from_utf8(bytes.to_vec()).unwrap()).collect();
    contents.sort_unstable();
    assert_eq!(contents.concat(), "{1}{3}{F2}{F4}");
    block(deliveries.delete(&world.scope, "d")).unwrap();
    assert!(deliveries.get(&world.scope, "d").is_err());
}

#[test]
fn mistakes_in_a_processor_are_refused_by_name() {
    let cases = [
        (lambda(&[("NumberOfRetries", "301")], &[]), "from 0 to 300"),
        (lambda(&[("NumberOfRetries", "1.5")], &[]), "whole"),
        (lambda(&[("BufferSizeInMBs", "0.1")], &[]), "from 0.2 to 3"),
        (lambda(&[("BufferIntervalInSeconds", "901")], &[]), "from 0 to 900"),
        (lambda(&[("Colour", "red")], &[]), "takes no parameter Colour"),
        (json!({ "Enabled": true, "Processors": [{ "Type": "Lambda" }] }), "needs the parameter LambdaArn"),
        (
            json!({ "Enabled": true, "Processors": [{ "Type": "Lambda", "Parameters": [
                { "ParameterName": "LambdaArn", "ParameterValue": "enrich" } ] }] }),
            "is not the ARN of a function",
        ),
        (lambda(&[], &[lambda(&[], &[])["Processors"][0].clone()]), "one Lambda processor"),
    ];
    for (processing, words) in cases {
        let body = s3(json!({ "ProcessingConfiguration": processing }));
        let error = DeliveryStreamDefinition::from_json(body).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    let mut more = partitioned();
    more["Prefix"] = json!("!{partitionKeyFromLambda:c}/");
    let error = DeliveryStreamDefinition::from_json(s3(more)).unwrap_err().to_string();
    assert!(error.contains("needs a Lambda processor"), "{error}");
    let world = World::new(7);
    let body = transformed(&[("RoleArn", ROLE), ("NumberOfRetries", "0"), ("BufferSizeInMBs", "0.2")]);
    world.deliveries().create(&world.scope, body.clone()).unwrap();
    let shown = world.deliveries().describe(&world.scope, "d").unwrap();
    let members = &shown["Destinations"][0]["ExtendedS3DestinationDescription"];
    assert_eq!(
        members["ProcessingConfiguration"],
        body["ExtendedS3DestinationConfiguration"]["ProcessingConfiguration"]
    );
}
