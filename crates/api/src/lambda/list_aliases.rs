//! ListAliases, of one version if given.

use super::Lambda;
use crate::http::Caller;
use crate::models::lambda::{ListAliasesRequest, ListAliasesResponse};
use crate::wire::Fault;
use serde_json::json;

pub fn call(lambda: &Lambda, caller: &Caller, input: ListAliasesRequest) -> Result<ListAliasesResponse, Fault> {
    let (version, marker) = (input.function_version.as_deref(), input.marker.as_deref());
    let max = super::page_max(input.max_items);
    let (page, next) = lambda.functions.aliases(&caller.scope, &input.function_name, version, marker, max)?;
    super::shown(json!({"Aliases": page, "NextMarker": next}))
}
