//! PutRecord: one record, acknowledged when it is on disk.

use super::observer::Put;
use super::put_records::checked_record;
use super::{Kinesis, faults};
use crate::http::{Call, Reply, Stopwatch};
use crate::models::kinesis::{PutRecordInput, PutRecordOutput};
use crate::wire::{Fault, kinds};
use millrace_base::{Millis, SequenceNumber};
use millrace_log::StreamKey;

pub async fn call(kinesis: &Kinesis, call: Call) -> Result<Reply, Fault> {
    kinesis.log.room().await;
    let watch = Stopwatch::start();
    let input: PutRecordInput = call.input()?;
    let stream = kinesis.stream(&call.caller, input.stream_name.as_ref(), input.stream_arn.as_ref())?;
    kinesis.check_key(&stream)?;
    let PutRecordInput { partition_key, explicit_hash_key, data, .. } = input;
    let record = checked_record(partition_key, explicit_hash_key, data, stream.spec.record_kib_max, str::to_owned)?;
    if let Some(number) = &input.sequence_number_for_ordering {
        check_ordering(&stream.key, number, kinesis.clock.now())?;
    }
    if input.dry_run == Some(true) {
        return Err(faults::dry_run());
    }
    let mut put = Put {
        stream: &stream.key,
        is_batch: false,
        records: 1,
        bytes: record.data.len() + record.partition_key.len(),
        placed: &[],
        throttled: 0,
        failed: 0,
        took_ms: 0.0,
        correlation: call.correlation,
    };
    let (mut records, unlike) = kinesis.conforming(&stream, vec![record]).await?;
    if let Some(refusal) = unlike.into_values().next() {
        (put.failed, put.took_ms) = (1, watch.ms());
        kinesis.observer.put(&put);
        return Err(kinds::INVALID_ARGUMENT.because(refusal.message));
    }
    if let Some((_, refusal)) = kinesis.throttle(&stream, &mut records).pop_first() {
        (put.throttled, put.took_ms) = (1, watch.ms());
        kinesis.observer.put(&put);
        return Err(kinds::PROVISIONED_THROUGHPUT.because(refusal.message));
    }
    let appended = kinesis.log.append(&stream.key, records, None).await;
    put.took_ms = watch.ms();
    match &appended {
        Ok(placed) => put.placed = placed,
        Err(_) => put.failed = 1,
    }
    kinesis.observer.put(&put);
    let placed = appended.map_err(faults::of_log)?;
    let placed = placed.first().ok_or_else(|| kinds::INTERNAL_FAILURE.because("The log placed no record."))?;
    let output = PutRecordOutput {
        shard_id: placed.shard.to_string().into(),
        sequence_number: placed.sequence.to_string().into(),
        encryption_type: kinesis.encryption_type(&stream),
    };
    Ok(call.output(&output))
}

/// A number of the past asks for nothing: whatever is written now comes after it. One of the future cannot be kept.
fn check_ordering(key: &StreamKey, text: &str, now: Millis) -> Result<(), Fault> {
    let past = |number: SequenceNumber| number.arrival_secs as Millis <= now.div_euclid(1000);
    if text == "0" || text.parse().is_ok_and(past) {
        return Ok(());
    }
    let StreamKey { scope, name } = key;
    Err(kinds::INVALID_ARGUMENT.because(format!(
        "ExclusiveMinimumSequenceNumber {text} used in PutRecord on stream {name} under account {} is invalid.",
        scope.account
    )))
}
