//! `AWS::KinesisAnalyticsV2::Application`: a Flink SQL job. Its code is text; a deploy also starts it.

use super::ports::{ApplicationDefinition, ApplicationPort, PortError};
use super::read;
use async_trait::async_trait;
use millrace_stack::{Context, Created, ResourceError, ResourceType, Updated};
use serde_json::Value;
use std::sync::Arc;

/// Where the SQL stands among the properties.
const TEXT: &str = "ApplicationConfiguration.ApplicationCodeConfiguration.CodeContent.TextContent";
const CODE_TYPE: &str = "ApplicationConfiguration.ApplicationCodeConfiguration.CodeContentType";
const PARALLELISM: &str = "ApplicationConfiguration.FlinkApplicationConfiguration.ParallelismConfiguration";
const CHECKPOINTS: &str = "ApplicationConfiguration.FlinkApplicationConfiguration.CheckpointConfiguration";

/// Flink SQL applications.
pub(super) struct Application {
    pub(super) applications: Arc<dyn ApplicationPort>,
}

fn definition(properties: &Value, name: String) -> Result<ApplicationDefinition, ResourceError> {
    if read::text(properties, CODE_TYPE) != Some("PLAINTEXT") {
        let message = "Millrace runs Flink SQL: give it as TextContent with CodeContentType PLAINTEXT (packaged jobs are not \
                       supported yet)";
        return Err(ResourceError::property(CODE_TYPE, message));
    }
    let Some(sql) = read::at(properties, TEXT) else {
        return Err(ResourceError::property(TEXT, "TextContent is missing: it holds the application's Flink SQL"));
    };
    let custom = |path: &str| read::text(properties, &format!("{path}.ConfigurationType")) == Some("CUSTOM");
    let number = |path: String| read::at(properties, &path).and_then(Value::as_u64);
    let parallelism = number(format!("{PARALLELISM}.Parallelism")).filter(|_| custom(PARALLELISM));
    let interval = number(format!("{CHECKPOINTS}.CheckpointInterval")).filter(|_| custom(CHECKPOINTS));
    refuse_when(properties, &format!("{PARALLELISM}.AutoScalingEnabled"), true, "automatic scaling")?;
    refuse_when(properties, &format!("{CHECKPOINTS}.CheckpointingEnabled"), false, "running without checkpoints")?;
    Ok(ApplicationDefinition {
        name,
        sql: sql.as_str().unwrap_or_default().to_owned(),
        description: read::text(properties, "ApplicationDescription").map(str::to_owned),
        runtime_environment: read::text(properties, "RuntimeEnvironment").unwrap_or_default().to_owned(),
        service_execution_role: read::text(properties, "ServiceExecutionRole").unwrap_or_default().to_owned(),
        parallelism: parallelism.and_then(|number| u32::try_from(number).ok()),
        checkpoint_interval_ms: interval,
    })
}

fn refuse_when(properties: &Value, path: &str, value: bool, what: &str) -> Result<(), ResourceError> {
    match read::at(properties, path).and_then(Value::as_bool) {
        Some(given) if given == value => Err(ResourceError::property(path, format!("{what} is not supported yet"))),
        _ => Ok(()),
    }
}

fn failed(error: PortError) -> ResourceError {
    match error {
        PortError::Invalid(message) => ResourceError::property(TEXT, message),
        other => read::error(other),
    }
}

#[async_trait]
impl ResourceType for Application {
    fn properties(&self) -> &'static [&'static str] {
        &[
            "ApplicationName",
            "ApplicationDescription",
            "ApplicationMode",
            "RuntimeEnvironment",
            "ServiceExecutionRole",
            "ApplicationConfiguration.ApplicationCodeConfiguration.CodeContentType",
            "ApplicationConfiguration.ApplicationCodeConfiguration.CodeContent.TextContent",
            "ApplicationConfiguration.FlinkApplicationConfiguration.ParallelismConfiguration.ConfigurationType",
            "ApplicationConfiguration.FlinkApplicationConfiguration.ParallelismConfiguration.Parallelism",
            "ApplicationConfiguration.FlinkApplicationConfiguration.ParallelismConfiguration.AutoScalingEnabled",
            "ApplicationConfiguration.FlinkApplicationConfiguration.CheckpointConfiguration.ConfigurationType",
            "ApplicationConfiguration.FlinkApplicationConfiguration.CheckpointConfiguration.CheckpointingEnabled",
            "ApplicationConfiguration.FlinkApplicationConfiguration.CheckpointConfiguration.CheckpointInterval",
            "Tags",
        ]
    }

    fn check(&self, ctx: &Context, properties: &Value) -> Result<(), ResourceError> {
        let definition = definition(properties, "pending".to_owned())?;
        // A text with references to what does not exist yet is checked once it is whole.
        match read::at(properties, TEXT).is_some_and(Value::is_string) {
            true => self.applications.check(&ctx.scope, &definition).map_err(failed),
            false => Ok(()),
        }
    }

    async fn create(&self, ctx: &Context, properties: &Value) -> Result<Created, ResourceError> {
        let name = read::name(ctx, properties, "ApplicationName");
        let definition = definition(properties, name.clone())?;
        match self.applications.create(&ctx.scope, definition).await {
            Err(PortError::Exists(_)) if ctx.resuming => {}
            other => other.map_err(failed)?,
        }
        Ok(Created::new(name, []))
    }

    async fn update(
        &self,
        ctx: &Context,
        physical_id: &str,
        _old: &Value,
        new: &Value,
    ) -> Result<Updated, ResourceError> {
        let definition = definition(new, physical_id.to_owned())?;
        self.applications.update(&ctx.scope, definition).await.map_err(failed)?;
        Ok(Updated::InPlace(Created::new(physical_id, [])))
    }

    async fn delete(&self, ctx: &Context, physical_id: &str, _properties: &Value) -> Result<(), ResourceError> {
        read::deleted(self.applications.delete(&ctx.scope, physical_id).await)
    }

    async fn exists(&self, ctx: &Context, physical_id: &str, _properties: &Value) -> Result<bool, ResourceError> {
        self.applications.exists(&ctx.scope, physical_id).map_err(read::error)
    }
}
