//! TagResource of functions and event source mappings.

use super::Lambda;
use crate::http::Caller;
use crate::models::lambda::TagResourceRequest;
use crate::wire::Fault;

pub fn call(lambda: &Lambda, caller: &Caller, input: TagResourceRequest) -> Result<(), Fault> {
    let tags = super::texts(input.tags);
    match super::mapping_of(&input.resource) {
        Some(uuid) => Ok(lambda.mappings.change_tags(&caller.scope, &uuid, |all| all.extend(tags))?),
        None => Ok(lambda.functions.tag(&caller.scope, &input.resource, tags)?),
    }
}
