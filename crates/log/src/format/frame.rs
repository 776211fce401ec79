//! Frames: what one group commit writes.

use super::take::Take;
use super::{BLOCK_BYTES, FRAME_BYTES_MAX, PRODUCER_ID_BYTES_MAX, RECORD_BYTES_MAX};
use crate::{NewRecord, Record};
use bytes::{BufMut, Bytes};
use crc32c::{crc32c, crc32c_append};
use millrace_base::{Millis, ShardId};
use std::sync::Arc;

/// `MRF1`.
pub(crate) const MAGIC: [u8; 4] = *b"MRF1";
const BLOCK_ENTRY_LEN: usize = 24;
const RECORD_HEADER_LEN: usize = 6;

/// Where a frame lies: its header is valid nowhere else.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FrameSite {
    pub(crate) incarnation: u64,
    pub(crate) segment: u64,
    pub(crate) offset: u64,
}

impl FrameSite {
    fn crc(self, header: &[u8]) -> u32 {
        let mut place = [0; 24];
        place[..8].copy_from_slice(&self.incarnation.to_le_bytes());
        place[8..16].copy_from_slice(&self.segment.to_le_bytes());
        place[16..].copy_from_slice(&self.offset.to_le_bytes());
        crc32c_append(crc32c(&place), header)
    }
}

/// A frame's header.
#[derive(Debug, Clone, Copy)]
pub struct FrameHeader {
    /// Bytes of the whole frame, this header included.
    pub len: u32,
    /// Its number in the journal, from 0 without holes.
    pub number: u64,
    /// When its records arrived.
    pub arrival: Millis,
    /// Bytes of the directory.
    pub directory_len: u32,
    blocks: u32,
    producers: u32,
    directory_crc: u32,
}

impl FrameHeader {
    /// Its bytes.
    pub const LEN: usize = 48;

    /// The header at `site`, or what is wrong with it.
    pub(crate) fn decode(bytes: &[u8], site: FrameSite) -> Result<Self, &'static str> {
        let header = bytes.get(..Self::LEN).ok_or("the frame's header is cut off")?;
        if header[..4] != MAGIC {
            return Err("no frame begins here");
        }
        Self::fields(header, site).ok_or("the checksum of the frame's header is wrong")
    }

    fn fields(bytes: &[u8], site: FrameSite) -> Option<Self> {
        let mut take = Take(&bytes[4..]);
        let header = Self {
            len: take.u32()?,
            number: take.u64()?,
            arrival: take.i64()?,
            directory_len: take.u32()?,
            blocks: take.u32()?,
            producers: take.u32()?,
            directory_crc: {
                take.u32()?;
                take.u32()?
            },
        };
        let fits = header.len as usize <= FRAME_BYTES_MAX
            && Self::LEN + header.directory_len as usize <= header.len as usize
            && header.blocks as usize * BLOCK_ENTRY_LEN <= header.directory_len as usize;
        (take.u32()? == site.crc(&bytes[..Self::LEN - 4]) && fits).then_some(header)
    }

    /// Bytes from the frame's beginning to its first block.
    pub(crate) fn body(&self) -> usize {
        Self::LEN + self.directory_len as usize
    }
}

/// Records of one shard within a frame.
#[derive(Debug, Clone, Copy)]
pub struct Block {
    /// Their shard.
    pub shard: ShardId,
    /// How many.
    pub records: u32,
    /// The first one's index.
    pub first: u64,
    /// Where the block begins, from the frame's beginning.
    pub start: u32,
    /// Its bytes.
    pub len: u32,
    /// Their checksum.
    pub crc: u32,
}

impl Block {
    /// The index after its last record.
    pub fn end(&self) -> u64 {
        self.first + u64::from(self.records)
    }

