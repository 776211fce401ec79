//! GetRecords: what is there now, and a fresh iterator behind it.

use super::iterator::ShardIterator;
use super::observer::Got;
use super::quota::rate_exceeded;
use super::{Kinesis, allow, describe, faults};
use crate::http::{Caller, Stopwatch};
use crate::models::kinesis::{ChildShard, GetRecordsInput, GetRecordsOutput, Record};
use crate::wire::{Fault, Text, Timestamp, kinds};
use millrace_base::{Millis, ShardId};
use millrace_log::{self as log, Batch, StreamInfo};

/// AWS's ceilings for one answer.
const RECORDS_MAX: usize = 10_000;
const BYTES_MAX: usize = 10 * 1024 * 1024;

pub fn call(kinesis: &Kinesis, caller: &Caller, input: GetRecordsInput) -> Result<GetRecordsOutput, Fault> {
    let (now, watch) = (kinesis.clock.now(), Stopwatch::start());
    let iterator = kinesis.open_iterator(caller, &input.shard_iterator, now)?;
    if let Some(arn) = &input.stream_arn
        && kinesis.key(caller, None, Some(arn))? != iterator.key
    {
        return Err(kinds::INVALID_ARGUMENT.because(format!("The ShardIterator is not one of StreamARN {arn}.")));
    }
    allow(caller, "kinesis:GetRecords", &iterator.key)?;
    let stream = kinesis.log.stream(&iterator.key).map_err(faults::of_log)?;
    if stream.incarnation != iterator.incarnation {
        return Err(faults::no_stream(&iterator.key));
    }
    kinesis.check_key(&stream)?;
    if input.dry_run == Some(true) {
        return Err(faults::dry_run());
    }
    let shard = iterator.shard;
    if kinesis.quotas.as_ref().is_some_and(|quotas| !quotas.call(&stream.key, shard, now)) {
        kinesis.observer.read_throttled(&stream.key, shard);
        return Err(kinds::PROVISIONED_THROUGHPUT.because(rate_exceeded(&stream.key, shard)));
    }
    let limit = input.limit.map_or(RECORDS_MAX, |limit| limit.unsigned_abs() as usize);
    let read = || kinesis.log.reader(&stream.key, shard, iterator.index)?.read(limit, BYTES_MAX);
    let found = read();
    let mut got = Got {
        stream: &stream.key,
        shard,
        range: (iterator.index, iterator.index),
        bytes: 0,
        age_ms: 0,
        took_ms: 0.0,
        ok: found.is_ok(),
    };
    let found = found.map(within_bytes);
    if let Ok(batch) = &found {
        got.range = (batch.records.first().map_or(batch.next, |record| record.index), batch.next);
        got.bytes = batch.records.iter().map(|record| record.data.len() + record.partition_key.len()).sum();
        got.age_ms = age(batch, now);
        if let Some(quotas) = &kinesis.quotas {
            quotas.read(&stream.key, shard, got.bytes, now);
        }
    }
    got.took_ms = watch.ms();
    kinesis.observer.got(&got);
    Ok(answer(kinesis, &stream, shard, found.map_err(faults::of_log)?, now))
}

/// The age of a batch's last record, or of what is next when it has none; 0 when nothing is left to be read.
fn age(batch: &Batch, now: Millis) -> Millis {
    let Some(next) = batch.next_arrival else { return 0 };
    let last = batch.records.last().map_or(next, |record| record.arrival);
    (now - last).max(0)
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
    let encryption = kinesis.encryption_type(stream);
    GetRecordsOutput {
        records: described.map(|shard| records(batch.records, shard, encryption)).unwrap_or_default(),
        next_shard_iterator: next,
        millis_behind_latest: Some(millis_behind),
        child_shards: children,
    }
}

/// Records as clients see them.
pub fn records(found: Vec<log::Record>, shard: &log::Shard, encryption: Option<Text>) -> Vec<Record> {
    let record = |found: log::Record| Record {
        sequence_number: shard.number(found.index, found.arrival).to_string().into(),
        approximate_arrival_timestamp: Some(Timestamp(found.arrival)),
        data: found.data,
        partition_key: Text::from_utf8(found.partition_key),
        encryption_type: encryption.clone(),
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
