//! Session windows: rows of one key that are no further apart than the gap.
//!
//! A row opens the window `[t, t + gap)`; windows of a key that touch or overlap become one. A row is late when the window
//! that it would be part of has been fired already.

use super::{Event, Properties};
use crate::chunk::Chunk;
use crate::codec::{CodecError, Reader, Writer};
use crate::eval::EvalError;
use crate::state::{Grouping, KeyTable, Pane, longs};
use std::collections::{BTreeMap, BTreeSet};

/// The state of the operator.
pub(crate) struct Session {
    grouping: Grouping,
    time: usize,
    gap_ms: i64,
    properties: Properties,
    keys: Pane,
    /// Open sessions by key and start.
    open: BTreeMap<u32, BTreeMap<i64, Open>>,
    /// When which sessions end: (end, key, start).
    ends: BTreeSet<(i64, u32, i64)>,
    watermark: i64,
    groups: Vec<u32>,
}

struct Open {
    end: i64,
    /// Of one group.
    pane: Pane,
}

impl Session {
    /// Without rows.
    pub fn new(grouping: Grouping, time: usize, gap_ms: i64, properties: Properties) -> Self {
        let keys = grouping.pane(0);
        Self {
            grouping,
            time,
            gap_ms,
            properties,
            keys,
            open: BTreeMap::new(),
            ends: BTreeSet::new(),
            watermark: i64::MIN,
            groups: Vec::new(),
        }
    }

    /// Takes rows one by one; gives the late ones.
    pub fn rows(&mut self, chunk: &Chunk) -> Result<Option<Chunk>, EvalError> {
        if chunk.rows == 0 {
            return Ok(None);
        }
        let grouping = self.grouping.clone();
        let key_columns = grouping.key_columns(&chunk.columns);
        let keys = grouping.encode(&key_columns)?;
        let all: Vec<u32> = (0..chunk.rows as u32).collect();
        let mut key_of = Vec::new();
        grouping.groups(&mut self.keys, &keys, &all, &mut key_of);
        let times = longs(&chunk.columns[self.time])?;
        let mut late = Vec::new();
        for (row, &key) in key_of.iter().enumerate() {
            let (mut start, mut end) = (times[row], times[row] + self.gap_ms);
            let sessions = self.open.entry(key).or_default();
            let touched: Vec<i64> =
                sessions.range(..=end).filter(|(_, open)| open.end >= start).map(|(start, _)| *start).collect();
            for &other in &touched {
                start = start.min(other);
                end = end.max(sessions[&other].end);
            }
            if end - 1 <= self.watermark {
                late.push(row as u32);
                continue;
            }
            // A session that grows keeps its pane.
            let mut pane: Option<Pane> = None;
            for other in touched {
                let Some(open) = sessions.remove(&other) else { continue };
                self.ends.remove(&(open.end, key, other));
                match &mut pane {
                    Some(pane) => grouping.merge(pane, &open.pane)?,
                    None => pane = Some(open.pane),
                }
            }
            let mut pane = pane.unwrap_or_else(|| grouping.pane(start));
            pane.start = start;
            grouping.add(&mut pane, &keys, &chunk.columns, &[row as u32], &mut self.groups)?;
            self.ends.insert((end, key, start));
            sessions.insert(start, Open { end, pane });
        }
        if late.is_empty() { Ok(None) } else { chunk.take(&late).map(Some) }
    }

    /// Fires the sessions that the new watermark passes, in order of end.
    pub fn advance(&mut self, watermark: i64, out: &mut Vec<Event>) -> Result<(), EvalError> {
        self.watermark = self.watermark.max(watermark);
        while let Some(&(end, key, start)) = self.ends.first().filter(|(end, ..)| end - 1 <= watermark) {
            self.ends.pop_first();
            let Some(sessions) = self.open.get_mut(&key) else { continue };
            let Some(open) = sessions.remove(&start) else { continue };
            if sessions.is_empty() {
                self.open.remove(&key);
            }
            let mut columns = self.grouping.finish(&open.pane, &[0])?;
            columns.extend(self.properties.columns(start, end, end - 1, 1)?);
            out.push(Event::Rows(Chunk::new(columns, 1)));
        }
        // Key numbers are given anew when nothing refers to them, so that keys of the past take no memory.
        if self.open.is_empty() && self.keys.len() > 0 {
            self.keys = self.grouping.pane(0);
        }
        Ok(())
    }

    /// Appends the state.
    pub fn save(&self, out: &mut Writer<'_>) {
        out.i64(self.watermark);
        let sessions: Vec<_> = self.open.values().flat_map(|sessions| sessions.iter()).collect();
        out.list(sessions.into_iter(), |out, (start, open)| {
            out.i64(*start);
            out.i64(open.end);
            self.grouping.save(&open.pane, out);
        });
    }

    /// Takes the saved state over.
    pub fn load(&mut self, from: &mut Reader<'_>) -> Result<(), CodecError> {
        self.watermark = from.i64()?;
        for (start, end, pane) in from.list(|from| Ok((from.i64()?, from.i64()?, self.grouping.load(from)?)))? {
            let key = self.keys.adopt_key(&pane);
            self.ends.insert((end, key, start));
            self.open.entry(key).or_default().insert(start, Open { end, pane });
        }
        Ok(())
    }
}

impl Pane {
    /// The number here of another pane's only key.
    fn adopt_key(&mut self, other: &Pane) -> u32 {
        let keys: &mut KeyTable = self.keys_mut();
        keys.adopt(other.keys(), 0..1).first().map_or(0, |&(_, key)| key)
    }
}
