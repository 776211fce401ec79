//! SetSubscriptionAttributes: one attribute; without a value it is taken away.

use super::{Sns, text};
use crate::http::Caller;
use crate::models::sns::SetSubscriptionAttributesInput;
use crate::wire::Fault;
use std::collections::BTreeMap;

pub fn call(sns: &Sns, _: &Caller, input: SetSubscriptionAttributesInput) -> Result<(), Fault> {
    let value = text(&input.attribute_value).unwrap_or_default().to_owned();
    let values = BTreeMap::from([(input.attribute_name.to_string(), value)]);
    Ok(sns.topics.set_subscription_attributes(&input.subscription_arn, &values)?)
}
