//! AWS Identity and Access Management over [`Identities`]: the calls that deployment tools make.
//!
//! With `--auth on` it is what every call is decided by: docs/compat/access.md.

mod groups;
mod policies;
mod policy_versions;
mod role_policies;
mod roles;
mod shapes;
mod simulate;
mod user_policies;
mod users;

use crate::http::{Call, Reply, Service, blocking};
use crate::models::iam::{MODEL, faults};
use crate::wire::{Fault, FaultKind, Model, Text, kinds};
use async_trait::async_trait;
use millrace_access::{Identities, IdentityError};

/// IAM's page, when the request asks for no other.
const PAGE: usize = 100;

/// The service. Cheap to clone.
#[derive(Clone)]
pub struct Iam {
    identities: Identities,
}

impl Iam {
    /// The service over `identities`.
    pub fn new(identities: Identities) -> Self {
        Self { identities }
    }
}

#[async_trait]
impl Service for Iam {
    fn model(&self) -> &'static Model {
        &MODEL
    }

    async fn call(&self, call: Call) -> Result<Reply, Fault> {
        match call.operation.as_str() {
            "CreateRole" => blocking(self, call, roles::create_role).await,
            "CreateServiceLinkedRole" => blocking(self, call, roles::create_service_linked_role).await,
            "GetRole" => blocking(self, call, roles::get_role).await,
            "ListRoles" => blocking(self, call, roles::list_roles).await,
            "UpdateRole" => blocking(self, call, roles::update_role).await,
            "UpdateRoleDescription" => blocking(self, call, roles::update_role_description).await,
            "UpdateAssumeRolePolicy" => blocking(self, call, roles::update_assume_role_policy).await,
            "DeleteRole" => blocking(self, call, roles::delete_role).await,
            "TagRole" => blocking(self, call, roles::tag_role).await,
            "UntagRole" => blocking(self, call, roles::untag_role).await,
            "ListRoleTags" => blocking(self, call, roles::list_role_tags).await,
            "ListInstanceProfilesForRole" => blocking(self, call, roles::list_instance_profiles_for_role).await,
            "PutRolePolicy" => blocking(self, call, role_policies::put_role_policy).await,
            "GetRolePolicy" => blocking(self, call, role_policies::get_role_policy).await,
            "ListRolePolicies" => blocking(self, call, role_policies::list_role_policies).await,
            "DeleteRolePolicy" => blocking(self, call, role_policies::delete_role_policy).await,
            "AttachRolePolicy" => blocking(self, call, role_policies::attach_role_policy).await,
            "DetachRolePolicy" => blocking(self, call, role_policies::detach_role_policy).await,
            "ListAttachedRolePolicies" => blocking(self, call, role_policies::list_attached_role_policies).await,
            _ => self.call_others(call).await,
        }
    }
}

impl Iam {
    /// Policies and users.
    async fn call_others(&self, call: Call) -> Result<Reply, Fault> {
        match call.operation.as_str() {
            "CreatePolicy" => blocking(self, call, policies::create_policy).await,
            "GetPolicy" => blocking(self, call, policies::get_policy).await,
            "ListPolicies" => blocking(self, call, policies::list_policies).await,
            "ListEntitiesForPolicy" => blocking(self, call, policies::list_entities_for_policy).await,
            "DeletePolicy" => blocking(self, call, policies::delete_policy).await,
            "TagPolicy" => blocking(self, call, policies::tag_policy).await,
            "UntagPolicy" => blocking(self, call, policies::untag_policy).await,
            "ListPolicyTags" => blocking(self, call, policies::list_policy_tags).await,
            "CreatePolicyVersion" => blocking(self, call, policy_versions::create_policy_version).await,
            "GetPolicyVersion" => blocking(self, call, policy_versions::get_policy_version).await,
            "ListPolicyVersions" => blocking(self, call, policy_versions::list_policy_versions).await,
            "DeletePolicyVersion" => blocking(self, call, policy_versions::delete_policy_version).await,
            "SetDefaultPolicyVersion" => blocking(self, call, policy_versions::set_default_policy_version).await,
            "CreateUser" => blocking(self, call, users::create_user).await,
            "GetUser" => blocking(self, call, users::get_user).await,
            "ListUsers" => blocking(self, call, users::list_users).await,
            "DeleteUser" => blocking(self, call, users::delete_user).await,
            "CreateAccessKey" => blocking(self, call, users::create_access_key).await,
            "ListAccessKeys" => blocking(self, call, users::list_access_keys).await,
            "DeleteAccessKey" => blocking(self, call, users::delete_access_key).await,
            "GetAccessKeyLastUsed" => blocking(self, call, users::get_access_key_last_used).await,
            "UpdateAccessKey" => blocking(self, call, user_policies::update_access_key).await,
            "ListAccountAliases" => blocking(self, call, users::list_account_aliases).await,
            "SimulateCustomPolicy" => blocking(self, call, simulate::simulate_custom_policy).await,
            "SimulatePrincipalPolicy" => blocking(self, call, simulate::simulate_principal_policy).await,
            _ => self.call_shared(call).await,
        }
    }

