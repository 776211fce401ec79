//! Messages as they are sent and as they are delivered, with the digests that SDKs verify.

use crate::sqs::{QueueError, QueueInfo};
use bytes::Bytes;
use md5::{Digest, Md5};
use millrace_base::Millis;

/// The largest message with its attributes: AWS's quota since 2025.
pub const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// AWS's quota.
pub const ATTRIBUTES_MAX: usize = 10;
/// AWS's quota for delays.
pub const DELAY_SECS_MAX: u32 = 900;
/// AWS's quota for group ids and deduplication ids.
const ID_CHARS_MAX: usize = 128;
const NAME_CHARS_MAX: usize = 256;

/// The value of a message attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttributeValue {
    /// UTF-8: types that begin with `String` or `Number`.
    Text(Bytes),
    /// Any bytes: types that begin with `Binary`.
    Binary(Bytes),
}

impl AttributeValue {
    /// The bytes, whichever kind it is.
    pub fn bytes(&self) -> &Bytes {
        match self {
            Self::Text(bytes) | Self::Binary(bytes) => bytes,
        }
    }
}

/// An attribute that a sender gave to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageAttribute {
    /// Its name, unique in the message.
    pub name: String,
    /// `String`, `Number` or `Binary`, perhaps with a label of the sender's own after a dot.
    pub data_type: String,
    /// Its value.
    pub value: AttributeValue,
}

/// A message to be sent.
#[derive(Debug, Clone, Default)]
pub struct NewMessage {
    /// The body: UTF-8, not empty.
    pub body: Bytes,
    /// The sender's attributes.
    pub attributes: Vec<MessageAttribute>,
    /// Hidden for so long; `None`: the queue's own delay.
    pub delay_secs: Option<u32>,
    /// FIFO: messages of one group are delivered in order. Standard: a label.
    pub group_id: Option<String>,
    /// FIFO: a second message with the same id within five minutes is not kept.
    pub deduplication_id: Option<String>,
    /// The X-Ray trace header.
    pub trace_header: Option<String>,
    /// Who sent it, as `SenderId` tells.
    pub sender_id: String,
}

impl NewMessage {
    /// A message with nothing but a body.
    pub fn of(body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), ..Self::default() }
    }

    /// What counts against `MaximumMessageSize`: the body, and the attributes' names, types and values.
    pub fn size(&self) -> usize {
        let attributes = self.attributes.iter().map(|a| a.name.len() + a.data_type.len() + a.value.bytes().len());
        self.body.len() + attributes.sum::<usize>()
    }

    /// Whether `queue` takes this message.
    pub fn check(&self, queue: &QueueInfo) -> Result<(), QueueError> {
        self.check_content(queue.settings.message_bytes_max as usize)?;
        self.attributes.iter().try_for_each(check_attribute)?;
        if let Some(twice) = first_twice(&self.attributes) {
            return Err(QueueError::InvalidParameter(format!(
                "Message (user) attribute name '{twice}' is given more than once."
            )));
        }
        if let Some(delay) = self.delay_secs.filter(|delay| *delay > DELAY_SECS_MAX) {
            return Err(QueueError::invalid(delay, "DelaySeconds", "DelaySeconds must be >= 0 and <= 900."));
        }
        if let Some(group) = &self.group_id {
            check_id("MessageGroupId", group)?;
        }
        if let Some(id) = &self.deduplication_id {
            check_id("MessageDeduplicationId", id)?;
        }
        self.check_kind(queue)
    }

    fn check_content(&self, bytes_max: usize) -> Result<(), QueueError> {
        if self.body.is_empty() {
            return Err(QueueError::MissingParameter("MessageBody"));
        }
        if self.size() > bytes_max {
            let message =
                format!("One or more parameters are invalid. Reason: Message must be shorter than {bytes_max} bytes.");
            return Err(QueueError::InvalidParameter(message));
        }
        let text = std::str::from_utf8(&self.body).map_err(|_| QueueError::InvalidCharacters)?;
        if text.bytes().any(|b| b < 0x20 && !matches!(b, 9 | 10 | 13)) || text.contains(['\u{fffe}', '\u{ffff}']) {
            return Err(QueueError::InvalidCharacters);
        }
        if self.attributes.len() > ATTRIBUTES_MAX {
            let message = format!(
                "Number of message attributes [{}] exceeds the allowed maximum [{ATTRIBUTES_MAX}].",
                self.attributes.len()
            );
            return Err(QueueError::InvalidParameter(message));
        }
        Ok(())
    }

    fn check_kind(&self, queue: &QueueInfo) -> Result<(), QueueError> {
        let foreign = "The request include parameter that is not valid for this queue type";
        let Some(fifo) = &queue.settings.fifo else {
            return match &self.deduplication_id {
                Some(id) => Err(QueueError::invalid(id, "MessageDeduplicationId", foreign)),
                None => Ok(()),
            };
        };
        if self.group_id.is_none() {
            return Err(QueueError::MissingParameter("MessageGroupId"));
        }
        if let Some(delay) = self.delay_secs.filter(|delay| *delay > 0) {
            return Err(QueueError::invalid(delay, "DelaySeconds", foreign));
        }
        if self.deduplication_id.is_none() && !fifo.content_based {
            let message = "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId \
                           provided explicitly";
            return Err(QueueError::InvalidParameter(message.into()));
        }
        Ok(())
    }
}

