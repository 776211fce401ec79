//! DeleteAlias: an absent one is no error, as on AWS.

use super::Lambda;
use crate::http::Caller;
use crate::models::lambda::DeleteAliasRequest;
use crate::wire::Fault;

pub fn call(lambda: &Lambda, caller: &Caller, input: DeleteAliasRequest) -> Result<(), Fault> {
    Ok(lambda.functions.delete_alias(&caller.scope, &input.function_name, &input.name)?)
}
