//! Managed policies: an account's, and AWS's.

use super::{Iam, Page, below, page, shapes};
use crate::http::Caller;
use crate::models::iam::{
    CreatePolicyRequest, CreatePolicyResponse, DeletePolicyRequest, GetPolicyRequest, GetPolicyResponse,
    ListEntitiesForPolicyRequest, ListEntitiesForPolicyResponse, ListPoliciesRequest, ListPoliciesResponse,
    ListPolicyTagsRequest, ListPolicyTagsResponse, Policy, PolicyRole, PolicyUser, TagPolicyRequest,
    UntagPolicyRequest,
};
use crate::wire::{Fault, Text};
use millrace_access::{AwsPolicy, NewPolicy};

pub fn create_policy(iam: &Iam, caller: &Caller, input: CreatePolicyRequest) -> Result<CreatePolicyResponse, Fault> {
    let new = NewPolicy {
        name: input.policy_name.to_string(),
        path: input.path.map(|path| path.to_string()).unwrap_or_default(),
        document: input.policy_document.to_string(),
        description: input.description.map(|text| text.to_string()),
        tags: shapes::of_tags(input.tags.unwrap_or_default()),
    };
    let policy = iam.identities.create_policy(&caller.scope.account, new)?;
    Ok(CreatePolicyResponse { policy: Some(shapes::policy(&policy, (0, 0), true)) })
}

pub fn get_policy(iam: &Iam, caller: &Caller, input: GetPolicyRequest) -> Result<GetPolicyResponse, Fault> {
    let (account, arn) = (&caller.scope.account, input.policy_arn.as_str());
    let counts = iam.identities.attachments(account)?.get(arn).copied().unwrap_or_default();
    let policy = match AwsPolicy::find(arn) {
        Some(known) => shapes::aws_policy(known, counts),
        None => shapes::policy(&iam.identities.policy(account, arn)?, counts, true),
    };
    Ok(GetPolicyResponse { policy: Some(policy) })
}

pub fn list_policies(iam: &Iam, caller: &Caller, input: ListPoliciesRequest) -> Result<ListPoliciesResponse, Fault> {
    let account = &caller.scope.account;
    let counts = iam.identities.attachments(account)?;
    let count = |arn: String| counts.get(&arn).copied().unwrap_or_default();
    let scope = input.scope.as_deref().unwrap_or("All");
    let mut all: Vec<Policy> = Vec::new();
    if scope != "AWS" {
        let own = iam.identities.policies(account)?;
        all.extend(own.iter().map(|policy| shapes::policy(policy, count(policy.arn()), false)));
    }
    if scope != "Local" {
        all.extend(AwsPolicy::all().iter().map(|policy| shapes::aws_policy(policy, count(policy.arn()))));
    }
    let usage = input.policy_usage_filter.as_deref();
    all.retain(|policy| {
        let attached = policy.attachment_count.unwrap_or_default() > 0;
        let bounding = policy.permissions_boundary_usage_count.unwrap_or_default() > 0;
        let used = match usage {
            Some("PermissionsBoundary") => bounding,
            Some(_) => attached,
            None => true,
        };
        let path = policy.path.as_deref().unwrap_or("/");
        used && (attached || input.only_attached != Some(true)) && below(path, input.path_prefix.as_ref())
    });
    let arn = |policy: &Policy| policy.arn.as_ref().map(Text::to_string).unwrap_or_default();
    let Page { items, is_truncated, marker } = page(all, arn, input.marker.as_ref(), input.max_items);
    Ok(ListPoliciesResponse { policies: Some(items), is_truncated, marker })
}

pub fn list_entities_for_policy(
    iam: &Iam,
    caller: &Caller,
    input: ListEntitiesForPolicyRequest,
) -> Result<ListEntitiesForPolicyResponse, Fault> {
    let (account, arn) = (&caller.scope.account, input.policy_arn.to_string());
    if !AwsPolicy::is_arn(&arn) {
        iam.identities.policy(account, &arn)?;
    }
    let usage = input.policy_usage_filter.as_deref();
    let entity = input.entity_filter.as_deref();
    let wanted = |attached: bool, bounding: bool| match usage {
        Some("PermissionsBoundary") => bounding,
        Some(_) => attached,
        None => attached || bounding,
    };
    let (mut roles, mut users) = (Vec::new(), Vec::new());
    if matches!(entity, None | Some("Role")) {
        roles = iam.identities.roles(account)?;
        roles.retain(|role| wanted(role.attached.contains(&arn), role.boundary.as_ref() == Some(&arn)));
        roles.retain(|role| below(&role.path, input.path_prefix.as_ref()));
    }
    if matches!(entity, None | Some("User")) {
        users = iam.identities.users(account)?;
        users.retain(|user| wanted(false, user.boundary.as_ref() == Some(&arn)));
        users.retain(|user| below(&user.path, input.path_prefix.as_ref()));
    }
    // One marker goes through both lists: roles come before users.
    let roles = roles.into_iter().map(|role| (format!("role/{}", role.name), role.name, role.id));
    let users = users.into_iter().map(|user| (format!("user/{}", user.name), user.name, user.id));
    let all = roles.chain(users).collect();
    let Page { items, is_truncated, marker } =
        page(all, |(key, ..)| key.clone(), input.marker.as_ref(), input.max_items);
    let (roles, users): (Vec<_>, Vec<_>) = items.into_iter().partition(|(key, ..)| key.starts_with("role/"));
    let role =
        |(_, name, id): (String, String, String)| PolicyRole { role_name: Some(name.into()), role_id: Some(id.into()) };
    let user =
        |(_, name, id): (String, String, String)| PolicyUser { user_name: Some(name.into()), user_id: Some(id.into()) };
    Ok(ListEntitiesForPolicyResponse {
        policy_groups: Some(Vec::new()),
        policy_users: Some(users.into_iter().map(user).collect()),
        policy_roles: Some(roles.into_iter().map(role).collect()),
        is_truncated,
        marker,
    })
}

pub fn delete_policy(iam: &Iam, caller: &Caller, input: DeletePolicyRequest) -> Result<(), Fault> {
    Ok(iam.identities.delete_policy(&caller.scope.account, &input.policy_arn)?)
}

pub fn tag_policy(iam: &Iam, caller: &Caller, input: TagPolicyRequest) -> Result<(), Fault> {
    Ok(iam.identities.tag_policy(&caller.scope.account, &input.policy_arn, shapes::of_tags(input.tags))?)
}

pub fn untag_policy(iam: &Iam, caller: &Caller, input: UntagPolicyRequest) -> Result<(), Fault> {
    let keys: Vec<&str> = input.tag_keys.iter().map(Text::as_str).collect();
    Ok(iam.identities.untag_policy(&caller.scope.account, &input.policy_arn, &keys)?)
}

pub fn list_policy_tags(
    iam: &Iam,
    caller: &Caller,
    input: ListPolicyTagsRequest,
) -> Result<ListPolicyTagsResponse, Fault> {
    let policy = iam.identities.policy(&caller.scope.account, &input.policy_arn)?;
    let all = shapes::tags(&policy.tags);
    let Page { items, is_truncated, marker } =
        page(all, |tag| tag.key.to_string(), input.marker.as_ref(), input.max_items);
    Ok(ListPolicyTagsResponse { tags: items, is_truncated, marker })
}
