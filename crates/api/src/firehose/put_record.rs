//! PutRecord: one record, durable when it is acknowledged.

use super::Firehose;
use crate::http::{Call, Reply};
use crate::models::firehose::{PutRecordInput, PutRecordOutput};
use crate::wire::{Fault, kinds};

pub async fn call(firehose: &Firehose, call: Call) -> Result<Reply, Fault> {
    let input: PutRecordInput = call.input()?;
    let puts = firehose.put(&call, &input.delivery_stream_name, vec![input.record.data], false).await?;
    let id = puts.record_ids().next().ok_or_else(|| kinds::SERVICE_UNAVAILABLE.because("The log placed no record."))?;
    Ok(call.output(&PutRecordOutput { record_id: id.into(), encrypted: Some(false) }))
}
