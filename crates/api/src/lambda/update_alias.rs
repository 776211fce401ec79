//! UpdateAlias.

use super::Lambda;
use crate::http::Caller;
use crate::models::lambda::{AliasConfiguration, UpdateAliasRequest};
use crate::wire::Fault;

pub fn call(lambda: &Lambda, caller: &Caller, input: UpdateAliasRequest) -> Result<AliasConfiguration, Fault> {
    super::shown(lambda.functions.update_alias(&caller.scope, super::kept(&input)?)?)
}
