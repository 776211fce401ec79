//! ChangeMessageVisibilityBatch: up to ten messages; each has its own outcome.

use super::Door;
use super::batch::{self, BatchResult};
use crate::http::Caller;
use crate::models::sqs::ChangeMessageVisibilityBatchRequest;
use crate::wire::Fault;

pub async fn call(
    door: &Door,
    caller: &Caller,
    input: ChangeMessageVisibilityBatchRequest,
) -> Result<BatchResult, Fault> {
    let key = door.existing(caller, &input.queue_url)?;
    batch::check("ChangeMessageVisibilityBatch", input.entries.iter().map(|entry| &entry.id))?;
    let (ids, changes): (Vec<_>, Vec<_>) = input
        .entries
        .into_iter()
        .map(|entry| {
            // What is negative is refused like what is too large.
            let secs = u32::try_from(entry.visibility_timeout.unwrap_or_default()).unwrap_or(u32::MAX);
            (entry.id, (entry.receipt_handle.to_string(), secs))
        })
        .unzip();
    let outcomes = door.queues.change_visibility(&key, changes).await?;
    Ok(batch::result(ids.into_iter().zip(outcomes)))
}
