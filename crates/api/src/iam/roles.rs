//! Roles: made, told, changed, removed, tagged.

use super::{Iam, Page, below, page, shapes};
use crate::http::Caller;
use crate::models::iam::{
    CreateRoleRequest, CreateRoleResponse, CreateServiceLinkedRoleRequest, CreateServiceLinkedRoleResponse,
    DeleteRoleRequest, GetRoleRequest, GetRoleResponse, ListInstanceProfilesForRoleRequest,
    ListInstanceProfilesForRoleResponse, ListRoleTagsRequest, ListRoleTagsResponse, ListRolesRequest,
    ListRolesResponse, TagRoleRequest, UntagRoleRequest, UpdateAssumeRolePolicyRequest, UpdateRoleDescriptionRequest,
    UpdateRoleDescriptionResponse, UpdateRoleRequest, UpdateRoleResponse,
};
use crate::wire::{Fault, Text};
use millrace_access::{NewRole, Role, SESSION_SECONDS_DEFAULT};

pub fn create_role(iam: &Iam, caller: &Caller, input: CreateRoleRequest) -> Result<CreateRoleResponse, Fault> {
    let new = NewRole {
        name: input.role_name.to_string(),
        path: input.path.map(|path| path.to_string()).unwrap_or_default(),
        trust: input.assume_role_policy_document.to_string(),
        description: input.description.map(|text| text.to_string()),
        session_seconds_max: input.max_session_duration.map(i32::unsigned_abs),
        boundary: input.permissions_boundary.map(|arn| arn.to_string()),
        tags: shapes::of_tags(input.tags.unwrap_or_default()),
        ..NewRole::default()
    };
    let role = iam.identities.create_role(&caller.scope.account, new)?;
    Ok(CreateRoleResponse { role: shapes::role(&role, true) })
}

pub fn create_service_linked_role(
    iam: &Iam,
    caller: &Caller,
    input: CreateServiceLinkedRoleRequest,
) -> Result<CreateServiceLinkedRoleResponse, Fault> {
    let CreateServiceLinkedRoleRequest { aws_service_name, description, custom_suffix } = input;
    let (suffix, description) = (custom_suffix.as_deref(), description.map(|text| text.to_string()));
    let account = &caller.scope.account;
    let role = iam.identities.create_service_linked_role(account, &aws_service_name, suffix, description)?;
    Ok(CreateServiceLinkedRoleResponse { role: Some(shapes::role(&role, true)) })
}

pub fn get_role(iam: &Iam, caller: &Caller, input: GetRoleRequest) -> Result<GetRoleResponse, Fault> {
    let role = iam.identities.role(&caller.scope.account, &input.role_name)?;
    let mut shown = shapes::role(&role, true);
    // Nobody's use is recorded, which IAM tells by an empty element.
    shown.role_last_used = Some(Default::default());
    Ok(GetRoleResponse { role: shown })
}

pub fn list_roles(iam: &Iam, caller: &Caller, input: ListRolesRequest) -> Result<ListRolesResponse, Fault> {
    let mut roles = iam.identities.roles(&caller.scope.account)?;
    roles.retain(|role| below(&role.path, input.path_prefix.as_ref()));
    let Page { items, is_truncated, marker } =
        page(roles, |role| role.name.clone(), input.marker.as_ref(), input.max_items);
    let roles = items.iter().map(|role| shapes::role(role, false)).collect();
    Ok(ListRolesResponse { roles, is_truncated, marker })
}

pub fn update_role(iam: &Iam, caller: &Caller, input: UpdateRoleRequest) -> Result<UpdateRoleResponse, Fault> {
    let UpdateRoleRequest { role_name, description, max_session_duration } = input;
    // What is left out goes back to what a new role has, as on AWS.
    let seconds = max_session_duration.map_or(SESSION_SECONDS_DEFAULT, i32::unsigned_abs);
    describe(iam, caller, &role_name, description, Some(seconds))?;
    Ok(UpdateRoleResponse {})
}

pub fn update_role_description(
    iam: &Iam,
    caller: &Caller,
    input: UpdateRoleDescriptionRequest,
) -> Result<UpdateRoleDescriptionResponse, Fault> {
    let role = describe(iam, caller, &input.role_name, Some(input.description), None)?;
    Ok(UpdateRoleDescriptionResponse { role: Some(shapes::role(&role, true)) })
}

fn describe(
    iam: &Iam,
    caller: &Caller,
    name: &str,
    description: Option<Text>,
    session_seconds_max: Option<u32>,
) -> Result<Role, Fault> {
    let change = |role: &mut Role| {
        role.description = description.map(|text| text.to_string()).filter(|text| !text.is_empty());
        role.session_seconds_max = session_seconds_max.unwrap_or(role.session_seconds_max);
        Ok(())
    };
    Ok(iam.identities.update_role(&caller.scope.account, name, change)?)
}

pub fn update_assume_role_policy(
    iam: &Iam,
    caller: &Caller,
    input: UpdateAssumeRolePolicyRequest,
) -> Result<(), Fault> {
    let document = input.policy_document.to_string();
    Ok(iam.identities.set_trust(&caller.scope.account, &input.role_name, document)?)
}

pub fn delete_role(iam: &Iam, caller: &Caller, input: DeleteRoleRequest) -> Result<(), Fault> {
    Ok(iam.identities.delete_role(&caller.scope.account, &input.role_name)?)
}

pub fn tag_role(iam: &Iam, caller: &Caller, input: TagRoleRequest) -> Result<(), Fault> {
    Ok(iam.identities.tag_role(&caller.scope.account, &input.role_name, shapes::of_tags(input.tags))?)
}

pub fn untag_role(iam: &Iam, caller: &Caller, input: UntagRoleRequest) -> Result<(), Fault> {
    let keys: Vec<&str> = input.tag_keys.iter().map(Text::as_str).collect();
    Ok(iam.identities.untag_role(&caller.scope.account, &input.role_name, &keys)?)
}

pub fn list_role_tags(iam: &Iam, caller: &Caller, input: ListRoleTagsRequest) -> Result<ListRoleTagsResponse, Fault> {
    let role = iam.identities.role(&caller.scope.account, &input.role_name)?;
    let all = shapes::tags(&role.tags);
    let Page { items, is_truncated, marker } =
        page(all, |tag| tag.key.to_string(), input.marker.as_ref(), input.max_items);
    Ok(ListRoleTagsResponse { tags: items, is_truncated, marker })
}

/// There are no instances here, so no role is in a profile of one; tools ask before they delete a role.
pub fn list_instance_profiles_for_role(
    iam: &Iam,
    caller: &Caller,
    input: ListInstanceProfilesForRoleRequest,
) -> Result<ListInstanceProfilesForRoleResponse, Fault> {
    iam.identities.role(&caller.scope.account, &input.role_name)?;
    let is_truncated = Some(false);
    Ok(ListInstanceProfilesForRoleResponse { instance_profiles: Vec::new(), is_truncated, marker: None })
}
