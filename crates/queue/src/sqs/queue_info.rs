//! What a queue is: its name, its settings, its tags.

use crate::sqs::{QueueError, Settings};
use millrace_base::{Arn, Millis, Scope};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

const NAME_CHARS_MAX: usize = 80;

/// What every FIFO queue's name ends with.
pub const FIFO_SUFFIX: &str = ".fifo";

/// A queue's name and whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct QueueKey {
    /// Account and region.
    pub scope: Scope,
    /// For example `orders` or `orders.fifo`.
    pub name: Arc<str>,
}

impl QueueKey {
    /// The key of a name in a scope.
    pub fn new(scope: &Scope, name: &str) -> Self {
        Self { scope: scope.clone(), name: name.into() }
    }

    /// The queue that an ARN names, if it is a queue's.
    pub fn of_arn(arn: &Arn) -> Option<Self> {
        let plain = !arn.resource.contains([':', '/']) && !arn.scope.account.is_empty();
        (&*arn.service == "sqs" && plain).then(|| Self { scope: arn.scope.clone(), name: arn.resource.clone() })
    }

    /// `arn:aws:sqs:REGION:ACCOUNT:NAME`.
    pub fn arn(&self) -> Arn {
        self.scope.arn("sqs", &self.name)
    }

    /// True when the name is a FIFO queue's.
    pub fn is_fifo(&self) -> bool {
        self.name.ends_with(FIFO_SUFFIX)
    }

    /// Whether the name keeps AWS's rule.
    pub fn check(&self, fifo: bool) -> Result<(), QueueError> {
        let stem = if fifo { self.name.strip_suffix(FIFO_SUFFIX) } else { Some(&*self.name) };
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        if stem.is_some_and(|stem| !stem.is_empty() && self.name.len() <= NAME_CHARS_MAX && stem.bytes().all(plain)) {
            return Ok(());
        }
        Err(QueueError::InvalidName(if fifo {
            "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with \
             .fifo suffix and be 1 to 80 in length."
        } else {
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
        }))
    }
}

impl fmt::Display for QueueKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.scope, self.name)
    }
}

/// A queue's definition, as the catalog keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueInfo {
    /// Its name.
    pub key: QueueKey,
    /// Tells it from queues of that name before it; never given twice.
    pub incarnation: u64,
    /// When it was created.
    pub created: Millis,
    /// When its settings were last changed.
    pub modified: Millis,
    /// How it works.
    pub settings: Settings,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

impl QueueInfo {
    /// True for a FIFO queue.
    pub fn is_fifo(&self) -> bool {
        self.settings.fifo.is_some()
    }
}
