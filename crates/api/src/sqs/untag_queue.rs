//! UntagQueue: takes tags away; those that are not there are passed over.

use super::Door;
use crate::http::Caller;
use crate::models::sqs::UntagQueueRequest;
use crate::wire::Fault;

pub fn call(door: &Door, caller: &Caller, input: UntagQueueRequest) -> Result<(), Fault> {
    let names: Vec<String> = input.tag_keys.iter().map(|name| name.to_string()).collect();
    Ok(door.queues.untag(&door.key(caller, &input.queue_url)?, &names)?)
}
