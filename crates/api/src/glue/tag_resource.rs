//! TagResource: of registries and schemas.

use super::Glue;
use super::names::{kept_tags, tagged};
use crate::http::Caller;
use crate::models::glue::{TagResourceRequest, TagResourceResponse};
use crate::wire::Fault;

pub fn call(glue: &Glue, caller: &Caller, input: TagResourceRequest) -> Result<TagResourceResponse, Fault> {
    let resource = tagged(caller, &input.resource_arn)?;
    let added = kept_tags(Some(input.tags_to_add));
    glue.registry.change_tags(&resource, |tags| tags.extend(added.clone()))?;
    Ok(TagResourceResponse {})
}
