//! Segment files: what a log group's events lie in.
//!
//! A group's events lie in segments in the order in which they arrived, whatever their streams. Segments are immutable but
//! for the end of the last one.
//!
//! # Format (v1, little endian)
//! ```text
//! segment := magic(4) version(4) block*
//! block   := len(4) crc32c(4) body            len and crc32c are of the body
//! body    := stream id(8) ingestion(8) min(8) max(8) count(4) name len(2) name event*count
//! event   := timestamp(8) len(4) message
//! ```
//! A block holds events of one stream. Its smallest and largest timestamps let a reader pass over it.
//!
//! # Limits
//! A body has at most [`BODY_BYTES_MAX`] bytes, a segment less than 4 GiB: an event's offset fits into 32 bits.
//!
//! # Crash behaviour
//! Blocks are written without waiting for the disk and synced once a second: a process that is killed loses none that was
//! written, a machine that loses power those of the last second. A segment is read up to its first bad block, and is not
//! written to again after a restart, so nothing good lies behind a bad block.

use super::types::{EventKey, LogEvent};
use millrace_base::Millis;
use std::sync::Arc;

const MAGIC: &[u8; 4] = b"MRLG";
const VERSION: u32 = 1;
/// The bytes before the first block.
pub const HEADER_BYTES: u64 = 8;
const FRAME_BYTES: usize = 8;
const FIXED_BYTES: usize = 38;
const EVENT_BYTES: usize = 12;
/// A body that claims to be larger is damaged.
pub const BODY_BYTES_MAX: usize = 4 << 20;

/// What a new segment begins with.
pub fn header() -> [u8; HEADER_BYTES as usize] {
    let mut header = [0; HEADER_BYTES as usize];
    header[..4].copy_from_slice(MAGIC);
    header[4..].copy_from_slice(&VERSION.to_le_bytes());
    header
}

/// Appends one block to `out`. The events are fewer than [`BODY_BYTES_MAX`] bytes together.
pub fn encode(out: &mut Vec<u8>, stream_id: u64, stream: &str, ingestion: Millis, events: &[LogEvent]) {
    let start = out.len();
    out.extend_from_slice(&[0; FRAME_BYTES]);
    let times = || events.iter().map(|event| event.timestamp);
    out.extend_from_slice(&stream_id.to_le_bytes());
    out.extend_from_slice(&ingestion.to_le_bytes());
    out.extend_from_slice(&times().min().unwrap_or(0).to_le_bytes());
    out.extend_from_slice(&times().max().unwrap_or(0).to_le_bytes());
    out.extend_from_slice(&(events.len() as u32).to_le_bytes());
    out.extend_from_slice(&(stream.len() as u16).to_le_bytes());
    out.extend_from_slice(stream.as_bytes());
    for event in events {
        out.extend_from_slice(&event.timestamp.to_le_bytes());
        out.extend_from_slice(&(event.message.len() as u32).to_le_bytes());
        out.extend_from_slice(event.message.as_bytes());
    }
    let body = start + FRAME_BYTES;
    let (len, sum) = ((out.len() - body) as u32, crc32c::crc32c(&out[body..]));
    out[start..start + 4].copy_from_slice(&len.to_le_bytes());
    out[start + 4..body].copy_from_slice(&sum.to_le_bytes());
}

/// A block of a segment that was read into memory.
#[derive(Debug, Clone, Copy)]
pub struct Block<'a> {
    /// Which incarnation of the stream.
    pub stream_id: u64,
    /// The stream's name.
    pub stream: &'a str,
    /// When it arrived.
    pub ingestion: Millis,
    /// The earliest event.
    pub min: Millis,
    /// The latest event.
    pub max: Millis,
    count: u32,
    events: &'a [u8],
    /// Where the events begin in the segment.
    offset: u64,
}

/// The good blocks of a segment, up to its first bad one.
pub struct Blocks<'a> {
    content: &'a [u8],
    at: usize,
}

impl<'a> Blocks<'a> {
    /// The blocks of a whole segment; none when it is not one of this version.
    pub fn of(content: &'a [u8]) -> Self {
        let known = content.get(..HEADER_BYTES as usize) == Some(&header()[..]);
        Self { content: if known { content } else { &[] }, at: HEADER_BYTES as usize }
    }

    /// Where the good blocks read so far end.
    pub fn end(&self) -> u64 {
        self.at as u64
    }
}

impl<'a> Iterator for Blocks<'a> {
    type Item = Block<'a>;

