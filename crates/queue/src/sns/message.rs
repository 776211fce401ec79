//! Messages as they are published, and the rules that they keep.

use super::TopicError;
use super::topic::Topic;
use crate::sqs::{AttributeValue, MessageAttribute};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// What a message with its attributes may have, and a batch, unless the topic's `MaximumMessageSize` says otherwise.
pub const MESSAGE_BYTES_DEFAULT: usize = 256 * 1024;
/// AWS's quota.
const SUBJECT_CHARS_MAX: usize = 100;
/// AWS's quota on group ids and deduplication ids.
const ID_CHARS_MAX: usize = 128;

/// A message to be published.
#[derive(Debug, Clone, Default)]
pub struct NewNotification {
    /// The text, or with `per_protocol` a JSON object of texts by protocol, one of them `default`.
    pub message: String,
    /// `MessageStructure` is `json`.
    pub per_protocol: bool,
    /// For e-mail, kept in the envelope.
    pub subject: Option<String>,
    /// The publisher's attributes.
    pub attributes: Vec<MessageAttribute>,
    /// FIFO: messages of one group are delivered in order.
    pub group_id: Option<String>,
    /// FIFO: a second message with the same id within five minutes is not delivered.
    pub deduplication_id: Option<String>,
}

impl NewNotification {
    /// What counts against the quota.
    pub fn size(&self) -> usize {
        let attributes = self.attributes.iter().map(|a| a.name.len() + a.data_type.len() + a.value.bytes().len());
        self.message.len() + attributes.sum::<usize>()
    }

    /// Whether `topic` takes this message; with its texts by protocol when it has such.
    pub(super) fn check(&self, topic: &Topic) -> Result<Option<Map<String, Value>>, TopicError> {
        if self.message.is_empty() {
            return Err(TopicError::invalid("Empty message"));
        }
        if self.size() > topic.message_bytes_max() {
            return Err(TopicError::invalid("Message too long"));
        }
        if let Some(subject) = &self.subject {
            check_subject(subject)?;
        }
        self.attributes.iter().try_for_each(check_attribute)?;
        self.check_kind(topic)?;
        if self.per_protocol { texts(&self.message).map(Some) } else { Ok(None) }
    }

    fn check_kind(&self, topic: &Topic) -> Result<(), TopicError> {
        if let Some(group) = &self.group_id {
            check_id("MessageGroupId", group)?;
        }
        if let Some(id) = &self.deduplication_id {
            check_id("MessageDeduplicationId", id)?;
        }
        if !topic.key.is_fifo() {
            return match &self.deduplication_id {
                Some(_) => Err(TopicError::invalid(
                    "MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not \
                     valid for this topic type",
                )),
                None => Ok(()),
            };
        }
        if self.group_id.is_none() {
            return Err(TopicError::invalid("The MessageGroupId parameter is required for FIFO topics"));
        }
        if self.deduplication_id.is_none() && !topic.content_based_deduplication() {
            return Err(TopicError::invalid(
                "The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided \
                 explicitly",
            ));
        }
        Ok(())
    }

    /// FIFO: the id that was given, else one made of the message.
    pub(super) fn deduplication_id(&self) -> String {
        self.deduplication_id.clone().unwrap_or_else(|| {
            Sha256::digest(self.message.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
        })
    }
}

fn texts(message: &str) -> Result<Map<String, Value>, TopicError> {
    let texts: Map<String, Value> = serde_json::from_str(message)
        .map_err(|_| TopicError::invalid("Message Structure - JSON message body failed to parse"))?;
    if !texts.get("default").is_some_and(Value::is_string) {
        return Err(TopicError::invalid("Message Structure - No default entry in JSON message body"));
    }
    Ok(texts)
}

fn check_subject(subject: &str) -> Result<(), TopicError> {
    let count = subject.chars().count();
    let fits = (1..=SUBJECT_CHARS_MAX).contains(&count) && !subject.chars().any(char::is_control);
    if fits { Ok(()) } else { Err(TopicError::invalid("Subject")) }
}

fn check_id(parameter: &str, id: &str) -> Result<(), TopicError> {
    let fits = (1..=ID_CHARS_MAX).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic());
    if fits {
        return Ok(());
    }
    Err(TopicError::invalid(format!(
        "{parameter} Reason: {parameter} can only include alphanumeric and punctuation characters. 1 to {ID_CHARS_MAX} in \
         length"
    )))
}

