//! What the doors of applications need of the room that runs them.

use millrace_base::{Millis, Scope};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A Flink SQL application as its owner describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplicationDefinition {
    /// Its name.
    pub name: String,
    /// Flink SQL.
    pub sql: String,
    /// For people.
    pub description: Option<String>,
    /// For example `FLINK-2_2`: kept and shown; there is one engine.
    pub runtime_environment: String,
    /// What its jobs act as.
    pub service_execution_role: String,
    /// Subtasks; the SQL's own `SET 'parallelism.default'` goes first.
    pub parallelism: Option<u32>,
    /// Between checkpoints; the SQL's own `SET 'execution.checkpointing.interval'` goes first.
    pub checkpoint_interval_ms: Option<u64>,
}

/// An application as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplicationState {
    /// What it is to do.
    pub definition: ApplicationDefinition,
    /// Greater at each update; from 1.
    pub version: u64,
    /// When it was created.
    pub created: Millis,
    /// When it was last changed.
    pub updated: Millis,
    /// True when its jobs run: `RUNNING`, else `READY`.
    pub running: bool,
    /// What it was last started from.
    pub restored: Restore,
}

/// What an application starts from: AWS's `ApplicationRestoreType`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Restore {
    /// The state it was stopped with.
    #[default]
    Latest,
    /// No state: where its sources say.
    Skip,
    /// A snapshot, by name.
    Snapshot(String),
}

/// A snapshot: state and positions of all jobs of an application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplicationSnapshot {
    /// Its name.
    pub name: String,
    /// When it was taken.
    pub created: Millis,
    /// The application's version then.
    pub version: u64,
    /// The application's runtime then.
    pub runtime_environment: String,
}

/// Why it was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnalyticsError {
    /// There is no such application or snapshot.
    NotFound(String),
    /// The name is taken, or the application is in another state.
    InUse(String),
    /// An argument cannot be.
    InvalidArgument(String),
    /// The application is in no state for it.
    InvalidRequest(String),
    /// The SQL cannot run.
    Code(String),
    /// Disk or catalog failed.
    Failed(String),
}

impl fmt::Display for AnalyticsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::NotFound(reason)
        | Self::InUse(reason)
        | Self::InvalidArgument(reason)
        | Self::InvalidRequest(reason)
        | Self::Code(reason)
        | Self::Failed(reason)) = self;
        f.write_str(reason)
    }
}

impl std::error::Error for AnalyticsError {}

/// Runs applications. Every method may wait for disks and for jobs that end.
pub trait AnalyticsRoom: Send + Sync + 'static {
    /// An application.
    fn describe(&self, scope: &Scope, name: &str) -> Result<ApplicationState, AnalyticsError>;
    /// All applications, by name.
    fn list(&self, scope: &Scope) -> Result<Vec<ApplicationState>, AnalyticsError>;
    /// Adds an application that does not run yet.
    fn create(&self, scope: &Scope, definition: ApplicationDefinition) -> Result<ApplicationState, AnalyticsError>;
    /// Ends and forgets an application with its snapshots.
    fn delete(&self, scope: &Scope, name: &str) -> Result<(), AnalyticsError>;
    /// Runs an application that does not.
    fn start(&self, scope: &Scope, name: &str, from: Restore) -> Result<(), AnalyticsError>;
    /// Ends its jobs, each with a last checkpoint.
    fn stop(&self, scope: &Scope, name: &str) -> Result<(), AnalyticsError>;
    /// Keeps state and positions of a running application as they are now.
    fn create_snapshot(&self, scope: &Scope, name: &str, snapshot: &str) -> Result<(), AnalyticsError>;
    /// Forgets a snapshot.
    fn delete_snapshot(&self, scope: &Scope, name: &str, snapshot: &str) -> Result<(), AnalyticsError>;
    /// An application's snapshots, the newest first.
    fn snapshots(&self, scope: &Scope, name: &str) -> Result<Vec<ApplicationSnapshot>, AnalyticsError>;
}