fn first_twice(attributes: &[MessageAttribute]) -> Option<&str> {
    let twice = attributes.iter().enumerate().find(|(at, a)| attributes[..*at].iter().any(|b| a.name == b.name));
    twice.map(|(_, attribute)| attribute.name.as_str())
}

fn check_id(parameter: &str, id: &str) -> Result<(), QueueError> {
    let fits = (1..=ID_CHARS_MAX).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic());
    if fits {
        return Ok(());
    }
    let reason =
        format!("{parameter} can only include alphanumeric and punctuation characters. 1 to {ID_CHARS_MAX} in length.");
    Err(QueueError::invalid(id, parameter, reason))
}

fn check_attribute(attribute: &MessageAttribute) -> Result<(), QueueError> {
    let MessageAttribute { name, data_type, value } = attribute;
    let wrong = |what: String| Err(QueueError::InvalidParameter(what));
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    if name.is_empty() || name.len() > NAME_CHARS_MAX {
        return wrong(format!("The length of message attribute name '{name}' must be between 1 and 256 characters."));
    }
    let lower = name.to_ascii_lowercase();
    if !name.bytes().all(plain) || name.starts_with('.') || name.ends_with('.') || name.contains("..") {
        return wrong(format!(
            "The message attribute name '{name}' is invalid. Attribute name can contain A-Z, a-z, 0-9, underscore (_), \
             hyphen (-), and period (.) characters."
        ));
    }
    if lower.starts_with("aws.") || lower.starts_with("amazon.") {
        return wrong("You cannot use message attribute names beginning with 'AWS.' or 'Amazon.'.".into());
    }
    let base = data_type.split('.').next().unwrap_or_default();
    let is_binary = matches!(value, AttributeValue::Binary(_));
    if !matches!(base, "String" | "Number" | "Binary") || data_type.len() > NAME_CHARS_MAX {
        return wrong(format!(
            "The message attribute '{name}' has an invalid message attribute type, the set of supported type prefixes is \
             Binary, Number, and String."
        ));
    }
    if value.bytes().is_empty() || is_binary != (base == "Binary") {
        return wrong(format!(
            "The message attribute '{name}' with type '{base}' must use field '{}'.",
            if base == "Binary" { "Binary" } else { "String" }
        ));
    }
    let number = || std::str::from_utf8(value.bytes()).is_ok_and(|text| text.trim().parse::<f64>().is_ok());
    if base == "Number" && !number() {
        return wrong(format!("Can't cast the value of message attribute '{name}' to a number."));
    }
    Ok(())
}

/// What the sender of a message learns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sent {
    /// A UUID.
    pub message_id: String,
    /// MD5 of the body, in hex.
    pub md5_of_body: String,
    /// MD5 of the attributes, in hex, when there are any.
    pub md5_of_attributes: Option<String>,
    /// MD5 of the system attributes (the trace header), in hex, when there are any.
    pub md5_of_system_attributes: Option<String>,
    /// FIFO: twenty digits that grow within the queue.
    pub sequence_number: Option<String>,
    /// True when it was sent before, within five minutes, and not kept again.
    pub is_duplicate: bool,
}

/// How to receive.
#[derive(Debug, Clone, Default)]
pub struct ReceiveOptions {
    /// At most so many messages, 1 to 10 on AWS; more is fine here.
    pub max: usize,
    /// Hidden from others for so long, in seconds; `None`: the queue's own.
    pub visibility: Option<u32>,
    /// Waits for a message for so long, in seconds; `None`: the queue's own.
    pub wait: Option<u32>,
    /// FIFO: a repeated receive with the same id gets the same messages.
    pub attempt_id: Option<String>,
}