fn check_attribute(attribute: &MessageAttribute) -> Result<(), TopicError> {
    let MessageAttribute { name, data_type, value } = attribute;
    let base = data_type.split('.').next().unwrap_or_default();
    let wrong = |what: String| Err(TopicError::InvalidParameterValue(what));
    if name.is_empty() {
        return wrong("The request must contain non-empty message attribute names.".into());
    }
    if !matches!(base, "String" | "Number" | "Binary") {
        return wrong(format!(
            "The message attribute '{name}' has an invalid message attribute type, the set of supported type prefixes is \
             Binary, Number, and String."
        ));
    }
    let is_binary = matches!(value, AttributeValue::Binary(_));
    if value.bytes().is_empty() || is_binary != (base == "Binary") {
        return wrong(format!(
            "The message attribute '{name}' must contain non-empty message attribute value for message attribute type \
             '{data_type}'."
        ));
    }
    let number = || std::str::from_utf8(value.bytes()).is_ok_and(|text| text.trim().parse::<f64>().is_ok());
    if base == "Number" && !number() {
        return wrong(format!("Could not cast message attribute '{name}' value to number."));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::topic::TopicKey;
    use super::*;
    use bytes::Bytes;
    use millrace_base::Scope;
    use std::collections::BTreeMap;

    fn topic(name: &str, attributes: &[(&str, &str)]) -> Topic {
        let given = attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Topic::new(TopicKey::new(&Scope::default(), name), &given, BTreeMap::new()).unwrap()
    }

    fn refused(topic: &Topic, notification: &NewNotification) -> String {
        notification.check(topic).unwrap_err().to_string()
    }

    #[test]
    fn messages_keep_the_rules_of_the_topic() {
        let message = NewNotification { message: "x".into(), ..Default::default() };
        let plain = topic("t", &[]);
        assert!(message.check(&plain).is_ok());
        assert_eq!(refused(&plain, &NewNotification::default()), "Invalid parameter: Empty message");
        let long = NewNotification { message: "x".repeat(MESSAGE_BYTES_DEFAULT + 1), ..Default::default() };
        assert_eq!(refused(&plain, &long), "Invalid parameter: Message too long");
        assert!(long.check(&topic("t", &[("MaximumMessageSize", "1048576")])).is_ok());
        let subject = NewNotification { subject: Some("a\nb".into()), ..message.clone() };
        assert_eq!(refused(&plain, &subject), "Invalid parameter: Subject");
        let twice = NewNotification { deduplication_id: Some("1".into()), ..message.clone() };
        assert!(refused(&plain, &twice).contains("not valid for this topic type"));

        let fifo = topic("t.fifo", &[("FifoTopic", "true")]);
        assert!(refused(&fifo, &message).contains("MessageGroupId parameter is required"));
        let grouped = NewNotification { group_id: Some("g".into()), ..message.clone() };
        assert!(refused(&fifo, &grouped).contains("ContentBasedDeduplication enabled"));
        let content = topic("t.fifo", &[("FifoTopic", "true"), ("ContentBasedDeduplication", "true")]);
        assert!(grouped.check(&content).is_ok());
        assert_eq!(grouped.deduplication_id().len(), 64);
    }

    #[test]
    fn a_structured_message_has_a_default() {
        let plain = topic("t", &[]);
        let of = |text: &str| NewNotification { message: text.into(), per_protocol: true, ..Default::default() };
        assert!(refused(&plain, &of("text")).ends_with("JSON message body failed to parse"));
        assert!(refused(&plain, &of(r#"{"sqs": "x"}"#)).ends_with("No default entry in JSON message body"));
        assert!(of(r#"{"default": "x", "sqs": "y"}"#).check(&plain).unwrap().is_some());
    }

    #[test]
    fn attributes_have_types_and_values() {
        let plain = topic("t", &[]);
        let with = |data_type: &str, value: AttributeValue| {
            let attribute = MessageAttribute { name: "a".into(), data_type: data_type.into(), value };
            let all = NewNotification { message: "x".into(), attributes: vec![attribute], ..Default::default() };
            all.check(&plain).map(|_| ()).map_err(|error| error.to_string())
        };
        let text = |text: &'static str| AttributeValue::Text(Bytes::from_static(text.as_bytes()));
        assert!(with("String.Array", text("[]")).is_ok());
        assert!(with("Number", text("1e3")).is_ok());
        assert!(with("Number", text("many")).unwrap_err().starts_with("Could not cast"));
        assert!(with("Text", text("x")).unwrap_err().contains("supported type prefixes"));
        assert!(with("String", text("")).unwrap_err().contains("must contain non-empty"));
        assert!(with("Binary", text("x")).is_err());
    }
}
