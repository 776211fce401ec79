//! Sealed tokens: what a client hands back is what it was given, or it is refused.
//!
//! # Format
//! ```text
//! token   := base64( version content mac(16) )
//! version := 00 00 00 00 00 00 00 01
//! mac     := the first 16 bytes of HMAC-SHA256(key, purpose version content)
//! ```
//! Nothing is kept on the server, so tokens survive a restart, as long as the key does.

use crate::wire::Text;
use base64_simd::STANDARD;
use sha2::{Digest, Sha256};

const VERSION: [u8; 8] = [0, 0, 0, 0, 0, 0, 0, 1];
const MAC_BYTES: usize = 16;
const BLOCK_BYTES: usize = 64;

/// What a token is for: one kind never passes for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A shard iterator.
    ShardIterator = 1,
    /// `NextToken` of ListShards.
    ListShards = 2,
    /// `NextToken` of ListStreams.
    ListStreams = 3,
    /// `NextToken` of ListStreamConsumers.
    ListStreamConsumers = 4,
}

/// A key, ready to seal and to open.
pub struct Seal {
    inner: [u8; BLOCK_BYTES],
    outer: [u8; BLOCK_BYTES],
}

impl Seal {
    /// A seal of `key`.
    pub fn new(key: &[u8; 32]) -> Self {
        // HMAC (RFC 2104): the key, padded with zeros to a block, is mixed with two constants.
        let (mut inner, mut outer) = ([0x36; BLOCK_BYTES], [0x5c; BLOCK_BYTES]);
        for (at, byte) in key.iter().enumerate() {
            inner[at] ^= byte;
            outer[at] ^= byte;
        }
        Self { inner, outer }
    }

    fn mac(&self, purpose: Purpose, content: &[u8]) -> [u8; MAC_BYTES] {
        let inner = Sha256::new().chain_update(self.inner).chain_update([purpose as u8]);
        let inner = inner.chain_update(VERSION).chain_update(content).finalize();
        let whole = Sha256::new().chain_update(self.outer).chain_update(inner).finalize();
        let mut mac = [0; MAC_BYTES];
        mac.copy_from_slice(&whole[..MAC_BYTES]);
        mac
    }

    /// A token that carries `content`.
    pub fn close(&self, purpose: Purpose, content: &[u8]) -> Text {
        let token = [&VERSION, content, &self.mac(purpose, content)].concat();
        STANDARD.encode_to_string(token).into()
    }

    /// The content of a token that this seal closed for this purpose.
    pub fn open(&self, purpose: Purpose, token: &str) -> Option<Vec<u8>> {
        let token = STANDARD.decode_to_vec(token).ok()?;
        let rest = token.strip_prefix(&VERSION)?;
        let (content, mac) = rest.split_at_checked(rest.len().checked_sub(MAC_BYTES)?)?;
        let difference =
            self.mac(purpose, content).iter().zip(mac).fold(0, |sum, (ours, theirs)| sum | (ours ^ theirs));
        (difference == 0).then(|| content.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mac_is_hmac_sha256() {
        // RFC 4231's construction, computed by another implementation for this key and content.
        let seal = Seal::new(&[7; 32]);
        let hex: String = seal.mac(Purpose::ShardIterator, b"abc").iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "d58d4eb6b5cf5b7306afd0b23fa3b7ea");
    }

    #[test]
    fn only_what_was_sealed_opens() {
        let seal = Seal::new(&[7; 32]);
        let token = seal.close(Purpose::ShardIterator, b"position");
        assert_eq!(seal.open(Purpose::ShardIterator, &token).unwrap(), b"position");
        assert!(seal.open(Purpose::ListShards, &token).is_none());
        assert!(Seal::new(&[8; 32]).open(Purpose::ShardIterator, &token).is_none());
        let mut bytes = STANDARD.decode_to_vec(token.as_bytes()).unwrap();
        for at in 0..bytes.len() {
            bytes[at] ^= 1;
            assert!(seal.open(Purpose::ShardIterator, &STANDARD.encode_to_string(&bytes)).is_none());
            bytes[at] ^= 1;
        }
        for garbage in ["", "AAAA", "not base64"] {
            assert!(seal.open(Purpose::ShardIterator, garbage).is_none());
        }
    }
}
