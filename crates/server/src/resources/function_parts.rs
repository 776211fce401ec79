//! What belongs to functions: `AWS::Lambda::Version`, `Alias`, `Permission`, `EventInvokeConfig` and `LayerVersion`.

use super::function::{member, refused, settled, shaped, with};
use super::read;
use async_trait::async_trait;
use millrace_functions::{
    AddPermission, AliasInput, CodeObjects, CodeSource, EventInvokeInput, Functions, FunctionsError,
    PublishLayerVersion, PublishVersion,
};
use millrace_stack::{Context, Created, ResourceError, ResourceType, Updated};
use serde_json::{Value, json};
use std::sync::Arc;

/// Lambda's limit on the name of a statement.
const STATEMENT_CHARACTERS_MAX: usize = 100;
/// Lambda's limit.
const LAYER_CHARACTERS_MAX: usize = 140;

/// Published versions.
pub(super) struct Version {
    pub(super) functions: Functions,
}

/// Names of versions.
pub(super) struct Alias {
    pub(super) functions: Functions,
}

/// Statements of a function's policy: kept and shown.
pub(super) struct Permission {
    pub(super) functions: Functions,
}

/// What becomes of asynchronous events.
pub(super) struct EventInvokeConfig {
    pub(super) functions: Functions,
}

/// Versions of layers.
pub(super) struct LayerVersion {
    pub(super) functions: Functions,
    /// Where `S3Bucket` and `S3Key` are read from.
    pub(super) objects: Arc<dyn CodeObjects>,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// What is gone already is removed.
fn gone(properties: &Value, result: Result<(), FunctionsError>) -> Result<(), ResourceError> {
    match result {
        Err(FunctionsError::ResourceNotFound(_)) => Ok(()),
        other => other.map_err(|error| refused(properties, &error)),
    }
}

/// The name and the qualifier at the end of a qualified ARN.
fn split(arn: &str) -> (&str, &str) {
    arn.rsplit_once(':').unwrap_or((arn, ""))
}

fn replaced(what: &str) -> Updated {
    Updated::NeedsReplacement(format!("{what} cannot be changed"))
}

#[async_trait]
impl ResourceType for Version {
    fn properties(&self) -> &'static [&'static str] {
        &["CodeSha256", "Description", "FunctionName"]
    }

    async fn create(&self, ctx: &Context, properties: &Value) -> Result<Created, ResourceError> {
        settled(&self.functions, &ctx.scope, &member(properties, "FunctionName")).await?;
        let input: PublishVersion = shaped(properties.clone())?;
        let made = self.functions.publish_version(&ctx.scope, input).map_err(|error| refused(properties, &error))?;
        let (arn, version) = (text(&made["FunctionArn"]), text(&made["Version"]));
        Ok(Created::new(arn.clone(), [("FunctionArn", arn), ("Version", version)]))
    }

    async fn update(&self, _: &Context, _: &str, _: &Value, _: &Value) -> Result<Updated, ResourceError> {
        Ok(replaced("a published version"))
    }

    async fn delete(&self, ctx: &Context, physical_id: &str, properties: &Value) -> Result<(), ResourceError> {
        let (function, version) = split(physical_id);
        gone(properties, self.functions.delete(&ctx.scope, function, Some(version)))
    }

    async fn exists(&self, ctx: &Context, physical_id: &str, _properties: &Value) -> Result<bool, ResourceError> {
        Ok(self.functions.get(&ctx.scope, physical_id, None).is_ok())
    }
}

fn alias(shown: &Value) -> Created {
    let arn = text(&shown["AliasArn"]);
    Created::new(arn.clone(), [("AliasArn", arn)])
}

/// CloudFormation lists the weights that the API maps.
fn alias_input(properties: &Value) -> Result<AliasInput, ResourceError> {
    let weights = read::at(properties, "RoutingConfig.AdditionalVersionWeights").and_then(Value::as_array);
    let weight =
        |one: &Value| Some((read::text(one, "FunctionVersion")?.to_owned(), one.get("FunctionWeight")?.clone()));
    let weights: serde_json::Map<_, _> = weights.into_iter().flatten().filter_map(weight).collect();
    shaped(with(properties, "RoutingConfig", json!({"AdditionalVersionWeights": weights})))
}

