//! What people write to versions (metadata) and to registries and schemas (tags).

use super::kept::{MetadataValue, Schema, SchemaKey, SchemaVersion};
use super::{Registry, RegistryError, VERSIONS};
use millrace_base::{Arn, Scope};
use std::collections::BTreeMap;
use uuid::Uuid;

/// AWS's quota of one version.
const METADATA_MAX: usize = 10;
/// AWS's quota of one registry or schema.
const TAGS_MAX: usize = 50;

type Tags = BTreeMap<String, String>;

/// What an ARN of the registry names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource {
    /// A registry.
    Registry(Scope, String),
    /// A schema.
    Schema(SchemaKey),
}

impl Resource {
    /// Reads the ARN of a registry or a schema.
    pub fn parse(arn: &Arn) -> Option<Self> {
        if &*arn.service != "glue" {
            return None;
        }
        match arn.resource.split('/').collect::<Vec<_>>()[..] {
            ["registry", name] => Some(Self::Registry(arn.scope.clone(), name.to_owned())),
            ["schema", registry, name] => Some(Self::Schema(SchemaKey::new(&arn.scope, registry, name))),
            _ => None,
        }
    }
}

impl Registry {
    /// The tags of a registry or a schema.
    pub fn tags(&self, resource: &Resource) -> Result<Tags, RegistryError> {
        match resource {
            Resource::Registry(scope, name) => Ok(self.registry(scope, name)?.tags),
            Resource::Schema(key) => Ok(self.schema(key)?.tags),
        }
    }

    /// Changes the tags of a registry or a schema in one step.
    pub fn change_tags(&self, resource: &Resource, change: impl Fn(&mut Tags)) -> Result<(), RegistryError> {
        let changed = |tags: &mut Tags| {
            change(tags);
            if tags.len() > TAGS_MAX {
                let message = format!("A resource cannot have more than {TAGS_MAX} tags, not {}.", tags.len());
                return Err(RegistryError::InvalidInput(message));
            }
            Ok(())
        };
        match resource {
            Resource::Registry(scope, name) => {
                self.change_registry(scope, name, |registry| changed(&mut registry.tags))
            }
            Resource::Schema(key) => {
                self.change(key, |_| Ok(()), |_, schema: &mut Schema, ()| changed(&mut schema.tags))
            }
        }
    }

    /// Adds a value to a version's metadata: a key may have several.
    pub fn put_metadata(&self, id: Uuid, key: &str, value: &str) -> Result<SchemaVersion, RegistryError> {
        let now = self.clock.now();
        self.change_metadata(id, |metadata| {
            let pairs: usize = metadata.values().map(Vec::len).sum();
            let values = metadata.entry(key.to_owned()).or_default();
            if values.iter().any(|there| there.value == value) {
                return Err(RegistryError::AlreadyExists(format!(
                    "Resource already exist for schema version id: {id}, metadata key: {key}, metadata value: {value}"
                )));
            }
            if pairs >= METADATA_MAX {
                return Err(RegistryError::Limit(format!(
                    "Your resource limits for Schema Version Metadata have been exceeded: a version has at most \
                     {METADATA_MAX} pairs."
                )));
            }
            values.push(MetadataValue { value: value.to_owned(), created: now });
            Ok(())
        })
    }

    /// Takes a value out of a version's metadata.
    pub fn remove_metadata(&self, id: Uuid, key: &str, value: &str) -> Result<SchemaVersion, RegistryError> {
        self.change_metadata(id, |metadata| {
            let values = metadata.get_mut(key).filter(|values| values.iter().any(|there| there.value == value));
            let values = values.ok_or_else(|| {
                RegistryError::NotFound(format!(
                    "Schema version metadata is not found. SchemaVersionId: {id}, MetadataKey: {key}, MetadataValue: {value}"
                ))
            })?;
            values.retain(|there| there.value != value);
            if values.is_empty() {
                metadata.remove(key);
            }
            Ok(())
        })
    }

    /// Metadata changes nothing about what a version means, so its schema's revision stays.
    fn change_metadata(
        &self,
        id: Uuid,
        change: impl FnOnce(&mut BTreeMap<String, Vec<MetadataValue>>) -> Result<(), RegistryError>,
    ) -> Result<SchemaVersion, RegistryError> {
        let place = id.to_string();
        self.catalog.update(|catalog| {
            let mut version: SchemaVersion = catalog.get(VERSIONS, &place)?.ok_or_else(|| no_version(id))?;
            change(&mut version.metadata)?;
            catalog.put(VERSIONS, &place, &version)?;
            Ok(version)
        })
    }
}

/// Says that there is no version with an id.
pub(super) fn no_version(id: Uuid) -> RegistryError {
    RegistryError::NotFound(format!("Schema version is not found. SchemaVersionId: {id}"))
}
