//! Creating and deleting functions.

use super::configuration::{Configuration, check_architectures};
use super::functions::already_exists;
use super::input::CreateFunction;
use super::name::{FunctionRef, LATEST};
use super::record::{FunctionRecord, LastUpdate, State, VersionRecord};
use super::view::{Shown, describe};
use super::{Functions, FunctionsError, not_found, tags};
use millrace_base::Scope;
use serde_json::Value;
use std::collections::BTreeMap;

impl Functions {
    /// `CreateFunction`: the function is `Pending` until it is prepared. Gives its configuration as AWS shows it.
    pub fn create(&self, scope: &Scope, input: CreateFunction, zip: &[u8]) -> Result<Value, FunctionsError> {
        let key = FunctionRef::parse(scope, &input.function_name, None)?.unqualified()?;
        if self.known(&key).is_some() {
            return Err(already_exists(&key));
        }
        if input.package_type.as_deref().is_some_and(|kind| kind != "Zip") {
            return Err(FunctionsError::Unsupported(
                "Millrace does not support PackageType 'Image' yet: build a ZIP package.".to_owned(),
            ));
        }
        check_architectures(input.configuration.architectures.as_deref())?;
        let layers = self.attach(scope, input.configuration.layers.as_deref().unwrap_or_default())?;
        let configuration = Configuration::create(&key.name, input.configuration, layers)?;
        self.check_runtime(&configuration.runtime)?;
        let tags = input.tags.unwrap_or_default();
        tags::check(&tags)?;
        let package = self.keep_package(zip)?;
        let latest = VersionRecord {
            configuration,
            package,
            revision_id: self.shared.parts.dice.uuid(),
            last_modified: self.shared.parts.clock.now(),
            state: State::Pending,
            last_update: LastUpdate::None,
        };
        let mut record = FunctionRecord {
            key: key.clone(),
            latest,
            serving: None,
            versions: BTreeMap::new(),
            published: 0,
            aliases: BTreeMap::new(),
            tags,
            reserved_concurrency: None,
            event_invoke: BTreeMap::new(),
            policies: BTreeMap::new(),
        };
        let published = input.publish == Some(true);
        if published {
            self.publish(&mut record, None);
        }
        let name = if published { "1" } else { LATEST };
        let shown = describe(&record, name, Shown::Created { published });
        self.insert(record)?;
        self.prepare(&key);
        Ok(shown)
    }

    /// `DeleteFunction`: all of it, or one published version.
    pub fn delete(&self, scope: &Scope, name: &str, qualifier: Option<&str>) -> Result<(), FunctionsError> {
        let reference = FunctionRef::parse(scope, name, qualifier)?;
        let known = self.find(&reference)?;
        let Some(qualifier) = &reference.qualifier else { return self.remove(&reference.key) };
        if qualifier == LATEST {
            return Err(FunctionsError::invalid("$LATEST version cannot be deleted without deleting the function."));
        }
        if known.record.aliases.contains_key(qualifier) {
            return Err(FunctionsError::invalid("Deletion of aliases is not currently supported."));
        }
        let number: u64 = qualifier.parse().map_err(|_| not_found(&reference.arn()))?;
        self.change(&reference, |record| {
            if let Some(alias) = record.aliases.iter().find(|(_, alias)| alias.names(qualifier)) {
                return Err(FunctionsError::ResourceConflict(format!(
                    "Version {qualifier} is referenced by the alias {}: move or delete the alias first.",
                    alias.0
                )));
            }
            record.event_invoke.remove(qualifier);
            record.policies.remove(qualifier);
            record.versions.remove(&number).map(|_| ()).ok_or_else(|| not_found(&reference.arn()))
        })
    }
}
