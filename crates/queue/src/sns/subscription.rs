//! What a subscription is: who wants a topic's messages, which of them, and how.

use super::filter::{Filter, FilterPolicyScope};
use super::retry::{EffectivePolicy, SubscriptionDeliveryPolicy};
use super::topic::{Topic, TopicKey};
use super::{TopicError, topic};
use crate::sqs::{OUTBOX_ACCOUNT, QueueKey};
use millrace_base::{Arn, Millis, Scope};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// How long an endpoint may take to confirm (SNS developer guide, "Confirm the subscription").
pub const TOKEN_VALID_MS: Millis = 3 * 24 * 3600 * 1000;

/// What kind of endpoint it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// An SQS queue.
    Sqs,
    /// A Lambda function.
    Lambda,
    /// An HTTP endpoint.
    Http,
    /// An HTTPS endpoint.
    Https,
}

impl Protocol {
    /// AWS's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Sqs => "sqs",
            Self::Lambda => "lambda",
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The protocol of AWS's word; those that Millrace does not speak are told from those that nobody speaks.
    pub fn parse(word: &str) -> Result<Self, TopicError> {
        match word {
            "sqs" => Ok(Self::Sqs),
            "lambda" => Ok(Self::Lambda),
            "http" => Ok(Self::Http),
            "https" => Ok(Self::Https),
            "email" | "email-json" | "sms" | "application" | "firehose" => {
                Err(TopicError::Unsupported(format!("the protocol {word}")))
            }
            other => Err(TopicError::invalid(format!("Amazon SNS does not support this protocol string: {other}"))),
        }
    }

    /// True for endpoints that have to say that they want it.
    pub fn has_to_confirm(self) -> bool {
        matches!(self, Self::Http | Self::Https)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A subscription that its endpoint has not confirmed yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// What the endpoint has to give back.
    pub token: String,
    /// When it was asked for.
    pub since: Millis,
}

/// A subscription's definition, as the catalog keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// Its topic.
    pub topic: TopicKey,
    /// A UUID.
    pub id: String,
    /// What kind of endpoint it has.
    pub protocol: Protocol,
    /// The queue's or function's ARN, or the URL.
    pub endpoint: String,
    /// The account that subscribed.
    pub owner: String,
    /// The attributes that were set, in AWS's words.
    pub attributes: BTreeMap<String, String>,
    /// `None` when it is confirmed.
    pub pending: Option<Pending>,
    /// The token that confirmed it, so that confirming twice is no error.
    pub confirmed_with: Option<String>,
    /// Whether only its owner may end it.
    pub authenticated_unsubscribe: bool,
}

impl Subscription {
    /// `arn:aws:sns:REGION:ACCOUNT:TOPIC:ID`.
    pub fn arn(&self) -> String {
        format!("{}:{}", self.topic.arn(), self.id)
    }

