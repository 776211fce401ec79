//! What can go wrong with delivery streams, in AWS's words where AWS has them.

use crate::store::StoreError;
use millrace_base::Remedy;
use millrace_catalog::CatalogError;
use millrace_log::LogError;
use millrace_schema::tables::TablesError;

/// A refused or failed operation on a delivery stream.
#[derive(Debug, thiserror::Error)]
pub enum DeliverError {
    /// `InvalidArgumentException`
    #[error("{0}")]
    InvalidArgument(String),
    /// `ResourceNotFoundException`
    #[error("{0}")]
    NotFound(String),
    /// `ResourceInUseException`
    #[error("{0}")]
    InUse(String),
    /// `ConcurrentModificationException`
    #[error("{0}")]
    ConcurrentModification(String),
    /// Something of AWS's that Millrace does not do yet.
    #[error("{property} is not supported yet: {cure}")]
    Unsupported {
        /// The property as the request names it.
        property: String,
        /// What to do instead.
        cure: String,
    },
    /// A role may not do what its delivery stream is to do.
    #[error("{0}")]
    Denied(String),
    /// The store of objects failed.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The log failed.
    #[error("{0}")]
    Log(#[from] LogError),
    /// The table that gives the columns cannot be used.
    #[error("{0}")]
    Table(#[from] TablesError),
    /// The catalog failed.
    #[error("{0}")]
    Catalog(#[from] CatalogError),
}

impl DeliverError {
    /// A property that is not supported.
    pub(crate) fn unsupported(property: &str, cure: &str) -> Self {
        Self::Unsupported { property: property.to_owned(), cure: cure.to_owned() }
    }

    /// What to do about it.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Store(_) | Self::Catalog(_) | Self::Denied(_) => Remedy::Retry,
            Self::Log(error) => error.remedy(),
            _ => Remedy::FixRequest,
        }
    }
}
