//! What is known of the values of some time.

use super::sketch::Sketch;

/// How many, how much, from where to where.
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
    /// Of no value: what others are added to.
    pub const NONE: Self = Self { count: 0.0, sum: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY };

    /// Of a single value.
    pub fn of(value: f64) -> Self {
        Self::of_many(value, 1.0)
    }

    /// Of a value that came `count` times.
    pub fn of_many(value: f64, count: f64) -> Self {
        Self { count, sum: value * count, min: value, max: value }
    }

    /// Adds others' values.
    #[inline]
    pub fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }
}

/// Statistics, and how the values are distributed as far as that is known: whoever gives only statistics of several values says
/// nothing of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Of all values.
    pub statistics: Statistics,
    /// Of those values that are known one by one.
    pub sketch: Sketch,
}

impl Default for Summary {
    fn default() -> Self {
        Self { statistics: Statistics::NONE, sketch: Sketch::default() }
    }
}

impl Summary {
    /// Of a single value.
    pub fn of(value: f64) -> Self {
        Self::from(Statistics::of(value))
    }

    /// Adds a value `count` times.
    #[inline]
    pub fn add(&mut self, value: f64, count: f64) {
        self.statistics.add(&Statistics::of_many(value, count));
        self.sketch.add(value, count);
    }

    /// Adds statistics. Their distribution is known when all their values are the same.
    #[inline]
    pub fn add_statistics(&mut self, other: &Statistics) {
        self.statistics.add(other);
        if other.min == other.max {
            self.sketch.add(other.min, other.count);
        }
    }

    /// Adds another's values.
    pub fn merge(&mut self, other: &Self) {
        self.statistics.add(&other.statistics);
        self.sketch.merge(&other.sketch);
    }

    /// True when nothing was added.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.statistics.count == 0.0
    }

    /// The distribution, when all values are known one by one.
    pub fn distribution(&self) -> Option<&Sketch> {
        let count = self.statistics.count;
        (count > 0.0 && (self.sketch.count() - count).abs() <= count * 1e-6).then_some(&self.sketch)
    }
}

impl From<Statistics> for Summary {
    fn from(statistics: Statistics) -> Self {
        let mut summary = Self::default();
        summary.add_statistics(&statistics);
        summary
    }
}
