//! `AWS::Glue::Registry`, `AWS::Glue::Schema`, `AWS::Glue::SchemaVersion` and `AWS::Glue::SchemaVersionMetadata`.

use super::read;
use async_trait::async_trait;
use millrace_base::{Arn, Scope};
use millrace_schema::registry::store::{DEFAULT_REGISTRY, NewSchema, Resource, SchemaChange};
use millrace_schema::registry::{
    Compatibility, DataFormat, Registry, RegistryError, SchemaKey, SchemaVersion, Uuid, VersionNumber, validate,
};
use millrace_stack::{Context, Created, ResourceError, ResourceType, Updated};
use serde_json::Value;
use std::collections::BTreeMap;

/// Registries.
pub(super) struct GlueRegistry {
    pub(super) registry: Registry,
}

/// Schemas.
pub(super) struct GlueSchema {
    pub(super) registry: Registry,
}

/// Versions of schemas.
pub(super) struct GlueSchemaVersion {
    pub(super) registry: Registry,
}

/// Metadata of versions.
pub(super) struct GlueSchemaVersionMetadata {
    pub(super) registry: Registry,
}

/// A room's error at a property.
fn failed(error: RegistryError, path: &str) -> ResourceError {
    match error {
        RegistryError::InvalidInput(message) | RegistryError::Incompatible(message) => {
            ResourceError::property(path, message)
        }
        RegistryError::AlreadyExists(message) => ResourceError::Exists(message),
        other => ResourceError::Failed(other.to_string()),
    }
}

/// A removal's outcome: what is gone already is removed.
fn gone(outcome: Result<(), RegistryError>) -> Result<(), ResourceError> {
    match outcome {
        Err(RegistryError::NotFound(_)) => Ok(()),
        other => other.map_err(|error| failed(error, "")),
    }
}

fn is_there<T>(outcome: Result<T, RegistryError>) -> Result<bool, ResourceError> {
    match outcome {
        Err(RegistryError::NotFound(_)) => Ok(false),
        other => other.map(|_| true).map_err(|error| failed(error, "")),
    }
}

fn resource(arn: &str) -> Option<Resource> {
    Resource::parse(&arn.parse::<Arn>().ok()?)
}

fn description(properties: &Value) -> Option<String> {
    read::text(properties, "Description").map(str::to_owned)
}

/// Lets the template's tags take the place of those that it had; tags that somebody added by hand stay.
fn retag(registry: &Registry, resource: &Resource, old: &Value, new: &Value) -> Result<(), ResourceError> {
    let (before, after) = (read::tags(read::at(old, "Tags")), read::tags(read::at(new, "Tags")));
    if before == after {
        return Ok(());
    }
    let change = |tags: &mut BTreeMap<String, String>| {
        tags.retain(|key, _| !before.contains_key(key));
        tags.extend(after.clone());
    };
    registry.change_tags(resource, change).map_err(|error| failed(error, "Tags"))
}

fn made_registry(scope: &Scope, name: &str) -> Created {
    let arn = Registry::registry_arn(scope, name).to_string();
    Created::new(arn.clone(), [("Arn", arn)])
}

