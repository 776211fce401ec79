//! GetMetricData: metrics and metric math, in pages of datapoints.

use super::{CloudWatch, metric, moment, place};
use crate::http::Caller;
use crate::models::cloudwatch::{
    GetMetricDataInput, GetMetricDataOutput, LabelOptions, MetricDataQuery, MetricDataResult, faults,
};
use crate::wire::{Fault, Text, Timestamp, kinds};
use millrace_base::Millis;
use millrace_watch::math::{Answer, Labels, MetricQuery, MetricStat, Plan, What};
use millrace_watch::{Stat, UnknownStat};

/// AWS's ceiling of one page, and what one has when the caller names no other.
const DATAPOINTS_MAX: usize = 100_800;

pub fn call(service: &CloudWatch, caller: &Caller, input: GetMetricDataInput) -> Result<GetMetricDataOutput, Fault> {
    let (start, end) = (moment(input.start_time), moment(input.end_time));
    if start >= end {
        return Err(kinds::VALIDATION.because("The parameter StartTime must be less than the parameter EndTime."));
    }
    let most = match input.max_datapoints {
        None => DATAPOINTS_MAX,
        Some(most) => {
            usize::try_from(most).ok().filter(|most| (1..=DATAPOINTS_MAX).contains(most)).ok_or_else(|| {
                faults::INVALID_PARAMETER_VALUE_EXCEPTION
                    .because(format!("The parameter MaxDatapoints must be between 1 and {DATAPOINTS_MAX}, not {most}."))
            })?
        }
    };
    let first = place(input.next_token.as_deref())?;
    let queries = input.metric_data_queries.iter().map(|query| read_query(caller, query));
    let plan = plan(queries.collect::<Result<_, _>>()?)?;
    let labels = Labels { now: service.clock.now(), offset_ms: offset(input.label_options.as_ref())? };
    let answers = plan.evaluate(&service.metrics, &caller.scope, start..end, labels);
    let mut answers = answers.map_err(|error| kinds::VALIDATION.because(error.to_string()))?;
    if input.scan_by.as_deref() != Some("TimestampAscending") {
        answers.iter_mut().for_each(|answer| answer.series.points.reverse());
    }
    let (results, next) = page(answers, first, most);
    Ok(GetMetricDataOutput {
        metric_data_results: Some(results),
        next_token: next.map(|place| Text::from(place.to_string())),
        messages: Some(Vec::new()),
    })
}

/// Queries that were found right.
pub fn plan(queries: Vec<MetricQuery>) -> Result<Plan, Fault> {
    Plan::new(queries).map_err(|error| kinds::VALIDATION.because(error.to_string()))
}

/// A query as metric math takes it.
pub fn read_query(caller: &Caller, query: &MetricDataQuery) -> Result<MetricQuery, Fault> {
    let wrong = |what: &str| Err(kinds::VALIDATION.because(format!("The query '{}' {what}.", query.id)));
    let what = match (&query.metric_stat, &query.expression) {
        (Some(stat), None) => {
            let (Some(namespace), Some(name)) = (&stat.metric.namespace, &stat.metric.metric_name) else {
                return wrong("needs a metric's Namespace and MetricName");
            };
            let of = |unknown: UnknownStat| kinds::VALIDATION.because(format!("The query '{}': {unknown}.", query.id));
            What::Metric(MetricStat {
                key: metric(caller, namespace, name, stat.metric.dimensions.as_deref()),
                period_ms: Millis::from(stat.period) * 1000,
                stat: stat.stat.parse::<Stat>().map_err(of)?,
                unit: stat.unit.as_deref().map(Into::into),
            })
        }
        (None, Some(expression)) => What::Expression(expression.to_string()),
        _ => return wrong("needs either MetricStat or Expression, and not both"),
    };
    Ok(MetricQuery {
        id: query.id.to_string(),
        what,
        label: query.label.as_ref().map(Text::to_string),
        is_returned: query.return_data != Some(false),
        period_ms: query.period.map(|seconds| Millis::from(seconds) * 1000),
    })
}

