//! State as bytes: little-endian numbers and length-prefixed bytes, read back with every length checked.

/// Bytes that do not hold what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the saved state ends early or is damaged ({0})")]
pub struct CodecError(pub &'static str);

/// Appends values.
#[derive(Debug, Default)]
pub(crate) struct Writer(pub Vec<u8>);

impl Writer {
    pub fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub fn i64(&mut self, value: i64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub fn i128(&mut self, value: i128) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub fn bytes(&mut self, value: &[u8]) {
        self.u64(value.len() as u64);
        self.0.extend_from_slice(value);
    }

    /// What `write` appends, with its length before it, which is given. Read back by [`Reader::bytes`].
    pub fn sized(&mut self, write: impl FnOnce(&mut Self)) -> usize {
        let at = self.0.len();
        self.u64(0);
        write(self);
        let len = self.0.len() - at - 8;
        self.0[at..at + 8].copy_from_slice(&(len as u64).to_le_bytes());
        len
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
