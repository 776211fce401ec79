//! SetTopicAttributes: one attribute; without a value it is taken away.

use super::{Sns, check_policy, text, topic};
use crate::http::Caller;
use crate::models::sns::SetTopicAttributesInput;
use crate::wire::Fault;

pub fn call(sns: &Sns, _: &Caller, input: SetTopicAttributesInput) -> Result<(), Fault> {
    let value = text(&input.attribute_value).unwrap_or_default();
    if input.attribute_name.as_str() == "Policy" && !value.is_empty() {
        check_policy(value)?;
    }
    Ok(sns.topics.set_attribute(&topic(&input.topic_arn)?, &input.attribute_name, value)?)
}
