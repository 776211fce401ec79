//! DeleteFunction: all of it, or one version.

use super::Lambda;
use crate::http::Caller;
use crate::models::lambda::{DeleteFunctionRequest, DeleteFunctionResponse};
use crate::wire::Fault;

pub fn call(lambda: &Lambda, caller: &Caller, input: DeleteFunctionRequest) -> Result<DeleteFunctionResponse, Fault> {
    lambda.functions.delete(&caller.scope, &input.function_name, input.qualifier.as_deref())?;
    Ok(DeleteFunctionResponse { status_code: Some(204) })
}
