//! Alarms under CloudWatch's words: what they watch, how their states follow from it, and what a change of state does.

mod evaluate;
mod rule;

pub use evaluate::{AlarmState, Datapoint, Evaluated, MissingData, evaluate, evaluation_range};
pub use rule::{AlarmRule, AlarmRuleError};