    /// Groups, policies of users, and boundaries.
    async fn call_shared(&self, call: Call) -> Result<Reply, Fault> {
        match call.operation.as_str() {
            "CreateGroup" => blocking(self, call, groups::create_group).await,
            "GetGroup" => blocking(self, call, groups::get_group).await,
            "ListGroups" => blocking(self, call, groups::list_groups).await,
            "ListGroupsForUser" => blocking(self, call, groups::list_groups_for_user).await,
            "DeleteGroup" => blocking(self, call, groups::delete_group).await,
            "AddUserToGroup" => blocking(self, call, groups::add_user_to_group).await,
            "RemoveUserFromGroup" => blocking(self, call, groups::remove_user_from_group).await,
            "PutGroupPolicy" => blocking(self, call, groups::put_group_policy).await,
            "GetGroupPolicy" => blocking(self, call, groups::get_group_policy).await,
            "ListGroupPolicies" => blocking(self, call, groups::list_group_policies).await,
            "DeleteGroupPolicy" => blocking(self, call, groups::delete_group_policy).await,
            "AttachGroupPolicy" => blocking(self, call, groups::attach_group_policy).await,
            "DetachGroupPolicy" => blocking(self, call, groups::detach_group_policy).await,
            "ListAttachedGroupPolicies" => blocking(self, call, groups::list_attached_group_policies).await,
            "PutUserPolicy" => blocking(self, call, user_policies::put_user_policy).await,
            "GetUserPolicy" => blocking(self, call, user_policies::get_user_policy).await,
            "ListUserPolicies" => blocking(self, call, user_policies::list_user_policies).await,
            "DeleteUserPolicy" => blocking(self, call, user_policies::delete_user_policy).await,
            "AttachUserPolicy" => blocking(self, call, user_policies::attach_user_policy).await,
            "DetachUserPolicy" => blocking(self, call, user_policies::detach_user_policy).await,
            "ListAttachedUserPolicies" => blocking(self, call, user_policies::list_attached_user_policies).await,
            "PutUserPermissionsBoundary" => blocking(self, call, user_policies::put_user_boundary).await,
            "DeleteUserPermissionsBoundary" => blocking(self, call, user_policies::delete_user_boundary).await,
            "PutRolePermissionsBoundary" => blocking(self, call, user_policies::put_role_boundary).await,
            "DeleteRolePermissionsBoundary" => blocking(self, call, user_policies::delete_role_boundary).await,
            _ => Err(call.unsupported("access")),
        }
    }
}

/// STS's word for a role that may not be assumed.
const ACCESS_DENIED: FaultKind = FaultKind::new("AccessDenied", 403);

impl From<IdentityError> for Fault {
    fn from(error: IdentityError) -> Self {
        let kind = match &error {
            IdentityError::NoSuchEntity(_) => faults::NO_SUCH_ENTITY_EXCEPTION,
            IdentityError::EntityAlreadyExists(_) => faults::ENTITY_ALREADY_EXISTS_EXCEPTION,
            IdentityError::DeleteConflict(_) => faults::DELETE_CONFLICT_EXCEPTION,
            IdentityError::LimitExceeded(_) => faults::LIMIT_EXCEEDED_EXCEPTION,
            IdentityError::MalformedPolicyDocument(_) => faults::MALFORMED_POLICY_DOCUMENT_EXCEPTION,
            IdentityError::InvalidInput(_) => kinds::VALIDATION,
            IdentityError::UnmodifiableEntity(_) => faults::UNMODIFIABLE_ENTITY_EXCEPTION,
            IdentityError::AccessDenied(_) => ACCESS_DENIED,
            IdentityError::Catalog(_) => faults::SERVICE_FAILURE_EXCEPTION,
        };
        kind.because(error.to_string())
    }
}

/// A part of a list, and how to go on.
struct Page<T> {
    items: Vec<T>,
    is_truncated: Option<bool>,
    marker: Option<Text>,
}

/// What of `all`, in order of its names, follows the marker: at most `max`. The marker is the last name given.
fn page<T>(mut all: Vec<T>, name: impl Fn(&T) -> String, marker: Option<&Text>, max: Option<i32>) -> Page<T> {
    all.sort_by_key(&name);
    let max = max.map_or(PAGE, |max| max.unsigned_abs() as usize);
    let after = |item: &T| marker.is_none_or(|marker| name(item).as_str() > marker.as_str());
    let mut rest = all.into_iter().filter(after).peekable();
    let items: Vec<T> = rest.by_ref().take(max).collect();
    let marker = rest.peek().and(items.last()).map(|last| Text::from(name(last)));
    Page { items, is_truncated: Some(marker.is_some()), marker }
}

/// Whether a path lies below a prefix, which is a path as well; no prefix is above all.
fn below(path: &str, prefix: Option<&Text>) -> bool {
    prefix.is_none_or(|prefix| path.starts_with(prefix.as_str()))
}
