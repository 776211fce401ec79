//! Sealed values: what a store keeps under plain names.
//!
//! # Format (v1)
//! ```text
//! value := version(1) blob_len(2, little endian) blob(blob_len) nonce(12) ciphertext tag(16)
//! ```
//! `version` is [`VERSION`], which begins no JSON text: a value that does not begin with it is plain, from before. `blob` is a
//! data key wrapped by the ring (see `keyring::envelope`): one is made at each start. The name under which a value is kept
//! is authenticated with it, so that values cannot be exchanged.

use crate::keyring::crypto::{KEY_BYTES, open, random, seal};
use crate::keyring::{Context, KeyError, KeyName, KeyRing};
use millrace_base::Dice;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

const VERSION: u8 = 0xe1;
/// Data keys that are remembered; more are unwrapped again when they are met.
const KNOWN_MAX: usize = 256;

type DataKey = [u8; KEY_BYTES];

/// Seals and opens values.
pub struct SealedValues {
    ring: KeyRing,
    dice: Arc<dyn Dice>,
    /// `None`: new values stay plain.
    own: Option<(Vec<u8>, DataKey)>,
    known: Mutex<HashMap<Vec<u8>, DataKey>>,
}

fn context() -> Context {
    Context::from([("millrace".to_owned(), "values".to_owned())])
}

impl SealedValues {
    /// Opens what the ring's keys sealed; seals new values when a key is given.
    pub fn new(ring: KeyRing, dice: Arc<dyn Dice>, key: Option<&KeyName>) -> Result<Self, KeyError> {
        let own = match key {
            Some(name) => {
                let bytes: DataKey = random(&*dice);
                Some((ring.wrap(name, &context(), &bytes)?, bytes))
            }
            None => None,
        };
        Ok(Self { ring, dice, own, known: Mutex::default() })
    }

    /// The value as it is kept at `place`.
    pub fn seal(&self, place: &str, value: Vec<u8>) -> Vec<u8> {
        let Some((blob, key)) = &self.own else { return value };
        let mut sealed = vec![VERSION];
        sealed.extend_from_slice(&(blob.len() as u16).to_le_bytes());
        sealed.extend_from_slice(blob);
        sealed.extend_from_slice(&seal(key, &*self.dice, place.as_bytes(), &value));
        sealed
    }

    /// The value behind what is kept at `place`; an error says why there is none.
    pub fn open(&self, place: &str, kept: &[u8]) -> Result<Vec<u8>, String> {
        let Some(rest) = kept.strip_prefix(&[VERSION]) else { return Ok(kept.to_vec()) };
        let parts = rest
            .split_first_chunk::<2>()
            .and_then(|(len, rest)| rest.split_at_checked(usize::from(u16::from_le_bytes(*len))));
        let (blob, sealed) = parts.ok_or("a sealed value is cut off")?;
        let key = self.data_key(blob).map_err(|error| format!("its key cannot be had: {error}"))?;
        open(&key, place.as_bytes(), sealed).map_err(|_| "a sealed value is damaged, or was changed".to_owned())
    }

    fn data_key(&self, blob: &[u8]) -> Result<DataKey, KeyError> {
        if let Some(key) = self.known.lock().get(blob) {
            return Ok(*key);
        }
        let key = self.ring.unwrap(&context(), blob)?;
        let mut known = self.known.lock();
        if known.len() < KNOWN_MAX {
            known.insert(blob.to_vec(), key);
        }
        Ok(key)
    }
}

impl millrace_catalog::Seal for SealedValues {
    fn seal(&self, place: &str, value: Vec<u8>) -> Vec<u8> {
        Self::seal(self, place, value)
    }

    fn open(&self, place: &str, kept: &[u8]) -> Result<Vec<u8>, String> {
        Self::open(self, place, kept)
    }
}
