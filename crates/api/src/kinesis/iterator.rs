//! Shard iterators: an exact position in a shard, sealed, good for five minutes.
//!
//! # Content of the sealed token
//! ```text
//! iterator := incarnation(8) shard(4) index(8) minted_ms(8) account region name      numbers are big endian
//! account, region, name := len(1) bytes
//! ```
//! At most 28 + 13 + 33 + 129 bytes for AWS's names, 304 characters sealed: below AWS's 512.

use super::Kinesis;
use super::seal::Purpose;
use crate::http::Caller;
use crate::wire::{Fault, Text, kinds};
use chrono::DateTime;
use millrace_base::{Millis, Scope, ShardId};
use millrace_log::{StreamInfo, StreamKey};

/// How long an iterator is good for.
pub const ITERATOR_MS_MAX: Millis = 300_000;

/// Where the next GetRecords reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardIterator {
    /// The stream,
    pub key: StreamKey,
    /// which of the streams that had this name,
    pub incarnation: u64,
    /// the shard,
    pub shard: ShardId,
    /// the dense position of the next record in it,
    pub index: u64,
    /// and when this was handed out.
    pub minted: Millis,
}

impl ShardIterator {
    /// An iterator that stands before `index`.
    pub fn at(stream: &StreamInfo, shard: ShardId, index: u64, minted: Millis) -> Self {
        Self { key: stream.key.clone(), incarnation: stream.incarnation, shard, index, minted }
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend_from_slice(&self.incarnation.to_be_bytes());
        bytes.extend_from_slice(&self.shard.0.to_be_bytes());
        bytes.extend_from_slice(&self.index.to_be_bytes());
        bytes.extend_from_slice(&self.minted.to_be_bytes());
        for part in [&self.key.scope.account, &self.key.scope.region, &self.key.name] {
            bytes.push(u8::try_from(part.len()).expect("accounts, regions and names are at most 128 characters"));
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes
    }

    fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        let incarnation = u64::from_be_bytes(*take(&mut bytes)?);
        let shard = ShardId(u32::from_be_bytes(*take(&mut bytes)?));
        let index = u64::from_be_bytes(*take(&mut bytes)?);
        let minted = Millis::from_be_bytes(*take(&mut bytes)?);
        let mut parts = [""; 3];
        for part in &mut parts {
            let [len] = *take(&mut bytes)?;
            let (text, rest) = bytes.split_at_checked(usize::from(len))?;
            *part = std::str::from_utf8(text).ok()?;
            bytes = rest;
        }
        let [account, region, name] = parts;
        let key = StreamKey { scope: Scope::new(account, region), name: name.into() };
        bytes.is_empty().then_some(Self { key, incarnation, shard, index, minted })
    }
}

fn take<'a, const N: usize>(bytes: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(taken)
}

impl Kinesis {
    /// The iterator as clients carry it.
    pub(super) fn seal_iterator(&self, iterator: &ShardIterator) -> Text {
        self.seal.close(Purpose::ShardIterator, &iterator.to_bytes())
    }

    /// The iterator that a client brought back, if it is its own and not too old.
    pub(super) fn open_iterator(&self, caller: &Caller, token: &str, now: Millis) -> Result<ShardIterator, Fault> {
        let content = self.seal.open(Purpose::ShardIterator, token);
        let iterator = content.and_then(|content| ShardIterator::from_bytes(&content));
        let iterator = iterator.filter(|iterator| iterator.key.scope == caller.scope);
        let iterator = iterator.ok_or_else(|| kinds::INVALID_ARGUMENT.because("Invalid ShardIterator."))?;
        if now - iterator.minted > ITERATOR_MS_MAX {
            return Err(kinds::EXPIRED_ITERATOR.because(format!(
                "Iterator expired. The iterator was created at time {} while right now it is {} which is further in the \
                 future than the tolerated delay of {ITERATOR_MS_MAX} milliseconds.",
                java_date(iterator.minted),
                java_date(now)
            )));
        }
        Ok(iterator)
    }
}

/// A time as Java's `Date.toString` writes it.
fn java_date(time: Millis) -> String {
    let date = DateTime::from_timestamp_millis(time).unwrap_or_default();
    date.format("%a %b %d %H:%M:%S UTC %Y").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_iterator_fits() {
        let key =
            StreamKey { scope: Scope::new(&"1".repeat(12), &"r".repeat(32)), name: "n".repeat(128).as_str().into() };
        let iterator = ShardIterator { key, incarnation: u64::MAX, shard: ShardId(u32::MAX), index: 7, minted: -1 };
        let bytes = iterator.to_bytes();
        assert_eq!(ShardIterator::from_bytes(&bytes), Some(iterator));
        let token = super::super::seal::Seal::new(&[0; 32]).close(Purpose::ShardIterator, &bytes);
        assert!(token.len() <= 512, "{}", token.len());
        assert_eq!(ShardIterator::from_bytes(&bytes[1..]), None);
    }

    #[test]
    fn dates_are_javas() {
        assert_eq!(java_date(1_421_889_722_000), "Thu Jan 22 01:22:02 UTC 2015");
    }
}