    /// Whether the message goes as it is, without an envelope.
    pub fn is_raw(&self) -> bool {
        self.attributes.get("RawMessageDelivery").is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// The queue that is subscribed, if it is one.
    pub fn queue(&self) -> Option<QueueKey> {
        if self.protocol != Protocol::Sqs {
            return None;
        }
        QueueKey::of_arn(&self.endpoint.parse().ok()?)
    }

    /// Where messages wait for an endpoint that is not a queue.
    pub fn outbox(&self) -> QueueKey {
        outbox(&self.topic.scope, &self.id)
    }

    /// Whether two requests ask for the same.
    pub(super) fn is_for(&self, protocol: Protocol, endpoint: &str) -> bool {
        self.protocol == protocol && self.endpoint == endpoint
    }

    /// Sets attributes; an empty value takes one away. What holds together is checked together.
    pub(super) fn set(&mut self, values: &BTreeMap<String, String>) -> Result<(), TopicError> {
        for (name, value) in values {
            check_name(name)?;
            if value.is_empty() {
                self.attributes.remove(name);
            } else {
                self.attributes.insert(name.clone(), value.clone());
            }
        }
        self.check()
    }

    /// Whether its attributes keep their rules, each and together.
    pub(super) fn check(&self) -> Result<(), TopicError> {
        for (name, value) in &self.attributes {
            check_name(name)?;
            match name.as_str() {
                "RawMessageDelivery" => self.check_raw(value)?,
                "DeliveryPolicy" if !self.protocol.has_to_confirm() => {
                    return Err(TopicError::invalid("DeliveryPolicy: only HTTP and HTTPS endpoints have one"));
                }
                "DeliveryPolicy" => drop(SubscriptionDeliveryPolicy::parse(value)?),
                "RedrivePolicy" => drop(self.parse_redrive(value)?),
                _ => {}
            }
        }
        self.filter().map(|_| ())
    }

    fn check_raw(&self, value: &str) -> Result<(), TopicError> {
        let is_truth = value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false");
        if !is_truth {
            return Err(TopicError::invalid(format!(
                "RawMessageDelivery: Invalid value [{value}]. Must be true or false."
            )));
        }
        if self.is_raw() && self.protocol == Protocol::Lambda {
            return Err(TopicError::invalid("RawMessageDelivery: functions get an event, they take no raw messages"));
        }
        Ok(())
    }

    pub(super) fn filter(&self) -> Result<Option<Filter>, TopicError> {
        let attribute = |name: &str| self.attributes.get(name).map(String::as_str).unwrap_or_default();
        let scope = FilterPolicyScope::parse(attribute("FilterPolicyScope"))?;
        Filter::parse(attribute("FilterPolicy"), scope)
    }

    /// Where messages go that cannot be delivered.
    pub(super) fn dead_letter_queue(&self) -> Option<QueueKey> {
        self.attributes.get("RedrivePolicy").and_then(|text| self.parse_redrive(text).ok())
    }

    fn parse_redrive(&self, text: &str) -> Result<QueueKey, TopicError> {
        let wrong = |what: &str| TopicError::invalid(format!("RedrivePolicy: {what}"));
        let policy: Value = serde_json::from_str(text).map_err(|_| wrong("must be a valid JSON object"))?;
        let fields = policy.as_object().ok_or_else(|| wrong("must be a valid JSON object"))?;
        if let Some(other) = fields.keys().find(|name| *name != "deadLetterTargetArn") {
            return Err(wrong(&format!("unexpected member {other}")));
        }
        let arn = policy["deadLetterTargetArn"].as_str().and_then(|text| text.parse().ok());
        let queue: Option<QueueKey> = arn.as_ref().and_then(QueueKey::of_arn);
        let queue = queue.ok_or_else(|| wrong("deadLetterTargetArn is an invalid ARN"))?;
        if queue.is_fifo() != self.queue().is_some_and(|subscribed| subscribed.is_fifo()) {
            return Err(wrong("a FIFO queue's dead-letter queue has to be a FIFO queue, every other's a standard one"));
        }
        Ok(queue)
    }

    /// How an HTTP endpoint is tried.
    pub(super) fn effective_policy(&self, topic: &Topic) -> EffectivePolicy {
        let set = self.attributes.get("DeliveryPolicy");
        let own = set.and_then(|text| SubscriptionDeliveryPolicy::parse(text).ok()).unwrap_or_default();
        own.under(&topic.delivery_policy())
    }

    /// All attributes as `GetSubscriptionAttributes` answers.
    pub(super) fn describe(&self, topic: &Topic) -> BTreeMap<String, String> {
        let mut all = self.attributes.clone();
        let owned = [
            ("SubscriptionArn", self.arn()),
            ("TopicArn", self.topic.arn()),
            ("Owner", self.owner.clone()),
            ("Protocol", self.protocol.to_string()),
            ("Endpoint", self.endpoint.clone()),
            (
                "ConfirmationWasAuthenticated",
                (!self.protocol.has_to_confirm() || self.authenticated_unsubscribe).to_string(),
            ),
            ("PendingConfirmation", self.pending.is_some().to_string()),
            ("RawMessageDelivery", self.is_raw().to_string()),
            ("SubscriptionPrincipal", format!("arn:aws:iam::{}:root", self.owner)),
        ];
        all.extend(owned.map(|(name, value)| (name.to_owned(), value)));
        if all.contains_key("FilterPolicy") {
            all.entry("FilterPolicyScope".into()).or_insert_with(|| "MessageAttributes".into());
        }
        if self.protocol.has_to_confirm() {
            all.insert("EffectiveDeliveryPolicy".into(), self.effective_policy(topic).to_json().to_string());
        }
        all
    }
}

/// The queue under SNS's own account that keeps messages on their way out of `scope`.
pub(super) fn outbox(scope: &Scope, name: &str) -> QueueKey {
    QueueKey::new(&Scope::new(OUTBOX_ACCOUNT, &scope.region), name)
}

/// Splits a subscription's ARN into its topic and its id.
pub fn of_arn(arn: &str) -> Option<(TopicKey, &str)> {
    let (topic, id) = arn.rsplit_once(':')?;
    Some((TopicKey::of_arn(topic)?, id))
}

/// Whether a topic can have this endpoint.
pub(super) fn check_endpoint(topic: &TopicKey, protocol: Protocol, endpoint: &str) -> Result<(), TopicError> {
    let arn = || endpoint.parse::<Arn>().ok();
    match protocol {
        Protocol::Sqs => {
            let queue =
                arn().as_ref().and_then(QueueKey::of_arn).ok_or_else(|| TopicError::invalid("SQS endpoint ARN"))?;
            if queue.is_fifo() && !topic.is_fifo() {
                return Err(TopicError::invalid(
                    "Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics",
                ));
            }
            Ok(())
        }
        _ if topic.is_fifo() => Err(TopicError::invalid(
            "Invalid parameter: Endpoint Reason: only SQS queues can be subscribed to FIFO topics",
        )),
        Protocol::Lambda => {
            let is_function = |arn: Arn| &*arn.service == "lambda" && arn.resource.starts_with("function:");
            if arn().is_some_and(is_function) { Ok(()) } else { Err(TopicError::invalid("Lambda endpoint ARN")) }
        }
        Protocol::Http | Protocol::Https => {
            let host = endpoint.strip_prefix(protocol.word()).and_then(|rest| rest.strip_prefix("://"));
            if host.is_some_and(|host| !host.is_empty() && !host.starts_with('/')) {
                return Ok(());
            }
            Err(TopicError::invalid("Endpoint must match the specified protocol"))
        }
    }
}

/// Whether a subscription of a protocol could have these attributes, whatever its endpoint will be.
pub fn check_subscription(protocol: &str, attributes: &BTreeMap<String, String>) -> Result<(), TopicError> {
    let protocol = Protocol::parse(protocol)?;
    // Which kind of dead-letter queue fits depends on the endpoint.
    let mut attributes = attributes.clone();
    attributes.remove("RedrivePolicy");
    let stand_in = Subscription {
        topic: TopicKey::new(&Scope::default(), "pending"),
        id: String::new(),
        protocol,
        endpoint: String::new(),
        owner: String::new(),
        attributes,
        pending: None,
        confirmed_with: None,
        authenticated_unsubscribe: false,
    };
    stand_in.check()
}

fn check_name(name: &str) -> Result<(), TopicError> {
    match name {
        "DeliveryPolicy" | "FilterPolicy" | "FilterPolicyScope" | "RawMessageDelivery" | "RedrivePolicy" => Ok(()),
        "SubscriptionRoleArn" | "ReplayPolicy" => {
            Err(TopicError::Unsupported(format!("the subscription attribute {name}")))
        }
        _ => Err(TopicError::invalid("AttributeName")),
    }
}

/// The attributes of a request to subscribe, checked together.
pub(super) fn checked(mut subscription: Subscription) -> Result<Subscription, TopicError> {
    subscription.attributes.retain(|_, value| !value.is_empty());
    subscription.check().map_err(topic::reason)?;
    Ok(subscription)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscription(
        protocol: Protocol,
        endpoint: &str,
        attributes: &[(&str, &str)],
    ) -> Result<Subscription, TopicError> {
        let topic = TopicKey::new(&Scope::default(), "t");
        check_endpoint(&topic, protocol, endpoint)?;
        checked(Subscription {
            topic,
            id: "1".into(),
            protocol,
            endpoint: endpoint.into(),
            owner: "000000000000".into(),
            attributes: attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            pending: None,
            confirmed_with: None,
            authenticated_unsubscribe: false,
        })
    }

    const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:q";

    #[test]
    fn endpoints_fit_their_protocol() {
        let refused = |protocol, endpoint| subscription(protocol, endpoint, &[]).unwrap_err().to_string();
        assert!(subscription(Protocol::Sqs, QUEUE, &[]).is_ok());
        assert_eq!(refused(Protocol::Sqs, "q"), "Invalid parameter: SQS endpoint ARN");
        assert!(refused(Protocol::Sqs, "arn:aws:sqs:us-east-1:000000000000:q.fifo").contains("can not be subscribed"));
        assert!(refused(Protocol::Lambda, QUEUE).contains("Lambda endpoint ARN"));
        assert!(refused(Protocol::Http, "https://x").contains("must match the specified protocol"));
        assert!(subscription(Protocol::Https, "https://x/y", &[]).is_ok());
        assert!(Protocol::parse("email").unwrap_err().to_string().contains("does not support the protocol email yet"));
        assert!(Protocol::parse("pigeon").unwrap_err().to_string().ends_with("protocol string: pigeon"));
    }

    #[test]
    fn attributes_are_checked_together() {
        let refused =
            |attributes: &[(&str, &str)]| subscription(Protocol::Sqs, QUEUE, attributes).unwrap_err().to_string();
        let nested = r#"{"a": {"b": [1]}}"#;
        assert!(
            subscription(Protocol::Sqs, QUEUE, &[("FilterPolicy", nested), ("FilterPolicyScope", "MessageBody")])
                .is_ok()
        );
        assert!(
            refused(&[("FilterPolicy", nested)]).starts_with("Invalid parameter: Attributes Reason: FilterPolicy: ")
        );
        assert!(refused(&[("FilterPolicyScope", "Body")]).contains("Invalid value [Body]"));
        assert!(refused(&[("RawMessageDelivery", "yes")]).contains("Must be true or false"));
        assert!(refused(&[("DeliveryPolicy", "{}")]).contains("only HTTP"));
        assert!(refused(&[("RedrivePolicy", "{}")]).contains("deadLetterTargetArn is an invalid ARN"));
        assert!(refused(&[("Colour", "red")]).ends_with("AttributeName"));
    }

    #[test]
    fn arns_lead_back_to_their_subscription() {
        let one = subscription(Protocol::Sqs, QUEUE, &[]).unwrap();
        assert_eq!(of_arn(&one.arn()), Some((one.topic.clone(), "1")));
        assert_eq!(of_arn(&one.topic.arn()), None);
        assert_eq!(&*one.outbox().scope.account, "sns");
    }
}
