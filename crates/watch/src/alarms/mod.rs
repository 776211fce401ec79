//! Alarms under CloudWatch's words: what they watch, how their states follow from it, and what a change of state does.
//!
//! A driver calls [`Alarms::step`] every second and carries out what [`Alarms::pending`] lists.

mod acting;
mod check;
mod definition;
mod evaluate;
mod history;
mod message;
mod mute;
mod rule;
mod store;
mod words;

pub use acting::PendingAction;
pub use definition::{
    Actions, Alarm, AlarmMetric, AlarmQuery, Comparison, CompositeAlarm, MetricAlarm, Status, Suppressed, SuppressedBy,
    Suppressor, Watched, WatchedError, Watches,
};
pub use evaluate::{AlarmState, Datapoint, Evaluated, MissingData, evaluate, evaluation_range};
pub use history::{HistoryItem, HistoryKind};
pub use mute::{MuteRule, MuteSchedule, MuteStatus};
pub use rule::{AlarmRule, AlarmRuleError};
pub use store::{ALARMS_MAX, AlarmError, Alarms, AlarmsParts};

#[cfg(test)]
mod tests;
