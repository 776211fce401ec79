//! Why the registry would not do it.

use millrace_base::Remedy;
use millrace_catalog::CatalogError;

/// A refused operation; the texts are Glue's where Glue's are known.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// `EntityNotFoundException`
    #[error("{0}")]
    NotFound(String),
    /// `AlreadyExistsException`
    #[error("{0}")]
    AlreadyExists(String),
    /// `InvalidInputException`
    #[error("{0}")]
    InvalidInput(String),
    /// `InvalidInputException`: a new version breaks a rule of the schema's compatibility mode.
    #[error("{0}")]
    Incompatible(String),
    /// `ResourceNumberLimitExceededException`
    #[error("{0}")]
    Limit(String),
    /// `ConcurrentModificationException`
    #[error("{0}")]
    Conflict(String),
    /// The catalog failed.
    #[error("{0}")]
    Catalog(#[from] CatalogError),
}

impl RegistryError {
    /// What to do about it.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Conflict(_) => Remedy::Retry,
            Self::Catalog(_) => Remedy::Report,
            _ => Remedy::FixRequest,
        }
    }
}
