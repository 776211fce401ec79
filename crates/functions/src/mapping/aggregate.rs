//! User records inside records that the Kinesis Producer Library aggregated.
//!
//! # Format (KPL's `aggregation-format.md`)
//! ```text
//! aggregate   := F3 89 9A C2  message  md5(16, of the message)
//! message     := AggregatedRecord { 1: partition keys, 2: explicit hash keys, 3: Record… }        (protobuf 2)
//! Record      := { 1: index of a partition key, 2: index of an explicit hash key, 3: data, 4: tags }
//! ```
//!
//! What does not begin with the magic, is too short, has another digest or is no such message is a plain record. Unlike the
//! Kinesis Client Library, a user record whose hash lies outside its shard is *not* a reason to drop it and all before it: it
//! is handed on and counted.

use bytes::Bytes;
use millrace_log::hash_key;

const MAGIC: [u8; 4] = [0xf3, 0x89, 0x9a, 0xc2];
const DIGEST_BYTES: usize = 16;

/// One user record of an aggregate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UserRecord {
    /// Its own key, not the aggregate's.
    pub(crate) partition_key: Bytes,
    /// What routes it: its explicit hash or its key's.
    pub(crate) explicit_hash: Option<u128>,
    pub(crate) data: Bytes,
}

/// The user records of an aggregate, in order; `None` for a plain record.
pub(crate) fn split(data: &Bytes) -> Option<Vec<UserRecord>> {
    let message_end = data.len().checked_sub(DIGEST_BYTES)?;
    if message_end < MAGIC.len() || data[..MAGIC.len()] != MAGIC {
        return None;
    }
    let message = data.slice(MAGIC.len()..message_end);
    // The hash of a partition key is an MD5 like the digest.
    if hash_key(&message).to_be_bytes() != data[message_end..] {
        return None;
    }
    let mut table = Table::default();
    let mut reader = Reader { bytes: message };
    while !reader.bytes.is_empty() {
        match reader.field()? {
            (1, Value::Bytes(key)) => table.keys.push(key),
            (2, Value::Bytes(hash)) => table.hashes.push(std::str::from_utf8(&hash).ok()?.parse().ok()?),
            (3, Value::Bytes(record)) => table.records.push(record),
            _ => {}
        }
    }
    let records = std::mem::take(&mut table.records);
    records.into_iter().map(|record| table.user_record(record)).collect()
}

/// The data of the user records in an aggregate of the Kinesis Producer Library, in order; `None` for a plain record.
pub fn user_records(data: &Bytes) -> Option<Vec<Bytes>> {
    Some(split(data)?.into_iter().map(|record| record.data).collect())
}

#[derive(Default)]
struct Table {
    keys: Vec<Bytes>,
    hashes: Vec<u128>,
    records: Vec<Bytes>,
}

impl Table {
    fn user_record(&self, record: Bytes) -> Option<UserRecord> {
        let (mut key, mut hash, mut data) = (None, None, None);
        let mut reader = Reader { bytes: record };
        while !reader.bytes.is_empty() {
            match reader.field()? {
                (1, Value::Number(index)) => key = self.keys.get(usize::try_from(index).ok()?),
                (2, Value::Number(index)) => hash = self.hashes.get(usize::try_from(index).ok()?).copied(),
                (3, Value::Bytes(bytes)) => data = Some(bytes),
                _ => {}
            }
        }
        Some(UserRecord { partition_key: key?.clone(), explicit_hash: hash, data: data? })
    }
}

enum Value {
    Number(u64),
    Bytes(Bytes),
    Skipped,
}

/// Reads protobuf's wire format.
struct Reader {
    bytes: Bytes,
}

impl Reader {
    fn field(&mut self) -> Option<(u64, Value)> {
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Value::Number(self.varint()?),
            1 => self.skip(8)?,
            2 => {
                let len = usize::try_from(self.varint()?).ok()?;
                Value::Bytes(self.take(len)?)
            }
            5 => self.skip(4)?,
            _ => return None,
        };
        Some((tag >> 3, value))
    }

    fn skip(&mut self, len: usize) -> Option<Value> {
        self.take(len).map(|_| Value::Skipped)
    }

    fn take(&mut self, len: usize) -> Option<Bytes> {
        (len <= self.bytes.len()).then(|| self.bytes.split_to(len))
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0u64;
        for (at, byte) in self.bytes.iter().enumerate().take(10) {
            number |= u64::from(byte & 0x7f).checked_shl(7 * at as u32)?;
            if byte & 0x80 == 0 {
                let _ = self.bytes.split_to(at + 1);
                return Some(number);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, bytes.len() as u8], bytes].concat()
    }

    fn aggregate(message: &[u8]) -> Bytes {
        [&MAGIC, message, &hash_key(message).to_be_bytes()].concat().into()
    }

    #[test]
    fn user_records_come_out_in_order_with_their_own_keys() {
        let one = [&[8, 0, 16, 0][..], &field(3, b"first")].concat();
        let two = [&[8, 1][..], &field(3, b"second"), &field(4, b"tag")].concat();
        let hash = u128::MAX.to_string();
        let message =
            [field(1, b"a"), field(1, b"b"), field(2, hash.as_bytes()), field(3, &one), field(3, &two)].concat();
        let records = split(&aggregate(&message)).unwrap();
        let user = |key: &'static str, explicit_hash, data: &'static str| UserRecord {
            partition_key: Bytes::from_static(key.as_bytes()),
            explicit_hash,
            data: Bytes::from_static(data.as_bytes()),
        };
        assert_eq!(records, [user("a", Some(u128::MAX), "first"), user("b", None, "second")]);
    }

    #[test]
    fn whatever_is_no_aggregate_is_a_plain_record() {
        let record = [&[8, 0][..], &field(3, b"x")].concat();
        let message = [field(1, b"a"), field(3, &record)].concat();
        let good = aggregate(&message);
        assert_eq!(split(&good).unwrap().len(), 1);
        for at in 0..good.len() {
            let mut bad = good.to_vec();
            bad[at] ^= 1;
            assert_eq!(split(&bad.into()), None, "byte {at}");
            assert_eq!(split(&good.slice(..at)), None, "cut at {at}");
        }
        let no_such_key = [field(1, b"a"), field(3, &[&[8, 7][..], &field(3, b"x")].concat())].concat();
        assert_eq!(split(&aggregate(&no_such_key)), None);
        assert_eq!(split(&aggregate(&[0xff; 12])), None);
        assert_eq!(split(&Bytes::from_static(b"{}")), None);
    }
}
