//! S3 destinations.

use super::{DataFormatConversionConfiguration, ProcessingConfiguration};
use serde::{Deserialize, Serialize};

/// When a buffer becomes an object: when it is this large or this old, whichever is first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct BufferingHints {
    /// MB of source data. S3: 1 to 128, OpenSearch: 1 to 100.
    #[serde(rename = "SizeInMBs", default, skip_serializing_if = "Option::is_none")]
    pub size_in_mbs: Option<u32>,
    /// Seconds since its first record, 0 to 900.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_in_seconds: Option<u32>,
}

impl BufferingHints {
    /// S3's defaults.
    pub const DEFAULT: Self = Self { size_in_mbs: Some(5), interval_in_seconds: Some(300) };
}

/// How objects are compressed as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum CompressionFormat {
    /// Not at all.
    #[default]
    #[serde(rename = "UNCOMPRESSED")]
    Uncompressed,
    /// With gzip; the key ends in `.gz`.
    #[serde(rename = "GZIP")]
    Gzip,
    /// Not supported yet.
    #[serde(rename = "ZIP")]
    Zip,
    /// Not supported yet.
    Snappy,
    /// Not supported yet.
    #[serde(rename = "HADOOP_SNAPPY")]
    HadoopSnappy,
}

/// Whether the source records are kept, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum S3BackupMode {
    /// No.
    #[default]
    Disabled,
    /// Yes, as `S3BackupConfiguration` says.
    Enabled,
}

/// Server-side encryption of the objects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct EncryptionConfiguration {
    /// `NoEncryption`, which is all that is supported.
    pub no_encryption_config: String,
}

/// Where AWS would log failures. Only `Enabled: false` is supported.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct CloudWatchLoggingOptions {
    /// False.
    #[serde(default)]
    pub enabled: bool,
    /// The group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_group_name: Option<String>,
    /// The stream in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_stream_name: Option<String>,
}

/// How long a failing delivery is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct RetryOptions {
    /// 0 to 7200; 300 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_in_seconds: Option<u32>,
}

/// Whether `!{partitionKeyFromQuery:…}` splits the records.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct DynamicPartitioningConfiguration {
    /// On or off.
    #[serde(default)]
    pub enabled: bool,
    /// Kept for AWS; Millrace tries a store until it works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_options: Option<RetryOptions>,
}

/// Plain objects in a bucket: where failed documents and source records go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct S3DestinationConfiguration {
    /// The role that AWS would write with.
    #[serde(rename = "RoleARN")]
    pub role_arn: String,
    /// `arn:aws:s3:::bucket`
    #[serde(rename = "BucketARN")]
    pub bucket_arn: String,
    /// What the keys begin with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// What the keys of failures begin with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_output_prefix: Option<String>,
    /// When a buffer becomes an object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buffering_hints: Option<BufferingHints>,
    /// How objects are compressed.
    #[serde(default)]
    pub compression_format: CompressionFormat,
    /// Server-side encryption.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption_configuration: Option<EncryptionConfiguration>,
    /// Where AWS would log failures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud_watch_logging_options: Option<CloudWatchLoggingOptions>,
}

/// Objects in a bucket with everything that Firehose does on the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct ExtendedS3DestinationConfiguration {
    /// The role that AWS would write with.
    #[serde(rename = "RoleARN")]
    pub role_arn: String,
    /// `arn:aws:s3:::bucket`
    #[serde(rename = "BucketARN")]
    pub bucket_arn: String,
    /// What the keys begin with; may hold `!{…}` expressions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// What the keys of failures begin with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_output_prefix: Option<String>,
    /// When a buffer becomes an object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buffering_hints: Option<BufferingHints>,
    /// How objects are compressed.
    #[serde(default)]
    pub compression_format: CompressionFormat,
    /// Server-side encryption.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption_configuration: Option<EncryptionConfiguration>,
    /// Where AWS would log failures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud_watch_logging_options: Option<CloudWatchLoggingOptions>,
    /// What happens to each record on the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processing_configuration: Option<ProcessingConfiguration>,
    /// Whether the source records are kept, too.
    #[serde(default)]
    pub s3_backup_mode: S3BackupMode,
    /// Where they are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s3_backup_configuration: Option<S3DestinationConfiguration>,
    /// From JSON to Parquet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_format_conversion_configuration: Option<DataFormatConversionConfiguration>,
    /// Splitting by what is in the records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dynamic_partitioning_configuration: Option<DynamicPartitioningConfiguration>,
    /// What the keys end with, instead of `.gz` or `.parquet`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_extension: Option<String>,
    /// The zone of `!{timestamp:…}`; UTC by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom_time_zone: Option<String>,
}

impl ExtendedS3DestinationConfiguration {
    /// The conversion, when it is on.
    pub fn conversion(&self) -> Option<&DataFormatConversionConfiguration> {
        self.data_format_conversion_configuration.as_ref().filter(|conversion| conversion.enabled)
    }

    /// Whether records are split by what is in them.
    pub fn is_partitioned(&self) -> bool {
        self.dynamic_partitioning_configuration.as_ref().is_some_and(|partitioning| partitioning.enabled)
    }
}
