//! What DISTINCT has counted already.

use super::KeyTable;
use crate::codec::{CodecError, Reader, Writer};

/// Packed values with their group. Nothing is allocated for a value.
#[derive(Clone)]
pub(crate) struct Seen {
    /// Of group and value, one after the other.
    pairs: KeyTable,
    pair: Vec<u8>,
}

impl Seen {
    /// Without values.
    pub fn new() -> Self {
        Self { pairs: KeyTable::new(), pair: Vec::new() }
    }

    /// Adds a value; false when its group had it.
    pub fn insert(&mut self, group: u32, value: &[u8]) -> bool {
        self.pair.clear();
        self.pair.extend_from_slice(&group.to_le_bytes());
        self.pair.extend_from_slice(value);
        self.pairs.insert(&self.pair)
    }

    /// Group and value, in the order in which they came.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (u32, &[u8])> {
        self.pairs.keys().map(|pair| match pair.split_first_chunk() {
            Some((group, value)) => (u32::from_le_bytes(*group), value),
            None => (0, pair),
        })
    }

    /// Appends the values.
    pub fn save(&self, out: &mut Writer<'_>) {
        out.list(self.iter(), |out, (group, value)| {
            out.u32(group);
            out.bytes(value);
        });
    }

    /// Reads what [`Self::save`] wrote.
    pub fn load(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        let mut seen = Self::new();
        for (group, value) in from.list(|from| Ok((from.u32()?, from.bytes()?)))? {
            seen.insert(group, value);
        }
        Ok(seen)
    }
}
