//! What can go wrong with the catalog.

use millrace_base::Remedy;

/// A failed catalog operation. Nothing of it was applied.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The store could not be opened, read or written.
    #[error("the catalog {path} cannot be used: {reason}")]
    Store {
        /// The catalog's file.
        path: String,
        /// What the store said.
        reason: String,
    },
    /// A stored value is not of the shape that this version reads.
    #[error("the catalog entry {table}/{key} cannot be read: {reason}")]
    Damaged {
        /// The table.
        table: String,
        /// The key.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl CatalogError {
    /// What to do about it.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Store { .. } => Remedy::Retry,
            Self::Damaged { .. } => Remedy::FixData,
        }
    }
}
