//! GetAlias.

use super::Lambda;
use crate::http::Caller;
use crate::models::lambda::{AliasConfiguration, GetAliasRequest};
use crate::wire::Fault;

pub fn call(lambda: &Lambda, caller: &Caller, input: GetAliasRequest) -> Result<AliasConfiguration, Fault> {
    super::shown(lambda.functions.alias(&caller.scope, &input.function_name, &input.name)?)
}
