//! A delivery stream as `DescribeDeliveryStream` shows it.

use crate::DeliverError;
use crate::definition::{BufferingHints, DeliveryStream, DeliveryStreamDefinition, Destination};
use millrace_base::{Millis, Scope};
use serde_json::{Map, Value, json};

/// The `DeliveryStreamDescription`; every property of the definition is in it.
pub(crate) fn description(scope: &Scope, stream: &DeliveryStream) -> Result<Value, DeliverError> {
    let definition = &stream.definition;
    let name = &definition.delivery_stream_name;
    let mut description = json!({
        "DeliveryStreamName": name,
        "DeliveryStreamARN": scope.arn("firehose", &format!("deliverystream/{name}")).to_string(),
        "DeliveryStreamStatus": "ACTIVE",
        "DeliveryStreamEncryptionConfiguration": { "Status": "DISABLED" },
        "DeliveryStreamType": definition.delivery_stream_type,
        "VersionId": stream.version_id.to_string(),
        "CreateTimestamp": seconds(stream.create_timestamp),
        "Destinations": [destination(definition)?],
        "HasMoreDestinations": false,
    });
    if let Some(updated) = stream.last_update_timestamp {
        description["LastUpdateTimestamp"] = seconds(updated);
    }
    if let Some(source) = &definition.kinesis_stream_source_configuration {
        description["Source"] = json!({ "KinesisStreamSourceDescription": {
            "KinesisStreamARN": source.kinesis_stream_arn,
            "RoleARN": source.role_arn,
            "DeliveryStartTimestamp": seconds(stream.create_timestamp),
        }});
    }
    Ok(description)
}

fn seconds(at: Millis) -> Value {
    json!(at as f64 / 1000.0)
}

fn destination(definition: &DeliveryStreamDefinition) -> Result<Value, DeliverError> {
    let mut shown = Map::new();
    shown.insert("DestinationId".to_owned(), json!(DeliveryStreamDefinition::DESTINATION_ID));
    match definition.destination()? {
        Destination::S3(s3) => {
            let mut extended = members(s3)?;
            rename(&mut extended, "S3BackupConfiguration", "S3BackupDescription");
            if let Some(Value::Object(backup)) = extended.get_mut("S3BackupDescription") {
                defaults(backup);
            }
            defaults(&mut extended);
            let common = [
                "RoleARN",
                "BucketARN",
                "Prefix",
                "ErrorOutputPrefix",
                "BufferingHints",
                "CompressionFormat",
                "EncryptionConfiguration",
                "CloudWatchLoggingOptions",
            ];
            let plain: Map<_, _> = extended
                .iter()
                .filter(|(key, _)| common.contains(&key.as_str()))
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect();
            shown.insert("S3DestinationDescription".to_owned(), Value::Object(plain));
            shown.insert("ExtendedS3DestinationDescription".to_owned(), Value::Object(extended));
        }
        Destination::Search(search) => {
            let mut members = members(search)?;
            rename(&mut members, "S3Configuration", "S3DestinationDescription");
            if let Some(Value::Object(s3)) = members.get_mut("S3DestinationDescription") {
                defaults(s3);
            }
            members.entry("BufferingHints").or_insert_with(|| json!(BufferingHints::DEFAULT));
            members.entry("RetryOptions").or_insert_with(|| json!({ "DurationInSeconds": search.retry_secs() }));
            members
                .entry("DocumentIdOptions")
                .or_insert_with(|| json!({ "DefaultDocumentIdFormat": "FIREHOSE_DEFAULT" }));
            shown.insert("AmazonopensearchserviceDestinationDescription".to_owned(), Value::Object(members));
        }
    }
    Ok(Value::Object(shown))
}

fn members(configuration: &impl serde::Serialize) -> Result<Map<String, Value>, DeliverError> {
    match serde_json::to_value(configuration) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Ok(Map::new()),
        Err(error) => Err(DeliverError::InvalidArgument(error.to_string())),
    }
}

fn rename(members: &mut Map<String, Value>, from: &str, to: &str) {
    if let Some(value) = members.remove(from) {
        members.insert(to.to_owned(), value);
    }
}

/// What AWS shows when it was not given.
fn defaults(members: &mut Map<String, Value>) {
    members.entry("BufferingHints").or_insert_with(|| json!(BufferingHints::DEFAULT));
    members.entry("EncryptionConfiguration").or_insert_with(|| json!({ "NoEncryptionConfig": "NoEncryption" }));
    members.entry("CloudWatchLoggingOptions").or_insert_with(|| json!({ "Enabled": false }));
}
