//! Queries together: checked once, evaluated as often as wanted.

use super::error::{MathError, Wrong};
use super::kind::{is_period, kind};
use super::label::Labels;
use super::tree::{Expr, parse};
use super::value::{Kind, TimeSeries, Value, operate};
use crate::metrics::{MINUTE_MS, MetricKey, Metrics, Stat};
use millrace_base::{Millis, Scope};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

/// CloudWatch's ceiling of queries in one request.
pub const QUERIES_MAX: usize = 500;
/// How many periods a range may have: CloudWatch's ceiling of what one answer holds.
pub const PERIODS_MAX: i64 = 100_800;

/// One of the queries of a request or of an alarm.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricQuery {
    /// What other queries call it by: a small letter, then letters, digits and underscores.
    pub id: String,
    /// What is asked.
    pub what: What,
    /// What the answer is called; may have variables.
    pub label: Option<String>,
    /// Whether its series are part of the answer.
    pub is_returned: bool,
    /// An expression's period, where nothing else gives it one.
    pub period_ms: Option<Millis>,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// A metric's statistic.
    Metric(MetricStat),
    /// Math over other queries.
    Expression(String),
}

/// A metric's statistic by period.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricStat {
    /// The metric.
    pub key: MetricKey,
    /// 1, 5, 10, 20, 30 or a multiple of 60 seconds.
    pub period_ms: Millis,
    /// What of the period's values.
    pub stat: Stat,
    /// Only values that came in this unit.
    pub unit: Option<Arc<str>>,
}

/// A series of the answer. An expression that is an array gives several under one id.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The query's.
    pub id: String,
    /// What it is called.
    pub label: String,
    /// Its values, the oldest first.
    pub series: TimeSeries,
}

/// Queries that were found right.
#[derive(Debug, Clone)]
pub struct Plan {
    queries: Vec<(MetricQuery, Option<Expr>)>,
    kinds: BTreeMap<String, Kind>,
}

impl Plan {
    /// Checks queries: ids, periods, functions, what they take and give, and that none needs itself.
    pub fn new(queries: Vec<MetricQuery>) -> Result<Self, MathError> {
        if queries.len() > QUERIES_MAX {
            return Err(MathError::Query(format!(
                "There are {} queries; at most {QUERIES_MAX} are taken.",
                queries.len()
            )));
        }
        let mut ids = BTreeSet::new();
        for query in &queries {
            check_query(query)?;
            if !ids.insert(query.id.as_str()) {
                return Err(MathError::Query(format!("The id '{}' is given to two queries.", query.id)));
            }
        }
        let read = |query: MetricQuery| {
            let expr = match &query.what {
                What::Metric(_) => None,
                What::Expression(text) if text.trim_start().to_ascii_uppercase().starts_with("SELECT ") => {
                    return Err(MathError::of(
                        &query.id,
                        Wrong::new("Millrace does not support Metrics Insights (SELECT) yet"),
                    ));
                }
                What::Expression(text) => Some(parse(text).map_err(|wrong| MathError::of(&query.id, wrong))?),
            };
            Ok((query, expr))
        };
        let queries = queries.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let mut plan = Self { queries, kinds: BTreeMap::new() };
        for place in 0..plan.queries.len() {
            plan.infer(place, &mut Vec::new())?;
        }
        plan.check_returned()?;
        Ok(plan)
    }

    /// Finds out what a query will be, after those that it needs.
    fn infer(&mut self, place: usize, path: &mut Vec<usize>) -> Result<(), MathError> {
        let id = self.queries[place].0.id.clone();
        if self.kinds.contains_key(&id) {
            return Ok(());
        }
        if path.contains(&place) {
            return Err(MathError::of(&id, Wrong::new("it needs itself")));
        }
        let Some(expr) = self.queries[place].1.clone() else {
            self.kinds.insert(id, Kind::Series);
            return Ok(());
        };
        path.push(place);
        let mut needed = Vec::new();
        expr.ids(&mut needed);
        for name in needed {
            let found = self.queries.iter().position(|(query, _)| query.id == name);
            let found = found
                .ok_or_else(|| MathError::of(&id, Wrong::new(format!("there is no query with the id '{name}'"))))?;
            self.infer(found, path)?;
        }
        path.pop();
        let of = |name: &str| {
            self.kinds.get(name).copied().ok_or_else(|| Wrong::new(format!("there is no query with the id '{name}'")))
        };
        let found = kind(&expr, &of).map_err(|wrong| MathError::of(&id, wrong))?;
        self.kinds.insert(id, found);
        Ok(())
    }

