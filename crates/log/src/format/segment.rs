//! Segment headers: where every shard and every producer stood when the segment began.

use super::take::Take;
use super::{ByShard, HEADER_BYTES_MAX, PRODUCER_ID_BYTES_MAX, PRODUCERS_MAX, SHARDS_MAX, VERSION, VERSION_MIN};
use bytes::BufMut;
use crc32c::crc32c;
use millrace_base::{Millis, ShardId};
use std::sync::Arc;

const MAGIC: [u8; 8] = *b"MILLRLOG";
const FIXED_LEN: usize = 72;

/// A producer's last epoch, and the frame that it was written in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerMark {
    /// The producer.
    pub id: Arc<str>,
    /// Its last epoch.
    pub epoch: u64,
    /// The number of its frame.
    pub frame: u64,
}

/// The header of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The stream's incarnation.
    pub incarnation: u64,
    /// The segment's number, from 1.
    pub segment: u64,
    /// The number of the first frame in it.
    pub first_frame: u64,
    /// The length of the segment before; 0 when there is none.
    pub previous_len: u64,
    /// The least and the greatest arrival in the segment before; the least is greater when there are none.
    pub previous_arrivals: (Millis, Millis),
    /// For each shard the index of its next record.
    pub bases: ByShard<u64>,
    /// The producers.
    pub producers: Vec<ProducerMark>,
}

/// Why a header cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HeaderError {
    /// It was not written whole, or was damaged.
    Bad(&'static str),
    /// Another version wrote it.
    Version(u32),
}

impl SegmentHeader {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let producers = self.producers.iter().map(|p| 18 + p.id.len()).sum::<usize>();
        let len = FIXED_LEN + self.bases.count() * 12 + producers + 4;
        let mut out = Vec::with_capacity(len);
        out.put_slice(&MAGIC);
        out.put_u32_le(VERSION);
        out.put_u32_le(len as u32);
        out.put_u64_le(self.incarnation);
        out.put_u64_le(self.segment);
        out.put_u64_le(self.first_frame);
        out.put_u64_le(self.previous_len);
        out.put_i64_le(self.previous_arrivals.0);
        out.put_i64_le(self.previous_arrivals.1);
        out.put_u32_le(self.bases.count() as u32);
        out.put_u32_le(self.producers.len() as u32);
        for (shard, base) in self.bases.iter() {
            out.put_u32_le(shard.0);
            out.put_u64_le(*base);
        }
        for producer in &self.producers {
            out.put_u64_le(producer.epoch);
            out.put_u64_le(producer.frame);
            out.put_u16_le(producer.id.len() as u16);
            out.put_slice(producer.id.as_bytes());
        }
        out.put_u32_le(crc32c(&out));
        out
    }

    /// The length of the header that begins with `bytes`, of which there are at least [`Self::PREFIX_LEN`].
    pub(crate) fn len(bytes: &[u8]) -> Result<usize, HeaderError> {
        let mut take = Take(bytes);
        let (magic, version, len) = (take.bytes(8), take.u32(), take.u32());
        match (magic, version, len) {
            (Some(magic), Some(version), Some(len)) if magic == MAGIC => match len as usize {
                _ if !(VERSION_MIN..=VERSION).contains(&version) => Err(HeaderError::Version(version)),
                len if (FIXED_LEN + 4..=HEADER_BYTES_MAX).contains(&len) => Ok(len),
                _ => Err(HeaderError::Bad("the header's length is impossible")),
            },
            _ => Err(HeaderError::Bad("no segment begins here")),
        }
    }

    /// Enough bytes to know a header's length.
    pub(crate) const PREFIX_LEN: usize = 16;

    /// The header that `bytes` are.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        let len = Self::len(bytes)?;
        let bytes = bytes.get(..len).ok_or(HeaderError::Bad("the segment's header is cut off"))?;
        let (body, crc) = bytes.split_at(len - 4);
        if crc32c(body).to_le_bytes() != crc {
            return Err(HeaderError::Bad("the checksum of the segment's header is wrong"));
        }
        Self::fields(&body[Self::PREFIX_LEN..]).ok_or(HeaderError::Bad("the segment's header contradicts itself"))
    }

    fn fields(bytes: &[u8]) -> Option<Self> {
        let mut take = Take(bytes);
        let mut header = Self {
            incarnation: take.u64()?,
            segment: take.u64()?,
            first_frame: take.u64()?,
            previous_len: take.u64()?,
            previous_arrivals: (take.i64()?, take.i64()?),
            bases: ByShard::new(ShardId(0), Vec::new()),
            producers: Vec::new(),
        };
        let (shards, producers) = (take.u32()?, take.u32()?);
        if producers as usize > PRODUCERS_MAX || shards as usize > SHARDS_MAX {
            return None;
        }
        let mut bases = Vec::with_capacity(shards as usize);
        let mut first = 0;
        for at in 0..shards {
            let shard = take.u32()?;
            first = if at == 0 { shard } else { first };
            if first.checked_add(at)? != shard {
                return None;
            }
            bases.push(take.u64()?);
        }
        header.bases = ByShard::new(ShardId(first), bases);
        for _ in 0..producers {
            let (epoch, frame, id_len) = (take.u64()?, take.u64()?, usize::from(take.u16()?));
            if id_len > PRODUCER_ID_BYTES_MAX {
                return None;
            }
            let id = std::str::from_utf8(take.bytes(id_len)?).ok()?.into();
            header.producers.push(ProducerMark { id, epoch, frame });
        }
        take.0.is_empty().then_some(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_round_trip_and_every_flipped_byte_is_noticed() {
        let header = SegmentHeader {
            incarnation: 7,
            segment: 3,
            first_frame: 99,
            previous_len: 1 << 26,
            previous_arrivals: (-5, 1_800_000_000_000),
            bases: ByShard::new(ShardId(5), vec![1, 0, u64::MAX >> 1]),
            producers: vec![ProducerMark { id: "app/sink".into(), epoch: 4, frame: 98 }],
        };
        let bytes = header.encode();
        assert_eq!(SegmentHeader::decode(&bytes), Ok(header));
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(SegmentHeader::decode(&damaged).is_err(), "byte {at}");
            assert!(SegmentHeader::decode(&bytes[..at]).is_err(), "cut at {at}");
        }
    }
}