    /// Hands the records from `from` on to `each` until that returns false. False when the bytes are not records.
    pub(crate) fn scan(&self, bytes: &Bytes, arrival: Millis, from: u64, mut each: impl FnMut(Record) -> bool) -> bool {
        let mut at = 0;
        for index in self.first..self.end() {
            let Some((key_len, data_len)) = record_header(&bytes[at..]) else { return false };
            let key = at + RECORD_HEADER_LEN;
            let data = key + key_len;
            at = data + data_len;
            if at > bytes.len() {
                return false;
            }
            if index < from {
                continue;
            }
            let record = Record { index, arrival, partition_key: bytes.slice(key..data), data: bytes.slice(data..at) };
            if !each(record) {
                return true;
            }
        }
        true
    }
}

fn record_header(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut take = Take(bytes);
    let (key, data) = (usize::from(take.u16()?), take.u32()? as usize);
    (key + data <= RECORD_BYTES_MAX).then_some((key, data))
}

/// A frame, with as much of its bytes as is in memory.
#[derive(Debug)]
pub struct Frame {
    /// Its header.
    pub header: FrameHeader,
    /// Its blocks, by shard and index.
    pub blocks: Box<[Block]>,
    /// The last epoch of each producer in it.
    pub producers: Vec<(Arc<str>, u64)>,
    /// Its first bytes: at least up to the first block.
    pub(crate) head: Bytes,
    /// True when the bytes were made by this process and need no checking.
    pub(crate) trusted: bool,
}

impl Frame {
    /// The frame of `header`, whose directory is in `head`, which begins with the frame.
    pub(crate) fn decode(header: FrameHeader, head: Bytes) -> Result<Self, &'static str> {
        let directory = head.get(FrameHeader::LEN..header.body()).ok_or("the frame's directory is cut off")?;
        if crc32c(directory) != header.directory_crc {
            return Err("the checksum of the frame's directory is wrong");
        }
        let (blocks, producers) =
            directory_fields(&header, directory).ok_or("the frame's directory contradicts itself")?;
        Ok(Self { header, blocks, producers, head, trusted: false })
    }

    /// The blocks of a shard.
    pub(crate) fn blocks_of(&self, shard: ShardId) -> &[Block] {
        let from = self.blocks.partition_point(|b| b.shard < shard);
        let to = from + self.blocks[from..].partition_point(|b| b.shard == shard);
        &self.blocks[from..to]
    }

    /// A block's bytes, when all of them are in memory.
    pub(crate) fn block_bytes(&self, block: &Block) -> Option<Bytes> {
        let (start, end) = (block.start as usize, block.start as usize + block.len as usize);
        (end <= self.head.len()).then(|| self.head.slice(start..end))
    }
}

type Directory = (Box<[Block]>, Vec<(Arc<str>, u64)>);

fn directory_fields(header: &FrameHeader, directory: &[u8]) -> Option<Directory> {
    let mut take = Take(directory);
    let mut start = header.body() as u64;
    let mut blocks = Vec::with_capacity(header.blocks as usize);
    for _ in 0..header.blocks {
        let (shard, records, first) = (ShardId(take.u32()?), take.u32()?, take.u64()?);
        let (len, crc) = (take.u32()?, take.u32()?);
        blocks.push(Block { shard, records, first, start: start as u32, len, crc });
        start += u64::from(len);
        if start > u64::from(header.len) || first.checked_add(u64::from(records)).is_none() {
            return None;
        }
    }
    let mut producers = Vec::new();
    for _ in 0..header.producers {
        let (epoch, id_len) = (take.u64()?, usize::from(take.u16()?));
        if id_len > PRODUCER_ID_BYTES_MAX {
            return None;
        }
        producers.push((std::str::from_utf8(take.bytes(id_len)?).ok()?.into(), epoch));
    }
    let sorted = blocks.is_sorted_by_key(|b| (b.shard, b.first));
    (sorted && take.0.is_empty() && start == u64::from(header.len)).then(|| (blocks.into(), producers))
}

/// A record that has its place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'a> {
    pub(crate) shard: ShardId,
    pub(crate) index: u64,
    pub(crate) record: &'a NewRecord,
}

impl Entry<'_> {
    fn len(&self) -> usize {
        RECORD_HEADER_LEN + self.record.partition_key.len() + self.record.data.len()
    }
}

