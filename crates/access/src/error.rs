//! Why IAM refuses. The kinds are IAM's; the messages are IAM's words where they are known.

use millrace_catalog::CatalogError;

/// A refused or failed call. Nothing of it was applied.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// There is no such role, policy, user, version or key.
    #[error("{0}")]
    NoSuchEntity(String),
    /// The name is taken.
    #[error("{0}")]
    EntityAlreadyExists(String),
    /// Something else still hangs on it.
    #[error("{0}")]
    DeleteConflict(String),
    /// A quota is used up.
    #[error("{0}")]
    LimitExceeded(String),
    /// A policy is not of the form that policies have.
    #[error("{0}")]
    MalformedPolicyDocument(String),
    /// A parameter cannot be as it is.
    #[error("{0}")]
    InvalidInput(String),
    /// It belongs to AWS or to a service.
    #[error("{0}")]
    UnmodifiableEntity(String),
    /// A role that cannot be assumed.
    #[error("{0}")]
    AccessDenied(String),
    /// The store failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}
