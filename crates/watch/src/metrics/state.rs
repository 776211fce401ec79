//! What is in memory: which metrics there are, and their points since the last block was cut.
//!
//! A value goes to its series' *recent* points, one for each second. Every few seconds recent points are *absorbed*: written to the
//! journal's next frame, appended to the seconds' bytes and merged into the minutes. A cut takes seconds and minutes away.

use super::Resolution;
use super::block::Block;
use super::key::MetricKey;
use super::point::{PointWriter, Points};
use super::series::{Counter, Series};
use super::summary::{Statistics, Summary};
use millrace_base::Millis;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A series' number: one metric in one unit.
pub(super) type SeriesId = u32;

/// So many recent points are absorbed at once, so that a series with a thousand time stamps stays small.
const RECENT_MAX: usize = 64;
/// What a series' seconds take without a disk: three hours of a counter.
const MEMORY_BYTES_MAX: usize = 128 << 10;
/// How many minutes a series has without a disk: a day.
const MEMORY_MINUTES_MAX: usize = 24 * 60;

/// All series.
pub(super) struct State {
    pub(super) by_key: BTreeMap<MetricKey, Vec<SeriesId>>,
    pub(super) series: BTreeMap<SeriesId, Entry>,
    pub(super) next_id: SeriesId,
    pub(super) series_max: usize,
    /// The second that counters have been counting in since they were last folded.
    pub(super) open_second: Millis,
    /// What the journal's next frame begins with: series that are new.
    pub(super) news: Vec<SeriesId>,
    /// Absorbed points that the journal does not have yet.
    pub(super) pending: Vec<(SeriesId, Resolution, PointWriter)>,
    /// Bytes of all tails.
    pub(super) bytes: usize,
    /// Whether there is a journal.
    pub(super) has_journal: bool,
    /// Series that were refused since it was last asked.
    pub(super) refused: u64,
    /// What is on disk.
    pub(super) blocks: Arc<Vec<Arc<Block>>>,
    /// Tails that are being written.
    pub(super) frozen: Option<Arc<BTreeMap<SeriesId, Tail>>>,
}

/// A series.
pub(super) struct Entry {
    pub(super) key: MetricKey,
    pub(super) unit: Arc<str>,
    /// The beginning of the last second with values.
    pub(super) last: Millis,
    /// Of all values since the start.
    pub(super) total: Statistics,
    counter: Option<Arc<Counter>>,
    recent: BTreeMap<(Resolution, Millis), Summary>,
    pub(super) tail: Tail,
}

/// Points since the last cut.
#[derive(Default, Clone)]
pub(super) struct Tail {
    /// In the order in which they came; a second may come several times.
    pub(super) seconds: PointWriter,
    /// In order.
    pub(super) minutes: Vec<(Millis, Summary)>,
}

impl State {
    pub(super) fn new(now: Millis, series_max: usize) -> Self {
        Self {
            by_key: BTreeMap::new(),
            series: BTreeMap::new(),
            next_id: 0,
            series_max,
            open_second: Resolution::Second.floor(now),
            news: Vec::new(),
            pending: Vec::new(),
            bytes: 0,
            has_journal: false,
            refused: 0,
            blocks: Arc::default(),
            frozen: None,
        }
    }

    /// The series of a metric and unit, if there is one.
    pub(super) fn find(&self, key: &MetricKey, unit: &str) -> Option<SeriesId> {
        self.by_key.get(key)?.iter().copied().find(|id| *self.series[id].unit == *unit)
    }

    /// The series of a metric and unit; `None` when there are too many.
    pub(super) fn find_or_make(&mut self, key: &MetricKey, unit: &str, now: Millis) -> Option<SeriesId> {
        if let Some(id) = self.find(key, unit) {
            return Some(id);
        }
        if self.series.len() >= self.series_max {
            self.forget(|entry| entry.last + Resolution::Minute.kept_ms() < now);
        }
        if self.series.len() >= self.series_max {
            self.refused += 1;
            return None;
        }
        let id = self.next_id;
        self.next_id += 1;
        self.insert(id, key.clone(), unit.into(), Millis::MIN);
        if self.has_journal {
            self.news.push(id);
        }
        Some(id)
    }

