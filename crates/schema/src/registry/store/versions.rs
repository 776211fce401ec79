//! Versions: registered when the schema's mode allows it, found by id, number and definition, deleted.

use super::kept::{Schema, SchemaKey, SchemaVersion, VersionNumber, VersionStatus};
use super::schemas::invalid;
use super::{DEFINITIONS, NUMBERS, Registry, RegistryError, VERSIONS};
use crate::registry::canonical::fingerprint;
use crate::registry::{Compatibility, Violation, check, validate};
use millrace_catalog::Transaction;
use std::collections::BTreeMap;
use std::fmt::Write;
use uuid::Uuid;

/// AWS's quota, there of one account and region.
const VERSIONS_MAX: u32 = 10_000;
/// How many violations a refusal names; a rewritten schema breaks hundreds of rules, and nobody reads them.
const VIOLATIONS_SHOWN: usize = 10;

/// A version that was registered, or was there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registered {
    /// Its id.
    pub id: Uuid,
    /// Its number.
    pub number: u32,
    /// Whether it can be used.
    pub status: VersionStatus,
}

/// What became of versions that were to be deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeletedVersions {
    /// Those that stay: the number, Glue's code of the error and its message.
    pub errors: Vec<(u32, &'static str, String)>,
}

/// What registering comes to.
enum Plan {
    /// The definition is a version already.
    There(Registered),
    /// It becomes a version, in the place of the refused one with this id.
    Add(Option<SchemaVersion>),
    /// It is kept as refused, for the reason; in the place of an earlier refusal when there is one.
    Refuse(Option<SchemaVersion>, String),
}

impl Registry {
    /// Registers a definition as the schema's next version. One that is a version already is that version.
    ///
    /// A definition that the schema's mode does not allow is kept with the status FAILURE and its number, as on AWS, and is the
    /// error [`RegistryError::Incompatible`], which says why. It is judged again when it is registered again.
    pub fn register(&self, key: &SchemaKey, definition: &str) -> Result<Registered, RegistryError> {
        let registered = self.change_versions(key, definition)?;
        match registered {
            Ok(registered) => Ok(registered),
            Err(refusal) => Err(RegistryError::Incompatible(refusal)),
        }
    }

    fn change_versions(&self, key: &SchemaKey, definition: &str) -> Result<Result<Registered, String>, RegistryError> {
        let schema = self.schema(key)?;
        validate(schema.format, definition).map_err(|error| RegistryError::InvalidInput(invalid(&error)))?;
        if let Some(there) = self.available(&schema, definition)? {
            return Ok(Ok(there));
        }
        let prepare = |schema: &Schema| self.plan(schema, definition);
        self.change(key, prepare, |catalog, schema, plan| match plan {
            Plan::There(registered) => Ok(Ok(registered)),
            Plan::Add(refused) => {
                if let Some(refused) = refused {
                    remove(catalog, &refused)?;
                }
                self.add(catalog, schema, definition).map(Ok)
            }
            Plan::Refuse(earlier, reason) => {
                let refused = match earlier {
                    Some(earlier) => SchemaVersion { refusal: Some(reason), ..earlier },
                    None => self.next(schema, definition, Some(reason))?,
                };
                keep(catalog, &refused)?;
                Ok(Err(refused.refusal.unwrap_or_default()))
            }
        })
    }

    /// The version that a definition is, when it is one that can be used.
    fn available(&self, schema: &Schema, definition: &str) -> Result<Option<Registered>, RegistryError> {
        let there = self.by_fingerprint(schema, definition)?.filter(|there| there.status == VersionStatus::Available);
        Ok(there.map(|SchemaVersion { id, number, status, .. }| Registered { id, number, status }))
    }

    fn plan(&self, schema: &Schema, definition: &str) -> Result<Plan, RegistryError> {
        if let Some(there) = self.available(schema, definition)? {
            return Ok(Plan::There(there));
        }
        let refused = self.by_fingerprint(schema, definition)?;
        if schema.compatibility == Compatibility::Disabled && schema.latest.is_some() {
            let SchemaKey { registry, name, .. } = &schema.key;
            return Err(RegistryError::InvalidInput(format!(
                "Compatibility DISABLED does not allow versioning. SchemaId: SchemaId(schemaArn={}, schemaName={name}, \
                 registryName={registry})",
                schema.key.arn()
            )));
        }
        let old = self.compared(schema)?;
        let definitions: Vec<&str> = old.iter().map(|version| &*version.definition).collect();
        match check(schema.format, schema.compatibility, definition, &definitions) {
            Ok(()) => Ok(Plan::Add(refused)),
            Err(violations) => {
                let number = refused.as_ref().map_or(schema.next, |refused| refused.number);
                Ok(Plan::Refuse(refused, refusal(schema, number, &old, &violations)))
            }
        }
    }

