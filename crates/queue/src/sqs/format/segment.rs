//! A segment's header.

use super::VERSION;
use super::take::Take;
use bytes::Bytes;
use crc32c::crc32c;

const MAGIC: &[u8; 8] = b"MILLRQUE";

/// Bytes of a header.
pub(crate) const SEGMENT_HEADER: usize = 8 + 4 + 4 + 8 + 8 + 8 + 8 + 4;

/// What a segment says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) segment: u64,
    /// Random: tells its records from those of another file of that number.
    pub(crate) stamp: u64,
    /// No message of a later segment has a lower number that was not used before.
    pub(crate) next_no: u64,
    /// Where the segment before it ends; 0 in the first.
    pub(crate) previous_len: u64,
}

/// Why a header cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HeaderError {
    /// It was not written whole.
    Torn,
    /// It was written by another version.
    Version(u32),
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(SEGMENT_HEADER);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&0u32.to_le_bytes());
        for field in [self.segment, self.stamp, self.next_no, self.previous_len] {
            bytes.extend_from_slice(&field.to_le_bytes());
        }
        let crc = crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8], segment: u64) -> Result<Self, HeaderError> {
        let head = bytes.get(..SEGMENT_HEADER).ok_or(HeaderError::Torn)?;
        let (body, crc) = head.split_at(SEGMENT_HEADER - 4);
        if crc32c(body).to_le_bytes() != crc {
            return Err(HeaderError::Torn);
        }
        let mut take = Take::new(Bytes::copy_from_slice(body));
        let read = |take: &mut Take| {
            let magic = take.array::<8>()?;
            let version = take.u32()?;
            take.u32()?;
            let (segment, stamp, next_no, previous_len) = (take.u64()?, take.u64()?, take.u64()?, take.u64()?);
            Some((magic, version, Self { segment, stamp, next_no, previous_len }))
        };
        match read(&mut take) {
            Some((magic, VERSION, header)) if &magic == MAGIC && header.segment == segment => Ok(header),
            Some((magic, version, _)) if &magic == MAGIC && version != VERSION => Err(HeaderError::Version(version)),
            _ => Err(HeaderError::Torn),
        }
    }
}
