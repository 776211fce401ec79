//! Metrics under CloudWatch's words: what was counted, by second, minute and hour.
//!
//! A metric is a namespace, a name and dimensions; each of its units is a series of its own. Whoever counts often asks for a
//! [`Series`] once and counts with that; others name the metric at every call. What is kept on disk, how and for how long is
//! written in [`store`].

mod block;
mod driver;
mod error;
mod journal;
mod key;
mod manifest;
mod point;
mod resolution;
mod series;
mod sketch;
mod stat;
mod state;
mod store;
mod summary;

pub use driver::MetricsParts;
pub use error::MetricsError;
pub use key::MetricKey;
pub use resolution::{MINUTE_MS, Resolution};
pub use series::Series;
pub use sketch::{Bin, Sketch};
pub use stat::{Bounds, Stat, UnknownStat, Within};
pub use summary::{Statistics, Summary};

use millrace_base::{Clock, Millis, Scope};
use parking_lot::Mutex;
use state::{SeriesId, State};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use store::Store;

/// How many series are kept. One that is more is refused; those without values for two weeks make room.
pub const SERIES_MAX: usize = 20_000;
/// How far in the future values may lie, as CloudWatch allows.
const FUTURE_MS: Millis = 2 * 3_600_000;
/// The unit of values that come without one.
const NO_UNIT: &str = "None";

/// All metrics. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    clock: Arc<dyn Clock>,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// `None` for metrics that are in memory only.
    store: Option<Store>,
    /// What went wrong and was not told yet.
    troubles: Mutex<Vec<MetricsError>>,
    closing: driver::Closing,
}

/// All values of one series since the start.
#[derive(Debug, Clone, PartialEq)]
pub struct Total {
    /// The metric.
    pub key: MetricKey,
    /// The unit of the values.
    pub unit: Arc<str>,
    /// Of all values.
    pub statistics: Statistics,
    /// The beginning of the last second with values.
    pub last: Millis,
}

/// Why values are not kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotKept {
    /// Older than minutes are kept.
    #[error("values are kept that are at most two weeks old")]
    TooOld,
    /// Further in the future than two hours.
    #[error("values may lie at most two hours in the future")]
    TooNew,
    /// The ceiling of series is reached.
    #[error(
        "there are {SERIES_MAX} metrics already, and each has had values in the last two weeks: use fewer dimension values, \
         or wait until metrics have had none for two weeks"
    )]
    TooMany,
}

