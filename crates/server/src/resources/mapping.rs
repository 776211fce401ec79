//! `AWS::Lambda::EventSourceMapping`. Properties have the shape of Lambda's own API, so the room of functions reads them as
//! it reads a `CreateEventSourceMapping`.

use super::read;
use async_trait::async_trait;
use millrace_functions::{MappingError, Mappings};
use millrace_stack::{Context, Created, ResourceError, ResourceType, Updated};
use serde_json::{Value, json};

/// What only a creation takes.
const CREATE_ONLY: [&str; 4] = ["EventSourceArn", "StartingPosition", "StartingPositionTimestamp", "Tags"];
/// What a property is when the template no longer gives it.
const DEFAULTS: [(&str, &str); 9] = [
    ("BisectBatchOnFunctionError", "false"),
    ("DestinationConfig", r#"{"OnFailure": {}}"#),
    ("Enabled", "true"),
    ("FilterCriteria", r#"{"Filters": []}"#),
    ("FunctionResponseTypes", "[]"),
    ("MaximumBatchingWindowInSeconds", "0"),
    ("MaximumRecordAgeInSeconds", "-1"),
    ("MaximumRetryAttempts", "-1"),
    ("ParallelizationFactor", "1"),
];

/// Event source mappings.
pub(super) struct EventSourceMapping {
    pub(super) mappings: Mappings,
}

fn refused(properties: &Value, error: &MappingError) -> ResourceError {
    let message = error.to_string();
    match error {
        MappingError::ResourceConflict(_) => ResourceError::Exists(message),
        MappingError::Log(_) | MappingError::Catalog(_) => ResourceError::Failed(message),
        _ => {
            let lower = message.to_lowercase();
            let members = properties.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
            let named = members.filter(|name| lower.contains(&name.to_lowercase())).max_by_key(|name| name.len());
            ResourceError::property(named.unwrap_or_default(), message)
        }
    }
}

fn made(shown: &Value) -> Created {
    let text = |name: &str| shown[name].as_str().unwrap_or_default().to_owned();
    Created::new(text("UUID"), [("Id", text("UUID")), ("EventSourceMappingArn", text("EventSourceMappingArn"))])
}

/// The body of a creation: tags are a map in the API.
fn body(properties: &Value) -> Value {
    let mut body = properties.clone();
    if properties.get("Tags").is_some() {
        body["Tags"] = json!(read::tags(properties.get("Tags")));
    }
    body
}

/// The body of an update.
fn change(old: &Value, new: &Value) -> Value {
    let mut members = new.as_object().cloned().unwrap_or_default();
    members.retain(|name, _| !CREATE_ONLY.contains(&name.as_str()));
    for (name, default) in DEFAULTS.iter().filter(|(name, _)| old.get(*name).is_some() && new.get(*name).is_none()) {
        members.insert((*name).to_owned(), serde_json::from_str(default).unwrap_or_default());
    }
    Value::Object(members)
}

#[async_trait]
impl ResourceType for EventSourceMapping {
    fn properties(&self) -> &'static [&'static str] {
        &[
            "BatchSize",
            "BisectBatchOnFunctionError",
            "DestinationConfig",
            "Enabled",
            "EventSourceArn",
            "FilterCriteria",
            "FunctionName",
            "FunctionResponseTypes",
            "MaximumBatchingWindowInSeconds",
            "MaximumRecordAgeInSeconds",
            "MaximumRetryAttempts",
            "MetricsConfig",
            "ParallelizationFactor",
            "ScalingConfig",
            "StartingPosition",
            "StartingPositionTimestamp",
            "Tags",
            "TumblingWindowInSeconds",
        ]
    }

    async fn create(&self, ctx: &Context, properties: &Value) -> Result<Created, ResourceError> {
        match self.mappings.create(&ctx.scope, body(properties)) {
            Err(MappingError::ResourceConflict(_)) if ctx.resuming => {
                let (source, function) =
                    (read::text(properties, "EventSourceArn"), read::text(properties, "FunctionName"));
                let page = self.mappings.list(&ctx.scope, source, function, None, Some(1));
                let there = page.map_err(|error| refused(properties, &error))?.mappings.into_iter().next();
                there.map(|shown| made(&shown)).ok_or_else(|| ResourceError::Failed("the mapping is gone again".into()))
            }
            other => other.map(|shown| made(&shown)).map_err(|error| refused(properties, &error)),
        }
    }

    async fn update(
        &self,
        ctx: &Context,
        physical_id: &str,
        old: &Value,
        new: &Value,
    ) -> Result<Updated, ResourceError> {
        let failed = |error: MappingError| refused(new, &error);
        let shown = self.mappings.update(&ctx.scope, physical_id, change(old, new)).map_err(failed)?;
        let tags = read::tags(new.get("Tags"));
        self.mappings.change_tags(&ctx.scope, physical_id, |all| *all = tags).map_err(failed)?;
        Ok(Updated::InPlace(made(&shown)))
    }

    async fn delete(&self, ctx: &Context, physical_id: &str, properties: &Value) -> Result<(), ResourceError> {
        match self.mappings.delete(&ctx.scope, physical_id).await {
            Ok(_) | Err(MappingError::ResourceNotFound) => Ok(()),
            Err(error) => Err(refused(properties, &error)),
        }
    }

    async fn exists(&self, ctx: &Context, physical_id: &str, _properties: &Value) -> Result<bool, ResourceError> {
        Ok(self.mappings.get(&ctx.scope, physical_id).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_has_what_can_change_and_defaults_for_what_is_gone() {
        let old = json!({"EventSourceArn": "a", "FunctionName": "f", "BatchSize": 5, "MaximumRetryAttempts": 2});
        let new = json!({"EventSourceArn": "a", "FunctionName": "f", "BatchSize": 6});
        assert_eq!(change(&old, &new), json!({"FunctionName": "f", "BatchSize": 6, "MaximumRetryAttempts": -1}));
        let tagged = json!({"Tags": [{"Key": "a", "Value": "b"}]});
        assert_eq!(body(&tagged), json!({"Tags": {"a": "b"}}));
    }
}
