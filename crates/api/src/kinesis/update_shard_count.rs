//! UpdateShardCount: splits and merges until the ranges are uniform. Done, and the stream ACTIVE again, when the call returns.

use super::{Kinesis, describe, faults};
use crate::http::Caller;
use crate::models::kinesis::{UpdateShardCountInput, UpdateShardCountOutput};
use crate::wire::{Fault, Text, kinds};

pub fn call(kinesis: &Kinesis, caller: &Caller, input: UpdateShardCountInput) -> Result<UpdateShardCountOutput, Fault> {
    // The model's rule lets only UNIFORM_SCALING through, and counts from 1.
    let stream = kinesis.stream(caller, input.stream_name.as_ref(), input.stream_arn.as_ref())?;
    faults::provisioned(&stream)?;
    let (now, target) = (stream.spec.shard_count, input.target_shard_count.unsigned_abs());
    let refused = |what: &str| {
        let counts = format!("Current open shard count: {now} Target shard count: {target}");
        kinds::INVALID_ARGUMENT
            .because(format!("UpdateShardCount cannot scale {what} your current open shard count. {counts}"))
    };
    if target > now.saturating_mul(2) {
        return Err(refused("up over double"));
    }
    if target < now.div_ceil(2) {
        return Err(refused("down below half"));
    }
    faults::room_for_shards(target)?;
    kinesis.log.set_shard_count(&stream.key, target).map_err(faults::of_log)?;
    Ok(UpdateShardCountOutput {
        stream_name: Some(Text::from(&*stream.key.name)),
        current_shard_count: Some(now as i32),
        target_shard_count: Some(target as i32),
        stream_arn: Some(describe::arn(&stream.key)),
    })
}
