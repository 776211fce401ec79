//! What a function's process calls other services with: temporary credentials of its role.

use crate::FunctionVersion;
use async_trait::async_trait;
use std::fmt;
use std::time::Duration;

/// A process older than this takes nothing new: its credentials, which cannot be changed in it, would end in the middle of
/// something. Whoever issues them makes them last longer than this and an invocation together.
pub const PROCESS_AGE_MAX: Duration = Duration::from_secs(5 * 3600);

/// Temporary credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct RoleCredentials {
    /// `AWS_ACCESS_KEY_ID`
    pub access_key_id: String,
    /// `AWS_SECRET_ACCESS_KEY`
    pub secret_access_key: String,
    /// `AWS_SESSION_TOKEN`
    pub session_token: String,
}

/// Secrets are not printed.
impl fmt::Debug for RoleCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoleCredentials").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// Hands out credentials of functions' roles.
#[async_trait]
pub trait Credentials: Send + Sync + 'static {
    /// The credentials that a process of this version begins with; none where nobody verifies them. `Err` says why its role
    /// cannot be had.
    async fn of(&self, version: &FunctionVersion) -> Result<Option<RoleCredentials>, String>;
}

/// Nobody verifies who calls.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoCredentials;

#[async_trait]
impl Credentials for NoCredentials {
    async fn of(&self, _: &FunctionVersion) -> Result<Option<RoleCredentials>, String> {
        Ok(None)
    }
}
