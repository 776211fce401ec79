//! What the registry keeps: registries, their schemas, the schemas' versions. All of it lies in the catalog.
//!
//! # Facts
//! ```text
//! schema-registry      ACCOUNT/REGION/REGISTRY                     RegistryInfo
//! schema               ACCOUNT/REGION/REGISTRY/SCHEMA              Schema
//! schema-version       ID                                          SchemaVersion
//! schema-number        ACCOUNT/REGION/REGISTRY/SCHEMA/NUMBER       ID      (NUMBER has six digits, so that they sort)
//! schema-definition    ACCOUNT/REGION/REGISTRY/SCHEMA/FINGERPRINT  ID      (of the definition's canonical form)
//! ```
//!
//! Whatever changes a schema or one of its versions counts the schema's `revision` up, in the same transaction: a change is
//! prepared outside of transactions (comparing definitions takes its time) and written only if the revision is still the same.

mod error;
mod kept;
mod metadata;
mod registries;
mod schemas;
mod versions;

pub use error::RegistryError;
pub use kept::{
    DEFAULT_REGISTRY, MetadataValue, RegistryInfo, Schema, SchemaKey, SchemaVersion, VersionNumber, VersionStatus,
};
pub use metadata::Resource;
pub use schemas::{NewSchema, SchemaChange};
pub use versions::{DeletedVersions, Registered};

use millrace_base::{Clock, Dice};
use millrace_catalog::{Catalog, Transaction};
use std::sync::Arc;

const REGISTRIES: &str = "schema-registry";
const SCHEMAS: &str = "schema";
const VERSIONS: &str = "schema-version";
const NUMBERS: &str = "schema-number";
const DEFINITIONS: &str = "schema-definition";

/// How often a change is prepared again because somebody else changed the schema meanwhile.
const TRIES: usize = 16;

/// The schema registry of all scopes. Cheap to clone.
#[derive(Clone)]
pub struct Registry {
    catalog: Catalog,
    clock: Arc<dyn Clock>,
    dice: Arc<dyn Dice>,
}

impl Registry {
    /// The registry that `catalog` keeps; versions get their ids from `dice`.
    pub fn new(catalog: Catalog, clock: Arc<dyn Clock>, dice: Arc<dyn Dice>) -> Self {
        Self { catalog, clock, dice }
    }

    /// Prepares a change from a schema as it is, and writes it if the schema is still like that; else prepares it again.
    fn change<P, R>(
        &self,
        key: &SchemaKey,
        prepare: impl Fn(&Schema) -> Result<P, RegistryError>,
        write: impl Fn(&mut Transaction<'_>, &mut Schema, P) -> Result<R, RegistryError>,
    ) -> Result<R, RegistryError> {
        let place = key.to_string();
        for _ in 0..TRIES {
            let mut schema = self.schema(key)?;
            let prepared = prepare(&schema)?;
            let revision = schema.revision;
            let done = self.catalog.update(|catalog| {
                let now: Option<Schema> = catalog.get(SCHEMAS, &place)?;
                if now.is_none_or(|now| now.revision != revision) {
                    return Ok(None);
                }
                schema.revision = revision + 1;
                let done = write(catalog, &mut schema, prepared)?;
                catalog.put(SCHEMAS, &place, &schema)?;
                Ok::<_, RegistryError>(Some(done))
            })?;
            if let Some(done) = done {
                return Ok(done);
            }
        }
        Err(RegistryError::Conflict(format!("Schema {key} is being changed by others all the time: try again.")))
    }
}
