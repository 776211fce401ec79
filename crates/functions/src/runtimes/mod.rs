//! Runtimes: which there are, what runs them on this host, and the command line and environment of a function's process.
//!
//! ```text
//! name.rs ─► host.rs (the interpreter) ─► client.rs (AWS's runtime interface client, installed once) ─► launch.rs
//! ```

mod client;
mod host;
mod launch;
mod name;

pub(crate) use launch::{Launch, Preparer, TMP_PLACE};
pub use name::{Runtime, RuntimeNameError};

use crate::package::PackageError;

/// Why a function cannot run here, in the words of `StateReason`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PrepareError {
    /// AWS's `StateReasonCode`.
    pub code: &'static str,
    /// What is missing and what to do.
    pub message: String,
}

impl PrepareError {
    fn runtime(message: String) -> Self {
        Self { code: "InvalidRuntime", message }
    }

    fn internal(message: String) -> Self {
        Self { code: "InternalError", message }
    }
}

impl From<PackageError> for PrepareError {
    fn from(error: PackageError) -> Self {
        let code = match &error {
            PackageError::Disk { .. } => "InternalError",
            PackageError::NotZip(_) | PackageError::TooLarge | PackageError::Escapes(_) => "InvalidZipFileException",
        };
        Self { code, message: error.to_string() }
    }
}
