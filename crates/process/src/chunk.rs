//! Rows on their way through the graph.

use crate::connect::RowKind;
use crate::eval::EvalError;
use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute;

/// Some rows as columns.
#[derive(Debug, Clone)]
pub(crate) struct Chunk {
    pub columns: Vec<ArrayRef>,
    pub rows: usize,
    /// None: all are new rows.
    pub kinds: Option<Vec<RowKind>>,
}

/// Rows with the watermarks between them: after `marks[i].0` rows the watermark is `marks[i].1`. Positions and watermarks
/// both ascend.
#[derive(Debug, Clone)]
pub(crate) struct Flow {
    pub chunk: Chunk,
    pub marks: Vec<(usize, i64)>,
}

impl Chunk {
    /// New rows.
    pub fn new(columns: Vec<ArrayRef>, rows: usize) -> Self {
        Self { columns, rows, kinds: None }
    }

    /// The given rows.
    pub fn take(&self, rows: &[u32]) -> Result<Self, EvalError> {
        let indices = UInt32Array::from(rows.to_vec());
        let take = |column: &ArrayRef| Ok(compute::take(column, &indices, None)?);
        Ok(Self {
            columns: self.columns.iter().map(take).collect::<Result<_, EvalError>>()?,
            rows: rows.len(),
            kinds: self.kinds.as_ref().map(|kinds| rows.iter().map(|&row| kinds[row as usize]).collect()),
        })
    }

    /// A range of rows; shares memory.
    pub fn slice(&self, start: usize, len: usize) -> Self {
        Self {
            columns: self.columns.iter().map(|column| column.slice(start, len)).collect(),
            rows: len,
            kinds: self.kinds.as_ref().map(|kinds| kinds[start..start + len].to_vec()),
        }
    }
}

impl Flow {
    /// The rows between watermarks, each piece followed by its watermark (the last one perhaps by none).
    pub fn pieces(&self) -> impl Iterator<Item = (std::ops::Range<usize>, Option<i64>)> + '_ {
        let starts = std::iter::once(0).chain(self.marks.iter().map(|mark| mark.0));
        let ends = self.marks.iter().map(|&(end, mark)| (end, Some(mark))).chain([(self.chunk.rows, None)]);
        starts.zip(ends).map(|(start, (end, mark))| (start..end, mark))
    }
}
