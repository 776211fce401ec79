//! `AWS::KMS::Key` and `AWS::KMS::Alias`.

use super::read;
use async_trait::async_trait;
use millrace_access::keyring::{Key, KeyError, KeyState, NewKey};
use millrace_access::{DocumentKind, KeyRing};
use millrace_stack::{Context, Created, ResourceError, ResourceType, Updated};
use serde_json::Value;

/// What CloudFormation waits for when a template says nothing.
const PENDING_DAYS: u64 = 30;
/// The period of rotation when a template says nothing.
const ROTATION_DAYS: u64 = 365;

/// Keys of the ring.
pub(super) struct KmsKey {
    pub(super) ring: KeyRing,
}

/// Their names.
pub(super) struct KmsAlias {
    pub(super) ring: KeyRing,
}

fn refused(error: KeyError) -> ResourceError {
    match error {
        KeyError::Store { .. } | KeyError::Root(_) => ResourceError::Failed(error.to_string()),
        other => ResourceError::property("", other.to_string()),
    }
}

fn policy(properties: &Value) -> String {
    match read::at(properties, "KeyPolicy") {
        Some(Value::String(text)) => text.clone(),
        Some(document) => document.to_string(),
        None => String::new(),
    }
}

fn number(properties: &Value, path: &str, default: u64) -> u32 {
    let number = read::at(properties, path).and_then(|value| match value {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64(),
    });
    u32::try_from(number.unwrap_or(default)).unwrap_or(u32::MAX)
}

fn made(key: &Key) -> Created {
    Created::new(key.id.clone(), [("Arn", key.arn()), ("KeyId", key.id.clone())])
}

impl KmsKey {
    /// Whether it is enabled, and its rotation, as the template says.
    fn settle(&self, ctx: &Context, id: &str, properties: &Value) -> Result<Created, ResourceError> {
        let key = self.ring.find(&ctx.scope, id).map_err(refused)?;
        let enabled = read::flag(properties, "Enabled").unwrap_or(true);
        let rotates = read::flag(properties, "EnableKeyRotation").unwrap_or(false);
        if (key.state == KeyState::Enabled) != enabled {
            self.ring.set_enabled(&key, enabled).map_err(refused)?;
        }
        let days = rotates.then(|| number(properties, "RotationPeriodInDays", ROTATION_DAYS));
        if key.rotation.map(|rotation| rotation.period_days) != days {
            self.ring.set_rotation(&key, days).map_err(refused)?;
        }
        Ok(made(&key))
    }
}

