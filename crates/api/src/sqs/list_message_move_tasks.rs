//! ListMessageMoveTasks: a dead-letter queue's tasks, the newest first.

use super::{Door, key_of_arn};
use crate::http::Caller;
use crate::models::sqs::{
    ListMessageMoveTasksRequest, ListMessageMoveTasksResult, ListMessageMoveTasksResultEntry, faults,
};
use crate::wire::Fault;
use millrace_queue::{MoveTask, QueueError, TaskStatus};

/// AWS's page.
const TASKS_MAX: i32 = 10;

pub fn call(
    door: &Door,
    caller: &Caller,
    input: ListMessageMoveTasksRequest,
) -> Result<ListMessageMoveTasksResult, Fault> {
    let source = key_of_arn(&input.source_arn, "SourceArn")?;
    let max = input.max_results.unwrap_or(1);
    if !(1..=TASKS_MAX).contains(&max) {
        return Err(QueueError::invalid(max, "MaxResults", "Must be between 1 and 10, if provided.").into());
    }
    let tasks = door.queues.moves(&source).ok().filter(|_| source.scope == caller.scope);
    let tasks = tasks.ok_or_else(|| {
        let message = "The resource that you specified for the SourceArn parameter doesn't exist.";
        faults::RESOURCE_NOT_FOUND_EXCEPTION.because(message)
    })?;
    let results = tasks.into_iter().take(max.unsigned_abs() as usize).map(entry).collect();
    Ok(ListMessageMoveTasksResult { results: Some(results) })
}

fn entry(task: MoveTask) -> ListMessageMoveTasksResultEntry {
    let count = |count: u64| i64::try_from(count).ok();
    ListMessageMoveTasksResultEntry {
        // Only what runs can be cancelled.
        task_handle: Some(task.handle.into()).filter(|_| task.status == TaskStatus::Running),
        status: Some(task.status.text().into()),
        source_arn: Some(task.source.arn().to_string().into()),
        destination_arn: task.destination.map(|key| key.arn().to_string().into()),
        max_number_of_messages_per_second: task.rate.and_then(|rate| i32::try_from(rate).ok()),
        approximate_number_of_messages_moved: count(task.moved),
        approximate_number_of_messages_to_move: count(task.to_move),
        failure_reason: task.failure.map(Into::into),
        started_timestamp: Some(task.started),
    }
}
