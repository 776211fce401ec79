//! DescribeAlarms and DescribeAlarmsForMetric.

use super::super::{CloudWatch, place};
use super::{dimensions_in, dimensions_out, invalid, list, name_of, query_out};
use crate::http::Caller;
use crate::models::cloudwatch::{
    self as model, DescribeAlarmsForMetricInput, DescribeAlarmsForMetricOutput, DescribeAlarmsInput,
    DescribeAlarmsOutput,
};
use crate::wire::{Fault, Text, Timestamp};
use millrace_watch::alarms::{Alarm, AlarmRule, CompositeAlarm, MetricAlarm, Watched, Watches};

/// Alarms of a page, unless the caller wants fewer.
const PAGE: usize = 50;

pub fn describe(
    service: &CloudWatch,
    caller: &Caller,
    input: DescribeAlarmsInput,
) -> Result<DescribeAlarmsOutput, Fault> {
    if input.alarm_names.is_some() && input.alarm_name_prefix.is_some() {
        return Err(invalid("AlarmNames and AlarmNamePrefix must not be set together."));
    }
    let all = service.alarms.list(&caller.scope);
    let related = related(&all, &input)?;
    let types = input.alarm_types.as_deref().unwrap_or_default();
    // As on AWS: without types only metric alarms are described, unless relatives are asked for.
    let wants = |composite: bool| match types {
        [] => !composite || related.is_some(),
        types => types.iter().any(|word| (&**word == "CompositeAlarm") == composite && &**word != "LogAlarm"),
    };
    let matches = |alarm: &&Alarm| {
        let names = input.alarm_names.as_ref();
        names.is_none_or(|names| names.iter().any(|name| **name == *alarm.name))
            && input.alarm_name_prefix.as_deref().is_none_or(|prefix| alarm.name.starts_with(prefix))
            && input.state_value.as_deref().is_none_or(|state| alarm.status.state.word() == state)
            && input.action_prefix.as_deref().is_none_or(|prefix| has_action(alarm, prefix))
            && related.as_ref().is_none_or(|related| related.iter().any(|name| **name == *alarm.name))
            && wants(matches!(alarm.watches, Watches::Composite(_)))
    };
    let (from, size) = (place(input.next_token.as_deref())?, input.max_records.map_or(PAGE, |size| size as usize));
    let found: Vec<&Alarm> = all.iter().filter(matches).collect();
    let (mut metrics, mut composites) = (Vec::new(), Vec::new());
    for alarm in found.iter().skip(from).take(size) {
        match &alarm.watches {
            Watches::Metric(metric) => metrics.push(metric_out(alarm, metric)),
            Watches::Composite(composite) => composites.push(composite_out(alarm, composite)),
        }
    }
    let next = (from + size < found.len()).then(|| Text::from((from + size).to_string()));
    Ok(DescribeAlarmsOutput { composite_alarms: Some(composites), metric_alarms: Some(metrics), next_token: next })
}

/// The names of a composite alarm's children, or of an alarm's parents, when they are asked for.
fn related(all: &[Alarm], input: &DescribeAlarmsInput) -> Result<Option<Vec<String>>, Fault> {
    let children = |alarm: &Alarm| match &alarm.watches {
        Watches::Composite(composite) => AlarmRule::parse(&composite.rule)
            .map(|rule| rule.children().into_iter().map(|child| name_of(child).to_owned()).collect())
            .unwrap_or_default(),
        Watches::Metric(_) => Vec::new(),
    };
    match (&input.children_of_alarm_name, &input.parents_of_alarm_name) {
        (Some(_), Some(_)) => Err(invalid("ChildrenOfAlarmName and ParentsOfAlarmName must not be set together.")),
        (Some(parent), None) => {
            Ok(Some(all.iter().find(|alarm| *alarm.name == **parent).map(children).unwrap_or_default()))
        }
        (None, Some(child)) => {
            let parents = all.iter().filter(|alarm| children(alarm).iter().any(|name| **name == **child));
            Ok(Some(parents.map(|alarm| alarm.name.to_string()).collect()))
        }
        (None, None) => Ok(None),
    }
}

fn has_action(alarm: &Alarm, prefix: &str) -> bool {
    let actions = &alarm.actions;
    [&actions.ok, &actions.alarm, &actions.insufficient_data]
        .into_iter()
        .flatten()
        .any(|action| action.starts_with(prefix))
}

