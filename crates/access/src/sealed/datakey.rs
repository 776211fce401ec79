//! Data keys of values: each is wrapped by a key of the ring and told in front of what it sealed.
//!
//! # Format (v1)
//! ```text
//! value := version(1) blob_len(2, little endian) blob(blob_len) nonce(12) ciphertext tag(16)
//! ```
//! `version` is [`VERSION`], which begins no JSON text. `blob` is the wrapped data key (see `keyring::envelope`). Authenticated
//! with the text: the place where it belongs, so that values cannot be exchanged.

use crate::keyring::crypto::{KEY_BYTES, open, random, seal};
use crate::keyring::{Context, KeyError, KeyName, KeyRing};
use millrace_base::Dice;
use parking_lot::Mutex;
use std::collections::HashMap;

/// What every sealed value begins with.
const VERSION: u8 = 0xe1;
/// Data keys that are remembered; more are unwrapped again when they are met.
const KNOWN_MAX: usize = 256;

type Bytes = [u8; KEY_BYTES];

/// A data key.
pub(crate) struct DataKey {
    blob: Vec<u8>,
    bytes: Bytes,
}

/// The data keys of one purpose: made, and unwrapped again.
pub(crate) struct DataKeys {
    ring: KeyRing,
    context: Context,
    known: Mutex<HashMap<Vec<u8>, Bytes>>,
}

impl DataKey {
    /// The value as it is kept at `place`.
    pub(crate) fn seal(&self, dice: &dyn Dice, place: &[u8], text: &[u8]) -> Vec<u8> {
        let mut sealed = vec![VERSION];
        sealed.extend_from_slice(&(self.blob.len() as u16).to_le_bytes());
        sealed.extend_from_slice(&self.blob);
        sealed.extend_from_slice(&seal(&self.bytes, dice, place, text));
        sealed
    }
}

impl DataKeys {
    /// Those of a ring; `purpose` keeps them apart from others.
    pub(crate) fn new(ring: KeyRing, purpose: &str) -> Self {
        let context = Context::from([("millrace".to_owned(), purpose.to_owned())]);
        Self { ring, context, known: Mutex::default() }
    }

    /// A new one.
    pub(crate) fn fresh(&self, dice: &dyn Dice, key: &KeyName) -> Result<DataKey, KeyError> {
        let bytes: Bytes = random(dice);
        Ok(DataKey { blob: self.ring.wrap(key, &self.context, &bytes)?, bytes })
    }

    /// The wrapped data key of a value and what it sealed. `None`: the value is not sealed, or cut off.
    pub(crate) fn parts(value: &[u8]) -> Option<(&[u8], &[u8])> {
        let (len, rest) = value.strip_prefix(&[VERSION])?.split_first_chunk::<2>()?;
        rest.split_at_checked(usize::from(u16::from_le_bytes(*len)))
    }

    /// True unless the value is plain.
    pub(crate) fn is_sealed(value: &[u8]) -> bool {
        value.first() == Some(&VERSION)
    }

    /// The text behind what is kept at `place`.
    pub(crate) fn open(&self, place: &[u8], value: &[u8]) -> Result<Vec<u8>, KeyError> {
        let (blob, sealed) = Self::parts(value).ok_or(KeyError::InvalidCiphertext)?;
        open(&self.unwrapped(blob)?, place, sealed).map_err(|_| KeyError::InvalidCiphertext)
    }

    fn unwrapped(&self, blob: &[u8]) -> Result<Bytes, KeyError> {
        if let Some(key) = self.known.lock().get(blob) {
            return Ok(*key);
        }
        let key = self.ring.unwrap(&self.context, blob)?;
        let mut known = self.known.lock();
        if known.len() >= KNOWN_MAX {
            // The newest are asked for most.
            known.clear();
        }
        known.insert(blob.to_vec(), key);
        Ok(key)
    }
}
