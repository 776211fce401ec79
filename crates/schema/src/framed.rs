//! The header that Glue Schema Registry's serializers put before a record.
//!
//! # Format
//! ```text
//! frame := version(1) compression(1) schema_version(16) body
//! version: always 3      compression: 0 none, 5 zlib (RFC 1950)      schema_version: the UUID, most significant byte first
//! ```
//! The body is the record in the schema's format: bare Avro binary (no container, no fingerprint), JSON text, or Protobuf with the
//! message's index before it.
//!
//! # Limits
//! A body unpacks to at most [`PAYLOAD_BYTES_MAX`]; more is refused, so that a small record cannot fill the memory.

use flate2::read::ZlibEncoder;
use flate2::{Decompress, FlushDecompress, Status};
use std::borrow::Cow;
use std::io::Read;
use uuid::Uuid;

/// The first byte of every frame.
pub const HEADER_VERSION: u8 = 3;
/// The second byte of a frame whose body is as it is.
const COMPRESSION_NONE: u8 = 0;
/// The second byte of a frame whose body is packed with zlib.
const COMPRESSION_ZLIB: u8 = 5;
/// How many bytes the header takes.
pub const HEADER_BYTES: usize = 18;
/// The most that a packed body may unpack to. A record is at most 10 MiB, and what is worth packing packs by less than six.
pub const PAYLOAD_BYTES_MAX: usize = 64 << 20;

/// How a body is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// With zlib.
    Zlib,
}

/// A record with its header read and its body not yet unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The schema version that the record was written with.
    pub version: Uuid,
    /// How the body is packed.
    pub compression: Compression,
    /// The body as it came.
    pub body: &'a [u8],
}

/// Why bytes are no frame, or its body cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Fewer bytes than a header.
    #[error("the record has {0} bytes, and the registry's header alone takes {HEADER_BYTES}")]
    Short(usize),
    /// Another first byte.
    #[error(
        "the record begins with byte {0}, and one written by the registry's serializers begins with {HEADER_VERSION}"
    )]
    Version(u8),
    /// A compression that nobody knows.
    #[error("the record's compression byte is {0}: 0 (none) and 5 (zlib) are known")]
    Compression(u8),
    /// The body does not unpack.
    #[error("the record's body does not unpack with zlib: {0}")]
    Damaged(String),
    /// The body unpacks to too much.
    #[error("the record's body unpacks to more than {PAYLOAD_BYTES_MAX} bytes")]
    TooLarge,
}

impl<'a> Frame<'a> {
    /// Reads the header.
    pub fn parse(record: &'a [u8]) -> Result<Self, FrameError> {
        if let Some(&first) = record.first()
            && first != HEADER_VERSION
        {
            return Err(FrameError::Version(first));
        }
        let Some((head, body)) = record.split_first_chunk::<HEADER_BYTES>() else {
            return Err(FrameError::Short(record.len()));
        };
        let compression = match head[1] {
            COMPRESSION_NONE => Compression::None,
            COMPRESSION_ZLIB => Compression::Zlib,
            other => return Err(FrameError::Compression(other)),
        };
        let version = Uuid::from_slice(&head[2..]).map_err(|_| FrameError::Short(record.len()))?;
        Ok(Self { version, compression, body })
    }

    /// The record without its header, unpacked; borrowed when it was not packed.
    pub fn payload(&self) -> Result<Cow<'a, [u8]>, FrameError> {
        match self.compression {
            Compression::None => Ok(Cow::Borrowed(self.body)),
            Compression::Zlib => self.unpack(PAYLOAD_BYTES_MAX).map(Cow::Owned),
        }
    }

    fn unpack(&self, bytes_max: usize) -> Result<Vec<u8>, FrameError> {
        let mut out = Vec::with_capacity(self.body.len().saturating_mul(3).clamp(64, bytes_max + 1));
        let mut inflate = Decompress::new(true);
        loop {
            let rest = &self.body[inflate.total_in() as usize..];
            let (left, len) = (rest.len(), out.len());
            let status = inflate.decompress_vec(rest, &mut out, FlushDecompress::None);
            let status = status.map_err(|error| FrameError::Damaged(error.to_string()))?;
            if out.len() > bytes_max {
                return Err(FrameError::TooLarge);
            }
            if status == Status::StreamEnd {
                return Ok(out);
            }
            if out.len() == out.capacity() {
                out.reserve(out.capacity().min(bytes_max + 1 - out.len()));
            } else if out.len() == len && self.body.len() - inflate.total_in() as usize == left {
                return Err(FrameError::Damaged("it ends too early".to_owned()));
            }
        }
    }
}

/// Appends a record with its header.
pub fn write(version: Uuid, compression: Compression, payload: &[u8], out: &mut Vec<u8>) {
    header(version, compression, out);
    match compression {
        Compression::None => out.extend_from_slice(payload),
        Compression::Zlib => {
            // Reading from a slice into a Vec cannot fail.
            let _ = ZlibEncoder::new(payload, flate2::Compression::default()).read_to_end(out);
        }
    }
}

/// Appends a header; the body follows.
pub fn header(version: Uuid, compression: Compression, out: &mut Vec<u8>) {
    out.push(HEADER_VERSION);
    out.push(match compression {
        Compression::None => COMPRESSION_NONE,
        Compression::Zlib => COMPRESSION_ZLIB,
    });
    out.extend_from_slice(version.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: Uuid = Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);

    #[test]
    fn frames_round_trip_packed_and_not() {
        for compression in [Compression::None, Compression::Zlib] {
            for payload in [&b""[..], b"x", &[7; 10_000]] {
                let mut out = Vec::new();
                write(ID, compression, payload, &mut out);
                let frame = Frame::parse(&out).unwrap();
                assert_eq!((frame.version, frame.compression), (ID, compression));
                assert_eq!(&*frame.payload().unwrap(), payload);
            }
        }
    }

    #[test]
    fn the_header_is_the_serializers() {
        let mut out = Vec::new();
        write(ID, Compression::None, b"{}", &mut out);
        assert_eq!(out, b"\x03\x00\x01\x23\x45\x67\x89\xab\xcd\xef\x01\x23\x45\x67\x89\xab\xcd\xef{}");
    }

    #[test]
    fn what_is_no_frame_says_why() {
        assert_eq!(Frame::parse(b""), Err(FrameError::Short(0)));
        assert_eq!(Frame::parse(b"{\"a\":1}"), Err(FrameError::Version(b'{')));
        assert_eq!(Frame::parse(&[3; 17]), Err(FrameError::Short(17)));
        assert_eq!(Frame::parse(&[3; 18]), Err(FrameError::Compression(3)));
    }

    #[test]
    fn a_bomb_is_refused_and_damage_is_named() {
        let mut out = Vec::new();
        write(ID, Compression::Zlib, &vec![0; 1 << 20], &mut out);
        let frame = Frame::parse(&out).unwrap();
        assert_eq!(frame.unpack(1 << 20).unwrap().len(), 1 << 20);
        assert_eq!(frame.unpack((1 << 20) - 1), Err(FrameError::TooLarge));
        for cut in HEADER_BYTES..out.len() {
            let cut = Frame::parse(&out[..cut]).unwrap();
            assert!(matches!(cut.payload(), Err(FrameError::Damaged(_))), "{cut:?}");
        }
        out[HEADER_BYTES] ^= 1;
        assert!(matches!(Frame::parse(&out).unwrap().payload(), Err(FrameError::Damaged(_))));
    }
}
