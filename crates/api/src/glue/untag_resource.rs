//! UntagResource: of registries and schemas; absent tags are no error.

use super::Glue;
use super::names::tagged;
use crate::http::Caller;
use crate::models::glue::{UntagResourceRequest, UntagResourceResponse};
use crate::wire::Fault;

pub fn call(glue: &Glue, caller: &Caller, input: UntagResourceRequest) -> Result<UntagResourceResponse, Fault> {
    let resource = tagged(caller, &input.resource_arn)?;
    let removed = input.tags_to_remove;
    glue.registry.change_tags(&resource, |tags| {
        tags.retain(|key, _| !removed.iter().any(|gone| gone.as_str() == key));
    })?;
    Ok(UntagResourceResponse {})
}
