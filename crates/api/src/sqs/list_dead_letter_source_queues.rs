//! ListDeadLetterSourceQueues: the queues whose redrive policy names this one.

use super::{Door, page};
use crate::http::Caller;
use crate::models::sqs::{ListDeadLetterSourceQueuesRequest, ListDeadLetterSourceQueuesResult};
use crate::wire::Fault;

pub fn call(
    door: &Door,
    caller: &Caller,
    input: ListDeadLetterSourceQueuesRequest,
) -> Result<ListDeadLetterSourceQueuesResult, Fault> {
    let sources = door.queues.dead_letter_sources(&door.key(caller, &input.queue_url)?)?;
    let (queue_urls, next_token) = page::urls(door, sources, input.next_token.as_ref(), input.max_results)?;
    Ok(ListDeadLetterSourceQueuesResult { queue_urls, next_token })
}
