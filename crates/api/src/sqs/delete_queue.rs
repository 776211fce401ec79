//! DeleteQueue: gone, with its messages, when the call returns.

use super::Door;
use crate::http::Caller;
use crate::models::sqs::DeleteQueueRequest;
use crate::wire::Fault;

pub fn call(door: &Door, caller: &Caller, input: DeleteQueueRequest) -> Result<(), Fault> {
    Ok(door.queues.delete_queue(&door.key(caller, &input.queue_url)?)?)
}
