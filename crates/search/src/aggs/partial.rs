//! What a segment found, in a form that merges.

use super::digest::Digest;
use super::distinct::Distinct;
use std::collections::HashMap;

/// A bucket's key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    /// A string.
    Text(String),
    /// A whole number, a date, a boolean.
    Integer(i64),
    /// A double, by its order-preserving bits.
    Real(u64),
}

/// What one aggregation found.
#[derive(Debug, Clone)]
pub enum Partial {
    /// Buckets by key.
    Keyed(HashMap<Key, Bucket>),
    /// Buckets by place: ranges and filters.
    Placed(Vec<Bucket>),
    /// A metric.
    Stats(Stats),
    /// Different values.
    Distinct(Distinct),
    /// A distribution.
    Digest(Digest),
}

/// A bucket, with what its sub-aggregations found.
#[derive(Debug, Clone)]
pub struct Bucket {
    pub count: u64,
    pub subs: Vec<Partial>,
}

/// Count, sum, least and greatest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stats {
    pub count: u64,
    pub sum: f64,
    pub min: f64,
    pub max: f64,
    /// What the sum lost by rounding (Kahan), so that the order of segments hardly matters.
    lost: f64,
}

impl Default for Stats {
    fn default() -> Self {
        Self { count: 0, sum: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY, lost: 0.0 }
    }
}

impl Stats {
    /// Adds a value.
    pub fn add(&mut self, value: f64) {
        self.count += 1;
        self.add_to_sum(value);
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    fn add_to_sum(&mut self, value: f64) {
        let value = value - self.lost;
        let sum = self.sum + value;
        self.lost = (sum - self.sum) - value;
        self.sum = sum;
    }
}

impl Partial {
    /// Adds what another segment found.
    pub fn merge(&mut self, other: Self) {
        match (self, other) {
            (Self::Keyed(buckets), Self::Keyed(others)) => {
                for (key, other) in others {
                    match buckets.get_mut(&key) {
                        Some(bucket) => bucket.merge(other),
                        None => drop(buckets.insert(key, other)),
                    }
                }
            }
            (Self::Placed(buckets), Self::Placed(others)) => {
                buckets.iter_mut().zip(others).for_each(|(bucket, other)| bucket.merge(other));
            }
            (Self::Stats(stats), Self::Stats(other)) => {
                stats.count += other.count;
                stats.add_to_sum(other.sum);
                stats.min = stats.min.min(other.min);
                stats.max = stats.max.max(other.max);
            }
            (Self::Distinct(distinct), Self::Distinct(other)) => distinct.merge(other),
            (Self::Digest(digest), Self::Digest(other)) => digest.merge(other),
            _ => unreachable!("partials of one aggregation are of one kind"),
        }
    }
}

impl Bucket {
    /// Adds what another segment found for this bucket.
    pub fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.subs.iter_mut().zip(other.subs).for_each(|(sub, other)| sub.merge(other));
    }
}
