//! SetSubscriptionAttributes: one attribute; without a value it is taken away.

use super::{Sns, text};
use crate::http::Caller;
use crate::models::sns::SetSubscriptionAttributesInput;
use crate::wire::Fault;

pub fn call(sns: &Sns, _: &Caller, input: SetSubscriptionAttributesInput) -> Result<(), Fault> {
    let value = text(&input.attribute_value).unwrap_or_default();
    Ok(sns.topics.set_subscription_attribute(&input.subscription_arn, &input.attribute_name, value)?)
}