    /// The versions that a new one is compared with, the oldest first: from the checkpoint on, or the last.
    fn compared(&self, schema: &Schema) -> Result<Vec<SchemaVersion>, RegistryError> {
        if schema.compatibility.directions().is_empty() {
            return Ok(Vec::new());
        }
        let first = if schema.compatibility.is_transitive() { schema.checkpoint } else { schema.latest };
        let mut versions = self.versions(&schema.key)?;
        versions.retain(|version| version.status == VersionStatus::Available && Some(version.number) >= first);
        Ok(versions)
    }

    /// Writes a new version that can be used.
    pub(super) fn add(
        &self,
        catalog: &mut Transaction<'_>,
        schema: &mut Schema,
        definition: &str,
    ) -> Result<Registered, RegistryError> {
        let version = self.next(schema, definition, None)?;
        schema.latest = Some(version.number);
        schema.checkpoint = schema.checkpoint.or(schema.latest);
        keep(catalog, &version)?;
        Ok(Registered { id: version.id, number: version.number, status: version.status })
    }

    /// The next version of a schema; refused with a reason.
    fn next(
        &self,
        schema: &mut Schema,
        definition: &str,
        refusal: Option<String>,
    ) -> Result<SchemaVersion, RegistryError> {
        let number = schema.next;
        if number > VERSIONS_MAX {
            return Err(RegistryError::Limit(format!(
                "More schema versions cannot be created. The maximum limit has been reached: {VERSIONS_MAX} of one schema. \
                 Create another schema."
            )));
        }
        schema.next += 1;
        schema.updated = self.clock.now();
        let id = self.dice.uuid().parse().expect("the dice write UUIDs");
        let status = if refusal.is_none() { VersionStatus::Available } else { VersionStatus::Failure };
        Ok(SchemaVersion {
            id,
            schema: schema.key.clone(),
            number,
            format: schema.format,
            definition: definition.to_owned(),
            status,
            refusal,
            created: schema.updated,
            metadata: BTreeMap::new(),
        })
    }

    /// The version with an id, in whatever scope: whoever reads for somebody compares `schema.scope` with theirs.
    pub fn version_by_id(&self, id: Uuid) -> Result<Option<SchemaVersion>, RegistryError> {
        Ok(self.catalog.get(VERSIONS, &id.to_string())?)
    }

    /// The last version of a schema that can be used; nothing before there is one.
    pub fn latest(&self, key: &SchemaKey) -> Result<Option<SchemaVersion>, RegistryError> {
        match self.schema(key)?.latest {
            Some(number) => self.numbered(key, number),
            None => Ok(None),
        }
    }

    /// A version by its number.
    pub fn version(&self, key: &SchemaKey, number: VersionNumber) -> Result<SchemaVersion, RegistryError> {
        let found = match number {
            VersionNumber::Latest => self.latest(key)?,
            VersionNumber::Number(number) => {
                self.schema(key)?;
                self.numbered(key, number)?
            }
        };
        found.ok_or_else(|| {
            let (text, latest) = match number {
                VersionNumber::Latest => ("null".to_owned(), true),
                VersionNumber::Number(number) => (number.to_string(), false),
            };
            RegistryError::NotFound(format!(
                "Schema version is not found. RegistryName: {}, SchemaName: {}, SchemaArn: {}, VersionNumber: {text}, \
                 isLatestVersion: {latest}",
                key.registry,
                key.name,
                key.arn()
            ))
        })
    }

    /// All versions of a schema, the oldest first; refused ones as well.
    pub fn versions(&self, key: &SchemaKey) -> Result<Vec<SchemaVersion>, RegistryError> {
        let ids: Vec<(String, String)> = self.catalog.list(NUMBERS, &format!("{key}/"))?;
        let mut versions = Vec::with_capacity(ids.len());
        for (_, id) in ids {
            // One that is deleted between the two reads is not there.
            versions.extend(self.catalog.get::<SchemaVersion>(VERSIONS, &id)?);
        }
        Ok(versions)
    }

    /// The version that a definition is.
    pub fn version_by_definition(&self, key: &SchemaKey, definition: &str) -> Result<SchemaVersion, RegistryError> {
        let schema = self.schema(key)?;
        let found = self.by_fingerprint(&schema, definition)?;
        let absent = format!(
            "Schema version is not found. RegistryName: {}, SchemaName: {}, SchemaArn: {}",
            key.registry,
            key.name,
            key.arn()
        );
        match found {
            Some(version) if version.status == VersionStatus::Available => Ok(version),
            // Serializers then register it, and so hear why it is refused.
            Some(refused) => Err(RegistryError::NotFound(format!(
                "{absent}. It was refused as version {}: register it again to hear why.",
                refused.number
            ))),
            None => Err(RegistryError::NotFound(absent)),
        }
    }

