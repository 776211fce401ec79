//! One server a data folder: an advisory lock that ends with the process, however it ends.

use std::fs::{File, Permissions, TryLockError};
use std::os::unix::fs::PermissionsExt;
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

/// What functions' processes reach of the data folder: their code and their temporary folders.
const SHARED: &str = "functions";

/// Shuts everything in the data folder but [`SHARED`] to other users. Only root's functions run as a user of their own, so
/// only root's server needs it.
#[allow(
    clippy::disallowed_methods,
    reason = "permissions are a matter of the real file system, outside any simulation"
)]
pub fn shut_to_others(data: &Path) -> std::io::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    for entry in std::fs::read_dir(data)? {
        let entry = entry?;
        if entry.file_name() != SHARED {
            let mode = entry.metadata()?.permissions().mode();
            std::fs::set_permissions(entry.path(), Permissions::from_mode(mode & 0o700))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "a test of the real disk")]
    use super::*;

    #[test]
    fn functions_reach_their_own_folder_only() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["log", SHARED] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
            std::fs::set_permissions(dir.path().join(name), Permissions::from_mode(0o755)).unwrap();
        }
        shut_to_others(dir.path()).unwrap();
        let mode = |name: &str| std::fs::metadata(dir.path().join(name)).unwrap().permissions().mode() & 0o777;
        let shut = if rustix::process::geteuid().is_root() { 0o700 } else { 0o755 };
        assert_eq!((mode("log"), mode(SHARED)), (shut, 0o755));
    }
}
