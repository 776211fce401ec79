//! CreateEventSourceMapping: reads from now on.

use super::Lambda;
use crate::http::Caller;
use crate::models::lambda::{CreateEventSourceMappingRequest, EventSourceMappingConfiguration};
use crate::wire::Fault;

pub fn call(
    lambda: &Lambda,
    caller: &Caller,
    input: CreateEventSourceMappingRequest,
) -> Result<EventSourceMappingConfiguration, Fault> {
    super::shown(lambda.mappings.create(&caller.scope, super::kept(&input)?)?)
}
