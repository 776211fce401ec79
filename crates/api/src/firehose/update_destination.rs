//! UpdateDestination: merged member by member; what was read before is delivered as before.

use super::Firehose;
use crate::authorize::check_roles;
use crate::http::{Call, Reply};
use crate::models::firehose::{UpdateDestinationInput, UpdateDestinationOutput};
use crate::wire::Fault;

pub async fn call(firehose: &Firehose, call: Call) -> Result<Reply, Fault> {
    let input: UpdateDestinationInput = call.input()?;
    check_roles(&call.caller, &input.delivery_stream_name, &input)?;
    let mut update = super::body(&input)?;
    if let Some(members) = update.as_object_mut() {
        members.retain(|name, _| name.ends_with("DestinationUpdate"));
    }
    let (name, version) = (&input.delivery_stream_name, &input.current_delivery_stream_version_id);
    let scope = &call.caller.scope;
    firehose.deliveries.update_destination(scope, name, version, &input.destination_id, update)?;
    Ok(call.output(&UpdateDestinationOutput {}))
}
