//! `AWS::IAM::Role` and `AWS::IAM::Policy`: kept as they are, so that templates for AWS deploy and roles have ARNs.
//!
//! Nothing is enforced yet: every caller may do everything in its own account and region.

use super::read;
use async_trait::async_trait;
use millrace_catalog::{Catalog, CatalogError};
use millrace_stack::{Context, Created, ResourceError, ResourceType, Updated};
use serde_json::Value;

const ROLES: &str = "iam-role";
const POLICIES: &str = "iam-policy";
/// IAM's limit on the name of a role.
const NAME_CHARACTERS_MAX: usize = 64;

/// Roles. IAM's names belong to the account, not to a region.
pub(super) struct Role {
    pub(super) catalog: Catalog,
}

/// Policies that stand on their own.
pub(super) struct Policy {
    pub(super) catalog: Catalog,
}

fn key(ctx: &Context, name: &str) -> String {
    format!("{}/{name}", ctx.scope.account)
}

fn failed(error: CatalogError) -> ResourceError {
    ResourceError::Failed(error.to_string())
}

/// The role's ARN has no region, and its path stands before its name.
fn role(ctx: &Context, name: &str, properties: &Value) -> Created {
    let path = read::text(properties, "Path").unwrap_or("/");
    let arn = format!("arn:aws:iam::{}:role{path}{name}", ctx.scope.account);
    let id = format!("AROA{:017X}", name.bytes().fold(0u64, |hash, byte| hash.wrapping_mul(131) ^ u64::from(byte)));
    Created::new(name, [("Arn", arn), ("RoleId", id)])
}

fn role_name(ctx: &Context, properties: &Value) -> String {
    let name = read::name(ctx, properties, "RoleName");
    // The end of a generated name is what makes it unique.
    name.chars().skip(name.chars().count().saturating_sub(NAME_CHARACTERS_MAX)).collect()
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

    async fn create(&self, ctx: &Context, properties: &Value) -> Result<Created, ResourceError> {
        let name = role_name(ctx, properties);
        let there: Option<Value> = self.catalog.get(ROLES, &key(ctx, &name)).map_err(failed)?;
        if there.is_some() && !ctx.resuming {
            let message = format!("a role named '{name}' exists already and is not of this stack");
            return Err(ResourceError::Exists(message));
        }
        self.catalog.put(ROLES, &key(ctx, &name), properties).map_err(failed)?;
        Ok(role(ctx, &name, properties))
    }

    async fn update(
        &self,
        ctx: &Context,
        physical_id: &str,
        _old: &Value,
        new: &Value,
    ) -> Result<Updated, ResourceError> {
        self.catalog.put(ROLES, &key(ctx, physical_id), new).map_err(failed)?;
        Ok(Updated::InPlace(role(ctx, physical_id, new)))
    }

    async fn delete(&self, ctx: &Context, physical_id: &str, _properties: &Value) -> Result<(), ResourceError> {
        self.catalog.delete(ROLES, &key(ctx, physical_id)).map(|_| ()).map_err(failed)
    }

    async fn exists(&self, ctx: &Context, physical_id: &str, _properties: &Value) -> Result<bool, ResourceError> {
        let there: Option<Value> = self.catalog.get(ROLES, &key(ctx, physical_id)).map_err(failed)?;
        Ok(there.is_some())
    }
}

#[async_trait]
impl ResourceType for Policy {
    fn properties(&self) -> &'static [&'static str] {
        &["PolicyName", "PolicyDocument", "Roles", "Users", "Groups"]
    }

    async fn create(&self, ctx: &Context, properties: &Value) -> Result<Created, ResourceError> {
        // An inline policy's name is unique only in its role, so the stack's own name for it is the id, as on AWS.
        let id = ctx.generated_name.clone();
        self.catalog.put(POLICIES, &key(ctx, &id), properties).map_err(failed)?;
        Ok(Created::new(id.clone(), [("Id", id)]))
    }

    async fn update(
        &self,
        ctx: &Context,
        physical_id: &str,
        _old: &Value,
        new: &Value,
    ) -> Result<Updated, ResourceError> {
        self.catalog.put(POLICIES, &key(ctx, physical_id), new).map_err(failed)?;
        Ok(Updated::InPlace(Created::new(physical_id, [("Id", physical_id.to_owned())])))
    }

    async fn delete(&self, ctx: &Context, physical_id: &str, _properties: &Value) -> Result<(), ResourceError> {
        self.catalog.delete(POLICIES, &key(ctx, physical_id)).map(|_| ()).map_err(failed)
    }

    async fn exists(&self, ctx: &Context, physical_id: &str, _properties: &Value) -> Result<bool, ResourceError> {
        let there: Option<Value> = self.catalog.get(POLICIES, &key(ctx, physical_id)).map_err(failed)?;
        Ok(there.is_some())
    }
}
