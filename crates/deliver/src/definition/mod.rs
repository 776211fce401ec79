//! What a delivery stream is, in the shapes of AWS's `CreateDeliveryStream`.
//!
//! Every property that is accepted works and comes back from a describe; one that is not known is refused by its name.

mod convert;
mod processing;
mod s3;
mod search;
mod validate;

pub use convert::{
    DataFormatConversionConfiguration, Deserializer, HiveJsonSerDe, InputFormatConfiguration, OpenXJsonSerDe,
    OutputFormatConfiguration, ParquetCompression, ParquetSerDe, SchemaConfiguration, Serializer, WriterVersion,
};
pub use processing::{LambdaProcessor, MetadataExtraction, ProcessingConfiguration, Processor, ProcessorParameter};
pub use s3::{
    BufferingHints, CloudWatchLoggingOptions, CompressionFormat, DynamicPartitioningConfiguration,
    EncryptionConfiguration, ExtendedS3DestinationConfiguration, RetryOptions, S3BackupMode,
    S3DestinationConfiguration,
};
pub use search::{
    AmazonopensearchserviceDestinationConfiguration, DocumentIdOptions, IndexRotationPeriod, SearchBackupMode,
};

use crate::DeliverError;
use millrace_base::Millis;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A number that AWS gives in seconds, counted in MB (2^20 bytes).
pub(crate) const MB: usize = 1 << 20;

/// Where the records come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum DeliveryStreamType {
    /// `PutRecord` and `PutRecordBatch`.
    #[default]
    DirectPut,
    /// A Kinesis stream.
    KinesisStreamAsSource,
}

/// The Kinesis stream that is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct KinesisStreamSourceConfiguration {
    /// The stream.
    #[serde(rename = "KinesisStreamARN")]
    pub kinesis_stream_arn: String,
    /// The role that AWS would read it with.
    #[serde(rename = "RoleARN")]
    pub role_arn: String,
}

/// A key and value on a delivery stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Tag {
    /// Its name.
    pub key: String,
    /// Its value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// The body of `CreateDeliveryStream`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct DeliveryStreamDefinition {
    /// 1 to 64 of `[a-zA-Z0-9_.-]`.
    pub delivery_stream_name: String,
    /// Where the records come from.
    #[serde(default)]
    pub delivery_stream_type: DeliveryStreamType,
    /// The stream that is read, if one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kinesis_stream_source_configuration: Option<KinesisStreamSourceConfiguration>,
    /// Where the records go, to S3,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extended_s3_destination_configuration: Option<ExtendedS3DestinationConfiguration>,
    /// or to OpenSearch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amazonopensearchservice_destination_configuration: Option<AmazonopensearchserviceDestinationConfiguration>,
    /// For people and bills.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
}

/// Where the records go.
#[derive(Debug, Clone, Copy)]
pub enum Destination<'a> {
    /// Objects in a bucket.
    S3(&'a ExtendedS3DestinationConfiguration),
    /// Documents in an index.
    Search(&'a AmazonopensearchserviceDestinationConfiguration),
}

/// A delivery stream as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DeliveryStream {
    /// What it was asked to be.
    pub definition: DeliveryStreamDefinition,
    /// Counts the changes, from 1; part of the objects' keys.
    pub version_id: u64,
    /// When it was created; also when it begins to read.
    pub create_timestamp: Millis,
    /// When it was changed last.
    pub last_update_timestamp: Option<Millis>,
}

impl DeliveryStreamDefinition {
    /// The one destination's id: a delivery stream has one.
    pub const DESTINATION_ID: &str = "destinationId-000000000001";

    /// Reads and checks the body of `CreateDeliveryStream`. The older `S3DestinationConfiguration` is read as the extended
    /// one, as AWS does.
    pub fn from_json(mut body: Value) -> Result<Self, DeliverError> {
        if let Some(plain) = body.as_object_mut().and_then(|body| body.remove("S3DestinationConfiguration")) {
            if body.get("ExtendedS3DestinationConfiguration").is_some() {
                return Err(DeliverError::InvalidArgument(
                    "Exactly one destination configuration is supported for a Firehose".into(),
                ));
            }
            body["ExtendedS3DestinationConfiguration"] = plain;
        }
        let definition: Self = serde_json::from_value(body).map_err(|error| of_serde(&error))?;
        definition.validate()?;
        Ok(definition)
    }

    /// The role that objects are written with; `copy`: what is kept of the source.
    pub(crate) fn object_role(&self, copy: bool) -> Result<&str, DeliverError> {
        Ok(match self.destination()? {
            Destination::S3(s3) => match &s3.s3_backup_configuration {
                Some(backup) if copy => &backup.role_arn,
                _ => &s3.role_arn,
            },
            Destination::Search(search) => &search.s3_configuration.role_arn,
        })
    }

