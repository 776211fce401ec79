//! `AWS::SNS::Topic`, `AWS::SNS::Subscription` and `AWS::SNS::TopicPolicy`. Properties are the attributes of SNS's own API
//! under the same names.

use super::read;
use async_trait::async_trait;
use millrace_access::DocumentKind;
use millrace_queue::sns::{self, FIFO_SUFFIX, NewSubscription, TopicError, TopicKey, Topics};
use millrace_stack::{Context, Created, ResourceError, ResourceType, Updated};
use serde_json::Value;
use std::collections::BTreeMap;

/// SNS's limit.
const NAME_CHARACTERS_MAX: usize = 256;
const TOPIC_ATTRIBUTES: [&str; 8] = [
    "ContentBasedDeduplication",
    "DisplayName",
    "FifoThroughputScope",
    "FifoTopic",
    "KmsMasterKeyId",
    "MaximumMessageSize",
    "SignatureVersion",
    "TracingConfig",
];
const SUBSCRIPTION_ATTRIBUTES: [&str; 5] =
    ["DeliveryPolicy", "FilterPolicy", "FilterPolicyScope", "RawMessageDelivery", "RedrivePolicy"];

/// Topics.
pub(super) struct Topic {
    pub(super) topics: Topics,
}

/// Subscriptions that stand on their own.
pub(super) struct Subscription {
    pub(super) topics: Topics,
}

/// Policies of topics: kept and shown.
pub(super) struct TopicPolicy {
    pub(super) topics: Topics,
}

fn is_fifo(properties: &Value) -> bool {
    properties.get("FifoTopic") == Some(&Value::Bool(true))
}

fn attributes(properties: &Value, names: &[&str]) -> BTreeMap<String, String> {
    let given = names.iter().filter_map(|name| Some((*name, properties.get(*name)?)));
    let known = given.filter(|(_, value)| !read::has_open(value));
    known.map(|(name, value)| (name.to_owned(), read::as_text(value))).collect()
}

fn refused(properties: &Value, error: &TopicError) -> ResourceError {
    let message = error.to_string();
    match error {
        TopicError::Key(_) => ResourceError::property("KmsMasterKeyId", message),
        TopicError::Queue(_) | TopicError::Catalog(_) => ResourceError::Failed(message),
        _ => {
            let members = properties.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
            let path = members.filter(|name| message.contains(name)).max_by_key(|name| name.len()).unwrap_or_default();
            ResourceError::property(path, message)
        }
    }
}

fn topic_key(arn: &str, path: &str) -> Result<TopicKey, ResourceError> {
    TopicKey::of_arn(arn).ok_or_else(|| ResourceError::property(path, format!("'{arn}' is no topic's ARN")))
}

impl Topic {
    fn key(ctx: &Context, properties: &Value) -> TopicKey {
        if let Some(name) = read::text(properties, "TopicName") {
            return TopicKey::new(&ctx.scope, name);
        }
        let suffix = if is_fifo(properties) { FIFO_SUFFIX } else { "" };
        let stem = read::tail(&ctx.generated_name, NAME_CHARACTERS_MAX - suffix.len());
        TopicKey::new(&ctx.scope, &format!("{stem}{suffix}"))
    }

    /// Makes the subscriptions that the topic lists itself what `new` says; others are left alone.
    async fn subscribe(&self, ctx: &Context, key: &TopicKey, old: &Value, new: &Value) -> Result<(), ResourceError> {
        let (before, after) = (listed(old), listed(new));
        let mut token = None;
        loop {
            let page = self.topics.subscriptions_of(key, token.as_deref()).map_err(|error| refused(new, &error))?;
            for one in &page.items {
                let place = (one.protocol.word().to_owned(), one.endpoint.clone());
                if before.contains(&place) && !after.contains(&place) {
                    self.topics.unsubscribe(&one.arn(), true).map_err(|error| refused(new, &error))?;
                }
            }
            match page.next_token {
                Some(next) => token = Some(next),
                None => break,
            }
        }
        for (protocol, endpoint) in after.into_iter().filter(|place| !before.contains(place)) {
            let owner = ctx.scope.account.to_string();
            let subscription = NewSubscription { protocol, endpoint, owner, attributes: BTreeMap::new() };
            self.topics.subscribe(key, subscription).await.map_err(|error| refused(new, &error))?;
        }
        Ok(())
    }
}

