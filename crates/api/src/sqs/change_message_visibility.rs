//! ChangeMessageVisibility: for how long from now on a received message stays hidden.

use super::{Door, seconds};
use crate::http::Caller;
use crate::models::sqs::ChangeMessageVisibilityRequest;
use crate::wire::Fault;
use millrace_queue::VISIBILITY_SECS_MAX;

pub async fn call(door: &Door, caller: &Caller, input: ChangeMessageVisibilityRequest) -> Result<(), Fault> {
    let key = door.existing(caller, &input.queue_url)?;
    let secs = seconds(Some(input.visibility_timeout), "VisibilityTimeout", VISIBILITY_SECS_MAX)?;
    let change = (input.receipt_handle.to_string(), secs.unwrap_or_default());
    let outcomes = door.queues.change_visibility(&key, vec![change]).await?;
    outcomes.into_iter().try_for_each(|outcome| outcome.map_err(Fault::from))
}
