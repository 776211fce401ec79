//! Versions of managed policies.

use super::{Iam, Page, page, shapes};
use crate::http::Caller;
use crate::models::iam::{
    CreatePolicyVersionRequest, CreatePolicyVersionResponse, DeletePolicyVersionRequest, GetPolicyVersionRequest,
    GetPolicyVersionResponse, ListPolicyVersionsRequest, ListPolicyVersionsResponse, PolicyVersion,
    SetDefaultPolicyVersionRequest,
};
use crate::wire::{Fault, Text};
use millrace_access::AwsPolicy;

pub fn create_policy_version(
    iam: &Iam,
    caller: &Caller,
    input: CreatePolicyVersionRequest,
) -> Result<CreatePolicyVersionResponse, Fault> {
    let CreatePolicyVersionRequest { policy_arn, policy_document, set_as_default } = input;
    let (account, document) = (&caller.scope.account, policy_document.to_string());
    let holds = set_as_default == Some(true);
    let (policy, number) = iam.identities.create_policy_version(account, &policy_arn, document, holds)?;
    Ok(CreatePolicyVersionResponse { policy_version: Some(shapes::version(&policy, number, false)) })
}

pub fn get_policy_version(
    iam: &Iam,
    caller: &Caller,
    input: GetPolicyVersionRequest,
) -> Result<GetPolicyVersionResponse, Fault> {
    let GetPolicyVersionRequest { policy_arn, version_id } = input;
    if let Some(known) = AwsPolicy::find(&policy_arn).filter(|_| version_id.as_str() == "v1") {
        return Ok(GetPolicyVersionResponse { policy_version: Some(of_aws(known, true)) });
    }
    let (policy, number) = iam.identities.policy_version(&caller.scope.account, &policy_arn, &version_id)?;
    Ok(GetPolicyVersionResponse { policy_version: Some(shapes::version(&policy, number, true)) })
}

pub fn list_policy_versions(
    iam: &Iam,
    caller: &Caller,
    input: ListPolicyVersionsRequest,
) -> Result<ListPolicyVersionsResponse, Fault> {
    let versions = match AwsPolicy::find(&input.policy_arn) {
        Some(known) => vec![of_aws(known, false)],
        None => {
            let policy = iam.identities.policy(&caller.scope.account, &input.policy_arn)?;
            policy.versions.keys().map(|number| shapes::version(&policy, *number, false)).collect()
        }
    };
    let id = |version: &PolicyVersion| version.version_id.as_ref().map(Text::to_string).unwrap_or_default();
    let Page { items, is_truncated, marker } = page(versions, id, input.marker.as_ref(), input.max_items);
    Ok(ListPolicyVersionsResponse { versions: Some(items), is_truncated, marker })
}

pub fn delete_policy_version(iam: &Iam, caller: &Caller, input: DeletePolicyVersionRequest) -> Result<(), Fault> {
    Ok(iam.identities.delete_policy_version(&caller.scope.account, &input.policy_arn, &input.version_id)?)
}

pub fn set_default_policy_version(
    iam: &Iam,
    caller: &Caller,
    input: SetDefaultPolicyVersionRequest,
) -> Result<(), Fault> {
    Ok(iam.identities.set_default_policy_version(&caller.scope.account, &input.policy_arn, &input.version_id)?)
}

/// The version that an AWS policy is known in.
fn of_aws(policy: &AwsPolicy, with_document: bool) -> PolicyVersion {
    PolicyVersion {
        document: with_document.then(|| shapes::document(policy.document)),
        version_id: Some(shapes::version_id(1)),
        is_default_version: Some(true),
        create_date: None,
    }
}
