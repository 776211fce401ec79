//! What happened: logs under CloudWatch Logs' words, metrics under CloudWatch's.

pub mod alarms;
mod dashboards;
pub mod journey;
mod logs;
pub mod math;
mod metrics;
pub mod otlp;
mod pattern;

pub use dashboards::{Dashboard, DashboardError, Dashboards, Finding};
pub use logs::{
    EVENT_BYTES_MAX, EventKey, Found, GroupInfo, GroupKey, LogEvent, Logs, LogsError, LogsParts, Query, StoredEvent,
    StreamInfo, Streams,
};
pub use metrics::{
    Bin, Bounds, MINUTE_MS, MetricKey, Metrics, MetricsError, MetricsParts, NotKept, Resolution, SERIES_MAX, Series,
    Sketch, Stat, Statistics, Summary, Total, UnknownStat, Within,
};
pub use pattern::{FilterPattern, FilterPatternError};
