//! What happened: logs under CloudWatch Logs' words, metrics under CloudWatch's.

mod logs;
mod metrics;
mod pattern;

pub use logs::{
    EVENT_BYTES_MAX, EventKey, Found, GroupInfo, GroupKey, LogEvent, Logs, LogsError, LogsParts, Query, StoredEvent,
    StreamInfo, Streams,
};
pub use metrics::{MINUTE_MS, MetricKey, Metrics, Statistics};
pub use pattern::{FilterPattern, FilterPatternError};
