//! Metric math against its table of cases.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests use the real disk and stop at the first surprise"
)]

mod math;
