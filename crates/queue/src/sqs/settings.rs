//! A queue's settings, read from and written as AWS's attribute names and texts.

use crate::sqs::keys::KMS_REUSE_SECS_DEFAULT;
use crate::sqs::{MESSAGE_BYTES_MAX, MessageKey, QueueError, QueueKey};
use millrace_base::Arn;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Sources that a `byQueue` redrive allow policy may name: AWS's quota.
const ALLOWED_SOURCES_MAX: usize = 10;

/// How a queue works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// `DelaySeconds`, 0 to 900: how long a message is hidden after it was sent.
    pub delay_secs: u32,
    /// `MaximumMessageSize`, 1,024 to 1,048,576 bytes.
    pub message_bytes_max: u32,
    /// `MessageRetentionPeriod`, 60 to 1,209,600: how long a message is kept.
    pub retention_secs: u32,
    /// `ReceiveMessageWaitTimeSeconds`, 0 to 20: how long a receive waits when it does not say.
    pub wait_secs: u32,
    /// `VisibilityTimeout`, 0 to 43,200: how long a received message is hidden when the receive does not say.
    pub visibility_secs: u32,
    /// `RedrivePolicy`.
    pub redrive: Option<Redrive>,
    /// `RedriveAllowPolicy`.
    pub redrive_allow: Option<RedriveAllow>,
    /// `Policy`: what decides beside identities' policies, where somebody decides.
    pub policy: Option<String>,
    /// `KmsMasterKeyId`: the key that new messages are sealed by, as its owner named it.
    pub kms_key: Option<String>,
    /// `KmsDataKeyReusePeriodSeconds`: for how long one data key seals messages.
    pub kms_reuse_secs: Option<u32>,
    /// `SqsManagedSseEnabled` as it was set; when it was not, what the disk does is told.
    #[serde(default)]
    pub sse: Option<bool>,
    /// What only FIFO queues have.
    pub fifo: Option<Fifo>,
}

/// When a message is given up, and where it goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redrive {
    /// The dead-letter queue.
    pub target: QueueKey,
    /// After so many receives.
    pub max_receive_count: u32,
}

/// Which queues may name this one as their dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RedriveAllow {
    /// All of the account and region.
    All,
    /// None.
    None,
    /// These.
    Queues(Vec<QueueKey>),
}

/// A FIFO queue's own settings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fifo {
    /// `ContentBasedDeduplication`: the body's SHA-256 is the deduplication id of messages without one.
    pub content_based: bool,
    /// `DeduplicationScope` is `messageGroup`, not `queue`.
    pub per_group: bool,
    /// `FifoThroughputLimit` is `perMessageGroupId`, not `perQueue`: kept and told, there is no limit to raise.
    pub throughput_per_group: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            delay_secs: 0,
            message_bytes_max: MESSAGE_BYTES_MAX as u32,
            retention_secs: 345_600,
            wait_secs: 0,
            visibility_secs: 30,
            redrive: None,
            redrive_allow: None,
            policy: None,
            kms_key: None,
            kms_reuse_secs: None,
            sse: None,
            fifo: None,
        }
    }
}

/// The policy as AWS writes it; numbers may come as texts.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RedriveText {
    dead_letter_target_arn: String,
    max_receive_count: serde_json::Value,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RedriveAllowText {
    redrive_permission: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    source_queue_arns: Vec<String>,
}

impl Settings {
    /// The settings of a new queue with these attributes.
    pub fn of_new(key: &QueueKey, attributes: &BTreeMap<String, String>) -> Result<Self, QueueError> {
        let fifo = match attributes.get("FifoQueue").map(String::as_str) {
            None => false,
            Some("true") => true,
            // AWS knows the attribute only on queues that are.
            Some("false") => return Err(QueueError::InvalidAttributeName("FifoQueue".into())),
            Some(_) => return Err(invalid("FifoQueue", None)),
        };
        key.check(fifo)?;
        let fresh = Self { fifo: fifo.then(Fifo::default), ..Self::default() };
        let mut others = attributes.clone();
        others.remove("FifoQueue");
        fresh.with(key, &others)
    }

    /// These settings with some attributes changed.
    pub fn with(&self, key: &QueueKey, attributes: &BTreeMap<String, String>) -> Result<Self, QueueError> {
        let mut changed = self.clone();
        for (name, value) in attributes {
            changed.set(key, name, value)?;
        }
        let names_key = attributes.get("KmsMasterKeyId").is_some_and(|key| !key.is_empty());
        if names_key && changed.sse == Some(true) {
            let message = "You can use one type of server-side encryption (SSE) at one time. You can either enable KMS \
                           SSE or SQS SSE.";
            return Err(QueueError::InvalidParameter(message.into()));
        }
        if let Some(Fifo { per_group: false, throughput_per_group: true, .. }) = changed.fifo {
            let reason = "it needs DeduplicationScope to be messageGroup";
            return Err(invalid("FifoThroughputLimit", Some(reason)));
        }
        Ok(changed)
    }

