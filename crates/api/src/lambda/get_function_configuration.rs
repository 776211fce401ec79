//! GetFunctionConfiguration: what the waiters of the SDKs look at.

use super::Lambda;
use crate::http::Caller;
use crate::models::lambda::{FunctionConfiguration, GetFunctionConfigurationRequest};
use crate::wire::Fault;

pub fn call(
    lambda: &Lambda,
    caller: &Caller,
    input: GetFunctionConfigurationRequest,
) -> Result<FunctionConfiguration, Fault> {
    let qualifier = input.qualifier.as_deref();
    super::shown(lambda.functions.get(&caller.scope, &input.function_name, qualifier)?.configuration)
}