impl Metrics {
    /// No metrics yet; they are kept in memory only, the last hours of each: for tests and tools.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let state = State::new(clock.now(), SERIES_MAX);
        Self::of(clock, state, None, Vec::new())
    }

    fn of(clock: Arc<dyn Clock>, state: State, store: Option<Store>, troubles: Vec<MetricsError>) -> Self {
        let (state, troubles) = (Mutex::new(state), Mutex::new(troubles));
        Self { clock, shared: Arc::new(Shared { state, store, troubles, closing: driver::Closing::default() }) }
    }

    /// A handle to count a metric's values with.
    pub fn series(&self, key: &MetricKey, unit: &str) -> Series {
        self.shared.state.lock().handle(key, unit, self.clock.now())
    }

    /// Notes a value now.
    pub fn count(&self, key: &MetricKey, unit: &str, value: f64) {
        // A metric too many is counted among the refused, and said by the driver.
        let _ = self.put(key, unit, self.clock.now(), &Summary::of(value), Resolution::Second);
    }

    /// Notes statistics of some moment. False when they are not kept: see [`Self::put`], which says why.
    pub fn add(&self, key: &MetricKey, unit: Option<&str>, moment: Millis, values: Statistics) -> bool {
        self.put(key, unit.unwrap_or(NO_UNIT), moment, &Summary::from(values), Resolution::Second).is_ok()
    }

    /// Notes values of some moment, kept by second or only by minute.
    pub fn put(
        &self,
        key: &MetricKey,
        unit: &str,
        moment: Millis,
        values: &Summary,
        resolution: Resolution,
    ) -> Result<(), NotKept> {
        let now = self.clock.now();
        if moment + Resolution::Minute.kept_ms() < now {
            return Err(NotKept::TooOld);
        }
        if moment > now + FUTURE_MS {
            return Err(NotKept::TooNew);
        }
        let is_recent = moment + Resolution::Second.kept_ms() >= now;
        let resolution = if is_recent { resolution.min(Resolution::Minute) } else { Resolution::Minute };
        let mut state = self.shared.state.lock();
        let id = state.find_or_make(key, unit, now).ok_or(NotKept::TooMany)?;
        state.add(id, resolution, moment, values);
        Ok(())
    }

    /// The metrics of a scope that have had values in the last two weeks and are let through, in order.
    pub fn list(&self, scope: &Scope, wanted: impl Fn(&MetricKey) -> bool) -> Vec<MetricKey> {
        self.list_since(scope, self.clock.now() - Resolution::Minute.kept_ms(), wanted)
    }

    /// The metrics of a scope that have had values since a moment and are let through, in order.
    pub fn list_since(&self, scope: &Scope, since: Millis, wanted: impl Fn(&MetricKey) -> bool) -> Vec<MetricKey> {
        let mut state = self.shared.state.lock();
        state.fold(self.clock.now());
        let alive = |ids: &[u32]| ids.iter().any(|id| state.series[id].last >= since);
        let metrics = state.by_key.iter().filter(|(key, ids)| key.scope == *scope && alive(ids) && wanted(key));
        metrics.map(|(key, _)| key.clone()).collect()
    }

    /// The units that a metric's values came in.
    pub fn units(&self, key: &MetricKey) -> Vec<Arc<str>> {
        let state = self.shared.state.lock();
        let ids = state.by_key.get(key).into_iter().flatten();
        ids.map(|id| state.series[id].unit.clone()).collect()
    }

    /// A metric's statistics from `start`, inclusive, to `end`, exclusive, in periods that begin at multiples of `period_ms`,
    /// and the unit of its values. Periods without values are left out.
    pub fn statistics(
        &self,
        key: &MetricKey,
        start: Millis,
        end: Millis,
        period_ms: Millis,
    ) -> (Vec<(Millis, Statistics)>, Option<Arc<str>>) {
        let periods = self.summaries(key, None, start..end, period_ms);
        let periods = periods.into_iter().map(|(moment, values)| (moment, values.statistics)).collect();
        (periods, self.units(key).pop())
    }

    /// What is known of a metric's values in periods of `period_ms`, a multiple of 1,000, that begin at its multiples: those that
    /// begin in the range, and the one that its start lies in. Periods without values are left out. Values of every unit unless one
    /// is named. Periods that are no multiples of a minute are known for three hours, those of minutes for fifteen days, those of
    /// hours for 455 days.
    pub fn summaries(
        &self,
        key: &MetricKey,
        unit: Option<&str>,
        range: Range<Millis>,
        period_ms: Millis,
    ) -> Vec<(Millis, Summary)> {
        let period_ms = period_ms.max(Resolution::Second.width_ms());
        let floor = |moment: Millis| moment - moment.rem_euclid(period_ms);
        let range = floor(range.start)..range.end;
        let Some(resolution) = Resolution::serving(period_ms, range.start, self.clock.now()) else { return Vec::new() };
        let mut periods: BTreeMap<Millis, Summary> = BTreeMap::new();
        let mut note = |moment: Millis, values: &Summary| {
            let period = floor(moment);
            if range.contains(&period) {
                periods.entry(period).or_default().merge(values);
            }
        };
        let (ids, blocks) = {
            let mut state = self.shared.state.lock();
            let mut ids: Vec<SeriesId> = state.by_key.get(key).cloned().unwrap_or_default();
            ids.retain(|id| unit.is_none_or(|unit| *state.series[id].unit == *unit));
            for id in &ids {
                state.fold_one(*id);
                state.points(*id, resolution, &mut note);
            }
            (ids, state.blocks.clone())
        };
        let last = range.end.saturating_add(period_ms);
        for block in blocks.iter().map(|block| &**block) {
            if block.row.resolution() != resolution || block.row.last < range.start || block.row.first >= last {
                continue;
            }
            for id in &ids {
                if let Err(error) = block.points(*id, |moment, values| note(moment, &values)) {
                    self.trouble(error);
                }
            }
        }
        periods.into_iter().collect()
    }

    /// Every series' values since the start, in order of the metrics.
    pub fn totals(&self) -> Vec<Total> {
        let mut state = self.shared.state.lock();
        state.fold(self.clock.now());
        let ids = state.by_key.values().flatten().filter_map(|id| state.series.get(id));
        let fed = ids.filter(|entry| entry.total.count > 0.0);
        let total = |entry: &state::Entry| Total {
            key: entry.key.clone(),
            unit: entry.unit.clone(),
            statistics: entry.total,
            last: entry.last,
        };
        fed.map(total).collect()
    }
}

#[cfg(test)]
mod disk_tests;
#[cfg(test)]
mod tests;
