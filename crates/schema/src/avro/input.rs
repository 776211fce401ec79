//! Avro's binary tokens, read off a slice.

use super::schema::{AvroSchema, Type, TypeId};
use crate::rows::Fail;

/// A recursive value nested deeper than this is refused: it bounds the stack.
pub(super) const DEPTH_MAX: usize = 500;
/// An array or map block may announce more items than there are bytes left only up to this: items without bytes are rare, and
/// a few damaged bytes must not cost minutes.
const EMPTY_ITEMS_MAX: u64 = 4096;

/// A place in a record.
pub(crate) struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The number of bytes that were read.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    #[cold]
    pub(super) fn fail<T>(&self, reason: &str) -> Result<T, Fail> {
        Err(Fail::Syntax { at: self.at, reason: reason.to_owned() })
    }

    /// The next `len` bytes.
    #[inline]
    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], Fail> {
        match self.at.checked_add(len).and_then(|end| self.bytes.get(self.at..end)) {
            Some(found) => {
                self.at += len;
                Ok(found)
            }
            None => self.fail("the record ends too early"),
        }
    }

    /// A zigzag varint of at most 64 bits.
    #[inline]
    pub(super) fn long(&mut self) -> Result<i64, Fail> {
        let mut value = 0u64;
        let mut shift = 0;
        loop {
            let Some(&byte) = self.bytes.get(self.at) else { return self.fail("the record ends too early") };
            self.at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok((value >> 1) as i64 ^ -((value & 1) as i64));
            }
            shift += 7;
            if shift > 63 {
                return self.fail("a number is longer than ten bytes");
            }
        }
    }

    #[inline]
    pub(super) fn boolean(&mut self) -> Result<bool, Fail> {
        match self.take(1)? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => self.fail("a boolean is neither 0 nor 1"),
        }
    }

    #[inline]
    pub(super) fn float(&mut self) -> Result<f32, Fail> {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(self.take(4)?);
        Ok(f32::from_le_bytes(bytes))
    }

    #[inline]
    pub(super) fn double(&mut self) -> Result<f64, Fail> {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(self.take(8)?);
        Ok(f64::from_le_bytes(bytes))
    }

    /// Bytes that are preceded by their length.
    #[inline]
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Fail> {
        match usize::try_from(self.long()?) {
            Ok(len) => self.take(len),
            Err(_) => self.fail("a length is negative"),
        }
    }

    #[inline]
    pub(super) fn text(&mut self) -> Result<&'a str, Fail> {
        let bytes = self.bytes()?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text),
            Err(_) => self.fail("a text is not UTF-8"),
        }
    }

    /// An index into `len` things: a union's branch or an enum's symbol.
    #[inline]
    pub(super) fn index(&mut self, len: usize) -> Result<usize, Fail> {
        match usize::try_from(self.long()?) {
            Ok(index) if index < len => Ok(index),
            _ => self.fail("a union's branch or an enum's symbol is beyond the schema's"),
        }
    }

    /// The number of items in the next block of an array or map; 0 after the last.
    #[inline]
    pub(super) fn block(&mut self) -> Result<u64, Fail> {
        let count = self.long()?;
        if count < 0 {
            // The block's length in bytes follows, for those who skip it.
            self.long()?;
        }
        let count = count.unsigned_abs();
        let left = (self.bytes.len() - self.at) as u64;
        if count > left.max(EMPTY_ITEMS_MAX) {
            return self.fail("an array or map announces more items than there are bytes");
        }
        Ok(count)
    }

    /// The unscaled value of a decimal; None when it has more than 38 digits.
    pub(super) fn unscaled(&mut self, size: Option<usize>) -> Result<Option<i128>, Fail> {
        let bytes = match size {
            Some(size) => self.take(size)?,
            None => self.bytes()?,
        };
        let sign: u8 = if bytes.first().is_some_and(|byte| byte & 0x80 != 0) { 0xff } else { 0 };
        let digits = bytes.iter().position(|byte| *byte != sign).map_or(&[][..], |first| &bytes[first..]);
        // Sixteen bytes hold it only when their highest bit is still the sign's.
        if digits.len() > 16 || (digits.len() == 16 && (digits[0] ^ sign) & 0x80 != 0) {
            return Ok(None);
        }
        let mut whole = [sign; 16];
        whole[16 - digits.len()..].copy_from_slice(digits);
        Ok(Some(i128::from_be_bytes(whole)))
    }

    /// Goes past a value.
    pub(super) fn skip(&mut self, schema: &AvroSchema, ty: TypeId, depth: usize) -> Result<(), Fail> {
        if depth > DEPTH_MAX {
            return self.fail("the record is nested deeper than 500");
        }
        match schema.get(ty) {
            Type::Null => Ok(()),
            Type::Boolean => self.take(1).map(drop),
            Type::Int(_) | Type::Long(_) | Type::Enum(_) => self.long().map(drop),
            Type::Float => self.take(4).map(drop),
            Type::Double => self.take(8).map(drop),
            Type::Bytes | Type::String | Type::Decimal { size: None, .. } => self.bytes().map(drop),
            Type::Fixed(size) | Type::Decimal { size: Some(size), .. } => self.take(*size).map(drop),
            Type::Uuid => self.take(16).map(drop),
            Type::Array(item) => self.skip_blocks(schema, *item, false, depth),
            Type::Map(value) => self.skip_blocks(schema, *value, true, depth),
            Type::Union(branches) => {
                let branch = self.index(branches.len())?;
                self.skip(schema, branches[branch], depth + 1)
            }
            Type::Record(fields) => fields.iter().try_for_each(|field| self.skip(schema, field.ty, depth + 1)),
        }
    }

    fn skip_blocks(&mut self, schema: &AvroSchema, item: TypeId, keyed: bool, depth: usize) -> Result<(), Fail> {
        loop {
            let count = self.long()?;
            if count == 0 {
                return Ok(());
            }
            if count < 0 {
                // A block that tells its length is passed as a whole.
                let Ok(len) = usize::try_from(self.long()?) else { return self.fail("a length is negative") };
                self.take(len)?;
                continue;
            }
            if count as u64 > ((self.bytes.len() - self.at) as u64).max(EMPTY_ITEMS_MAX) {
                return self.fail("an array or map announces more items than there are bytes");
            }
            for _ in 0..count {
                if keyed {
                    self.bytes()?;
                }
                self.skip(schema, item, depth + 1)?;
            }
        }
    }
}