#[async_trait]
impl ResourceType for GlueRegistry {
    fn properties(&self) -> &'static [&'static str] {
        &["Name", "Description", "Tags"]
    }

    async fn create(&self, ctx: &Context, properties: &Value) -> Result<Created, ResourceError> {
        let name = read::name(ctx, properties, "Name");
        let tags = read::tags(read::at(properties, "Tags"));
        match self.registry.create_registry(&ctx.scope, &name, description(properties), tags) {
            Err(RegistryError::AlreadyExists(_)) if ctx.resuming => {}
            Err(RegistryError::AlreadyExists(_)) => return Err(read::taken("registry", &name, "Name")),
            other => drop(other.map_err(|error| failed(error, ""))?),
        }
        Ok(made_registry(&ctx.scope, &name))
    }

    async fn update(
        &self,
        ctx: &Context,
        physical_id: &str,
        old: &Value,
        new: &Value,
    ) -> Result<Updated, ResourceError> {
        let Some(Resource::Registry(_, name)) = resource(physical_id) else {
            return Ok(Updated::NeedsReplacement("it is not there any more".to_owned()));
        };
        if read::name(ctx, new, "Name") != name {
            return Ok(Updated::NeedsReplacement("its name changed".to_owned()));
        }
        let described = description(new);
        let change = |registry: &mut millrace_schema::registry::store::RegistryInfo| {
            registry.description = described;
            Ok(())
        };
        self.registry.change_registry(&ctx.scope, &name, change).map_err(|error| failed(error, ""))?;
        retag(&self.registry, &Resource::Registry(ctx.scope.clone(), name.clone()), old, new)?;
        Ok(Updated::InPlace(made_registry(&ctx.scope, &name)))
    }

    async fn delete(&self, ctx: &Context, physical_id: &str, _properties: &Value) -> Result<(), ResourceError> {
        match resource(physical_id) {
            Some(Resource::Registry(_, name)) => gone(self.registry.delete_registry(&ctx.scope, &name)),
            _ => Ok(()),
        }
    }

    async fn exists(&self, ctx: &Context, physical_id: &str, _properties: &Value) -> Result<bool, ResourceError> {
        match resource(physical_id) {
            Some(Resource::Registry(_, name)) => is_there(self.registry.registry(&ctx.scope, &name)),
            _ => Ok(false),
        }
    }
}

/// The schema that a template describes.
fn schema_key(ctx: &Context, properties: &Value) -> Result<SchemaKey, ResourceError> {
    let by_arn = read::text(properties, "Registry.Arn").map(|arn| match resource(arn) {
        Some(Resource::Registry(scope, name)) if scope == ctx.scope => Ok(name),
        _ => Err(ResourceError::property("Registry.Arn", format!("'{arn}' is no registry of this account and region"))),
    });
    let registry = match by_arn.transpose()? {
        Some(name) => name,
        None => read::text(properties, "Registry.Name").unwrap_or(DEFAULT_REGISTRY).to_owned(),
    };
    Ok(SchemaKey::new(&ctx.scope, &registry, &read::name(ctx, properties, "Name")))
}

fn word<T: std::str::FromStr<Err = String>>(properties: &Value, path: &str) -> Result<T, ResourceError> {
    let given = read::text(properties, path).unwrap_or_default();
    given.parse().map_err(|error| ResourceError::property(path, error))
}

/// The checkpoint that a template names.
fn checkpoint(properties: &Value) -> Option<VersionNumber> {
    let number = read::at(properties, "CheckpointVersion.VersionNumber").and_then(Value::as_u64);
    let number = number.and_then(|number| u32::try_from(number).ok()).map(VersionNumber::Number);
    let is_latest = read::at(properties, "CheckpointVersion.IsLatest").and_then(Value::as_bool) == Some(true);
    number.or_else(|| is_latest.then_some(VersionNumber::Latest))
}

impl GlueSchema {
    fn made(&self, key: &SchemaKey) -> Result<Created, ResourceError> {
        let arn = key.arn().to_string();
        let mut made = Created::new(arn.clone(), [("Arn", arn)]);
        match self.registry.version(key, VersionNumber::Number(1)) {
            Ok(first) => {
                made.attributes.insert("InitialSchemaVersionId".to_owned(), Value::String(first.id.to_string()));
            }
            Err(RegistryError::NotFound(_)) => {}
            Err(error) => return Err(failed(error, "")),
        }
        Ok(made)
    }
}

