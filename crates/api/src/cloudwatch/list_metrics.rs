//! ListMetrics: those that have had values in the last two weeks, or in the last three hours.

use super::{CloudWatch, place};
use crate::http::Caller;
use crate::models::cloudwatch::{Dimension, DimensionFilter, ListMetricsInput, ListMetricsOutput, Metric};
use crate::wire::{Fault, Text};
use millrace_watch::{MetricKey, Resolution};

/// AWS's page.
const PAGE: usize = 500;

pub fn call(service: &CloudWatch, caller: &Caller, input: ListMetricsInput) -> Result<ListMetricsOutput, Fault> {
    let filters = input.dimensions.unwrap_or_default();
    let wanted = |key: &MetricKey| {
        let has = |filter: &DimensionFilter| {
            key.dimensions.iter().any(|(name, value)| {
                **name == *filter.name && filter.value.as_ref().is_none_or(|wanted| **value == **wanted)
            })
        };
        input.namespace.as_ref().is_none_or(|namespace| **namespace == *key.namespace)
            && input.metric_name.as_ref().is_none_or(|name| **name == *key.name)
            && filters.iter().all(has)
    };
    let start = place(input.next_token.as_deref())?;
    // The model lets only PT3H through.
    let kept = if input.recently_active.is_some() { Resolution::Second } else { Resolution::Minute };
    let all = service.metrics.list_since(&caller.scope, service.clock.now() - kept.kept_ms(), wanted);
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
