//! The shapes that are kept.

use super::RegistryError;
use crate::registry::{Compatibility, DataFormat};
use millrace_base::{Arn, Millis, Scope};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use uuid::Uuid;

/// The registry of schemas that name none. It is there as soon as it is needed.
pub const DEFAULT_REGISTRY: &str = "default-registry";

/// A registry: a folder of schemas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryInfo {
    /// Its name.
    pub name: Arc<str>,
    /// For people.
    pub description: Option<String>,
    /// When it was created.
    pub created: Millis,
    /// When it was changed last.
    pub updated: Millis,
    /// For whoever asks.
    pub tags: BTreeMap<String, String>,
}

/// Which schema: `arn:aws:glue:REGION:ACCOUNT:schema/REGISTRY/NAME`. Shown as the catalog's key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SchemaKey {
    /// Whose.
    pub scope: Scope,
    /// In which registry.
    pub registry: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}

impl SchemaKey {
    /// The schema of these names.
    pub fn new(scope: &Scope, registry: &str, name: &str) -> Self {
        Self { scope: scope.clone(), registry: registry.into(), name: name.into() }
    }

    /// Reads an ARN, `REGISTRY/NAME`, or the `NAME` of a schema of the default registry.
    pub fn named(scope: &Scope, text: &str) -> Result<Self, RegistryError> {
        let bad = || {
            RegistryError::InvalidInput(format!(
                "'{text}' names no schema: write its ARN (arn:aws:glue:REGION:ACCOUNT:schema/REGISTRY/NAME) or REGISTRY/NAME."
            ))
        };
        let (scope, path) = if text.starts_with("arn:") {
            let arn: Arn = text.parse().map_err(|_| bad())?;
            let path = arn.resource.strip_prefix("schema/").filter(|_| &*arn.service == "glue").ok_or_else(bad)?;
            (arn.scope.clone(), path.to_owned())
        } else {
            (scope.clone(), text.to_owned())
        };
        match path.split('/').collect::<Vec<_>>()[..] {
            [name] if !name.is_empty() => Ok(Self::new(&scope, DEFAULT_REGISTRY, name)),
            [registry, name] if !registry.is_empty() && !name.is_empty() => Ok(Self::new(&scope, registry, name)),
            _ => Err(bad()),
        }
    }

    /// Its ARN.
    pub fn arn(&self) -> Arn {
        self.scope.arn("glue", &format!("schema/{}/{}", self.registry, self.name))
    }
}

impl fmt::Display for SchemaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.scope, self.registry, self.name)
    }
}

/// A schema: what its versions have in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    /// Which.
    pub key: SchemaKey,
    /// The language of its definitions.
    pub format: DataFormat,
    /// Which steps from version to version are allowed.
    pub compatibility: Compatibility,
    /// For people.
    pub description: Option<String>,
    /// The first version that new ones are compared with; none before there is a version.
    pub checkpoint: Option<u32>,
    /// The number of the last version that is AVAILABLE.
    pub latest: Option<u32>,
    /// The number of the next version. Numbers are not used twice.
    pub next: u32,
    /// When it was created.
    pub created: Millis,
    /// When it was changed last.
    pub updated: Millis,
    /// Counts the changes of the schema and its versions.
    pub revision: u64,
    /// For whoever asks.
    pub tags: BTreeMap<String, String>,
}

/// Whether a version can be used. Checks and deletions are over before an operation answers, so there is no third state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum VersionStatus {
    /// It can.
    Available,
    /// It was refused when it was registered.
    Failure,
}

impl VersionStatus {
    /// Glue's name of it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Available => "AVAILABLE",
            Self::Failure => "FAILURE",
        }
    }
}

/// A version of a schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaVersion {
    /// What the frames of records carry.
    #[serde(serialize_with = "write_id", deserialize_with = "read_id")]
    pub id: Uuid,
    /// Of which schema.
    pub schema: SchemaKey,
    /// Counts from 1.
    pub number: u32,
    /// The definition's language.
    pub format: DataFormat,
    /// The definition as it was given.
    pub definition: String,
    /// Whether it can be used.
    pub status: VersionStatus,
    /// Which rules it broke, when its status is FAILURE.
    pub refusal: Option<String>,
    /// When it was registered.
    pub created: Millis,
    /// By key, the oldest value first.
    pub metadata: BTreeMap<String, Vec<MetadataValue>>,
}

/// One value of a metadata key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetadataValue {
    /// The value.
    pub value: String,
    /// When it was put.
    pub created: Millis,
}

/// Which version of a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionNumber {
    /// The last one that is AVAILABLE.
    Latest,
    /// That of a number.
    Number(u32),
}

fn write_id<S: Serializer>(id: &Uuid, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}

fn read_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Uuid, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_are_named_by_arn_path_or_name() {
        let scope = Scope::new("111111111111", "eu-west-1");
        let key = SchemaKey::new(&scope, "shop", "order");
        assert_eq!(key.arn().to_string(), "arn:aws:glue:eu-west-1:111111111111:schema/shop/order");
        assert_eq!(SchemaKey::named(&Scope::default(), &key.arn().to_string()).unwrap(), key);
        assert_eq!(SchemaKey::named(&scope, "shop/order").unwrap(), key);
        assert_eq!(SchemaKey::named(&scope, "order").unwrap(), SchemaKey::new(&scope, DEFAULT_REGISTRY, "order"));
        for bad in ["", "a/b/c", "/b", "arn:aws:glue:eu-west-1:1:registry/shop", "arn:aws:s3:::schema/a/b"] {
            assert!(SchemaKey::named(&scope, bad).unwrap_err().to_string().contains("names no schema"), "{bad}");
        }
    }
}
