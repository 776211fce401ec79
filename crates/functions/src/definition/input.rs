//! What requests say, in AWS's words, so that an API request's body and a template's properties are read alike.

use serde::Deserialize;
use std::collections::BTreeMap;

/// The configuration that `CreateFunction` and `UpdateFunctionConfiguration` share. What is absent is left as it is.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ConfigurationInput {
    /// For example `python3.13`.
    pub runtime: Option<String>,
    /// For example `app.handler`.
    pub handler: Option<String>,
    /// An IAM role's ARN.
    pub role: Option<String>,
    /// At most 256 characters.
    pub description: Option<String>,
    /// Seconds, 1 to 900.
    pub timeout: Option<i64>,
    /// MiB, 128 to 10,240.
    pub memory_size: Option<i64>,
    /// All variables; those before are gone.
    pub environment: Option<EnvironmentInput>,
    /// Where events go that were given up.
    pub dead_letter_config: Option<DeadLetterInput>,
    /// Only `PassThrough`.
    pub tracing_config: Option<TracingInput>,
    /// ARNs of layer versions.
    pub layers: Option<Vec<String>>,
    /// One: the machine's.
    pub architectures: Option<Vec<String>>,
    /// How much `/tmp` holds.
    pub ephemeral_storage: Option<EphemeralStorageInput>,
    /// Only `None`.
    pub snap_start: Option<SnapStartInput>,
    /// What is logged, how and where.
    pub logging_config: Option<LoggingInput>,
}

/// `Environment`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct EnvironmentInput {
    /// Names and values, 4 KB together.
    pub variables: Option<BTreeMap<String, String>>,
}

/// `DeadLetterConfig`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DeadLetterInput {
    /// An SQS queue's or SNS topic's ARN; empty for none.
    pub target_arn: Option<String>,
}

/// `TracingConfig`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TracingInput {
    /// `PassThrough` or `Active`.
    pub mode: Option<String>,
}

/// `EphemeralStorage`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct EphemeralStorageInput {
    /// MiB, 512 to 10,240.
    pub size: Option<i64>,
}

/// `SnapStart`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct SnapStartInput {
    /// `None` or `PublishedVersions`.
    pub apply_on: Option<String>,
}

/// `LoggingConfig`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct LoggingInput {
    /// `Text` or `JSON`.
    pub log_format: Option<String>,
    /// Of the function's own logger; only with JSON.
    pub application_log_level: Option<String>,
    /// Of the platform; only with JSON.
    pub system_log_level: Option<String>,
    /// Instead of `/aws/lambda/NAME`.
    pub log_group: Option<String>,
}

/// `CreateFunction` without its code.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CreateFunction {
    /// A name or an ARN.
    pub function_name: String,
    /// How it runs.
    #[serde(flatten)]
    pub configuration: ConfigurationInput,
    /// `Zip`.
    pub package_type: Option<String>,
    /// Publishes version 1 at once.
    pub publish: Option<bool>,
    /// At most 50.
    pub tags: Option<BTreeMap<String, String>>,
}

/// `UpdateFunctionConfiguration`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct UpdateFunctionConfiguration {
    /// A name or an ARN.
    pub function_name: String,
    /// Refused when it is not the current one.
    pub revision_id: Option<String>,
    /// What changes.
    #[serde(flatten)]
    pub configuration: ConfigurationInput,
}

/// `UpdateFunctionCode` without its code.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct UpdateFunctionCode {
    /// A name or an ARN.
    pub function_name: String,
    /// Refused when it is not the current one.
    pub revision_id: Option<String>,
    /// One: the machine's.
    pub architectures: Option<Vec<String>>,
    /// Publishes a version at once.
    pub publish: Option<bool>,
    /// Checks and answers, changes nothing.
    pub dry_run: Option<bool>,
}

/// `PublishVersion`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PublishVersion {
    /// A name or an ARN.
    pub function_name: String,
    /// Refused when the code is another.
    #[serde(rename = "CodeSha256")]
    pub code_sha256: Option<String>,
    /// Instead of the function's own.
    pub description: Option<String>,
    /// Refused when it is not the current one.
    pub revision_id: Option<String>,
}

/// `CreateAlias` and `UpdateAlias`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AliasInput {
    /// A name or an ARN.
    pub function_name: String,
    /// The alias's name.
    pub name: String,
    /// The version that it stands for.
    pub function_version: Option<String>,
    /// At most 256 characters.
    pub description: Option<String>,
    /// A second version and how often it is taken.
    pub routing_config: Option<RoutingInput>,
    /// Refused when it is not the current one. Only for updates.
    pub revision_id: Option<String>,
}

/// `RoutingConfig`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RoutingInput {
    /// At most one version, with the share of invocations that it gets, 0 to 1.
    pub additional_version_weights: Option<BTreeMap<String, f64>>,
}

/// `PutFunctionEventInvokeConfig` and `UpdateFunctionEventInvokeConfig`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct EventInvokeInput {
    /// 0 to 2.
    pub maximum_retry_attempts: Option<u32>,
    /// 60 to 21,600.
    pub maximum_event_age_in_seconds: Option<u32>,
    /// Where records of the outcome go.
    pub destination_config: Option<DestinationsInput>,
}

/// `DestinationConfig` of asynchronous invocations.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DestinationsInput {
    /// For events that were handled.
    pub on_success: Option<DestinationInput>,
    /// For events that were given up.
    pub on_failure: Option<DestinationInput>,
}

/// One destination.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DestinationInput {
    /// Its ARN.
    pub destination: Option<String>,
}

/// `AddPermission`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AddPermission {
    /// A name or an ARN.
    pub function_name: String,
    /// The statement's name.
    pub statement_id: String,
    /// For example `lambda:InvokeFunction`.
    pub action: String,
    /// A service, an account, an ARN or `*`.
    pub principal: String,
    /// Which resource may call.
    pub source_arn: Option<String>,
    /// Whose resource may call.
    pub source_account: Option<String>,
    /// Alexa's.
    pub event_source_token: Option<String>,
    /// Whose accounts may call.
    #[serde(rename = "PrincipalOrgID")]
    pub principal_org_id: Option<String>,
    /// A version or alias that the permission is for.
    pub qualifier: Option<String>,
    /// Refused when it is not the policy's current one.
    pub revision_id: Option<String>,
}

/// `PublishLayerVersion` without its content.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PublishLayerVersion {
    /// A name or an ARN.
    pub layer_name: String,
    /// At most 256 characters.
    pub description: Option<String>,
    /// What it says it runs with.
    pub compatible_architectures: Option<Vec<String>>,
    /// What it says it runs with.
    pub compatible_runtimes: Option<Vec<String>>,
    /// At most 512 characters.
    pub license_info: Option<String>,
}
