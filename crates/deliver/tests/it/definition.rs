//! What is accepted, what is refused, and in which words.

use crate::world::{World, converted, create_table, partitioned, s3};
use millrace_deliver::DeliveryStreamDefinition;
use serde_json::{Value, json};

#[test]
fn mistakes_are_refused_by_name() {
    let with = |base: Value, change: Value| {
        let mut members = base;
        members.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        s3(members)
    };
    let cases = [
        (
            with(json!({}), json!({ "BufferingHints": { "SizeInMBs": 200, "IntervalInSeconds": 60 } })),
            "it has to be 1 to 128",
        ),
        (with(json!({}), json!({ "BufferingHints": { "SizeInMBs": 5 } })), "needs both"),
        (with(json!({}), json!({ "BufferingHints": { "SizeInMBs": 5, "IntervalInSeconds": 901 } })), "0 to 900"),
        (with(json!({}), json!({ "CompressionFormat": "ZIP" })), "CompressionFormat Zip is not supported yet"),
        (with(json!({}), json!({ "CompressionFormat": "zip" })), "unknown variant `zip`"),
        (with(json!({}), json!({ "Prefix": "!{partitionKeyFromQuery:x}/" })), "Dynamic Partitioning is enabled"),
        (
            with(json!({}), json!({ "Prefix": "!{timestamp:yyyy}/", "ErrorOutputPrefix": "" })),
            "ErrorOutputPrefix cannot be null",
        ),
        (with(json!({}), json!({ "ErrorOutputPrefix": "!{timestamp:yyyy}/" })), "error-output-type"),
        (with(json!({}), json!({ "CustomTimeZone": "Mars/Olympus" })), "is no time zone"),
        (with(json!({}), json!({ "FileExtension": "json" })), "FileExtension"),
        (with(json!({}), json!({ "S3BackupMode": "Enabled" })), "S3BackupConfiguration"),
        (with(json!({}), json!({ "Colour": "red" })), "Colour is not supported yet"),
        (with(json!({}), json!({ "CloudWatchLoggingOptions": { "Enabled": true } })), "CloudWatchLoggingOptions"),
        (with(json!({}), json!({ "BucketARN": "arn:aws:s3:::../x" })), "arn:aws:s3:::bucket"),
        (with(converted(), json!({ "CompressionFormat": "GZIP" })), "must be UNCOMPRESSED"),
        (with(converted(), json!({ "BufferingHints": { "SizeInMBs": 5, "IntervalInSeconds": 60 } })), "at least 64"),
        (
            with(
                partitioned(),
                json!({ "ProcessingConfiguration": { "Enabled": true, "Processors": [
            { "Type": "RecordDeAggregation" } ] } }),
            ),
            "RecordDeAggregation is not supported yet",
        ),
        (
            with(
                partitioned(),
                json!({ "ProcessingConfiguration": { "Enabled": true, "Processors": [
            { "Type": "MetadataExtraction", "Parameters": [
                { "ParameterName": "MetadataExtractionQuery", "ParameterValue": "{a: " } ] } ] } }),
            ),
            "no jq program",
        ),
        (json!({ "DeliveryStreamName": "d" }), "Exactly one destination"),
        (
            json!({ "DeliveryStreamName": "d", "HttpEndpointDestinationConfiguration": {} }),
            "HttpEndpointDestinationConfiguration is not supported",
        ),
        (json!({ "DeliveryStreamName": "a b", "S3DestinationConfiguration": {} }), "missing field"),
    ];
    for (body, reason) in cases {
        let error = DeliveryStreamDefinition::from_json(body.clone()).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}\n{body}");
    }
}

#[test]
fn every_property_comes_back_from_a_describe() {
    let world = World::new(1);
    create_table(&world.parts.tables, &world.scope);
    let mut members = converted();
    members["FileExtension"] = json!(".pq");
    members["CustomTimeZone"] = json!("Asia/Tokyo");
    let body = s3(members);
    let arn = world.deliveries().create(&world.scope, body.clone()).unwrap();
    assert_eq!(arn.to_string(), "arn:aws:firehose:us-east-1:000000000000:deliverystream/d");
    let shown = world.deliveries().describe(&world.scope, "d").unwrap();
    let extended = &shown["Destinations"][0]["ExtendedS3DestinationDescription"];
    for (key, value) in body["ExtendedS3DestinationConfiguration"].as_object().unwrap() {
        if key != "DataFormatConversionConfiguration" {
            assert_eq!(&extended[key], value, "{key}");
        }
    }
    assert_eq!(extended["DataFormatConversionConfiguration"]["SchemaConfiguration"]["TableName"], "orders");
    assert_eq!(
        shown["Source"]["KinesisStreamSourceDescription"]["KinesisStreamARN"],
        body["KinesisStreamSourceConfiguration"]["KinesisStreamARN"]
    );
    assert_eq!(shown["VersionId"], "1");
}

#[test]
fn updates_merge_and_need_the_version() {
    let world = World::new(2);
    let deliveries = world.deliveries();
    deliveries.create(&world.scope, s3(json!({ "Prefix": "a/" }))).unwrap();
    let id = "destinationId-000000000001";
    let update = |version: &str, update: Value| deliveries.update_destination(&world.scope, "d", version, id, update);
    let hints =
        json!({ "ExtendedS3DestinationUpdate": { "BufferingHints": { "SizeInMBs": 2, "IntervalInSeconds": 9 } } });
    update("1", hints.clone()).unwrap();
    let shown = deliveries.get(&world.scope, "d").unwrap();
    let s3 = shown.definition.extended_s3_destination_configuration.unwrap();
    assert_eq!(
        (shown.version_id, s3.prefix.as_deref(), s3.buffering_hints.unwrap().size_in_mbs),
        (2, Some("a/"), Some(2))
    );
    assert!(update("1", hints).unwrap_err().to_string().contains("do not match"));
    let other = json!({ "AmazonopensearchserviceDestinationUpdate": { "IndexName": "x" } });
    assert!(update("2", other).unwrap_err().to_string().contains("another type of destination"));
}
