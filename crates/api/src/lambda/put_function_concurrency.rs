//! PutFunctionConcurrency: executions that are kept for the function, and its ceiling.

use super::Lambda;
use crate::http::Caller;
use crate::models::lambda::{Concurrency, PutFunctionConcurrencyRequest};
use crate::wire::Fault;

pub fn call(lambda: &Lambda, caller: &Caller, input: PutFunctionConcurrencyRequest) -> Result<Concurrency, Fault> {
    let reserved = u32::try_from(input.reserved_concurrent_executions).unwrap_or(0);
    lambda.functions.set_concurrency(&caller.scope, &input.function_name, Some(reserved))?;
    Ok(Concurrency { reserved_concurrent_executions: Some(input.reserved_concurrent_executions) })
}
