//! GetFunctionRecursionConfig: loops are not looked for, so all are allowed. Terraform asks.

use super::Lambda;
use crate::http::Caller;
use crate::models::lambda::{GetFunctionRecursionConfigRequest, GetFunctionRecursionConfigResponse};
use crate::wire::{Fault, Text};

pub fn call(
    lambda: &Lambda,
    caller: &Caller,
    input: GetFunctionRecursionConfigRequest,
) -> Result<GetFunctionRecursionConfigResponse, Fault> {
    lambda.functions.arn(&caller.scope, &input.function_name, None)?;
    Ok(GetFunctionRecursionConfigResponse { recursive_loop: Some(Text::from_static("Allow")) })
}
