//! CreateAlias: a name for a version, or for two with weights.

use super::Lambda;
use crate::http::Caller;
use crate::models::lambda::{AliasConfiguration, CreateAliasRequest};
use crate::wire::Fault;

pub fn call(lambda: &Lambda, caller: &Caller, input: CreateAliasRequest) -> Result<AliasConfiguration, Fault> {
    super::shown(lambda.functions.create_alias(&caller.scope, super::kept(&input)?)?)
}
