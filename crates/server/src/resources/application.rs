//! `AWS::KinesisAnalyticsV2::Application`: a Flink SQL job. Its code is text; a deploy also starts it.

use super::ports::{ApplicationDefinition, ApplicationPort, PortError};
use super::read;
use async_trait::async_trait;
use millrace_api::analytics::check_application_mode;
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
    let runtime = read::text(properties, "RuntimeEnvironment").unwrap_or_default();
    check_application_mode(runtime, read::text(properties, "ApplicationMode"))
        .map_err(|wrong| ResourceError::property("ApplicationMode", wrong))?;
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
        runtime_environment: runtime.to_owned(),
        service_execution_role: read::text(properties, "ServiceExecutionRole").unwrap_or_default().to_owned(),
        parallelism: parallelism.and_then(|number| u32::try_from(number).ok()),
        checkpoint_interval_ms: interval,
    })
}

/// The SQL, with an ARN or name standing in for each resource that does not exist yet, so that a mistake in it is told before
/// anything is changed. None for a text that is put together in another way than by `Fn::Sub`.
fn whole(ctx: &Context, text: &Value) -> Option<String> {
    let mut rest = match (text, text.get("Fn::Sub")) {
        (Value::String(text), _) => return Some(text.clone()),
        (_, Some(Value::String(text))) => text.as_str(),
        _ => return None,
    };
    let mut whole = String::new();
    while let Some((literal, reference)) = rest.split_once("${") {
        let (name, after) = reference.split_once('}')?;
        whole.push_str(literal);
        match name.strip_prefix('!') {
            Some(kept) => whole.push_str(&format!("${{{kept}}}")),
            None if name.ends_with(".Arn") => {
                // Tables name streams, `CREATE EXTERNAL FUNCTION … LAMBDA '…'` names functions.
                let is_function = whole.trim_end_matches(['\'', ' ']).to_ascii_uppercase().ends_with("LAMBDA");
                let (service, pending) =
                    if is_function { ("lambda", "function:pending") } else { ("kinesis", "stream/pending") };
                whole.push_str(&ctx.scope.arn(service, pending).to_string());
            }
            None => whole.push_str("pending"),
        }
        rest = after;
    }
    whole.push_str(rest);
    Some(whole)
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
        let mut definition = definition(properties, "pending".to_owned())?;
        match read::at(properties, TEXT).and_then(|text| whole(ctx, text)) {
            Some(sql) => {
                definition.sql = sql;
                self.applications.check(&ctx.scope, &definition).map_err(failed)
            }
            // Checked once it is whole.
            None => Ok(()),
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

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_base::Scope;
    use serde_json::json;

    #[test]
    fn sql_is_made_whole_for_a_check() {
        let ctx = Context {
            scope: Scope::default(),
            stack: "s".to_owned(),
            logical_id: "A".to_owned(),
            generated_name: String::new(),
            resuming: false,
        };
        let text = json!({"Fn::Sub": "WITH ('stream.arn' = '${Flights.Arn}', 'stream' = '${Flights}', 'x' = '${!y}')"});
        let expected = "WITH ('stream.arn' = 'arn:aws:kinesis:us-east-1:000000000000:stream/pending', 'stream' = 'pending', \
                        'x' = '${y}')";
        assert_eq!(whole(&ctx, &text).as_deref(), Some(expected));
        let text = json!({"Fn::Sub": "CREATE EXTERNAL FUNCTION f () RETURNS INT LAMBDA '${F.Arn}';"});
        let expected = "CREATE EXTERNAL FUNCTION f () RETURNS INT LAMBDA 'arn:aws:lambda:us-east-1:000000000000:function:pending';";
        assert_eq!(whole(&ctx, &text).as_deref(), Some(expected));
        assert_eq!(whole(&ctx, &json!({"Fn::Join": ["", []]})), None);
    }
}
