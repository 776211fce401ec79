//! ListVersionsByFunction: `$LATEST` first.

use super::Lambda;
use crate::http::Caller;
use crate::models::lambda::{ListVersionsByFunctionRequest, ListVersionsByFunctionResponse};
use crate::wire::Fault;
use serde_json::json;

pub fn call(
    lambda: &Lambda,
    caller: &Caller,
    input: ListVersionsByFunctionRequest,
) -> Result<ListVersionsByFunctionResponse, Fault> {
    let (name, marker) = (&input.function_name, input.marker.as_deref());
    let (page, next) = lambda.functions.versions(&caller.scope, name, marker, super::page_max(input.max_items))?;
    super::shown(json!({"Versions": page, "NextMarker": next}))
}