    fn set(&mut self, key: &QueueKey, name: &str, value: &str) -> Result<(), QueueError> {
        let text = || Some(value.to_owned()).filter(|text| !text.is_empty());
        match name {
            "DelaySeconds" => self.delay_secs = number(name, value, 0..=900)?,
            "MaximumMessageSize" => self.message_bytes_max = number(name, value, 1024..=MESSAGE_BYTES_MAX as u32)?,
            "MessageRetentionPeriod" => self.retention_secs = number(name, value, 60..=1_209_600)?,
            "ReceiveMessageWaitTimeSeconds" => self.wait_secs = number(name, value, 0..=20)?,
            "VisibilityTimeout" => self.visibility_secs = number(name, value, 0..=43_200)?,
            "RedrivePolicy" => self.redrive = text().map(|text| Redrive::parse(key, &text)).transpose()?,
            "RedriveAllowPolicy" => self.redrive_allow = text().map(|text| RedriveAllow::parse(&text)).transpose()?,
            "Policy" => self.policy = text().map(|text| json(name, &text).map(|()| text)).transpose()?,
            "KmsMasterKeyId" => {
                self.kms_key = text();
                self.sse = self.sse.filter(|_| self.kms_key.is_none());
            }
            "KmsDataKeyReusePeriodSeconds" => self.kms_reuse_secs = Some(number(name, value, 60..=86_400)?),
            "SqsManagedSseEnabled" => {
                self.sse = text().map(|text| boolean(name, &text)).transpose()?;
                if self.sse == Some(true) {
                    self.kms_key = None;
                }
            }
            _ => self.set_fifo(name, value)?,
        }
        Ok(())
    }

    fn set_fifo(&mut self, name: &str, value: &str) -> Result<(), QueueError> {
        let unknown = || QueueError::InvalidAttributeName(name.to_owned());
        let fifo = self.fifo.as_mut().ok_or_else(unknown)?;
        let choose = |others: &str, this: &str| match value {
            _ if value == this => Ok(true),
            _ if value == others => Ok(false),
            _ => Err(invalid(name, None)),
        };
        match name {
            "ContentBasedDeduplication" => fifo.content_based = boolean(name, value)?,
            "DeduplicationScope" => fifo.per_group = choose("queue", "messageGroup")?,
            "FifoThroughputLimit" => fifo.throughput_per_group = choose("perQueue", "perMessageGroupId")?,
            "FifoQueue" if value == "true" => {}
            _ => return Err(unknown()),
        }
        Ok(())
    }

    /// The key that messages are sealed by before they reach a disk that seals everything, or nothing.
    pub fn message_key(&self, disk_seals: bool) -> Option<MessageKey<'_>> {
        match &self.kms_key {
            Some(name) => Some(MessageKey::Named(name)),
            None => (self.sse == Some(true) && !disk_seals).then_some(MessageKey::Managed),
        }
    }

    /// The attributes by their AWS names, on a disk that seals everything or nothing.
    pub fn attributes(&self, disk_seals: bool) -> BTreeMap<String, String> {
        let managed_sse = self.kms_key.is_none() && self.sse.unwrap_or(disk_seals);
        let mut attributes: BTreeMap<&str, String> = BTreeMap::from([
            ("DelaySeconds", self.delay_secs.to_string()),
            ("MaximumMessageSize", self.message_bytes_max.to_string()),
            ("MessageRetentionPeriod", self.retention_secs.to_string()),
            ("ReceiveMessageWaitTimeSeconds", self.wait_secs.to_string()),
            ("VisibilityTimeout", self.visibility_secs.to_string()),
            ("SqsManagedSseEnabled", managed_sse.to_string()),
        ]);
        let mut optional = |name, value: Option<String>| value.map(|value| attributes.insert(name, value));
        optional("RedrivePolicy", self.redrive.as_ref().map(Redrive::text));
        optional("RedriveAllowPolicy", self.redrive_allow.as_ref().map(RedriveAllow::text));
        optional("Policy", self.policy.clone());
        optional("KmsMasterKeyId", self.kms_key.clone());
        let reuse = self.kms_reuse_secs.or(self.kms_key.as_ref().map(|_| KMS_REUSE_SECS_DEFAULT));
        optional("KmsDataKeyReusePeriodSeconds", reuse.map(|secs| secs.to_string()));
        if let Some(fifo) = &self.fifo {
            let scope = if fifo.per_group { "messageGroup" } else { "queue" };
            let limit = if fifo.throughput_per_group { "perMessageGroupId" } else { "perQueue" };
            optional("FifoQueue", Some("true".into()));
            optional("ContentBasedDeduplication", Some(fifo.content_based.to_string()));
            optional("DeduplicationScope", Some(scope.into()));
            optional("FifoThroughputLimit", Some(limit.into()));
        }
        attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// The first of `attributes` whose value is not this queue's.
    pub fn first_difference(
        &self,
        key: &QueueKey,
        attributes: &BTreeMap<String, String>,
        disk_seals: bool,
    ) -> Option<String> {
        let mine = self.attributes(disk_seals);
        let theirs = self.with(key, attributes).map(|settings| settings.attributes(disk_seals)).unwrap_or_default();
        attributes.keys().find(|name| mine.get(*name) != theirs.get(*name)).cloned()
    }
}

