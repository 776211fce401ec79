//! ListTags of functions and event source mappings.

use super::Lambda;
use crate::http::Caller;
use crate::models::lambda::{ListTagsRequest, ListTagsResponse};
use crate::wire::Fault;

pub fn call(lambda: &Lambda, caller: &Caller, input: ListTagsRequest) -> Result<ListTagsResponse, Fault> {
    let tags = match super::mapping_of(&input.resource) {
        Some(uuid) => lambda.mappings.tags(&caller.scope, &uuid)?,
        None => lambda.functions.tags(&caller.scope, &input.resource)?,
    };
    Ok(ListTagsResponse { tags: Some(tags.into_iter().map(|(key, value)| (key.into(), value.into())).collect()) })
}
