//! Key policies: each key has one, named `default`.

use super::Kms;
use crate::http::Caller;
use crate::models::kms::{
    GetKeyPolicyRequest, GetKeyPolicyResponse, ListKeyPoliciesRequest, ListKeyPoliciesResponse, PutKeyPolicyRequest,
    faults,
};
use crate::wire::{Fault, Text};
use millrace_access::{DocumentKind, check_document};

const NAME: &str = "default";

fn check_name(name: Option<&Text>) -> Result<(), Fault> {
    match name {
        Some(other) if other.as_str() != NAME => {
            Err(faults::NOT_FOUND_EXCEPTION.because(format!("No such policy exists: a key has '{NAME}' only")))
        }
        _ => Ok(()),
    }
}

/// Refuses what is not a policy.
pub fn check(policy: &str) -> Result<(), Fault> {
    check_document(policy, DocumentKind::Resource)
        .map_err(|error| faults::MALFORMED_POLICY_DOCUMENT_EXCEPTION.because(error.to_string()))
}

pub fn get(kms: &Kms, caller: &Caller, input: GetKeyPolicyRequest) -> Result<GetKeyPolicyResponse, Fault> {
    check_name(input.policy_name.as_ref())?;
    let key = kms.key(caller, &input.key_id)?;
    Ok(GetKeyPolicyResponse { policy: Some(key.policy.as_str().into()), policy_name: Some(NAME.into()) })
}

pub fn put(kms: &Kms, caller: &Caller, input: PutKeyPolicyRequest) -> Result<(), Fault> {
    check_name(input.policy_name.as_ref())?;
    check(&input.policy)?;
    let key = kms.key(caller, &input.key_id)?;
    let edited = kms.ring.edit(&key.id, |key| {
        key.policy = input.policy.to_string();
        Ok(())
    });
    Ok(edited?)
}

pub fn list(kms: &Kms, caller: &Caller, input: ListKeyPoliciesRequest) -> Result<ListKeyPoliciesResponse, Fault> {
    kms.key(caller, &input.key_id)?;
    Ok(ListKeyPoliciesResponse { policy_names: Some(vec![NAME.into()]), next_marker: None, truncated: Some(false) })
}
