//! CreateTopic: a topic, or the ARN of the one that is there.

use super::{Sns, check_policy, tags, texts};
use crate::http::Caller;
use crate::models::sns::{CreateTopicInput, CreateTopicResponse};
use crate::wire::Fault;
use millrace_queue::sns::{TopicError, TopicKey};

pub fn call(sns: &Sns, caller: &Caller, input: CreateTopicInput) -> Result<CreateTopicResponse, Fault> {
    if input.data_protection_policy.is_some() {
        return Err(TopicError::Unsupported("DataProtectionPolicy".into()).into());
    }
    let key = TopicKey::new(&caller.scope, &input.name);
    let attributes = texts(input.attributes);
    if let Some(policy) = attributes.get("Policy").filter(|policy| !policy.is_empty()) {
        check_policy(policy)?;
    }
    sns.topics.create(&key, &attributes, tags(input.tags.unwrap_or_default()))?;
    Ok(CreateTopicResponse { topic_arn: Some(key.arn().into()) })
}
