//! Watermarks from rows.
//!
//! As in Flink's `WatermarkAssignerOperator`, a watermark is emitted after the row with which it would move by more than
//! `pipeline.auto-watermark-interval` since the last one, in event time; so what is late is a function of the rows, never
//! of a wall clock. Both start from 0 (1970). The least of the splits read together holds.

use super::Valve;
use crate::chunk::Flow;
use crate::codec::{CodecError, Reader, Writer};
use crate::eval::{Column, EvalContext, EvalError, Program};
use crate::graph::Expr;
use arrow::array::Array;
use millrace_base::Millis;
use millrace_schema::SqlType;

/// A compiled `Watermark`: the declaration, without the progress of its splits.
pub(crate) struct Watermark {
    column: usize,
    expr: Program,
    unit: i64,
    interval_ms: i64,
    idle_timeout_ms: Option<i64>,
}

/// How far the splits of one lane have come in event time.
#[derive(Debug, Clone)]
pub(crate) struct SplitProgress {
    splits: Vec<Progress>,
    valve: Valve,
}

#[derive(Debug, Clone)]
struct Progress {
    current: i64,
    emitted: i64,
    seen: Millis,
}

impl Watermark {
    /// Compiles the expression.
    pub fn new(column: usize, expr: &Expr, interval_ms: i64, idle_timeout_ms: Option<i64>) -> Result<Self, EvalError> {
        let unit = match expr.typed.ty {
            SqlType::Timestamp(0..=3) | SqlType::TimestampLtz(0..=3) => 1,
            SqlType::Timestamp(4..=6) | SqlType::TimestampLtz(4..=6) => 1_000,
            SqlType::Timestamp(_) | SqlType::TimestampLtz(_) => 1_000_000,
            ref other => return Err(EvalError(format!("a watermark must be a TIMESTAMP, not {other}"))),
        };
        Ok(Self { column, expr: Program::compile(expr)?, unit, interval_ms, idle_timeout_ms })
    }

    /// Sets the watermarks between the rows of `split`.
    pub fn apply(
        &self,
        mut flow: Flow,
        split: usize,
        progress: &mut SplitProgress,
        context: &EvalContext,
    ) -> Result<Flow, EvalError> {
        // Watermarks from before are replaced, but for the end of all time.
        flow.marks.retain(|mark| mark.1 == i64::MAX);
        let rows = flow.chunk.rows;
        if rows == 0 {
            return Ok(flow);
        }
        if flow.chunk.columns[self.column].null_count() > 0 {
            return Err(EvalError(
                "a rowtime column is NULL: filter such rows out, or give the time a default with COALESCE".to_owned(),
            ));
        }
        let value = self.expr.run(&flow.chunk.columns, rows, context)?;
        let mut marks = Vec::new();
        progress.wake(split, context.now, &mut marks);
        self.scan(&value, rows, split, progress, &mut marks)?;
        marks.append(&mut flow.marks);
        flow.marks = marks;
        Ok(flow)
    }

    fn scan(
        &self,
        value: &Column,
        rows: usize,
        split: usize,
        progress: &mut SplitProgress,
        marks: &mut Vec<(usize, i64)>,
    ) -> Result<(), EvalError> {
        let watermarks = crate::state::longs(value.array())?;
        let nulls = value.array().nulls();
        let SplitProgress { splits, valve } = progress;
        let state = &mut splits[split];
        for row in 0..rows {
            let at = value.at(row);
            if nulls.is_none_or(|nulls| nulls.is_valid(at)) {
                state.current = state.current.max(watermarks[at].div_euclid(self.unit));
            }
            if state.current - state.emitted > self.interval_ms {
                state.emitted = state.current;
                if let Some(watermark) = valve.advance(split, state.emitted) {
                    marks.push((row + 1, watermark));
                }
            }
        }
        Ok(())
    }

    /// Splits without rows for longer than the idle timeout are no longer waited for.
    pub fn check_idle(&self, progress: &mut SplitProgress, now: Millis) -> (Option<i64>, bool) {
        let Some(timeout) = self.idle_timeout_ms else { return (None, false) };
        let mut moved = None;
        for split in 0..progress.splits.len() {
            if now - progress.splits[split].seen >= timeout {
                moved = progress.valve.idle(split, true).or(moved);
            }
        }
        (moved, progress.valve.is_idle())
    }

    /// When the next split falls idle if no rows come; none when none can.
    pub fn idle_at(&self, progress: &SplitProgress) -> Option<Millis> {
        let timeout = self.idle_timeout_ms?;
        let awake = progress.splits.iter().enumerate().filter(|(split, _)| !progress.valve.is_idle_input(*split));
        awake.map(|(_, split)| split.seen.saturating_add(timeout)).min()
    }
}

impl SplitProgress {
    /// For so many splits, read from `now` on.
    pub fn new(splits: usize, now: Millis) -> Self {
        let progress = Progress { current: 0, emitted: 0, seen: now };
        Self { splits: vec![progress; splits], valve: Valve::new(splits) }
    }

    fn wake(&mut self, split: usize, now: Millis, marks: &mut Vec<(usize, i64)>) {
        self.splits[split].seen = now;
        marks.extend(self.valve.idle(split, false).map(|watermark| (0, watermark)));
    }

    /// A split ended: it is not waited for any more.
    pub fn end(&mut self, split: usize) -> Option<i64> {
        // The end of the last split is the end of time, which its lane announces.
        let moved = self.valve.advance(split, i64::MAX);
        moved.filter(|watermark| *watermark < i64::MAX)
    }

    /// Adds a split that goes on where another one stands in event time.
    pub fn add(&mut self, like: usize) {
        self.splits.push(self.splits[like].clone());
        self.valve.add(like);
    }

    /// Forgets a split that ended; those behind it move up.
    pub fn remove(&mut self, split: usize) {
        self.splits.remove(split);
        self.valve.remove(split);
    }

    /// Appends the progress of one split.
    pub fn save(&self, split: usize, out: &mut Writer<'_>) {
        out.i64(self.splits[split].current);
        out.i64(self.splits[split].emitted);
    }

    /// Takes the saved progress of one split over.
    pub fn load(&mut self, split: usize, from: &mut Reader<'_>) -> Result<(), CodecError> {
        let state = &mut self.splits[split];
        state.current = from.i64()?;
        state.emitted = from.i64()?;
        if state.emitted > 0 {
            self.valve.advance(split, state.emitted);
        }
        Ok(())
    }
}
