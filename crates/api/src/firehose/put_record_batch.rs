//! PutRecordBatch: up to 500 records, durable when they are acknowledged.

use super::Firehose;
use crate::http::{Call, Reply};
use crate::models::firehose::{PutRecordBatchInput, PutRecordBatchOutput, PutRecordBatchResponseEntry};
use crate::wire::{Fault, Text};

pub async fn call(firehose: &Firehose, call: Call) -> Result<Reply, Fault> {
    let input: PutRecordBatchInput = call.input()?;
    let records: Vec<_> = input.records.into_iter().map(|record| record.data).collect();
    let puts = firehose.put(&call, &input.delivery_stream_name, records, true).await?;
    let entry = |id| PutRecordBatchResponseEntry { record_id: Some(Text::from(id)), ..Default::default() };
    Ok(call.output(&PutRecordBatchOutput {
        failed_put_count: 0,
        encrypted: Some(false),
        request_responses: puts.record_ids().map(entry).collect(),
    }))
}