impl Redrive {
    fn parse(source: &QueueKey, text: &str) -> Result<Self, QueueError> {
        let bad = |reason: &str| QueueError::invalid(text, "RedrivePolicy", reason);
        let parsed: RedriveText = serde_json::from_str(text)
            .map_err(|_| bad("Redrive policy must be a JSON object with deadLetterTargetArn and maxReceiveCount."))?;
        let count = match &parsed.max_receive_count {
            serde_json::Value::String(text) => text.parse().ok(),
            other => other.as_u64(),
        };
        let count = count.filter(|count| (1..=1000).contains(count));
        let count = count.ok_or_else(|| bad("Invalid value for maxReceiveCount: it must be between 1 and 1000."))?;
        let arn: Result<Arn, _> = parsed.dead_letter_target_arn.parse();
        let target = arn.ok().and_then(|arn| QueueKey::of_arn(&arn));
        let target = target.ok_or_else(|| bad("Invalid value for deadLetterTargetArn."))?;
        if target.scope != source.scope {
            return Err(bad("Dead letter target must be in the same account and region as the source."));
        }
        if target.is_fifo() != source.is_fifo() {
            return Err(bad("Dead-letter queue must be same type of queue as the source."));
        }
        if target == *source {
            return Err(bad("Dead letter target cannot be the source itself."));
        }
        Ok(Self { target, max_receive_count: count as u32 })
    }

    fn text(&self) -> String {
        let text = RedriveText {
            dead_letter_target_arn: self.target.arn().to_string(),
            max_receive_count: self.max_receive_count.into(),
        };
        serde_json::to_string(&text).unwrap_or_default()
    }
}

impl RedriveAllow {
    fn parse(text: &str) -> Result<Self, QueueError> {
        let bad = |reason: &str| QueueError::invalid(text, "RedriveAllowPolicy", reason);
        let parsed: RedriveAllowText =
            serde_json::from_str(text).map_err(|_| bad("It must be a JSON object with redrivePermission."))?;
        let arns = parsed.source_queue_arns;
        match parsed.redrive_permission.as_str() {
            "byQueue" if arns.is_empty() || arns.len() > ALLOWED_SOURCES_MAX => {
                Err(bad("redrivePermission byQueue needs 1 to 10 sourceQueueArns."))
            }
            "byQueue" => {
                let key = |arn: &String| QueueKey::of_arn(&arn.parse().ok()?);
                let keys: Option<Vec<_>> = arns.iter().map(key).collect();
                keys.map(Self::Queues).ok_or_else(|| bad("sourceQueueArns must be ARNs of queues."))
            }
            "allowAll" | "denyAll" if !arns.is_empty() => {
                Err(bad("sourceQueueArns are given only with redrivePermission byQueue."))
            }
            "allowAll" => Ok(Self::All),
            "denyAll" => Ok(Self::None),
            _ => Err(bad("redrivePermission must be one of allowAll, denyAll and byQueue.")),
        }
    }

    /// Whether `source` may name the queue with this policy.
    pub fn allows(&self, source: &QueueKey) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::Queues(keys) => keys.contains(source),
        }
    }

    fn text(&self) -> String {
        let (permission, keys) = match self {
            Self::All => ("allowAll", &[][..]),
            Self::None => ("denyAll", &[][..]),
            Self::Queues(keys) => ("byQueue", &keys[..]),
        };
        let source_queue_arns = keys.iter().map(|key| key.arn().to_string()).collect();
        let text = RedriveAllowText { redrive_permission: permission.into(), source_queue_arns };
        serde_json::to_string(&text).unwrap_or_default()
    }
}

fn invalid(name: &str, reason: Option<&str>) -> QueueError {
    QueueError::InvalidAttributeValue { name: name.to_owned(), reason: reason.map(str::to_owned) }
}

