//! Why something cannot be done with a topic, in AWS's words where AWS has words for it.

use crate::sqs::{KeyRefusal, QueueError};
use millrace_base::Remedy;
use millrace_catalog::CatalogError;
use std::sync::Arc;

/// Why a call on topics failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TopicError {
    /// A parameter breaks a rule.
    #[error("Invalid parameter: {0}")]
    InvalidParameter(String),
    /// A message attribute's value breaks a rule.
    #[error("{0}")]
    InvalidParameterValue(String),
    /// There is no such topic or subscription.
    #[error("{0} does not exist")]
    NotFound(&'static str),
    /// There is nothing of that ARN to tag.
    #[error("Resource does not exist")]
    NoResource,
    /// A topic keeps 50 tags at most.
    #[error("Could not complete request: tag quota of per resource exceeded")]
    TagLimit,
    /// The caller may not do this.
    #[error("{0}")]
    AuthorizationError(String),
    /// A batch without entries.
    #[error("The batch request doesn't contain any entries.")]
    EmptyBatch,
    /// More than ten entries.
    #[error("The batch request contains more entries than permissible.")]
    TooManyEntries,
    /// Two entries of one id.
    #[error("Two or more batch entries in the request have the same Id.")]
    IdsNotDistinct,
    /// An id breaks its rule.
    #[error("The Id of a batch entry in a batch request doesn't abide by the specification.")]
    InvalidEntryId,
    /// The messages together are too long.
    #[error("The length of all the messages put together is more than the limit.")]
    BatchTooLong,
    /// AWS does this, Millrace does not yet.
    #[error("Millrace does not support {0} yet: docs/compat/sns.md lists what it does.")]
    Unsupported(String),
    /// The topic's key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyRefusal),
    /// A queue between a topic and its subscribers failed: the message was not published, send it again.
    #[error("the message could not be kept: {0}")]
    Queue(Arc<QueueError>),
    /// The catalog failed.
    #[error(transparent)]
    Catalog(Arc<CatalogError>),
}

impl TopicError {
    /// `Invalid parameter: …`
    pub(super) fn invalid(what: impl Into<String>) -> Self {
        Self::InvalidParameter(what.into())
    }

    /// What to do about it.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Queue(error) => error.remedy(),
            Self::Catalog(_) | Self::Key(KeyRefusal::Failed(_)) => Remedy::Report,
            _ => Remedy::FixRequest,
        }
    }
}

impl From<CatalogError> for TopicError {
    fn from(error: CatalogError) -> Self {
        Self::Catalog(Arc::new(error))
    }
}

impl From<QueueError> for TopicError {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::Key(refusal) => Self::Key(refusal),
            other => Self::Queue(Arc::new(other)),
        }
    }
}