/// `+0130` as milliseconds.
fn offset(options: Option<&LabelOptions>) -> Result<Millis, Fault> {
    let Some(zone) = options.and_then(|options| options.timezone.as_deref()) else { return Ok(0) };
    let read = || {
        let (sign, digits) = zone.split_at_checked(1)?;
        let sign = match sign {
            "+" => 1,
            "-" => -1,
            _ => return None,
        };
        let is_right = digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit());
        let number: Millis = digits.parse().ok().filter(|_| is_right)?;
        (number % 100 < 60).then_some(sign * (number / 100 * 60 + number % 100) * 60_000)
    };
    read().ok_or_else(|| {
        faults::INVALID_PARAMETER_VALUE_EXCEPTION
            .because(format!("The Timezone '{zone}' is not right: it is + or - and four digits, for example +0130."))
    })
}

/// The results from the `first`th datapoint of all on, with at most `most` of them; where the next page begins.
fn page(answers: Vec<Answer>, first: usize, most: usize) -> (Vec<MetricDataResult>, Option<usize>) {
    let mut results = Vec::new();
    let (mut seen, end) = (0, first + most);
    let mut next = None;
    for answer in answers {
        let points = &answer.series.points;
        let (from, to) = (seen, seen + points.len());
        seen = to;
        let begins = first.clamp(from, to) - from;
        let ends = end.clamp(from, to) - from;
        // A series without points is shown where it comes; one that another page showed whole is not shown again.
        let is_shown = if points.is_empty() { (first..=end).contains(&from) } else { begins < ends };
        if to > end {
            next = Some(end);
        }
        if !is_shown {
            continue;
        }
        let part = &points[begins..ends];
        let status = if to > end { "PartialData" } else { "Complete" };
        results.push(MetricDataResult {
            id: Some(answer.id.as_str().into()),
            label: Some(answer.label.as_str().into()),
            timestamps: Some(part.iter().map(|(moment, _)| Timestamp(*moment)).collect()),
            values: Some(part.iter().map(|(_, value)| *value).collect()),
            status_code: Some(Text::from_static(status)),
            messages: None,
        });
    }
    (results, next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_watch::math::TimeSeries;

    fn answer(id: &str, points: usize) -> Answer {
        let points = (0..points).map(|place| (place as Millis, 1.0)).collect();
        let series = TimeSeries { period_ms: 1000, points, metric: None, label: String::new() };
        Answer { id: id.to_owned(), label: id.to_owned(), series }
    }

    #[test]
    fn pages_have_every_datapoint_once() {
        for most in 1..12 {
            let (mut first, mut pages, mut counts) = (Some(0), 0, std::collections::BTreeMap::new());
            while let Some(place) = first {
                let answers =
                    vec![answer("none", 0), answer("a", 3), answer("b", 5), answer("empty", 0), answer("c", 2)];
                let (results, next) = page(answers, place, most);
                let on_page: usize = results.iter().map(|result| result.values.as_ref().unwrap().len()).sum();
                assert!(on_page <= most);
                for result in results {
                    *counts.entry(result.id.unwrap().to_string()).or_insert(0) += result.values.unwrap().len();
                }
                first = next;
                pages += 1;
            }
            assert_eq!(pages, 10usize.div_ceil(most));
            let found: Vec<(&str, i32)> = counts.iter().map(|(id, count)| (id.as_str(), *count as i32)).collect();
            assert_eq!(found, [("a", 3), ("b", 5), ("c", 2), ("empty", 0), ("none", 0)]);
        }
    }

    #[test]
    fn time_zones_are_read() {
        let of = |zone: &str| offset(Some(&LabelOptions { timezone: Some(zone.into()) }));
        assert_eq!(of("+0130").unwrap(), 5_400_000);
        assert_eq!(of("-0800").unwrap(), -28_800_000);
        assert!(of("0130").is_err() && of("+1:30").is_err() && of("+0160").is_err() && of("").is_err());
    }
}
