//! What the adapters need of rooms that other parts of the server wire together.

use async_trait::async_trait;
pub use millrace_api::analytics::ApplicationDefinition;
use millrace_base::Scope;
use millrace_deliver::definition::DeliveryStreamDefinition;

/// Why a room would not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PortError {
    /// The name is taken.
    #[error("{0}")]
    Exists(String),
    /// There is none of that name.
    #[error("{0}")]
    Absent(String),
    /// The request is wrong.
    #[error("{0}")]
    Invalid(String),
    /// The room failed.
    #[error("{0}")]
    Failed(String),
}

/// What holds of everything that this server keeps and answers, so that a template may ask for it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Guarantees {
    /// What is written is sealed (`--encrypt`).
    pub sealed: bool,
    /// The lake lies in a store of its own (`--s3-endpoint`), which seals or does not.
    pub lake_elsewhere: bool,
    /// TLS is spoken, 1.2 at least.
    pub tls: bool,
    /// Other machines must speak it (`--tls required`).
    pub only_tls: bool,
}

/// The lake's buckets. Names are unique across accounts, as in S3.
pub trait BucketPort: Send + Sync {
    /// Adds an empty bucket.
    fn create(&self, scope: &Scope, name: &str) -> Result<(), PortError>;
    /// Removes a bucket that is empty; one that is not is [`PortError::Invalid`].
    fn delete(&self, scope: &Scope, name: &str) -> Result<(), PortError>;
    /// Whether this scope has it.
    fn exists(&self, scope: &Scope, name: &str) -> Result<bool, PortError>;
}

/// Delivery streams.
pub trait DeliveryPort: Send + Sync {
    /// Adds one and begins to deliver.
    fn create(&self, scope: &Scope, definition: DeliveryStreamDefinition) -> Result<(), PortError>;
    /// Replaces the destination of the one of that name; positions stay.
    fn update(&self, scope: &Scope, definition: DeliveryStreamDefinition) -> Result<(), PortError>;
    /// Ends and forgets it.
    fn delete(&self, scope: &Scope, name: &str) -> Result<(), PortError>;
    /// Whether this scope has it.
    fn exists(&self, scope: &Scope, name: &str) -> Result<bool, PortError>;
}

/// Search domains.
pub trait DomainPort: Send + Sync {
    /// Adds a domain. `properties` are the template's, kept for describing it.
    fn create(&self, scope: &Scope, name: &str, properties: &serde_json::Value) -> Result<(), PortError>;
    /// Keeps other properties.
    fn update(&self, scope: &Scope, name: &str, properties: &serde_json::Value) -> Result<(), PortError>;
    /// Forgets a domain.
    fn delete(&self, scope: &Scope, name: &str) -> Result<(), PortError>;
    /// Whether this scope has it.
    fn exists(&self, scope: &Scope, name: &str) -> Result<bool, PortError>;
    /// Host and port where its API answers, without a scheme, as AWS gives it.
    fn endpoint(&self, scope: &Scope, name: &str) -> String;
}

/// Flink SQL applications.
#[async_trait]
pub trait ApplicationPort: Send + Sync {
    /// Plans the SQL without running it; the error is rendered with line, caret and cure.
    fn check(&self, scope: &Scope, definition: &ApplicationDefinition) -> Result<(), PortError>;
    /// Adds an application and runs it.
    async fn create(&self, scope: &Scope, definition: ApplicationDefinition) -> Result<(), PortError>;
    /// Replaces the one of that name and runs it, from its last checkpoint where the state still fits.
    async fn update(&self, scope: &Scope, definition: ApplicationDefinition) -> Result<(), PortError>;
    /// Ends and forgets it with its checkpoints.
    async fn delete(&self, scope: &Scope, name: &str) -> Result<(), PortError>;
    /// Whether this scope has it.
    fn exists(&self, scope: &Scope, name: &str) -> Result<bool, PortError>;
}
