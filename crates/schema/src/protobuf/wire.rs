//! Protobuf's wire format: tags and the four shapes of values.

use crate::rows::Fail;

/// Groups nested deeper than this are refused: it bounds the stack.
const GROUPS_MAX: usize = 100;

/// A field's value as it stands on the wire.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wire<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32(u32),
}

/// A place in a message.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// Reads a varint; the value and the number of bytes.
#[inline]
pub(crate) fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0u64;
    for (at, &byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte < 0x80 {
            return Some((value, at + 1));
        }
    }
    None
}

/// Appends a varint.
#[inline]
pub(crate) fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A signed number as `sint32` and `sint64` write it.
#[inline]
pub(super) fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// The other way.
#[inline]
pub(super) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    #[cold]
    fn fail<T>(&self, reason: &str) -> Result<T, Fail> {
        Err(Fail::Syntax { at: self.at, reason: reason.to_owned() })
    }

    pub(super) fn is_done(&self) -> bool {
        self.at >= self.bytes.len()
    }

    #[inline]
    pub(super) fn varint(&mut self) -> Result<u64, Fail> {
        match varint(&self.bytes[self.at..]) {
            Some((value, len)) => {
                self.at += len;
                Ok(value)
            }
            None => self.fail("a number ends too early or is longer than ten bytes"),
        }
    }

    #[inline]
    fn take(&mut self, len: usize) -> Result<&'a [u8], Fail> {
        match self.at.checked_add(len).and_then(|end| self.bytes.get(self.at..end)) {
            Some(found) => {
                self.at += len;
                Ok(found)
            }
            None => self.fail("the record ends too early"),
        }
    }

    #[inline]
    pub(super) fn fixed32(&mut self) -> Result<u32, Fail> {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(self.take(4)?);
        Ok(u32::from_le_bytes(bytes))
    }

    #[inline]
    pub(super) fn fixed64(&mut self) -> Result<u64, Fail> {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(self.take(8)?);
        Ok(u64::from_le_bytes(bytes))
    }

    /// The next field's number and value; groups, which no column takes, are passed. None at the end.
    #[inline]
    pub(super) fn field(&mut self) -> Result<Option<(u32, Wire<'a>)>, Fail> {
        while !self.is_done() {
            let tag = self.varint()?;
            let number = u32::try_from(tag >> 3).unwrap_or(0);
            if number == 0 {
                return self.fail("a field's number is zero or beyond 32 bits");
            }
            let value = match tag & 7 {
                0 => Wire::Varint(self.varint()?),
                1 => Wire::Fixed64(self.fixed64()?),
                2 => {
                    let len = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
                    Wire::Bytes(self.take(len)?)
                }
                3 => {
                    self.skip_group(0)?;
                    continue;
                }
                5 => Wire::Fixed32(self.fixed32()?),
                _ => return self.fail("there is no such wire type"),
            };
            return Ok(Some((number, value)));
        }
        Ok(None)
    }

    fn skip_group(&mut self, depth: usize) -> Result<(), Fail> {
        if depth > GROUPS_MAX {
            return self.fail("groups are nested deeper than 100");
        }
        loop {
            match self.varint()? & 7 {
                0 => drop(self.varint()?),
                1 => drop(self.take(8)?),
                2 => {
                    let len = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
                    self.take(len)?;
                }
                3 => self.skip_group(depth + 1)?,
                4 => return Ok(()),
                5 => drop(self.take(4)?),
                _ => return self.fail("there is no such wire type"),
            }
        }
    }
}
