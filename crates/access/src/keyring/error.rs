//! What can go wrong with keys.

use millrace_base::Remedy;

/// A failed operation with keys. Nothing of it was done.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// There is no such key.
    #[error("Key '{0}' does not exist")]
    NoKey(String),
    /// There is no such alias.
    #[error("Alias {0} is not found.")]
    NoAlias(String),
    /// The alias is taken.
    #[error("An alias with the name {0} already exists")]
    AliasExists(String),
    /// The key was disabled by its owner.
    #[error("{0} is disabled.")]
    Disabled(String),
    /// The key is in a state that does not allow this.
    #[error("{0} is pending deletion.")]
    PendingDeletion(String),
    /// The key is not in the state that this operation needs.
    #[error("{0}")]
    InvalidState(String),
    /// The ciphertext is not of this key and context, or was changed.
    #[error("the ciphertext is not valid for this key and encryption context")]
    InvalidCiphertext,
    /// The ciphertext is of another key than the one that was named.
    #[error("The key ID in the request does not identify a CMK that can perform this operation.")]
    IncorrectKey,
    /// An argument cannot be.
    #[error("{0}")]
    Invalid(String),
    /// A ceiling was reached.
    #[error("{0}")]
    Limit(String),
    /// The operation is not for keys that AWS manages.
    #[error("{0}")]
    Managed(String),
    /// The root key is absent or another one.
    #[error("{0}")]
    Root(String),
    /// The ring's file cannot be read or written.
    #[error("the key ring {path} cannot be used: {reason}")]
    Store {
        /// The file.
        path: String,
        /// What is wrong.
        reason: String,
    },
}

impl KeyError {
    /// What to do about it.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Store { .. } => Remedy::Report,
            Self::Root(_) => Remedy::FixData,
            _ => Remedy::FixRequest,
        }
    }
}
