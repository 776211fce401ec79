//! A pane: the groups of one slice of time with their accumulators.

use super::{AccSpec, Accumulator, Encoded, KeyCoder, KeyTable};
use crate::aggregates::AggregateCall;
use crate::codec::{CodecError, Reader, Writer};
use crate::eval::EvalError;
use arrow::array::ArrayRef;
use millrace_schema::{Field, SqlType};
use std::sync::Arc;

/// What one grouping operator keeps for all its panes: how keys are packed and what is computed.
#[derive(Clone)]
pub(crate) struct Grouping {
    keys: Arc<[usize]>,
    coder: Arc<KeyCoder>,
    specs: Arc<[Arc<AccSpec>]>,
}

/// Groups and their accumulators.
pub(crate) struct Pane {
    /// Where its window begins, when the rows carried it.
    pub start: i64,
    keys: KeyTable,
    accumulators: Vec<Accumulator>,
}

impl Grouping {
    /// Over an input of these fields.
    pub fn new(keys: &[usize], aggs: &[AggregateCall], input: &[Field]) -> Result<Self, EvalError> {
        let types: Vec<SqlType> = input.iter().map(|field| field.typed.ty.clone()).collect();
        let key_types: Vec<SqlType> = keys.iter().map(|&key| types[key].clone()).collect();
        Ok(Self {
            keys: keys.into(),
            coder: KeyCoder::new(&key_types)?,
            specs: aggs.iter().map(|call| AccSpec::new(call, &types)).collect::<Result<Vec<_>, _>>()?.into(),
        })
    }

    /// The key columns of a chunk.
    pub fn key_columns(&self, columns: &[ArrayRef]) -> Vec<ArrayRef> {
        self.keys.iter().map(|&key| columns[key].clone()).collect()
    }

    /// Packs key columns.
    pub fn encode<'a>(&self, keys: &'a [ArrayRef]) -> Result<Encoded<'a>, EvalError> {
        self.coder.encode(keys)
    }

    /// A pane without groups.
    pub fn pane(&self, start: i64) -> Pane {
        let accumulators = self.specs.iter().map(|spec| spec.accumulator()).collect();
        Pane { start, keys: KeyTable::new(), accumulators }
    }

    /// Adds the rows `rows` of a chunk to a pane. `groups` is left holding the group of each.
    pub fn add(
        &self,
        pane: &mut Pane,
        keys: &Encoded<'_>,
        columns: &[ArrayRef],
        rows: &[u32],
        groups: &mut Vec<u32>,
    ) -> Result<(), EvalError> {
        pane.keys.groups(keys, rows, groups);
        let count = pane.keys.len();
        for (accumulator, spec) in pane.accumulators.iter_mut().zip(self.specs.iter()) {
            accumulator.update(spec, columns, rows, groups, count)?;
        }
        Ok(())
    }

    /// The group of each of `rows`, without counting the rows.
    pub fn groups(&self, pane: &mut Pane, keys: &Encoded<'_>, rows: &[u32], groups: &mut Vec<u32>) {
        pane.keys.groups(keys, rows, groups);
    }

    /// Adds another pane's groups.
    pub fn merge(&self, pane: &mut Pane, other: &Pane) -> Result<(), EvalError> {
        self.merge_groups(pane, other, 0..other.len() as u32)
    }

    /// Adds the groups `theirs` of another pane.
    pub fn merge_groups(
        &self,
        pane: &mut Pane,
        other: &Pane,
        theirs: impl ExactSizeIterator<Item = u32>,
    ) -> Result<(), EvalError> {
        let groups = pane.keys.adopt(&other.keys, theirs);
        let count = pane.keys.len();
        for ((mine, theirs), spec) in pane.accumulators.iter_mut().zip(&other.accumulators).zip(self.specs.iter()) {
            mine.merge(spec, theirs, &groups, count)?;
        }
        Ok(())
    }

    /// Keys and results of the given groups.
    pub fn finish(&self, pane: &Pane, groups: &[u32]) -> Result<Vec<ArrayRef>, EvalError> {
        let mut columns = self.coder.decode(&pane.keys, groups)?;
        for (accumulator, spec) in pane.accumulators.iter().zip(self.specs.iter()) {
            columns.push(accumulator.finish(spec, groups)?);
        }
        Ok(columns)
    }

    /// Appends a pane.
    pub fn save(&self, pane: &Pane, out: &mut Writer<'_>) {
        out.i64(pane.start);
        pane.keys.save(out);
        pane.accumulators.iter().for_each(|accumulator| accumulator.save(out));
    }

    /// Reads what [`Self::save`] wrote.
    pub fn load(&self, from: &mut Reader<'_>) -> Result<Pane, CodecError> {
        let start = from.i64()?;
        let keys = KeyTable::load(from)?;
        let accumulators = self.specs.iter().map(|spec| Accumulator::load(spec, from)).collect::<Result<_, _>>()?;
        Ok(Pane { start, keys, accumulators })
    }
}

impl Pane {
    /// The number of groups.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Its keys.
    pub fn keys(&self) -> &KeyTable {
        &self.keys
    }

    /// Its keys, to add some.
    pub fn keys_mut(&mut self) -> &mut KeyTable {
        &mut self.keys
    }

    /// Forgets all groups; what they took is kept for others.
    pub fn clear(&mut self) {
        self.keys.clear();
        self.accumulators.iter_mut().for_each(Accumulator::clear);
    }
}
