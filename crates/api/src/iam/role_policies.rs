//! Policies in a role (inline) and on it (attached).

use super::{Iam, Page, page, shapes};
use crate::http::Caller;
use crate::models::iam::{
    AttachRolePolicyRequest, DeleteRolePolicyRequest, DetachRolePolicyRequest, GetRolePolicyRequest,
    GetRolePolicyResponse, ListAttachedRolePoliciesRequest, ListAttachedRolePoliciesResponse, ListRolePoliciesRequest,
    ListRolePoliciesResponse, PutRolePolicyRequest,
};
use crate::wire::{Fault, Text};

pub fn put_role_policy(iam: &Iam, caller: &Caller, input: PutRolePolicyRequest) -> Result<(), Fault> {
    let PutRolePolicyRequest { role_name, policy_name, policy_document } = input;
    let account = &caller.scope.account;
    Ok(iam.identities.put_role_policy(account, &role_name, &policy_name, policy_document.to_string())?)
}

pub fn get_role_policy(
    iam: &Iam,
    caller: &Caller,
    input: GetRolePolicyRequest,
) -> Result<GetRolePolicyResponse, Fault> {
    let GetRolePolicyRequest { role_name, policy_name } = input;
    let document = iam.identities.role_policy(&caller.scope.account, &role_name, &policy_name)?;
    Ok(GetRolePolicyResponse { role_name, policy_name, policy_document: shapes::document(&document) })
}

pub fn list_role_policies(
    iam: &Iam,
    caller: &Caller,
    input: ListRolePoliciesRequest,
) -> Result<ListRolePoliciesResponse, Fault> {
    let role = iam.identities.role(&caller.scope.account, &input.role_name)?;
    let names = role.inline.into_keys().collect();
    let Page { items, is_truncated, marker } = page(names, String::clone, input.marker.as_ref(), input.max_items);
    Ok(ListRolePoliciesResponse { policy_names: items.into_iter().map(Text::from).collect(), is_truncated, marker })
}

pub fn delete_role_policy(iam: &Iam, caller: &Caller, input: DeleteRolePolicyRequest) -> Result<(), Fault> {
    Ok(iam.identities.delete_role_policy(&caller.scope.account, &input.role_name, &input.policy_name)?)
}

pub fn attach_role_policy(iam: &Iam, caller: &Caller, input: AttachRolePolicyRequest) -> Result<(), Fault> {
    Ok(iam.identities.attach_role_policy(&caller.scope.account, &input.role_name, &input.policy_arn)?)
}

pub fn detach_role_policy(iam: &Iam, caller: &Caller, input: DetachRolePolicyRequest) -> Result<(), Fault> {
    Ok(iam.identities.detach_role_policy(&caller.scope.account, &input.role_name, &input.policy_arn)?)
}

pub fn list_attached_role_policies(
    iam: &Iam,
    caller: &Caller,
    input: ListAttachedRolePoliciesRequest,
) -> Result<ListAttachedRolePoliciesResponse, Fault> {
    let role = iam.identities.role(&caller.scope.account, &input.role_name)?;
    let Page { items, is_truncated, marker } =
        shapes::attached_page(role.attached, input.path_prefix.as_ref(), input.marker.as_ref(), input.max_items);
    Ok(ListAttachedRolePoliciesResponse { attached_policies: Some(items), is_truncated, marker })
}
