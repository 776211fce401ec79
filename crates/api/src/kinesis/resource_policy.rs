//! PutResourcePolicy, GetResourcePolicy, DeleteResourcePolicy: who else may use a stream, or a consumer of one.

use super::{Kinesis, faults};
use crate::http::Caller;
use crate::models::kinesis::{
    DeleteResourcePolicyInput, GetResourcePolicyInput, GetResourcePolicyOutput, PutResourcePolicyInput,
};
use crate::wire::{Fault, Text, kinds};
use millrace_access::{DocumentKind, IdentityError, ResourcePolicies, check_document};

pub fn put(kinesis: &Kinesis, caller: &Caller, input: PutResourcePolicyInput) -> Result<(), Fault> {
    let (policies, incarnation) = kinesis.policies_of(caller, &input.resource_arn)?;
    check_document(&input.policy, DocumentKind::Resource).map_err(|error| match error {
        IdentityError::MalformedPolicyDocument(reason) => kinds::INVALID_ARGUMENT.because(reason),
        other => kinds::INVALID_ARGUMENT.because(other.to_string()),
    })?;
    Ok(policies.put(&input.resource_arn, incarnation, &input.policy)?)
}

pub fn get(
    kinesis: &Kinesis,
    caller: &Caller,
    input: GetResourcePolicyInput,
) -> Result<GetResourcePolicyOutput, Fault> {
    let (policies, incarnation) = kinesis.policies_of(caller, &input.resource_arn)?;
    let policy = policies.get(&input.resource_arn, incarnation).ok_or_else(|| absent(&input.resource_arn))?;
    Ok(GetResourcePolicyOutput { policy: policy.into() })
}

pub fn delete(kinesis: &Kinesis, caller: &Caller, input: DeleteResourcePolicyInput) -> Result<(), Fault> {
    let (policies, incarnation) = kinesis.policies_of(caller, &input.resource_arn)?;
    match policies.delete(&input.resource_arn, incarnation)? {
        true => Ok(()),
        false => Err(absent(&input.resource_arn)),
    }
}

impl Kinesis {
    /// Where policies are kept, and the incarnation of the stream that an ARN names or whose consumer it names.
    fn policies_of(&self, caller: &Caller, arn: &Text) -> Result<(&ResourcePolicies, u64), Fault> {
        let policies = self.policies.as_ref().ok_or_else(|| faults::unsupported("policies where none are kept"))?;
        let incarnation = match arn.contains("/consumer/") {
            true => self.consumer_of(caller, arn)?.incarnation,
            false => self.stream(caller, None, Some(arn))?.incarnation,
        };
        Ok((policies, incarnation))
    }
}

fn absent(arn: &Text) -> Fault {
    kinds::RESOURCE_NOT_FOUND.because(format!("No resource policy found for resource ARN {arn}"))
}