#[async_trait]
impl ResourceType for GlueSchema {
    fn properties(&self) -> &'static [&'static str] {
        &[
            "Name",
            "Registry.Arn",
            "Registry.Name",
            "DataFormat",
            "Compatibility",
            "SchemaDefinition",
            "CheckpointVersion.IsLatest",
            "CheckpointVersion.VersionNumber",
            "Description",
            "Tags",
        ]
    }

    fn check(&self, _ctx: &Context, properties: &Value) -> Result<(), ResourceError> {
        let Some(definition) = read::text(properties, "SchemaDefinition") else { return Ok(()) };
        let format: DataFormat = word(properties, "DataFormat")?;
        validate(format, definition).map_err(|error| ResourceError::property("SchemaDefinition", error.to_string()))
    }

    async fn create(&self, ctx: &Context, properties: &Value) -> Result<Created, ResourceError> {
        let key = schema_key(ctx, properties)?;
        let new = NewSchema {
            format: word(properties, "DataFormat")?,
            compatibility: word(properties, "Compatibility")?,
            description: description(properties),
            tags: read::tags(read::at(properties, "Tags")),
            definition: read::text(properties, "SchemaDefinition").map(str::to_owned),
        };
        match self.registry.create_schema(&key, new) {
            Err(RegistryError::AlreadyExists(_)) if ctx.resuming => {}
            Err(RegistryError::AlreadyExists(_)) => return Err(read::taken("schema", &key.name, "Name")),
            other => drop(other.map_err(|error| failed(error, "SchemaDefinition"))?),
        }
        self.made(&key)
    }

    async fn update(
        &self,
        ctx: &Context,
        physical_id: &str,
        old: &Value,
        new: &Value,
    ) -> Result<Updated, ResourceError> {
        let key = schema_key(ctx, new)?;
        let differs = |path: &str| read::at(old, path) != read::at(new, path);
        if key.arn().to_string() != physical_id || differs("DataFormat") || differs("SchemaDefinition") {
            let reason = "its name, registry, format or first definition changed; a new definition of the same schema is an \
                          AWS::Glue::SchemaVersion";
            return Ok(Updated::NeedsReplacement(reason.to_owned()));
        }
        let mode: Compatibility = word(new, "Compatibility")?;
        let change = SchemaChange {
            compatibility: differs("Compatibility").then_some(mode),
            checkpoint: checkpoint(new).filter(|_| differs("CheckpointVersion")),
            description: description(new),
        };
        self.registry.update_schema(&key, &change).map_err(|error| failed(error, "CheckpointVersion"))?;
        retag(&self.registry, &Resource::Schema(key.clone()), old, new)?;
        Ok(Updated::InPlace(self.made(&key)?))
    }

    async fn delete(&self, _ctx: &Context, physical_id: &str, _properties: &Value) -> Result<(), ResourceError> {
        match resource(physical_id) {
            Some(Resource::Schema(key)) => gone(self.registry.delete_schema(&key)),
            _ => Ok(()),
        }
    }

    async fn exists(&self, _ctx: &Context, physical_id: &str, _properties: &Value) -> Result<bool, ResourceError> {
        match resource(physical_id) {
            Some(Resource::Schema(key)) => is_there(self.registry.schema(&key)),
            _ => Ok(false),
        }
    }
}

/// The version with an id, if it is there and of this scope.
fn version(registry: &Registry, ctx: &Context, id: &str) -> Result<Option<SchemaVersion>, ResourceError> {
    let Ok(id) = id.parse::<Uuid>() else { return Ok(None) };
    let found = registry.version_by_id(id).map_err(|error| failed(error, ""))?;
    Ok(found.filter(|version| version.schema.scope == ctx.scope))
}

