//! PutMetricAlarm: an alarm on a metric or on math.

use super::super::CloudWatch;
use super::super::dashboards::map;
use super::{actions, dimensions_in, invalid, query_in, seconds};
use crate::http::Caller;
use crate::models::cloudwatch::PutMetricAlarmInput;
use crate::wire::Fault;
use millrace_base::Scope;
use millrace_watch::alarms::{Alarm, AlarmMetric, Comparison, MetricAlarm, MissingData, Status, Watched, Watches};

/// An alarm looks back a day at most, a week when its periods are hours.
const LOOKBACK_SECONDS_MAX: u32 = 86_400;
const LONG_LOOKBACK_SECONDS_MAX: u32 = 7 * 86_400;
/// Metrics of a math alarm.
const QUERIES_MAX: usize = 20;

pub fn call(service: &CloudWatch, caller: &Caller, input: PutMetricAlarmInput) -> Result<(), Fault> {
    service.put_metric_alarm(&caller.scope, &input)
}

impl CloudWatch {
    /// Defines a metric alarm: what the operation of this name does for its caller's scope.
    pub fn put_metric_alarm(&self, scope: &Scope, input: &PutMetricAlarmInput) -> Result<(), Fault> {
        // Tags of an alarm that is there already are changed by TagResource alone, as on AWS.
        Ok(self.alarms.put(alarm(self, scope, input)?)?)
    }
}

fn alarm(service: &CloudWatch, scope: &Scope, input: &PutMetricAlarmInput) -> Result<Alarm, Fault> {
    let now = service.clock.now();
    Ok(Alarm {
        scope: scope.clone(),
        name: (&*input.alarm_name).into(),
        description: input.alarm_description.as_ref().map(|text| text.to_string()),
        actions_enabled: input.actions_enabled.unwrap_or(true),
        actions: actions([&input.ok_actions, &input.alarm_actions, &input.insufficient_data_actions])?,
        watches: Watches::Metric(metric_alarm(input, scope)?),
        configured: now,
        status: Status::unchecked(now),
        tags: input.tags.as_deref().map(map).unwrap_or_default(),
    })
}

fn metric_alarm(input: &PutMetricAlarmInput, scope: &Scope) -> Result<MetricAlarm, Fault> {
    let watched = watched(input)?;
    let comparison = input.comparison_operator.as_deref().ok_or_else(|| invalid("ComparisonOperator is missing."))?;
    let known = Comparison::ALL.into_iter().find(|known| known.word() == comparison);
    let comparison = known.ok_or_else(|| {
        invalid(format!(
            "Millrace does not support {comparison} yet: anomaly detection is not, docs/compat/cloudwatch.md"
        ))
    })?;
    let evaluation_periods = positive(input.evaluation_periods, "EvaluationPeriods")?
        .ok_or_else(|| invalid("EvaluationPeriods is missing."))?;
    let datapoints_to_alarm = positive(input.datapoints_to_alarm, "DatapointsToAlarm")?;
    if datapoints_to_alarm.is_some_and(|datapoints| datapoints > evaluation_periods) {
        return Err(invalid("DatapointsToAlarm must be less than or equal to EvaluationPeriods."));
    }
    let missing = input.treat_missing_data.as_deref().map(|word| {
        word.parse::<MissingData>().map_err(|()| {
            invalid(format!(
                "The value {word} is not supported for TreatMissingData parameter. \
                 Supported values are [breaching, notBreaching, ignore, missing]."
            ))
        })
    });
    let ignores_low_samples = match input.evaluate_low_sample_count_percentile.as_deref() {
        None => None,
        Some("evaluate") => Some(false),
        Some("ignore") => Some(true),
        Some(other) => {
            let message = format!("EvaluateLowSampleCountPercentile is evaluate or ignore, not {other}.");
            return Err(invalid(message));
        }
    };
    let alarm = MetricAlarm {
        watched,
        comparison,
        threshold: input.threshold.ok_or_else(|| invalid("Threshold is missing."))?,
        evaluation_periods,
        datapoints_to_alarm,
        missing: missing.transpose()?,
        ignores_low_samples,
    };
    check_lookback(&alarm, scope)?;
    Ok(alarm)
}

fn watched(input: &PutMetricAlarmInput) -> Result<Watched, Fault> {
    let queries = input.metrics.as_deref().unwrap_or_default();
    let (Some(namespace), Some(name)) = (&input.namespace, &input.metric_name) else {
        if queries.is_empty() {
            return Err(invalid("MetricName and Namespace, or Metrics, are needed."));
        }
        if queries.len() > QUERIES_MAX {
            return Err(invalid(format!(
                "Metrics holds {} queries, {QUERIES_MAX} at most are supported.",
                queries.len()
            )));
        }
        let queries = queries.iter().map(query_in).collect::<Result<_, _>>()?;
        return Ok(Watched::Queries(queries));
    };
    if !queries.is_empty() {
        return Err(invalid("Metrics must not be set together with MetricName."));
    }
    let statistic = match (&input.statistic, &input.extended_statistic) {
        (Some(statistic), None) | (None, Some(statistic)) => statistic.to_string(),
        (Some(_), Some(_)) => return Err(invalid("Statistic and ExtendedStatistic must not be set together.")),
        (None, None) => return Err(invalid("Statistic or ExtendedStatistic is needed.")),
    };
    Ok(Watched::Metric(AlarmMetric {
        namespace: namespace.to_string(),
        name: name.to_string(),
        dimensions: dimensions_in(input.dimensions.as_ref()),
        statistic,
        period: seconds(input.period.ok_or_else(|| invalid("Period is missing."))?)?,
        unit: input.unit.as_ref().map(|unit| unit.to_string()),
    }))
}

fn check_lookback(alarm: &MetricAlarm, scope: &Scope) -> Result<(), Fault> {
    let plan = alarm.plan(scope).map_err(|error| invalid(error.to_string()))?;
    let period = u32::try_from(plan.period_ms() / 1000).unwrap_or(u32::MAX);
    let lookback = alarm.evaluation_periods.saturating_mul(period);
    let max = if period >= 3600 { LONG_LOOKBACK_SECONDS_MAX } else { LOOKBACK_SECONDS_MAX };
    match lookback > max {
        true => Err(invalid(format!(
            "Metrics cannot be checked across more than {} (EvaluationPeriods * Period must be <= {max}).",
            if max == LOOKBACK_SECONDS_MAX { "a day" } else { "seven days" }
        ))),
        false => Ok(()),
    }
}

fn positive(number: Option<i32>, name: &str) -> Result<Option<u32>, Fault> {
    let wrong = |number| invalid(format!("{name} must be at least 1, not {number}."));
    number.map(|number| u32::try_from(number).ok().filter(|found| *found > 0).ok_or_else(|| wrong(number))).transpose()
}
