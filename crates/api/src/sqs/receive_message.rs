//! ReceiveMessage: up to ten messages; a long poll is woken by the send.

use super::batch::some;
use super::message::attribute_value;
use super::{Door, seconds};
use crate::http::Caller;
use crate::models::sqs::{Message, ReceiveMessageRequest, ReceiveMessageResult};
use crate::wire::{Fault, Text};
use millrace_queue::{Delivered, QueueError, ReceiveOptions, VISIBILITY_SECS_MAX, hex, md5_of_attributes};

/// AWS's quotas.
const MESSAGES_MAX: i32 = 10;
const WAIT_SECS_MAX: u32 = 20;

/// Which attributes the caller wants.
struct Wanted {
    system: Vec<Text>,
    message: Vec<Text>,
}

pub async fn call(door: &Door, caller: &Caller, input: ReceiveMessageRequest) -> Result<ReceiveMessageResult, Fault> {
    let key = door.key(caller, &input.queue_url)?;
    let max = input.max_number_of_messages.unwrap_or(1);
    if !(1..=MESSAGES_MAX).contains(&max) {
        let reason = "Must be between 1 and 10, if provided.";
        return Err(QueueError::invalid(max, "MaxNumberOfMessages", reason).into());
    }
    let options = ReceiveOptions {
        max: max.unsigned_abs() as usize,
        visibility: seconds(input.visibility_timeout, "VisibilityTimeout", VISIBILITY_SECS_MAX)?,
        wait: seconds(input.wait_time_seconds, "WaitTimeSeconds", WAIT_SECS_MAX)?,
        attempt_id: input.receive_request_attempt_id.map(|id| id.to_string()),
    };
    let mut system = input.attribute_names.unwrap_or_default();
    system.extend(input.message_system_attribute_names.unwrap_or_default());
    let wanted = Wanted { system, message: input.message_attribute_names.unwrap_or_default() };
    let messages = door.queues.receive(&key, options).await?;
    Ok(ReceiveMessageResult { messages: some(messages.into_iter().map(|message| wanted.message(message)).collect()) })
}

impl Wanted {
    fn message(&self, message: Delivered) -> Message {
        let chosen = || message.attributes.iter().filter(|attribute| self.wants(&attribute.name));
        let attributes = chosen().map(|attribute| (attribute.name.as_str().into(), attribute_value(attribute)));
        let system = message.system.list().into_iter().filter(|(name, _)| self.wants_system(name));
        Message {
            // Of those that are sent along, so that SDKs can verify it.
            md5_of_message_attributes: md5_of_attributes(chosen()).map(|md5| hex(&md5).into()),
            message_attributes: Some(attributes.collect())
                .filter(|map: &std::collections::BTreeMap<_, _>| !map.is_empty()),
            attributes: Some(system.map(|(name, value)| (Text::from_static(name), value.into())).collect())
                .filter(|map: &std::collections::BTreeMap<_, _>| !map.is_empty()),
            message_id: Some(message.message_id.into()),
            receipt_handle: Some(message.receipt_handle.into()),
            md5_of_body: Some(message.md5_of_body.into()),
            body: Text::from_utf8(message.body),
        }
    }

    fn wants_system(&self, name: &str) -> bool {
        self.system.iter().any(|wanted| matches!(&**wanted, "All") || **wanted == *name)
    }

    /// By name, by `prefix.*`, or all.
    fn wants(&self, name: &str) -> bool {
        self.message.iter().any(|wanted| match &**wanted {
            "All" | ".*" => true,
            wanted => wanted == name || wanted.strip_suffix(".*").is_some_and(|prefix| name.starts_with(prefix)),
        })
    }
}
