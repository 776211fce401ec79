//! GetFunctionCodeSigningConfig: code is not signed here, so there is none. Terraform asks.

use super::Lambda;
use crate::http::Caller;
use crate::models::lambda::{GetFunctionCodeSigningConfigRequest, GetFunctionCodeSigningConfigResponse};
use crate::wire::{Fault, Text};
use millrace_functions::FunctionRef;

pub fn call(
    lambda: &Lambda,
    caller: &Caller,
    input: GetFunctionCodeSigningConfigRequest,
) -> Result<GetFunctionCodeSigningConfigResponse, Fault> {
    let key = FunctionRef::parse(&caller.scope, &input.function_name, None)?.key;
    lambda.functions.arn(&caller.scope, &input.function_name, None)?;
    Ok(GetFunctionCodeSigningConfigResponse {
        code_signing_config_arn: Text::default(),
        function_name: (*key.name).into(),
    })
}
