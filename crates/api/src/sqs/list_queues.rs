//! ListQueues: by name, perhaps only those with a prefix.

use super::batch::some;
use super::{Door, page};
use crate::http::Caller;
use crate::models::sqs::{ListQueuesRequest, ListQueuesResult};
use crate::wire::Fault;

pub fn call(door: &Door, caller: &Caller, input: ListQueuesRequest) -> Result<ListQueuesResult, Fault> {
    let prefix = input.queue_name_prefix.as_deref().unwrap_or_default();
    let mut queues = door.queues.queues(&caller.scope);
    queues.retain(|info| info.key.name.starts_with(prefix));
    let (urls, next_token) = page::urls(door, queues, input.next_token.as_ref(), input.max_results)?;
    Ok(ListQueuesResult { queue_urls: some(urls), next_token })
}
