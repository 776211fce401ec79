//! GetQueueUrl: from a name to a URL.

use super::Door;
use crate::http::Caller;
use crate::models::sqs::{GetQueueUrlRequest, GetQueueUrlResult};
use crate::wire::Fault;
use millrace_base::Scope;
use millrace_queue::QueueKey;

pub fn call(door: &Door, caller: &Caller, input: GetQueueUrlRequest) -> Result<GetQueueUrlResult, Fault> {
    let scope = match &input.queue_owner_aws_account_id {
        Some(account) => Scope::new(account, &caller.scope.region),
        None => caller.scope.clone(),
    };
    let key = QueueKey::new(&scope, &input.queue_name);
    door.queues.queue(&key)?;
    Ok(GetQueueUrlResult { queue_url: Some(door.url(&key)) })
}