#[async_trait]
impl ResourceType for Alias {
    fn properties(&self) -> &'static [&'static str] {
        &["Description", "FunctionName", "FunctionVersion", "Name", "RoutingConfig.AdditionalVersionWeights"]
    }

    async fn create(&self, ctx: &Context, properties: &Value) -> Result<Created, ResourceError> {
        let input = alias_input(properties)?;
        match self.functions.create_alias(&ctx.scope, input.clone()) {
            Err(FunctionsError::ResourceConflict(_)) if ctx.resuming => self.functions.update_alias(&ctx.scope, input),
            other => other,
        }
        .map(|shown| alias(&shown))
        .map_err(|error| refused(properties, &error))
    }

    async fn update(&self, ctx: &Context, _: &str, _: &Value, new: &Value) -> Result<Updated, ResourceError> {
        let mut input = alias_input(new)?;
        input.description.get_or_insert_default();
        let shown = self.functions.update_alias(&ctx.scope, input).map_err(|error| refused(new, &error))?;
        Ok(Updated::InPlace(alias(&shown)))
    }

    async fn delete(&self, ctx: &Context, physical_id: &str, properties: &Value) -> Result<(), ResourceError> {
        let (function, name) = split(physical_id);
        gone(properties, self.functions.delete_alias(&ctx.scope, function, name))
    }

    async fn exists(&self, ctx: &Context, physical_id: &str, _properties: &Value) -> Result<bool, ResourceError> {
        let (function, name) = split(physical_id);
        Ok(self.functions.alias(&ctx.scope, function, name).is_ok())
    }
}

#[async_trait]
impl ResourceType for Permission {
    fn properties(&self) -> &'static [&'static str] {
        &["Action", "EventSourceToken", "FunctionName", "Principal", "PrincipalOrgID", "SourceAccount", "SourceArn"]
    }

    async fn create(&self, ctx: &Context, properties: &Value) -> Result<Created, ResourceError> {
        let id = read::tail(&ctx.generated_name, STATEMENT_CHARACTERS_MAX);
        let input: AddPermission = shaped(with(properties, "StatementId", json!(id)))?;
        match self.functions.add_permission(&ctx.scope, input) {
            Err(FunctionsError::ResourceConflict(_)) if ctx.resuming => {}
            other => drop(other.map_err(|error| refused(properties, &error))?),
        }
        Ok(Created::new(id.clone(), [("Id", id)]))
    }

    async fn update(&self, _: &Context, _: &str, _: &Value, _: &Value) -> Result<Updated, ResourceError> {
        Ok(replaced("a permission"))
    }

    async fn delete(&self, ctx: &Context, physical_id: &str, properties: &Value) -> Result<(), ResourceError> {
        let function = member(properties, "FunctionName");
        gone(properties, self.functions.remove_permission(&ctx.scope, &function, None, physical_id, None))
    }

    async fn exists(&self, ctx: &Context, physical_id: &str, properties: &Value) -> Result<bool, ResourceError> {
        let policy = self.functions.policy(&ctx.scope, &member(properties, "FunctionName"), None);
        let policy: Value =
            policy.ok().and_then(|policy| serde_json::from_str(&policy.policy).ok()).unwrap_or_default();
        let statements = policy["Statement"].as_array();
        Ok(statements.into_iter().flatten().any(|statement| statement["Sid"] == physical_id))
    }
}

impl EventInvokeConfig {
    fn put(&self, ctx: &Context, properties: &Value) -> Result<Created, ResourceError> {
        let (function, qualifier) = (member(properties, "FunctionName"), member(properties, "Qualifier"));
        let input: EventInvokeInput = shaped(properties.clone())?;
        let put = self.functions.put_event_invoke(&ctx.scope, &function, Some(&qualifier), input, false);
        put.map_err(|error| refused(properties, &error))?;
        Ok(Created::new(format!("{function}|{qualifier}"), []))
    }
}