    fn next(&mut self) -> Option<Block<'a>> {
        let frame = self.content.get(self.at..self.at + FRAME_BYTES)?;
        let len = number(frame, 0) as usize;
        if !(FIXED_BYTES..=BODY_BYTES_MAX).contains(&len) {
            return None;
        }
        let start = self.at + FRAME_BYTES;
        let body = self.content.get(start..start + len)?;
        if crc32c::crc32c(body) != number(frame, 4) {
            return None;
        }
        let name_len = usize::from(u16::from_le_bytes([body[36], body[37]]));
        let name = body.get(FIXED_BYTES..FIXED_BYTES + name_len)?;
        let block = Block {
            stream_id: long(body, 0) as u64,
            stream: std::str::from_utf8(name).ok()?,
            ingestion: long(body, 8),
            min: long(body, 16),
            max: long(body, 24),
            count: number(body, 32),
            events: &body[FIXED_BYTES + name_len..],
            offset: (start + FIXED_BYTES + name_len) as u64,
        };
        self.at = start + len;
        Some(block)
    }
}

impl<'a> Block<'a> {
    /// The events with their places, given the segment's number.
    pub fn events(&self, segment: u64) -> impl Iterator<Item = (EventKey, &'a str)> + use<'a> {
        let (events, first) = (self.events, self.offset);
        let mut at = 0;
        (0..self.count).map_while(move |_| {
            let head = events.get(at..at + EVENT_BYTES)?;
            let len = number(head, 8) as usize;
            let message = events.get(at + EVENT_BYTES..at + EVENT_BYTES + len)?;
            let position = segment << 32 | (first + at as u64);
            at += EVENT_BYTES + len;
            Some((EventKey { timestamp: long(head, 0), position }, std::str::from_utf8(message).ok()?))
        })
    }
}

fn number(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_le_bytes)
}

fn long(bytes: &[u8], at: usize) -> i64 {
    bytes.get(at..at + 8).and_then(|eight| eight.try_into().ok()).map_or(0, i64::from_le_bytes)
}

/// What is known of a segment without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SegmentInfo {
    /// Its number in its group: rises, never used again.
    pub number: u64,
    /// Its good bytes.
    pub len: u64,
    /// The earliest event.
    pub min: Millis,
    /// The latest event.
    pub max: Millis,
}

impl SegmentInfo {
    /// A segment without events.
    pub fn empty(number: u64) -> Self {
        Self { number, len: HEADER_BYTES, min: Millis::MAX, max: Millis::MIN }
    }

    /// Notes a block that was added.
    pub fn add(&mut self, min: Millis, max: Millis) {
        self.min = self.min.min(min);
        self.max = self.max.max(max);
    }
}

/// The name of a segment's file.
pub fn file_name(number: u64) -> String {
    format!("{number:010}.log")
}

/// The number in a segment file's name.
pub fn number_of(file: &str) -> Option<u64> {
    file.strip_suffix(".log")?.parse().ok()
}

/// A stream's name that blocks of one query share.
pub fn shared(names: &mut std::collections::HashMap<String, Arc<str>>, name: &str) -> Arc<str> {
    if let Some(known) = names.get(name) {
        return known.clone();
    }
    let fresh: Arc<str> = name.into();
    names.insert(name.to_owned(), fresh.clone());
    fresh
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(timestamp: Millis, message: &str) -> LogEvent {
        LogEvent { timestamp, message: message.to_owned() }
    }

    #[test]
    fn blocks_come_back_until_the_first_bad_one() {
        let mut segment = header().to_vec();
        encode(&mut segment, 7, "a", 100, &[event(5, "five"), event(3, "three")]);
        let good = segment.len();
        encode(&mut segment, 8, "b", 101, &[event(9, "nine")]);
        let mut blocks = Blocks::of(&segment);
        let first = blocks.next().unwrap();
        assert_eq!((first.stream_id, first.stream, first.min, first.max), (7, "a", 3, 5));
        let events: Vec<_> =
            first.events(2).map(|(key, message)| (key.timestamp, key.position >> 32, message)).collect();
        assert_eq!(events, [(5, 2, "five"), (3, 2, "three")]);
        assert!(blocks.next().is_some() && blocks.next().is_none());
        for cut in good..segment.len() {
            let mut blocks = Blocks::of(&segment[..cut]);
            assert_eq!(blocks.by_ref().count(), 1, "cut at {cut}");
            assert_eq!(blocks.end(), good as u64);
        }
        let last = segment.len() - 1;
        segment[last] ^= 1;
        assert_eq!(Blocks::of(&segment).count(), 1);
        assert_eq!(Blocks::of(b"other file").count(), 0);
    }
}
