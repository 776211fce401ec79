//! DescribeStreamSummary: a stream without its shards.

use super::{Kinesis, describe};
use crate::http::Caller;
use crate::models::kinesis::{DescribeStreamSummaryInput, DescribeStreamSummaryOutput, StreamDescriptionSummary};
use crate::wire::{Fault, Text, Timestamp};
use millrace_log::StreamMode;

pub fn call(
    kinesis: &Kinesis,
    caller: &Caller,
    input: DescribeStreamSummaryInput,
) -> Result<DescribeStreamSummaryOutput, Fault> {
    let stream = kinesis.stream(caller, input.stream_name.as_ref(), input.stream_arn.as_ref())?;
    let on_demand = stream.spec.mode == StreamMode::OnDemand;
    let encryption = kinesis.encryption(&stream);
    Ok(DescribeStreamSummaryOutput {
        stream_description_summary: StreamDescriptionSummary {
            stream_name: Text::from(&*stream.key.name),
            stream_arn: describe::arn(&stream.key),
            stream_status: describe::ACTIVE,
            stream_mode_details: Some(describe::mode(&stream)),
            retention_period_hours: stream.spec.retention_hours as i32,
            stream_creation_timestamp: Timestamp(stream.created),
            enhanced_monitoring: describe::monitoring(&kinesis.monitoring.of(&stream)),
            encryption_type: Some(encryption.as_ref().map_or(Text::from_static("NONE"), |(kind, _)| kind.clone())),
            key_id: encryption.map(|(_, key)| key),
            open_shard_count: describe::open_shards(&stream),
            consumer_count: Some(kinesis.consumers.list(&stream)?.len() as i32),
            warm_throughput: None,
            max_record_size_in_kib: Some(stream.spec.record_kib_max as i32),
            // Channels and queues do not exist yet, so there are none.
            channel_count: Some(0),
            record_distribution_strategy: on_demand.then_some(Text::from_static("USER_PARTITION_KEY")),
            queue_count: Some(0),
        },
    })
}
