//! GetFunctionConcurrency: empty without a reservation.

use super::Lambda;
use crate::http::Caller;
use crate::models::lambda::{GetFunctionConcurrencyRequest, GetFunctionConcurrencyResponse};
use crate::wire::Fault;

pub fn call(
    lambda: &Lambda,
    caller: &Caller,
    input: GetFunctionConcurrencyRequest,
) -> Result<GetFunctionConcurrencyResponse, Fault> {
    let reserved = lambda.functions.concurrency(&caller.scope, &input.function_name)?;
    Ok(GetFunctionConcurrencyResponse {
        reserved_concurrent_executions: reserved.and_then(|reserved| reserved.try_into().ok()),
    })
}
