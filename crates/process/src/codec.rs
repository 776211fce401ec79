//! State as bytes: little-endian numbers and length-prefixed bytes, read back with every length checked.

use millrace_base::Sink;
use std::{io, slice};

/// Bytes that do not hold what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the saved state ends early or is damaged ({0})")]
pub struct CodecError(pub &'static str);

/// So much is handed on at a time.
const PIECE_BYTES: usize = 1 << 20;

/// Appends values to memory, or in pieces to a [`Sink`].
#[derive(Default)]
pub(crate) struct Writer<'a> {
    /// What was not handed on.
    held: Vec<u8>,
    /// Bytes that were handed on, or only counted.
    passed: u64,
    to: To<'a>,
}

#[derive(Default)]
enum To<'a> {
    #[default]
    Memory,
    /// Nothing is kept but the lengths of what is sized.
    Count(Vec<u64>),
    /// What was counted before.
    Sink { sink: Sink<'a>, lengths: slice::Iter<'a, u64>, failed: Option<io::Error> },
}

/// How long values are that are too large to be in memory as bytes.
pub(crate) struct Counted {
    /// Of all.
    pub len: u64,
    /// Of each part that is sized, in the order of their beginnings.
    lengths: Vec<u64>,
}

impl Counted {
    /// Counts what `write` appends.
    pub fn new(write: impl FnOnce(&mut Writer<'_>)) -> Self {
        let mut writer = Writer { to: To::Count(Vec::new()), ..Writer::default() };
        write(&mut writer);
        let lengths = if let To::Count(lengths) = writer.to { lengths } else { Vec::new() };
        Self { len: writer.passed, lengths }
    }

    /// Hands on what `write` appends, which is what was counted.
    pub fn write(&self, sink: Sink<'_>, write: impl FnOnce(&mut Writer<'_>)) -> io::Result<()> {
        let to = To::Sink { sink, lengths: self.lengths.iter(), failed: None };
        let mut writer = Writer { to, ..Writer::default() };
        write(&mut writer);
        writer.hand_on();
        match writer.to {
            To::Sink { failed: Some(error), .. } => Err(error),
            _ if writer.passed != self.len => Err(io::Error::other("the state changed while it was saved")),
            _ => Ok(()),
        }
    }
}

impl Writer<'_> {
    /// What was appended to memory.
    pub fn into_bytes(self) -> Vec<u8> {
        self.held
    }

    fn append(&mut self, bytes: &[u8]) {
        match &self.to {
            To::Count(_) => self.passed += bytes.len() as u64,
            To::Memory => self.held.extend_from_slice(bytes),
            To::Sink { .. } => {
                self.held.extend_from_slice(bytes);
                if self.held.len() >= PIECE_BYTES {
                    self.hand_on();
                }
            }
        }
    }

    fn hand_on(&mut self) {
        let To::Sink { sink, failed, .. } = &mut self.to else { return };
        if failed.is_none() {
            *failed = sink(&self.held).err();
        }
        self.passed += self.held.len() as u64;
        self.held.clear();
    }

    pub fn u8(&mut self, value: u8) {
        self.append(&[value]);
    }

    pub fn u32(&mut self, value: u32) {
        self.append(&value.to_le_bytes());
    }

    pub fn u64(&mut self, value: u64) {
        self.append(&value.to_le_bytes());
    }

    pub fn i64(&mut self, value: i64) {
        self.append(&value.to_le_bytes());
    }

    pub fn i128(&mut self, value: i128) {
        self.append(&value.to_le_bytes());
    }

    pub fn bytes(&mut self, value: &[u8]) {
        self.u64(value.len() as u64);
        self.append(value);
    }

    /// What `write` appends, with its length before it, which is given. Read back by [`Reader::bytes`].
    pub fn sized(&mut self, write: impl FnOnce(&mut Writer<'_>)) -> u64 {
        match &mut self.to {
            To::Memory => {
                let mut inner = Writer::default();
                write(&mut inner);
                self.bytes(&inner.held);
                inner.held.len() as u64
            }
            To::Count(lengths) => {
                let nth = lengths.len();
                lengths.push(0);
                self.u64(0);
                let begin = self.passed;
                write(self);
                let len = self.passed - begin;
                if let To::Count(lengths) = &mut self.to {
                    lengths[nth] = len;
                }
                len
            }
            To::Sink { lengths, .. } => {
                let len = lengths.next().copied().unwrap_or_default();
                self.u64(len);
                write(self);
                len
            }
        }
    }

    /// A count and each item.
    pub fn list<T>(&mut self, items: impl ExactSizeIterator<Item = T>, mut each: impl FnMut(&mut Self, T)) {
        self.u64(items.len() as u64);
        items.for_each(|item| each(self, item));
    }
}

