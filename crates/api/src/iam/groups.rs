//! Groups, their users, and policies in and on them.

use super::{Iam, Page, below, page, shapes};
use crate::http::Caller;
use crate::models::iam::{
    AddUserToGroupRequest, AttachGroupPolicyRequest, CreateGroupRequest, CreateGroupResponse, DeleteGroupPolicyRequest,
    DeleteGroupRequest, DetachGroupPolicyRequest, GetGroupPolicyRequest, GetGroupPolicyResponse, GetGroupRequest,
    GetGroupResponse, ListAttachedGroupPoliciesRequest, ListAttachedGroupPoliciesResponse, ListGroupPoliciesRequest,
    ListGroupPoliciesResponse, ListGroupsForUserRequest, ListGroupsForUserResponse, ListGroupsRequest,
    ListGroupsResponse, PutGroupPolicyRequest, RemoveUserFromGroupRequest,
};
use crate::wire::{Fault, Text};

pub fn create_group(iam: &Iam, caller: &Caller, input: CreateGroupRequest) -> Result<CreateGroupResponse, Fault> {
    let path = input.path.as_deref().unwrap_or_default();
    let group = iam.identities.create_group(&caller.scope.account, &input.group_name, path)?;
    Ok(CreateGroupResponse { group: shapes::group(&group) })
}

pub fn get_group(iam: &Iam, caller: &Caller, input: GetGroupRequest) -> Result<GetGroupResponse, Fault> {
    let account = &*caller.scope.account;
    let group = iam.identities.group(account, &input.group_name)?;
    let names = group.users.iter().cloned().collect();
    let Page { items, is_truncated, marker } = page(names, String::clone, input.marker.as_ref(), input.max_items);
    let users = items.iter().map(|name| Ok(shapes::user(&iam.identities.user(account, name)?, false)));
    let users = users.collect::<Result<_, Fault>>()?;
    Ok(GetGroupResponse { group: shapes::group(&group), users, is_truncated, marker })
}

pub fn list_groups(iam: &Iam, caller: &Caller, input: ListGroupsRequest) -> Result<ListGroupsResponse, Fault> {
    let mut groups = iam.identities.groups(&caller.scope.account)?;
    groups.retain(|group| below(&group.path, input.path_prefix.as_ref()));
    let Page { items, is_truncated, marker } =
        page(groups, |group| group.name.clone(), input.marker.as_ref(), input.max_items);
    Ok(ListGroupsResponse { groups: items.iter().map(shapes::group).collect(), is_truncated, marker })
}

pub fn list_groups_for_user(
    iam: &Iam,
    caller: &Caller,
    input: ListGroupsForUserRequest,
) -> Result<ListGroupsForUserResponse, Fault> {
    let account = &*caller.scope.account;
    iam.identities.user(account, &input.user_name)?;
    let groups = iam.identities.groups_of(account, &input.user_name)?;
    let Page { items, is_truncated, marker } =
        page(groups, |group| group.name.clone(), input.marker.as_ref(), input.max_items);
    Ok(ListGroupsForUserResponse { groups: items.iter().map(shapes::group).collect(), is_truncated, marker })
}

pub fn delete_group(iam: &Iam, caller: &Caller, input: DeleteGroupRequest) -> Result<(), Fault> {
    Ok(iam.identities.delete_group(&caller.scope.account, &input.group_name)?)
}

pub fn add_user_to_group(iam: &Iam, caller: &Caller, input: AddUserToGroupRequest) -> Result<(), Fault> {
    Ok(iam.identities.add_user_to_group(&caller.scope.account, &input.group_name, &input.user_name)?)
}

pub fn remove_user_from_group(iam: &Iam, caller: &Caller, input: RemoveUserFromGroupRequest) -> Result<(), Fault> {
    Ok(iam.identities.remove_user_from_group(&caller.scope.account, &input.group_name, &input.user_name)?)
}

pub fn put_group_policy(iam: &Iam, caller: &Caller, input: PutGroupPolicyRequest) -> Result<(), Fault> {
    let PutGroupPolicyRequest { group_name, policy_name, policy_document } = input;
    let account = &caller.scope.account;
    Ok(iam.identities.put_group_policy(account, &group_name, &policy_name, policy_document.to_string())?)
}

pub fn get_group_policy(
    iam: &Iam,
    caller: &Caller,
    input: GetGroupPolicyRequest,
) -> Result<GetGroupPolicyResponse, Fault> {
    let GetGroupPolicyRequest { group_name, policy_name } = input;
    let document = iam.identities.group_policy(&caller.scope.account, &group_name, &policy_name)?;
    Ok(GetGroupPolicyResponse { group_name, policy_name, policy_document: shapes::document(&document) })
}

pub fn list_group_policies(
    iam: &Iam,
    caller: &Caller,
    input: ListGroupPoliciesRequest,
) -> Result<ListGroupPoliciesResponse, Fault> {
    let group = iam.identities.group(&caller.scope.account, &input.group_name)?;
    let names = group.inline.into_keys().collect();
    let Page { items, is_truncated, marker } = page(names, String::clone, input.marker.as_ref(), input.max_items);
    Ok(ListGroupPoliciesResponse { policy_names: items.into_iter().map(Text::from).collect(), is_truncated, marker })
}

pub fn delete_group_policy(iam: &Iam, caller: &Caller, input: DeleteGroupPolicyRequest) -> Result<(), Fault> {
    Ok(iam.identities.delete_group_policy(&caller.scope.account, &input.group_name, &input.policy_name)?)
}

pub fn attach_group_policy(iam: &Iam, caller: &Caller, input: AttachGroupPolicyRequest) -> Result<(), Fault> {
    Ok(iam.identities.attach_group_policy(&caller.scope.account, &input.group_name, &input.policy_arn)?)
}

pub fn detach_group_policy(iam: &Iam, caller: &Caller, input: DetachGroupPolicyRequest) -> Result<(), Fault> {
    Ok(iam.identities.detach_group_policy(&caller.scope.account, &input.group_name, &input.policy_arn)?)
}

pub fn list_attached_group_policies(
    iam: &Iam,
    caller: &Caller,
    input: ListAttachedGroupPoliciesRequest,
) -> Result<ListAttachedGroupPoliciesResponse, Fault> {
    let group = iam.identities.group(&caller.scope.account, &input.group_name)?;
    let Page { items, is_truncated, marker } =
        shapes::attached_page(group.attached, input.path_prefix.as_ref(), input.marker.as_ref(), input.max_items);
    Ok(ListAttachedGroupPoliciesResponse { attached_policies: Some(items), is_truncated, marker })
}
