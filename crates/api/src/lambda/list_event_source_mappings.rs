//! ListEventSourceMappings, of a source or of a function.

use super::Lambda;
use crate::http::Caller;
use crate::models::lambda::{ListEventSourceMappingsRequest, ListEventSourceMappingsResponse};
use crate::wire::Fault;
use serde_json::json;

pub fn call(
    lambda: &Lambda,
    caller: &Caller,
    input: ListEventSourceMappingsRequest,
) -> Result<ListEventSourceMappingsResponse, Fault> {
    let (source, function) = (input.event_source_arn.as_deref(), input.function_name.as_deref());
    let (marker, max) = (input.marker.as_deref(), super::page_max(input.max_items));
    let page = lambda.mappings.list(&caller.scope, source, function, marker, Some(max))?;
    super::shown(json!({"EventSourceMappings": page.mappings, "NextMarker": page.next_marker}))
}
