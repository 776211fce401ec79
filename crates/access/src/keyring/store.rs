//! The ring's file.
//!
//! # Format (v1)
//! ```text
//! ring := magic("MRKEYRNG") version(2, little endian) root(8) nonce(12) ciphertext tag(16)
//! ```
//! `root` is the fingerprint of the root key that seals the ring, so that a wrong one is told from damage. All before the
//! nonce is authenticated with the text, a JSON document: keys, aliases. At most [`RING_BYTES_MAX`].
//!
//! # Crash behaviour
//! Every change replaces the file; after a crash the old or the new ring is there, whole.

use super::crypto::{NONCE_BYTES, SEAL_BYTES, open, seal};
use super::error::KeyError;
use super::key::{Key, hex};
use super::root::RootKey;
use millrace_base::{Dice, Disk};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

const MAGIC: &[u8; 8] = b"MRKEYRNG";
/// The version that is written.
const VERSION: u16 = 1;
const HEAD_BYTES: usize = 8 + 2 + 8;
/// Ten thousand keys with policies of some kilobytes; a file that is larger is not a ring.
const RING_BYTES_MAX: u64 = 256 << 20;
const _: () = assert!(NONCE_BYTES < SEAL_BYTES);

/// All that the ring holds.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Content {
    /// By id.
    pub(crate) keys: BTreeMap<String, Arc<Key>>,
    pub(crate) aliases: Vec<Alias>,
}

/// A name for a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alias {
    /// Whose it is.
    pub scope: millrace_base::Scope,
    /// `alias/…`.
    pub name: String,
    /// The id of its key.
    pub key: String,
    /// When it was created.
    pub created: millrace_base::Millis,
    /// When it was last pointed at a key.
    pub updated: millrace_base::Millis,
}

impl Alias {
    /// Its ARN.
    pub fn arn(&self) -> String {
        self.scope.arn("kms", &self.name).to_string()
    }
}

fn store(path: &Path) -> impl Fn(String) -> KeyError {
    let path = path.display().to_string();
    move |reason| KeyError::Store { path: path.clone(), reason }
}

/// True when there is a ring.
pub(crate) fn exists(disk: &dyn Disk, path: &Path) -> Result<bool, KeyError> {
    match disk.open(path, false) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(store(path)(error.to_string())),
    }
}

/// Reads a ring that exists.
pub(crate) fn read(disk: &dyn Disk, path: &Path, root: &RootKey) -> Result<Content, KeyError> {
    let failed = store(path);
    let file = disk.open(path, false).map_err(|error| failed(error.to_string()))?;
    if file.len().map_err(|error| failed(error.to_string()))? > RING_BYTES_MAX {
        return Err(failed("it is larger than a key ring can be".into()));
    }
    let bytes = disk.read(path).map_err(|error| failed(error.to_string()))?;
    let Some((head, sealed)) = bytes.split_first_chunk::<HEAD_BYTES>().filter(|(head, _)| head.starts_with(MAGIC))
    else {
        return Err(failed("it is not a key ring".into()));
    };
    let version = u16::from_le_bytes([head[8], head[9]]);
    if version != VERSION {
        return Err(failed(format!("it has version {version}, this Millrace reads version {VERSION}")));
    }
    if head[10..] != root.fingerprint() {
        return Err(KeyError::Root(format!(
            "the root key from {} is not the one that seals {}: the ring needs the key with the fingerprint {}, this one \
             has {}. Give the right one with --root-key-file, MILLRACE_ROOT_KEY or --root-key-command; without it nothing \
             that was sealed can be read",
            root.origin,
            path.display(),
            hex(&head[10..]),
            hex(&root.fingerprint()),
        )));
    }
    let json = open(&root.bytes, head, sealed).map_err(|_| failed("it is damaged, or was changed".into()))?;
    serde_json::from_slice(&json).map_err(|error| failed(error.to_string()))
}

/// Replaces the ring.
pub(crate) fn write(
    disk: &dyn Disk,
    dice: &dyn Dice,
    path: &Path,
    root: &RootKey,
    content: &Content,
) -> Result<(), KeyError> {
    let failed = store(path);
    let json = serde_json::to_vec(content).map_err(|error| failed(error.to_string()))?;
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&root.fingerprint());
    let sealed = seal(&root.bytes, dice, &bytes, &json);
    bytes.extend_from_slice(&sealed);
    disk.replace(path, &bytes).map_err(|error| failed(error.to_string()))
}
