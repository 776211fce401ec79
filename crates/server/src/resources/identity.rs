//! `AWS::IAM::Role` and `AWS::IAM::Policy`, over the same identities that IAM's API tells of.
//!
//! Nothing is enforced yet: every caller may do everything in its own account and region.

use super::read;
use async_trait::async_trait;
use millrace_access::{DocumentKind, Identities, IdentityError, NewRole, Tags, check_document};
use millrace_stack::{Context, Created, ResourceError, ResourceType, Updated};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// IAM's limit on the name of a role.
const NAME_CHARACTERS_MAX: usize = 64;

/// Roles. IAM's names belong to the account, not to a region.
pub(super) struct Role {
    pub(super) identities: Identities,
}

/// Policies that become a part of the roles that they name.
pub(super) struct Policy {
    pub(super) identities: Identities,
}

fn refused(path: &str, error: IdentityError) -> ResourceError {
    let message = error.to_string();
    match error {
        IdentityError::EntityAlreadyExists(_) => {
            ResourceError::Exists(format!("{} It is not of this stack.", message.trim_end()))
        }
        IdentityError::MalformedPolicyDocument(_)
        | IdentityError::InvalidInput(_)
        | IdentityError::NoSuchEntity(_)
        | IdentityError::LimitExceeded(_) => ResourceError::property(path, message),
        _ => ResourceError::Failed(message),
    }
}

/// What is gone already is removed.
fn gone(result: Result<(), IdentityError>) -> Result<(), ResourceError> {
    match result {
        Err(IdentityError::NoSuchEntity(_)) => Ok(()),
        other => other.map_err(|error| refused("", error)),
    }
}

