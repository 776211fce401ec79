//! AWS Identity and Access Management over [`Identities`]: the calls that deployment tools make.
//!
//! Everything is kept and told again, nothing is enforced yet: docs/compat/access.md.

mod policies;
mod policy_versions;
mod role_policies;
mod roles;
mod shapes;
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
            "ListAccountAliases" => blocking(self, call, users::list_account_aliases).await,
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
