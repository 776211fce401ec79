//! `AWS::SQS::Queue` and `AWS::SQS::QueuePolicy`. Properties are the attributes of SQS's own API under the same names.

use super::read;
use async_trait::async_trait;
use millrace_access::DocumentKind;
use millrace_base::Scope;
use millrace_queue::{FIFO_SUFFIX, KMS_REUSE_SECS_DEFAULT, QueueError, QueueKey, Queues, Settings};
use millrace_stack::{Context, Created, ResourceError, ResourceType, Updated};
use serde_json::Value;
use std::collections::BTreeMap;

/// SQS's limit.
const NAME_CHARACTERS_MAX: usize = 80;
/// Properties that are attributes, of every queue.
const ATTRIBUTES: [&str; 10] = [
    "DelaySeconds",
    "KmsDataKeyReusePeriodSeconds",
    "KmsMasterKeyId",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "ReceiveMessageWaitTimeSeconds",
    "RedriveAllowPolicy",
    "RedrivePolicy",
    "SqsManagedSseEnabled",
    "VisibilityTimeout",
];
/// And of FIFO queues only.
const FIFO_ATTRIBUTES: [&str; 3] = ["ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit"];

/// Queues.
pub(super) struct Queue {
    pub(super) queues: Queues,
    /// Where this server answers: queues are named by URLs below it.
    pub(super) base_url: String,
}

/// Policies of queues: kept and shown.
pub(super) struct QueuePolicy {
    pub(super) queues: Queues,
}

fn is_fifo(properties: &Value) -> bool {
    read::at(properties, "FifoQueue") == Some(&Value::Bool(true))
}

/// The attributes that the template gives, as texts; what does not exist yet is left out.
fn attributes(properties: &Value) -> BTreeMap<String, String> {
    let names = ATTRIBUTES.iter().chain(FIFO_ATTRIBUTES.iter().filter(|_| is_fifo(properties)));
    let given = names.filter_map(|name| Some((*name, properties.get(*name)?)));
    let known = given.filter(|(_, value)| !read::has_open(value));
    let mut attributes: BTreeMap<_, _> = known.map(|(name, value)| (name.to_owned(), read::as_text(value))).collect();
    if is_fifo(properties) {
        attributes.insert("FifoQueue".to_owned(), "true".to_owned());
    }
    attributes
}

/// What an attribute is that the template no longer gives.
fn default(name: &str, is_fifo: bool) -> String {
    let settings = Settings { fifo: is_fifo.then(Default::default), ..Settings::default() };
    match name {
        // Nobody has said then.
        "SqsManagedSseEnabled" => String::new(),
        "KmsDataKeyReusePeriodSeconds" => KMS_REUSE_SECS_DEFAULT.to_string(),
        _ => settings.attributes(false).remove(name).unwrap_or_default(),
    }
}

fn refused(properties: &Value, error: &QueueError) -> ResourceError {
    let message = error.to_string();
    match error {
        QueueError::QueueExists { .. } => ResourceError::Exists(message),
        QueueError::Key(_) => ResourceError::property("KmsMasterKeyId", message),
        QueueError::Disk { .. } | QueueError::DiskFull { .. } | QueueError::Catalog(_) | QueueError::Closed => {
            ResourceError::Failed(message)
        }
        _ => {
            let members = properties.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
            let path = members.filter(|name| message.contains(name)).max_by_key(|name| name.len()).unwrap_or_default();
            ResourceError::property(path, message)
        }
    }
}

/// The queue that a URL names.
fn key_of_url(scope: &Scope, url: &str) -> Option<QueueKey> {
    let mut parts = url.rsplit('/');
    let (name, account) = (parts.next()?, parts.next()?);
    Some(QueueKey::new(&Scope::new(account, &scope.region), name))
}

impl Queue {
    fn made(&self, key: &QueueKey) -> Created {
        let url = format!("{}/{}/{}", self.base_url, key.scope.account, key.name);
        let attributes =
            [("Arn", key.arn().to_string()), ("QueueName", key.name.to_string()), ("QueueUrl", url.clone())];
        Created::new(url, attributes)
    }

