//! What aggregations a request asks for.

use crate::date::{DateFormat, Unit, Zone};
use serde_json::Value;

/// One aggregation.
#[derive(Debug, Clone)]
pub struct Agg {
    /// Its name in the request, and in the response.
    pub name: String,
    /// What it does.
    pub kind: Kind,
    /// What is done in each of its buckets.
    pub subs: Vec<Agg>,
    /// Given back as it came.
    pub meta: Option<Value>,
}

/// What an aggregation does.
#[derive(Debug, Clone)]
pub enum Kind {
    /// A bucket for each value.
    Terms {
        path: String,
        size: usize,
        order: Vec<Order>,
        missing: Option<Value>,
        min_doc_count: u64,
        format: Option<DateFormat>,
    },
    /// A bucket for each stretch of time.
    DateHistogram(Box<DateHistogram>),
    /// A bucket for each stretch of numbers.
    Histogram { path: String, interval: f64, offset: f64, min_doc_count: u64, keyed: bool, missing: Option<Value> },
    /// Buckets with bounds.
    Range { path: String, ranges: Vec<Range>, keyed: bool },
    /// Buckets with queries; with names or without.
    Filters { filters: Vec<(Option<String>, Value)> },
    /// One bucket with a query.
    Filter(Value),
    /// One bucket of the documents that have no value.
    Missing { path: String },
    /// One number, or a few.
    Metric { path: String, metric: Metric, missing: Option<Value> },
    /// How many different values.
    Cardinality { path: String, missing: Option<Value> },
    /// Values at percentages.
    Percentiles { path: String, percents: Vec<f64>, keyed: bool, missing: Option<Value> },
}

/// A histogram of dates.
#[derive(Debug, Clone)]
pub struct DateHistogram {
    pub path: String,
    pub interval: Interval,
    pub offset_ms: i64,
    pub zone: Zone,
    pub format: Option<DateFormat>,
    pub min_doc_count: u64,
    pub keyed: bool,
    pub bounds: Option<(i64, i64)>,
    pub order: Vec<Order>,
    pub missing: Option<Value>,
}

/// The width of a bucket of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interval {
    /// So many milliseconds.
    Fixed(i64),
    /// A unit of the calendar.
    Calendar(Unit),
}

/// A bucket with bounds: from included, to excluded.
#[derive(Debug, Clone, PartialEq)]
pub struct Range {
    pub key: Option<String>,
    pub from: Option<f64>,
    pub to: Option<f64>,
}

/// A numeric metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    Avg,
    Sum,
    Min,
    Max,
    ValueCount,
    Stats,
}

/// How buckets are sorted.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    pub by: OrderBy,
    pub descending: bool,
}

/// What buckets are sorted by.
#[derive(Debug, Clone, PartialEq)]
pub enum OrderBy {
    Count,
    Key,
    /// A metric below the bucket, and which of its values.
    Sub {
        name: String,
        property: Option<String>,
    },
}
