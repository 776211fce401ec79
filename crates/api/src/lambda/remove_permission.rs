//! RemovePermission.

use super::Lambda;
use crate::http::Caller;
use crate::models::lambda::RemovePermissionRequest;
use crate::wire::Fault;

pub fn call(lambda: &Lambda, caller: &Caller, input: RemovePermissionRequest) -> Result<(), Fault> {
    let (qualifier, revision) = (input.qualifier.as_deref(), input.revision_id.as_deref());
    let (name, statement) = (&input.function_name, &input.statement_id);
    Ok(lambda.functions.remove_permission(&caller.scope, name, qualifier, statement, revision)?)
}
