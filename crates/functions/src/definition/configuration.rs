//! A version's configuration: defaults, and the rules beyond AWS's model, in AWS's words.

use super::FunctionsError;
use super::input::{ConfigurationInput, LoggingInput};
use super::packages::PackageRef;
use crate::{LogFormat, Logging};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// AWS's ceiling for all variables together, as JSON.
const ENVIRONMENT_BYTES_MAX: usize = 4096;
const TIMEOUT_DEFAULT_SECS: u32 = 3;
const MEMORY_DEFAULT_MIB: u32 = 128;
const EPHEMERAL_DEFAULT_MIB: u32 = 512;
/// Variables that Lambda itself sets (AWS's documentation of reserved environment variables).
const RESERVED: &[&str] = &[
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
];

/// What this machine runs, in AWS's words.
pub const ARCHITECTURE: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };

/// How a version runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Configuration {
    pub runtime: String,
    pub handler: String,
    pub role: String,
    pub description: String,
    pub timeout_secs: u32,
    pub memory_mib: u32,
    pub ephemeral_mib: u32,
    pub environment: BTreeMap<String, String>,
    /// In the order of the request.
    pub layers: Vec<AttachedLayer>,
    pub dead_letter: Option<String>,
    pub logging: LoggingConfiguration,
}

/// A layer version as a function holds it: it goes on working after the layer version was deleted, as on AWS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AttachedLayer {
    pub arn: String,
    pub package: PackageRef,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LoggingConfiguration {
    pub json: bool,
    pub application_level: Option<String>,
    pub system_level: Option<String>,
    pub group: String,
}

impl LoggingConfiguration {
    pub fn resolve(&self) -> Logging {
        Logging {
            format: if self.json { LogFormat::Json } else { LogFormat::Text },
            application_level: self.application_level.as_deref().map(Into::into),
            system_level: self.system_level.as_deref().map(Into::into),
            group: self.group.as_str().into(),
        }
    }

    fn change(&mut self, input: LoggingInput) -> Result<(), FunctionsError> {
        if let Some(format) = input.log_format {
            self.json = format == "JSON";
            (self.application_level, self.system_level) = match self.json {
                true => (Some("INFO".to_owned()), Some("INFO".to_owned())),
                false => (None, None),
            };
        }
        if !self.json && (input.application_log_level.is_some() || input.system_log_level.is_some()) {
            return Err(FunctionsError::invalid(
                "ApplicationLogLevel and SystemLogLevel are only available with LogFormat JSON.",
            ));
        }
        self.application_level = input.application_log_level.or(self.application_level.take());
        self.system_level = input.system_log_level.or(self.system_level.take());
        self.group = input.log_group.unwrap_or(std::mem::take(&mut self.group));
        Ok(())
    }
}

impl Configuration {
    /// The configuration of a new function; `layers` are those that its ARNs stand for.
    pub fn create(name: &str, input: ConfigurationInput, layers: Vec<AttachedLayer>) -> Result<Self, FunctionsError> {
        let required = |what: &str| {
            FunctionsError::invalid(format!(
                "{what} is mandatory if the function is created with a deployment package ZIP file."
            ))
        };
        let mut fresh = Self {
            runtime: input.runtime.clone().ok_or_else(|| required("Runtime"))?,
            handler: input.handler.clone().ok_or_else(|| required("Handler"))?,
            role: input.role.clone().unwrap_or_default(),
            description: String::new(),
            timeout_secs: TIMEOUT_DEFAULT_SECS,
            memory_mib: MEMORY_DEFAULT_MIB,
            ephemeral_mib: EPHEMERAL_DEFAULT_MIB,
            environment: BTreeMap::new(),
            layers: Vec::new(),
            dead_letter: None,
            logging: LoggingConfiguration {
                json: false,
                application_level: None,
                system_level: None,
                group: format!("/aws/lambda/{name}"),
            },
        };
        fresh.change(input, Some(layers))?;
        Ok(fresh)
    }