    fn key(ctx: &Context, properties: &Value) -> QueueKey {
        let fifo = is_fifo(properties);
        if let Some(name) = read::text(properties, "QueueName") {
            return QueueKey::new(&ctx.scope, name);
        }
        // A generated name is the same queue's at every try, and its end is what makes it unique.
        let suffix = if fifo { FIFO_SUFFIX } else { "" };
        let stem = read::tail(&ctx.generated_name, NAME_CHARACTERS_MAX - suffix.len());
        QueueKey::new(&ctx.scope, &format!("{stem}{suffix}"))
    }
}

#[async_trait]
impl ResourceType for Queue {
    fn properties(&self) -> &'static [&'static str] {
        &[
            "QueueName",
            "FifoQueue",
            "ContentBasedDeduplication",
            "DeduplicationScope",
            "FifoThroughputLimit",
            "DelaySeconds",
            "KmsDataKeyReusePeriodSeconds",
            "KmsMasterKeyId",
            "MaximumMessageSize",
            "MessageRetentionPeriod",
            "ReceiveMessageWaitTimeSeconds",
            "RedriveAllowPolicy",
            "RedrivePolicy",
            "SqsManagedSseEnabled",
            "VisibilityTimeout",
            "Tags",
        ]
    }

    fn check(&self, ctx: &Context, properties: &Value) -> Result<(), ResourceError> {
        if let Some(name) = FIFO_ATTRIBUTES.iter().find(|name| !is_fifo(properties) && properties.get(**name).is_some())
        {
            return Err(ResourceError::property(
                *name,
                "only FIFO queues have it: set FifoQueue to true, or remove it",
            ));
        }
        // The generated name is not known yet, the rules of the others hold for any.
        let stand_in = if is_fifo(properties) { "pending.fifo" } else { "pending" };
        let name = read::text(properties, "QueueName").unwrap_or(stand_in);
        Settings::of_new(&QueueKey::new(&ctx.scope, name), &attributes(properties))
            .map(|_| ())
            .map_err(|error| refused(properties, &error))
    }

    async fn create(&self, ctx: &Context, properties: &Value) -> Result<Created, ResourceError> {
        let key = Self::key(ctx, properties);
        if self.queues.queue(&key).is_ok() && !ctx.resuming {
            return Err(read::taken("queue", &key.name, "QueueName"));
        }
        let tags = read::tags(properties.get("Tags"));
        self.queues.create(&key, &attributes(properties), &tags).map_err(|error| refused(properties, &error))?;
        Ok(self.made(&key))
    }

    async fn update(
        &self,
        ctx: &Context,
        physical_id: &str,
        old: &Value,
        new: &Value,
    ) -> Result<Updated, ResourceError> {
        let Some(key) = key_of_url(&ctx.scope, physical_id) else {
            return Ok(Updated::NeedsReplacement(format!("'{physical_id}' is no queue's URL")));
        };
        let failed = |error: QueueError| refused(new, &error);
        let (before, mut after) = (attributes(old), attributes(new));
        for name in before.into_keys() {
            after.entry(name.clone()).or_insert_with(|| default(&name, is_fifo(new)));
        }
        after.remove("FifoQueue");
        self.queues.set_attributes(&key, &after).map_err(failed)?;
        let (tags_before, tags) = (read::tags(old.get("Tags")), read::tags(new.get("Tags")));
        let gone: Vec<String> = tags_before.into_keys().filter(|name| !tags.contains_key(name)).collect();
        self.queues.untag(&key, &gone).and_then(|()| self.queues.tag(&key, &tags)).map_err(failed)?;
        Ok(Updated::InPlace(self.made(&key)))
    }

    async fn delete(&self, ctx: &Context, physical_id: &str, properties: &Value) -> Result<(), ResourceError> {
        let Some(key) = key_of_url(&ctx.scope, physical_id) else { return Ok(()) };
        match self.queues.delete_queue(&key) {
            Err(QueueError::NoQueue(_)) => Ok(()),
            other => other.map_err(|error| refused(properties, &error)),
        }
    }

    async fn exists(&self, ctx: &Context, physical_id: &str, _properties: &Value) -> Result<bool, ResourceError> {
        Ok(key_of_url(&ctx.scope, physical_id).is_some_and(|key| self.queues.queue(&key).is_ok()))
    }
}

