//! The registry as one account and region sees it.

use crate::FormatError;
use crate::framed::Frame;
use crate::registry::{Registry, RegistryError, SchemaKey, SchemaVersion};
use millrace_base::Scope;
use uuid::Uuid;

/// How many versions a decoder keeps resolved; AWS's serializers keep 200.
pub(super) const VERSIONS_MAX: usize = 200;

/// The schemas of one scope. Cheap to clone.
#[derive(Clone)]
pub struct Schemas {
    registry: Registry,
    scope: Scope,
}

impl Schemas {
    /// Those that `registry` keeps for `scope`.
    pub fn new(registry: Registry, scope: Scope) -> Self {
        Self { registry, scope }
    }

    /// The same account's in another region.
    pub fn in_region(&self, region: &str) -> Self {
        let mut scope = self.scope.clone();
        scope.region = region.into();
        Self { registry: self.registry.clone(), scope }
    }

    pub(super) fn registry(&self) -> &Registry {
        &self.registry
    }

    pub(super) fn key(&self, registry: &str, schema: &str) -> SchemaKey {
        SchemaKey::new(&self.scope, registry, schema)
    }

    /// The version with an id; another account's is none.
    pub(super) fn version(&self, id: Uuid) -> Result<SchemaVersion, FormatError> {
        let found = self.registry.version_by_id(id).map_err(failed)?;
        found.filter(|version| version.schema.scope == self.scope).ok_or_else(|| {
            FormatError::Unregistered(format!(
                "the record names schema version {id}, which the schema registry of account {} in {} does not have",
                self.scope.account, self.scope.region
            ))
        })
    }
}

pub(super) fn failed(error: RegistryError) -> FormatError {
    FormatError::Registry(error.to_string())
}

/// Reads a record's header.
pub(super) fn frame(record: &[u8]) -> Result<Frame<'_>, FormatError> {
    Frame::parse(record).map_err(|error| FormatError::Malformed {
        format: "registry frame",
        at: 0,
        reason: error.to_string(),
    })
}

/// Reads a record's body.
pub(super) fn payload<'a>(frame: &Frame<'a>) -> Result<std::borrow::Cow<'a, [u8]>, FormatError> {
    frame.payload().map_err(|error| FormatError::Malformed {
        format: "registry frame",
        at: crate::framed::HEADER_BYTES,
        reason: error.to_string(),
    })
}
