//! UpdateEventSourceMapping, while it runs.

use super::Lambda;
use crate::http::Caller;
use crate::models::lambda::{EventSourceMappingConfiguration, UpdateEventSourceMappingRequest};
use crate::wire::Fault;

pub fn call(
    lambda: &Lambda,
    caller: &Caller,
    input: UpdateEventSourceMappingRequest,
) -> Result<EventSourceMappingConfiguration, Fault> {
    super::shown(lambda.mappings.update(&caller.scope, &input.uuid, super::kept(&input)?)?)
}
