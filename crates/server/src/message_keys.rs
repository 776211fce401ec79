//! The key ring as queues see it: what the messages of a queue with a key of its own are sealed by.

use millrace_access::SealedMessages;
use millrace_access::keyring::KeyError;
use millrace_base::Scope;
use millrace_queue::{KeyRefusal, MessageKey, MessageKeys};

/// Seals messages by keys of the ring.
pub struct RingKeys(pub SealedMessages);

fn name(key: MessageKey<'_>) -> Option<&str> {
    match key {
        MessageKey::Named(name) => Some(name),
        MessageKey::Managed => None,
    }
}

fn refusal(error: KeyError) -> KeyRefusal {
    let message = error.to_string();
    match error {
        KeyError::Disabled(_) => KeyRefusal::Disabled(message),
        KeyError::PendingDeletion(_) | KeyError::InvalidState(_) => KeyRefusal::InvalidState(message),
        KeyError::NoKey(_) | KeyError::NoAlias(_) | KeyError::Invalid(_) => KeyRefusal::NotFound(message),
        _ => KeyRefusal::Failed(message),
    }
}

impl MessageKeys for RingKeys {
    fn check(&self, scope: &Scope, key: MessageKey<'_>) -> Result<(), KeyRefusal> {
        self.0.usable(scope, name(key)).map(drop).map_err(refusal)
    }

    fn seal(
        &self,
        scope: &Scope,
        key: MessageKey<'_>,
        reuse_secs: u32,
        place: &[u8],
        text: &[u8],
    ) -> Result<Vec<u8>, KeyRefusal> {
        self.0.seal(scope, name(key), reuse_secs, place, text).map_err(refusal)
    }

    fn open(&self, place: &[u8], sealed: &[u8]) -> Result<Vec<u8>, KeyRefusal> {
        self.0.open(place, sealed).map_err(refusal)
    }
}