    fn check_returned(&self) -> Result<(), MathError> {
        for (query, _) in self.queries.iter().filter(|(query, _)| query.is_returned) {
            if self.kinds.get(&query.id) == Some(&Kind::Scalar) {
                let reason = "the result of an expression is a time series or an array of them, and this is a number: \
                              TIME_SERIES makes a series of it";
                return Err(MathError::of(&query.id, Wrong::new(reason)));
            }
        }
        Ok(())
    }

    /// The ids of the queries whose series are returned, and whether each can be several series.
    pub fn returned(&self) -> impl Iterator<Item = (&str, bool)> {
        let returned = self.queries.iter().map(|(query, _)| query).filter(|query| query.is_returned);
        returned.map(|query| (query.id.as_str(), self.kinds.get(&query.id) == Some(&Kind::Array)))
    }

    /// The queries.
    pub fn queries(&self) -> impl Iterator<Item = &MetricQuery> {
        self.queries.iter().map(|(query, _)| query)
    }

    /// The widest period of the metrics and expressions: what a whole evaluation moves on by.
    pub fn period_ms(&self) -> Millis {
        let periods = self.queries().filter_map(|query| match &query.what {
            What::Metric(metric) => Some(metric.period_ms),
            What::Expression(_) => query.period_ms,
        });
        periods.max().unwrap_or(MINUTE_MS)
    }

    /// Every returned query's series in a range of time: periods that begin before its end, from the one that its start lies in.
    /// Searches look for metrics in `scope`.
    pub fn evaluate(
        &self,
        source: &Metrics,
        scope: &Scope,
        range: Range<Millis>,
        labels: Labels,
    ) -> Result<Vec<Answer>, MathError> {
        let memo = RefCell::new(BTreeMap::new());
        let mut answers = Vec::new();
        for (query, _) in self.queries.iter().filter(|(query, _)| query.is_returned) {
            let scene = Scene {
                source,
                scope,
                range: range.clone(),
                plan: self,
                memo: &memo,
                period_ms: self.default_period(query),
            };
            let of = |wrong| MathError::of(&query.id, wrong);
            let value = scene.query(&query.id).map_err(of)?;
            let is_array = matches!(value, Value::Array(_));
            for mut series in value.into_series().map_err(of)? {
                if series.label.is_empty() || (!is_array && matches!(query.what, What::Expression(_))) {
                    series.label.clone_from(&query.id);
                }
                let label = match &query.label {
                    None => series.label.clone(),
                    Some(template) if is_array && !template.contains("${") => format!("{template} {}", series.label),
                    Some(template) => labels.render(template, &series),
                };
                answers.push(Answer { id: query.id.clone(), label, series });
            }
        }
        Ok(answers)
    }

    /// The period of what has none of its own: the query's, else that of the first metric.
    fn default_period(&self, query: &MetricQuery) -> Millis {
        let first = || {
            self.queries().find_map(|query| match &query.what {
                What::Metric(metric) => Some(metric.period_ms),
                What::Expression(_) => None,
            })
        };
        query.period_ms.or_else(first).unwrap_or(MINUTE_MS)
    }
}

fn check_query(query: &MetricQuery) -> Result<(), MathError> {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    if !query.id.starts_with(|letter: char| letter.is_ascii_lowercase()) || !query.id.chars().all(is_part) {
        return Err(MathError::Query(format!(
            "The id '{}' is not right: it begins with a small letter and has letters, digits and underscores.",
            query.id
        )));
    }
    let period = match &query.what {
        What::Metric(metric) => Some(metric.period_ms),
        What::Expression(_) => query.period_ms,
    };
    let wrong =
        |wrong: Wrong| MathError::Query(format!("The period of the query '{}' is not right: {}.", query.id, wrong.0));
    period.map_or(Ok(()), |period| is_period(period as f64).map(|_| ()).map_err(wrong))
}

