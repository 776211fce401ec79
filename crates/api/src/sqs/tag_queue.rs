//! TagQueue: adds tags, or changes their values.

use super::{Door, texts};
use crate::http::Caller;
use crate::models::sqs::TagQueueRequest;
use crate::wire::Fault;

pub fn call(door: &Door, caller: &Caller, input: TagQueueRequest) -> Result<(), Fault> {
    Ok(door.queues.tag(&door.key(caller, &input.queue_url)?, &texts(input.tags))?)
}
