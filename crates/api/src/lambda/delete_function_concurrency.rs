//! DeleteFunctionConcurrency.

use super::Lambda;
use crate::http::Caller;
use crate::models::lambda::DeleteFunctionConcurrencyRequest;
use crate::wire::Fault;

pub fn call(lambda: &Lambda, caller: &Caller, input: DeleteFunctionConcurrencyRequest) -> Result<(), Fault> {
    Ok(lambda.functions.set_concurrency(&caller.scope, &input.function_name, None)?)
}
