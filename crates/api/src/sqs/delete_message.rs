//! DeleteMessage: durable when the call returns; a message that is gone already is fine.

use super::Door;
use crate::http::Caller;
use crate::models::sqs::DeleteMessageRequest;
use crate::wire::Fault;

pub async fn call(door: &Door, caller: &Caller, input: DeleteMessageRequest) -> Result<(), Fault> {
    let key = door.key(caller, &input.queue_url)?;
    let outcomes = door.queues.delete(&key, vec![input.receipt_handle.to_string()]).await?;
    outcomes.into_iter().try_for_each(|outcome| outcome.map_err(Fault::from))
}
