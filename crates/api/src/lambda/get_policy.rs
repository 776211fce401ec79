//! GetPolicy.

use super::Lambda;
use crate::http::Caller;
use crate::models::lambda::{GetPolicyRequest, GetPolicyResponse};
use crate::wire::Fault;

pub fn call(lambda: &Lambda, caller: &Caller, input: GetPolicyRequest) -> Result<GetPolicyResponse, Fault> {
    let policy = lambda.functions.policy(&caller.scope, &input.function_name, input.qualifier.as_deref())?;
    Ok(GetPolicyResponse { policy: Some(policy.policy.into()), revision_id: Some(policy.revision_id.into()) })
}
