//! DeleteEventSourceMapping: it reads no more when this returns.

use super::Lambda;
use crate::http::Caller;
use crate::models::lambda::{DeleteEventSourceMappingRequest, EventSourceMappingConfiguration};
use crate::wire::Fault;

pub async fn call(
    lambda: &Lambda,
    caller: &Caller,
    input: DeleteEventSourceMappingRequest,
) -> Result<EventSourceMappingConfiguration, Fault> {
    super::shown(lambda.mappings.delete(&caller.scope, &input.uuid).await?)
}
