//! CreateQueue: one that is there with the same attributes is fine.

use super::{Door, check_policy, texts};
use crate::http::Caller;
use crate::models::sqs::{CreateQueueRequest, CreateQueueResult};
use crate::wire::Fault;
use millrace_queue::QueueKey;

pub fn call(door: &Door, caller: &Caller, input: CreateQueueRequest) -> Result<CreateQueueResult, Fault> {
    let key = QueueKey::new(&caller.scope, &input.queue_name);
    let (attributes, tags) = (input.attributes.unwrap_or_default(), input.tags.unwrap_or_default());
    let attributes = texts(attributes);
    check_policy(&attributes)?;
    door.queues.create(&key, &attributes, &texts(tags))?;
    Ok(CreateQueueResult { queue_url: Some(door.url(&key)) })
}
