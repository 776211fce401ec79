//! What a topic is: its name, its attributes, its tags.

use super::message::MESSAGE_BYTES_DEFAULT;
use super::retry::TopicDeliveryPolicy;
use super::subscription::Protocol;
use super::{TopicError, policy};
use millrace_base::{Arn, Scope};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// What every FIFO topic's name ends with.
pub const FIFO_SUFFIX: &str = ".fifo";
/// AWS's quota.
pub const TAGS_MAX: usize = 50;
/// The attribute that names a topic's key, and a queue's.
pub(super) const KMS_KEY: &str = "KmsMasterKeyId";
const NAME_CHARS_MAX: usize = 256;
const DISPLAY_NAME_CHARS_MAX: usize = 100;
/// AWS's range of `MaximumMessageSize`.
const MESSAGE_BYTES: std::ops::RangeInclusive<usize> = 1024..=1024 * 1024;
/// What a topic of larger messages than the default may have.
const SUBSCRIPTIONS_OF_LARGE_MAX: usize = 100;

/// A topic's name and whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TopicKey {
    /// Account and region.
    pub scope: Scope,
    /// For example `alarms` or `orders.fifo`.
    pub name: Arc<str>,
}

impl TopicKey {
    /// The key of a name in a scope.
    pub fn new(scope: &Scope, name: &str) -> Self {
        Self { scope: scope.clone(), name: name.into() }
    }

    /// The topic that an ARN names, if it is a topic's.
    pub fn of_arn(arn: &str) -> Option<Self> {
        let arn: Arn = arn.parse().ok()?;
        let is_topic = &*arn.service == "sns" && !arn.resource.contains([':', '/']) && !arn.scope.account.is_empty();
        is_topic.then_some(Self { scope: arn.scope, name: arn.resource })
    }

    /// `arn:aws:sns:REGION:ACCOUNT:NAME`.
    pub fn arn(&self) -> String {
        self.scope.arn("sns", &self.name).to_string()
    }

    /// True when the name is a FIFO topic's.
    pub fn is_fifo(&self) -> bool {
        self.name.ends_with(FIFO_SUFFIX)
    }
}

impl fmt::Display for TopicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.scope, self.name)
    }
}

/// A topic's definition, as the catalog keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Topic {
    /// Its name.
    pub key: TopicKey,
    /// The attributes that were set, in AWS's words.
    pub attributes: BTreeMap<String, String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// How many subscriptions it lost, for `SubscriptionsDeleted`.
    pub deleted_subscriptions: u64,
}

impl Topic {
    /// A topic with these attributes; AWS's error when a name or value breaks its rule.
    pub(super) fn new(
        key: TopicKey,
        given: &BTreeMap<String, String>,
        tags: BTreeMap<String, String>,
    ) -> Result<Self, TopicError> {
        let is_fifo = given.get("FifoTopic").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        check_name(&key.name, is_fifo)?;
        check_tags(&tags)?;
        let mut topic = Self { key, attributes: BTreeMap::new(), tags, deleted_subscriptions: 0 };
        for (name, value) in given {
            if name == "FifoTopic" {
                truth(name, value).map_err(reason)?;
            } else {
                topic.set(name, value).map_err(reason)?;
            }
        }
        Ok(topic)
    }