/// What an expression is evaluated in.
pub(super) struct Scene<'a> {
    pub(super) source: &'a Metrics,
    pub(super) scope: &'a Scope,
    range: Range<Millis>,
    plan: &'a Plan,
    memo: &'a RefCell<BTreeMap<String, Value>>,
    /// Of what has no period of its own.
    pub(super) period_ms: Millis,
}

impl Scene<'_> {
    fn query(&self, id: &str) -> Result<Value, Wrong> {
        if let Some(value) = self.memo.borrow().get(id) {
            return Ok(value.clone());
        }
        let found = self.plan.queries.iter().find(|(query, _)| query.id == id);
        let (query, expr) = found.ok_or_else(|| Wrong::new(format!("there is no query with the id '{id}'")))?;
        let value = match (&query.what, expr) {
            (What::Metric(metric), _) => {
                self.check_grid(metric.period_ms)?;
                Value::Series(self.read(&metric.key, metric.stat, metric.period_ms, metric.unit.as_deref()))
            }
            (What::Expression(_), Some(expr)) => {
                let scene = Scene { range: self.range.clone(), period_ms: self.plan.default_period(query), ..*self };
                scene.check_grid(scene.period_ms)?;
                scene.value(expr)?
            }
            (What::Expression(_), None) => return Err(Wrong::new("it was not read")),
        };
        self.memo.borrow_mut().insert(id.to_owned(), value.clone());
        Ok(value)
    }

    pub(super) fn value(&self, expr: &Expr) -> Result<Value, Wrong> {
        match expr {
            Expr::Number(number) => Ok(Value::Scalar(*number)),
            Expr::Id(id) => self.query(id),
            Expr::Minus(inner) => match self.value(inner)? {
                Value::Scalar(number) => Ok(Value::Scalar(-number)),
                other => other.map(|series| series.map(|value| Some(-value))),
            },
            Expr::Binary(operator, left, right) => operate(*operator, self.value(left)?, self.value(right)?),
            Expr::Array(all) => {
                let mut array = Vec::new();
                for inner in all {
                    array.extend(self.value(inner)?.into_series()?);
                }
                Ok(Value::Array(array))
            }
            Expr::Call(name, args) => self.call(name, args),
            Expr::Text(_) | Expr::Word(_) => Err(Wrong::new("a word stands where a value is needed")),
        }
    }

    /// The metrics of the request whose ids contain a text.
    pub(super) fn metrics(&self, part: &str) -> Result<Vec<TimeSeries>, Wrong> {
        let metrics =
            self.plan.queries().filter(|query| matches!(query.what, What::Metric(_)) && query.id.contains(part));
        let mut all = Vec::new();
        for query in metrics {
            all.extend(self.query(&query.id)?.into_series()?);
        }
        Ok(all)
    }

    /// A metric's statistic.
    pub(super) fn read(&self, key: &MetricKey, stat: Stat, period_ms: Millis, unit: Option<&str>) -> TimeSeries {
        let periods = self.source.summaries(key, unit, self.range.clone(), period_ms);
        let points = periods.into_iter().filter_map(|(moment, values)| Some((moment, stat.of(&values)?)));
        TimeSeries {
            period_ms,
            points: points.collect(),
            label: key.name.to_string(),
            metric: Some((key.clone(), stat)),
        }
    }

    /// The beginnings of all periods in the range.
    pub(super) fn grid(&self, period_ms: Millis) -> impl Iterator<Item = Millis> + use<> {
        let first = self.range.start - self.range.start.rem_euclid(period_ms);
        let end = self.range.end;
        (0..PERIODS_MAX).map(move |place| first + place * period_ms).take_while(move |moment| *moment < end)
    }

    fn check_grid(&self, period_ms: Millis) -> Result<(), Wrong> {
        let periods = self.range.end.saturating_sub(self.range.start) / period_ms;
        if periods <= PERIODS_MAX {
            return Ok(());
        }
        Err(Wrong::new(format!(
            "the time range has {periods} periods of {} s, and at most {PERIODS_MAX} are computed: take a longer period or a shorter range",
            period_ms / 1000
        )))
    }
}
