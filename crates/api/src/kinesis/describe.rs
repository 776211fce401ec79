//! The parts of a description that several operations give.

use crate::models::kinesis::{EnhancedMetrics, HashKeyRange, SequenceNumberRange, Shard, StreamModeDetails};
use crate::wire::Text;
use millrace_base::SequenceNumber;
use millrace_log::{self as log, HashRange, StreamInfo, StreamKey, StreamMode};

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

/// No shard-level metric is ever on.
pub fn monitoring() -> Vec<EnhancedMetrics> {
    vec![EnhancedMetrics { shard_level_metrics: Some(Vec::new()) }]
}

/// How many shards take records.
pub fn open_shards(stream: &StreamInfo) -> i32 {
    stream.shards.iter().filter(|shard| shard.closed.is_none()).count() as i32
}

pub fn hash_range(range: &HashRange) -> HashKeyRange {
    HashKeyRange { starting_hash_key: range.start.to_string().into(), ending_hash_key: range.end.to_string().into() }
}

/// The number before which the shard has no record.
pub fn starting_sequence_number(shard: &log::Shard) -> SequenceNumber {
    let created = shard.created_secs;
    SequenceNumber { shard_created_secs: created, shard: shard.id, index: 0, arrival_secs: created }
}

pub fn shard(shard: &log::Shard) -> Shard {
    let ending = shard.closed.map(|closed| SequenceNumber {
        index: SequenceNumber::INDEX_END,
        arrival_secs: closed.at_secs,
        ..starting_sequence_number(shard)
    });
    Shard {
        shard_id: shard.id.to_string().into(),
        parent_shard_id: shard.parent.map(|id| id.to_string().into()),
        adjacent_parent_shard_id: shard.adjacent_parent.map(|id| id.to_string().into()),
        hash_key_range: hash_range(&shard.range),
        sequence_number_range: SequenceNumberRange {
            starting_sequence_number: starting_sequence_number(shard).to_string().into(),
            ending_sequence_number: ending.map(|number| number.to_string().into()),
        },
    }
}
