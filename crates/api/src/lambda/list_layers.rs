//! ListLayers, each with its last version.

use super::Lambda;
use crate::http::Caller;
use crate::models::lambda::{ListLayersRequest, ListLayersResponse};
use crate::wire::Fault;
use millrace_functions::LayerFilter;
use serde_json::json;

pub fn call(lambda: &Lambda, caller: &Caller, input: ListLayersRequest) -> Result<ListLayersResponse, Fault> {
    let filter = LayerFilter {
        runtime: input.compatible_runtime.as_deref(),
        architecture: input.compatible_architecture.as_deref(),
    };
    let (marker, max) = (input.marker.as_deref(), super::page_max(input.max_items));
    let (page, next) = lambda.functions.layers(&caller.scope, filter, marker, max)?;
    super::shown(json!({"Layers": page, "NextMarker": next}))
}
