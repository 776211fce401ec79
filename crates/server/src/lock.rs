//! One server a data folder: an advisory lock that ends with the process, however it ends.

use std::fs::{File, TryLockError};
use std::path::Path;

/// Holds the folder until dropped.
#[derive(Debug)]
pub struct DataLock(#[expect(dead_code, reason = "held for its lock, which ends when it is closed")] File);

/// Why the folder cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another server has it.
    #[error("{0} is in use by another millrace: stop that one, or give this one its own folder with --data DIR")]
    Taken(String),
    /// The folder cannot be made or written.
    #[error("the data folder {0} cannot be used: {1}")]
    Unusable(String, std::io::Error),
}

impl DataLock {
    /// Creates the folder if it is absent and takes it.
    #[allow(clippy::disallowed_methods, reason = "the lock is on the real file system, outside any simulation")]
    pub fn take(data: &Path) -> Result<Self, LockError> {
        let unusable = |error| LockError::Unusable(data.display().to_string(), error);
        std::fs::create_dir_all(data).map_err(unusable)?;
        let file = File::create(data.join("lock")).map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(LockError::Taken(data.display().to_string())),
            Err(TryLockError::Error(error)) => Err(unusable(error)),
        }
    }
}
