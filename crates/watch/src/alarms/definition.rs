//! What alarms are: as they are kept in the catalog.

use super::{AlarmState, MissingData};
use crate::math::{MathError, MetricQuery, MetricStat, Plan, What};
use crate::metrics::{MetricKey, Stat, UnknownStat};
use millrace_base::{Millis, Scope};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

const UNCHECKED: &str = "Unchecked: Initial alarm creation";

/// Everything about one alarm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alarm {
    /// Account and region.
    pub scope: Scope,
    /// Its name, unique among metric and composite alarms.
    pub name: Arc<str>,
    /// What it is for.
    pub description: Option<String>,
    /// Whether a change of state does anything.
    pub actions_enabled: bool,
    /// What is done when it goes into the state: ARNs, or addresses of webhooks.
    pub actions: Actions,
    /// What it watches.
    pub watches: Watches,
    /// When it was last defined.
    pub configured: Millis,
    /// Its state.
    pub status: Status,
    /// Tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// Actions by the state that they belong to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actions {
    /// Of `OK`.
    pub ok: Vec<String>,
    /// Of `ALARM`.
    pub alarm: Vec<String>,
    /// Of `INSUFFICIENT_DATA`.
    pub insufficient_data: Vec<String>,
}

/// What an alarm's state follows from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Watches {
    /// A metric, or math over some.
    Metric(MetricAlarm),
    /// Other alarms.
    Composite(CompositeAlarm),
}

/// An alarm on a metric or on math.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricAlarm {
    /// What is compared.
    pub watched: Watched,
    /// How.
    pub comparison: Comparison,
    /// With what.
    pub threshold: f64,
    /// N: how many periods count.
    pub evaluation_periods: u32,
    /// M: how many of them must breach; N unless set.
    pub datapoints_to_alarm: Option<u32>,
    /// What a missing datapoint stands for, if that was said.
    pub missing: Option<MissingData>,
    /// Whether a percentile of few samples leaves the state as it is (`ignore`), if that was said.
    pub ignores_low_samples: Option<bool>,
}

/// What a metric alarm compares.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Watched {
    /// A single metric.
    Metric(AlarmMetric),
    /// Queries, of which one returns data.
    Queries(Vec<AlarmQuery>),
}

/// A metric's statistic by period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlarmMetric {
    /// For example `AWS/Kinesis`.
    pub namespace: String,
    /// For example `IncomingRecords`.
    pub name: String,
    /// In the order in which they were given.
    pub dimensions: Vec<(String, String)>,
    /// For example `Sum` or `p99`.
    pub statistic: String,
    /// In seconds.
    pub period: u32,
    /// Only values that came in this unit.
    pub unit: Option<String>,
}

/// One of an alarm's queries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlarmQuery {
    /// What other queries call it by.
    pub id: String,
    /// Math, unless it is a metric.
    pub expression: Option<String>,
    /// A metric, unless it is math.
    pub metric: Option<AlarmMetric>,
    /// What its series is called.
    pub label: Option<String>,
    /// Whether it is what is compared.
    pub returns_data: bool,
    /// An expression's period in seconds.
    pub period: Option<u32>,
}

/// How a value is compared with the threshold: what breaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Comparison {
    /// At least the threshold.
    GreaterThanOrEqualToThreshold,
    /// More.
    GreaterThanThreshold,
    /// Less.
    LessThanThreshold,
    /// At most.
    LessThanOrEqualToThreshold,
}

/// An alarm on other alarms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompositeAlarm {
    /// The rule as it was given.
    pub rule: String,
    /// The alarm that keeps actions back while it is in ALARM.
    pub suppressor: Option<Suppressor>,
}

/// What keeps a composite alarm's actions back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suppressor {
    /// An alarm's name or ARN.
    pub alarm: String,
    /// How long the suppressor is waited for, in seconds.
    pub wait: u32,
    /// How long actions are kept back after it, in seconds.
    pub extension: u32,
}

/// An alarm's state, and since when and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The state.
    pub state: AlarmState,
    /// In words.
    pub reason: String,
    /// In JSON.
    pub reason_data: Option<String>,
    /// When it was last set.
    pub updated: Millis,
    /// When it last became another.
    pub transitioned: Millis,
    /// Why its actions are kept back, if they are.
    #[serde(default)]
    pub suppressed: Option<Suppressed>,
    /// The state before, while a mute rule keeps the actions of this one back.
    #[serde(default)]
    pub muted_after: Option<Box<Status>>,
}

/// Actions that are kept back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suppressed {
    /// By what: `Alarm`, `WaitPeriod` or `ExtensionPeriod`.
    pub by: SuppressedBy,
    /// Since when.
    pub since: Millis,
}

/// What keeps actions back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SuppressedBy {
    /// The suppressor is in ALARM.
    Alarm,
    /// It may still go there.
    WaitPeriod,
    /// It was there a moment ago.
    ExtensionPeriod,
}

impl SuppressedBy {
    /// As AWS writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Alarm => "Alarm",
            Self::WaitPeriod => "WaitPeriod",
            Self::ExtensionPeriod => "ExtensionPeriod",
        }
    }

    /// The same in a sentence.
    pub fn reason(self) -> String {
        format!("Actions suppressed by {}", self.word())
    }
}

