//! GetFunctionEventInvokeConfig.

use super::Lambda;
use crate::http::Caller;
use crate::models::lambda::{FunctionEventInvokeConfig, GetFunctionEventInvokeConfigRequest};
use crate::wire::Fault;

pub fn call(
    lambda: &Lambda,
    caller: &Caller,
    input: GetFunctionEventInvokeConfigRequest,
) -> Result<FunctionEventInvokeConfig, Fault> {
    let qualifier = input.qualifier.as_deref();
    super::shown(lambda.functions.event_invoke(&caller.scope, &input.function_name, qualifier)?)
}
