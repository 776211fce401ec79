//! `GROUP BY` without a window: each change of a group's result is given as an update.
//!
//! Rows are taken a chunk at a time and a group that a chunk changes several times gives one update, as Flink does with
//! mini-batches; the table that the changes add up to is the same.

use super::Event;
use crate::chunk::Chunk;
use crate::codec::{CodecError, Reader, Writer};
use crate::connect::RowKind;
use crate::eval::EvalError;
use crate::state::{Grouping, Pane};
use arrow::array::{ArrayRef, make_comparator};
use arrow::compute;

/// The state of the operator.
pub(crate) struct Group {
    grouping: Grouping,
    pane: Pane,
}

impl Group {
    /// Without rows.
    pub fn new(grouping: Grouping) -> Self {
        let pane = grouping.pane(0);
        Self { grouping, pane }
    }

    /// Takes rows; gives the changes.
    pub fn rows(&mut self, chunk: &Chunk, out: &mut Vec<Event>) -> Result<(), EvalError> {
        if chunk.rows == 0 {
            return Ok(());
        }
        if chunk.kinds.is_some() {
            return Err(EvalError(
                "GROUP BY over updates is not supported yet: group the rows before they change".to_owned(),
            ));
        }
        let key_columns = self.grouping.key_columns(&chunk.columns);
        let grouping = self.grouping.clone();
        let keys = grouping.encode(&key_columns)?;
        let all: Vec<u32> = (0..chunk.rows as u32).collect();
        let known = self.pane.len() as u32;
        let mut groups = Vec::new();
        grouping.groups(&mut self.pane, &keys, &all, &mut groups);
        let mut touched: Vec<u32> = Vec::new();
        let mut is_touched = hashbrown::HashSet::new();
        touched.extend(groups.iter().filter(|group| is_touched.insert(**group)));
        let old: Vec<u32> = touched.iter().copied().filter(|&group| group < known).collect();
        let before = grouping.finish(&self.pane, &old)?;
        grouping.add(&mut self.pane, &keys, &chunk.columns, &all, &mut groups)?;
        let after = grouping.finish(&self.pane, &touched)?;
        let mut comparators = Vec::new();
        for (before, after) in before.iter().zip(&after) {
            comparators.push(make_comparator(before, after, Default::default())?);
        }
        // (0, i) is row i of `before`, (1, i) of `after`.
        let (mut picks, mut kinds, mut nth_old) = (Vec::new(), Vec::new(), 0);
        for (at, &group) in touched.iter().enumerate() {
            if group >= known {
                picks.push((1, at));
                kinds.push(RowKind::Insert);
                continue;
            }
            let is_same = comparators.iter().all(|compare| compare(nth_old, at).is_eq());
            if !is_same {
                picks.extend([(0, nth_old), (1, at)]);
                kinds.extend([RowKind::UpdateBefore, RowKind::UpdateAfter]);
            }
            nth_old += 1;
        }
        if picks.is_empty() {
            return Ok(());
        }
        let pick = |(before, after): (&ArrayRef, &ArrayRef)| {
            Ok(compute::interleave(&[before.as_ref(), after.as_ref()], &picks)?)
        };
        let columns = before.iter().zip(&after).map(pick).collect::<Result<_, EvalError>>()?;
        out.push(Event::Rows(Chunk { columns, rows: picks.len(), kinds: Some(kinds) }));
        Ok(())
    }

    /// Appends the state.
    pub fn save(&self, out: &mut Writer<'_>) {
        self.grouping.save(&self.pane, out);
    }

    /// Takes the saved state over.
    pub fn load(&mut self, from: &mut Reader<'_>) -> Result<(), CodecError> {
        self.pane = self.grouping.load(from)?;
        Ok(())
    }
}
