//! Why something cannot be done with a queue, in AWS's words where AWS has words for it.

use crate::sqs::{KeyRefusal, QueueKey};
use millrace_base::Remedy;
use millrace_catalog::CatalogError;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Why a call on queues failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum QueueError {
    /// There is no such queue.
    #[error("The specified queue does not exist.")]
    NoQueue(QueueKey),
    /// The name is taken by a queue with other attributes.
    #[error("A queue already exists with the same name and a different value for attribute {attribute}")]
    QueueExists {
        /// The first attribute that differs.
        attribute: String,
    },
    /// The name breaks AWS's rule.
    #[error("{0}")]
    InvalidName(&'static str),
    /// SQS has no such attribute, or it cannot be set.
    #[error("Unknown Attribute {0}.")]
    InvalidAttributeName(String),
    /// An attribute's value breaks its rule.
    #[error("Invalid value for the parameter {name}.{}", .reason.as_ref().map(|r| format!(" Reason: {r}")).unwrap_or_default())]
    InvalidAttributeValue {
        /// The attribute.
        name: String,
        /// What the value has to be, when there is more to say.
        reason: Option<String>,
    },
    /// A parameter breaks its rule.
    #[error("{0}")]
    InvalidParameter(String),
    /// A parameter that is needed is missing.
    #[error("The request must contain the parameter {0}.")]
    MissingParameter(&'static str),
    /// The body holds characters that XML does not allow.
    #[error(
        "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | \
         #x10000 to #x10FFFF"
    )]
    InvalidCharacters,
    /// The text was never given out as a receipt handle of this queue.
    #[error("The input receipt handle \"{0}\" is not a valid receipt handle.")]
    InvalidReceipt(String),
    /// A FIFO queue's message can be deleted only while its last receive holds.
    #[error("Value {0} for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.")]
    ReceiptExpired(String),
    /// The message is not being received, so its visibility cannot be changed.
    #[error(
        "Value {0} for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for \
         visibility timeout change."
    )]
    NotInFlight(String),
    /// Too many messages are received and not deleted.
    #[error(
        "Too many messages in flight: at most {} messages of a queue can be received and not yet deleted.",
        crate::sqs::IN_FLIGHT_MAX
    )]
    OverLimit,
    /// The queue was purged less than a minute ago.
    #[error("Only one PurgeQueue operation on {0} is allowed every 60 seconds.")]
    PurgeInProgress(String),
    /// There is nothing of that name, for example no task of that handle.
    #[error("{0}")]
    NotFound(String),
    /// The queue cannot do this.
    #[error("{0}")]
    Unsupported(String),
    /// The queue's key, or that of a message, cannot be used.
    #[error(transparent)]
    Key(#[from] KeyRefusal),
    /// The disk has no room. Nothing was changed.
    #[error("the disk that holds {path} is full: free some space, then send again")]
    DiskFull {
        /// The folder.
        path: String,
    },
    /// The disk failed. Queues take nothing until the server is started again, because what is on disk is not known.
    #[error("the disk failed at {path}: {reason}; queues are read-only until the server is started again")]
    Disk {
        /// The file or folder.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// Bytes on the disk are not those that were written.
    #[error(
        "{path} is damaged at byte {offset}: {reason}; restore it from a backup, or move it away to lose what it holds"
    )]
    Corrupt {
        /// The file.
        path: String,
        /// Where.
        offset: u64,
        /// What is wrong.
        reason: String,
    },
    /// The catalog failed.
    #[error(transparent)]
    Catalog(Arc<CatalogError>),
    /// The engine is being shut down.
    #[error("the queues are being closed: send again when the server has started")]
    Closed,
}

impl QueueError {
    /// What to do about it.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::DiskFull { .. } | Self::OverLimit | Self::PurgeInProgress(_) | Self::Closed => Remedy::Retry,
            Self::Corrupt { .. } => Remedy::FixData,
            Self::Disk { .. } | Self::Catalog(_) | Self::Key(KeyRefusal::Failed(_)) => Remedy::Report,
            _ => Remedy::FixRequest,
        }
    }

    /// `Value V for parameter P is invalid. Reason: R`, as AWS says it.
    pub fn invalid(value: impl std::fmt::Display, parameter: &str, reason: impl std::fmt::Display) -> Self {
        Self::InvalidParameter(format!("Value {value} for parameter {parameter} is invalid. Reason: {reason}"))
    }
}

impl From<CatalogError> for QueueError {
    fn from(error: CatalogError) -> Self {
        Self::Catalog(Arc::new(error))
    }
}

/// True when the disk has no room, which passes once somebody frees some.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// The error for a failed disk call on `path`.
pub(crate) fn disk(path: &Path, error: &io::Error) -> QueueError {
    if is_full(error) {
        QueueError::DiskFull { path: path.parent().unwrap_or(path).display().to_string() }
    } else {
        QueueError::Disk { path: path.display().to_string(), reason: error.to_string() }
    }
}

/// Damage at `offset` of `path`.
pub(crate) fn corrupt(path: &Path, offset: u64, reason: impl Into<String>) -> QueueError {
    QueueError::Corrupt { path: path.display().to_string(), offset, reason: reason.into() }
}