#[async_trait]
impl ResourceType for KmsKey {
    fn properties(&self) -> &'static [&'static str] {
        &[
            "Description",
            "Enabled",
            "EnableKeyRotation",
            "KeyPolicy",
            "KeySpec",
            "KeyUsage",
            "MultiRegion",
            "Origin",
            "PendingWindowInDays",
            "RotationPeriodInDays",
            "Tags",
        ]
    }

    fn check(&self, _: &Context, properties: &Value) -> Result<(), ResourceError> {
        super::identity::check(read::at(properties, "KeyPolicy"), "KeyPolicy", DocumentKind::Resource)?;
        let only = [("KeySpec", "SYMMETRIC_DEFAULT"), ("KeyUsage", "ENCRYPT_DECRYPT"), ("Origin", "AWS_KMS")];
        for (name, word) in only {
            if read::text(properties, name).is_some_and(|given| given != word) {
                return Err(ResourceError::property(name, format!("only {word} is supported yet")));
            }
        }
        if read::flag(properties, "MultiRegion") == Some(true) {
            return Err(ResourceError::property("MultiRegion", "multi-Region keys are not supported yet"));
        }
        if read::flag(properties, "Enabled") == Some(false) && read::flag(properties, "EnableKeyRotation") == Some(true)
        {
            return Err(ResourceError::property("EnableKeyRotation", "a key that is disabled cannot be rotated"));
        }
        Ok(())
    }

    async fn create(&self, ctx: &Context, properties: &Value) -> Result<Created, ResourceError> {
        let spec = NewKey {
            description: read::text(properties, "Description").unwrap_or_default().to_owned(),
            policy: policy(properties),
            tags: read::tags(read::at(properties, "Tags")),
        };
        let key = self.ring.create(&ctx.scope, spec).map_err(refused)?;
        self.settle(ctx, &key.id, properties)
    }

    async fn update(&self, ctx: &Context, id: &str, old: &Value, new: &Value) -> Result<Updated, ResourceError> {
        let (before, after) = (read::tags(read::at(old, "Tags")), read::tags(read::at(new, "Tags")));
        let edited = self.ring.edit(id, |key| {
            key.description = read::text(new, "Description").unwrap_or_default().to_owned();
            if policy(old) != policy(new) && !policy(new).is_empty() {
                key.policy = policy(new);
            }
            key.tags.retain(|name, _| !before.contains_key(name));
            key.tags.extend(after);
            Ok(())
        });
        edited.map_err(refused)?;
        self.settle(ctx, id, new).map(Updated::InPlace)
    }

    async fn delete(&self, ctx: &Context, id: &str, properties: &Value) -> Result<(), ResourceError> {
        let days = number(properties, "PendingWindowInDays", PENDING_DAYS);
        match self.ring.find(&ctx.scope, id) {
            Ok(key) if matches!(key.state, KeyState::PendingDeletion(_)) => Ok(()),
            Ok(key) => self.ring.schedule_deletion(&key, days).map(drop).map_err(refused),
            Err(KeyError::NoKey(_)) => Ok(()),
            Err(error) => Err(refused(error)),
        }
    }

    async fn exists(&self, ctx: &Context, id: &str, _: &Value) -> Result<bool, ResourceError> {
        match self.ring.find(&ctx.scope, id) {
            Ok(key) => Ok(!matches!(key.state, KeyState::PendingDeletion(_))),
            Err(KeyError::NoKey(_)) => Ok(false),
            Err(error) => Err(refused(error)),
        }
    }
}

fn names(properties: &Value) -> Result<(&str, &str), ResourceError> {
    let text = |name: &'static str| {
        read::text(properties, name).ok_or_else(|| ResourceError::property(name, "an alias needs it"))
    };
    Ok((text("AliasName")?, text("TargetKeyId")?))
}

#[async_trait]
impl ResourceType for KmsAlias {
    fn properties(&self) -> &'static [&'static str] {
        &["AliasName", "TargetKeyId"]
    }

    async fn create(&self, ctx: &Context, properties: &Value) -> Result<Created, ResourceError> {
        let (name, target) = names(properties)?;
        match self.ring.create_alias(&ctx.scope, name, target) {
            Err(KeyError::AliasExists(_)) if ctx.resuming => {
                self.ring.update_alias(&ctx.scope, name, target).map_err(refused)?;
            }
            Err(KeyError::AliasExists(_)) => return Err(read::taken("alias", name, "AliasName")),
            other => other.map_err(refused)?,
        }
        Ok(Created::new(name, []))
    }

    async fn update(&self, ctx: &Context, id: &str, _: &Value, new: &Value) -> Result<Updated, ResourceError> {
        let (name, target) = names(new)?;
        self.ring.update_alias(&ctx.scope, name, target).map_err(refused)?;
        Ok(Updated::InPlace(Created::new(id, [])))
    }

    async fn delete(&self, ctx: &Context, id: &str, _: &Value) -> Result<(), ResourceError> {
        match self.ring.delete_alias(&ctx.scope, id) {
            Err(KeyError::NoAlias(_)) => Ok(()),
            other => other.map_err(refused),
        }
    }

    async fn exists(&self, ctx: &Context, id: &str, _: &Value) -> Result<bool, ResourceError> {
        let aliases = self.ring.aliases(&ctx.scope, None).map_err(refused)?;
        Ok(aliases.iter().any(|alias| alias.name == id))
    }
}
