//! From key columns to dense group numbers.
//!
//! Keys are packed into bytes (a single text column as it is, all others by Arrow's row format) in one buffer; a hash
//! table holds only group numbers. Nothing is allocated for a row.

use crate::codec::{CodecError, Reader, Writer};
use crate::eval::EvalError;
use ahash::RandomState;
use arrow::array::{Array, ArrayRef, AsArray, StringArray, StringBuilder};
use arrow::row::{RowConverter, Rows, SortField};
use hashbrown::HashTable;
use millrace_schema::SqlType;
use std::sync::Arc;

/// The packed form of a NULL text: no UTF-8 begins with this byte.
const NULL_TEXT: &[u8] = &[0xff];

/// Hashes are the same in every run, so that the order of nothing depends on chance.
fn hasher() -> RandomState {
    RandomState::with_seeds(0x6d69_6c6c, 0x7261_6365, 0x6b65_7973, 0x2026)
}

/// How the keys of one operator are packed.
pub(crate) enum KeyCoder {
    /// No keys: one group.
    One,
    /// One text column.
    Text,
    /// Anything else.
    Rows(RowConverter),
}

/// The packed keys of a chunk.
pub(crate) enum Encoded<'a> {
    One,
    Text(&'a StringArray),
    Rows(Rows),
}

/// The keys seen so far, numbered in order of appearance.
pub(crate) struct KeyTable {
    table: HashTable<u32>,
    hashes: Vec<u64>,
    ends: Vec<usize>,
    bytes: Vec<u8>,
    hasher: RandomState,
}

impl KeyCoder {
    /// For key columns of these types.
    pub fn new(types: &[SqlType]) -> Result<Arc<Self>, EvalError> {
        Ok(Arc::new(match types {
            [] => Self::One,
            [SqlType::Char(_) | SqlType::Varchar(_)] => Self::Text,
            types => Self::Rows(RowConverter::new(types.iter().map(|ty| SortField::new(ty.to_arrow())).collect())?),
        }))
    }

    /// Packs the keys of a chunk.
    pub fn encode<'a>(&self, columns: &'a [ArrayRef]) -> Result<Encoded<'a>, EvalError> {
        Ok(match self {
            Self::One => Encoded::One,
            Self::Text => Encoded::Text(columns[0].as_string()),
            Self::Rows(converter) => Encoded::Rows(converter.convert_columns(columns)?),
        })
    }

    /// The key columns of the given groups.
    pub fn decode(&self, table: &KeyTable, groups: &[u32]) -> Result<Vec<ArrayRef>, EvalError> {
        match self {
            Self::One => Ok(Vec::new()),
            Self::Text => {
                let mut out = StringBuilder::with_capacity(groups.len(), groups.len() * 16);
                for &group in groups {
                    match table.key(group) {
                        NULL_TEXT => out.append_null(),
                        bytes => out.append_value(std::str::from_utf8(bytes).unwrap_or_default()),
                    }
                }
                Ok(vec![Arc::new(out.finish())])
            }
            Self::Rows(converter) => {
                let parser = converter.parser();
                Ok(converter.convert_rows(groups.iter().map(|&group| parser.parse(table.key(group))))?)
            }
        }
    }
}

impl Encoded<'_> {
    fn row(&self, row: usize) -> &[u8] {
        match self {
            Self::One => &[],
            Self::Text(texts) if texts.is_null(row) => NULL_TEXT,
            Self::Text(texts) => texts.value(row).as_bytes(),
            Self::Rows(rows) => rows.row(row).data(),
        }
    }
}

impl KeyTable {
    /// Without keys.
    pub fn new() -> Self {
        Self { table: HashTable::new(), hashes: Vec::new(), ends: Vec::new(), bytes: Vec::new(), hasher: hasher() }
    }

    /// The number of groups.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// A group's key.
    pub fn key(&self, group: u32) -> &[u8] {
        let group = group as usize;
        let start = if group == 0 { 0 } else { self.ends[group - 1] };
        &self.bytes[start..self.ends[group]]
    }

    /// The group of a key, a new one when it was not seen before.
    fn group_of(&mut self, hash: u64, key: &[u8]) -> u32 {
        let (hashes, ends, bytes) = (&self.hashes, &self.ends, &self.bytes);
        let same = |&group: &u32| {
            let group = group as usize;
            let start = if group == 0 { 0 } else { ends[group - 1] };
            hashes[group] == hash && &bytes[start..ends[group]] == key
        };
        if let Some(&group) = self.table.find(hash, same) {
            return group;
        }
        let group = self.ends.len() as u32;
        self.bytes.extend_from_slice(key);
        self.ends.push(self.bytes.len());
        self.hashes.push(hash);
        let hashes = &self.hashes;
        self.table.insert_unique(hash, group, |&group| hashes[group as usize]);
        group
    }

    /// The group of each of `rows`, into `out`.
    pub fn groups(&mut self, keys: &Encoded<'_>, rows: &[u32], out: &mut Vec<u32>) {
        out.clear();
        out.reserve(rows.len());
        for &row in rows {
            let key = keys.row(row as usize);
            let hash = self.hasher.hash_one(key);
            out.push(self.group_of(hash, key));
        }
    }

    /// Adds a key; its group when it was not there.
    pub fn insert(&mut self, key: &[u8]) -> Option<u32> {
        let known = self.len();
        let group = self.group_of(self.hasher.hash_one(key), key);
        (group as usize == known).then_some(group)
    }

    /// The keys, in order of appearance.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        (0..self.len() as u32).map(|group| self.key(group))
    }

    /// Takes over the keys `theirs` of another table; gives the groups there and here.
    pub fn adopt(&mut self, other: &Self, theirs: impl ExactSizeIterator<Item = u32>) -> Vec<(u32, u32)> {
        // As if all were new: to grow in steps would move what is large several times.
        let hashes = &self.hashes;
        self.table.reserve(theirs.len(), |&group| hashes[group as usize]);
        self.hashes.reserve(theirs.len());
        self.ends.reserve(theirs.len());
        self.bytes.reserve(other.bytes.len() / other.len().max(1) * theirs.len());
        let adopt = |group: u32| (group, self.group_of(other.hashes[group as usize], other.key(group)));
        theirs.map(adopt).collect()
    }

    /// The groups in so many parts: the same key is in the same part of every table.
    pub fn in_parts(&self, parts: usize) -> Vec<Vec<u32>> {
        // Not the bits by which the table finds its buckets.
        let part_of = |hash: &u64| (hash >> 32) as usize % parts;
        let mut sizes = vec![0; parts];
        self.hashes.iter().for_each(|hash| sizes[part_of(hash)] += 1);
        let mut found: Vec<Vec<u32>> = sizes.into_iter().map(Vec::with_capacity).collect();
        self.hashes.iter().zip(0..).for_each(|(hash, group)| found[part_of(hash)].push(group));
        found
    }

    /// Forgets all keys; what they took is kept for others.
    pub fn clear(&mut self) {
        self.table.clear();
        self.hashes.clear();
        self.ends.clear();
        self.bytes.clear();
    }

    /// Appends the keys.
    pub fn save(&self, out: &mut Writer<'_>) {
        out.list(self.keys(), |out, key| out.bytes(key));
    }

    /// Reads what [`Self::save`] wrote.
    pub fn load(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        let mut table = Self::new();
        for key in from.list(|from| from.bytes())? {
            table.insert(key);
        }
        Ok(table)
    }
}
