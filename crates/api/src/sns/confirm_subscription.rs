//! ConfirmSubscription: an endpoint wants what it was offered.

use super::{Sns, text, topic};
use crate::http::Caller;
use crate::models::sns::{ConfirmSubscriptionInput, ConfirmSubscriptionResponse};
use crate::wire::Fault;

pub fn call(sns: &Sns, caller: &Caller, input: ConfirmSubscriptionInput) -> Result<ConfirmSubscriptionResponse, Fault> {
    let asks = text(&input.authenticate_on_unsubscribe).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    // Who did not say who he is cannot reserve the end of the subscription to himself.
    let authenticated = asks && !caller.access_key_id.is_empty();
    let subscription = sns.topics.confirm(&topic(&input.topic_arn)?, &input.token, authenticated)?;
    Ok(ConfirmSubscriptionResponse { subscription_arn: Some(subscription.arn().into()) })
}
