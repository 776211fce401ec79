//! PutRecordBatch: up to 500 records, durable when they are acknowledged.

use super::Firehose;
use crate::http::Call;
use crate::models::firehose::{PutRecordBatchInput, PutRecordBatchOutput, PutRecordBatchResponseEntry};
use crate::wire::{Fault, Text};

pub async fn call(firehose: &Firehose, call: Call) -> Result<Vec<u8>, Fault> {
    let input: PutRecordBatchInput = call.format.decode(call.body)?;
    let records: Vec<_> = input.records.into_iter().map(|record| record.data).collect();
    let ids = firehose.deliveries.put_record_batch(&call.caller.scope, &input.delivery_stream_name, records).await?;
    let entry = |id| PutRecordBatchResponseEntry { record_id: Some(Text::from(id)), ..Default::default() };
    Ok(call.format.encode(&PutRecordBatchOutput {
        failed_put_count: 0,
        encrypted: Some(false),
        request_responses: ids.into_iter().map(entry).collect(),
    }))
}
