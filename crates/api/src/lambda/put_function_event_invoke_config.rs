//! PutFunctionEventInvokeConfig: replaces it.

use super::Lambda;
use crate::http::Caller;
use crate::models::lambda::{FunctionEventInvokeConfig, PutFunctionEventInvokeConfigRequest};
use crate::wire::Fault;

pub fn call(
    lambda: &Lambda,
    caller: &Caller,
    input: PutFunctionEventInvokeConfigRequest,
) -> Result<FunctionEventInvokeConfig, Fault> {
    let (name, qualifier) = (&input.function_name, input.qualifier.as_deref());
    let config = super::kept(&input)?;
    super::shown(lambda.functions.put_event_invoke(&caller.scope, name, qualifier, config, false)?)
}