pub fn describe_for_metric(
    service: &CloudWatch,
    caller: &Caller,
    input: DescribeAlarmsForMetricInput,
) -> Result<DescribeAlarmsForMetricOutput, Fault> {
    let mut wanted = dimensions_in(input.dimensions.as_ref());
    wanted.sort();
    let statistic = input.statistic.as_ref().or(input.extended_statistic.as_ref());
    let all = service.alarms.list(&caller.scope);
    let found = all.iter().filter_map(|alarm| {
        let Watches::Metric(metric) = &alarm.watches else { return None };
        let Watched::Metric(watched) = &metric.watched else { return None };
        let mut dimensions = watched.dimensions.clone();
        dimensions.sort();
        let fits = *watched.name == *input.metric_name
            && *watched.namespace == *input.namespace
            && dimensions == wanted
            && statistic.is_none_or(|statistic| *watched.statistic == **statistic)
            && input.period.is_none_or(|period| u32::try_from(period) == Ok(watched.period))
            && input.unit.as_deref().is_none_or(|unit| watched.unit.as_deref() == Some(unit));
        fits.then(|| metric_out(alarm, metric))
    });
    Ok(DescribeAlarmsForMetricOutput { metric_alarms: Some(found.collect()) })
}

fn metric_out(alarm: &Alarm, metric: &MetricAlarm) -> model::MetricAlarm {
    let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    let low = metric.ignores_low_samples.map(|ignores| if ignores { "ignore" } else { "evaluate" });
    let mut out = model::MetricAlarm {
        alarm_name: Some((&*alarm.name).into()),
        alarm_arn: Some(alarm.arn().into()),
        alarm_description: alarm.description.as_deref().map(Into::into),
        alarm_configuration_updated_timestamp: Some(Timestamp(alarm.configured)),
        actions_enabled: Some(alarm.actions_enabled),
        ok_actions: list(&alarm.actions.ok),
        alarm_actions: list(&alarm.actions.alarm),
        insufficient_data_actions: list(&alarm.actions.insufficient_data),
        state_value: Some(Text::from_static(alarm.status.state.word())),
        state_reason: Some(alarm.status.reason.as_str().into()),
        state_reason_data: alarm.status.reason_data.as_deref().map(Into::into),
        state_updated_timestamp: Some(Timestamp(alarm.status.updated)),
        state_transitioned_timestamp: Some(Timestamp(alarm.status.transitioned)),
        evaluation_periods: Some(number(metric.evaluation_periods)),
        datapoints_to_alarm: metric.datapoints_to_alarm.map(number),
        threshold: Some(metric.threshold),
        comparison_operator: Some(Text::from_static(metric.comparison.word())),
        treat_missing_data: metric.missing.map(|missing| Text::from_static(missing.word())),
        evaluate_low_sample_count_percentile: low.map(Text::from_static),
        ..model::MetricAlarm::default()
    };
    match &metric.watched {
        Watched::Queries(queries) => out.metrics = Some(queries.iter().map(query_out).collect()),
        Watched::Metric(watched) => {
            let plain = matches!(&*watched.statistic, "SampleCount" | "Average" | "Sum" | "Minimum" | "Maximum");
            let statistic = Some(Text::from(watched.statistic.as_str()));
            (out.statistic, out.extended_statistic) = if plain { (statistic, None) } else { (None, statistic) };
            out.metric_name = Some(watched.name.as_str().into());
            out.namespace = Some(watched.namespace.as_str().into());
            out.dimensions = dimensions_out(&watched.dimensions);
            out.period = Some(number(watched.period));
            out.unit = watched.unit.as_deref().map(Into::into);
        }
    }
    out
}

fn composite_out(alarm: &Alarm, composite: &CompositeAlarm) -> model::CompositeAlarm {
    let suppressor = composite.suppressor.as_ref();
    let held = alarm.status.suppressed.as_ref();
    let seconds = |seconds: u32| i32::try_from(seconds).unwrap_or(i32::MAX);
    model::CompositeAlarm {
        alarm_name: Some((&*alarm.name).into()),
        alarm_arn: Some(alarm.arn().into()),
        alarm_description: alarm.description.as_deref().map(Into::into),
        alarm_configuration_updated_timestamp: Some(Timestamp(alarm.configured)),
        alarm_rule: Some(composite.rule.as_str().into()),
        actions_enabled: Some(alarm.actions_enabled),
        ok_actions: list(&alarm.actions.ok),
        alarm_actions: list(&alarm.actions.alarm),
        insufficient_data_actions: list(&alarm.actions.insufficient_data),
        state_value: Some(Text::from_static(alarm.status.state.word())),
        state_reason: Some(alarm.status.reason.as_str().into()),
        state_reason_data: alarm.status.reason_data.as_deref().map(Into::into),
        state_updated_timestamp: Some(Timestamp(alarm.status.updated)),
        state_transitioned_timestamp: Some(Timestamp(alarm.status.transitioned)),
        actions_suppressed_by: held.map(|held| Text::from_static(held.by.word())),
        actions_suppressed_reason: held.map(|held| held.by.reason().into()),
        actions_suppressor: suppressor.map(|suppressor| suppressor.alarm.as_str().into()),
        actions_suppressor_wait_period: suppressor.map(|suppressor| seconds(suppressor.wait)),
        actions_suppressor_extension_period: suppressor.map(|suppressor| seconds(suppressor.extension)),
    }
}
