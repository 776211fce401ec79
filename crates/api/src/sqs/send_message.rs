//! SendMessage: durable when the call returns.

use super::Door;
use super::message::Parts;
use crate::http::Caller;
use crate::models::sqs::{SendMessageRequest, SendMessageResult};
use crate::wire::{Fault, kinds};

pub async fn call(door: &Door, caller: &Caller, input: SendMessageRequest) -> Result<SendMessageResult, Fault> {
    let key = door.existing(caller, &input.queue_url)?;
    let parts = Parts {
        body: input.message_body,
        delay_seconds: input.delay_seconds,
        attributes: input.message_attributes,
        system_attributes: input.message_system_attributes,
        deduplication_id: input.message_deduplication_id,
        group_id: input.message_group_id,
    };
    let sent = door.queues.send(&key, vec![parts.message(caller)?]).await?.into_iter().next();
    let sent = sent.ok_or_else(|| kinds::INTERNAL_FAILURE.because("a message was sent and not told of"))?;
    Ok(SendMessageResult {
        md5_of_message_body: Some(sent.md5_of_body.into()),
        md5_of_message_attributes: sent.md5_of_attributes.map(Into::into),
        md5_of_message_system_attributes: sent.md5_of_system_attributes.map(Into::into),
        message_id: Some(sent.message_id.into()),
        sequence_number: sent.sequence_number.map(Into::into),
    })
}
