//! One look at one metric alarm: which datapoints there are, and what state follows.

use super::definition::{AlarmMetric, Comparison, MetricAlarm, Watched};
use super::words::{self, Point};
use super::{Datapoint, Evaluated, evaluate, evaluation_range};
use crate::math::{Labels, Plan};
use crate::metrics::{Metrics, Stat, Summary};
use millrace_base::{Millis, Scope};
use std::ops::Range;

/// Values of a period may still come so long after its end: they are folded once a second.
pub(crate) const SETTLE_MS: Millis = 2_000;
const MINUTE_MS: Millis = 60_000;

/// What was found.
pub(crate) struct Checked {
    pub(crate) evaluated: Evaluated,
    pub(crate) reason: String,
    pub(crate) reason_data: String,
}

/// What is looked at, and when.
struct Look<'a> {
    alarm: &'a MetricAlarm,
    plan: &'a Plan,
    scope: &'a Scope,
    metrics: &'a Metrics,
    now: Millis,
}

/// Evaluates an alarm by the periods that are over, and by the present one when what it holds cannot be undone.
pub(crate) fn check(alarm: &MetricAlarm, plan: &Plan, scope: &Scope, metrics: &Metrics, now: Millis) -> Checked {
    let look = Look { alarm, plan, scope, metrics, now };
    let (n, period_ms) = (alarm.evaluation_periods as usize, plan.period_ms());
    let end = (now - SETTLE_MS).div_euclid(period_ms) * period_ms;
    let mut range = end - evaluation_range(n) as Millis * period_ms..end;
    let mut points = look.points(range.clone());
    if points.is_empty() && period_ms < MINUTE_MS {
        range.start -= MINUTE_MS;
        points = look.minutes(range.clone());
    }
    let low = alarm.ignores_low_samples == Some(true) && look.has_few_samples(range.clone());
    let mut periods: Vec<Millis> =
        (0..).map(|slot| range.start + slot * period_ms).take_while(|at| *at < end).collect();
    if let Some(early) = look.early(end..now) {
        points.push(early);
        periods.extend((0..).map(|slot| end + slot * period_ms).take_while(|begin| *begin <= early.begin));
        periods.drain(..((early.begin - end) / period_ms) as usize + 1);
        points.retain(|point| periods.contains(&point.begin));
    }
    let datapoint = |begin: &Millis| match points.iter().find(|point| point.begin == *begin) {
        None => Datapoint::Missing,
        Some(point) if alarm.comparison.breaches(point.value, alarm.threshold) => Datapoint::Breaching,
        Some(_) => Datapoint::Good,
    };
    let drawn: Vec<Datapoint> = periods.iter().map(datapoint).collect();
    let m = alarm.datapoints_to_alarm() as usize;
    let mut evaluated = evaluate(&drawn, n, m, alarm.missing.unwrap_or_default());
    if low {
        evaluated.state = None;
    }
    let used: Vec<Point> = points.iter().rev().take(evaluated.real).copied().collect();
    periods.reverse();
    let reason = words::reason(alarm, &evaluated, &used);
    Checked { evaluated, reason, reason_data: words::reason_data(alarm, now, &used, &periods) }
}

impl Look<'_> {
    /// The datapoints of a range, the oldest first.
    fn points(&self, range: Range<Millis>) -> Vec<Point> {
        if let Watched::Metric(metric) = &self.alarm.watched {
            return self.valued(metric, range, self.plan.period_ms());
        }
        let labels = Labels { now: self.now, offset_ms: 0 };
        let answers = self.plan.evaluate(self.metrics, self.scope, range.clone(), labels).unwrap_or_default();
        let points = answers.into_iter().next().map(|answer| answer.series.points).unwrap_or_default().into_iter();
        let point = |(begin, value)| Point { begin, value, samples: None };
        points.map(point).filter(|point| range.contains(&point.begin) && point.value.is_finite()).collect()
    }

    /// A metric that is kept by the minute has its values where minutes begin: an alarm with shorter periods finds them there, and
    /// they hold until the next minute's have come.
    fn minutes(&self, range: Range<Millis>) -> Vec<Point> {
        let Watched::Metric(metric) = &self.alarm.watched else { return Vec::new() };
        let first = range.start.div_euclid(MINUTE_MS) * MINUTE_MS;
        let by_second = self.valued(metric, first..range.end + MINUTE_MS, self.plan.period_ms());
        let has_seconds =
            |minute: Millis| by_second.iter().any(|point| (minute..minute + MINUTE_MS).contains(&point.begin));
        let mut minutes = self.valued(metric, range, MINUTE_MS);
        minutes.retain(|minute| !has_seconds(minute.begin));
        minutes
    }

    fn valued(&self, metric: &AlarmMetric, range: Range<Millis>, period_ms: Millis) -> Vec<Point> {
        let Ok(stat) = metric.statistic.parse::<Stat>() else { return Vec::new() };
        let summaries = self.summaries(metric, range.clone(), period_ms).into_iter();
        let valued = summaries.filter_map(|(begin, summary)| {
            Some(Point { begin, value: stat.of(&summary)?, samples: Some(summary.statistics.count) })
        });
        valued.filter(|point| range.contains(&point.begin) && point.value.is_finite()).collect()
    }

    /// The present period's value, when it breaches already and whatever comes can only make it breach more: a maximum that is too
    /// large, a minimum that is too small, a count, a sum of values none of which is negative.
    fn early(&self, present: Range<Millis>) -> Option<Point> {
        let Watched::Metric(metric) = &self.alarm.watched else { return None };
        let stat = metric.statistic.parse::<Stat>().ok()?;
        let upward = self.alarm.comparison.is_upward();
        if !matches!((stat, upward), (Stat::Maximum | Stat::SampleCount | Stat::Sum, true) | (Stat::Minimum, false)) {
            return None;
        }
        // The present period is the last one that begins in the range; the settling one before it is told when it is over.
        let (begin, summary) = self.summaries(metric, present, self.plan.period_ms()).into_iter().next()?;
        let value = stat.of(&summary)?;
        let stays = stat != Stat::Sum || summary.statistics.min >= 0.0;
        let breaches = Comparison::breaches(self.alarm.comparison, value, self.alarm.threshold);
        (stays && breaches).then_some(Point { begin, value, samples: Some(summary.statistics.count) })
    }

    /// Too few samples for the percentile to mean something: fewer than ten beyond it.
    fn has_few_samples(&self, range: Range<Millis>) -> bool {
        let Watched::Metric(metric) = &self.alarm.watched else { return false };
        let Ok(Stat::Percentile(percent)) = metric.statistic.parse() else { return false };
        let beyond = (percent / 100.0).max(1.0 - percent / 100.0);
        let needed = 10.0 / (1.0 - beyond);
        let periods = self.summaries(metric, range, Millis::from(metric.period) * 1000);
        let samples: f64 = periods.iter().map(|(_, summary)| summary.statistics.count).sum();
        samples < needed
    }

    fn summaries(&self, metric: &AlarmMetric, range: Range<Millis>, period_ms: Millis) -> Vec<(Millis, Summary)> {
        self.metrics.summaries(&metric.key(self.scope), metric.unit.as_deref(), range, period_ms)
    }
}
