//! PutRecords: up to 500 records, acknowledged when all of them are on disk.
//!
//! The whole way of a batch: its body is read once, texts are slices of it, blobs are slices of one decoded buffer, the log
//! takes both as they are.

use super::observer::Put;
use super::quota::Refusal;
use super::{Kinesis, contract, faults};
use crate::http::{Call, Reply, Stopwatch};
use crate::models::kinesis::{PutRecordsInput, PutRecordsOutput, PutRecordsRequestEntry, PutRecordsResultEntry};
use crate::wire::{Fault, Text, kinds};
use bytes::Bytes;
use millrace_base::{Remedy, ShardId};
use millrace_log::{NewRecord, Placed};
use std::collections::BTreeMap;

/// AWS's ceiling for all data and partition keys of one request.
const REQUEST_BYTES_MAX: usize = 10 * 1024 * 1024;

pub async fn call(kinesis: &Kinesis, call: Call) -> Result<Reply, Fault> {
    kinesis.log.room().await;
    let watch = Stopwatch::start();
    let input: PutRecordsInput = call.input()?;
    let stream = kinesis.stream(&call.caller, input.stream_name.as_ref(), input.stream_arn.as_ref())?;
    kinesis.check_key(&stream)?;
    let mut records = Vec::with_capacity(input.records.len());
    let mut bytes = 0;
    for (place, entry) in input.records.into_iter().enumerate() {
        let record = new_record(entry, place, stream.spec.record_kib_max)?;
        bytes += record.data.len() + record.partition_key.len();
        records.push(record);
    }
    if bytes > REQUEST_BYTES_MAX {
        let message = format!("Records' total data + partition key payload exceeds {REQUEST_BYTES_MAX} bytes");
        return Err(kinds::INVALID_ARGUMENT.because(message));
    }
    if input.dry_run == Some(true) {
        return Err(faults::dry_run());
    }
    let count = records.len();
    let (mut records, unlike) = kinesis.conforming(&stream, records).await?;
    let throttled = kinesis.throttle(&stream, &mut records);
    let mut put = Put {
        stream: &stream.key,
        is_batch: true,
        records: count,
        bytes,
        placed: &[],
        throttled: throttled.len(),
        failed: unlike.len(),
        took_ms: 0.0,
        correlation: call.correlation,
    };
    let refused = contract::merged(unlike, throttled);
    // Appending nothing would still wait for a sync.
    let appended =
        if records.is_empty() { Ok(Vec::new()) } else { kinesis.log.append(&stream.key, records, None).await };
    put.took_ms = watch.ms();
    let output = match &appended {
        Ok(placed) => {
            put.placed = placed;
            all_placed(placed)
        }
        Err(error) => {
            put.failed = count - put.throttled;
            none_placed(count - refused.len(), &error.to_string())
        }
    };
    kinesis.observer.put(&put);
    match appended {
        // Nothing was kept, and the same records may be sent again: AWS says that record by record.
        Err(error) if error.remedy() != Remedy::Retry => Err(faults::of_log(error)),
        _ => {
            let output = PutRecordsOutput { encryption_type: kinesis.encryption_type(&stream), ..output };
            Ok(call.output(&with_refused(output, refused)))
        }
    }
}

/// Puts the records that were not tried back into their places.
fn with_refused(output: PutRecordsOutput, refused: BTreeMap<usize, Refusal>) -> PutRecordsOutput {
    if refused.is_empty() {
        return output;
    }
    let failed = output.failed_record_count.unwrap_or(0) + refused.len() as i32;
    let count = output.records.len() + refused.len();
    let (mut tried, mut refused) = (output.records.into_iter(), refused.into_iter().peekable());
    let records = (0..count).filter_map(|place| match refused.next_if(|(refused, _)| *refused == place) {
        Some((_, Refusal { code, message })) => Some(PutRecordsResultEntry {
            error_code: Some(Text::from_static(code)),
            error_message: Some(message.into()),
            ..Default::default()
        }),
        None => tried.next(),
    });
    PutRecordsOutput { failed_record_count: Some(failed), records: records.collect(), ..output }
}

fn new_record(entry: PutRecordsRequestEntry, place: usize, kib_max: u32) -> Result<NewRecord, Fault> {
    let PutRecordsRequestEntry { data, explicit_hash_key, partition_key } = entry;
    checked_record(partition_key, explicit_hash_key, data, kib_max, |member| {
        format!("records.{}.member.{member}", place + 1)
    })
}

/// A record that the log can take; `name` makes a member's place in the request.
pub fn checked_record(
    partition_key: Option<Text>,
    explicit_hash_key: Option<Text>,
    data: Bytes,
    kib_max: u32,
    name: impl Fn(&str) -> String,
) -> Result<NewRecord, Fault> {
    let partition_key = partition_key.ok_or_else(|| faults::missing(&name("partitionKey")))?.into_bytes();
    let explicit_hash = match explicit_hash_key {
        // The model's pattern lets digits through only, so what does not parse is too large.
        Some(text) => Some(text.parse().map_err(|_| faults::bad_explicit_hash_key(&text))?),
        None => None,
    };
    let bytes = data.len() + partition_key.len();
    if bytes > kib_max as usize * 1024 {
        return Err(faults::record_too_large(&name("data"), bytes, kib_max));
    }
    Ok(NewRecord { partition_key, explicit_hash, data })
}

fn all_placed(placed: &[Placed]) -> PutRecordsOutput {
    // A batch touches few shards, so their ids are written once.
    let mut ids: Vec<(ShardId, Text)> = Vec::new();
    let entry = |Placed { shard, sequence }: &Placed| {
        let known = ids.iter().find(|(id, _)| id == shard).map(|(_, text)| text.clone());
        let shard_id = known.unwrap_or_else(|| {
            let text = Text::from(shard.to_string());
            ids.push((*shard, text.clone()));
            text
        });
        PutRecordsResultEntry {
            sequence_number: Some(sequence.to_string().into()),
            shard_id: Some(shard_id),
            ..Default::default()
        }
    };
    PutRecordsOutput {
        failed_record_count: Some(0),
        records: placed.iter().map(entry).collect(),
        encryption_type: None,
    }
}

fn none_placed(count: usize, why: &str) -> PutRecordsOutput {
    let entry = PutRecordsResultEntry {
        error_code: Some(Text::from_static("InternalFailure")),
        error_message: Some(why.into()),
        ..Default::default()
    };
    PutRecordsOutput {
        failed_record_count: i32::try_from(count).ok(),
        records: vec![entry; count],
        encryption_type: None,
    }
}
