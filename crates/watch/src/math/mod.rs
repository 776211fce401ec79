//! Metric math as CloudWatch documents it: metrics and expressions over them, evaluated in a range of time.
//!
//! [`Plan::new`] checks queries once; [`Plan::evaluate`] reads what they need from [`crate::Metrics`] and computes. Both
//! GetMetricData and alarms are made of it.

mod error;
mod functions;
mod kind;
mod label;
mod lex;
mod plan;
mod search;
mod tree;
mod value;

pub use error::MathError;
pub use label::Labels;
pub use plan::{Answer, MetricQuery, MetricStat, PERIODS_MAX, Plan, QUERIES_MAX, What};
pub use value::TimeSeries;

use millrace_base::Millis;

/// Whether a period is one that CloudWatch takes: 1, 5, 10, 20, 30 or a multiple of 60 seconds, at most a day.
pub fn is_period(period_ms: Millis) -> bool {
    kind::is_period(period_ms as f64).is_ok()
}
