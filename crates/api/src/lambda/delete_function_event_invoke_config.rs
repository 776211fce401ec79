//! DeleteFunctionEventInvokeConfig.

use super::Lambda;
use crate::http::Caller;
use crate::models::lambda::DeleteFunctionEventInvokeConfigRequest;
use crate::wire::Fault;

pub fn call(lambda: &Lambda, caller: &Caller, input: DeleteFunctionEventInvokeConfigRequest) -> Result<(), Fault> {
    let qualifier = input.qualifier.as_deref();
    Ok(lambda.functions.delete_event_invoke(&caller.scope, &input.function_name, qualifier)?)
}
