//! ListQueueTags: all tags of a queue.

use super::{Door, map};
use crate::http::Caller;
use crate::models::sqs::{ListQueueTagsRequest, ListQueueTagsResult};
use crate::wire::Fault;

pub fn call(door: &Door, caller: &Caller, input: ListQueueTagsRequest) -> Result<ListQueueTagsResult, Fault> {
    let info = door.queues.queue(&door.key(caller, &input.queue_url)?)?;
    Ok(ListQueueTagsResult { tags: Some(map(info.tags.clone())).filter(|tags| !tags.is_empty()) })
}
