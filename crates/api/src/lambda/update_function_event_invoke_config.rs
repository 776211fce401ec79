//! UpdateFunctionEventInvokeConfig: what is absent stays.

use super::Lambda;
use crate::http::Caller;
use crate::models::lambda::{FunctionEventInvokeConfig, UpdateFunctionEventInvokeConfigRequest};
use crate::wire::Fault;

pub fn call(
    lambda: &Lambda,
    caller: &Caller,
    input: UpdateFunctionEventInvokeConfigRequest,
) -> Result<FunctionEventInvokeConfig, Fault> {
    let (name, qualifier) = (&input.function_name, input.qualifier.as_deref());
    let config = super::kept(&input)?;
    super::shown(lambda.functions.put_event_invoke(&caller.scope, name, qualifier, config, true)?)
}
