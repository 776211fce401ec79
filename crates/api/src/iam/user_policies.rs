//! Policies in and on users, what bounds users and roles, and keys that rest.

use super::{Iam, Page, page, shapes};
use crate::http::Caller;
use crate::models::iam::{
    AttachUserPolicyRequest, DeleteRolePermissionsBoundaryRequest, DeleteUserPermissionsBoundaryRequest,
    DeleteUserPolicyRequest, DetachUserPolicyRequest, GetUserPolicyRequest, GetUserPolicyResponse,
    ListAttachedUserPoliciesRequest, ListAttachedUserPoliciesResponse, ListUserPoliciesRequest,
    ListUserPoliciesResponse, PutRolePermissionsBoundaryRequest, PutUserPermissionsBoundaryRequest,
    PutUserPolicyRequest, UpdateAccessKeyRequest,
};
use crate::wire::{Fault, Text};

pub fn put_user_policy(iam: &Iam, caller: &Caller, input: PutUserPolicyRequest) -> Result<(), Fault> {
    let PutUserPolicyRequest { user_name, policy_name, policy_document } = input;
    let account = &caller.scope.account;
    Ok(iam.identities.put_user_policy(account, &user_name, &policy_name, policy_document.to_string())?)
}

pub fn get_user_policy(
    iam: &Iam,
    caller: &Caller,
    input: GetUserPolicyRequest,
) -> Result<GetUserPolicyResponse, Fault> {
    let GetUserPolicyRequest { user_name, policy_name } = input;
    let document = iam.identities.user_policy(&caller.scope.account, &user_name, &policy_name)?;
    Ok(GetUserPolicyResponse { user_name, policy_name, policy_document: shapes::document(&document) })
}

pub fn list_user_policies(
    iam: &Iam,
    caller: &Caller,
    input: ListUserPoliciesRequest,
) -> Result<ListUserPoliciesResponse, Fault> {
    let user = iam.identities.user(&caller.scope.account, &input.user_name)?;
    let names = user.inline.into_keys().collect();
    let Page { items, is_truncated, marker } = page(names, String::clone, input.marker.as_ref(), input.max_items);
    Ok(ListUserPoliciesResponse { policy_names: items.into_iter().map(Text::from).collect(), is_truncated, marker })
}

pub fn delete_user_policy(iam: &Iam, caller: &Caller, input: DeleteUserPolicyRequest) -> Result<(), Fault> {
    Ok(iam.identities.delete_user_policy(&caller.scope.account, &input.user_name, &input.policy_name)?)
}

pub fn attach_user_policy(iam: &Iam, caller: &Caller, input: AttachUserPolicyRequest) -> Result<(), Fault> {
    Ok(iam.identities.attach_user_policy(&caller.scope.account, &input.user_name, &input.policy_arn)?)
}

pub fn detach_user_policy(iam: &Iam, caller: &Caller, input: DetachUserPolicyRequest) -> Result<(), Fault> {
    Ok(iam.identities.detach_user_policy(&caller.scope.account, &input.user_name, &input.policy_arn)?)
}

pub fn list_attached_user_policies(
    iam: &Iam,
    caller: &Caller,
    input: ListAttachedUserPoliciesRequest,
) -> Result<ListAttachedUserPoliciesResponse, Fault> {
    let user = iam.identities.user(&caller.scope.account, &input.user_name)?;
    let Page { items, is_truncated, marker } =
        shapes::attached_page(user.attached, input.path_prefix.as_ref(), input.marker.as_ref(), input.max_items);
    Ok(ListAttachedUserPoliciesResponse { attached_policies: Some(items), is_truncated, marker })
}

pub fn put_user_boundary(iam: &Iam, caller: &Caller, input: PutUserPermissionsBoundaryRequest) -> Result<(), Fault> {
    let arn = Some(input.permissions_boundary.as_str());
    Ok(iam.identities.set_user_boundary(&caller.scope.account, &input.user_name, arn)?)
}

pub fn delete_user_boundary(
    iam: &Iam,
    caller: &Caller,
    input: DeleteUserPermissionsBoundaryRequest,
) -> Result<(), Fault> {
    Ok(iam.identities.set_user_boundary(&caller.scope.account, &input.user_name, None)?)
}

pub fn put_role_boundary(iam: &Iam, caller: &Caller, input: PutRolePermissionsBoundaryRequest) -> Result<(), Fault> {
    let arn = Some(input.permissions_boundary.as_str());
    Ok(iam.identities.set_role_boundary(&caller.scope.account, &input.role_name, arn)?)
}

pub fn delete_role_boundary(
    iam: &Iam,
    caller: &Caller,
    input: DeleteRolePermissionsBoundaryRequest,
) -> Result<(), Fault> {
    Ok(iam.identities.set_role_boundary(&caller.scope.account, &input.role_name, None)?)
}

pub fn update_access_key(iam: &Iam, caller: &Caller, input: UpdateAccessKeyRequest) -> Result<(), Fault> {
    let user = super::users::user_name(iam, caller, input.user_name)?;
    let active = input.status.as_str() == "Active";
    Ok(iam.identities.set_access_key_active(&caller.scope.account, &user, &input.access_key_id, active)?)
}
