//! SetTopicAttributes: one attribute; without a value it is taken away.

use super::{Sns, text, topic};
use crate::http::Caller;
use crate::models::sns::SetTopicAttributesInput;
use crate::wire::Fault;

pub fn call(sns: &Sns, _: &Caller, input: SetTopicAttributesInput) -> Result<(), Fault> {
    let value = text(&input.attribute_value).unwrap_or_default();
    Ok(sns.topics.set_attribute(&topic(&input.topic_arn)?, &input.attribute_name, value)?)
}