    /// Adds a series under a number that it had before.
    pub(super) fn insert(&mut self, id: SeriesId, key: MetricKey, unit: Arc<str>, last: Millis) {
        self.next_id = self.next_id.max(id + 1);
        let ids = self.by_key.entry(key.clone()).or_default();
        if !ids.contains(&id) {
            ids.push(id);
        }
        let total = Statistics::NONE;
        let entry = Entry { key, unit, last, total, counter: None, recent: BTreeMap::new(), tail: Tail::default() };
        self.series.insert(id, entry);
    }

    /// Forgets series that match and that nobody has a handle of.
    pub(super) fn forget(&mut self, is_forgotten: impl Fn(&Entry) -> bool) {
        let is_held = |entry: &Entry| entry.counter.as_ref().is_some_and(|counter| Arc::strong_count(counter) > 1);
        let gone: Vec<SeriesId> = self
            .series
            .iter()
            .filter(|(_, entry)| !is_held(entry) && entry.recent.is_empty() && is_forgotten(entry))
            .map(|(id, _)| *id)
            .collect();
        for id in gone {
            let Some(entry) = self.series.remove(&id) else { continue };
            self.bytes -= entry.tail.bytes();
            if let Some(ids) = self.by_key.get_mut(&entry.key) {
                ids.retain(|other| *other != id);
                if ids.is_empty() {
                    self.by_key.remove(&entry.key);
                }
            }
        }
    }

    /// A handle.
    pub(super) fn handle(&mut self, key: &MetricKey, unit: &str, now: Millis) -> Series {
        let Some(id) = self.find_or_make(key, unit, now) else {
            return Series { counter: Arc::new(Counter::new(key.clone(), true)) };
        };
        let entry = self.series.get_mut(&id).expect("the series was just found or made");
        let make = || Arc::new(Counter::new(entry.key.clone(), false));
        Series { counter: entry.counter.get_or_insert_with(make).clone() }
    }

    /// Adds values of a moment.
    pub(super) fn add(&mut self, id: SeriesId, resolution: Resolution, moment: Millis, values: &Summary) {
        let Some(entry) = self.series.get_mut(&id) else { return };
        let moment = resolution.floor(moment);
        entry.last = entry.last.max(moment);
        entry.total.add(&values.statistics);
        entry.recent.entry((resolution, moment)).or_default().merge(values);
        if entry.recent.len() > RECENT_MAX {
            self.absorb(id);
        }
    }

    /// Takes what counters counted into the second that they counted in.
    pub(super) fn fold(&mut self, now: Millis) {
        let second = self.open_second;
        let mut full = Vec::new();
        for (id, entry) in &mut self.series {
            entry.fold(second);
            if entry.recent.len() > RECENT_MAX {
                full.push(*id);
            }
        }
        full.into_iter().for_each(|id| self.absorb(id));
        self.open_second = Resolution::Second.floor(now);
    }

    /// The same for one series.
    pub(super) fn fold_one(&mut self, id: SeriesId) {
        let second = self.open_second;
        if let Some(entry) = self.series.get_mut(&id) {
            entry.fold(second);
        }
    }

    /// Moves a series' recent points to its tail, and to what the journal gets next.
    pub(super) fn absorb(&mut self, id: SeriesId) {
        let Some(entry) = self.series.get_mut(&id) else { return };
        if entry.recent.is_empty() {
            return;
        }
        let before = entry.tail.bytes();
        let mut writers = [PointWriter::default(), PointWriter::default()];
        for ((resolution, moment), values) in std::mem::take(&mut entry.recent) {
            let writer = &mut writers[usize::from(resolution == Resolution::Minute)];
            writer.push(moment, resolution.width_ms(), &values);
            entry.tail.take(resolution, moment, &values);
        }
        if !self.has_journal {
            entry.tail.trim();
        }
        self.bytes = (self.bytes + entry.tail.bytes()).saturating_sub(before);
        for (writer, resolution) in writers.into_iter().zip([Resolution::Second, Resolution::Minute]) {
            if self.has_journal && !writer.bytes.is_empty() {
                self.pending.push((id, resolution, writer));
            }
        }
    }

    /// [`Self::absorb`] of every series.
    pub(super) fn absorb_all(&mut self) {
        let ids: Vec<SeriesId> =
            self.series.iter().filter(|(_, entry)| !entry.recent.is_empty()).map(|(id, _)| *id).collect();
        ids.into_iter().for_each(|id| self.absorb(id));
    }

    /// Takes all tails away.
    pub(super) fn cut(&mut self) -> BTreeMap<SeriesId, Tail> {
        self.absorb_all();
        self.bytes = 0;
        let cut = self.series.iter_mut().filter(|(_, entry)| !entry.tail.is_empty());
        cut.map(|(id, entry)| (*id, std::mem::take(&mut entry.tail))).collect()
    }