/// A policy document: an object, or its JSON.
fn document(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Judges a document before anything is changed, unless a part that decides is still open.
pub(super) fn check(value: Option<&Value>, path: &str, kind: DocumentKind) -> Result<(), ResourceError> {
    let statements = value.and_then(|value| value.get("Statement"));
    let open =
        |value: &Value| read::is_open(value) || value.as_array().is_some_and(|all| all.iter().any(read::is_open));
    match value.filter(|value| !read::is_open(value) && !statements.is_some_and(open)) {
        Some(value) => check_document(&document(&closed(value)), kind).map_err(|error| refused(path, error)),
        None => Ok(()),
    }
}

/// A document with a text that is good anywhere in place of what other resources will tell.
fn closed(value: &Value) -> Value {
    match value {
        open if read::is_open(open) => Value::from("*"),
        Value::Array(all) => all.iter().map(closed).collect(),
        Value::Object(members) => members.iter().map(|(name, member)| (name.clone(), closed(member))).collect(),
        plain => plain.clone(),
    }
}

fn texts(properties: &Value, path: &str) -> BTreeSet<String> {
    let all = read::at(properties, path).and_then(Value::as_array).into_iter().flatten();
    all.filter_map(|value| value.as_str().map(str::to_owned)).collect()
}

/// The policies that stand in a role: name → document.
fn inline(properties: &Value) -> BTreeMap<String, String> {
    let policies = properties.get("Policies").and_then(Value::as_array).into_iter().flatten();
    let named = policies.filter_map(|policy| {
        Some((policy.get("PolicyName")?.as_str()?.to_owned(), document(policy.get("PolicyDocument")?)))
    });
    named.collect()
}

fn tags(properties: &Value) -> Tags {
    let tags = properties.get("Tags").and_then(Value::as_array).into_iter().flatten();
    let pairs = tags.filter_map(|tag| Some((tag.get("Key")?.as_str()?, tag.get("Value")?.as_str()?)));
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

fn role_name(ctx: &Context, properties: &Value) -> String {
    let name = read::name(ctx, properties, "RoleName");
    // The end of a generated name is what makes it unique.
    name.chars().skip(name.chars().count().saturating_sub(NAME_CHARACTERS_MAX)).collect()
}

fn new_role(name: &str, properties: &Value) -> NewRole {
    let text = |path: &str| read::text(properties, path).map(str::to_owned);
    let seconds = properties.get("MaxSessionDuration");
    NewRole {
        name: name.to_owned(),
        path: text("Path").unwrap_or_default(),
        trust: properties.get("AssumeRolePolicyDocument").map(document).unwrap_or_default(),
        description: text("Description"),
        session_seconds_max: seconds
            .and_then(|value| value.as_u64().or_else(|| value.as_str()?.parse().ok()))
            .map(|seconds| seconds as u32),
        boundary: text("PermissionsBoundary"),
        tags: tags(properties),
        inline: inline(properties),
        attached: texts(properties, "ManagedPolicyArns"),
    }
}

fn made(role: &millrace_access::Role) -> Created {
    Created::new(role.name.clone(), [("Arn", role.arn()), ("RoleId", role.id.clone())])
}

#[async_trait]
impl ResourceType for Role {
    fn properties(&self) -> &'static [&'static str] {
        &[
            "RoleName",
            "Path",
            "Description",
            "AssumeRolePolicyDocument",
            "ManagedPolicyArns",
            "MaxSessionDuration",
            "PermissionsBoundary",
            "Policies",
            "Tags",
        ]
    }

    fn check(&self, _: &Context, properties: &Value) -> Result<(), ResourceError> {
        check(properties.get("AssumeRolePolicyDocument"), "AssumeRolePolicyDocument", DocumentKind::Trust)?;
        let policies = properties.get("Policies").and_then(Value::as_array).into_iter().flatten();
        for (place, policy) in policies.enumerate() {
            check(policy.get("PolicyDocument"), &format!("Policies.{place}.PolicyDocument"), DocumentKind::Inline)?;
        }
        Ok(())
    }

    async fn create(&self, ctx: &Context, properties: &Value) -> Result<Created, ResourceError> {
        let new = new_role(&role_name(ctx, properties), properties);
        let account = &ctx.scope.account;
        let role = match self.identities.create_role(account, new.clone()) {
            // An earlier deploy died while it made it.
            Err(IdentityError::EntityAlreadyExists(_)) if ctx.resuming => {
                self.identities.reshape_role(account, &NewRole::default(), new)
            }
            other => other,
        };
        role.map(|role| made(&role)).map_err(|error| refused("", error))
    }

    async fn update(
        &self,
        ctx: &Context,
        physical_id: &str,
        old: &Value,
        new: &Value,
    ) -> Result<Updated, ResourceError> {
        if role_name(ctx, new) != physical_id {
            return Ok(Updated::NeedsReplacement("RoleName changes: a role cannot be renamed".to_owned()));
        }
        let (old, new) = (new_role(physical_id, old), new_role(physical_id, new));
        let role = self.identities.reshape_role(&ctx.scope.account, &old, new);
        role.map(|role| Updated::InPlace(made(&role))).map_err(|error| refused("", error))
    }

    async fn delete(&self, ctx: &Context, physical_id: &str, properties: &Value) -> Result<(), ResourceError> {
        let account = &ctx.scope.account;
        // What the template put into the role goes with it; what somebody else put there keeps it.
        let own = new_role(physical_id, properties);
        let emptied = self.identities.update_role(account, physical_id, |role| {
            role.inline.retain(|name, _| !own.inline.contains_key(name));
            role.attached.retain(|arn| !own.attached.contains(arn));
            Ok(())
        });
        gone(emptied.map(drop))?;
        gone(self.identities.delete_role(account, physical_id))
    }

    async fn exists(&self, ctx: &Context, physical_id: &str, _properties: &Value) -> Result<bool, ResourceError> {
        match self.identities.role(&ctx.scope.account, physical_id) {
            Ok(_) => Ok(true),
            Err(IdentityError::NoSuchEntity(_)) => Ok(false),
            Err(error) => Err(refused("", error)),
        }
    }
}

impl Policy {
    fn put(&self, ctx: &Context, properties: &Value) -> Result<(), ResourceError> {
        let name = read::text(properties, "PolicyName").unwrap_or_default();
        let text = properties.get("PolicyDocument").map(document).unwrap_or_default();
        for role in texts(properties, "Roles") {
            let put = self.identities.put_role_policy(&ctx.scope.account, &role, name, text.clone());
            put.map_err(|error| refused("Roles", error))?;
        }
        Ok(())
    }

    /// Takes the policy out of the roles of `properties`, but not out of those that `kept` names as well.
    fn take(&self, ctx: &Context, properties: &Value, kept: Option<&Value>) -> Result<(), ResourceError> {
        let name = read::text(properties, "PolicyName").unwrap_or_default();
        let kept = kept.filter(|kept| read::text(kept, "PolicyName") == Some(name));
        let kept = kept.map(|kept| texts(kept, "Roles")).unwrap_or_default();
        for role in texts(properties, "Roles").difference(&kept) {
            gone(self.identities.delete_role_policy(&ctx.scope.account, role, name))?;
        }
        Ok(())
    }
}

#[async_trait]
impl ResourceType for Policy {
    fn properties(&self) -> &'static [&'static str] {
        &["PolicyName", "PolicyDocument", "Roles"]
    }

    fn check(&self, _: &Context, properties: &Value) -> Result<(), ResourceError> {
        check(properties.get("PolicyDocument"), "PolicyDocument", DocumentKind::Inline)?;
        match properties.get("Roles").and_then(Value::as_array) {
            Some(roles) if !roles.is_empty() => Ok(()),
            _ => Err(ResourceError::property("", "a policy needs Roles: it becomes a part of each of them")),
        }
    }

    async fn create(&self, ctx: &Context, properties: &Value) -> Result<Created, ResourceError> {
        self.put(ctx, properties)?;
        // An inline policy's name is unique only in its role, so the stack's own name for it is the id, as on AWS.
        let id = ctx.generated_name.clone();
        Ok(Created::new(id.clone(), [("Id", id)]))
    }

    async fn update(
        &self,
        ctx: &Context,
        physical_id: &str,
        old: &Value,
        new: &Value,
    ) -> Result<Updated, ResourceError> {
        self.put(ctx, new)?;
        self.take(ctx, old, Some(new))?;
        Ok(Updated::InPlace(Created::new(physical_id, [("Id", physical_id.to_owned())])))
    }

    async fn delete(&self, ctx: &Context, _: &str, properties: &Value) -> Result<(), ResourceError> {
        self.take(ctx, properties, None)
    }

    async fn exists(&self, ctx: &Context, _: &str, properties: &Value) -> Result<bool, ResourceError> {
        let name = read::text(properties, "PolicyName").unwrap_or_default();
        for role in texts(properties, "Roles") {
            match self.identities.role_policy(&ctx.scope.account, &role, name) {
                Ok(_) => {}
                Err(IdentityError::NoSuchEntity(_)) => return Ok(false),
                Err(error) => return Err(refused("", error)),
            }
        }
        Ok(true)
    }
}
