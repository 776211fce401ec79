//! AddPermission: a statement of the function's policy.

use super::Lambda;
use crate::http::Caller;
use crate::models::lambda::{AddPermissionRequest, AddPermissionResponse};
use crate::wire::Fault;

pub fn call(lambda: &Lambda, caller: &Caller, input: AddPermissionRequest) -> Result<AddPermissionResponse, Fault> {
    let statement = lambda.functions.add_permission(&caller.scope, super::kept(&input)?)?;
    Ok(AddPermissionResponse { statement: Some(statement.into()) })
}
