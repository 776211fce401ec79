//! GetMetricData: several metrics at once. Expressions are refused by the model.

use super::{CloudWatch, metric, period, statistic};
use crate::http::Caller;
use crate::models::cloudwatch::{GetMetricDataInput, GetMetricDataOutput, MetricDataQuery, MetricDataResult, faults};
use crate::wire::{Fault, Text, Timestamp};

pub fn call(service: &CloudWatch, caller: &Caller, input: GetMetricDataInput) -> Result<GetMetricDataOutput, Fault> {
    let ascending = input.scan_by.as_deref() == Some("TimestampAscending");
    let mut results = Vec::new();
    for query in input.metric_data_queries.iter().filter(|query| query.return_data != Some(false)) {
        results.push(answer(service, caller, query, (input.start_time, input.end_time), ascending)?);
    }
    Ok(GetMetricDataOutput { metric_data_results: Some(results), next_token: None, messages: Some(Vec::new()) })
}

fn answer(
    service: &CloudWatch,
    caller: &Caller,
    query: &MetricDataQuery,
    (start, end): (Timestamp, Timestamp),
    ascending: bool,
) -> Result<MetricDataResult, Fault> {
    let missing = || {
        faults::INVALID_PARAMETER_COMBINATION_EXCEPTION
            .because(format!("The query '{}' needs a MetricStat with a metric's namespace and name.", query.id))
    };
    let stat = query.metric_stat.as_ref().ok_or_else(missing)?;
    let namespace = stat.metric.namespace.as_ref().ok_or_else(missing)?;
    let name = stat.metric.metric_name.as_ref().ok_or_else(missing)?;
    let key = metric(caller, namespace, name, stat.metric.dimensions.as_deref());
    let (mut periods, unit) = service.metrics.statistics(&key, start.0, end.0, period(stat.period)?);
    if stat.unit.as_deref().is_some_and(|wanted| unit.as_deref() != Some(wanted)) {
        periods.clear();
    }
    if !ascending {
        periods.reverse();
    }
    let values: Result<_, Fault> = periods.iter().map(|(_, values)| statistic(values, &stat.stat)).collect();
    Ok(MetricDataResult {
        id: Some(query.id.clone()),
        label: Some(query.label.clone().unwrap_or_else(|| name.clone())),
        timestamps: Some(periods.iter().map(|(moment, _)| Timestamp(*moment)).collect()),
        values: Some(values?),
        status_code: Some(Text::from_static("Complete")),
        messages: None,
    })
}
