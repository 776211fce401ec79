//! CancelMessageMoveTask: what was moved stays moved.

use super::Door;
use crate::http::Caller;
use crate::models::sqs::{CancelMessageMoveTaskRequest, CancelMessageMoveTaskResult};
use crate::wire::Fault;

pub fn call(
    door: &Door,
    caller: &Caller,
    input: CancelMessageMoveTaskRequest,
) -> Result<CancelMessageMoveTaskResult, Fault> {
    let moved = door.queues.cancel_move(&caller.scope, &input.task_handle)?;
    Ok(CancelMessageMoveTaskResult { approximate_number_of_messages_moved: i64::try_from(moved).ok() })
}
