//! Window table functions without aggregation: every row once for each of its windows.

use super::Spans;
use crate::chunk::{Chunk, Flow};
use crate::eval::EvalError;
use crate::state::from_longs;
use millrace_schema::SqlType;

/// A `WindowAssign`.
pub(crate) struct Assign {
    spans: Spans,
    time: usize,
    time_type: SqlType,
}

impl Assign {
    /// Over a time column of the given type.
    pub fn new(spans: Spans, time: usize, time_type: SqlType) -> Self {
        Self { spans, time, time_type }
    }

    /// Appends `window_start`, `window_end` and `window_time`; nothing is late here.
    pub fn apply(&self, flow: Flow) -> Result<Flow, EvalError> {
        let Flow { chunk, mut marks } = flow;
        let ends = self.spans.slice_ends(&chunk.columns, self.time)?;
        let (mut rows, mut starts, mut stops) = (Vec::with_capacity(chunk.rows), Vec::new(), Vec::new());
        for (row, &end) in ends.iter().enumerate() {
            for (start, end) in self.spans.windows(end, 0) {
                rows.push(row as u32);
                starts.push(Some(start));
                stops.push(Some(end));
            }
        }
        for mark in &mut marks {
            mark.0 = rows.partition_point(|&row| (row as usize) < mark.0);
        }
        let mut out: Chunk = chunk.take(&rows)?;
        let times = stops.iter().map(|end| end.map(|end| self.spans.trigger(end))).collect();
        out.columns.push(from_longs(starts, &SqlType::Timestamp(3))?);
        out.columns.push(from_longs(stops, &SqlType::Timestamp(3))?);
        out.columns.push(from_longs(times, &self.time_type)?);
        Ok(Flow { chunk: out, marks })
    }
}
