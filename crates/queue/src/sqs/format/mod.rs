//! How queues lie on disk: one journal for all queues.
//!
//! ```text
//! DIR/<segment, 12 digits>.mrq
//! ```
//!
//! Segments are numbered without holes; only the last is written to. What is in memory is the fold of all frames, oldest
//! first. Definitions of queues are in the catalog; a record of a queue that the catalog does not know is dead.
//!
//! # Format (v1, little endian)
//! ```text
//! segment := header frame*
//! header  := "MILLRQUE" version(4) zero(4) segment(8) stamp(8) next_no(8) previous_len(8) crc(4)
//! frame   := "MQF1" frame_len(4) frame(8) records(4) crc(4)  record*
//! record  := record_len(4) crc(4) kind(1) payload
//! payload := put | remove | moved | note | purge | dedup
//! put     := no(8) queue(8) sent(8) visible_at(8) first_received(8) received(4) base(4) nonce(4) dedup(16)
//!            message_id(16) body_md5(16) group sender dedup_id trace source
//!            ( attributes(1) { name type value_kind(1) value_len(4) value }*  body_len(4) body
//!            | 255(1) sealed_len(4) sealed )
//! sealed  := what a key made of: trace attributes(1) {…}* body_len(4) body
//! remove  := queue(8) no(8)
//! moved   := from_queue(8) from_no(8) put        leaves one queue and enters another, in one record
//! note    := queue(8) no(8) visible_at(8) first_received(8) received(4) nonce(4)
//! purge   := queue(8) before_no(8)
//! dedup   := queue(8) key(16) no(8) message_id(16) sent(8)
//! group, sender, dedup_id, trace, source, name, type := len(2) bytes
//! ```
//! Every crc is CRC-32C and covers, before its own bytes, the segment's stamp (random), its number and the offset, so that
//! bytes that were copied, or of an earlier file, are not valid where they lie. `queue` is a queue's incarnation. `no` is a
//! message's number: it grows over all queues and is never given twice, because `next_no` keeps what removed segments used
//! up. `previous_len` is where the segment before ends: what lies behind it there was cut off. `base` is what `received` was when the message entered its queue. `dedup` is 0, or the first half of a SHA-256.
//! In a message that is sealed `trace` is empty and `body_md5` zero, for they tell of its content.
//!
//! A put of a number that is there replaces it (a copy that compaction made, with what was known of it then). A moved
//! record puts its message even if its source is not there: that was compacted away.
//!
//! # Limits
//! Each length that is read is first compared with its ceiling: [`RECORD_BYTES_MAX`], [`FRAME_BYTES_MAX`].
//!
//! # Crash behaviour
//! - A frame is one group commit: written whole and synced before the next is begun, acknowledged after that. So a bad
//!   frame with nothing behind it was never acknowledged: it is cut. A bad frame with a valid frame header behind it, or in
//!   a segment that is not the last, is damage: it is reported and never cut.
//! - A segment's header is synced, and its name, before its first frame is written. So a bad header in the last segment,
//!   with no frame behind it, is a torn creation: the file is removed.
//! - The last frame and the last header were perhaps never synced (the process was killed, or its sync had failed), so they
//!   are written again and synced before they are used.
//! - Segments are removed oldest first, each after its live messages were copied to the end and synced, and the folder is
//!   synced before the next goes. So a remove, a purge or a note always outlives the put that it is about.
//!
//! # What is lazy
//! Receives are not waited for: a note of each is written at the latest [`NOTE_LINGER_MS`] later. A receive that is not on
//! disk yet is forgotten by a crash: its message is visible at once, and its receive count is lower by as much.
//! Messages that outlived their retention are removed in the same manner: if that is forgotten, they expire again.

mod frame;
mod record;
mod segment;
mod take;

pub(crate) use frame::{
    FRAME_HEADER, FrameBuilder, FrameHeader, RECORD_HEAD, RawRecord, Site, own_records, record_at, records,
};
pub(crate) use record::{Dedup, Note, Put, PutHead, Record, StoredMessage, kind};
pub(crate) use segment::{HeaderError, SEGMENT_HEADER, SegmentHeader};

/// The version that is written, and the only one that is read.
pub const VERSION: u32 = 1;
/// A message of 1 MiB with its attributes, ids and policies.
pub const RECORD_BYTES_MAX: usize = 4 << 20;
/// One commit.
pub const FRAME_BYTES_MAX: usize = 1 << 30;
/// How long a receive may wait to be noted, in milliseconds.
pub const NOTE_LINGER_MS: i64 = 200;

const _: () = assert!(crate::sqs::MESSAGE_BYTES_MAX * 2 < RECORD_BYTES_MAX && RECORD_BYTES_MAX < FRAME_BYTES_MAX);

/// The name of a segment's file.
pub(crate) fn segment_name(segment: u64) -> String {
    format!("{segment:012}.mrq")
}

/// The number of the segment that a file name is of, if it is a segment's.
pub(crate) fn segment_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".mrq")?;
    (digits.len() == 12 && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok()).flatten()
}
