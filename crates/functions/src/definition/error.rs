//! What can go wrong with a definition, in Lambda's own kinds and words.

use millrace_base::Remedy;
use millrace_catalog::CatalogError;
use std::io;

/// A refused or failed operation on definitions. Nothing of it was applied.
#[derive(Debug, thiserror::Error)]
pub enum FunctionsError {
    /// A parameter breaks a rule. AWS's `InvalidParameterValueException`.
    #[error("{0}")]
    InvalidParameterValue(String),
    /// A parameter breaks a rule of AWS's model. AWS's `ValidationException`.
    #[error("1 validation error detected: {0}")]
    Validation(String),
    /// There is no such function, version, alias, layer or policy. AWS's `ResourceNotFoundException`.
    #[error("{0}")]
    ResourceNotFound(String),
    /// It exists already, or is being changed. AWS's `ResourceConflictException`.
    #[error("{0}")]
    ResourceConflict(String),
    /// The `RevisionId` is not the current one. AWS's `PreconditionFailedException`.
    #[error("{0}")]
    PreconditionFailed(String),
    /// The resource belongs to somebody else. AWS's `AccessDeniedException`.
    #[error("{0}")]
    AccessDenied(String),
    /// The package is larger than Lambda takes. AWS's `RequestEntityTooLargeException`.
    #[error("{0}")]
    TooLarge(String),
    /// AWS has it, Millrace does not yet.
    #[error("{0}")]
    Unsupported(String),
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The store of packages failed.
    #[error("the package store failed at {place}: {error}")]
    Packages {
        /// The file or folder.
        place: String,
        /// What the disk said.
        error: io::Error,
    },
}

impl FunctionsError {
    /// What to do about it.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::ResourceConflict(_) => Remedy::Retry,
            Self::Catalog(error) => error.remedy(),
            Self::Packages { .. } => Remedy::Report,
            _ => Remedy::FixRequest,
        }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::InvalidParameterValue(message.into())
    }
}
