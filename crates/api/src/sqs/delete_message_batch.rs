//! DeleteMessageBatch: up to ten messages in one commit; each has its own outcome.

use super::Door;
use super::batch::{self, BatchResult};
use crate::http::Caller;
use crate::models::sqs::DeleteMessageBatchRequest;
use crate::wire::Fault;

pub async fn call(door: &Door, caller: &Caller, input: DeleteMessageBatchRequest) -> Result<BatchResult, Fault> {
    let key = door.existing(caller, &input.queue_url)?;
    batch::check("DeleteMessageBatch", input.entries.iter().map(|entry| &entry.id))?;
    let (ids, handles): (Vec<_>, Vec<_>) =
        input.entries.into_iter().map(|entry| (entry.id, entry.receipt_handle.to_string())).unzip();
    let outcomes = door.queues.delete(&key, handles).await?;
    Ok(batch::result(ids.into_iter().zip(outcomes)))
}
