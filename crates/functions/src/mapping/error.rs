//! What can go wrong with a mapping's definition, in Lambda's own kinds and words.

use millrace_base::Remedy;
use millrace_catalog::CatalogError;
use millrace_log::LogError;

/// A refused or failed operation on mappings. Nothing of it was applied.
#[derive(Debug, thiserror::Error)]
pub enum MappingError {
    /// A parameter breaks a rule. AWS's `InvalidParameterValueException`.
    #[error("{0}")]
    InvalidParameterValue(String),
    /// A parameter breaks a rule of AWS's model. AWS's `ValidationException`.
    #[error("1 validation error detected: {0}")]
    Validation(String),
    /// There is no such mapping. AWS's `ResourceNotFoundException`.
    #[error("The resource you requested does not exist.")]
    ResourceNotFound,
    /// The same source and function are mapped already. AWS's `ResourceConflictException`.
    #[error("{0}")]
    ResourceConflict(String),
    /// AWS has it, Millrace does not yet.
    #[error("{0}")]
    Unsupported(String),
    /// The log failed.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

impl MappingError {
    /// What to do about it.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Log(error) => error.remedy(),
            Self::Catalog(error) => error.remedy(),
            _ => Remedy::FixRequest,
        }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::InvalidParameterValue(message.into())
    }
}
