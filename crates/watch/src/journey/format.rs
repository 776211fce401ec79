//! Journal files: what notes lie in.
//!
//! # Format (v1, little endian)
//! ```text
//! file  := magic(4) version(4) block*
//! block := len(4) crc32c(4) body               len and crc32c are of the body
//! body  := zlib( (note as JSON, newline)* )
//! ```
//!
//! # Limits
//! A body has at most [`BODY_BYTES_MAX`] bytes, and unpacks to at most [`UNPACKED_BYTES_MAX`].
//!
//! # Crash behaviour
//! Blocks are written without waiting for the disk. A file is read up to its first bad block and never written to again
//! after a restart.

use super::Note;
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use std::io::{self, Read, Write};

const MAGIC: &[u8; 4] = b"MRJN";
const VERSION: u32 = 1;
/// The bytes before the first block.
pub const HEADER_BYTES: u64 = 8;
const FRAME_BYTES: usize = 8;
/// A body that claims to be larger is damaged.
pub const BODY_BYTES_MAX: usize = 64 << 20;
/// What unpacks to more is damaged.
pub const UNPACKED_BYTES_MAX: u64 = 512 << 20;

/// What a new file begins with.
pub fn header() -> [u8; HEADER_BYTES as usize] {
    let mut header = [0; HEADER_BYTES as usize];
    header[..4].copy_from_slice(MAGIC);
    header[4..].copy_from_slice(&VERSION.to_le_bytes());
    header
}

/// One block of notes.
pub fn encode(notes: &[Note]) -> io::Result<Vec<u8>> {
    let mut body = ZlibEncoder::new(vec![0; FRAME_BYTES], Compression::fast());
    for note in notes {
        serde_json::to_writer(&mut body, note)?;
        body.write_all(b"\n")?;
    }
    let mut block = body.finish()?;
    let (len, sum) = ((block.len() - FRAME_BYTES) as u32, crc32c::crc32c(&block[FRAME_BYTES..]));
    block[..4].copy_from_slice(&len.to_le_bytes());
    block[4..FRAME_BYTES].copy_from_slice(&sum.to_le_bytes());
    Ok(block)
}

/// Calls `each` with every good note of a file, up to its first bad block.
pub fn read(content: &[u8], mut each: impl FnMut(Note)) {
    let mut rest = content.strip_prefix(&header()[..]).unwrap_or_default();
    while let Some((body, behind)) = body(rest) {
        let mut lines = String::new();
        if ZlibDecoder::new(body).take(UNPACKED_BYTES_MAX).read_to_string(&mut lines).is_err() {
            return;
        }
        lines.lines().filter_map(|line| serde_json::from_str(line).ok()).for_each(&mut each);
        rest = behind;
    }
}

/// The first block's body, and what lies behind the block.
fn body(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let (frame, rest) = rest.split_at_checked(FRAME_BYTES)?;
    let number = |at: usize| frame.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
    let len = number(0)? as usize;
    if len > BODY_BYTES_MAX {
        return None;
    }
    let (body, behind) = rest.split_at_checked(len)?;
    (Some(crc32c::crc32c(body)) == number(4)).then_some((body, behind))
}