    /// Deletes the versions of the numbers `first..=last`. Those that must stay are told one by one; with the checkpoint among
    /// them, all stay.
    pub fn delete_versions(&self, key: &SchemaKey, first: u32, last: u32) -> Result<DeletedVersions, RegistryError> {
        let prepare = |schema: &Schema| {
            if let Some(checkpoint) = schema.checkpoint.filter(|checkpoint| (first..=last).contains(checkpoint)) {
                return Err(RegistryError::InvalidInput(format!(
                    "Version {checkpoint} is the checkpoint of schema {} and cannot be deleted. Move the checkpoint with \
                     UpdateSchema first.",
                    key.name
                )));
            }
            self.versions(key)
        };
        self.change(key, prepare, |catalog, schema, versions| {
            let mut deleted = DeletedVersions::default();
            // Numbers that were never given need no line each.
            for number in first..=last.min(schema.next.max(first)) {
                match versions.iter().find(|version| version.number == number) {
                    Some(_) if number == 1 => {
                        deleted.errors.push((number, "InvalidInputException", FIRST_STAYS.into()))
                    }
                    Some(version) => remove(catalog, version)?,
                    None => deleted.errors.push((
                        number,
                        "EntityNotFoundException",
                        format!("Schema version is not found. VersionNumber: {number}"),
                    )),
                }
            }
            let stays = |version: &&SchemaVersion| version.number == 1 || !(first..=last).contains(&version.number);
            let available = versions.iter().filter(stays).filter(|version| version.status == VersionStatus::Available);
            schema.latest = available.map(|version| version.number).max();
            schema.updated = self.clock.now();
            Ok(deleted)
        })
    }

    fn numbered(&self, key: &SchemaKey, number: u32) -> Result<Option<SchemaVersion>, RegistryError> {
        let id: Option<String> = self.catalog.get(NUMBERS, &place(key, number))?;
        Ok(id.map(|id| self.catalog.get(VERSIONS, &id)).transpose()?.flatten())
    }

    fn by_fingerprint(&self, schema: &Schema, definition: &str) -> Result<Option<SchemaVersion>, RegistryError> {
        let place = format!("{}/{}", schema.key, fingerprint(schema.format, definition));
        let id: Option<String> = self.catalog.get(DEFINITIONS, &place)?;
        Ok(id.map(|id| self.catalog.get(VERSIONS, &id)).transpose()?.flatten())
    }
}

const FIRST_STAYS: &str = "The first schema version can only be deleted by deleting the schema.";

fn place(key: &SchemaKey, number: u32) -> String {
    format!("{key}/{number:06}")
}

fn keep(catalog: &mut Transaction<'_>, version: &SchemaVersion) -> Result<(), RegistryError> {
    let SchemaVersion { id, schema, number, format, definition, .. } = version;
    let id = id.to_string();
    catalog.put(DEFINITIONS, &format!("{schema}/{}", fingerprint(*format, definition)), &id)?;
    catalog.put(NUMBERS, &place(schema, *number), &id)?;
    Ok(catalog.put(VERSIONS, &id, version)?)
}

fn remove(catalog: &mut Transaction<'_>, version: &SchemaVersion) -> Result<(), RegistryError> {
    let SchemaVersion { id, schema, number, format, definition, .. } = version;
    catalog.delete(DEFINITIONS, &format!("{schema}/{}", fingerprint(*format, definition)))?;
    catalog.delete(NUMBERS, &place(schema, *number))?;
    catalog.delete(VERSIONS, &id.to_string())?;
    Ok(())
}

/// Says which field broke which rule, and towards which version.
fn refusal(schema: &Schema, number: u32, old: &[SchemaVersion], violations: &[Violation]) -> String {
    let mut text = format!(
        "Version {number} of schema {} is not {} compatible, its status is FAILURE.",
        schema.key.name, schema.compatibility
    );
    for violation in violations.iter().take(VIOLATIONS_SHOWN) {
        let with = old.get(violation.old_index).map_or(0, |version| version.number);
        let _ = write!(text, " With version {with}: {violation}. To mend it, {}.", violation.remedy);
    }
    if violations.len() > VIOLATIONS_SHOWN {
        let _ = write!(text, " And {} more.", violations.len() - VIOLATIONS_SHOWN);
    }
    text
}
