//! Amazon SQS over [`Queues`]: one file per operation, named as AWS names it.

mod add_permission;
mod batch;
mod cancel_message_move_task;
mod change_message_visibility;
mod change_message_visibility_batch;
mod create_queue;
mod delete_message;
mod delete_message_batch;
mod delete_queue;
mod faults;
mod get_queue_attributes;
mod get_queue_url;
mod list_dead_letter_source_queues;
mod list_message_move_tasks;
mod list_queue_tags;
mod list_queues;
mod message;
mod page;
mod purge_queue;
mod receive_message;
mod remove_permission;
mod send_message;
mod send_message_batch;
mod set_queue_attributes;
mod start_message_move_task;
mod tag_queue;
mod untag_queue;

use crate::http::{Call, Caller, Reply, Service, awaited, blocking};
use crate::models::sqs::MODEL;
use crate::wire::{Fault, Model, Text};
use async_trait::async_trait;
use millrace_access::{DocumentKind, IdentityError, check_document};
use millrace_base::{Arn, Scope};
use millrace_queue::{QueueError, QueueKey, Queues};
use std::collections::BTreeMap;

/// The service. Cheap to clone.
#[derive(Clone)]
pub struct Sqs {
    queues: Queues,
}

/// The service as one caller reached it.
#[derive(Clone)]
struct Door {
    queues: Queues,
    /// What queue URLs begin with.
    endpoint: String,
}

impl Sqs {
    /// The service over `queues`.
    pub fn new(queues: Queues) -> Self {
        Self { queues }
    }
}

#[async_trait]
impl Service for Sqs {
    fn model(&self) -> &'static Model {
        &MODEL
    }

    fn reword(&self, fault: Fault) -> Fault {
        faults::reword(fault)
    }

    async fn call(&self, call: Call) -> Result<Reply, Fault> {
        let door = &Door { queues: self.queues.clone(), endpoint: call.endpoint.clone() };
        let caller = &call.caller;
        match call.operation.as_str() {
            "SendMessage" => awaited(&call, |input| send_message::call(door, caller, input)).await,
            "SendMessageBatch" => awaited(&call, |input| send_message_batch::call(door, caller, input)).await,
            "ReceiveMessage" => awaited(&call, |input| receive_message::call(door, caller, input)).await,
            "DeleteMessage" => awaited(&call, |input| delete_message::call(door, caller, input)).await,
            "DeleteMessageBatch" => awaited(&call, |input| delete_message_batch::call(door, caller, input)).await,
            "ChangeMessageVisibility" => {
                awaited(&call, |input| change_message_visibility::call(door, caller, input)).await
            }
            "ChangeMessageVisibilityBatch" => {
                awaited(&call, |input| change_message_visibility_batch::call(door, caller, input)).await
            }
            "PurgeQueue" => awaited(&call, |input| purge_queue::call(door, caller, input)).await,
            _ => define(door, call).await,
        }
    }
}

/// Operations on queues, not on messages.
async fn define(door: &Door, call: Call) -> Result<Reply, Fault> {
    match call.operation.as_str() {
        "AddPermission" => blocking(door, call, add_permission::call).await,
        "CancelMessageMoveTask" => blocking(door, call, cancel_message_move_task::call).await,
        "CreateQueue" => blocking(door, call, create_queue::call).await,
        "DeleteQueue" => blocking(door, call, delete_queue::call).await,
        "GetQueueAttributes" => blocking(door, call, get_queue_attributes::call).await,
        "GetQueueUrl" => blocking(door, call, get_queue_url::call).await,
        "ListDeadLetterSourceQueues" => blocking(door, call, list_dead_letter_source_queues::call).await,
        "ListMessageMoveTasks" => blocking(door, call, list_message_move_tasks::call).await,
        "ListQueueTags" => blocking(door, call, list_queue_tags::call).await,
        "ListQueues" => blocking(door, call, list_queues::call).await,
        "RemovePermission" => blocking(door, call, remove_permission::call).await,
        "SetQueueAttributes" => blocking(door, call, set_queue_attributes::call).await,
        "StartMessageMoveTask" => blocking(door, call, start_message_move_task::call).await,
        "TagQueue" => blocking(door, call, tag_queue::call).await,
        "UntagQueue" => blocking(door, call, untag_queue::call).await,
        _ => Err(call.unsupported("sqs")),
    }
}

impl Door {
    /// `http://HOST/ACCOUNT/NAME`.
    fn url(&self, key: &QueueKey) -> Text {
        format!("{}/{}/{}", self.endpoint, key.scope.account, key.name).into()
    }

    /// The queue that a URL names. Whatever host it has: the account and the name decide; the region is the caller's.
    fn key(&self, caller: &Caller, url: &str) -> Result<QueueKey, Fault> {
        let path = url.split_once("://").map_or(url, |(_, rest)| rest);
        let mut parts = path.trim_end_matches('/').rsplit('/');
        let (name, account) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let is_account = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
        if !is_account || name.is_empty() {
            return Err(faults::bad_address(url));
        }
        Ok(QueueKey::new(&Scope::new(account, &caller.scope.region), name))
    }

    /// The queue that a URL names, which has to be there.
    fn existing(&self, caller: &Caller, url: &str) -> Result<QueueKey, Fault> {
        let key = self.key(caller, url)?;
        self.queues.queue(&key)?;
        Ok(key)
    }
}

/// The queue of an ARN that a move task names.
fn key_of_arn(arn: &str, parameter: &str) -> Result<QueueKey, Fault> {
    let parsed: Option<Arn> = arn.parse().ok();
    let key = parsed.and_then(|arn| QueueKey::of_arn(&arn));
    let invalid = || {
        QueueError::InvalidParameter(format!(
            "You must use this format to specify the {parameter}: arn:<partition>:<service>:<region>:<account-id>:<resource-id>"
        ))
    };
    key.ok_or_else(|| Fault::from(invalid()))
}

/// Refuses attributes with a policy that could not be evaluated; an empty one takes the policy away.
fn check_policy(attributes: &BTreeMap<String, String>) -> Result<(), Fault> {
    let Some(policy) = attributes.get("Policy").filter(|policy| !policy.is_empty()) else { return Ok(()) };
    let bad = |error: IdentityError| QueueError::invalid(policy, "Policy", error.to_string());
    Ok(check_document(policy, DocumentKind::Resource).map_err(bad)?)
}

fn texts(map: BTreeMap<Text, Text>) -> BTreeMap<String, String> {
    map.into_iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

fn map(texts: BTreeMap<String, String>) -> BTreeMap<Text, Text> {
    texts.into_iter().map(|(name, value)| (name.into(), value.into())).collect()
}

/// A number of seconds that may not be negative.
fn seconds(value: Option<i32>, parameter: &str, max: u32) -> Result<Option<u32>, Fault> {
    let Some(value) = value else { return Ok(None) };
    let secs = u32::try_from(value).ok().filter(|secs| *secs <= max);
    let refuse = || QueueError::invalid(value, parameter, format!("Must be >= 0 and <= {max}, if provided."));
    secs.map(Some).ok_or_else(|| Fault::from(refuse()))
}
