//! What a key does with bytes: KMS's ciphertexts, and the wrapping of data keys.
//!
//! # Format (v1)
//! ```text
//! blob := version(1) key(16, the UUID) key_version(4, little endian) nonce(12) ciphertext tag(16)
//! ```
//! Authenticated with it: all before the nonce, and the encryption context, sorted, each name and value with its length.

use super::KeyRing;
use super::aliases::KeyName;
use super::crypto::{self, KEY_BYTES};
use super::error::KeyError;
use super::key::{Key, KeyState, hex, unhex};
use std::collections::BTreeMap;
use std::sync::Arc;

/// An encryption context: what must be said again to decrypt.
pub type Context = BTreeMap<String, String>;

const BLOB_VERSION: u8 = 1;
const HEAD_BYTES: usize = 1 + 16 + 4;

/// A ciphertext and the key that made it.
#[derive(Debug, Clone)]
pub struct Encrypted {
    /// The key.
    pub key: Arc<Key>,
    /// Names key and version, so that decrypting needs neither.
    pub blob: Vec<u8>,
}

impl KeyRing {
    /// Encrypts by the newest version of a key that is enabled.
    pub fn encrypt(&self, key: &Arc<Key>, context: &Context, plaintext: &[u8]) -> Result<Encrypted, KeyError> {
        usable(key)?;
        let blob = self.wrap_by(key, context, plaintext);
        Ok(Encrypted { key: key.clone(), blob })
    }

    /// Decrypts a blob by the key that it names, which must be enabled.
    pub fn decrypt(&self, context: &Context, blob: &[u8]) -> Result<(Arc<Key>, Vec<u8>), KeyError> {
        let key = self.key_of(blob)?;
        usable(&key)?;
        let plaintext = unwrap_by(&key, context, blob)?;
        Ok((key, plaintext))
    }

    /// The key that a blob names.
    pub fn key_of(&self, blob: &[u8]) -> Result<Arc<Key>, KeyError> {
        self.wrapping_key(blob).map_err(|_| KeyError::InvalidCiphertext)
    }

    /// The same, with an error that says which key is gone.
    pub(crate) fn wrapping_key(&self, blob: &[u8]) -> Result<Arc<Key>, KeyError> {
        self.key(&KeyName(uuid(head(blob)?).into()))
    }

    /// Wraps a data key of files. Whether the key is enabled is the doors' affair: files that were begun are kept whole.
    pub(crate) fn wrap(&self, name: &KeyName, context: &Context, data_key: &[u8]) -> Result<Vec<u8>, KeyError> {
        Ok(self.wrap_by(&*self.key(name)?, context, data_key))
    }

    /// Unwraps a data key of files.
    pub(crate) fn unwrap(&self, context: &Context, blob: &[u8]) -> Result<[u8; KEY_BYTES], KeyError> {
        let key = self.wrapping_key(blob)?;
        unwrap_by(&key, context, blob)?.try_into().map_err(|_| KeyError::InvalidCiphertext)
    }

    fn wrap_by(&self, key: &Key, context: &Context, plaintext: &[u8]) -> Vec<u8> {
        let number = key.versions.len() - 1;
        let mut blob = vec![BLOB_VERSION];
        blob.extend_from_slice(&id_bytes(&key.id));
        blob.extend_from_slice(&u32::try_from(number).expect("nobody rotates so often").to_le_bytes());
        let aad = aad(&blob, context);
        let sealed = crypto::seal(&key.versions[number].material, &*self.shared.parts.dice, &aad, plaintext);
        blob.extend_from_slice(&sealed);
        blob
    }
}

fn unwrap_by(key: &Key, context: &Context, blob: &[u8]) -> Result<Vec<u8>, KeyError> {
    let head = head(blob)?;
    let number = u32::from_le_bytes([head[17], head[18], head[19], head[20]]);
    let version = key.versions.get(number as usize).ok_or(KeyError::InvalidCiphertext)?;
    let opened = crypto::open(&version.material, &aad(head, context), &blob[HEAD_BYTES..]);
    opened.map_err(|_| KeyError::InvalidCiphertext)
}

/// Whether a key may be used.
pub(crate) fn usable(key: &Key) -> Result<(), KeyError> {
    match key.state {
        KeyState::Enabled => Ok(()),
        KeyState::Disabled => Err(KeyError::Disabled(key.arn())),
        KeyState::PendingDeletion(_) => Err(KeyError::PendingDeletion(key.arn())),
    }
}

impl Key {
    /// An error unless it may be used now.
    pub fn usable(&self) -> Result<(), KeyError> {
        usable(self)
    }
}

fn head(blob: &[u8]) -> Result<&[u8], KeyError> {
    let head = blob.get(..HEAD_BYTES).filter(|head| head[0] == BLOB_VERSION);
    head.ok_or(KeyError::InvalidCiphertext)
}

fn aad(head: &[u8], context: &Context) -> Vec<u8> {
    let mut aad = head.to_vec();
    for text in context.iter().flat_map(|(name, value)| [name, value]) {
        aad.extend_from_slice(&(text.len() as u64).to_le_bytes());
        aad.extend_from_slice(text.as_bytes());
    }
    aad
}

fn id_bytes(id: &str) -> [u8; 16] {
    unhex(&id.replace('-', "")).expect("every key's id is a UUID")
}

fn uuid(head: &[u8]) -> String {
    let digits = hex(&head[1..17]);
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    parts.join("-")
}
