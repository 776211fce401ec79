//! The contract between a deploy and the services: one small adapter for each AWS type.

use async_trait::async_trait;
use millrace_base::Scope;
use serde_json::Value;
use std::collections::BTreeMap;

/// For which resource of which stack an adapter is called.
#[derive(Debug, Clone)]
pub struct Context {
    /// The stack's account and region.
    pub scope: Scope,
    /// The stack's name.
    pub stack: String,
    /// The resource's name in the template.
    pub logical_id: String,
    /// A name that is unique in the scope, for a resource that the template does not name: `STACK-LOGICALID-HASH`.
    pub generated_name: String,
    /// True when an earlier deploy died while it created this very resource: what is there under the name is then ours.
    pub resuming: bool,
}

/// What a creation or an update in place made.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Created {
    /// What `Ref` resolves to.
    pub physical_id: String,
    /// What `Fn::GetAtt` resolves to.
    pub attributes: BTreeMap<String, Value>,
}

impl Created {
    /// With these attributes.
    pub fn new<const N: usize>(physical_id: impl Into<String>, attributes: [(&str, String); N]) -> Self {
        let attributes = attributes.into_iter().map(|(name, value)| (name.to_owned(), Value::String(value))).collect();
        Self { physical_id: physical_id.into(), attributes }
    }
}

/// What became of an update.
#[derive(Debug, Clone, PartialEq)]
pub enum Updated {
    /// Changed; the same resource still.
    InPlace(Created),
    /// Nothing was changed: this needs a new resource. With the reason.
    NeedsReplacement(String),
}

/// Why a service would not do what it was asked for. Nothing was changed.
#[derive(Debug, Clone, thiserror::Error, PartialEq)]
pub enum ResourceError {
    /// The name is taken by a resource that this stack did not make.
    #[error("{0}")]
    Exists(String),
    /// A property cannot be as it is.
    #[error("{message}")]
    Property {
        /// Its path below `Properties`, for example `TableInput.StorageDescriptor`; empty for all of them.
        path: String,
        /// What is wrong and what would be right.
        message: String,
    },
    /// The service failed.
    #[error("{0}")]
    Failed(String),
}

impl ResourceError {
    /// A property that cannot be as it is.
    pub fn property(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Property { path: path.into(), message: message.into() }
    }
}

/// How resources of one type are made, changed and removed. Every method may be repeated after a crash.
#[async_trait]
pub trait ResourceType: Send + Sync {
    /// The properties that are honoured, as paths below `Properties`: `A.B` means all of `B`, `*` is any one member or
    /// index. Every other property that a template gives is an error with its line.
    fn properties(&self) -> &'static [&'static str];

    /// Looks at properties before anything is changed. References to resources that do not exist yet are still objects
    /// (`{"Ref": …}`, `{"Fn::GetAtt": …}`), so what cannot be judged yet passes.
    fn check(&self, ctx: &Context, properties: &Value) -> Result<(), ResourceError> {
        let _ = (ctx, properties);
        Ok(())
    }

    /// Creates the resource. A name that is taken is [`ResourceError::Exists`], unless `ctx.resuming`.
    async fn create(&self, ctx: &Context, properties: &Value) -> Result<Created, ResourceError>;

    /// Changes the resource from `old` to `new` properties, or says that it takes a new one.
    async fn update(
        &self,
        ctx: &Context,
        physical_id: &str,
        old: &Value,
        new: &Value,
    ) -> Result<Updated, ResourceError>;

    /// Removes the resource; one that is gone already is removed.
    async fn delete(&self, ctx: &Context, physical_id: &str, properties: &Value) -> Result<(), ResourceError>;

    /// Whether the resource is still there. One that somebody removed by hand is created again by the next deploy.
    async fn exists(&self, ctx: &Context, physical_id: &str, properties: &Value) -> Result<bool, ResourceError>;
}

/// Says whether whoever deploys may have a resource as it is to be.
pub trait Approver: Send + Sync {
    /// Asked right before a resource is created or changed; its properties have no references left.
    fn approve(&self, type_name: &str, ctx: &Context, properties: &Value) -> Result<(), ResourceError>;
}

/// Whoever it is may do everything.
pub struct Anybody;

impl Approver for Anybody {
    fn approve(&self, _: &str, _: &Context, _: &Value) -> Result<(), ResourceError> {
        Ok(())
    }
}

/// What happens to a resource, in CloudFormation's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// Being created.
    CreateInProgress,
    /// There.
    CreateComplete,
    /// Not created.
    CreateFailed,
    /// Being changed.
    UpdateInProgress,
    /// Changed.
    UpdateComplete,
    /// Not changed.
    UpdateFailed,
    /// Being removed.
    DeleteInProgress,
    /// Removed.
    DeleteComplete,
    /// Not removed.
    DeleteFailed,
    /// Left where it is, out of the stack, because its policy says `Retain`.
    DeleteSkipped,
    /// As it was before.
    Unchanged,
}

impl Status {
    /// The word, for example `CREATE_COMPLETE`.
    pub fn word(self) -> &'static str {
        match self {
            Self::CreateInProgress => "CREATE_IN_PROGRESS",
            Self::CreateComplete => "CREATE_COMPLETE",
            Self::CreateFailed => "CREATE_FAILED",
            Self::UpdateInProgress => "UPDATE_IN_PROGRESS",
            Self::UpdateComplete => "UPDATE_COMPLETE",
            Self::UpdateFailed => "UPDATE_FAILED",
            Self::DeleteInProgress => "DELETE_IN_PROGRESS",
            Self::DeleteComplete => "DELETE_COMPLETE",
            Self::DeleteFailed => "DELETE_FAILED",
            Self::DeleteSkipped => "DELETE_SKIPPED",
            Self::Unchanged => "UNCHANGED",
        }
    }
}

/// A line of progress for people.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// The resource's name in the template.
    pub logical_id: String,
    /// Its type.
    pub type_name: String,
    /// Its name in its service, once it has one.
    pub physical_id: Option<String>,
    /// What happens to it.
    pub status: Status,
    /// Why, when something failed or is undone.
    pub reason: Option<String>,
}
