//! Schemas: made with their first version, listed, changed, removed with all versions.

use super::kept::{Schema, SchemaKey, VersionNumber};
use super::{Registered, Registry, RegistryError, SCHEMAS};
use crate::registry::{Compatibility, DataFormat, validate};
use millrace_base::Scope;
use std::collections::BTreeMap;

/// A schema to create.
#[derive(Debug, Clone)]
pub struct NewSchema {
    /// The language of its definitions.
    pub format: DataFormat,
    /// Which steps from version to version are allowed.
    pub compatibility: Compatibility,
    /// For people.
    pub description: Option<String>,
    /// For whoever asks.
    pub tags: BTreeMap<String, String>,
    /// The first version's definition.
    pub definition: Option<String>,
}

/// What of a schema to change.
#[derive(Debug, Clone, Default)]
pub struct SchemaChange {
    /// Another mode. Without a checkpoint, the latest version becomes it.
    pub compatibility: Option<Compatibility>,
    /// Another checkpoint.
    pub checkpoint: Option<VersionNumber>,
    /// Another description.
    pub description: Option<String>,
}

impl Registry {
    /// Adds a schema, and with a definition its first version.
    pub fn create_schema(
        &self,
        key: &SchemaKey,
        new: NewSchema,
    ) -> Result<(Schema, Option<Registered>), RegistryError> {
        let NewSchema { format, compatibility, description, tags, definition } = new;
        self.ensure_registry(&key.scope, &key.registry)?;
        if let Some(definition) = &definition {
            validate(format, definition).map_err(|error| RegistryError::InvalidInput(invalid(&error)))?;
        }
        let now = self.clock.now();
        let mut schema = Schema {
            key: key.clone(),
            format,
            compatibility,
            description,
            checkpoint: None,
            latest: None,
            next: 1,
            created: now,
            updated: now,
            revision: 0,
            tags,
        };
        let place = key.to_string();
        self.catalog.update(|catalog| {
            if catalog.get::<Schema>(SCHEMAS, &place)?.is_some() {
                let message =
                    format!("Schema already exists. SchemaName: {}, RegistryName: {}", key.name, key.registry);
                return Err(RegistryError::AlreadyExists(message));
            }
            let registered =
                definition.as_ref().map(|definition| self.add(catalog, &mut schema, definition)).transpose()?;
            catalog.put(SCHEMAS, &place, &schema)?;
            Ok((schema, registered))
        })
    }

    /// A schema.
    pub fn schema(&self, key: &SchemaKey) -> Result<Schema, RegistryError> {
        self.catalog.get(SCHEMAS, &key.to_string())?.ok_or_else(|| absent(key))
    }

    /// All schemas of a scope, or of one of its registries, by registry and name.
    pub fn schemas(&self, scope: &Scope, registry: Option<&str>) -> Result<Vec<Schema>, RegistryError> {
        let prefix = match registry {
            Some(registry) => {
                self.registry(scope, registry)?;
                format!("{scope}/{registry}/")
            }
            None => format!("{scope}/"),
        };
        let found = self.catalog.list(SCHEMAS, &prefix)?;
        Ok(found.into_iter().map(|(_, schema)| schema).collect())
    }

    /// Changes mode, checkpoint or description. Versions that are there are not compared again.
    pub fn update_schema(&self, key: &SchemaKey, change: &SchemaChange) -> Result<Schema, RegistryError> {
        let prepare = |schema: &Schema| match (change.checkpoint, change.compatibility) {
            (Some(number), _) => Ok(Some(self.version(key, number)?.number)),
            (None, Some(_)) => Ok(schema.latest),
            (None, None) => Ok(schema.checkpoint),
        };
        self.change(key, prepare, |_, schema, checkpoint| {
            schema.checkpoint = checkpoint;
            schema.compatibility = change.compatibility.unwrap_or(schema.compatibility);
            if change.description.is_some() {
                schema.description.clone_from(&change.description);
            }
            schema.updated = self.clock.now();
            Ok(schema.clone())
        })
    }

    /// Removes a schema with its versions.
    pub fn delete_schema(&self, key: &SchemaKey) -> Result<(), RegistryError> {
        let schema = self.schema(key)?;
        let place = key.to_string();
        let parts = self.parts(&format!("{place}/"))?;
        self.catalog.update(|catalog| {
            let now: Option<Schema> = catalog.get(SCHEMAS, &place)?;
            if now.is_none_or(|now| now.revision != schema.revision) {
                let message = format!("Schema {} is being changed: try again.", key.name);
                return Err(RegistryError::Conflict(message));
            }
            parts.remove(catalog)?;
            catalog.delete(SCHEMAS, &place)?;
            Ok(())
        })
    }
}

/// Says that there is no such schema. The official serializers look for the first sentence.
pub(super) fn absent(key: &SchemaKey) -> RegistryError {
    let SchemaKey { registry, name, .. } = key;
    RegistryError::NotFound(format!(
        "Schema is not found. RegistryName: {registry}, SchemaName: {name}, SchemaArn: {}",
        key.arn()
    ))
}

/// Says that a definition is none.
pub(super) fn invalid(error: &crate::registry::InvalidDefinition) -> String {
    format!("Schema definition of {} data format is invalid: {error}", error.format)
}
