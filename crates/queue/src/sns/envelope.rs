//! What subscribers get: AWS's JSON around a message, for queues and HTTP endpoints, and the event for functions.
//!
//! AWS signs its envelopes; these carry no `SignatureVersion`, `Signature` and `SigningCertURL`, because a signature that
//! nobody can verify would be worse than none.

use crate::sqs::{AttributeValue, MessageAttribute};
use millrace_base::{Millis, calendar};
use serde_json::{Map, Value, json};

/// A message on its way to one subscription.
#[derive(Debug, Clone)]
pub(super) struct Notification<'a> {
    pub(super) message_id: &'a str,
    pub(super) topic_arn: &'a str,
    pub(super) subscription_arn: &'a str,
    pub(super) subject: Option<&'a str>,
    pub(super) message: &'a str,
    pub(super) published: Millis,
    /// FIFO only.
    pub(super) sequence_number: Option<&'a str>,
    pub(super) attributes: &'a [MessageAttribute],
    pub(super) unsubscribe_url: &'a str,
}

impl Notification<'_> {
    /// For queues and HTTP endpoints, in AWS's layout: one member a line.
    pub(super) fn envelope(&self) -> String {
        let mut members = vec![("Type", text(NOTIFICATION)), ("MessageId", text(self.message_id))];
        members.extend(self.sequence_number.map(|number| ("SequenceNumber", text(number))));
        members.push(("TopicArn", text(self.topic_arn)));
        members.extend(self.subject.map(|subject| ("Subject", text(subject))));
        members.push(("Message", text(self.message)));
        members.push(("Timestamp", text(&calendar::timestamp(self.published, "Z"))));
        members.push(("UnsubscribeURL", text(self.unsubscribe_url)));
        if !self.attributes.is_empty() {
            let attribute = |a: &MessageAttribute| format!("    {} : {}", text(&a.name), attribute_value(a));
            let attributes: Vec<String> = self.attributes.iter().map(attribute).collect();
            members.push(("MessageAttributes", format!("{{\n{}\n  }}", attributes.join(",\n"))));
        }
        lines(&members)
    }

    /// For functions.
    pub(super) fn event(&self) -> String {
        let attributes: Map<String, Value> =
            self.attributes.iter().map(|a| (a.name.clone(), attribute_value(a))).collect();
        json!({"Records": [{
            "EventSource": "aws:sns",
            "EventVersion": "1.0",
            "EventSubscriptionArn": self.subscription_arn,
            "Sns": {
                "Type": "Notification",
                "MessageId": self.message_id,
                "TopicArn": self.topic_arn,
                "Subject": self.subject,
                "Message": self.message,
                "Timestamp": calendar::timestamp(self.published, "Z"),
                "UnsubscribeUrl": self.unsubscribe_url,
                "MessageAttributes": attributes,
            },
        }]})
        .to_string()
    }
}

/// The question to an HTTP endpoint whether it wants a subscription.
pub(super) struct Confirmation<'a> {
    pub(super) message_id: &'a str,
    pub(super) topic_arn: &'a str,
    pub(super) token: &'a str,
    pub(super) subscribe_url: &'a str,
    pub(super) at: Millis,
}

impl Confirmation<'_> {
    pub(super) fn envelope(&self) -> String {
        let message = format!(
            "You have chosen to subscribe to the topic {}.\nTo confirm the subscription, visit the SubscribeURL included in \
             this message.",
            self.topic_arn
        );
        lines(&[
            ("Type", text(SUBSCRIPTION_CONFIRMATION)),
            ("MessageId", text(self.message_id)),
            ("Token", text(self.token)),
            ("TopicArn", text(self.topic_arn)),
            ("Message", text(&message)),
            ("SubscribeURL", text(self.subscribe_url)),
            ("Timestamp", text(&calendar::timestamp(self.at, "Z"))),
        ])
    }
}

pub(super) const NOTIFICATION: &str = "Notification";
pub(super) const SUBSCRIPTION_CONFIRMATION: &str = "SubscriptionConfirmation";

fn lines(members: &[(&str, String)]) -> String {
    let members: Vec<String> = members.iter().map(|(name, value)| format!("  \"{name}\" : {value}")).collect();
    format!("{{\n{}\n}}", members.join(",\n"))
}

fn text(text: &str) -> String {
    Value::from(text).to_string()
}

fn attribute_value(attribute: &MessageAttribute) -> Value {
    let value = match &attribute.value {
        AttributeValue::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        AttributeValue::Binary(bytes) => base64_simd::STANDARD.encode_to_string(bytes),
    };
    json!({"Type": attribute.data_type, "Value": value})
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn an_envelope_has_aws_s_members_in_aws_s_order() {
        let attributes = [
            MessageAttribute {
                name: "store".into(),
                data_type: "String".into(),
                value: AttributeValue::Text(Bytes::from_static(b"a\"b")),
            },
            MessageAttribute {
                name: "raw".into(),
                data_type: "Binary".into(),
                value: AttributeValue::Binary(Bytes::from_static(&[0, 255])),
            },
        ];
        let notification = Notification {
            message_id: "22b80b92",
            topic_arn: "arn:aws:sns:us-west-2:123456789012:MyTopic",
            subscription_arn: "arn:aws:sns:us-west-2:123456789012:MyTopic:c9135db0",
            subject: Some("My First Message"),
            message: "Hello\nworld!",
            published: 1_335_920_046_655,
            sequence_number: None,
            attributes: &attributes,
            unsubscribe_url: "http://localhost:4566/?Action=Unsubscribe",
        };
        let expected = r#"{
  "Type" : "Notification",
  "MessageId" : "22b80b92",
  "TopicArn" : "arn:aws:sns:us-west-2:123456789012:MyTopic",
  "Subject" : "My First Message",
  "Message" : "Hello\nworld!",
  "Timestamp" : "2012-05-02T00:54:06.655Z",
  "UnsubscribeURL" : "http://localhost:4566/?Action=Unsubscribe",
  "MessageAttributes" : {
    "store" : {"Type":"String","Value":"a\"b"},
    "raw" : {"Type":"Binary","Value":"AP8="}
  }
}"#;
        assert_eq!(notification.envelope(), expected);
        let event: Value = serde_json::from_str(&notification.event()).unwrap();
        let record = &event["Records"][0];
        assert_eq!(record["EventSubscriptionArn"], "arn:aws:sns:us-west-2:123456789012:MyTopic:c9135db0");
        assert_eq!(record["Sns"]["MessageAttributes"]["raw"], json!({"Type": "Binary", "Value": "AP8="}));
        assert_eq!(record["Sns"]["Subject"], "My First Message");
    }
}
