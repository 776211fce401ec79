//! What the catalog keeps of a function: one value with its versions, aliases, policies and settings.

use super::configuration::Configuration;
use super::name::LATEST;
use super::packages::PackageRef;
use crate::{EventConfig, FunctionKey};
use millrace_base::Millis;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};

/// A function with everything that belongs to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FunctionRecord {
    pub key: FunctionKey,
    pub latest: VersionRecord,
    /// What `$LATEST` runs while its update is not prepared yet, or could not be.
    pub serving: Option<Box<VersionRecord>>,
    /// Published versions by their numbers; immutable but for their state.
    pub versions: BTreeMap<u64, VersionRecord>,
    /// Numbers are never used again, also after a version was deleted.
    pub published: u64,
    pub aliases: BTreeMap<String, AliasRecord>,
    pub tags: BTreeMap<String, String>,
    pub reserved_concurrency: Option<u32>,
    /// By qualifier, `$LATEST` for none.
    pub event_invoke: BTreeMap<String, EventInvokeRecord>,
    /// By qualifier, empty for none.
    pub policies: BTreeMap<String, PolicyRecord>,
}

/// One state of code and configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct VersionRecord {
    pub configuration: Configuration,
    pub package: PackageRef,
    pub revision_id: String,
    pub last_modified: Millis,
    pub state: State,
    pub last_update: LastUpdate,
}

/// A failure as `StateReasonCode` and `StateReason` tell it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reason {
    pub code: String,
    pub message: String,
}

/// AWS's `State`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum State {
    Pending,
    Active,
    Failed(Reason),
}

/// AWS's `LastUpdateStatus`; absent until the function was first `Active`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum LastUpdate {
    None,
    InProgress,
    Successful,
    Failed(Reason),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct AliasRecord {
    pub function_version: String,
    pub description: String,
    /// A second version, and its share of the invocations.
    pub additional: Option<(String, f64)>,
    pub revision_id: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EventInvokeRecord {
    pub last_modified: Millis,
    pub retries_max: Option<u32>,
    pub age_secs_max: Option<u32>,
    pub on_success: Option<String>,
    pub on_failure: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct PolicyRecord {
    pub revision_id: String,
    /// Statements as they are shown, in the order in which they were added.
    pub statements: Vec<serde_json::Value>,
}

impl FunctionRecord {
    /// A version by its name: `$LATEST` or a number.
    pub fn version(&self, name: &str) -> Option<&VersionRecord> {
        match name {
            LATEST => Some(&self.latest),
            number => self.versions.get(&number.parse().ok()?),
        }
    }

    /// The version that a qualifier stands for and its record; an alias's first version.
    pub fn qualified(&self, qualifier: Option<&str>) -> Option<(String, &VersionRecord)> {
        let name = match qualifier {
            None => LATEST,
            Some(qualifier) => match self.aliases.get(qualifier) {
                Some(alias) => &alias.function_version,
                None => qualifier,
            },
        };
        Some((name.to_owned(), self.version(name)?))
    }

    /// All versions, `$LATEST` first.
    pub fn all_versions(&self) -> impl Iterator<Item = (String, &VersionRecord)> {
        let published = self.versions.iter().map(|(number, version)| (number.to_string(), version));
        std::iter::once((LATEST.to_owned(), &self.latest)).chain(published)
    }

    /// Notes the packages that this function needs.
    pub fn packages(&self, named: &mut HashSet<String>) {
        let all = self.versions.values().chain([&self.latest]).chain(self.serving.as_deref());
        for version in all {
            named.insert(version.package.sha256.clone());
            named.extend(version.configuration.layers.iter().map(|layer| layer.package.sha256.clone()));
        }
    }

    /// What becomes of asynchronous invocations of a qualifier.
    pub fn event_config(&self, qualifier: Option<&str>) -> EventConfig {
        let fallback = EventConfig::default();
        let given = self.event_invoke.get(qualifier.unwrap_or(LATEST));
        let dead_letter = self.qualified(qualifier).and_then(|(_, version)| version.configuration.dead_letter.clone());
        EventConfig {
            retries_max: given.and_then(|given| given.retries_max).unwrap_or(fallback.retries_max),
            age_secs_max: given.and_then(|given| given.age_secs_max).unwrap_or(fallback.age_secs_max),
            on_success: given.and_then(|given| given.on_success.as_deref()).map(Into::into),
            on_failure: given.and_then(|given| given.on_failure.as_deref()).map(Into::into),
            dead_letter: dead_letter.as_deref().map(Into::into),
        }
    }
}
