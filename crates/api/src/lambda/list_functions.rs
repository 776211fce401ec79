//! ListFunctions, or with `FunctionVersion=ALL` all of their versions.

use super::Lambda;
use crate::http::Caller;
use crate::models::lambda::{ListFunctionsRequest, ListFunctionsResponse};
use crate::wire::Fault;
use serde_json::json;

pub fn call(lambda: &Lambda, caller: &Caller, input: ListFunctionsRequest) -> Result<ListFunctionsResponse, Fault> {
    let (all, marker) = (input.function_version.is_some(), input.marker.as_deref());
    let (page, next) = lambda.functions.list(&caller.scope, all, marker, super::page_max(input.max_items));
    super::shown(json!({"Functions": page, "NextMarker": next}))
}
