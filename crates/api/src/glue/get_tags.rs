//! GetTags: of registries and schemas.

use super::Glue;
use super::names::{shown_tags, tagged};
use crate::http::Caller;
use crate::models::glue::{GetTagsRequest, GetTagsResponse};
use crate::wire::Fault;

pub fn call(glue: &Glue, caller: &Caller, input: GetTagsRequest) -> Result<GetTagsResponse, Fault> {
    let resource = tagged(caller, &input.resource_arn)?;
    Ok(GetTagsResponse { tags: shown_tags(glue.registry.tags(&resource)?) })
}
