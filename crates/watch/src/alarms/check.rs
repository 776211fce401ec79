//! One look at one metric alarm: which datapoints there are, and what state follows.

use super::definition::{AlarmMetric, Comparison, MetricAlarm, Watched};
use super::words::{self, Point};
use super::{Datapoint, Evaluated, evaluate, evaluation_range};
use crate::math::{Labels, Plan};
use crate::metrics::{Metrics, Stat, Summary};
use millrace_base::{Millis, Scope};

/// Values of a period may still come so long after its end: they are folded once a second.
pub(crate) const SETTLE_MS: Millis = 2_000;

/// What was found.
pub(crate) struct Checked {
    pub(crate) evaluated: Evaluated,
    pub(crate) reason: String,
    pub(crate) reason_data: String,
}

/// Evaluates an alarm by the periods that are over, and by the present one when what it holds cannot be undone.
pub(crate) fn check(alarm: &MetricAlarm, plan: &Plan, scope: &Scope, metrics: &Metrics, now: Millis) -> Checked {
    let n = alarm.evaluation_periods as usize;
    let period_ms = plan.period_ms();
    let end = (now - SETTLE_MS).div_euclid(period_ms) * period_ms;
    let range = evaluation_range(n);
    let start = end - range as Millis * period_ms;
    let answers = plan.evaluate(metrics, scope, start..end, Labels { now, offset_ms: 0 }).unwrap_or_default();
    let mut points: Vec<Point> = answers.into_iter().next().map(|answer| answer.series.points).unwrap_or_default();
    points.retain(|(moment, value)| (start..end).contains(moment) && value.is_finite());
    let low = alarm.ignores_low_samples == Some(true) && has_few_samples(alarm, scope, metrics, start..end);
    let mut slots: Vec<Option<f64>> = (0..range as Millis)
        .map(|slot| start + slot * period_ms)
        .map(|begin| points.iter().find(|(moment, _)| *moment == begin).map(|(_, value)| *value))
        .collect();
    if let Some(early) = early(alarm, scope, metrics, end..now, period_ms) {
        points.push((end, early));
        slots.push(Some(early));
        slots.remove(0);
    }
    let datapoint = |value: &Option<f64>| match value {
        None => Datapoint::Missing,
        Some(value) if alarm.comparison.breaches(*value, alarm.threshold) => Datapoint::Breaching,
        Some(_) => Datapoint::Good,
    };
    let drawn: Vec<Datapoint> = slots.iter().map(datapoint).collect();
    let m = alarm.datapoints_to_alarm() as usize;
    let mut evaluated = evaluate(&drawn, n, m, alarm.missing.unwrap_or_default());
    if low {
        evaluated.state = None;
    }
    let used: Vec<Point> = points.iter().rev().take(evaluated.real).copied().collect();
    let reason = words::reason(alarm, &evaluated, &used);
    Checked { evaluated, reason, reason_data: words::reason_data(alarm, now, &used) }
}

/// The present period's value, when it breaches already and whatever comes can only make it breach more: a maximum that is too
/// large, a minimum that is too small, a count, a sum of values none of which is negative.
fn early(
    alarm: &MetricAlarm,
    scope: &Scope,
    metrics: &Metrics,
    present: std::ops::Range<Millis>,
    period_ms: Millis,
) -> Option<f64> {
    let Watched::Metric(metric) = &alarm.watched else { return None };
    let (_, summary) = summaries(metric, scope, metrics, present, period_ms).into_iter().next()?;
    let stat = metric.statistic.parse::<Stat>().ok()?;
    let stays = match (stat, alarm.comparison.is_upward()) {
        (Stat::Maximum | Stat::SampleCount, true) | (Stat::Minimum, false) => true,
        (Stat::Sum, true) => summary.statistics.min >= 0.0,
        _ => false,
    };
    let value = stat.of(&summary)?;
    (stays && Comparison::breaches(alarm.comparison, value, alarm.threshold)).then_some(value)
}

/// Too few samples for the percentile to mean something: fewer than ten beyond it.
fn has_few_samples(alarm: &MetricAlarm, scope: &Scope, metrics: &Metrics, range: std::ops::Range<Millis>) -> bool {
    let Watched::Metric(metric) = &alarm.watched else { return false };
    let Ok(Stat::Percentile(percent)) = metric.statistic.parse() else { return false };
    let beyond = (percent / 100.0).max(1.0 - percent / 100.0);
    let needed = 10.0 / (1.0 - beyond);
    let period_ms = Millis::from(metric.period) * 1000;
    let periods = summaries(metric, scope, metrics, range, period_ms);
    let samples: f64 = periods.iter().map(|(_, summary)| summary.statistics.count).sum();
    samples < needed
}

fn summaries(
    metric: &AlarmMetric,
    scope: &Scope,
    metrics: &Metrics,
    range: std::ops::Range<Millis>,
    period_ms: Millis,
) -> Vec<(Millis, Summary)> {
    metrics.summaries(&metric.key(scope), metric.unit.as_deref(), range, period_ms)
}
