//! A frame: the records of one commit.

use super::take::Take;
use super::{FRAME_BYTES_MAX, RECORD_BYTES_MAX};
use bytes::Bytes;
use crc32c::{crc32c, crc32c_append};

const MAGIC: &[u8; 4] = b"MQF1";
/// Bytes of a frame's header.
pub(crate) const FRAME_HEADER: usize = 4 + 4 + 8 + 4 + 4;
/// Bytes before a record's payload: length, checksum, kind.
pub(crate) const RECORD_HEAD: usize = 4 + 4 + 1;

/// Where a frame lies, for its checksums.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Site {
    pub(crate) stamp: u64,
    pub(crate) segment: u64,
    pub(crate) offset: u64,
}

impl Site {
    fn seed(self, offset: u64) -> u32 {
        let crc = crc32c(&self.stamp.to_le_bytes());
        let crc = crc32c_append(crc, &self.segment.to_le_bytes());
        crc32c_append(crc, &offset.to_le_bytes())
    }
}

/// Collects records; their checksums are filled in once it is known where the frame goes.
#[derive(Default)]
pub(crate) struct FrameBuilder {
    bytes: Vec<u8>,
    records: u32,
}

impl FrameBuilder {
    pub(crate) fn is_empty(&self) -> bool {
        self.records == 0
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Adds a record of a kind, whose payload is written by `write`.
    pub(crate) fn push(&mut self, kind: u8, write: impl FnOnce(&mut Vec<u8>)) {
        if self.bytes.is_empty() {
            self.bytes.resize(FRAME_HEADER, 0);
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; RECORD_HEAD]);
        self.bytes[start + 8] = kind;
        write(&mut self.bytes);
        let len = (self.bytes.len() - start) as u32;
        self.bytes[start..start + 4].copy_from_slice(&len.to_le_bytes());
        self.records += 1;
    }

    /// The frame as it is written at `site`.
    pub(crate) fn seal(mut self, site: Site, frame: u64) -> Bytes {
        let bytes = &mut self.bytes;
        let mut at = FRAME_HEADER;
        for _ in 0..self.records {
            let len = bytes[at..at + 4].try_into().map(u32::from_le_bytes).unwrap_or_default() as usize;
            let crc = crc32c_append(site.seed(site.offset + at as u64), &bytes[at + 8..at + len]);
            bytes[at + 4..at + 8].copy_from_slice(&crc.to_le_bytes());
            at += len;
        }
        let len = bytes.len() as u32;
        bytes[..4].copy_from_slice(MAGIC);
        bytes[4..8].copy_from_slice(&len.to_le_bytes());
        bytes[8..16].copy_from_slice(&frame.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.records.to_le_bytes());
        let crc = crc32c_append(site.seed(site.offset), &bytes[..20]);
        bytes[20..24].copy_from_slice(&crc.to_le_bytes());
        self.bytes.into()
    }
}

/// What a frame says of itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FrameHeader {
    pub(crate) len: u32,
    pub(crate) frame: u64,
    pub(crate) records: u32,
}

impl FrameHeader {
    /// Reads a header that lies at `site`. `None`: there is none.
    pub(crate) fn decode(bytes: &[u8], site: Site) -> Option<Self> {
        let head = bytes.get(..FRAME_HEADER)?;
        let mut take = Take::new(Bytes::copy_from_slice(head));
        let magic = take.array::<4>()?;
        let header = Self { len: take.u32()?, frame: take.u64()?, records: take.u32()? };
        let crc = crc32c_append(site.seed(site.offset), &head[..20]);
        let fits = (FRAME_HEADER..=FRAME_BYTES_MAX).contains(&(header.len as usize));
        (&magic == MAGIC && take.u32()? == crc && fits).then_some(header)
    }

    /// True where a header may begin: worth the checksum.
    pub(crate) fn may_begin(bytes: &[u8]) -> bool {
        bytes.starts_with(MAGIC)
    }
}

/// A record within its frame.
#[derive(Debug, Clone)]
pub(crate) struct RawRecord {
    /// From the frame's first byte.
    pub(crate) offset: usize,
    /// With its head.
    pub(crate) len: usize,
    pub(crate) kind: u8,
    pub(crate) payload: Bytes,
}

/// The record at the front of `bytes`, which lie at `offset` of the frame at `site`. `None`: it is not valid.
pub(crate) fn record_at(bytes: &Bytes, site: Site, offset: usize) -> Option<RawRecord> {
    let head = bytes.get(..RECORD_HEAD)?;
    let len = u32::from_le_bytes(head[..4].try_into().ok()?) as usize;
    if !(RECORD_HEAD..=RECORD_BYTES_MAX).contains(&len) || len > bytes.len() {
        return None;
    }
    let crc = crc32c_append(site.seed(site.offset + offset as u64), &bytes[8..len]);
    (crc.to_le_bytes() == bytes[4..8]).then(|| raw(bytes, offset, len))
}

fn raw(bytes: &Bytes, offset: usize, len: usize) -> RawRecord {
    RawRecord { offset, len, kind: bytes[8], payload: bytes.slice(RECORD_HEAD..len) }
}

/// All records of a frame that was just made here.
pub(crate) fn own_records(frame: &Bytes) -> Vec<RawRecord> {
    let mut at = FRAME_HEADER;
    let mut found = Vec::new();
    while let Some(head) = frame.get(at..at + 4) {
        let len = head.try_into().map(u32::from_le_bytes).unwrap_or_default() as usize;
        found.push(raw(&frame.slice(at..), at, len));
        at += len;
    }
    found
}

/// All records of a whole frame, their checksums verified. `None`: one of them is not valid.
pub(crate) fn records(frame: &Bytes, header: FrameHeader, site: Site) -> Option<Vec<RawRecord>> {
    let mut at = FRAME_HEADER;
    let mut found = Vec::with_capacity(header.records as usize);
    for _ in 0..header.records {
        let record = record_at(&frame.slice(at.min(frame.len())..), site, at)?;
        at += record.len;
        found.push(record);
    }
    (at == header.len as usize).then_some(found)
}
