//! Metric math against its table of cases.

mod math;