/// Protocols and endpoints of the subscriptions that a topic lists.
fn listed(properties: &Value) -> Vec<(String, String)> {
    let items = properties.get("Subscription").and_then(Value::as_array);
    let place =
        |item: &Value| Some((read::text(item, "Protocol")?.to_owned(), read::text(item, "Endpoint")?.to_owned()));
    items.into_iter().flatten().filter_map(place).collect()
}

fn made(key: &TopicKey) -> Created {
    Created::new(key.arn(), [("TopicArn", key.arn()), ("TopicName", key.name.to_string())])
}

#[async_trait]
impl ResourceType for Topic {
    fn properties(&self) -> &'static [&'static str] {
        &[
            "TopicName",
            "ContentBasedDeduplication",
            "DisplayName",
            "FifoThroughputScope",
            "FifoTopic",
            "KmsMasterKeyId",
            "MaximumMessageSize",
            "SignatureVersion",
            "Subscription",
            "Tags",
            "TracingConfig",
        ]
    }

    fn check(&self, ctx: &Context, properties: &Value) -> Result<(), ResourceError> {
        // The generated name is not known yet, the rules of the others hold for any.
        let stand_in = if is_fifo(properties) { "pending.fifo" } else { "pending" };
        let key = TopicKey::new(&ctx.scope, read::text(properties, "TopicName").unwrap_or(stand_in));
        sns::check_topic(&key, &attributes(properties, &TOPIC_ATTRIBUTES)).map_err(|error| refused(properties, &error))
    }

    async fn create(&self, ctx: &Context, properties: &Value) -> Result<Created, ResourceError> {
        let key = Self::key(ctx, properties);
        if self.topics.exists(&key) && !ctx.resuming {
            return Err(read::taken("topic", &key.name, "TopicName"));
        }
        let tags = read::tags(properties.get("Tags"));
        let given = attributes(properties, &TOPIC_ATTRIBUTES);
        self.topics.create(&key, &given, tags).map_err(|error| refused(properties, &error))?;
        if let Err(error) = self.subscribe(ctx, &key, &Value::Null, properties).await {
            // A creation that failed leaves nothing behind; the error is told anyway.
            let _ = self.topics.delete(&key);
            return Err(error);
        }
        Ok(made(&key))
    }

    async fn update(
        &self,
        ctx: &Context,
        physical_id: &str,
        old: &Value,
        new: &Value,
    ) -> Result<Updated, ResourceError> {
        let key = topic_key(physical_id, "")?;
        let failed = |error: TopicError| refused(new, &error);
        let (before, mut after) = (attributes(old, &TOPIC_ATTRIBUTES), attributes(new, &TOPIC_ATTRIBUTES));
        for name in before.into_keys() {
            after.entry(name).or_default();
        }
        after.remove("FifoTopic");
        for (name, value) in after {
            self.topics.set_attribute(&key, &name, &value).map_err(failed)?;
        }
        let (tags_before, tags) = (read::tags(old.get("Tags")), read::tags(new.get("Tags")));
        let gone: Vec<String> = tags_before.into_keys().filter(|name| !tags.contains_key(name)).collect();
        self.topics.untag(&key, &gone).and_then(|()| self.topics.tag(&key, tags)).map_err(failed)?;
        self.subscribe(ctx, &key, old, new).await?;
        Ok(Updated::InPlace(made(&key)))
    }

    async fn delete(&self, _ctx: &Context, physical_id: &str, properties: &Value) -> Result<(), ResourceError> {
        self.topics.delete(&topic_key(physical_id, "")?).map_err(|error| refused(properties, &error))
    }

    async fn exists(&self, _ctx: &Context, physical_id: &str, _properties: &Value) -> Result<bool, ResourceError> {
        Ok(TopicKey::of_arn(physical_id).is_some_and(|key| self.topics.exists(&key)))
    }
}

fn subscribed(arn: &str) -> Created {
    Created::new(arn, [("Arn", arn.to_owned())])
}