    /// Sets one attribute; an empty value takes it away.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<(), TopicError> {
        self.check(name, value)?;
        if value.is_empty() {
            self.attributes.remove(name);
        } else {
            self.attributes.insert(name.to_owned(), value.to_owned());
        }
        Ok(())
    }

    fn check(&self, name: &str, value: &str) -> Result<(), TopicError> {
        match name {
            "DisplayName" if value.chars().count() > DISPLAY_NAME_CHARS_MAX => Err(TopicError::invalid("DisplayName")),
            // Kept and shown; the key is looked up by whoever has the ring.
            "DisplayName" | KMS_KEY => Ok(()),
            _ if value.is_empty() => known(name),
            "Policy" => policy::check(value),
            "DeliveryPolicy" => TopicDeliveryPolicy::parse(value).map(|_| ()),
            "MaximumMessageSize" if !value.parse().is_ok_and(|bytes| MESSAGE_BYTES.contains(&bytes)) => {
                Err(TopicError::invalid("MaximumMessageSize Reason: must be between 1024 and 1048576"))
            }
            "MaximumMessageSize" => Ok(()),
            "SignatureVersion" if !matches!(value, "1" | "2") => Err(TopicError::invalid("SignatureVersion")),
            "TracingConfig" if !matches!(value, "PassThrough" | "Active") => Err(TopicError::invalid("TracingConfig")),
            "SignatureVersion" | "TracingConfig" => Ok(()),
            "ContentBasedDeduplication" | "FifoThroughputScope" if !self.key.is_fifo() => {
                Err(TopicError::invalid(format!("AttributeName Reason: {name} is only for FIFO topics")))
            }
            "ContentBasedDeduplication" => truth(name, value),
            "FifoThroughputScope" if matches!(value, "Topic" | "MessageGroup") => Ok(()),
            "FifoThroughputScope" => Err(TopicError::invalid("FifoThroughputScope")),
            _ => known(name),
        }
    }

    /// What a message with its attributes may have.
    pub(super) fn message_bytes_max(&self) -> usize {
        let set = self.attributes.get("MaximumMessageSize");
        set.and_then(|value| value.parse().ok()).unwrap_or(MESSAGE_BYTES_DEFAULT)
    }

    /// Whether the topic's messages are small enough for these subscribers, as AWS has it.
    pub(super) fn check_subscribers(&self, protocols: impl Iterator<Item = Protocol>) -> Result<(), TopicError> {
        if self.message_bytes_max() <= MESSAGE_BYTES_DEFAULT {
            return Ok(());
        }
        let protocols: Vec<Protocol> = protocols.collect();
        let fits = protocols.len() <= SUBSCRIPTIONS_OF_LARGE_MAX && !protocols.iter().any(|one| one.has_to_confirm());
        let rule = "MaximumMessageSize Reason: a topic whose messages may have more than 262144 bytes has 100 subscriptions at \
                    most, of queues and functions only";
        if fits { Ok(()) } else { Err(TopicError::invalid(rule)) }
    }

    /// The key that seals what waits for its subscribers, as its owner named it.
    pub(super) fn kms_key(&self) -> Option<&str> {
        self.attributes.get(KMS_KEY).map(String::as_str)
    }

    /// The same as an ARN.
    pub(super) fn kms_key_arn(&self) -> Option<String> {
        let arn = |resource: &str| self.key.scope.arn("kms", resource).to_string();
        self.kms_key().map(|name| match name {
            _ if name.starts_with("arn:") => name.to_owned(),
            _ if name.starts_with("alias/") => arn(name),
            _ => arn(&format!("key/{name}")),
        })
    }

    /// Whether its messages are told apart by their content.
    pub(super) fn content_based_deduplication(&self) -> bool {
        self.attributes.get("ContentBasedDeduplication").is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// Whether a deduplication id counts within its message group only.
    pub(super) fn deduplicates_by_group(&self) -> bool {
        self.attributes.get("FifoThroughputScope").is_some_and(|value| value == "MessageGroup")
    }

    /// How HTTP endpoints are tried, as far as the topic says.
    pub(super) fn delivery_policy(&self) -> TopicDeliveryPolicy {
        let set = self.attributes.get("DeliveryPolicy");
        set.and_then(|text| TopicDeliveryPolicy::parse(text).ok()).unwrap_or_default()
    }

    /// The policy that was set, else AWS's default: the owner may do everything.
    pub(super) fn policy(&self) -> String {
        self.attributes.get("Policy").cloned().unwrap_or_else(|| policy::default(&self.key))
    }

    /// All attributes as `GetTopicAttributes` answers, the counts of subscriptions excepted.
    pub(super) fn describe(&self) -> BTreeMap<String, String> {
        let mut all = self.attributes.clone();
        all.insert("TopicArn".into(), self.key.arn());
        all.insert("Owner".into(), self.key.scope.account.to_string());
        all.insert("Policy".into(), self.policy());
        all.entry("DisplayName".into()).or_default();
        all.insert("MaximumMessageSize".into(), self.message_bytes_max().to_string());
        all.insert("SubscriptionsDeleted".into(), self.deleted_subscriptions.to_string());
        all.insert("EffectiveDeliveryPolicy".into(), json!({"http": self.delivery_policy().to_json()}).to_string());
        if self.key.is_fifo() {
            all.insert("FifoTopic".into(), "true".into());
            all.insert("ContentBasedDeduplication".into(), self.content_based_deduplication().to_string());
            all.entry("FifoThroughputScope".into()).or_insert_with(|| "Topic".into());
        }
        all
    }
}

