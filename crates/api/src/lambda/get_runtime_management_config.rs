//! GetRuntimeManagementConfig: runtimes are the machine's own. Terraform asks.

use super::Lambda;
use crate::http::Caller;
use crate::models::lambda::{GetRuntimeManagementConfigRequest, GetRuntimeManagementConfigResponse};
use crate::wire::Fault;

pub fn call(
    lambda: &Lambda,
    caller: &Caller,
    input: GetRuntimeManagementConfigRequest,
) -> Result<GetRuntimeManagementConfigResponse, Fault> {
    let qualifier = input.qualifier.as_deref();
    super::shown(lambda.functions.runtime_management(&caller.scope, &input.function_name, qualifier)?)
}
