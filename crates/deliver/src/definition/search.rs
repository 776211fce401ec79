//! OpenSearch destinations.

use super::s3::RetryOptions;
use super::{BufferingHints, CloudWatchLoggingOptions, ProcessingConfiguration, S3DestinationConfiguration};
use serde::{Deserialize, Serialize};

/// How often a new index is begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum IndexRotationPeriod {
    /// One index for ever.
    NoRotation,
    /// `name-yyyy-MM-dd-HH`
    OneHour,
    /// `name-yyyy-MM-dd`
    #[default]
    OneDay,
    /// `name-yyyy-w`
    OneWeek,
    /// `name-yyyy-MM`
    OneMonth,
}

/// Which documents are kept in the bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum SearchBackupMode {
    /// Those that the index did not take.
    #[default]
    FailedDocumentsOnly,
    /// All of them.
    AllDocuments,
}

/// Where document ids come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct DocumentIdOptions {
    /// `FIREHOSE_DEFAULT` (stable over retries) or `NO_DOCUMENT_ID` (the index makes them).
    pub default_document_id_format: String,
}

/// Documents in an index of an OpenSearch domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct AmazonopensearchserviceDestinationConfiguration {
    /// The role that AWS would write with.
    #[serde(rename = "RoleARN")]
    pub role_arn: String,
    /// The domain.
    #[serde(rename = "DomainARN")]
    pub domain_arn: String,
    /// The index, without the rotation's suffix.
    pub index_name: String,
    /// How often a new index is begun.
    #[serde(default)]
    pub index_rotation_period: IndexRotationPeriod,
    /// When a buffer becomes a bulk request; 5 MB and 300 s by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buffering_hints: Option<BufferingHints>,
    /// How long a failing request is tried again before its documents go to the bucket; 300 s by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_options: Option<RetryOptions>,
    /// Which documents are kept in the bucket.
    #[serde(default)]
    pub s3_backup_mode: SearchBackupMode,
    /// The bucket.
    pub s3_configuration: S3DestinationConfiguration,
    /// What happens to each record on the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processing_configuration: Option<ProcessingConfiguration>,
    /// Where AWS would log failures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud_watch_logging_options: Option<CloudWatchLoggingOptions>,
    /// Where document ids come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document_id_options: Option<DocumentIdOptions>,
}

impl AmazonopensearchserviceDestinationConfiguration {
    /// Whether documents get ids that are stable over retries.
    pub fn has_ids(&self) -> bool {
        self.document_id_options.as_ref().is_none_or(|options| options.default_document_id_format != "NO_DOCUMENT_ID")
    }

    /// How long a failing request is tried again, in seconds.
    pub fn retry_secs(&self) -> u32 {
        self.retry_options.and_then(|options| options.duration_in_seconds).unwrap_or(300)
    }
}