/// Takes values in the order in which they were appended.
#[derive(Debug)]
pub(crate) struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize, what: &'static str) -> Result<&'a [u8], CodecError> {
        let (head, rest) = self.0.split_at_checked(count).ok_or(CodecError(what))?;
        self.0 = rest;
        Ok(head)
    }

    fn fixed<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], CodecError> {
        self.take(N, what)?.try_into().map_err(|_| CodecError(what))
    }

    pub fn u8(&mut self) -> Result<u8, CodecError> {
        Ok(self.fixed::<1>("byte")?[0])
    }

    pub fn u32(&mut self) -> Result<u32, CodecError> {
        Ok(u32::from_le_bytes(self.fixed("u32")?))
    }

    pub fn u64(&mut self) -> Result<u64, CodecError> {
        Ok(u64::from_le_bytes(self.fixed("u64")?))
    }

    pub fn i64(&mut self) -> Result<i64, CodecError> {
        Ok(i64::from_le_bytes(self.fixed("i64")?))
    }

    pub fn i128(&mut self) -> Result<i128, CodecError> {
        Ok(i128::from_le_bytes(self.fixed("i128")?))
    }

    pub fn bytes(&mut self) -> Result<&'a [u8], CodecError> {
        let len = usize::try_from(self.u64()?).map_err(|_| CodecError("length"))?;
        self.take(len, "bytes")
    }

    pub fn text(&mut self) -> Result<String, CodecError> {
        String::from_utf8(self.bytes()?.to_vec()).map_err(|_| CodecError("text"))
    }

    pub fn list<T>(&mut self, mut each: impl FnMut(&mut Self) -> Result<T, CodecError>) -> Result<Vec<T>, CodecError> {
        let count = self.u64()?;
        // Every item takes at least a byte, so that a damaged count cannot ask for much memory.
        if count > self.0.len() as u64 {
            return Err(CodecError("count"));
        }
        (0..count).map(|_| each(self)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(out: &mut Writer<'_>) {
        out.u32(7);
        let outer = out.sized(|out| {
            out.bytes(b"one");
            let inner = out.sized(|out| out.list(0..300_000u32, |out, number| out.u64(number.into())));
            assert_eq!(inner, 8 + 300_000 * 8);
            out.i64(-1);
        });
        assert_eq!(outer, 8 + 3 + 8 + 8 + 300_000 * 8 + 8);
        out.sized(|out| out.u8(9));
    }

    #[test]
    fn pieces_are_what_stands_in_memory() {
        let mut whole = Writer::default();
        write(&mut whole);
        let whole = whole.into_bytes();
        let counted = Counted::new(write);
        let mut pieces: Vec<Vec<u8>> = Vec::new();
        let mut keep = |piece: &[u8]| {
            pieces.push(piece.to_vec());
            Ok(())
        };
        counted.write(&mut keep, write).unwrap();
        assert!(pieces.len() == 3 && pieces.iter().all(|piece| piece.len() < PIECE_BYTES + 16));
        assert!(pieces.concat() == whole && counted.len == whole.len() as u64);
    }

    #[test]
    fn what_fails_or_changes_is_an_error() {
        let counted = Counted::new(|out| out.u32(1));
        let error = counted.write(&mut |_| Ok(()), |out| out.u64(1)).unwrap_err();
        assert!(error.to_string().contains("changed"), "{error}");
        let full = &mut |_: &[u8]| Err(io::ErrorKind::StorageFull.into());
        assert_eq!(counted.write(full, |out| out.u32(1)).unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}
