//! MergeShards: one shard takes over from two whose ranges meet. Done, and the stream ACTIVE again, when the call returns.

use super::{Kinesis, faults};
use crate::http::Caller;
use crate::models::kinesis::MergeShardsInput;
use crate::wire::{Fault, kinds};

pub fn call(kinesis: &Kinesis, caller: &Caller, input: MergeShardsInput) -> Result<(), Fault> {
    let stream = kinesis.stream(caller, input.stream_name.as_ref(), input.stream_arn.as_ref())?;
    let first = kinesis.shard(&stream, &input.shard_to_merge)?;
    let second = kinesis.shard(&stream, &input.adjacent_shard_to_merge)?;
    faults::provisioned(&stream)?;
    if first.range.end.checked_add(1) != Some(second.range.start) {
        return Err(kinds::INVALID_ARGUMENT.because(format!(
            "Shards {} and {} in stream {} under account {} are not an adjacent pair of shards eligible for merging",
            first.id, second.id, stream.key.name, stream.key.scope.account
        )));
    }
    if let Some(closed) = [first, second].into_iter().find(|shard| shard.closed.is_some()) {
        return Err(faults::not_eligible(&stream.key, closed.id));
    }
    kinesis.log.merge_shards(&stream.key, first.id, second.id).map_err(faults::of_log)?;
    Ok(())
}
