//! The root key: the one secret from outside that opens the ring.

use super::crypto::{KEY_BYTES, fill};
use super::error::KeyError;
use super::key::{hex, unhex};
use millrace_base::Dice;
use ring::digest::{SHA256, digest};

/// A root key, and what to call the place that it came from.
#[derive(Clone)]
pub struct RootKey {
    pub(crate) bytes: [u8; KEY_BYTES],
    /// For messages, for example `the file /etc/millrace/root.key`.
    pub(crate) origin: String,
}

impl std::fmt::Debug for RootKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RootKey from {}", self.origin)
    }
}

impl RootKey {
    /// A root key from what a file, a variable or a command gives: 64 hexadecimal digits, or 32 bytes as they are. White
    /// space around digits is ignored.
    pub fn parse(content: &[u8], origin: impl Into<String>) -> Result<Self, KeyError> {
        let origin = origin.into();
        let digits = std::str::from_utf8(content).ok().and_then(|text| unhex(text.trim()));
        match digits.or_else(|| content.try_into().ok()) {
            Some(bytes) => Ok(Self { bytes, origin }),
            None => Err(KeyError::Root(format!(
                "{origin} does not hold a root key: it must be 64 hexadecimal digits (openssl rand -hex 32) or exactly 32 \
                 bytes, and has {} bytes",
                content.len()
            ))),
        }
    }

    /// A new one.
    pub fn random(dice: &dyn Dice, origin: impl Into<String>) -> Self {
        let mut bytes = [0; KEY_BYTES];
        fill(dice, &mut bytes);
        Self { bytes, origin: origin.into() }
    }

    /// What a file holds of it: 64 digits and a line feed.
    pub fn file_content(&self) -> String {
        hex(&self.bytes) + "\n"
    }

    /// Eight bytes that tell root keys apart and tell nothing of them.
    pub(crate) fn fingerprint(&self) -> [u8; 8] {
        let mut input = b"millrace root key ".to_vec();
        input.extend_from_slice(&self.bytes);
        digest(&SHA256, &input).as_ref()[..8].try_into().expect("a digest is longer")
    }
}