#[async_trait]
impl ResourceType for GlueSchemaVersion {
    fn properties(&self) -> &'static [&'static str] {
        &["Schema.SchemaArn", "Schema.SchemaName", "Schema.RegistryName", "SchemaDefinition"]
    }

    async fn create(&self, ctx: &Context, properties: &Value) -> Result<Created, ResourceError> {
        let text = |path: &str| read::text(properties, path);
        let key = match text("Schema.SchemaArn") {
            Some(arn) => match resource(arn) {
                Some(Resource::Schema(key)) if key.scope == ctx.scope => key,
                _ => {
                    let message = format!("'{arn}' is no schema of this account and region");
                    return Err(ResourceError::property("Schema.SchemaArn", message));
                }
            },
            None => {
                let registry = text("Schema.RegistryName").unwrap_or(DEFAULT_REGISTRY);
                let name = text("Schema.SchemaName");
                let missing = || ResourceError::property("Schema", "write SchemaArn, or SchemaName and RegistryName");
                SchemaKey::new(&ctx.scope, registry, name.ok_or_else(missing)?)
            }
        };
        let definition = text("SchemaDefinition").unwrap_or_default();
        let registered = self.registry.register(&key, definition).map_err(|error| failed(error, "SchemaDefinition"))?;
        let id = registered.id.to_string();
        Ok(Created::new(id.clone(), [("VersionId", id)]))
    }

    async fn update(&self, _: &Context, _: &str, _: &Value, _: &Value) -> Result<Updated, ResourceError> {
        Ok(Updated::NeedsReplacement("a version cannot be changed".to_owned()))
    }

    /// The first version and the checkpoint go with their schema: they cannot go before it.
    async fn delete(&self, ctx: &Context, physical_id: &str, _properties: &Value) -> Result<(), ResourceError> {
        let Some(version) = version(&self.registry, ctx, physical_id)? else { return Ok(()) };
        match self.registry.delete_versions(&version.schema, version.number, version.number) {
            Err(RegistryError::InvalidInput(_)) => Ok(()),
            other => gone(other.map(drop)),
        }
    }

    async fn exists(&self, ctx: &Context, physical_id: &str, _properties: &Value) -> Result<bool, ResourceError> {
        Ok(version(&self.registry, ctx, physical_id)?.is_some())
    }
}

/// Id, key and value of a pair, as a template gives them.
fn pair(properties: &Value) -> (&str, &str, &str) {
    let text = |path: &str| read::text(properties, path).unwrap_or_default();
    (text("SchemaVersionId"), text("Key"), text("Value"))
}

#[async_trait]
impl ResourceType for GlueSchemaVersionMetadata {
    fn properties(&self) -> &'static [&'static str] {
        &["SchemaVersionId", "Key", "Value"]
    }

    async fn create(&self, ctx: &Context, properties: &Value) -> Result<Created, ResourceError> {
        let (id, key, value) = pair(properties);
        let absent = || ResourceError::property("SchemaVersionId", format!("there is no schema version {id}"));
        let version = version(&self.registry, ctx, id)?.ok_or_else(absent)?;
        match self.registry.put_metadata(version.id, key, value) {
            Err(RegistryError::AlreadyExists(_)) if ctx.resuming => {}
            other => drop(other.map_err(|error| failed(error, "Value"))?),
        }
        Ok(Created::new(format!("{id}|{key}|{value}"), []))
    }

    async fn update(&self, _: &Context, _: &str, _: &Value, _: &Value) -> Result<Updated, ResourceError> {
        Ok(Updated::NeedsReplacement("metadata cannot be changed".to_owned()))
    }

    async fn delete(&self, ctx: &Context, _physical_id: &str, properties: &Value) -> Result<(), ResourceError> {
        let (id, key, value) = pair(properties);
        match version(&self.registry, ctx, id)? {
            Some(version) => gone(self.registry.remove_metadata(version.id, key, value).map(drop)),
            None => Ok(()),
        }
    }

    async fn exists(&self, ctx: &Context, _physical_id: &str, properties: &Value) -> Result<bool, ResourceError> {
        let (id, key, value) = pair(properties);
        let values = version(&self.registry, ctx, id)?.and_then(|version| version.metadata.get(key).cloned());
        Ok(values.is_some_and(|values| values.iter().any(|there| there.value == value)))
    }
}