fn number(name: &str, value: &str, range: RangeInclusive<u32>) -> Result<u32, QueueError> {
    let number = value.trim().parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| invalid(name, None))
}

fn boolean(name: &str, value: &str) -> Result<bool, QueueError> {
    match value {
        _ if value.eq_ignore_ascii_case("true") => Ok(true),
        _ if value.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err(invalid(name, None)),
    }
}

fn json(name: &str, text: &str) -> Result<(), QueueError> {
    let parsed = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text);
    parsed.map(drop).map_err(|_| invalid(name, Some("it must be a JSON object")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_base::Scope;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn key(name: &str) -> QueueKey {
        QueueKey::new(&Scope::default(), name)
    }

    #[test]
    fn attributes_come_back_as_they_were_set() {
        let set = map(&[
            ("VisibilityTimeout", "7"),
            ("DelaySeconds", "900"),
            ("FifoQueue", "true"),
            ("DeduplicationScope", "messageGroup"),
            ("FifoThroughputLimit", "perMessageGroupId"),
        ]);
        let settings = Settings::of_new(&key("q.fifo"), &set).unwrap();
        let told = settings.attributes(false);
        assert!(set.iter().all(|(name, value)| told.get(name) == Some(value)), "{told:?}");
        assert_eq!(told["MessageRetentionPeriod"], "345600");
        assert_eq!(settings.first_difference(&key("q.fifo"), &set, false), None);
        let other = map(&[("VisibilityTimeout", "8")]);
        assert_eq!(settings.first_difference(&key("q.fifo"), &other, false).as_deref(), Some("VisibilityTimeout"));
    }

    #[test]
    fn what_breaks_a_rule_is_named() {
        let error = |name: &str, pairs: &[(&str, &str)]| Settings::of_new(&key(name), &map(pairs)).unwrap_err();
        assert_eq!(
            error("q", &[("VisibilityTimeout", "43201")]).to_string(),
            "Invalid value for the parameter VisibilityTimeout."
        );
        assert_eq!(error("q", &[("Colour", "red")]).to_string(), "Unknown Attribute Colour.");
        assert!(matches!(error("q.fifo", &[]), QueueError::InvalidName(_)));
        assert!(matches!(error("q", &[("FifoQueue", "true")]), QueueError::InvalidName(_)));
        assert!(matches!(error("q", &[("ContentBasedDeduplication", "true")]), QueueError::InvalidAttributeName(_)));
        let policy = r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:d","maxReceiveCount":0}"#;
        assert!(error("q", &[("RedrivePolicy", policy)]).to_string().contains("maxReceiveCount"));
    }

    #[test]
    fn redrive_policies_take_numbers_as_texts() {
        let policy = r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:d","maxReceiveCount":"3"}"#;
        let settings = Settings::of_new(&key("q"), &map(&[("RedrivePolicy", policy)])).unwrap();
        assert_eq!(settings.redrive, Some(Redrive { target: key("d"), max_receive_count: 3 }));
        let gone = settings.with(&key("q"), &map(&[("RedrivePolicy", "")])).unwrap();
        assert_eq!(gone.redrive, None);
    }

    #[test]
    fn what_is_told_of_encryption_is_so() {
        let told = |settings: &Settings, disk_seals| settings.attributes(disk_seals)["SqsManagedSseEnabled"] == "true";
        let of = |pairs: &[(&str, &str)]| Settings::of_new(&key("q"), &map(pairs)).unwrap();
        let silent = of(&[]);
        assert_eq!((told(&silent, false), told(&silent, true)), (false, true));
        assert_eq!((silent.message_key(false), silent.message_key(true)), (None, None));
        let managed = of(&[("SqsManagedSseEnabled", "true")]);
        assert_eq!((told(&managed, false), told(&managed, true)), (true, true));
        assert_eq!((managed.message_key(false), managed.message_key(true)), (Some(MessageKey::Managed), None));
        let asked = map(&[("SqsManagedSseEnabled", "true")]);
        assert_eq!(silent.first_difference(&key("q"), &asked, false).as_deref(), Some("SqsManagedSseEnabled"));
        assert_eq!(silent.first_difference(&key("q"), &asked, true), None);
        let named = managed.with(&key("q"), &map(&[("KmsMasterKeyId", "alias/k")])).unwrap();
        assert!(!told(&named, true) && named.message_key(true) == Some(MessageKey::Named("alias/k")));
        assert_eq!(named.with(&key("q"), &asked).unwrap(), managed);
        let both = map(&[("KmsMasterKeyId", "alias/k"), ("SqsManagedSseEnabled", "true")]);
        assert!(silent.with(&key("q"), &both).is_err());
        assert_eq!(managed.with(&key("q"), &map(&[("SqsManagedSseEnabled", "")])).unwrap(), silent);
    }
}
