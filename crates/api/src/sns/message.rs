//! Messages of the wire as the room of topics takes them.

use crate::models::sns::{MessageAttributeValue, PublishBatchRequestEntry, PublishInput, faults};
use crate::wire::{Fault, Text};
use bytes::Bytes;
use millrace_queue::sns::NewNotification;
use millrace_queue::sqs::{AttributeValue, MessageAttribute};
use std::collections::BTreeMap;

/// A message that is published alone.
pub fn of_input(input: PublishInput) -> Result<NewNotification, Fault> {
    of_entry(PublishBatchRequestEntry {
        id: Text::default(),
        message: input.message,
        subject: input.subject,
        message_structure: input.message_structure,
        message_attributes: input.message_attributes,
        message_deduplication_id: input.message_deduplication_id,
        message_group_id: input.message_group_id,
    })
}

/// A message of a batch.
pub fn of_entry(entry: PublishBatchRequestEntry) -> Result<NewNotification, Fault> {
    let per_protocol = match entry.message_structure.as_deref() {
        None | Some("") => false,
        Some("json") => true,
        Some(_) => {
            return Err(faults::INVALID_PARAMETER_EXCEPTION.because("Invalid parameter: MessageStructure"));
        }
    };
    Ok(NewNotification {
        message: entry.message.to_string(),
        per_protocol,
        subject: entry.subject.map(|subject| subject.to_string()),
        attributes: attributes(entry.message_attributes.unwrap_or_default()),
        group_id: entry.message_group_id.map(|id| id.to_string()),
        deduplication_id: entry.message_deduplication_id.map(|id| id.to_string()),
    })
}

fn attributes(attributes: BTreeMap<Text, MessageAttributeValue>) -> Vec<MessageAttribute> {
    let attribute = |(name, value): (Text, MessageAttributeValue)| {
        let data_type = value.data_type.to_string();
        let text = value.string_value.map(|text| Bytes::from(text.to_string()));
        let value = match (value.binary_value, text) {
            (Some(bytes), _) => AttributeValue::Binary(bytes),
            (None, Some(text)) => AttributeValue::Text(text),
            // Refused with the rule that it breaks.
            (None, None) => AttributeValue::Text(Bytes::new()),
        };
        MessageAttribute { name: name.to_string(), data_type, value }
    };
    attributes.into_iter().map(attribute).collect()
}
