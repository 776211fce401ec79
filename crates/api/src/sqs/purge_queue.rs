//! PurgeQueue: everything in the queue is gone when the call returns; once in a minute.

use super::Door;
use crate::http::Caller;
use crate::models::sqs::PurgeQueueRequest;
use crate::wire::Fault;

pub async fn call(door: &Door, caller: &Caller, input: PurgeQueueRequest) -> Result<(), Fault> {
    Ok(door.queues.purge(&door.key(caller, &input.queue_url)?).await?)
}