    /// Applies what a request says; `layers` when it names any.
    pub fn change(
        &mut self,
        input: ConfigurationInput,
        layers: Option<Vec<AttachedLayer>>,
    ) -> Result<(), FunctionsError> {
        check_architectures(input.architectures.as_deref())?;
        check_unsupported(&input)?;
        set(&mut self.runtime, input.runtime);
        set(&mut self.handler, input.handler);
        set(&mut self.role, input.role);
        set(&mut self.description, input.description);
        let size = input.ephemeral_storage.and_then(|storage| storage.size);
        set(&mut self.timeout_secs, within("timeout", input.timeout, 1, 900)?);
        set(&mut self.memory_mib, within("memorySize", input.memory_size, 128, 10_240)?);
        set(&mut self.ephemeral_mib, within("ephemeralStorage.size", size, 512, 10_240)?);
        set(&mut self.layers, layers);
        if let Some(environment) = input.environment {
            self.environment = environment.variables.unwrap_or_default();
            check_environment(&self.environment)?;
        }
        if let Some(target) = input.dead_letter_config {
            self.dead_letter = target.target_arn.filter(|arn| !arn.is_empty());
            check_dead_letter(self.dead_letter.as_deref())?;
        }
        if let Some(logging) = input.logging_config {
            self.logging.change(logging)?;
        }
        if !self.role.starts_with("arn:") {
            return Err(FunctionsError::invalid(format!("Role '{}' is not a role's ARN.", self.role)));
        }
        Ok(())
    }
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn within(what: &str, value: Option<i64>, min: u32, max: u32) -> Result<Option<u32>, FunctionsError> {
    let Some(value) = value else { return Ok(None) };
    let bound = match value {
        _ if value < i64::from(min) => format!("greater than or equal to {min}"),
        _ if value > i64::from(max) => format!("less than or equal to {max}"),
        _ => return Ok(u32::try_from(value).ok()),
    };
    Err(FunctionsError::Validation(format!(
        "Value '{value}' at '{what}' failed to satisfy constraint: Member must have value {bound}"
    )))
}

pub(super) fn check_architectures(given: Option<&[String]>) -> Result<(), FunctionsError> {
    match given.into_iter().flatten().find(|given| given.as_str() != ARCHITECTURE) {
        Some(other) => Err(FunctionsError::invalid(format!(
            "This machine is {ARCHITECTURE}: code for {other} cannot run on it. Build it for {ARCHITECTURE}, and say \
             so or leave Architectures out."
        ))),
        None => Ok(()),
    }
}

/// What AWS has and would change how the function runs, and Millrace does not have yet.
fn check_unsupported(input: &ConfigurationInput) -> Result<(), FunctionsError> {
    let tracing = input.tracing_config.as_ref().and_then(|tracing| tracing.mode.as_deref());
    if tracing == Some("Active") {
        return Err(FunctionsError::Unsupported(
            "Millrace does not support TracingConfig.Mode 'Active' yet: leave it out or say PassThrough.".to_owned(),
        ));
    }
    let snap = input.snap_start.as_ref().and_then(|snap| snap.apply_on.as_deref());
    if snap.is_some_and(|apply_on| apply_on != "None") {
        return Err(FunctionsError::Unsupported(
            "Millrace does not support SnapStart.ApplyOn 'PublishedVersions' yet: leave it out or say None.".to_owned(),
        ));
    }
    Ok(())
}

fn check_environment(variables: &BTreeMap<String, String>) -> Result<(), FunctionsError> {
    const UNABLE: &str = "Lambda was unable to configure your environment variables because the environment variables \
                          you have provided";
    let reserved: Vec<&str> = variables.keys().map(String::as_str).filter(|name| RESERVED.contains(name)).collect();
    if !reserved.is_empty() {
        return Err(FunctionsError::invalid(format!(
            "{UNABLE} contains reserved keys that are currently not supported for modification. Reserved keys used in \
             this request: {}",
            reserved.join(", ")
        )));
    }
    let json = serde_json::to_string(variables).unwrap_or_default();
    if json.len() > ENVIRONMENT_BYTES_MAX {
        return Err(FunctionsError::invalid(format!("{UNABLE} exceeded the 4KB limit. String measured: {json}")));
    }
    Ok(())
}

fn check_dead_letter(target: Option<&str>) -> Result<(), FunctionsError> {
    let Some(target) = target else { return Ok(()) };
    let service = target.split(':').nth(2).unwrap_or_default();
    match service {
        "sqs" | "sns" => Ok(()),
        _ => Err(FunctionsError::invalid(format!(
            "The target of DeadLetterConfig must be an SQS queue or an SNS topic, not {target}"
        ))),
    }
}
