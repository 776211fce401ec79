//! ListMetrics: those that have had values in the last three hours.

use super::CloudWatch;
use crate::http::Caller;
use crate::models::cloudwatch::{Dimension, ListMetricsInput, ListMetricsOutput, Metric, faults};
use crate::wire::{Fault, Text};
use millrace_watch::MetricKey;

/// AWS's page.
const PAGE: usize = 500;

pub fn call(service: &CloudWatch, caller: &Caller, input: ListMetricsInput) -> Result<ListMetricsOutput, Fault> {
    let filters = input.dimensions.unwrap_or_default();
    let wanted = |key: &MetricKey| {
        let has = |filter: &crate::models::cloudwatch::DimensionFilter| {
            key.dimensions.iter().any(|(name, value)| {
                **name == *filter.name && filter.value.as_ref().is_none_or(|wanted| **value == **wanted)
            })
        };
        input.namespace.as_ref().is_none_or(|namespace| **namespace == *key.namespace)
            && input.metric_name.as_ref().is_none_or(|name| **name == *key.name)
            && filters.iter().all(has)
    };
    let start = match input.next_token {
        None => 0,
        Some(token) => {
            token.parse().map_err(|_| faults::INVALID_NEXT_TOKEN.because("The next token specified is invalid."))?
        }
    };
    let all = service.metrics.list(&caller.scope, wanted);
    let next_token = (all.len() > start + PAGE).then(|| Text::from((start + PAGE).to_string()));
    let metrics = all.into_iter().skip(start).take(PAGE).map(shown).collect();
    Ok(ListMetricsOutput { metrics: Some(metrics), next_token })
}

fn shown(key: MetricKey) -> Metric {
    let dimension = |(name, value): &(std::sync::Arc<str>, std::sync::Arc<str>)| Dimension {
        name: (**name).into(),
        value: (**value).into(),
    };
    Metric {
        namespace: Some((*key.namespace).into()),
        metric_name: Some((*key.name).into()),
        dimensions: Some(key.dimensions.iter().map(dimension).collect()),
    }
}