#[async_trait]
impl ResourceType for EventInvokeConfig {
    fn properties(&self) -> &'static [&'static str] {
        &["DestinationConfig", "FunctionName", "MaximumEventAgeInSeconds", "MaximumRetryAttempts", "Qualifier"]
    }

    async fn create(&self, ctx: &Context, properties: &Value) -> Result<Created, ResourceError> {
        if !ctx.resuming && self.exists(ctx, "", properties).await? {
            return Err(read::taken(
                "configuration of asynchronous events",
                &member(properties, "FunctionName"),
                "Qualifier",
            ));
        }
        self.put(ctx, properties)
    }

    async fn update(&self, ctx: &Context, _: &str, _: &Value, new: &Value) -> Result<Updated, ResourceError> {
        self.put(ctx, new).map(Updated::InPlace)
    }

    async fn delete(&self, ctx: &Context, _: &str, properties: &Value) -> Result<(), ResourceError> {
        let (function, qualifier) = (member(properties, "FunctionName"), member(properties, "Qualifier"));
        gone(properties, self.functions.delete_event_invoke(&ctx.scope, &function, Some(&qualifier)))
    }

    async fn exists(&self, ctx: &Context, _: &str, properties: &Value) -> Result<bool, ResourceError> {
        let (function, qualifier) = (member(properties, "FunctionName"), member(properties, "Qualifier"));
        Ok(self.functions.event_invoke(&ctx.scope, &function, Some(&qualifier)).is_ok())
    }
}

#[async_trait]
impl ResourceType for LayerVersion {
    fn properties(&self) -> &'static [&'static str] {
        &[
            "CompatibleArchitectures",
            "CompatibleRuntimes",
            "Content.S3Bucket",
            "Content.S3Key",
            "Description",
            "LayerName",
            "LicenseInfo",
        ]
    }

    async fn create(&self, ctx: &Context, properties: &Value) -> Result<Created, ResourceError> {
        let failed = |error: FunctionsError| refused(properties, &error);
        let place = |name: &str| read::text(properties, name).map(str::to_owned);
        let source = CodeSource::of(None, place("Content.S3Bucket"), place("Content.S3Key")).map_err(failed)?;
        let zip = source.read(&*self.objects).await.map_err(failed)?;
        let name = read::tail(&read::name(ctx, properties, "LayerName"), LAYER_CHARACTERS_MAX);
        let input: PublishLayerVersion = shaped(with(properties, "LayerName", json!(name)))?;
        let made = self.functions.publish_layer(&ctx.scope, input, &zip).map_err(failed)?;
        let arn = text(&made.shown["LayerVersionArn"]);
        Ok(Created::new(arn.clone(), [("LayerVersionArn", arn)]))
    }

    async fn update(&self, _: &Context, _: &str, _: &Value, _: &Value) -> Result<Updated, ResourceError> {
        Ok(replaced("a layer's version"))
    }

    async fn delete(&self, ctx: &Context, physical_id: &str, properties: &Value) -> Result<(), ResourceError> {
        let (layer, version) = split(physical_id);
        let version =
            version.parse().map_err(|_| ResourceError::Failed(format!("'{physical_id}' names no version")))?;
        gone(properties, self.functions.delete_layer(&ctx.scope, layer, version))
    }

    async fn exists(&self, ctx: &Context, physical_id: &str, _properties: &Value) -> Result<bool, ResourceError> {
        Ok(self.functions.layer(&ctx.scope, physical_id, None).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_listed_in_templates_and_mapped_in_the_api() {
        let listed = json!({
            "FunctionName": "f", "Name": "live", "FunctionVersion": "1",
            "RoutingConfig": {"AdditionalVersionWeights": [{"FunctionVersion": "2", "FunctionWeight": 0.25}]},
        });
        let weights = alias_input(&listed).unwrap().routing_config.unwrap().additional_version_weights.unwrap();
        assert_eq!(weights.get("2"), Some(&0.25));
        let plain = alias_input(&json!({"FunctionName": "f", "Name": "live", "FunctionVersion": "1"})).unwrap();
        assert_eq!(plain.routing_config.unwrap().additional_version_weights.unwrap().len(), 0);
    }
}