/// A frame that is about to be written: how long it will be is known before where it will lie.
pub(crate) struct FramePlan<'a> {
    entries: &'a [Entry<'a>],
    producers: &'a [(Arc<str>, u64)],
    blocks: Vec<Block>,
    directory_len: usize,
    len: usize,
}

impl<'a> FramePlan<'a> {
    /// Plans the frame of `entries`, sorted by shard and index. The caller has bounded their bytes.
    pub(crate) fn new(entries: &'a [Entry<'a>], producers: &'a [(Arc<str>, u64)]) -> Self {
        let mut blocks: Vec<Block> = Vec::new();
        for entry in entries {
            let len = entry.len();
            match blocks.last_mut() {
                Some(b) if b.shard == entry.shard && b.len as usize + len <= BLOCK_BYTES => {
                    b.records += 1;
                    b.len += len as u32;
                }
                _ => blocks.push(Block {
                    shard: entry.shard,
                    records: 1,
                    first: entry.index,
                    start: 0,
                    len: len as u32,
                    crc: 0,
                }),
            }
        }
        let directory_len =
            blocks.len() * BLOCK_ENTRY_LEN + producers.iter().map(|(id, _)| 10 + id.len()).sum::<usize>();
        let mut len = FrameHeader::LEN + directory_len;
        for block in &mut blocks {
            block.start = len as u32;
            len += block.len as usize;
        }
        Self { entries, producers, blocks, directory_len, len }
    }

    /// The frame's bytes.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The frame as it will lie at `site`.
    pub(crate) fn encode(mut self, site: FrameSite, number: u64, arrival: Millis) -> Frame {
        let mut out = Vec::with_capacity(self.len);
        out.resize(FrameHeader::LEN + self.directory_len, 0);
        for entry in self.entries {
            out.put_u16_le(entry.record.partition_key.len() as u16);
            out.put_u32_le(entry.record.data.len() as u32);
            out.extend_from_slice(&entry.record.partition_key);
            out.extend_from_slice(&entry.record.data);
        }
        debug_assert_eq!(out.len(), self.len, "the plan foresaw every byte");
        for block in &mut self.blocks {
            block.crc = crc32c(&out[block.start as usize..][..block.len as usize]);
        }
        let mut directory = &mut out[FrameHeader::LEN..][..self.directory_len];
        for block in &self.blocks {
            directory.put_u32_le(block.shard.0);
            directory.put_u32_le(block.records);
            directory.put_u64_le(block.first);
            directory.put_u32_le(block.len);
            directory.put_u32_le(block.crc);
        }
        for (id, epoch) in self.producers {
            directory.put_u64_le(*epoch);
            directory.put_u16_le(id.len() as u16);
            directory.put_slice(id.as_bytes());
        }
        let header = FrameHeader {
            len: self.len as u32,
            number,
            arrival,
            directory_len: self.directory_len as u32,
            blocks: self.blocks.len() as u32,
            producers: self.producers.len() as u32,
            directory_crc: crc32c(&out[FrameHeader::LEN..][..self.directory_len]),
        };
        header.write(&mut out, site);
        Frame {
            header,
            blocks: self.blocks.into(),
            producers: self.producers.to_vec(),
            head: Bytes::from(out),
            trusted: true,
        }
    }
}

impl FrameHeader {
    fn write(&self, out: &mut [u8], site: FrameSite) {
        let mut field = &mut out[..Self::LEN - 4];
        field.put_slice(&MAGIC);
        field.put_u32_le(self.len);
        field.put_u64_le(self.number);
        field.put_i64_le(self.arrival);
        field.put_u32_le(self.directory_len);
        field.put_u32_le(self.blocks);
        field.put_u32_le(self.producers);
        field.put_u32_le(0);
        field.put_u32_le(self.directory_crc);
        let crc = site.crc(&out[..Self::LEN - 4]);
        out[Self::LEN - 4..Self::LEN].copy_from_slice(&crc.to_le_bytes());
    }
}
