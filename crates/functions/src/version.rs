//! What running a function takes: one published state of its code and configuration, and where the runner gets it from.

use crate::{FunctionKey, InvokeError};
use millrace_base::{Disk, SystemDisk};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// A deployment package or a layer: an immutable zip file, named by its content.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Package {
    /// The SHA-256 of the zip, 64 lowercase hexadecimal digits. Packages with the same digest share one unpacked folder.
    pub sha256: Arc<str>,
    /// Where the zip lies. It stays there for as long as a version names it.
    pub zip: PathBuf,
}

/// `LoggingConfig.LogFormat`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum LogFormat {
    /// Lines as the function writes them, with START, END and REPORT around them.
    #[default]
    Text,
    /// JSON objects, with `platform.start` and `platform.report` around them.
    Json,
}

/// `LoggingConfig`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logging {
    /// Plain text or JSON.
    pub format: LogFormat,
    /// `TRACE`, `DEBUG`, `INFO`, `WARN`, `ERROR` or `FATAL`: what the runtime's own logger writes. Only with JSON.
    pub application_level: Option<Arc<str>>,
    /// `DEBUG`, `INFO` or `WARN`: which platform events are written. Only with JSON.
    pub system_level: Option<Arc<str>>,
    /// The log group, `/aws/lambda/NAME` unless the function names another.
    pub group: Arc<str>,
}

/// One version of a function as it was resolved: immutable, shared by all of its invocations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionVersion {
    /// Which function.
    pub key: FunctionKey,
    /// `$LATEST` or the number of a published version; never an alias.
    pub version: Arc<str>,
    /// The ARN that the function sees: with the qualifier (version or alias) that it was invoked with, without one if
    /// there was none.
    pub arn: Arc<str>,
    /// Another one after every change of code or configuration (`RevisionId` does): processes that were started for
    /// another revision finish what they do and take nothing new.
    pub revision: Arc<str>,
    /// For example `python3.13`, `nodejs22.x`, `provided.al2023`.
    pub runtime: Arc<str>,
    /// For example `app.handler`.
    pub handler: Arc<str>,
    /// The deployment package.
    pub code: Package,
    /// In the order in which they are laid over each other: a later one wins.
    pub layers: Vec<Package>,
    /// `Environment.Variables`.
    pub environment: BTreeMap<String, String>,
    /// 1 to 900.
    pub timeout_secs: u32,
    /// 128 to 10,240.
    pub memory_mib: u32,
    /// 512 to 10,240: how much `/tmp` may hold.
    pub ephemeral_mib: u32,
    /// Where and how logs are written.
    pub logging: Logging,
    /// Of the function, not of the version: `None` shares the account's executions, 0 stops it.
    pub reserved_concurrency: Option<u32>,
}

impl FunctionVersion {
    /// `NAME:VERSION`, for messages to people.
    pub fn label(&self) -> String {
        format!("{}:{}", self.key.name, self.version)
    }
}

/// `EventInvokeConfig` and `DeadLetterConfig`: what becomes of asynchronous invocations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventConfig {
    /// 0 to 2 attempts after the first that failed.
    pub retries_max: u32,
    /// 60 to 21,600 seconds: an event that waited for longer is given up.
    pub age_secs_max: u32,
    /// The ARN that a record of every success goes to.
    pub on_success: Option<Arc<str>>,
    /// The ARN that a record of every event that was given up goes to.
    pub on_failure: Option<Arc<str>>,
    /// `DeadLetterConfig.TargetArn`: gets the bare event when it is given up.
    pub dead_letter: Option<Arc<str>>,
}

impl Default for EventConfig {
    fn default() -> Self {
        Self { retries_max: 2, age_secs_max: 6 * 3600, on_success: None, on_failure: None, dead_letter: None }
    }
}

/// Where the runner finds functions. Called once an invocation, so an answer is a look into memory.
pub trait FunctionSource: Send + Sync + 'static {
    /// The version behind a qualifier: a number, `$LATEST`, or an alias (which may choose among two by their weights);
    /// `$LATEST` when there is none.
    ///
    /// `NotFound` when function, version or alias do not exist, `NotReady` while the function is not `Active`.
    fn resolve(&self, function: &FunctionKey, qualifier: Option<&str>) -> Result<Arc<FunctionVersion>, InvokeError>;

    /// What to do with asynchronous invocations of this function and qualifier.
    fn event_config(&self, function: &FunctionKey, qualifier: Option<&str>) -> EventConfig;

    /// A package's zip. Whoever keeps packages otherwise than as they are says how they are read.
    fn content(&self, package: &Package) -> io::Result<Vec<u8>> {
        SystemDisk.read(&package.zip)
    }
}
