//! Metrics under CloudWatch's words: statistics by minute, kept in memory for three hours.
//!
//! A metric is a namespace, a name and dimensions. What is counted goes into the bucket of its minute; nothing is kept of the
//! single values, so there are no percentiles.

use millrace_base::{Clock, Millis, Scope};
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// The width of a bucket.
pub const MINUTE_MS: Millis = 60_000;
/// How far back buckets are kept.
const KEPT_MS: Millis = 3 * 3_600_000;
/// How many metrics are kept; those that came last are left out, and counted.
const METRICS_MAX: usize = 10_000;

/// Which metric. Dimensions are in order of their names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MetricKey {
    /// Account and region.
    pub scope: Scope,
    /// For example `AWS/Lambda`.
    pub namespace: Arc<str>,
    /// For example `Invocations`.
    pub name: Arc<str>,
    /// For example `FunctionName` = `score`.
    pub dimensions: Vec<(Arc<str>, Arc<str>)>,
}

/// What is known of the values of some time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Statistics {
    /// How many.
    pub count: f64,
    /// All together.
    pub sum: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Statistics {
    /// Of a single value.
    pub fn of(value: f64) -> Self {
        Self { count: 1.0, sum: value, min: value, max: value }
    }

    fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }
}

/// A metric's buckets.
#[derive(Debug, Default)]
struct Series {
    unit: Option<Arc<str>>,
    /// The beginning of a minute and its statistics, in order.
    buckets: VecDeque<(Millis, Statistics)>,
}

/// All metrics. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    clock: Arc<dyn Clock>,
    series: Arc<Mutex<BTreeMap<MetricKey, Series>>>,
}

impl Metrics {
    /// No metrics yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, series: Arc::default() }
    }

    /// Notes a value now.
    pub fn count(&self, key: &MetricKey, unit: &str, value: f64) {
        self.add(key, Some(unit), self.clock.now(), Statistics::of(value));
    }

    /// Notes values of some moment. What is older than is kept, or of a metric too many, is left out: false.
    pub fn add(&self, key: &MetricKey, unit: Option<&str>, moment: Millis, values: Statistics) -> bool {
        let now = self.clock.now();
        let minute = moment - moment.rem_euclid(MINUTE_MS);
        if minute + KEPT_MS < now {
            return false;
        }
        let mut all = self.series.lock();
        if !all.contains_key(key) {
            if all.len() >= METRICS_MAX {
                all.retain(|_, series| series.buckets.back().is_some_and(|(last, _)| last + KEPT_MS >= now));
            }
            if all.len() >= METRICS_MAX {
                return false;
            }
            all.insert(key.clone(), Series::default());
        }
        let Some(series) = all.get_mut(key) else { return false };
        if let Some(unit) = unit {
            series.unit = Some(unit.into());
        }
        series.add(minute, &values);
        while series.buckets.front().is_some_and(|(first, _)| first + KEPT_MS < now) {
            series.buckets.pop_front();
        }
        true
    }

    /// The metrics of a scope that have had values in the last three hours and are let through.
    pub fn list(&self, scope: &Scope, wanted: impl Fn(&MetricKey) -> bool) -> Vec<MetricKey> {
        let now = self.clock.now();
        let all = self.series.lock();
        let alive = |series: &Series| series.buckets.back().is_some_and(|(last, _)| last + KEPT_MS >= now);
        all.iter()
            .filter(|(key, series)| key.scope == *scope && alive(series) && wanted(key))
            .map(|(key, _)| key.clone())
            .collect()
    }

    /// A metric's statistics from `start`, inclusive, to `end`, exclusive, in periods that begin at multiples of `period_ms`
    /// (a multiple of a minute), and its unit. Periods without values are left out.
    pub fn statistics(
        &self,
        key: &MetricKey,
        start: Millis,
        end: Millis,
        period_ms: Millis,
    ) -> (Vec<(Millis, Statistics)>, Option<Arc<str>>) {
        let period_ms = period_ms.max(MINUTE_MS);
        let all = self.series.lock();
        let Some(series) = all.get(key) else { return (Vec::new(), None) };
        let mut periods: Vec<(Millis, Statistics)> = Vec::new();
        for (minute, values) in series.buckets.iter().filter(|(minute, _)| (start..end).contains(minute)) {
            let begin = minute - minute.rem_euclid(period_ms);
            match periods.last_mut() {
                Some((last, sum)) if *last == begin => sum.add(values),
                _ => periods.push((begin, *values)),
            }
        }
        (periods, series.unit.clone())
    }
}

impl Series {
    fn add(&mut self, minute: Millis, values: &Statistics) {
        // Nearly always the last minute, or a new one after it.
        let at = self.buckets.partition_point(|(other, _)| *other < minute);
        match self.buckets.get_mut(at) {
            Some((other, sum)) if *other == minute => sum.add(values),
            _ => self.buckets.insert(at, (minute, *values)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_testkit::SimClock;

    fn key(name: &str) -> MetricKey {
        MetricKey {
            scope: Scope::default(),
            namespace: "AWS/Lambda".into(),
            name: name.into(),
            dimensions: vec![("FunctionName".into(), "f".into())],
        }
    }

    #[test]
    fn values_are_gathered_by_minute_and_forgotten() {
        let clock = Arc::new(SimClock::at(600_000));
        let metrics = Metrics::new(clock.clone());
        for value in [1.0, 5.0, 3.0] {
            metrics.count(&key("Duration"), "Milliseconds", value);
        }
        clock.advance(MINUTE_MS);
        metrics.count(&key("Duration"), "Milliseconds", 7.0);
        let (periods, unit) = metrics.statistics(&key("Duration"), 0, 10_000_000, MINUTE_MS);
        let first = Statistics { count: 3.0, sum: 9.0, min: 1.0, max: 5.0 };
        assert_eq!(periods, [(600_000, first), (660_000, Statistics::of(7.0))]);
        assert_eq!(unit.as_deref(), Some("Milliseconds"));
        let (periods, _) = metrics.statistics(&key("Duration"), 0, 10_000_000, 5 * MINUTE_MS);
        assert_eq!(periods, [(600_000, Statistics { count: 4.0, sum: 16.0, min: 1.0, max: 7.0 })]);
        assert_eq!(metrics.list(&Scope::default(), |_| true), [key("Duration")]);
        clock.advance(4 * 3_600_000);
        assert!(metrics.list(&Scope::default(), |_| true).is_empty());
        assert!(!metrics.add(&key("Duration"), None, 600_000, Statistics::of(1.0)));
        metrics.count(&key("Duration"), "Milliseconds", 2.0);
        assert_eq!(metrics.statistics(&key("Duration"), 0, i64::MAX, MINUTE_MS).0.len(), 1);
    }
}
