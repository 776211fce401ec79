//! How streams lie on disk.
//!
//! ```text
//! DIR/<incarnation, 16 hex>-<stream name>/<segment, 12 digits>.log     the records
//!                                         <segment, 12 digits>.idx     of closed segments only; can be built again
//! ```
//!
//! A stream has one journal: segments numbered from 1 without holes, all shards interleaved. Only the last segment is
//! written to. Names, shards and retention are in the catalog; a folder that the catalog does not know is rubbish.
//!
//! The shards change only where a segment begins: see *Resharding* below.
//!
//! # Format (v2, little endian)
//! ```text
//! segment     := header frame*
//! header      := "MILLRLOG" version(4) header_len(4) incarnation(8) segment(8) first_frame(8)
//!                previous_len(8) previous_min_arrival(8) previous_max_arrival(8)
//!                shards(4) producers(4) { shard(4) base(8) }* { epoch(8) frame(8) id_len(2) id }* crc(4)
//!                                   the ids of the shards are a run without holes; in v1 it begins with 0
//! frame       := frame_header directory block*
//! frame_header:= "MRF1" frame_len(4) frame(8) arrival_ms(8) directory_len(4) blocks(4) producers(4) zero(4)
//!                directory_crc(4) crc(4)
//! directory   := { shard(4) records(4) first_index(8) block_len(4) block_crc(4) }* { epoch(8) id_len(2) id }*
//! block       := { key_len(2) data_len(4) key data }*                     of one shard
//! index       := "MILLRIDX" version(4) first_shard(4) shards(4) incarnation(8) segment(8) points(4)
//!                { offset(8) max_arrival_before(8) { next_index(8) }* }* crc(4)
//! ```
//! Every crc is CRC-32C. A frame header's covers, before its own bytes, the incarnation, the segment and its offset: a
//! header that was copied (into a record, say) is not valid where it lies. Positions are not stored with the records:
//! they are dense from `first_index`. A frame's records arrived together, when its commit began. Blocks are ordered by
//! shard and index; one is about [`BLOCK_BYTES`], so that a reader checks and reads little more than it asked for.
//!
//! `base` is the index that the shard's next record had when the segment began. Producers are the last epoch of each,
//! with the frame it came in, so that they outlive the segments they were written in.
//!
//! Version 1 had streams whose shards never change. Its segments are read and continued; its indexes are built again.
//!
//! # Resharding
//! ```text
//! appends wait ─► segment n+1 lists the new shards, each at 0 ─► the catalog's list of shards ─► appends go on, routed anew
//!                 (durable with its name)                        (one transaction: the change)
//! ```
//! A header may list shards that the catalog does not know: a change that a crash has undone. They have no records, and
//! their ids are given to the next change. A shard that the catalog knows is in the last header. A closed shard whose
//! records and whose end have outlived the retention leaves the catalog's list, and then the beginning of the next header's.
//!
//! # Limits
//! Each length that is read is first compared with its ceiling: [`RECORD_BYTES_MAX`], [`FRAME_BYTES_MAX`],
//! [`HEADER_BYTES_MAX`], [`PRODUCERS_MAX`], [`SHARDS_MAX`]. An index takes at most about a sixty-fourth of its segment.
//!
//! # Crash behaviour
//! - A frame is one group commit: it is written whole and synced before the next is begun, and acknowledged after that. So
//!   a bad frame with nothing behind it is a torn commit, which nobody was told of: it is cut. A bad frame with a valid
//!   frame header behind it, or in a segment that is not the last, is damage: it is reported and never cut.
//! - A segment's header is synced, and its name, before its first frame is written. So a bad header without frames is a
//!   torn creation: the file is removed. `previous_len` tells a closed segment that lost its end.
//! - The last frame found at the start was perhaps never synced (the process was killed, the machine went on; or its sync
//!   had failed), so it is written again and synced before it is used.
//! - After the catalog failed to take a new list of shards it is not known which one holds, so nothing is written any more
//!   until the log is opened again.
//! - What retention removes is first written to the catalog (the number of the first segment), then removed.

mod by_shard;
mod frame;
mod index;
mod segment;
mod take;

pub use by_shard::ByShard;
pub use frame::{Block, Frame, FrameHeader};
pub(crate) use frame::{Entry, FramePlan, FrameSite};
pub use index::Points;
pub(crate) use segment::HeaderError;
pub use segment::{ProducerMark, SegmentHeader};

/// The version that is written; segments of [`VERSION_MIN`] and later are read.
pub const VERSION: u32 = 2;
/// The oldest version of a segment that is read.
pub const VERSION_MIN: u32 = 1;
/// A record's key and data: AWS's 10 MiB, and room for what our own stages add.
pub const RECORD_BYTES_MAX: usize = 16 << 20;
/// One append must fit into one frame.
pub const FRAME_BYTES_MAX: usize = 1 << 30;
/// Blocks are cut at this size, unless one record is larger.
pub const BLOCK_BYTES: usize = 128 << 10;
/// A segment's header.
pub const HEADER_BYTES_MAX: usize = 64 << 20;
/// Producers remembered for each stream; beyond it the one that was silent for longest is forgotten.
pub const PRODUCERS_MAX: usize = 1 << 14;
/// A producer's id.
pub const PRODUCER_ID_BYTES_MAX: usize = 1 << 10;
/// Shards listed in a header: AWS's greatest stream has 10,000 open ones; the others are closed and not yet expired.
pub const SHARDS_MAX: usize = 1 << 16;
/// The least distance of two points of an index.
pub const STRIDE_BYTES: u64 = 256 << 10;

const _: () = assert!(RECORD_BYTES_MAX + BLOCK_BYTES < FRAME_BYTES_MAX && FRAME_BYTES_MAX <= u32::MAX as usize);
// Every header fits.
const _: () = assert!(PRODUCERS_MAX * (PRODUCER_ID_BYTES_MAX + 18) + 12 * SHARDS_MAX + 80 < HEADER_BYTES_MAX);

/// The name of a segment's file.
pub fn segment_name(segment: u64) -> String {
    format!("{segment:012}.log")
}

/// The name of a closed segment's index.
pub fn index_name(segment: u64) -> String {
    format!("{segment:012}.idx")
}

/// The name of a stream's folder.
pub fn stream_dir_name(incarnation: u64, stream: &str) -> String {
    format!("{incarnation:016x}-{stream}")
}

/// The incarnation of the stream that a folder name is of, if it is a stream's.
pub(crate) fn incarnation_of(name: &str) -> Option<u64> {
    let (digits, _) = name.split_once('-')?;
    (digits.len() == 16).then(|| u64::from_str_radix(digits, 16).ok()).flatten()
}

/// The number of the segment that a file name is of, if it is a segment's.
pub(crate) fn segment_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".log").or_else(|| name.strip_suffix(".idx"))?;
    (digits.len() == 12 && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok()).flatten()
}
