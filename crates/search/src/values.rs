//! The values of a column in a segment, in blocks of documents.

use crate::index::ColumnOf;
use tantivy::columnar::{Cardinality, Column, ColumnIndex, ColumnType};
use tantivy::{DocId, SegmentReader, u64_to_f64, u64_to_i64};

/// Documents are looked at in blocks of this many.
pub const BLOCK_DOCS: usize = 1024;

/// A column: order-preserving numbers, or ordinals of strings.
#[derive(Clone)]
pub struct Values {
    column: Column<u64>,
    kind: ColumnType,
}

impl Values {
    /// The column of a path; `None` when no document of the segment has the field.
    pub fn open(reader: &SegmentReader, column_of: ColumnOf, path: &str) -> tantivy::Result<Option<Self>> {
        Ok(column_of.open(reader, path)?.map(|(column, kind)| Self { column, kind }))
    }

    /// Gives every value of a block of documents, with the document's place in the block.
    pub fn each(&self, docs: &[DocId], mut give: impl FnMut(usize, u64)) {
        debug_assert!(docs.len() <= BLOCK_DOCS);
        match &self.column.index {
            ColumnIndex::Empty { .. } => {}
            ColumnIndex::Full => {
                let mut values = [0; BLOCK_DOCS];
                let values = &mut values[..docs.len()];
                self.column.values.get_vals(docs, values);
                values.iter().enumerate().for_each(|(place, value)| give(place, *value));
            }
            ColumnIndex::Optional(_) => {
                for (place, doc) in docs.iter().enumerate() {
                    if let Some(value) = self.column.first(*doc) {
                        give(place, value);
                    }
                }
            }
            ColumnIndex::Multivalued(_) => {
                for (place, doc) in docs.iter().enumerate() {
                    self.column.values_for_doc(*doc).for_each(|value| give(place, value));
                }
            }
        }
    }

    /// All values of one document.
    pub fn of(&self, doc: DocId) -> impl Iterator<Item = u64> + '_ {
        self.column.values_for_doc(doc)
    }

    /// True when a document has a value.
    pub fn has(&self, doc: DocId) -> bool {
        self.column.index.has_value(doc)
    }

    /// True when a document may have several values.
    pub fn is_multivalued(&self) -> bool {
        self.column.get_cardinality() == Cardinality::Multivalued
    }

    /// The least and the greatest value.
    pub fn bounds(&self) -> (u64, u64) {
        (self.column.min_value(), self.column.max_value())
    }

    /// A value as a double.
    pub fn real(&self, raw: u64) -> f64 {
        match self.kind {
            ColumnType::F64 => u64_to_f64(raw),
            ColumnType::I64 => u64_to_i64(raw) as f64,
            _ => raw as f64,
        }
    }

    /// A value as an integer.
    pub fn integer(&self, raw: u64) -> i64 {
        match self.kind {
            ColumnType::F64 => u64_to_f64(raw) as i64,
            ColumnType::I64 => u64_to_i64(raw),
            _ => i64::try_from(raw).unwrap_or(i64::MAX),
        }
    }
}
