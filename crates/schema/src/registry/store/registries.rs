//! Registries: made, listed, changed, removed with all that is in them.

use super::kept::{DEFAULT_REGISTRY, RegistryInfo};
use super::{DEFINITIONS, NUMBERS, REGISTRIES, Registry, RegistryError, SCHEMAS, Schema, VERSIONS};
use millrace_base::{Arn, Scope};
use millrace_catalog::Transaction;
use std::collections::BTreeMap;

/// AWS's quota of one account and region.
const REGISTRIES_MAX: usize = 100;

/// Where everything of a schema lies beside its own fact.
pub(super) struct Parts {
    pub(super) numbers: Vec<(String, String)>,
    pub(super) definitions: Vec<String>,
}

impl Parts {
    /// Removes the versions, their numbers and their fingerprints.
    pub(super) fn remove(self, catalog: &mut Transaction<'_>) -> Result<(), RegistryError> {
        for (place, id) in self.numbers {
            catalog.delete(NUMBERS, &place)?;
            catalog.delete(VERSIONS, &id)?;
        }
        for place in self.definitions {
            catalog.delete(DEFINITIONS, &place)?;
        }
        Ok(())
    }
}

impl Registry {
    /// The ARN of a registry.
    pub fn registry_arn(scope: &Scope, name: &str) -> Arn {
        scope.arn("glue", &format!("registry/{name}"))
    }

    /// Adds a registry.
    pub fn create_registry(
        &self,
        scope: &Scope,
        name: &str,
        description: Option<String>,
        tags: BTreeMap<String, String>,
    ) -> Result<RegistryInfo, RegistryError> {
        let there = self.registries(scope)?;
        if there.iter().any(|registry| &*registry.name == name) {
            return Err(exists(name));
        }
        if there.len() >= REGISTRIES_MAX {
            return Err(RegistryError::Limit(format!(
                "More registries cannot be created. The maximum limit has been reached: {REGISTRIES_MAX} in one account and \
                 region. Delete one that is not used."
            )));
        }
        let now = self.clock.now();
        let registry = RegistryInfo { name: name.into(), description, created: now, updated: now, tags };
        self.catalog.update(|catalog| {
            let place = place(scope, name);
            match catalog.get::<RegistryInfo>(REGISTRIES, &place)? {
                Some(_) => Err(exists(name)),
                None => Ok(catalog.put(REGISTRIES, &place, &registry)?),
            }
        })?;
        Ok(registry)
    }

    /// A registry by name.
    pub fn registry(&self, scope: &Scope, name: &str) -> Result<RegistryInfo, RegistryError> {
        self.catalog.get(REGISTRIES, &place(scope, name))?.ok_or_else(|| absent(name))
    }

    /// All registries of a scope, by name.
    pub fn registries(&self, scope: &Scope) -> Result<Vec<RegistryInfo>, RegistryError> {
        let found = self.catalog.list(REGISTRIES, &format!("{scope}/"))?;
        Ok(found.into_iter().map(|(_, registry)| registry).collect())
    }

    /// Changes a registry in one step.
    pub fn change_registry<R>(
        &self,
        scope: &Scope,
        name: &str,
        change: impl FnOnce(&mut RegistryInfo) -> Result<R, RegistryError>,
    ) -> Result<R, RegistryError> {
        let (place, now) = (place(scope, name), self.clock.now());
        self.catalog.update(|catalog| {
            let mut registry: RegistryInfo = catalog.get(REGISTRIES, &place)?.ok_or_else(|| absent(name))?;
            let done = change(&mut registry)?;
            registry.updated = now;
            catalog.put(REGISTRIES, &place, &registry)?;
            Ok(done)
        })
    }

    /// Removes a registry, its schemas and their versions.
    pub fn delete_registry(&self, scope: &Scope, name: &str) -> Result<(), RegistryError> {
        self.registry(scope, name)?;
        let prefix = format!("{}/", place(scope, name));
        let schemas: Vec<(String, Schema)> = self.catalog.list(SCHEMAS, &prefix)?;
        let parts = self.parts(&prefix)?;
        self.catalog.update(|catalog| {
            for (place, schema) in &schemas {
                let now: Option<Schema> = catalog.get(SCHEMAS, place)?;
                if now.is_none_or(|now| now.revision != schema.revision) {
                    let message = format!("Schemas of registry {name} are being changed: try again.");
                    return Err(RegistryError::Conflict(message));
                }
                catalog.delete(SCHEMAS, place)?;
            }
            parts.remove(catalog)?;
            catalog.delete(REGISTRIES, &place(scope, name))?;
            Ok(())
        })
    }

    /// Makes sure that a schema's registry is there: the default registry is made when it is needed.
    pub(super) fn ensure_registry(&self, scope: &Scope, name: &str) -> Result<(), RegistryError> {
        match self.registry(scope, name) {
            Err(RegistryError::NotFound(_)) if name == DEFAULT_REGISTRY => {
                match self.create_registry(scope, name, None, BTreeMap::new()) {
                    Err(RegistryError::AlreadyExists(_)) => Ok(()),
                    other => other.map(drop),
                }
            }
            other => other.map(drop),
        }
    }

    /// What lies below a prefix: a registry's or a schema's with a slash at its end.
    pub(super) fn parts(&self, prefix: &str) -> Result<Parts, RegistryError> {
        let definitions: Vec<(String, String)> = self.catalog.list(DEFINITIONS, prefix)?;
        Ok(Parts {
            numbers: self.catalog.list(NUMBERS, prefix)?,
            definitions: definitions.into_iter().map(|(place, _)| place).collect(),
        })
    }
}

fn place(scope: &Scope, name: &str) -> String {
    format!("{scope}/{name}")
}

fn exists(name: &str) -> RegistryError {
    RegistryError::AlreadyExists(format!("Registry already exists. RegistryName: {name}"))
}

fn absent(name: &str) -> RegistryError {
    RegistryError::NotFound(format!("Registry is not found. RegistryName: {name}"))
}
