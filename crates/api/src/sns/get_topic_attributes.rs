//! GetTopicAttributes.

use super::{Sns, map, topic};
use crate::http::Caller;
use crate::models::sns::{GetTopicAttributesInput, GetTopicAttributesResponse};
use crate::wire::Fault;

pub fn call(sns: &Sns, _: &Caller, input: GetTopicAttributesInput) -> Result<GetTopicAttributesResponse, Fault> {
    let attributes = sns.topics.attributes(&topic(&input.topic_arn)?)?;
    Ok(GetTopicAttributesResponse { attributes: Some(map(attributes)) })
}
