//! GetFunction: the configuration, and where the zip can be had.

use super::Lambda;
use crate::http::Call;
use crate::models::lambda::{GetFunctionRequest, GetFunctionResponse};
use crate::wire::Fault;
use serde_json::json;

pub fn call(lambda: &Lambda, call: &Call, input: &GetFunctionRequest) -> Result<GetFunctionResponse, Fault> {
    let function = lambda.functions.get(&call.caller.scope, &input.function_name, input.qualifier.as_deref())?;
    let mut shown = json!({
        "Configuration": function.configuration,
        "Code": {"RepositoryType": "S3", "Location": lambda.addresses.package(&call.endpoint, &function.package)},
    });
    if !function.tags.is_empty() {
        shown["Tags"] = json!(function.tags);
    }
    if let Some(reserved) = function.reserved_concurrency {
        shown["Concurrency"] = json!({"ReservedConcurrentExecutions": reserved});
    }
    super::shown(shown)
}