    /// Puts tails back that could not be written.
    pub(super) fn restore(&mut self, tails: &BTreeMap<SeriesId, Tail>) {
        for (id, tail) in tails {
            if let Some(entry) = self.series.get_mut(id) {
                let before = entry.tail.bytes();
                entry.tail.merge(tail);
                self.bytes += entry.tail.bytes() - before;
            }
        }
    }

    /// Puts a point back that the journal had.
    pub(super) fn restore_point(&mut self, id: SeriesId, resolution: Resolution, moment: Millis, values: &Summary) {
        if let Some(entry) = self.series.get_mut(&id) {
            let before = entry.tail.bytes();
            entry.last = entry.last.max(moment);
            entry.tail.take(resolution, moment, values);
            self.bytes += entry.tail.bytes() - before;
        }
    }

    /// Throws away what waits for a disk that takes nothing.
    pub(super) fn shed(&mut self) {
        self.series.values_mut().for_each(|entry| entry.tail = Tail::default());
        self.bytes = 0;
    }

    /// Calls `each` with a series' points in memory that a resolution has, in no order.
    pub(super) fn points(&self, id: SeriesId, resolution: Resolution, mut each: impl FnMut(Millis, &Summary)) {
        let Some(entry) = self.series.get(&id) else { return };
        if let Some(tail) = self.frozen.as_ref().and_then(|frozen| frozen.get(&id)) {
            tail.points(resolution, &mut each);
        }
        for ((kept, moment), values) in &entry.recent {
            if *kept <= resolution {
                each(*moment, values);
            }
        }
        entry.tail.points(resolution, each);
    }
}

impl Entry {
    fn fold(&mut self, second: Millis) {
        if let Some(values) = self.counter.as_ref().and_then(|counter| counter.take()) {
            self.last = self.last.max(second);
            self.total.add(&values.statistics);
            self.recent.entry((Resolution::Second, second)).or_default().merge(&values);
        }
    }
}

impl Tail {
    pub(super) fn is_empty(&self) -> bool {
        self.seconds.bytes.is_empty() && self.minutes.is_empty()
    }

    /// How much memory it takes, about.
    fn bytes(&self) -> usize {
        self.seconds.bytes.len()
            + self.minutes.iter().map(|(_, values)| 64 + values.sketch.raw().len() * 16).sum::<usize>()
    }

    /// Adds a point. Whoever has seconds has their minutes too.
    pub(super) fn take(&mut self, resolution: Resolution, moment: Millis, values: &Summary) {
        if resolution == Resolution::Second {
            self.seconds.push(moment, resolution.width_ms(), values);
        }
        let minute = Resolution::Minute.floor(moment);
        // Nearly always the last minute, or a new one after it.
        let at = self.minutes.partition_point(|(other, _)| *other < minute);
        match self.minutes.get_mut(at) {
            Some((other, sum)) if *other == minute => sum.merge(values),
            _ => self.minutes.insert(at, (minute, values.clone())),
        }
    }

    /// Lets the oldest points go where no disk takes them.
    fn trim(&mut self) {
        if self.seconds.bytes.len() > MEMORY_BYTES_MAX {
            let width = Resolution::Second.width_ms();
            let points: Vec<(Millis, Summary)> = Points::new(&self.seconds.bytes, width).collect();
            self.seconds = PointWriter::default();
            points[points.len() / 2..].iter().for_each(|(second, values)| self.seconds.push(*second, width, values));
        }
        let gone = self.minutes.len().saturating_sub(MEMORY_MINUTES_MAX);
        self.minutes.drain(..gone);
    }

    fn merge(&mut self, other: &Self) {
        let width = Resolution::Second.width_ms();
        for (second, values) in Points::new(&other.seconds.bytes, width) {
            self.seconds.push(second, width, &values);
        }
        for (minute, values) in &other.minutes {
            self.take(Resolution::Minute, *minute, values);
        }
    }

    pub(super) fn points(&self, resolution: Resolution, mut each: impl FnMut(Millis, &Summary)) {
        match resolution {
            Resolution::Second => {
                let points = Points::new(&self.seconds.bytes, resolution.width_ms());
                points.for_each(|(moment, values)| each(moment, &values));
            }
            _ => self.minutes.iter().for_each(|(moment, values)| each(*moment, values)),
        }
    }
}
