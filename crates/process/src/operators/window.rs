//! The half of a windowed aggregation that knows the watermark of all inputs: it keeps panes by slice, fires windows when
//! the watermark passes their end, and tells late rows from others.
//!
//! A row is late when the last window that it belongs to was fired and, with allowed lateness, cleaned up:
//! `end - 1 + lateness <= watermark`. Late rows change no result; they go to the late output and are counted.

use super::{Event, Spans};
use crate::chunk::Chunk;
use crate::codec::{CodecError, Reader, Writer};
use crate::connect::RowKind;
use crate::eval::EvalError;
use crate::graph::WindowProperty;
use crate::state::{Grouping, Pane, from_longs, longs};
use arrow::array::ArrayRef;
use millrace_schema::SqlType;
use std::collections::{BTreeMap, BTreeSet};

/// Rows in one chunk of fired results.
const FIRED_ROWS_MAX: usize = 8192;

/// What a window gives after its keys and aggregates.
#[derive(Clone)]
pub(crate) struct Properties {
    pub props: Vec<WindowProperty>,
    pub time_type: SqlType,
}

impl Properties {
    /// The property columns of `rows` rows of one window.
    pub fn columns(&self, start: i64, end: i64, trigger: i64, rows: usize) -> Result<Vec<ArrayRef>, EvalError> {
        let one = |prop: &WindowProperty| {
            let (value, ty) = match prop {
                WindowProperty::Start => (start, SqlType::Timestamp(3)),
                WindowProperty::End => (end, SqlType::Timestamp(3)),
                WindowProperty::Rowtime => (trigger, self.time_type.clone()),
            };
            from_longs(vec![Some(value); rows], &ty)
        };
        self.props.iter().map(one).collect()
    }
}

/// The state of the operator.
pub(crate) struct GlobalWindow {
    spans: Spans,
    grouping: Grouping,
    time: usize,
    start: Option<usize>,
    lateness_ms: i64,
    properties: Properties,
    panes: BTreeMap<i64, Pane>,
    watermark: i64,
    groups: Vec<u32>,
}

impl GlobalWindow {
    /// Without rows. `start` is the column `window_start` when rows carry their window.
    pub fn new(
        spans: Spans,
        grouping: Grouping,
        time: usize,
        start: Option<usize>,
        lateness_ms: i64,
        properties: Properties,
    ) -> Self {
        Self {
            spans,
            grouping,
            time,
            start,
            lateness_ms,
            properties,
            panes: BTreeMap::new(),
            watermark: i64::MIN,
            groups: Vec::new(),
        }
    }

    /// Takes a pane that a lane gathered.
    pub fn pane(&mut self, slice: i64, pane: Pane) -> Result<(), EvalError> {
        match self.panes.get_mut(&slice) {
            Some(held) => self.grouping.merge(held, &pane),
            None => {
                self.panes.insert(slice, pane);
                Ok(())
            }
        }
    }

    /// Takes rows; gives the late ones among them. With allowed lateness, windows that fired already fire again into `out`.
    pub fn rows(&mut self, chunk: &Chunk, out: &mut Vec<Event>) -> Result<Option<Chunk>, EvalError> {
        if chunk.rows == 0 {
            return Ok(None);
        }
        let ends = self.spans.slice_ends(&chunk.columns, self.time)?;
        let key_columns = self.grouping.key_columns(&chunk.columns);
        let grouping = self.grouping.clone();
        let keys = grouping.encode(&key_columns)?;
        let mut late: Vec<u32> = Vec::new();
        let mut by_slice: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
        for (row, &slice) in ends.iter().enumerate() {
            match self.spans.last_end(slice) {
                None => {}
                Some(end) if self.is_over(end) => late.push(row as u32),
                Some(_) if self.lateness_ms > 0 && self.spans.trigger(slice) <= self.watermark => {
                    self.refire(chunk, &keys, row as u32, slice, out)?;
                }
                Some(_) => by_slice.entry(slice).or_default().push(row as u32),
            }
        }
        for (slice, rows) in by_slice {
            let start = self.start_of(chunk, rows[0])?;
            let pane = self.panes.entry(slice).or_insert_with(|| grouping.pane(start));
            grouping.add(pane, &keys, &chunk.columns, &rows, &mut self.groups)?;
        }
        if late.is_empty() { Ok(None) } else { chunk.take(&late).map(Some) }
    }

    fn start_of(&self, chunk: &Chunk, row: u32) -> Result<i64, EvalError> {
        match self.start {
            Some(column) => Ok(longs(&chunk.columns[column])?[row as usize]),
            None => Ok(0),
        }
    }

    fn is_over(&self, end: i64) -> bool {
        self.spans.trigger(end).saturating_add(self.lateness_ms) <= self.watermark
    }