/// A message that was received.
#[derive(Debug, Clone)]
pub struct Delivered {
    /// A UUID; the same at every delivery.
    pub message_id: String,
    /// Names this receive of the message.
    pub receipt_handle: String,
    /// The body.
    pub body: Bytes,
    /// MD5 of the body, in hex.
    pub md5_of_body: String,
    /// The sender's attributes.
    pub attributes: Vec<MessageAttribute>,
    /// What SQS knows of it.
    pub system: SystemAttributes,
}

/// What SQS itself knows of a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SystemAttributes {
    /// When it was sent.
    pub sent: Millis,
    /// How often it was received, this time included.
    pub receive_count: u32,
    /// When it was first received; 0 when it was not.
    pub first_received: Millis,
    /// Who sent it.
    pub sender_id: String,
    /// Its group.
    pub group_id: Option<String>,
    /// FIFO: its deduplication id, given or made of its body.
    pub deduplication_id: Option<String>,
    /// FIFO: its place in the queue.
    pub sequence_number: Option<String>,
    /// The X-Ray trace header.
    pub trace_header: Option<String>,
    /// The ARN of the queue that gave it up.
    pub dead_letter_source: Option<String>,
}

impl SystemAttributes {
    /// Name and value, as AWS writes them.
    pub fn list(&self) -> Vec<(&'static str, String)> {
        let mut list = vec![
            ("SenderId", self.sender_id.clone()),
            ("SentTimestamp", self.sent.to_string()),
            ("ApproximateReceiveCount", self.receive_count.to_string()),
            ("ApproximateFirstReceiveTimestamp", self.first_received.to_string()),
        ];
        let optional = [
            ("MessageGroupId", &self.group_id),
            ("MessageDeduplicationId", &self.deduplication_id),
            ("SequenceNumber", &self.sequence_number),
            ("AWSTraceHeader", &self.trace_header),
            ("DeadLetterQueueSourceArn", &self.dead_letter_source),
        ];
        list.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
        list
    }
}

/// The MD5 of some bytes.
pub fn md5(bytes: &[u8]) -> [u8; 16] {
    Md5::digest(bytes).into()
}

/// The MD5 of message attributes as SDKs compute it: sorted by name; of each the name, the type, the kind of value and the
/// value, with four-byte lengths. `None` when there are none.
pub fn md5_of_attributes<'a>(attributes: impl IntoIterator<Item = &'a MessageAttribute>) -> Option<[u8; 16]> {
    let mut sorted: Vec<&MessageAttribute> = attributes.into_iter().collect();
    if sorted.is_empty() {
        return None;
    }
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    let mut digest = Md5::new();
    let part = |digest: &mut Md5, bytes: &[u8]| {
        digest.update((bytes.len() as u32).to_be_bytes());
        digest.update(bytes);
    };
    for attribute in sorted {
        part(&mut digest, attribute.name.as_bytes());
        part(&mut digest, attribute.data_type.as_bytes());
        digest.update([if matches!(attribute.value, AttributeValue::Binary(_)) { 2 } else { 1 }]);
        part(&mut digest, attribute.value.bytes());
    }
    Some(digest.finalize().into())
}

/// Bytes in lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_that_sdks_compute() {
        // Source: the AWS documentation's example of a body, and botocore's handlers run on these attributes.
        assert_eq!(hex(&md5(b"Hello")), "8b1a9953c4611296a827abf8c47804d7");
        let text = |name: &str, value: &'static str| MessageAttribute {
            name: name.into(),
            data_type: "String".into(),
            value: AttributeValue::Text(Bytes::from_static(value.as_bytes())),
        };
        let both = [text("b", "2"), text("a", "1")];
        let turned = [text("a", "1"), text("b", "2")];
        assert_eq!(md5_of_attributes(&both), md5_of_attributes(&turned));
        assert_eq!(md5_of_attributes(&[]), None);
    }

    #[test]
    fn attributes_are_held_to_their_rules() {
        let attribute = |name: &str, data_type: &str, value: AttributeValue| {
            let (name, data_type) = (name.into(), data_type.into());
            check_attribute(&MessageAttribute { name, data_type, value })
        };
        let text = |value: &'static str| AttributeValue::Text(Bytes::from_static(value.as_bytes()));
        assert!(attribute("ok", "String.json", text("{}")).is_ok());
        assert!(attribute("ok", "Number", text("-1.5e3")).is_ok());
        assert!(attribute("ok", "Number", text("many")).is_err());
        assert!(attribute("AWS.x", "String", text("v")).is_err());
        assert!(attribute("a..b", "String", text("v")).is_err());
        assert!(attribute("a", "Text", text("v")).is_err());
        assert!(attribute("a", "Binary", text("v")).is_err());
        assert!(attribute("a", "String", text("")).is_err());
    }
}
