//! DescribeStream: a stream and one page of its shards.

use super::{Kinesis, describe, faults};
use crate::http::Caller;
use crate::models::kinesis::{DescribeStreamInput, DescribeStreamOutput, StreamDescription};
use crate::wire::{Fault, Text, Timestamp};
use millrace_base::ShardId;

/// AWS's page size, and the most it gives whatever is asked for.
const PAGE_SHARDS: usize = 100;

pub fn call(kinesis: &Kinesis, caller: &Caller, input: DescribeStreamInput) -> Result<DescribeStreamOutput, Fault> {
    let stream = kinesis.stream(caller, input.stream_name.as_ref(), input.stream_arn.as_ref())?;
    let after = input.exclusive_start_shard_id.as_ref().map(|id| id.parse::<ShardId>());
    let after = after.transpose().map_err(|error| faults::bad_shard_id(&stream.key, &error.0))?;
    let page = input.limit.map_or(PAGE_SHARDS, |limit| (limit.unsigned_abs() as usize).min(PAGE_SHARDS));
    let mut rest = stream.shards.iter().filter(|shard| Some(shard.id) > after).peekable();
    let shards = rest.by_ref().take(page).map(describe::shard).collect();
    let encryption = kinesis.encryption(&stream);
    Ok(DescribeStreamOutput {
        stream_description: StreamDescription {
            stream_name: Text::from(&*stream.key.name),
            stream_arn: describe::arn(&stream.key),
            stream_status: describe::ACTIVE,
            stream_mode_details: Some(describe::mode(&stream)),
            shards,
            has_more_shards: rest.peek().is_some(),
            retention_period_hours: stream.spec.retention_hours as i32,
            stream_creation_timestamp: Timestamp(stream.created),
            enhanced_monitoring: describe::monitoring(&kinesis.monitoring.of(&stream)),
            encryption_type: Some(encryption.as_ref().map_or(Text::from_static("NONE"), |(kind, _)| kind.clone())),
            key_id: encryption.map(|(_, key)| key),
        },
    })
}