    /// Adds one row whose slice was fired already, and gives the new results of the fired windows that it changes.
    fn refire(
        &mut self,
        chunk: &Chunk,
        keys: &crate::state::Encoded<'_>,
        row: u32,
        slice: i64,
        out: &mut Vec<Event>,
    ) -> Result<(), EvalError> {
        let start = self.start_of(chunk, row)?;
        let fired: Vec<(i64, i64)> = self
            .spans
            .windows(slice, start)
            .into_iter()
            .filter(|&(_, end)| self.spans.trigger(end) <= self.watermark && !self.is_over(end))
            .collect();
        let before: Vec<Option<Vec<ArrayRef>>> =
            fired.iter().map(|&window| self.result_of(window, keys, row)).collect::<Result<_, _>>()?;
        let grouping = self.grouping.clone();
        let pane = self.panes.entry(slice).or_insert_with(|| grouping.pane(start));
        grouping.add(pane, keys, &chunk.columns, &[row], &mut self.groups)?;
        for (&window, before) in fired.iter().zip(before) {
            let Some(after) = self.result_of(window, keys, row)? else { continue };
            let (start, end) = window;
            let extra = self.properties.columns(start, end, self.spans.trigger(end), 1)?;
            let with = |mut columns: Vec<ArrayRef>| {
                columns.extend(extra.iter().cloned());
                columns
            };
            let same = |before: &Vec<ArrayRef>| before.iter().zip(&after).all(|(a, b)| a.as_ref() == b.as_ref());
            let changes = match before {
                Some(before) if same(&before) => continue,
                Some(before) => vec![(RowKind::UpdateBefore, with(before)), (RowKind::UpdateAfter, with(after))],
                None => vec![(RowKind::Insert, with(after))],
            };
            for (kind, columns) in changes {
                out.push(Event::Rows(Chunk { columns, rows: 1, kinds: Some(vec![kind]) }));
            }
        }
        Ok(())
    }

    /// Key and aggregates of one row's group in a window, if the window has the group.
    fn result_of(
        &mut self,
        window: (i64, i64),
        keys: &crate::state::Encoded<'_>,
        row: u32,
    ) -> Result<Option<Vec<ArrayRef>>, EvalError> {
        let Some(mut pane) = self.sum(window)? else { return Ok(None) };
        let known = pane.len();
        self.grouping.groups(&mut pane, keys, &[row], &mut self.groups);
        let group = self.groups[0];
        if group as usize >= known {
            return Ok(None);
        }
        self.grouping.finish(&pane, &[group]).map(Some)
    }

    /// The panes of a window taken together.
    fn sum(&self, (start, end): (i64, i64)) -> Result<Option<Pane>, EvalError> {
        let first = if self.start.is_some() { end } else { start + 1 };
        let mut panes = self.panes.range(first..=end).map(|(_, pane)| pane);
        let Some(first) = panes.next() else { return Ok(None) };
        let mut sum = first.clone();
        for pane in panes {
            self.grouping.merge(&mut sum, pane)?;
        }
        Ok(Some(sum))
    }

    /// Fires what the new watermark passes and drops what no window needs any more.
    pub fn advance(&mut self, watermark: i64, out: &mut Vec<Event>) -> Result<(), EvalError> {
        let before = self.watermark;
        if watermark <= before {
            return Ok(());
        }
        self.watermark = watermark;
        let mut due: BTreeSet<(i64, i64)> = BTreeSet::new();
        for (&slice, pane) in &self.panes {
            // Later slices only belong to windows that end later.
            if self.spans.trigger(slice) > watermark {
                break;
            }
            for (start, end) in self.spans.windows(slice, pane.start) {
                let trigger = self.spans.trigger(end);
                if before < trigger && trigger <= watermark {
                    due.insert((end, start));
                }
            }
        }
        for (end, start) in due {
            self.fire(start, end, out)?;
        }
        let over = |slice: i64| self.spans.last_end(slice).is_none_or(|end| self.is_over(end));
        let drop: Vec<i64> = self
            .panes
            .keys()
            .copied()
            .take_while(|&slice| self.spans.trigger(slice) <= watermark)
            .filter(|&s| over(s))
            .collect();
        for slice in drop {
            self.panes.remove(&slice);
        }
        Ok(())
    }

    fn fire(&mut self, start: i64, end: i64, out: &mut Vec<Event>) -> Result<(), EvalError> {
        let is_single = self.start.is_some() || self.panes.range(start + 1..=end).nth(1).is_none();
        let sum;
        let pane = if is_single {
            let first = if self.start.is_some() { end } else { start + 1 };
            self.panes.range(first..=end).next().map(|(_, pane)| pane)
        } else {
            sum = self.sum((start, end))?;
            sum.as_ref()
        };
        let Some(pane) = pane else { return Ok(()) };
        let trigger = self.spans.trigger(end);
        let all: Vec<u32> = (0..pane.len() as u32).collect();
        for groups in all.chunks(FIRED_ROWS_MAX) {
            let mut columns = self.grouping.finish(pane, groups)?;
            columns.extend(self.properties.columns(start, end, trigger, groups.len())?);
            out.push(Event::Rows(Chunk::new(columns, groups.len())));
        }
        Ok(())
    }

    /// The watermark that holds.
    pub fn watermark(&self) -> i64 {
        self.watermark
    }

    /// Appends the state.
    pub fn save(&self, out: &mut Writer<'_>) {
        out.i64(self.watermark);
        out.list(self.panes.iter(), |out, (slice, pane)| {
            out.i64(*slice);
            self.grouping.save(pane, out);
        });
    }

    /// Takes the saved state over.
    pub fn load(&mut self, from: &mut Reader<'_>) -> Result<(), CodecError> {
        self.watermark = from.i64()?;
        let panes = from.list(|from| Ok((from.i64()?, self.grouping.load(from)?)))?;
        self.panes = panes.into_iter().collect();
        Ok(())
    }
}
