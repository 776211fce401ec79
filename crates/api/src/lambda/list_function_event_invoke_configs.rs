//! ListFunctionEventInvokeConfigs.

use super::Lambda;
use crate::http::Caller;
use crate::models::lambda::{ListFunctionEventInvokeConfigsRequest, ListFunctionEventInvokeConfigsResponse};
use crate::wire::Fault;
use serde_json::json;

pub fn call(
    lambda: &Lambda,
    caller: &Caller,
    input: ListFunctionEventInvokeConfigsRequest,
) -> Result<ListFunctionEventInvokeConfigsResponse, Fault> {
    let (name, marker) = (&input.function_name, input.marker.as_deref());
    let (page, next) = lambda.functions.event_invokes(&caller.scope, name, marker, super::page_max(input.max_items))?;
    super::shown(json!({"FunctionEventInvokeConfigs": page, "NextMarker": next}))
}
