//! SetQueueAttributes: takes effect at once.

use super::{Door, check_policy, texts};
use crate::http::Caller;
use crate::models::sqs::SetQueueAttributesRequest;
use crate::wire::Fault;

pub fn call(door: &Door, caller: &Caller, input: SetQueueAttributesRequest) -> Result<(), Fault> {
    let key = door.key(caller, &input.queue_url)?;
    let attributes = texts(input.attributes);
    check_policy(&attributes)?;
    Ok(door.queues.set_attributes(&key, &attributes)?)
}