    /// The role that functions are called with.
    pub(crate) fn lambda_role(&self) -> Result<&str, DeliverError> {
        Ok(match self.destination()? {
            Destination::S3(s3) => &s3.role_arn,
            Destination::Search(search) => &search.role_arn,
        })
    }

    /// Where the records go.
    pub fn destination(&self) -> Result<Destination<'_>, DeliverError> {
        match (&self.extended_s3_destination_configuration, &self.amazonopensearchservice_destination_configuration) {
            (Some(s3), None) => Ok(Destination::S3(s3)),
            (None, Some(search)) => Ok(Destination::Search(search)),
            _ => Err(DeliverError::InvalidArgument(
                "Exactly one destination configuration is supported for a Firehose".to_owned(),
            )),
        }
    }

    /// How long records wait in a buffer at the most, in seconds.
    pub fn interval_secs(&self) -> Option<u64> {
        let hints = match self.destination().ok()? {
            Destination::S3(s3) => s3.buffering_hints,
            Destination::Search(search) => search.buffering_hints,
        };
        hints.unwrap_or(BufferingHints::DEFAULT).interval_in_seconds.map(u64::from)
    }

    fn processing(&self) -> Option<&ProcessingConfiguration> {
        match self.destination().ok()? {
            Destination::S3(s3) => s3.processing_configuration.as_ref(),
            Destination::Search(search) => search.processing_configuration.as_ref(),
        }
    }

    /// The function that transforms the records, if there is one.
    pub fn lambda(&self) -> Option<LambdaProcessor> {
        self.processing()?.lambda()
    }

    /// Whether all source records are kept as they came.
    pub fn keeps_sources(&self) -> bool {
        match self.destination() {
            Ok(Destination::S3(s3)) => s3.s3_backup_mode == S3BackupMode::Enabled,
            Ok(Destination::Search(search)) => search.s3_backup_mode == SearchBackupMode::AllDocuments,
            Err(_) => false,
        }
    }

    /// This definition after an `UpdateDestination`: a destination of the same type is merged member by member, and one of
    /// another type is refused (AWS allows no switch to or from OpenSearch). S3 backup, once on, stays on.
    pub fn updated(&self, update: Value) -> Result<Self, DeliverError> {
        let Value::Object(update) = update else {
            return Err(DeliverError::InvalidArgument("An update is an object".to_owned()));
        };
        let mut body = serde_json::to_value(self).map_err(|error| DeliverError::InvalidArgument(error.to_string()))?;
        for (key, change) in update {
            let key = key.replace("DestinationUpdate", "DestinationConfiguration");
            let key =
                if key == "S3DestinationConfiguration" { "ExtendedS3DestinationConfiguration".to_owned() } else { key };
            let Some(old) = body.get_mut(&key) else {
                return Err(DeliverError::InvalidArgument(format!(
                    "{key} cannot be updated: the delivery stream {} has another type of destination",
                    self.delivery_stream_name
                )));
            };
            merge(old, rename_backup(change));
        }
        let updated = Self::from_json(body)?;
        let backed_up = |d: &Self| {
            let s3 = d.extended_s3_destination_configuration.as_ref();
            s3.is_some_and(|s3| s3.s3_backup_mode == S3BackupMode::Enabled)
        };
        if backed_up(self) && !backed_up(&updated) {
            return Err(DeliverError::InvalidArgument(
                "S3 backup cannot be disabled once it is enabled: leave S3BackupMode at Enabled".to_owned(),
            ));
        }
        Ok(updated)
    }
}

/// Members of structures are merged; everything else is replaced.
fn merge(old: &mut Value, change: Value) {
    match (old, change) {
        (Value::Object(old), Value::Object(change)) => {
            for (key, value) in change {
                match old.get_mut(&key) {
                    // A list of processors or a schema is one setting, not many.
                    Some(member) if key != "ProcessingConfiguration" && member.is_object() => merge(member, value),
                    _ => drop(old.insert(key, value)),
                }
            }
        }
        (old, change) => *old = change,
    }
}

fn rename_backup(mut change: Value) -> Value {
    if let Some(members) = change.as_object_mut() {
        for (from, to) in [("S3BackupUpdate", "S3BackupConfiguration"), ("S3Update", "S3Configuration")] {
            if let Some(value) = members.remove(from) {
                members.insert(to.to_owned(), value);
            }
        }
    }
    change
}

/// serde's refusals in words for people.
fn of_serde(error: &serde_json::Error) -> DeliverError {
    let text = error.to_string();
    match text.strip_prefix("unknown field `").and_then(|rest| rest.split_once('`')) {
        Some((property, known)) => {
            let known = known.trim_start_matches(", expected ").trim_start_matches("one of ");
            DeliverError::unsupported(property, &format!("remove it; its place takes {known}"))
        }
        None => DeliverError::InvalidArgument(text),
    }
}
