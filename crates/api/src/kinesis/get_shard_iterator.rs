//! GetShardIterator: an exact position from one of the five ways to name it.

use super::iterator::ShardIterator;
use super::position::Start;
use super::{Kinesis, faults};
use crate::http::Caller;
use crate::models::kinesis::{GetShardIteratorInput, GetShardIteratorOutput};
use crate::wire::Fault;

pub fn call(kinesis: &Kinesis, caller: &Caller, input: GetShardIteratorInput) -> Result<GetShardIteratorOutput, Fault> {
    let start = Start {
        operation: "GetShardIterator",
        kind: &input.shard_iterator_type,
        number: input.starting_sequence_number.as_ref(),
        timestamp: input.timestamp,
    };
    start.check()?;
    let now = kinesis.clock.now();
    let stream = kinesis.stream(caller, input.stream_name.as_ref(), input.stream_arn.as_ref())?;
    let shard = kinesis.shard_to_read(&stream, &input.shard_id)?;
    let index = start.index(kinesis, &stream, shard, now)?;
    if input.dry_run == Some(true) {
        return Err(faults::dry_run());
    }
    let iterator = kinesis.seal_iterator(&ShardIterator::at(&stream, shard.id, index, now));
    Ok(GetShardIteratorOutput { shard_iterator: Some(iterator) })
}