/// Whether a topic could have this name and these attributes.
pub fn check_topic(key: &TopicKey, attributes: &BTreeMap<String, String>) -> Result<(), TopicError> {
    Topic::new(key.clone(), attributes, BTreeMap::new()).map(|_| ())
}

/// Whether some tags keep AWS's rules.
pub(super) fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), TopicError> {
    if tags.len() > TAGS_MAX {
        return Err(TopicError::TagLimit);
    }
    Ok(())
}

/// In the words for attributes that come with the creation.
pub(super) fn reason(error: TopicError) -> TopicError {
    match error {
        TopicError::InvalidParameter(what) => TopicError::InvalidParameter(format!("Attributes Reason: {what}")),
        other => other,
    }
}

fn check_name(name: &str, is_fifo: bool) -> Result<(), TopicError> {
    let stem = if is_fifo { name.strip_suffix(FIFO_SUFFIX) } else { Some(name) };
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let fits = |stem: &str| !stem.is_empty() && name.len() <= NAME_CHARS_MAX && stem.bytes().all(plain);
    if stem.is_some_and(fits) {
        return Ok(());
    }
    Err(TopicError::invalid(if is_fifo {
        "Fifo Topic names must end with .fifo and must be made up of only uppercase and lowercase ASCII letters, numbers, \
         underscores, and hyphens, and must be between 1 and 256 characters long."
    } else {
        "Topic Name"
    }))
}

/// Names that AWS has and Millrace has not are told apart from names that nobody has.
fn known(name: &str) -> Result<(), TopicError> {
    match name {
        "Policy"
        | "DeliveryPolicy"
        | "MaximumMessageSize"
        | "SignatureVersion"
        | "TracingConfig"
        | "ContentBasedDeduplication"
        | "FifoThroughputScope" => Ok(()),
        "ArchivePolicy" | "DataProtectionPolicy" => Err(TopicError::Unsupported(format!("the topic attribute {name}"))),
        _ if name.ends_with("FeedbackRoleArn") || name.ends_with("FeedbackSampleRate") => {
            Err(TopicError::Unsupported(format!("the topic attribute {name}")))
        }
        _ => Err(TopicError::invalid("AttributeName")),
    }
}

fn truth(name: &str, value: &str) -> Result<(), TopicError> {
    let is_truth = value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false");
    if is_truth { Ok(()) } else { Err(TopicError::invalid(format!("{name} Reason: must be true or false"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(name: &str, attributes: &[(&str, &str)]) -> Result<Topic, TopicError> {
        let given = attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Topic::new(TopicKey::new(&Scope::default(), name), &given, BTreeMap::new())
    }

    #[test]
    fn names_keep_the_rules_of_their_kind() {
        assert!(topic("orders", &[]).is_ok());
        assert!(topic("orders.fifo", &[("FifoTopic", "true")]).is_ok());
        assert_eq!(topic("orders.fifo", &[]).unwrap_err().to_string(), "Invalid parameter: Topic Name");
        assert!(topic("orders", &[("FifoTopic", "true")]).unwrap_err().to_string().contains("must end with .fifo"));
        assert!(topic("", &[]).is_err());
        assert!(topic(&"x".repeat(257), &[]).is_err());
    }

    #[test]
    fn attributes_are_checked_by_name_and_value() {
        let refused = |name: &str, value: &str| topic("t", &[(name, value)]).unwrap_err().to_string();
        assert_eq!(refused("Colour", "red"), "Invalid parameter: Attributes Reason: AttributeName");
        assert!(refused("MaximumMessageSize", "1000").contains("must be between 1024 and 1048576"));
        assert_eq!(refused("SignatureVersion", "3"), "Invalid parameter: Attributes Reason: SignatureVersion");
        assert!(refused("ContentBasedDeduplication", "true").contains("only for FIFO topics"));
        assert!(refused("ArchivePolicy", "{}").contains("does not support the topic attribute ArchivePolicy yet"));
        assert!(refused("HTTPSuccessFeedbackRoleArn", "arn").contains("does not support"));
    }

    #[test]
    fn an_empty_value_takes_an_attribute_away() {
        let mut one = topic("t", &[("KmsMasterKeyId", "alias/x")]).unwrap();
        assert_eq!(one.describe()["KmsMasterKeyId"], "alias/x");
        one.set("KmsMasterKeyId", "").unwrap();
        assert!(!one.describe().contains_key("KmsMasterKeyId"));
        assert!(one.describe()["Policy"].contains("__default_policy_ID"));
    }
}
