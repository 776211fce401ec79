//! From what the disk and the catalog say to what a caller of the log can act on.

use crate::LogError;
use millrace_catalog::CatalogError;
use std::io;
use std::path::Path;
use std::sync::Arc;

impl From<CatalogError> for LogError {
    fn from(error: CatalogError) -> Self {
        Self::Catalog(Arc::new(error))
    }
}

/// True when the disk has no room, which passes once somebody frees some.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// The log's error for a failed disk call on `path`.
pub(crate) fn disk(path: &Path, error: &io::Error) -> LogError {
    if is_full(error) {
        let folder = path.parent().unwrap_or(path);
        LogError::DiskFull { path: folder.display().to_string() }
    } else {
        LogError::Disk { path: path.display().to_string(), reason: error.to_string() }
    }
}

/// Damage at `offset` of `path`.
pub(crate) fn corrupt(path: &Path, offset: u64, reason: impl Into<String>) -> LogError {
    LogError::Corrupt { path: path.display().to_string(), offset, reason: reason.into() }
}