impl QueuePolicy {
    /// Sets or takes away the policy of the queues that the template lists.
    fn apply(&self, ctx: &Context, properties: &Value, document: &str) -> Result<(), ResourceError> {
        for url in read::texts_of(properties, "Queues") {
            let key = key_of_url(&ctx.scope, url);
            let key = key.ok_or_else(|| ResourceError::property("Queues", format!("'{url}' is no queue's URL")))?;
            let policy = BTreeMap::from([("Policy".to_owned(), document.to_owned())]);
            match self.queues.set_attributes(&key, &policy) {
                // A queue that is gone has no policy to take away.
                Err(QueueError::NoQueue(_)) if document.is_empty() => {}
                other => other.map_err(|error| refused(properties, &error))?,
            }
        }
        Ok(())
    }
}

fn policy_document(properties: &Value) -> String {
    properties.get("PolicyDocument").map(read::as_text).unwrap_or_default()
}

#[async_trait]
impl ResourceType for QueuePolicy {
    fn properties(&self) -> &'static [&'static str] {
        &["PolicyDocument", "Queues"]
    }

    fn check(&self, _: &Context, properties: &Value) -> Result<(), ResourceError> {
        super::identity::check(properties.get("PolicyDocument"), "PolicyDocument", DocumentKind::Resource)
    }

    async fn create(&self, ctx: &Context, properties: &Value) -> Result<Created, ResourceError> {
        self.apply(ctx, properties, &policy_document(properties))?;
        Ok(Created::new(ctx.generated_name.clone(), [("Id", ctx.generated_name.clone())]))
    }

    async fn update(
        &self,
        ctx: &Context,
        physical_id: &str,
        old: &Value,
        new: &Value,
    ) -> Result<Updated, ResourceError> {
        self.apply(ctx, old, "")?;
        self.apply(ctx, new, &policy_document(new))?;
        Ok(Updated::InPlace(Created::new(physical_id, [("Id", physical_id.to_owned())])))
    }

    async fn delete(&self, ctx: &Context, _physical_id: &str, properties: &Value) -> Result<(), ResourceError> {
        self.apply(ctx, properties, "")
    }

    /// It is there when every queue that it lists has a policy: one that was made anew by hand has none.
    async fn exists(&self, ctx: &Context, _physical_id: &str, properties: &Value) -> Result<bool, ResourceError> {
        let has_policy = |url: &str| {
            let queue = key_of_url(&ctx.scope, url).and_then(|key| self.queues.queue(&key).ok());
            queue.is_some_and(|queue| queue.settings.policy.is_some())
        };
        Ok(read::texts_of(properties, "Queues").all(has_policy))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn properties_become_attributes() {
        let properties = json!({
            "FifoQueue": true, "ContentBasedDeduplication": true, "DelaySeconds": 5,
            "RedrivePolicy": {"deadLetterTargetArn": {"Fn::GetAtt": ["Dead", "Arn"]}, "maxReceiveCount": 3},
        });
        let expected = [("ContentBasedDeduplication", "true"), ("DelaySeconds", "5"), ("FifoQueue", "true")];
        assert_eq!(attributes(&properties), expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    }

    #[test]
    fn a_url_leads_to_its_queue() {
        let key = key_of_url(&Scope::default(), "http://localhost:4566/111111111111/orders").unwrap();
        assert_eq!(key.arn().to_string(), "arn:aws:sqs:us-east-1:111111111111:orders");
        assert_eq!(key_of_url(&Scope::default(), "orders"), None);
    }

    #[test]
    fn what_is_no_longer_given_is_the_default_again() {
        assert_eq!(default("VisibilityTimeout", false), "30");
        assert_eq!(default("RedrivePolicy", false), "");
        assert_eq!(default("ContentBasedDeduplication", true), "false");
        assert_eq!(default("KmsDataKeyReusePeriodSeconds", false), "300");
        assert_eq!((default("KmsMasterKeyId", false), default("SqsManagedSseEnabled", false)), Default::default());
    }
}
