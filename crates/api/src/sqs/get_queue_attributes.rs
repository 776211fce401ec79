//! GetQueueAttributes: settings and counts, which are exact here.

use super::{Door, map};
use crate::http::Caller;
use crate::models::sqs::{GetQueueAttributesRequest, GetQueueAttributesResult};
use crate::wire::Fault;

pub fn call(door: &Door, caller: &Caller, input: GetQueueAttributesRequest) -> Result<GetQueueAttributesResult, Fault> {
    let mut attributes = door.queues.attributes(&door.key(caller, &input.queue_url)?)?;
    let names = input.attribute_names.unwrap_or_default();
    if !names.iter().any(|name| &**name == "All") {
        attributes.retain(|name, _| names.iter().any(|wanted| **wanted == **name));
    }
    Ok(GetQueueAttributesResult { attributes: Some(map(attributes)).filter(|map| !map.is_empty()) })
}
