//! UntagResource.

use super::{Sns, tagged};
use crate::http::Caller;
use crate::models::sns::{UntagResourceRequest, UntagResourceResponse};
use crate::wire::Fault;

pub fn call(sns: &Sns, _: &Caller, input: UntagResourceRequest) -> Result<UntagResourceResponse, Fault> {
    let keys: Vec<String> = input.tag_keys.iter().map(ToString::to_string).collect();
    sns.topics.untag(&tagged(&input.resource_arn)?, &keys)?;
    Ok(UntagResourceResponse {})
}
