//! ListLayerVersions: the newest first.

use super::Lambda;
use crate::http::Caller;
use crate::models::lambda::{ListLayerVersionsRequest, ListLayerVersionsResponse};
use crate::wire::Fault;
use millrace_functions::LayerFilter;
use serde_json::json;

pub fn call(
    lambda: &Lambda,
    caller: &Caller,
    input: ListLayerVersionsRequest,
) -> Result<ListLayerVersionsResponse, Fault> {
    let filter = LayerFilter {
        runtime: input.compatible_runtime.as_deref(),
        architecture: input.compatible_architecture.as_deref(),
    };
    let (marker, max) = (input.marker.as_deref(), super::page_max(input.max_items));
    let (page, next) = lambda.functions.layer_versions(&caller.scope, &input.layer_name, filter, marker, max)?;
    super::shown(json!({"LayerVersions": page, "NextMarker": next}))
}
