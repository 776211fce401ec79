//! GetLayerVersion and GetLayerVersionByArn: a layer version and where its zip can be had.

use super::Lambda;
use crate::http::Call;
use crate::models::lambda::{GetLayerVersionByArnRequest, GetLayerVersionRequest, GetLayerVersionResponse};
use crate::wire::Fault;
use millrace_functions::LayerVersion;
use serde_json::{Value, json};

pub fn get(lambda: &Lambda, call: &Call, input: &GetLayerVersionRequest) -> Result<GetLayerVersionResponse, Fault> {
    let version = u64::try_from(input.version_number).ok();
    let layer = lambda.functions.layer(&call.caller.scope, &input.layer_name, version)?;
    super::shown(shown(lambda, &call.endpoint, layer))
}

pub fn get_by_arn(
    lambda: &Lambda,
    call: &Call,
    input: &GetLayerVersionByArnRequest,
) -> Result<GetLayerVersionResponse, Fault> {
    super::shown(shown(lambda, &call.endpoint, lambda.functions.layer(&call.caller.scope, &input.arn, None)?))
}

/// The version with its `Content`.
pub fn shown(lambda: &Lambda, endpoint: &str, layer: LayerVersion) -> Value {
    let mut shown = layer.shown;
    shown["Content"] = json!({
        "Location": lambda.addresses.package(endpoint, &layer.package),
        "CodeSha256": layer.code_sha256,
        "CodeSize": layer.code_size,
    });
    shown
}
