//! Sealed messages: what queues keep of messages whose queue names a key.
//!
//! A data key seals all messages of one key for as long as their queue says (`KmsDataKeyReusePeriodSeconds`), then there is a
//! new one, as SQS asks KMS for one. So a rotated key is used after that period at the latest. Nonces are random: a data key
//! lives for a day at most, too short for 2^32 messages. The format is [`datakey`](super::datakey)'s.

use super::datakey::{DataKey, DataKeys};
use crate::keyring::{Key, KeyError, KeyName, KeyRing, OWN_ALIAS};
use millrace_base::{Clock, Dice, Millis, Scope};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// Seals messages by keys of the ring, and opens them. Both refuse while the key may not be used.
pub struct SealedMessages {
    ring: KeyRing,
    dice: Arc<dyn Dice>,
    clock: Arc<dyn Clock>,
    keys: DataKeys,
    /// By id of the key and how long its data keys are used.
    current: Mutex<HashMap<(String, u32), Current>>,
}

/// A data key that is in use.
struct Current {
    key: Arc<DataKey>,
    made: Millis,
}

impl Current {
    fn is_due(&self, reuse_secs: u32, now: Millis) -> bool {
        now < self.made || now >= self.made + Millis::from(reuse_secs) * 1000
    }
}

impl SealedMessages {
    /// Those of a ring.
    pub fn new(ring: KeyRing, dice: Arc<dyn Dice>, clock: Arc<dyn Clock>) -> Self {
        let keys = DataKeys::new(ring.clone(), "messages");
        Self { ring, dice, clock, keys, current: Mutex::default() }
    }

    /// The key of that name, when it may be used now: id, ARN, alias or alias ARN; `None` is the server's own.
    pub fn usable(&self, scope: &Scope, name: Option<&str>) -> Result<Arc<Key>, KeyError> {
        let key = match name {
            Some(name) => self.ring.find(scope, name)?,
            None => self.ring.find(&Scope::default(), OWN_ALIAS)?,
        };
        key.usable()?;
        Ok(key)
    }

    /// A text as it is kept at `place`, sealed by the key of that name. An alias is the key that it names now.
    pub fn seal(
        &self,
        scope: &Scope,
        name: Option<&str>,
        reuse_secs: u32,
        place: &[u8],
        text: &[u8],
    ) -> Result<Vec<u8>, KeyError> {
        let key = self.usable(scope, name)?;
        Ok(self.data_key(&key, reuse_secs)?.seal(&*self.dice, place, text))
    }

    /// The text behind what is kept at `place`, when the key that sealed it may be used now.
    pub fn open(&self, place: &[u8], sealed: &[u8]) -> Result<Vec<u8>, KeyError> {
        let (blob, _) = DataKeys::parts(sealed).ok_or(KeyError::InvalidCiphertext)?;
        self.ring.wrapping_key(blob)?.usable()?;
        self.keys.open(place, sealed)
    }

    fn data_key(&self, key: &Key, reuse_secs: u32) -> Result<Arc<DataKey>, KeyError> {
        let now = self.clock.now();
        let mut current = self.current.lock();
        let place = (key.id.clone(), reuse_secs);
        if let Some(found) = current.get(&place).filter(|found| !found.is_due(reuse_secs, now)) {
            return Ok(found.key.clone());
        }
        current.retain(|(_, reuse_secs), one| !one.is_due(*reuse_secs, now));
        let fresh = Arc::new(self.keys.fresh(&*self.dice, &KeyName(key.id.as_str().into()))?);
        current.insert(place, Current { key: fresh.clone(), made: now });
        Ok(fresh)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyring::{KeyState, NewKey};
    use millrace_testkit::{SimClock, SimDice, SimDisk};

    const PLACE: &[u8] = b"queue 1, message 2";

    fn world() -> (KeyRing, SealedMessages, SimClock) {
        let (dice, clock) = (Arc::new(SimDice::new(3)), SimClock::at(1_750_000_000_000));
        let ring = crate::sealed::tests::ring(&SimDisk::new(3), &dice);
        (ring.clone(), SealedMessages::new(ring, dice, Arc::new(clock.clone())), clock)
    }

    fn data_key_of(sealed: &[u8]) -> Vec<u8> {
        DataKeys::parts(sealed).unwrap().0.to_vec()
    }

    #[test]
    fn a_data_key_is_used_for_as_long_as_it_is_told() {
        let (ring, messages, clock) = world();
        let scope = Scope::default();
        let key = ring.create(&scope, NewKey::default()).unwrap();
        let seal = |reuse_secs| messages.seal(&scope, Some(&key.id), reuse_secs, PLACE, b"text").unwrap();
        let (first, second) = (seal(300), seal(300));
        assert_ne!(first, second, "nonces differ");
        assert_eq!(data_key_of(&first), data_key_of(&second));
        assert_ne!(data_key_of(&first), data_key_of(&seal(60)), "each period has its own");
        clock.advance(299_999);
        assert_eq!(data_key_of(&first), data_key_of(&seal(300)));
        clock.advance(1);
        assert_ne!(data_key_of(&first), data_key_of(&seal(300)));
        assert_eq!(messages.open(PLACE, &first).unwrap(), b"text");
        assert!(matches!(messages.open(b"elsewhere", &first), Err(KeyError::InvalidCiphertext)));
    }

    #[test]
    fn a_key_that_may_not_be_used_neither_seals_nor_opens() {
        let (ring, messages, _) = world();
        let scope = Scope::default();
        let key = ring.create(&scope, NewKey::default()).unwrap();
        let seal = |name: &str| messages.seal(&scope, Some(name), 300, PLACE, b"text");
        let sealed = seal(&key.id).unwrap();
        let set = |state| {
            ring.edit(&key.id, |key| {
                key.state = state;
                Ok(())
            })
            .map(drop)
            .unwrap()
        };
        set(KeyState::Disabled);
        assert!(matches!(seal(&key.id), Err(KeyError::Disabled(_))));
        assert!(matches!(messages.open(PLACE, &sealed), Err(KeyError::Disabled(_))));
        // At a time that has come: the key is gone.
        set(KeyState::PendingDeletion(0));
        assert!(matches!(seal(&key.id), Err(KeyError::NoKey(_))));
        assert!(matches!(messages.open(PLACE, &sealed), Err(KeyError::NoKey(_))));
        assert!(matches!(seal("alias/nobody"), Err(KeyError::NoAlias(_))));
        assert!(seal("alias/aws/sqs").is_ok() && messages.seal(&scope, None, 300, PLACE, b"").is_ok());
    }
}
