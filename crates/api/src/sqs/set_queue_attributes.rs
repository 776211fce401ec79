//! SetQueueAttributes: takes effect at once.

use super::{Door, texts};
use crate::http::Caller;
use crate::models::sqs::SetQueueAttributesRequest;
use crate::wire::Fault;

pub fn call(door: &Door, caller: &Caller, input: SetQueueAttributesRequest) -> Result<(), Fault> {
    let key = door.key(caller, &input.queue_url)?;
    Ok(door.queues.set_attributes(&key, &texts(input.attributes))?)
}
