//! Amazon SNS over [`Topics`].

mod add_permission;
mod confirm_subscription;
mod create_topic;
mod delete_topic;
mod get_subscription_attributes;
mod get_topic_attributes;
mod list_subscriptions;
mod list_subscriptions_by_topic;
mod list_tags_for_resource;
mod list_topics;
mod message;
mod publish;
mod publish_batch;
mod remove_permission;
mod set_subscription_attributes;
mod set_topic_attributes;
mod subscribe;
mod tag_resource;
mod unsubscribe;
mod untag_resource;

use crate::http::{Call, Reply, Service, awaited, blocking};
use crate::models::sns::{MODEL, Subscription as Listed, Tag, faults};
use crate::wire::{Fault, Model, Text};
use async_trait::async_trait;
use millrace_access::{DocumentKind, IdentityError, check_document};
use millrace_queue::KeyRefusal;
use millrace_queue::sns::{Subscription, TopicError, TopicKey, Topics};
use std::collections::BTreeMap;

/// The service. Cheap to clone.
#[derive(Clone)]
pub struct Sns {
    topics: Topics,
}

impl Sns {
    /// The service over `topics`.
    pub fn new(topics: Topics) -> Self {
        Self { topics }
    }
}

#[async_trait]
impl Service for Sns {
    fn model(&self) -> &'static Model {
        &MODEL
    }

    /// The links in messages to HTTP endpoints are opened by whoever got them.
    fn is_open(&self, operation: &str) -> bool {
        matches!(operation, "ConfirmSubscription" | "Unsubscribe")
    }

    async fn call(&self, call: Call) -> Result<Reply, Fault> {
        match call.operation.as_str() {
            "AddPermission" => blocking(self, call, add_permission::call).await,
            "ConfirmSubscription" => blocking(self, call, confirm_subscription::call).await,
            "CreateTopic" => blocking(self, call, create_topic::call).await,
            "DeleteTopic" => blocking(self, call, delete_topic::call).await,
            "GetSubscriptionAttributes" => blocking(self, call, get_subscription_attributes::call).await,
            "GetTopicAttributes" => blocking(self, call, get_topic_attributes::call).await,
            "ListSubscriptions" => blocking(self, call, list_subscriptions::call).await,
            "ListSubscriptionsByTopic" => blocking(self, call, list_subscriptions_by_topic::call).await,
            "ListTagsForResource" => blocking(self, call, list_tags_for_resource::call).await,
            "ListTopics" => blocking(self, call, list_topics::call).await,
            "Publish" => awaited(&call, |input| publish::call(self, input)).await,
            "PublishBatch" => awaited(&call, |input| publish_batch::call(self, input)).await,
            "RemovePermission" => blocking(self, call, remove_permission::call).await,
            "SetSubscriptionAttributes" => blocking(self, call, set_subscription_attributes::call).await,
            "SetTopicAttributes" => blocking(self, call, set_topic_attributes::call).await,
            "Subscribe" => awaited(&call, |input| subscribe::call(self, &call.caller, input)).await,
            "TagResource" => blocking(self, call, tag_resource::call).await,
            "Unsubscribe" => blocking(self, call, unsubscribe::call).await,
            "UntagResource" => blocking(self, call, untag_resource::call).await,
            _ => Err(call.unsupported("sns")),
        }
    }
}

fn topic(arn: &str) -> Result<TopicKey, Fault> {
    TopicKey::of_arn(arn).ok_or_else(|| {
        faults::INVALID_PARAMETER_EXCEPTION
            .because("Invalid parameter: TopicArn Reason: An ARN must have at least 6 elements, not 1")
    })
}

/// The topic of an ARN in an operation on tags.
fn tagged(arn: &str) -> Result<TopicKey, Fault> {
    TopicKey::of_arn(arn).ok_or_else(|| Fault::from(TopicError::NoResource))
}

/// Refuses a policy that could not be evaluated.
fn check_policy(policy: &str) -> Result<(), Fault> {
    let bad = |error: IdentityError| TopicError::InvalidParameter(format!("Policy Error: {error}"));
    Ok(check_document(policy, DocumentKind::Resource).map_err(bad)?)
}

fn texts(map: Option<BTreeMap<Text, Text>>) -> BTreeMap<String, String> {
    map.unwrap_or_default().into_iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

fn map(texts: BTreeMap<String, String>) -> BTreeMap<Text, Text> {
    texts.into_iter().map(|(name, value)| (name.into(), value.into())).collect()
}

fn tags(tags: Vec<Tag>) -> BTreeMap<String, String> {
    tags.into_iter().map(|tag| (tag.key.to_string(), tag.value.to_string())).collect()
}

/// A subscription as lists show it: one that is not confirmed has no ARN yet.
fn listed(subscription: Subscription) -> Listed {
    let arn = if subscription.pending.is_some() { "PendingConfirmation".to_owned() } else { subscription.arn() };
    Listed {
        subscription_arn: Some(arn.into()),
        topic_arn: Some(subscription.topic.arn().into()),
        protocol: Some(subscription.protocol.word().into()),
        owner: Some(subscription.owner.into()),
        endpoint: Some(subscription.endpoint.into()),
    }
}

fn text(text: &Option<Text>) -> Option<&str> {
    text.as_deref()
}

impl From<TopicError> for Fault {
    fn from(error: TopicError) -> Self {
        let kind = match &error {
            TopicError::InvalidParameter(_) | TopicError::Unsupported(_) => faults::INVALID_PARAMETER_EXCEPTION,
            TopicError::InvalidParameterValue(_) => faults::INVALID_PARAMETER_VALUE_EXCEPTION,
            TopicError::NotFound(_) => faults::NOT_FOUND_EXCEPTION,
            TopicError::NoResource => faults::RESOURCE_NOT_FOUND_EXCEPTION,
            TopicError::TagLimit => faults::TAG_LIMIT_EXCEEDED_EXCEPTION,
            TopicError::AuthorizationError(_) => faults::AUTHORIZATION_ERROR_EXCEPTION,
            TopicError::EmptyBatch => faults::EMPTY_BATCH_REQUEST_EXCEPTION,
            TopicError::TooManyEntries => faults::TOO_MANY_ENTRIES_IN_BATCH_REQUEST_EXCEPTION,
            TopicError::IdsNotDistinct => faults::BATCH_ENTRY_IDS_NOT_DISTINCT_EXCEPTION,
            TopicError::InvalidEntryId => faults::INVALID_BATCH_ENTRY_ID_EXCEPTION,
            TopicError::BatchTooLong => faults::BATCH_REQUEST_TOO_LONG_EXCEPTION,
            TopicError::Key(KeyRefusal::NotFound(_)) => faults::KMS_NOT_FOUND_EXCEPTION,
            TopicError::Key(KeyRefusal::Disabled(_)) => faults::KMS_DISABLED_EXCEPTION,
            TopicError::Key(KeyRefusal::InvalidState(_)) => faults::KMS_INVALID_STATE_EXCEPTION,
            TopicError::Key(KeyRefusal::Failed(_)) | TopicError::Queue(_) | TopicError::Catalog(_) => {
                faults::INTERNAL_ERROR_EXCEPTION
            }
        };
        kind.because(error.to_string())
    }
}
