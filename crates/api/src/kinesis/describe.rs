//! The parts of a description that several operations give.

use crate::models::kinesis::{EnhancedMetrics, HashKeyRange, SequenceNumberRange, Shard, StreamModeDetails};
use crate::wire::Text;
use millrace_log::{self as log, HashRange, ShardMetric, StreamInfo, StreamKey, StreamMode};
use std::collections::BTreeSet;

/// Streams are ready as soon as they are created.
pub const ACTIVE: Text = Text::from_static("ACTIVE");

pub fn arn(key: &StreamKey) -> Text {
    key.scope.arn("kinesis", &format!("stream/{}", key.name)).to_string().into()
}

pub fn mode(stream: &StreamInfo) -> StreamModeDetails {
    let mode = match stream.spec.mode {
        StreamMode::Provisioned => "PROVISIONED",
        StreamMode::OnDemand => "ON_DEMAND",
    };
    StreamModeDetails { stream_mode: Text::from_static(mode) }
}

/// The metrics that a stream shows of its shards.
pub fn monitoring(metrics: &BTreeSet<ShardMetric>) -> Vec<EnhancedMetrics> {
    vec![EnhancedMetrics { shard_level_metrics: Some(metric_names(metrics)) }]
}

/// AWS's names of shard metrics.
pub fn metric_names(metrics: &BTreeSet<ShardMetric>) -> Vec<Text> {
    metrics.iter().map(|metric| Text::from_static(metric.name())).collect()
}

/// How many shards take records.
pub fn open_shards(stream: &StreamInfo) -> i32 {
    stream.shards.iter().filter(|shard| shard.closed.is_none()).count() as i32
}

pub fn hash_range(range: &HashRange) -> HashKeyRange {
    HashKeyRange { starting_hash_key: range.start.to_string().into(), ending_hash_key: range.end.to_string().into() }
}

pub fn shard(shard: &log::Shard) -> Shard {
    Shard {
        shard_id: shard.id.to_string().into(),
        parent_shard_id: shard.parent.map(|id| id.to_string().into()),
        adjacent_parent_shard_id: shard.adjacent_parent.map(|id| id.to_string().into()),
        hash_key_range: hash_range(&shard.range),
        sequence_number_range: SequenceNumberRange {
            starting_sequence_number: shard.starting_number().to_string().into(),
            ending_sequence_number: shard.ending_number().map(|number| number.to_string().into()),
        },
    }
}
