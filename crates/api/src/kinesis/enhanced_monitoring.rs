//! EnableEnhancedMonitoring, DisableEnhancedMonitoring: metrics of single shards, from now on or no more.

use super::{Kinesis, describe};
use crate::http::Caller;
use crate::models::kinesis::{DisableEnhancedMonitoringInput, EnableEnhancedMonitoringInput, EnhancedMonitoringOutput};
use crate::wire::{Fault, Text};
use millrace_log::{ShardMetric, StreamInfo};
use std::collections::BTreeSet;

pub fn enable(
    kinesis: &Kinesis,
    caller: &Caller,
    input: EnableEnhancedMonitoringInput,
) -> Result<EnhancedMonitoringOutput, Fault> {
    let stream = kinesis.stream(caller, input.stream_name.as_ref(), input.stream_arn.as_ref())?;
    let named = named(&input.shard_level_metrics);
    change(kinesis, &stream, |metrics| metrics.union(&named).copied().collect())
}

pub fn disable(
    kinesis: &Kinesis,
    caller: &Caller,
    input: DisableEnhancedMonitoringInput,
) -> Result<EnhancedMonitoringOutput, Fault> {
    let stream = kinesis.stream(caller, input.stream_name.as_ref(), input.stream_arn.as_ref())?;
    let named = named(&input.shard_level_metrics);
    change(kinesis, &stream, |metrics| metrics.difference(&named).copied().collect())
}

/// The metrics of names; `ALL` is all of them. The model's rule lets nothing else through.
fn named(names: &[Text]) -> BTreeSet<ShardMetric> {
    if names.iter().any(|name| name.as_str() == "ALL") {
        return ShardMetric::ALL.into_iter().collect();
    }
    names.iter().filter_map(|name| ShardMetric::named(name)).collect()
}

fn change(
    kinesis: &Kinesis,
    stream: &StreamInfo,
    change: impl FnOnce(&BTreeSet<ShardMetric>) -> BTreeSet<ShardMetric>,
) -> Result<EnhancedMonitoringOutput, Fault> {
    let before = kinesis.monitoring.of(stream);
    let after = change(&before);
    if after != before {
        kinesis.monitoring.set(stream, after.clone())?;
    }
    Ok(EnhancedMonitoringOutput {
        stream_name: Some(Text::from(&*stream.key.name)),
        stream_arn: Some(describe::arn(&stream.key)),
        current_shard_level_metrics: Some(describe::metric_names(&before)),
        desired_shard_level_metrics: Some(describe::metric_names(&after)),
    })
}
