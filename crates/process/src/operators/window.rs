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
use std::ops::Range;

/// Rows in one chunk of fired results.
const FIRED_ROWS_MAX: usize = 8192;
/// Groups of a window's panes that are summed at a time, about: so many fit into a processor's cache, and a window of millions of
/// groups takes no second copy of them.
const SUMMED_GROUPS: usize = 1 << 15;

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

/// A window that fires, a part of its groups at a time.
struct Firing {
    window: (i64, i64),
    /// The parts of each of its panes, where there are several.
    in_parts: Vec<Vec<Vec<u32>>>,
    parts: usize,
    next: usize,
    sum: Pane,
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
    /// The windows that the watermark has passed and that are to fire, by end and start.
    due: BTreeSet<(i64, i64)>,
    firing: Option<Firing>,
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
            due: BTreeSet::new(),
            firing: None,
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
    fn sum(&self, window: (i64, i64)) -> Result<Option<Pane>, EvalError> {
        let mut sum = None;
        for pane in self.panes_of(window) {
            self.grouping.merge(sum.get_or_insert_with(|| self.grouping.pane(pane.start)), pane)?;
        }
        Ok(sum)
    }

    fn panes_of(&self, (start, end): (i64, i64)) -> impl Iterator<Item = &Pane> {
        let first = if self.start.is_some() { end } else { start + 1 };
        self.panes.range(first..=end).map(|(_, pane)| pane)
    }

    /// Takes a new watermark; [`Self::fire`] gives what it fires.
    pub fn advance(&mut self, watermark: i64) {
        let before = self.watermark;
        if watermark <= before {
            return;
        }
        self.watermark = watermark;
        for (&slice, pane) in &self.panes {
            // Later slices only belong to windows that end later.
            if self.spans.trigger(slice) > watermark {
                break;
            }
            for (start, end) in self.spans.windows(slice, pane.start) {
                let trigger = self.spans.trigger(end);
                if before < trigger && trigger <= watermark {
                    self.due.insert((end, start));
                }
            }
        }
        self.forget();
    }

    /// Whether [`Self::fire`] has more to give.
    pub fn is_firing(&self) -> bool {
        self.firing.is_some() || !self.due.is_empty()
    }

    /// Gives the next part of the results that are due.
    pub fn fire(&mut self, out: &mut Vec<Event>) -> Result<(), EvalError> {
        let Some(mut firing) = self.firing.take().or_else(|| self.begin()) else { return Ok(()) };
        let (window, part) = (firing.window, firing.next);
        let panes: Vec<&Pane> = self.panes_of(window).collect();
        if let [pane] = panes[..] {
            let groups = pane.len().min(part * SUMMED_GROUPS)..pane.len().min((part + 1) * SUMMED_GROUPS);
            self.give(pane, groups, window, out)?;
        } else {
            firing.sum.clear();
            for (pane, in_parts) in panes.iter().zip(&firing.in_parts) {
                self.grouping.merge_groups(&mut firing.sum, pane, in_parts[part].iter().copied())?;
            }
            self.give(&firing.sum, 0..firing.sum.len(), window, out)?;
        }
        firing.next += 1;
        if firing.next < firing.parts {
            self.firing = Some(firing);
        }
        self.forget();
        Ok(())
    }

    /// Takes up the next window that is due.
    fn begin(&mut self) -> Option<Firing> {
        let (end, start) = self.due.pop_first()?;
        let panes: Vec<&Pane> = self.panes_of((start, end)).collect();
        let parts = panes.iter().map(|pane| pane.len()).sum::<usize>().div_ceil(SUMMED_GROUPS).max(1);
        let in_parts = match panes.len() {
            0 | 1 => Vec::new(),
            _ => panes.iter().map(|pane| pane.keys().in_parts(parts)).collect(),
        };
        Some(Firing { window: (start, end), in_parts, parts, next: 0, sum: self.grouping.pane(start) })
    }

    /// Drops the panes that no window needs any more, once all that is due has fired.
    fn forget(&mut self) {
        if self.is_firing() {
            return;
        }
        while let Some((&slice, _)) = self.panes.first_key_value()
            && self.spans.trigger(slice) <= self.watermark
            && self.spans.last_end(slice).is_none_or(|end| self.is_over(end))
        {
            self.panes.pop_first();
        }
    }

    /// Gives the results of a window's groups.
    fn give(
        &self,
        pane: &Pane,
        groups: Range<usize>,
        (start, end): (i64, i64),
        out: &mut Vec<Event>,
    ) -> Result<(), EvalError> {
        let trigger = self.spans.trigger(end);
        let groups: Vec<u32> = groups.map(|group| group as u32).collect();
        for groups in groups.chunks(FIRED_ROWS_MAX) {
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
