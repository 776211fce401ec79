//! What DISTINCT has counted already.

use super::KeyTable;
use crate::codec::{CodecError, Reader, Writer};
use std::num::NonZeroU32;

/// Packed values with their group. Nothing is allocated for a value.
pub(crate) struct Seen {
    /// Of group and value, one after the other.
    pairs: KeyTable,
    /// The newest pair of each group.
    newest: Vec<Option<NonZeroU32>>,
    /// Of each pair the one before it with the same group.
    before: Vec<Option<NonZeroU32>>,
    pair: Vec<u8>,
}

impl Seen {
    /// Without values.
    pub fn new() -> Self {
        Self { pairs: KeyTable::new(), newest: Vec::new(), before: Vec::new(), pair: Vec::new() }
    }

    /// Adds a value; false when its group had it.
    pub fn insert(&mut self, group: u32, value: &[u8]) -> bool {
        self.pair.clear();
        self.pair.extend_from_slice(&group.to_le_bytes());
        self.pair.extend_from_slice(value);
        let Some(pair) = self.pairs.insert(&self.pair) else { return false };
        if self.newest.len() <= group as usize {
            self.newest.resize(group as usize + 1, None);
        }
        self.before.push(std::mem::replace(&mut self.newest[group as usize], NonZeroU32::new(pair + 1)));
        true
    }

    /// The values of a group.
    pub fn of(&self, group: u32) -> impl Iterator<Item = &[u8]> {
        let newest = self.newest.get(group as usize).copied().flatten();
        let pairs = std::iter::successors(newest, |pair| self.before[pair.get() as usize - 1]);
        pairs.map(|pair| &self.pairs.key(pair.get() - 1)[size_of::<u32>()..])
    }

    /// Forgets all values; what they took is kept for others.
    pub fn clear(&mut self) {
        self.pairs.clear();
        self.newest.clear();
        self.before.clear();
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
