//! Subscribe: queues and functions at once, HTTP endpoints when they confirm.

use super::{Sns, text, texts, topic};
use crate::http::Caller;
use crate::models::sns::{SubscribeInput, SubscribeResponse};
use crate::wire::Fault;
use millrace_queue::sns::NewSubscription;

pub async fn call(sns: &Sns, caller: &Caller, input: SubscribeInput) -> Result<SubscribeResponse, Fault> {
    let new = NewSubscription {
        protocol: input.protocol.to_string(),
        endpoint: text(&input.endpoint).unwrap_or_default().to_owned(),
        owner: caller.scope.account.to_string(),
        attributes: texts(input.attributes),
    };
    let subscription = sns.topics.subscribe(&topic(&input.topic_arn)?, new).await?;
    let wants_arn = input.return_subscription_arn.unwrap_or_default();
    let arn = if subscription.pending.is_some() && !wants_arn {
        "pending confirmation".to_owned()
    } else {
        subscription.arn()
    };
    Ok(SubscribeResponse { subscription_arn: Some(arn.into()) })
}
