//! TagResource.

use super::{Sns, tagged, tags};
use crate::http::Caller;
use crate::models::sns::{TagResourceRequest, TagResourceResponse};
use crate::wire::Fault;

pub fn call(sns: &Sns, _: &Caller, input: TagResourceRequest) -> Result<TagResourceResponse, Fault> {
    sns.topics.tag(&tagged(&input.resource_arn)?, tags(input.tags))?;
    Ok(TagResourceResponse {})
}
