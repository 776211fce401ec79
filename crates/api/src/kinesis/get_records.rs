//! GetRecords: what is there now, and a fresh iterator behind it.

use super::iterator::ShardIterator;
use super::{Kinesis, describe, faults};
use crate::http::Caller;
use crate::models::kinesis::{ChildShard, GetRecordsInput, GetRecordsOutput, Record};
use crate::wire::{Fault, Text, Timestamp, kinds};
use millrace_base::{Millis, ShardId};
use millrace_log::{self as log, Batch, StreamInfo};

/// AWS's ceilings for one answer.
const RECORDS_MAX: usize = 10_000;
const BYTES_MAX: usize = 10 * 1024 * 1024;

pub fn call(kinesis: &Kinesis, caller: &Caller, input: GetRecordsInput) -> Result<GetRecordsOutput, Fault> {
    let now = kinesis.clock.now();
    let iterator = kinesis.open_iterator(caller, &input.shard_iterator, now)?;
    if let Some(arn) = &input.stream_arn
        && kinesis.key(caller, None, Some(arn))? != iterator.key
    {
        return Err(kinds::INVALID_ARGUMENT.because(format!("The ShardIterator is not one of StreamARN {arn}.")));
    }
    let stream = kinesis.log.stream(&iterator.key).map_err(faults::of_log)?;
    if stream.incarnation != iterator.incarnation {
        return Err(faults::no_stream(&iterator.key));
    }
    if input.dry_run == Some(true) {
        return Err(faults::dry_run());
    }
    let limit = input.limit.map_or(RECORDS_MAX, |limit| limit.unsigned_abs() as usize);
    let mut reader = kinesis.log.reader(&stream.key, iterator.shard, iterator.index).map_err(faults::of_log)?;
    let batch = within_bytes(reader.read(limit, BYTES_MAX).map_err(faults::of_log)?);
    Ok(answer(kinesis, &stream, iterator.shard, batch, now))
}

/// Cuts a batch to AWS's size: the log's own bound is approximate.
fn within_bytes(mut batch: Batch) -> Batch {
    let mut bytes = 0;
    let fits = |record: &log::Record| {
        bytes += record.data.len() + record.partition_key.len();
        bytes <= BYTES_MAX
    };
    // One record always goes, or the reader would never get past it.
    let count = batch
        .records
        .iter()
        .take_while({
            let mut fits = fits;
            move |record| fits(record)
        })
        .count()
        .max(1);
    if count < batch.records.len() {
        batch.next = batch.records[count].index;
        batch.next_arrival = Some(batch.records[count].arrival);
        batch.ended = false;
        batch.records.truncate(count);
    }
    batch
}

fn answer(kinesis: &Kinesis, stream: &StreamInfo, shard: ShardId, batch: Batch, now: Millis) -> GetRecordsOutput {
    let described = stream.shards.iter().find(|other| other.id == shard);
    let millis_behind = batch.next_arrival.map_or(0, |arrival| (now - arrival).max(0));
    let children = children(stream, shard, &batch);
    let next = children.is_none().then(|| kinesis.seal_iterator(&ShardIterator::at(stream, shard, batch.next, now)));
    GetRecordsOutput {
        records: described.map(|shard| records(batch.records, shard)).unwrap_or_default(),
        next_shard_iterator: next,
        millis_behind_latest: Some(millis_behind),
        child_shards: children,
    }
}

/// Records as clients see them.
pub fn records(found: Vec<log::Record>, shard: &log::Shard) -> Vec<Record> {
    let record = |found: log::Record| Record {
        sequence_number: shard.number(found.index, found.arrival).to_string().into(),
        approximate_arrival_timestamp: Some(Timestamp(found.arrival)),
        data: found.data,
        partition_key: Text::from_utf8(found.partition_key),
        encryption_type: None,
    };
    found.into_iter().map(record).collect()
}

/// The children of a shard whose end a batch has reached. Clients take children beside a place to go on from, or neither,
/// for a broken answer: there are children, or there is such a place.
pub fn children(stream: &StreamInfo, parent: ShardId, batch: &Batch) -> Option<Vec<ChildShard>> {
    let of_parent = |shard: &&log::Shard| shard.parent == Some(parent) || shard.adjacent_parent == Some(parent);
    let child = |shard: &log::Shard| ChildShard {
        shard_id: shard.id.to_string().into(),
        parent_shards: shard.parent.iter().chain(&shard.adjacent_parent).map(|id| id.to_string().into()).collect(),
        hash_key_range: describe::hash_range(&shard.range),
    };
    let children: Vec<_> = stream.shards.iter().filter(of_parent).map(child).collect();
    (batch.ended && !children.is_empty()).then_some(children)
}
