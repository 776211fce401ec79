//! Queues with a key of their own: what their messages hold is sealed before it reaches the journal.
//!
//! ```text
//! send ─► seal (the caller's thread) ─► journal ─► open ─► receive
//!                                          └─► open ─► seal by the other queue's key ─► journal: a dead-letter queue, a move
//! ```
//! Sealed are the body, its attributes and the trace header; its ids, times, group and sender are not, as on AWS. A message
//! stays sealed by the key that was its queue's when it came. What a queue without a key holds is sealed by the disk, if by
//! anything.

use super::format::StoredMessage;
use super::{Env, QueueError, QueueInfo, Settings};
use bytes::Bytes;
use millrace_base::{Arn, Scope};

/// AWS's default of `KmsDataKeyReusePeriodSeconds`, for SSE-SQS too.
pub const KMS_REUSE_SECS_DEFAULT: u32 = 300;

/// The account, which nobody has, of the queues in which topics keep what waits. Such a queue names its topic's key by the
/// ARN, for the key is the topic's owner's.
pub(crate) const OUTBOX_ACCOUNT: &str = "sns";

/// Which key a queue's messages are sealed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKey<'a> {
    /// That of `KmsMasterKeyId`: an id, ARN, alias or alias ARN.
    Named(&'a str),
    /// The server's own: `SqsManagedSseEnabled`.
    Managed,
}

/// The keys that messages are sealed by.
pub trait MessageKeys: Send + Sync {
    /// An error when the key may not be used now.
    fn check(&self, scope: &Scope, key: MessageKey<'_>) -> Result<(), KeyRefusal>;

    /// Seals what belongs at `place`, by a data key that is at most `reuse_secs` old.
    fn seal(
        &self,
        scope: &Scope,
        key: MessageKey<'_>,
        reuse_secs: u32,
        place: &[u8],
        text: &[u8],
    ) -> Result<Vec<u8>, KeyRefusal>;

    /// What was sealed at `place`; an error when its key may not be used now.
    fn open(&self, place: &[u8], sealed: &[u8]) -> Result<Vec<u8>, KeyRefusal>;
}

/// Why a key was not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyRefusal {
    /// There is no such key, or it is gone.
    #[error("{0}")]
    NotFound(String),
    /// Its owner has disabled it.
    #[error("{0}")]
    Disabled(String),
    /// It is pending deletion.
    #[error("{0}")]
    InvalidState(String),
    /// The key ring failed, or what was sealed is damaged.
    #[error("{0}")]
    Failed(String),
}

/// No keys: a queue cannot name one.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoKeys;

impl NoKeys {
    fn refusal<T>() -> Result<T, KeyRefusal> {
        Err(KeyRefusal::NotFound("there are no keys here".to_owned()))
    }
}

impl MessageKeys for NoKeys {
    fn check(&self, _: &Scope, _: MessageKey<'_>) -> Result<(), KeyRefusal> {
        Self::refusal()
    }

    fn seal(&self, _: &Scope, _: MessageKey<'_>, _: u32, _: &[u8], _: &[u8]) -> Result<Vec<u8>, KeyRefusal> {
        Self::refusal()
    }

    fn open(&self, _: &[u8], _: &[u8]) -> Result<Vec<u8>, KeyRefusal> {
        Self::refusal()
    }
}

impl Env {
    /// An error when the key of a queue may not be used now.
    pub(crate) fn check_key(&self, scope: &Scope, settings: &Settings) -> Result<(), QueueError> {
        match settings.message_key(self.options.is_sealed) {
            Some(key) => Ok(self.keys.check(&owner_of(key, scope), key)?),
            None => Ok(()),
        }
    }

    /// A message as its queue keeps it. It must be known which one that is, and the message's id.
    pub(crate) fn sealed(&self, info: &QueueInfo, message: StoredMessage) -> Result<StoredMessage, QueueError> {
        let Some(key) = info.settings.message_key(self.options.is_sealed) else { return Ok(message) };
        let reuse_secs = info.settings.kms_reuse_secs.unwrap_or(KMS_REUSE_SECS_DEFAULT);
        let (place, content) = (place_of(&message), message.content());
        let owner = owner_of(key, &info.key.scope);
        let sealed = self.keys.seal(&owner, key, reuse_secs, &place, &content)?;
        Ok(message.with_sealed(sealed.into()))
    }

    /// A message as it was sent.
    pub(crate) fn opened(&self, message: StoredMessage) -> Result<StoredMessage, QueueError> {
        if !message.is_sealed {
            return Ok(message);
        }
        let content = self.keys.open(&place_of(&message), &message.body)?;
        let damaged = || KeyRefusal::Failed("what was sealed of the message is no message's".to_owned());
        Ok(message.with_content(Bytes::from(content)).ok_or_else(damaged)?)
    }
}

/// Whose key it is that a queue of `scope` names.
fn owner_of(key: MessageKey<'_>, scope: &Scope) -> Scope {
    let arn = match key {
        MessageKey::Named(name) if &*scope.account == OUTBOX_ACCOUNT => name.parse::<Arn>().ok(),
        _ => None,
    };
    arn.map_or_else(|| scope.clone(), |arn| arn.scope)
}

/// What a sealed message is bound to: its queue's incarnation and its id.
fn place_of(message: &StoredMessage) -> [u8; 24] {
    let mut place = [0; 24];
    place[..8].copy_from_slice(&message.head.queue.to_le_bytes());
    place[8..].copy_from_slice(&message.head.message_id);
    place
}
