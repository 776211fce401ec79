//! Messages between the wire and the queues.

use super::seconds;
use crate::http::Caller;
use crate::models::sqs::{MessageAttributeValue, MessageSystemAttributeValue, faults};
use crate::wire::{Fault, Text};
use millrace_queue::{AttributeValue, MessageAttribute, NewMessage, QueueError};
use std::collections::BTreeMap;

/// AWS's quota.
const DELAY_SECS_MAX: u32 = 900;

/// The members that a message has, alone or in a batch.
pub struct Parts {
    pub body: Text,
    pub delay_seconds: Option<i32>,
    pub attributes: Option<BTreeMap<Text, MessageAttributeValue>>,
    pub system_attributes: Option<BTreeMap<Text, MessageSystemAttributeValue>>,
    pub deduplication_id: Option<Text>,
    pub group_id: Option<Text>,
}

impl Parts {
    /// The message as the queue takes it.
    pub fn message(self, caller: &Caller) -> Result<NewMessage, Fault> {
        let attributes = self.attributes.unwrap_or_default().into_iter().map(attribute).collect::<Result<_, _>>()?;
        let trace = self.system_attributes.unwrap_or_default().remove(&Text::from_static("AWSTraceHeader"));
        let trace_header = match trace {
            Some(value) if &*value.data_type == "String" => value.string_value.map(|text| text.to_string()),
            Some(_) => {
                let message = "The message system attribute 'AWSTraceHeader' must be of type String.";
                return Err(QueueError::InvalidParameter(message.into()).into());
            }
            None => None,
        };
        Ok(NewMessage {
            body: self.body.into_bytes(),
            attributes,
            delay_secs: seconds(self.delay_seconds, "DelaySeconds", DELAY_SECS_MAX)?,
            group_id: self.group_id.map(|id| id.to_string()),
            deduplication_id: self.deduplication_id.map(|id| id.to_string()),
            trace_header,
            sender_id: caller.access_key_id.clone(),
        })
    }
}

fn attribute((name, value): (Text, MessageAttributeValue)) -> Result<MessageAttribute, Fault> {
    let MessageAttributeValue { string_value, binary_value, string_list_values, binary_list_values, data_type } = value;
    if string_list_values.is_some_and(|list| !list.is_empty())
        || binary_list_values.is_some_and(|list| !list.is_empty())
    {
        let message = "Message attribute list values in SendMessage operation are not supported.";
        return Err(faults::UNSUPPORTED_OPERATION.because(message));
    }
    let value = match (string_value, binary_value) {
        (Some(text), None) => AttributeValue::Text(text.into_bytes()),
        (None, Some(bytes)) => AttributeValue::Binary(bytes),
        (None, None) => {
            let message = format!("The message attribute '{name}' must contain a non-empty message attribute value.");
            return Err(QueueError::InvalidParameter(message).into());
        }
        (Some(_), Some(_)) => {
            let message = format!("The message attribute '{name}' must have one value, StringValue or BinaryValue.");
            return Err(QueueError::InvalidParameter(message).into());
        }
    };
    Ok(MessageAttribute { name: name.to_string(), data_type: data_type.to_string(), value })
}

/// An attribute as it is told.
pub fn attribute_value(attribute: &MessageAttribute) -> MessageAttributeValue {
    let mut value =
        MessageAttributeValue { data_type: attribute.data_type.as_str().into(), ..MessageAttributeValue::default() };
    match &attribute.value {
        AttributeValue::Text(text) => value.string_value = Text::from_utf8(text.clone()),
        AttributeValue::Binary(bytes) => value.binary_value = Some(bytes.clone()),
    }
    value
}
