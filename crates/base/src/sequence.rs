//! Where a record lies: shard ids and sequence numbers in Kinesis's own forms.
//!
//! # Sequence number (version 2)
//! The decimal rendering of 47 hexadecimal digits, 56 decimals beginning `49` for present dates (source: kinesalite's
//! `db/index.js`, which read them off AWS):
//!
//! ```text
//! 2 | shard created, s (9) | shard index & 15 (1) | index in shard (16) | 00 | arrival, s (9) | shard index (8) | 2
//! ```
//!
//! Within a shard, numeric order is log order, because `index` is the record's dense position (0, 1, 2, …) in its shard.
//! Every number of a child shard is greater than every number of its parents, because it was created later.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A shard of a stream, numbered in order of creation over the stream's life and never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ShardId(pub u32);

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shardId-{:012}", self.0)
    }
}

impl FromStr for ShardId {
    type Err = SequenceNumberError;

    fn from_str(text: &str) -> Result<Self, SequenceNumberError> {
        let digits = text.strip_prefix("shardId-").filter(|d| d.len() == 12 && d.bytes().all(|b| b.is_ascii_digit()));
        digits.and_then(|d| d.parse().ok()).map(Self).ok_or_else(|| SequenceNumberError(text.to_owned()))
    }
}

/// A record's place in a stream, in the form that clients see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SequenceNumber {
    /// When the shard was created, seconds since 1970; below 2^36.
    pub shard_created_secs: u64,
    /// The shard.
    pub shard: ShardId,
    /// The dense position in the shard, from 0; at most [`Self::INDEX_END`].
    pub index: u64,
    /// When the record arrived, seconds since 1970; below 2^36.
    pub arrival_secs: u64,
}

/// A text that is no sequence number or shard id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a valid position in a stream")]
pub struct SequenceNumberError(pub String);

/// The 188-bit number is held as (high, low): `low` is its last 120 bits.
const LOW_BITS: u32 = 120;
const SECS_MAX: u64 = (1 << 36) - 1;
/// Ten to the nineteenth, the greatest power of ten in 64 bits: numbers are printed and read in chunks of 19 digits.
const CHUNK: u64 = 10_000_000_000_000_000_000;
const CHUNK_DIGITS: usize = 19;

impl SequenceNumber {
    /// The index in the ending sequence number of a closed shard: greater than any record's.
    pub const INDEX_END: u64 = 0x7fff_ffff_ffff_ffff;

    fn bits(self) -> (u128, u128) {
        let created = u128::from(self.shard_created_secs & SECS_MAX);
        let index = u128::from(self.index);
        let high = ((2 << 36 | created) << 4 | u128::from(self.shard.0 & 15)) << 24 | index >> 40;
        let low = (index & ((1 << 40) - 1)) << 80
            | u128::from(self.arrival_secs & SECS_MAX) << 36
            | u128::from(self.shard.0) << 4
            | 2;
        (high, low)
    }

    fn from_bits(high: u128, low: u128) -> Option<Self> {
        let shard = (low >> 4) as u32;
        let number = Self {
            shard_created_secs: (high >> 28) as u64 & SECS_MAX,
            shard: ShardId(shard),
            index: ((high as u64 & 0xff_ffff) << 40) | (low >> 80) as u64,
            arrival_secs: (low >> 36) as u64 & SECS_MAX,
        };
        (number.index <= Self::INDEX_END && number.bits() == (high, low)).then_some(number)
    }
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (high, low) = self.bits();
        let whole = [(high >> 8) as u64, ((high as u64) << 56) | (low >> 64) as u64, low as u64];
        let (rest, last) = divide(whole);
        let (rest, middle) = divide(rest);
        // 188 bits are 57 digits at most, and the leading 2 keeps the number at 56.
        write!(f, "{}{middle:019}{last:019}", rest[2])
    }
}

/// Divides a number of three 64-bit limbs (most significant first) by [`CHUNK`].
fn divide(limbs: [u64; 3]) -> ([u64; 3], u64) {
    let mut quotient = [0; 3];
    let mut remainder = 0u64;
    for (out, limb) in quotient.iter_mut().zip(limbs) {
        let part = u128::from(remainder) << 64 | u128::from(limb);
        *out = (part / u128::from(CHUNK)) as u64;
        remainder = (part % u128::from(CHUNK)) as u64;
    }
    (quotient, remainder)
}

impl FromStr for SequenceNumber {
    type Err = SequenceNumberError;

    fn from_str(text: &str) -> Result<Self, SequenceNumberError> {
        parse(text).ok_or_else(|| SequenceNumberError(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<SequenceNumber> {
    if text.len() != 56 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (first, rest) = text.split_at(text.len() - 2 * CHUNK_DIGITS);
    let (middle, last) = rest.split_at(CHUNK_DIGITS);
    let mut limbs = [0u64; 3];
    for chunk in [first, middle, last] {
        let mut carry = chunk.parse::<u64>().ok()?;
        for limb in limbs.iter_mut().rev() {
            let part = u128::from(*limb) * u128::from(CHUNK) + u128::from(carry);
            *limb = part as u64;
            carry = (part >> 64) as u64;
        }
    }
    let high = u128::from(limbs[0]) << 8 | u128::from(limbs[1] >> 56);
    let low = (u128::from(limbs[1]) << 64 | u128::from(limbs[2])) & ((1 << LOW_BITS) - 1);
    SequenceNumber::from_bits(high, low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_kinesis_version_2() {
        // 0x206553f10030123456789abcdef0006ab13b80000000132 by an independent big-integer calculator.
        let text = "49646437577175477766935572855796537407013663323612774706";
        let number: SequenceNumber = text.parse().unwrap();
        let expected = SequenceNumber {
            shard_created_secs: 1_700_000_000,
            shard: ShardId(19),
            index: 0x0123_4567_89ab_cdef,
            arrival_secs: 1_790_000_000,
        };
        assert_eq!(number, expected);
        assert_eq!(number.to_string(), text);
    }

    #[test]
    fn order_is_creation_then_index() {
        let at = |shard_created_secs, shard, index| SequenceNumber {
            shard_created_secs,
            shard: ShardId(shard),
            index,
            arrival_secs: 1_790_000_000,
        };
        let parent_end = at(1_780_000_000, 3, SequenceNumber::INDEX_END);
        let child_start = at(1_780_000_001, 4, 0);
        assert!(parent_end.to_string() < child_start.to_string());
        for index in [0, 1, 255, 1 << 40, (1 << 40) - 1, SequenceNumber::INDEX_END] {
            for shard in [0, 15, 16, u32::MAX] {
                let number = at(1_790_000_000, shard, index);
                let text = number.to_string();
                assert_eq!(text.len(), 56);
                assert_eq!(text.parse::<SequenceNumber>().unwrap(), number);
            }
        }
    }

    #[test]
    fn rejects_what_is_no_number() {
        for text in ["", "0", "49", &"9".repeat(56), &"1".repeat(56), "shardId-000000000000"] {
            assert!(text.parse::<SequenceNumber>().is_err(), "{text}");
        }
    }

    #[test]
    fn shard_ids_have_twelve_digits() {
        assert_eq!(ShardId(7).to_string(), "shardId-000000000007");
        assert_eq!("shardId-000000000007".parse::<ShardId>().unwrap(), ShardId(7));
        assert!("shardId-7".parse::<ShardId>().is_err());
    }
}
