//! GetEventSourceMapping.

use super::Lambda;
use crate::http::Caller;
use crate::models::lambda::{EventSourceMappingConfiguration, GetEventSourceMappingRequest};
use crate::wire::Fault;

pub fn call(
    lambda: &Lambda,
    caller: &Caller,
    input: GetEventSourceMappingRequest,
) -> Result<EventSourceMappingConfiguration, Fault> {
    super::shown(lambda.mappings.get(&caller.scope, &input.uuid)?)
}
