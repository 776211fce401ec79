//! Reading fields off the front of bytes, never past their end.

use bytes::Bytes;

/// What is left to be read.
pub(crate) struct Take {
    bytes: Bytes,
    at: usize,
}

impl Take {
    pub(crate) fn new(bytes: Bytes) -> Self {
        Self { bytes, at: 0 }
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let found = self.bytes.get(self.at..self.at + N)?.try_into().ok()?;
        self.at += N;
        Some(found)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    pub(crate) fn u128(&mut self) -> Option<u128> {
        self.array().map(u128::from_le_bytes)
    }

    /// A text with a length of two bytes.
    pub(crate) fn short(&mut self) -> Option<Bytes> {
        let len = self.array().map(u16::from_le_bytes)?;
        self.slice(usize::from(len))
    }

    /// Bytes with a length of four bytes.
    pub(crate) fn long(&mut self) -> Option<Bytes> {
        let len = self.u32()?;
        self.slice(len as usize)
    }

    pub(crate) fn is_done(&self) -> bool {
        self.at == self.bytes.len()
    }

    fn slice(&mut self, len: usize) -> Option<Bytes> {
        let end = self.at.checked_add(len).filter(|end| *end <= self.bytes.len())?;
        let found = self.bytes.slice(self.at..end);
        self.at = end;
        Some(found)
    }
}
