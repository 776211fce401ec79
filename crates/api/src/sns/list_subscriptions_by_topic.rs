//! ListSubscriptionsByTopic.

use super::{Sns, listed, text, topic};
use crate::http::Caller;
use crate::models::sns::{ListSubscriptionsByTopicInput, ListSubscriptionsByTopicResponse};
use crate::wire::Fault;

pub fn call(
    sns: &Sns,
    _: &Caller,
    input: ListSubscriptionsByTopicInput,
) -> Result<ListSubscriptionsByTopicResponse, Fault> {
    let page = sns.topics.subscriptions_of(&topic(&input.topic_arn)?, text(&input.next_token))?;
    Ok(ListSubscriptionsByTopicResponse {
        subscriptions: Some(page.items.into_iter().map(listed).collect()),
        next_token: page.next_token.map(Into::into),
    })
}
