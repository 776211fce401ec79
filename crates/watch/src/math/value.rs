//! What expressions are about: numbers, time series and arrays of them.

use super::error::Wrong;
use super::tree::Operator;
use crate::metrics::{MetricKey, Stat};
use millrace_base::Millis;

/// One value for some periods.
#[derive(Debug, Clone, PartialEq)]
pub struct TimeSeries {
    /// The width of a period.
    pub period_ms: Millis,
    /// The beginnings of periods, in order, and their values. Periods without a value are missing.
    pub points: Vec<(Millis, f64)>,
    /// The metric that it is of, unless it was computed.
    pub metric: Option<(MetricKey, Stat)>,
    /// What it is called when nobody says otherwise.
    pub label: String,
}

/// What an expression is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Scalar(f64),
    Series(TimeSeries),
    Array(Vec<TimeSeries>),
}

/// What an expression will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Scalar,
    Series,
    Array,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Scalar => "a number",
            Self::Series => "a time series",
            Self::Array => "an array of time series",
        }
    }

    /// Of an operator's or a function's result over two operands: arrays win over series, series over numbers.
    pub(super) fn join(self, other: Self) -> Self {
        match (self, other) {
            (Self::Array, _) | (_, Self::Array) => Self::Array,
            (Self::Series, _) | (_, Self::Series) => Self::Series,
            _ => Self::Scalar,
        }
    }
}

impl TimeSeries {
    /// The same periods with other values; those that become none are dropped.
    pub(super) fn map(&self, change: impl Fn(f64) -> Option<f64>) -> Self {
        let points = self.points.iter().filter_map(|(moment, value)| Some((*moment, finite(change(*value)?)?)));
        self.with(points.collect())
    }

    /// Other points.
    pub(super) fn with(&self, points: Vec<(Millis, f64)>) -> Self {
        Self { period_ms: self.period_ms, points, metric: self.metric.clone(), label: self.label.clone() }
    }

    /// The value of a period.
    pub(super) fn at(&self, moment: Millis) -> Option<f64> {
        let place = self.points.binary_search_by_key(&moment, |(moment, _)| *moment).ok()?;
        Some(self.points[place].1)
    }

    /// Its values.
    pub(super) fn values(&self) -> impl Iterator<Item = f64> + '_ {
        self.points.iter().map(|(_, value)| *value)
    }
}

impl Value {
    /// Its series, however many.
    pub(super) fn into_series(self) -> Result<Vec<TimeSeries>, Wrong> {
        match self {
            Self::Series(series) => Ok(vec![series]),
            Self::Array(all) => Ok(all),
            Self::Scalar(_) => Err(Wrong::new("a time series is needed, and this is a number")),
        }
    }

    /// Every series changed.
    pub(super) fn map(self, change: impl Fn(&TimeSeries) -> TimeSeries) -> Result<Self, Wrong> {
        match self {
            Self::Series(series) => Ok(Self::Series(change(&series))),
            Self::Array(all) => Ok(Self::Array(all.iter().map(change).collect())),
            Self::Scalar(_) => Err(Wrong::new("a time series is needed, and this is a number")),
        }
    }
}

/// `None` of what is no number: CloudWatch drops such points.
pub(super) fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

/// Checks that series have the same periods.
pub(super) fn same_period<'a>(all: impl IntoIterator<Item = &'a TimeSeries>) -> Result<(), Wrong> {
    let mut all = all.into_iter();
    let Some(first) = all.next() else { return Ok(()) };
    match all.find(|other| other.period_ms != first.period_ms) {
        None => Ok(()),
        Some(other) => Err(Wrong::new(format!(
            "'{}' has periods of {} s and '{}' of {} s: give them the same period",
            first.label,
            first.period_ms / 1000,
            other.label,
            other.period_ms / 1000
        ))),
    }
}

/// The periods in which any of some series has a value, in order.
pub(super) fn moments<'a>(all: impl IntoIterator<Item = &'a TimeSeries>) -> Vec<Millis> {
    let mut moments: Vec<Millis> =
        all.into_iter().flat_map(|series| series.points.iter().map(|(moment, _)| *moment)).collect();
    moments.sort_unstable();
    moments.dedup();
    moments
}

/// An operator over anything: numbers go with every value, series with every series of an array, arrays of the same length side by
/// side. A value that is missing beside another counts as 0, as CloudWatch's documentation says.
pub(super) fn operate(operator: Operator, left: Value, right: Value) -> Result<Value, Wrong> {
    let one = |left: &TimeSeries, right: &TimeSeries| -> Result<TimeSeries, Wrong> {
        same_period([left, right])?;
        let value = |moment| finite(operator.of(left.at(moment).unwrap_or(0.0), right.at(moment).unwrap_or(0.0))?);
        let points = moments([left, right]).into_iter().filter_map(|moment| Some((moment, value(moment)?)));
        Ok(left.with(points.collect()))
    };
    Ok(match (left, right) {
        (Value::Scalar(left), Value::Scalar(right)) => Value::Scalar(
            operator.of(left, right).and_then(finite).ok_or_else(|| Wrong::new("a number is divided by zero"))?,
        ),
        (left, Value::Scalar(right)) => left.map(|series| series.map(|left| operator.of(left, right)))?,
        (Value::Scalar(left), right) => right.map(|series| series.map(|right| operator.of(left, right)))?,
        (Value::Series(left), Value::Series(right)) => Value::Series(one(&left, &right)?),
        (Value::Series(left), Value::Array(right)) => {
            let named =
                |right: &TimeSeries| one(&left, right).map(|made| TimeSeries { label: right.label.clone(), ..made });
            Value::Array(right.iter().map(named).collect::<Result<_, _>>()?)
        }
        (Value::Array(left), Value::Series(right)) => {
            Value::Array(left.iter().map(|left| one(left, &right)).collect::<Result<_, _>>()?)
        }
        (Value::Array(left), Value::Array(right)) => {
            if left.len() != right.len() {
                return Err(Wrong::new(format!(
                    "arrays of {} and of {} time series do not go together",
                    left.len(),
                    right.len()
                )));
            }
            Value::Array(left.iter().zip(&right).map(|(left, right)| one(left, right)).collect::<Result<_, _>>()?)
        }
    })
}

impl Operator {
    /// `None` for a division by zero.
    fn of(self, left: f64, right: f64) -> Option<f64> {
        let truth = |is: bool| Some(f64::from(u8::from(is)));
        match self {
            Self::Or => truth(left != 0.0 || right != 0.0),
            Self::And => truth(left != 0.0 && right != 0.0),
            Self::Equal => truth(left == right),
            Self::NotEqual => truth(left != right),
            Self::LessOrEqual => truth(left <= right),
            Self::GreaterOrEqual => truth(left >= right),
            Self::Less => truth(left < right),
            Self::Greater => truth(left > right),
            Self::Add => Some(left + right),
            Self::Subtract => Some(left - right),
            Self::Multiply => Some(left * right),
            Self::Divide => (right != 0.0).then(|| left / right),
            Self::Power => Some(left.powf(right)),
        }
    }
}
