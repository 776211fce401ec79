//! `AWS::Logs::LogGroup`.

use super::read;
use async_trait::async_trait;
use millrace_stack::{Context, Created, ResourceError, ResourceType, Updated};
use millrace_watch::{GroupKey, Logs, LogsError};
use serde_json::Value;

/// CloudWatch's groups of logs.
pub(super) struct LogGroup {
    pub(super) logs: Logs,
}

fn key(ctx: &Context, name: &str) -> GroupKey {
    GroupKey { scope: ctx.scope.clone(), name: name.into() }
}

fn failed(error: LogsError) -> ResourceError {
    match error {
        LogsError::Invalid(message) => ResourceError::property("RetentionInDays", message),
        other => ResourceError::Failed(other.to_string()),
    }
}

fn made(ctx: &Context, name: &str) -> Created {
    Created::new(name, [("Arn", ctx.scope.arn("logs", &format!("log-group:{name}:*")).to_string())])
}

fn retention(properties: &Value) -> Option<u32> {
    properties.get("RetentionInDays")?.as_u64().and_then(|days| u32::try_from(days).ok())
}

#[async_trait]
impl ResourceType for LogGroup {
    fn properties(&self) -> &'static [&'static str] {
        &["LogGroupName", "RetentionInDays", "Tags"]
    }

    async fn create(&self, ctx: &Context, properties: &Value) -> Result<Created, ResourceError> {
        let name = read::name(ctx, properties, "LogGroupName");
        match self.logs.create_group(&key(ctx, &name), read::tags(properties.get("Tags"))) {
            Err(LogsError::GroupExists) if ctx.resuming => {}
            Err(LogsError::GroupExists) => return Err(read::taken("log group", &name, "LogGroupName")),
            other => other.map_err(failed)?,
        }
        self.logs.set_retention(&key(ctx, &name), retention(properties)).map_err(failed)?;
        Ok(made(ctx, &name))
    }

    async fn update(
        &self,
        ctx: &Context,
        physical_id: &str,
        _old: &Value,
        new: &Value,
    ) -> Result<Updated, ResourceError> {
        let key = key(ctx, physical_id);
        self.logs.set_retention(&key, retention(new)).map_err(failed)?;
        let tags = read::tags(new.get("Tags"));
        self.logs.change_tags(&key, |all| *all = tags).map_err(failed)?;
        Ok(Updated::InPlace(made(ctx, physical_id)))
    }

    async fn delete(&self, ctx: &Context, physical_id: &str, _properties: &Value) -> Result<(), ResourceError> {
        match self.logs.delete_group(&key(ctx, physical_id)) {
            Err(LogsError::NoGroup) => Ok(()),
            other => other.map_err(failed),
        }
    }

    async fn exists(&self, ctx: &Context, physical_id: &str, _properties: &Value) -> Result<bool, ResourceError> {
        Ok(self.logs.group(&key(ctx, physical_id)).is_ok())
    }
}