#[async_trait]
impl ResourceType for Subscription {
    fn properties(&self) -> &'static [&'static str] {
        &[
            "TopicArn",
            "Protocol",
            "Endpoint",
            "DeliveryPolicy",
            "FilterPolicy",
            "FilterPolicyScope",
            "RawMessageDelivery",
            "RedrivePolicy",
        ]
    }

    fn check(&self, _ctx: &Context, properties: &Value) -> Result<(), ResourceError> {
        let Some(protocol) = read::text(properties, "Protocol") else { return Ok(()) };
        sns::check_subscription(protocol, &attributes(properties, &SUBSCRIPTION_ATTRIBUTES))
            .map_err(|error| refused(properties, &error))
    }

    async fn create(&self, ctx: &Context, properties: &Value) -> Result<Created, ResourceError> {
        let topic = topic_key(read::text(properties, "TopicArn").unwrap_or_default(), "TopicArn")?;
        let new = NewSubscription {
            protocol: read::text(properties, "Protocol").unwrap_or_default().to_owned(),
            endpoint: read::text(properties, "Endpoint").unwrap_or_default().to_owned(),
            owner: ctx.scope.account.to_string(),
            attributes: attributes(properties, &SUBSCRIPTION_ATTRIBUTES),
        };
        let made = self.topics.subscribe(&topic, new).await.map_err(|error| refused(properties, &error))?;
        Ok(subscribed(&made.arn()))
    }

    async fn update(
        &self,
        _ctx: &Context,
        physical_id: &str,
        old: &Value,
        new: &Value,
    ) -> Result<Updated, ResourceError> {
        let before = attributes(old, &SUBSCRIPTION_ATTRIBUTES);
        let mut after = attributes(new, &SUBSCRIPTION_ATTRIBUTES);
        for name in before.keys() {
            after.entry(name.clone()).or_default();
        }
        let changed = after.into_iter().filter(|(name, value)| before.get(name) != Some(value));
        // The policy and what it looks at hold together, so they change together.
        self.topics
            .set_subscription_attributes(physical_id, &changed.collect())
            .map_err(|error| refused(new, &error))?;
        Ok(Updated::InPlace(subscribed(physical_id)))
    }

    async fn delete(&self, _ctx: &Context, physical_id: &str, properties: &Value) -> Result<(), ResourceError> {
        self.topics.unsubscribe(physical_id, true).map_err(|error| refused(properties, &error))
    }

    async fn exists(&self, _ctx: &Context, physical_id: &str, _properties: &Value) -> Result<bool, ResourceError> {
        Ok(self.topics.subscription(physical_id).is_ok())
    }
}

impl TopicPolicy {
    fn apply(&self, properties: &Value, document: &str) -> Result<(), ResourceError> {
        for arn in read::texts_of(properties, "Topics") {
            match self.topics.set_attribute(&topic_key(arn, "Topics")?, "Policy", document) {
                // A topic that is gone has no policy to take away.
                Err(TopicError::NotFound(_)) if document.is_empty() => {}
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
impl ResourceType for TopicPolicy {
    fn properties(&self) -> &'static [&'static str] {
        &["PolicyDocument", "Topics"]
    }

    fn check(&self, _: &Context, properties: &Value) -> Result<(), ResourceError> {
        super::identity::check(properties.get("PolicyDocument"), "PolicyDocument", DocumentKind::Resource)
    }

    async fn create(&self, ctx: &Context, properties: &Value) -> Result<Created, ResourceError> {
        self.apply(properties, &policy_document(properties))?;
        Ok(Created::new(ctx.generated_name.clone(), [("Id", ctx.generated_name.clone())]))
    }

    async fn update(
        &self,
        _ctx: &Context,
        physical_id: &str,
        old: &Value,
        new: &Value,
    ) -> Result<Updated, ResourceError> {
        self.apply(old, "")?;
        self.apply(new, &policy_document(new))?;
        Ok(Updated::InPlace(Created::new(physical_id, [("Id", physical_id.to_owned())])))
    }

    async fn delete(&self, _ctx: &Context, _physical_id: &str, properties: &Value) -> Result<(), ResourceError> {
        self.apply(properties, "")
    }

    /// It is there when every topic that it lists has this policy: one that was made anew by hand has another.
    async fn exists(&self, _ctx: &Context, _physical_id: &str, properties: &Value) -> Result<bool, ResourceError> {
        let document = policy_document(properties);
        let has_policy = |arn: &str| {
            let attributes = TopicKey::of_arn(arn).and_then(|key| self.topics.attributes(&key).ok());
            attributes.is_some_and(|attributes| attributes.get("Policy") == Some(&document))
        };
        Ok(read::texts_of(properties, "Topics").all(has_policy))
    }
}
