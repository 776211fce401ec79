//! SendMessageBatch: up to ten messages in one commit; each has its own outcome.

use super::Door;
use super::batch::{self, SendBatchResult, some};
use super::message::Parts;
use crate::http::Caller;
use crate::models::sqs::{SendMessageBatchRequest, SendMessageBatchRequestEntry, SendMessageBatchResultEntry, faults};
use crate::wire::{Fault, Text};
use millrace_queue::{MESSAGE_BYTES_MAX, NewMessage, QueueInfo, Sent};

pub async fn call(door: &Door, caller: &Caller, input: SendMessageBatchRequest) -> Result<SendBatchResult, Fault> {
    let key = door.existing(caller, &input.queue_url)?;
    batch::check("SendMessageBatch", input.entries.iter().map(|entry| &entry.id))?;
    let info = door.queues.queue(&key)?;
    let (mut ids, mut messages, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    let mut bytes = 0;
    for entry in input.entries {
        let id = entry.id.clone();
        bytes += entry.message_body.byte_len();
        match message(entry, caller, &info) {
            Ok(message) => {
                bytes += message.size() - message.body.len();
                ids.push(id);
                messages.push(message);
            }
            Err(fault) => failed.push(batch::failure(id, fault)),
        }
    }
    if bytes > MESSAGE_BYTES_MAX {
        let message =
            format!("Batch requests cannot be longer than {MESSAGE_BYTES_MAX} bytes. You have sent {bytes} bytes.");
        return Err(faults::BATCH_REQUEST_TOO_LONG.because(message));
    }
    let sent = if messages.is_empty() { Vec::new() } else { door.queues.send(&key, messages).await? };
    let successful = ids.into_iter().zip(sent).map(entry).collect();
    Ok(SendBatchResult { successful: some(successful), failed: some(failed) })
}

fn message(entry: SendMessageBatchRequestEntry, caller: &Caller, info: &QueueInfo) -> Result<NewMessage, Fault> {
    let parts = Parts {
        body: entry.message_body,
        delay_seconds: entry.delay_seconds,
        attributes: entry.message_attributes,
        system_attributes: entry.message_system_attributes,
        deduplication_id: entry.message_deduplication_id,
        group_id: entry.message_group_id,
    };
    let message = parts.message(caller)?;
    message.check(info)?;
    Ok(message)
}

fn entry((id, sent): (Text, Sent)) -> SendMessageBatchResultEntry {
    SendMessageBatchResultEntry {
        id,
        message_id: sent.message_id.into(),
        md5_of_message_body: sent.md5_of_body.into(),
        md5_of_message_attributes: sent.md5_of_attributes.map(Into::into),
        md5_of_message_system_attributes: sent.md5_of_system_attributes.map(Into::into),
        sequence_number: sent.sequence_number.map(Into::into),
    }
}
