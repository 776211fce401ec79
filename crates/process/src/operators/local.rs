//! The half of a windowed aggregation that runs beside the source: it gathers rows into panes and hands a pane on when the
//! lane's own watermark passes it, before that watermark. Rows that come after that are handed on as they are, so that the
//! other half, which knows the watermark of all lanes, decides whether they are late.

use super::{Event, Spans};
use crate::chunk::Flow;
use crate::eval::EvalError;
use crate::state::{Grouping, Pane, longs};
use std::collections::BTreeMap;

/// Groups gathered in all panes of a lane before they are handed on early: bounds memory.
const LOCAL_GROUPS_MAX: usize = 1 << 20;

/// The state of one lane.
pub(crate) struct LocalWindow {
    spans: Spans,
    grouping: Grouping,
    time: usize,
    /// The column `window_start`, when rows carry their window.
    start: Option<usize>,
    /// Every watermark matters, not only those that pass the end of a slice.
    exact: bool,
    panes: BTreeMap<i64, Pane>,
    watermark: i64,
    groups: Vec<u32>,
    chosen: Chosen,
}

/// Row numbers by slice, reused from chunk to chunk.
#[derive(Default)]
struct Chosen(Vec<(i64, Vec<u32>)>);

impl Chosen {
    fn push(&mut self, slice: i64, row: u32) {
        match self.0.iter_mut().rev().find(|(known, _)| *known == slice) {
            Some((_, rows)) => rows.push(row),
            None => self.0.push((slice, vec![row])),
        }
    }
}

impl LocalWindow {
    /// Without rows.
    pub fn new(spans: Spans, grouping: Grouping, time: usize, start: Option<usize>, exact: bool) -> Self {
        Self {
            spans,
            grouping,
            time,
            start,
            exact,
            panes: BTreeMap::new(),
            watermark: i64::MIN,
            groups: Vec::new(),
            chosen: Chosen::default(),
        }
    }

    /// Starts from a restored watermark.
    pub fn resume(&mut self, watermark: i64) {
        self.watermark = watermark;
    }

    /// Takes rows and watermarks; gives what is to go on, in order.
    pub fn apply(&mut self, flow: &Flow, out: &mut Vec<Event>) -> Result<(), EvalError> {
        let ends =
            if flow.chunk.rows == 0 { Vec::new() } else { self.spans.slice_ends(&flow.chunk.columns, self.time)? };
        let mut from = 0;
        for &(row, watermark) in &flow.marks {
            let passed = self.spans.passed(watermark);
            if !self.exact && passed == self.spans.passed(self.watermark) {
                self.watermark = watermark;
                continue;
            }
            self.gather(flow, &ends, from..row, out)?;
            from = row;
            self.watermark = watermark;
            self.hand_on(Some(passed), out);
            out.push(Event::Watermark(watermark));
        }
        self.gather(flow, &ends, from..flow.chunk.rows, out)?;
        if self.panes.values().map(Pane::len).sum::<usize>() > LOCAL_GROUPS_MAX {
            self.hand_on(None, out);
        }
        if let Some(&(_, watermark)) = flow.marks.last() {
            out.push(Event::Watermark(watermark));
        }
        Ok(())
    }

    fn gather(
        &mut self,
        flow: &Flow,
        ends: &[i64],
        rows: std::ops::Range<usize>,
        out: &mut Vec<Event>,
    ) -> Result<(), EvalError> {
        if rows.is_empty() {
            return Ok(());
        }
        let chunk = &flow.chunk;
        let passed = self.spans.passed(self.watermark);
        let mut behind: Vec<u32> = Vec::new();
        let mut chosen = std::mem::take(&mut self.chosen);
        chosen.0.clear();
        for row in rows {
            let end = ends[row];
            if end <= passed {
                behind.push(row as u32);
            } else if let Some((slice, rows)) = chosen.0.last_mut().filter(|(slice, _)| *slice == end) {
                debug_assert_eq!(*slice, end);
                rows.push(row as u32);
            } else {
                chosen.push(end, row as u32);
            }
        }
        let keys = self.grouping.key_columns(&chunk.columns);
        let keys = self.grouping.encode(&keys)?;
        for (slice, rows) in &chosen.0 {
            let start = match (self.start, self.panes.contains_key(slice)) {
                (Some(column), false) => longs(&chunk.columns[column])?[rows[0] as usize],
                _ => 0,
            };
            let pane = self.panes.entry(*slice).or_insert_with(|| self.grouping.pane(start));
            self.grouping.add(pane, &keys, &chunk.columns, rows, &mut self.groups)?;
        }
        self.chosen = chosen;
        if !behind.is_empty() {
            out.push(Event::Rows(chunk.take(&behind)?));
        }
        Ok(())
    }

    /// Hands on the panes that end at or before `through`, or all.
    pub fn hand_on(&mut self, through: Option<i64>, out: &mut Vec<Event>) {
        while let Some(entry) = self.panes.first_entry() {
            if through.is_some_and(|through| *entry.key() > through) {
                break;
            }
            let (slice, pane) = entry.remove_entry();
            out.push(Event::Pane(slice, Box::new(pane)));
        }
    }
}
