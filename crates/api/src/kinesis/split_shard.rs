//! SplitShard: two shards take over from one. Done, and the stream ACTIVE again, when the call returns.

use super::{Kinesis, faults};
use crate::http::Caller;
use crate::models::kinesis::SplitShardInput;
use crate::wire::{Fault, kinds};

pub fn call(kinesis: &Kinesis, caller: &Caller, input: SplitShardInput) -> Result<(), Fault> {
    let stream = kinesis.stream(caller, input.stream_name.as_ref(), input.stream_arn.as_ref())?;
    let shard = kinesis.shard(&stream, &input.shard_to_split)?;
    faults::provisioned(&stream)?;
    let given = &input.new_starting_hash_key;
    let start: Option<u128> = given.parse().ok();
    // AWS leaves each child two hashes at least.
    let inside = |start: &u128| shard.range.start.saturating_add(1) < *start && *start < shard.range.end;
    let (Some(start), None) = (start.filter(inside), shard.closed) else {
        if shard.closed.is_some() {
            return Err(faults::not_eligible(&stream.key, shard.id));
        }
        return Err(kinds::INVALID_ARGUMENT.because(format!(
            "NewStartingHashKey {given} used in SplitShard() on shard {} in stream {} under account {} is not both greater \
             than one plus the shard's StartingHashKey {} and less than the shard's EndingHashKey {}.",
            shard.id, stream.key.name, stream.key.scope.account, shard.range.start, shard.range.end
        )));
    };
    faults::room_for_shards(stream.spec.shard_count.saturating_add(1))?;
    kinesis.log.split_shard(&stream.key, shard.id, start).map_err(faults::of_log)?;
    Ok(())
}
