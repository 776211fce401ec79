//! UpdateFunctionConfiguration: what ran before runs on until the new one is ready.

use super::Lambda;
use crate::http::Caller;
use crate::models::lambda::{FunctionConfiguration, UpdateFunctionConfigurationRequest};
use crate::wire::Fault;

pub fn call(
    lambda: &Lambda,
    caller: &Caller,
    input: UpdateFunctionConfigurationRequest,
) -> Result<FunctionConfiguration, Fault> {
    super::check_role(caller, &input.function_name, input.role.as_deref())?;
    super::shown(lambda.functions.update_configuration(&caller.scope, super::kept(&input)?)?)
}
