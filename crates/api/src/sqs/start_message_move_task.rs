//! StartMessageMoveTask: a dead-letter queue's messages go back to where they came from, or to one other queue.

use super::{Door, key_of_arn};
use crate::http::Caller;
use crate::models::sqs::{StartMessageMoveTaskRequest, StartMessageMoveTaskResult, faults};
use crate::wire::Fault;

pub fn call(
    door: &Door,
    caller: &Caller,
    input: StartMessageMoveTaskRequest,
) -> Result<StartMessageMoveTaskResult, Fault> {
    let source = key_of_arn(&input.source_arn, "SourceArn")?;
    if source.scope != caller.scope || door.queues.queue(&source).is_err() {
        let message = "The resource that you specified for the SourceArn parameter doesn't exist.";
        return Err(faults::RESOURCE_NOT_FOUND_EXCEPTION.because(message));
    }
    let destination = input.destination_arn.map(|arn| key_of_arn(&arn, "DestinationArn")).transpose()?;
    // A negative rate is refused like one of 0.
    let rate = input.max_number_of_messages_per_second.map(|rate| u32::try_from(rate).unwrap_or(0));
    let handle = door.queues.start_move(&source, destination.as_ref(), rate)?;
    Ok(StartMessageMoveTaskResult { task_handle: Some(handle.into()) })
}
