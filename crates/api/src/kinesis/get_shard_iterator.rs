//! GetShardIterator: an exact position from one of the five ways to name it.

use super::iterator::ShardIterator;
use super::{Kinesis, faults};
use crate::http::Caller;
use crate::models::kinesis::{GetShardIteratorInput, GetShardIteratorOutput};
use crate::wire::{Fault, Text, Timestamp, kinds};
use millrace_base::{Millis, SequenceNumber, ShardId};
use millrace_log::{Shard, StreamInfo};

pub fn call(kinesis: &Kinesis, caller: &Caller, input: GetShardIteratorInput) -> Result<GetShardIteratorOutput, Fault> {
    check_start(&input)?;
    let now = kinesis.clock.now();
    let stream = kinesis.stream(caller, input.stream_name.as_ref(), input.stream_arn.as_ref())?;
    let id: ShardId = input.shard_id.parse().map_err(|_| faults::bad_shard_id(&stream.key, &input.shard_id))?;
    let shard = stream.shards.iter().find(|shard| shard.id == id);
    let shard = shard.ok_or_else(|| faults::no_shard(&stream.key, id))?;
    let bounds = || kinesis.log.bounds(&stream.key, id).map_err(faults::of_log);
    let index = match (input.shard_iterator_type.as_str(), &input.starting_sequence_number, input.timestamp) {
        ("TRIM_HORIZON", ..) => bounds()?.trim,
        ("AT_TIMESTAMP", _, Some(Timestamp(time))) => index_at(kinesis, &stream, id, time, now)?,
        ("AT_SEQUENCE_NUMBER", Some(number), _) => index_of(kinesis, &stream, shard, number, Side::At)?,
        ("AFTER_SEQUENCE_NUMBER", Some(number), _) => index_of(kinesis, &stream, shard, number, Side::After)?,
        // LATEST: behind the last record there is now, not at the first read. The rest was checked.
        _ => bounds()?.tail,
    };
    if input.dry_run == Some(true) {
        return Err(faults::dry_run());
    }
    let iterator = kinesis.seal_iterator(&ShardIterator::at(&stream, id, index, now));
    Ok(GetShardIteratorOutput { shard_iterator: Some(iterator) })
}

/// Each type takes its own parameter and no other's.
fn check_start(input: &GetShardIteratorInput) -> Result<(), Fault> {
    let kind = input.shard_iterator_type.as_str();
    let by_number = matches!(kind, "AT_SEQUENCE_NUMBER" | "AFTER_SEQUENCE_NUMBER");
    let given = input.starting_sequence_number.is_some();
    if by_number != given {
        let what = if given { "also a" } else { "no" };
        return Err(kinds::INVALID_ARGUMENT.because(format!(
            "Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and StartingSequenceNumber or (2) \
             TRIM_HORIZON or LATEST and no StartingSequenceNumber. Request specified {kind} and {what} \
             StartingSequenceNumber."
        )));
    }
    if kind == "AT_TIMESTAMP" && input.timestamp.is_none() {
        return Err(kinds::INVALID_ARGUMENT.because(
            "Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. Current request has no timestamp \
             parameter.",
        ));
    }
    Ok(())
}

fn index_at(kinesis: &Kinesis, stream: &StreamInfo, id: ShardId, time: Millis, now: Millis) -> Result<u64, Fault> {
    if time > now {
        return Err(kinds::INVALID_ARGUMENT.because(format!(
            "The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. timestampInMillis: {time}, \
             currentTimestampInMillis: {now}"
        )));
    }
    kinesis.log.index_at(&stream.key, id, time).map_err(faults::of_log)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    At,
    After,
}

/// The index of the first record whose number is not below (`At`) or above (`After`) `text`.
///
/// The number need not be a record's: the shard's starting number and everything else in its range are good too.
fn index_of(kinesis: &Kinesis, stream: &StreamInfo, shard: &Shard, text: &Text, side: Side) -> Result<u64, Fault> {
    let number = sequence_number(stream, shard, text)?;
    let bounds = kinesis.log.bounds(&stream.key, shard.id).map_err(faults::of_log)?;
    if number.index < bounds.trim {
        return Ok(bounds.trim);
    }
    if number.index >= bounds.tail {
        return Ok(bounds.tail);
    }
    let mut reader = kinesis.log.reader(&stream.key, shard.id, number.index).map_err(faults::of_log)?;
    let batch = reader.read(1, 1).map_err(faults::of_log)?;
    let Some(record) = batch.records.first().filter(|record| record.index == number.index) else {
        // Trimmed since the bounds were read.
        return Ok(batch.records.first().map_or(batch.next, |record| record.index));
    };
    let arrival_secs = u64::try_from(record.arrival.div_euclid(1000)).unwrap_or(0);
    let found = SequenceNumber { arrival_secs, ..number };
    let behind = found < number || found == number && side == Side::After;
    Ok(number.index + u64::from(behind))
}

/// The number that `text` is, if it can be one of this shard.
fn sequence_number(stream: &StreamInfo, shard: &Shard, text: &Text) -> Result<SequenceNumber, Fault> {
    let (id, name, account) = (shard.id, &stream.key.name, &stream.key.scope.account);
    let invalid = |why: &str| {
        let used = format!("used in GetShardIterator on shard {id} in stream {name} under account {account}");
        kinds::INVALID_ARGUMENT.because(format!("StartingSequenceNumber {text} {used} is invalid{why}"))
    };
    let number: SequenceNumber = text.parse().map_err(|_| invalid("."))?;
    if number.shard != id {
        return Err(kinds::INVALID_ARGUMENT.because(format!(
            "Invalid StartingSequenceNumber. It encodes {}, while it was used in a call to a shard with {id}",
            number.shard
        )));
    }
    if number.shard_created_secs != shard.created_secs {
        return Err(invalid(" because it did not come from this stream."));
    }
    Ok(number)
}
