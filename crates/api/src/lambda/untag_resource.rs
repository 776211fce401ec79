//! UntagResource of functions and event source mappings.

use super::Lambda;
use crate::http::Caller;
use crate::models::lambda::UntagResourceRequest;
use crate::wire::Fault;

pub fn call(lambda: &Lambda, caller: &Caller, input: UntagResourceRequest) -> Result<(), Fault> {
    let keys: Vec<String> = input.tag_keys.iter().map(ToString::to_string).collect();
    match super::mapping_of(&input.resource) {
        Some(uuid) => {
            Ok(lambda.mappings.change_tags(&caller.scope, &uuid, |all| all.retain(|key, _| !keys.contains(key)))?)
        }
        None => Ok(lambda.functions.untag(&caller.scope, &input.resource, &keys)?),
    }
}