/// Why an alarm's metric cannot be watched.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum WatchedError {
    /// The statistic has no meaning.
    #[error(transparent)]
    Stat(#[from] UnknownStat),
    /// The queries are wrong.
    #[error(transparent)]
    Math(#[from] MathError),
    /// Not one query returns one series.
    #[error("{0}")]
    Returned(String),
}

impl Alarm {
    /// Its ARN.
    pub fn arn(&self) -> String {
        self.scope.arn("cloudwatch", &format!("alarm:{}", self.name)).to_string()
    }

    /// The actions of a state.
    pub fn actions_of(&self, state: AlarmState) -> &[String] {
        match state {
            AlarmState::Ok => &self.actions.ok,
            AlarmState::Alarm => &self.actions.alarm,
            AlarmState::InsufficientData => &self.actions.insufficient_data,
        }
    }
}

impl Status {
    /// Of an alarm that was just made.
    pub fn unchecked(now: Millis) -> Self {
        Self {
            state: AlarmState::InsufficientData,
            reason: UNCHECKED.to_owned(),
            reason_data: None,
            updated: now,
            transitioned: now,
            suppressed: None,
            muted_after: None,
        }
    }

    /// Whether nobody has looked at the alarm since it was made.
    pub fn is_unchecked(&self) -> bool {
        self.reason == UNCHECKED
    }
}

impl MetricAlarm {
    /// M.
    pub fn datapoints_to_alarm(&self) -> u32 {
        self.datapoints_to_alarm.unwrap_or(self.evaluation_periods)
    }

    /// What is to be evaluated.
    pub fn plan(&self, scope: &Scope) -> Result<Plan, WatchedError> {
        let queries = match &self.watched {
            Watched::Metric(metric) => vec![MetricQuery {
                id: "m1".to_owned(),
                what: What::Metric(metric.stat(scope)?),
                label: None,
                is_returned: true,
                period_ms: None,
            }],
            Watched::Queries(queries) => queries.iter().map(|query| query.query(scope)).collect::<Result<_, _>>()?,
        };
        let plan = Plan::new(queries)?;
        let returned: Vec<(&str, bool)> = plan.returned().collect();
        match returned[..] {
            [(_, false)] => Ok(plan),
            [(id, true)] => Err(WatchedError::Returned(format!(
                "The query '{id}' can be several series: an alarm compares one, as SUM or MAX make it."
            ))),
            _ => Err(WatchedError::Returned(format!(
                "Exactly one element of the metrics list should return data, and {} do.",
                returned.len()
            ))),
        }
    }
}

impl AlarmMetric {
    /// The metric in a scope.
    pub fn key(&self, scope: &Scope) -> MetricKey {
        let dimensions = self.dimensions.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        MetricKey::new(scope, &self.namespace, &self.name, dimensions)
    }

    fn stat(&self, scope: &Scope) -> Result<MetricStat, UnknownStat> {
        Ok(MetricStat {
            key: self.key(scope),
            period_ms: Millis::from(self.period) * 1000,
            stat: self.statistic.parse::<Stat>()?,
            unit: self.unit.as_deref().map(Arc::from),
        })
    }
}

impl AlarmQuery {
    fn query(&self, scope: &Scope) -> Result<MetricQuery, WatchedError> {
        let what = match (&self.expression, &self.metric) {
            (Some(expression), None) => What::Expression(expression.clone()),
            (None, Some(metric)) => What::Metric(metric.stat(scope)?),
            _ => {
                let reason = format!("The query '{}' needs either an Expression or a MetricStat.", self.id);
                return Err(WatchedError::Returned(reason));
            }
        };
        Ok(MetricQuery {
            id: self.id.clone(),
            what,
            label: self.label.clone(),
            is_returned: self.returns_data,
            period_ms: self.period.map(|seconds| Millis::from(seconds) * 1000),
        })
    }
}

impl Comparison {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::GreaterThanOrEqualToThreshold,
        Self::GreaterThanThreshold,
        Self::LessThanThreshold,
        Self::LessThanOrEqualToThreshold,
    ];

    /// As AWS writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::GreaterThanOrEqualToThreshold => "GreaterThanOrEqualToThreshold",
            Self::GreaterThanThreshold => "GreaterThanThreshold",
            Self::LessThanThreshold => "LessThanThreshold",
            Self::LessThanOrEqualToThreshold => "LessThanOrEqualToThreshold",
        }
    }

    /// As reasons say it.
    pub fn phrase(self) -> &'static str {
        match self {
            Self::GreaterThanOrEqualToThreshold => "greater than or equal to",
            Self::GreaterThanThreshold => "greater than",
            Self::LessThanThreshold => "less than",
            Self::LessThanOrEqualToThreshold => "less than or equal to",
        }
    }

    /// True when a value breaches.
    pub fn breaches(self, value: f64, threshold: f64) -> bool {
        match self {
            Self::GreaterThanOrEqualToThreshold => value >= threshold,
            Self::GreaterThanThreshold => value > threshold,
            Self::LessThanThreshold => value < threshold,
            Self::LessThanOrEqualToThreshold => value <= threshold,
        }
    }

    /// True when larger values breach.
    pub fn is_upward(self) -> bool {
        matches!(self, Self::GreaterThanOrEqualToThreshold | Self::GreaterThanThreshold)
    }
}
