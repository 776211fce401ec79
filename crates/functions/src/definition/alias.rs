//! Aliases: names that stand for a version, or for two with weights.

use super::input::{AliasInput, RoutingInput};
use super::name::{FunctionRef, LATEST};
use super::record::{AliasRecord, FunctionRecord};
use super::update::STALE_REVISION;
use super::{Functions, FunctionsError, not_found, view};
use crate::FunctionKey;
use millrace_base::Scope;
use serde_json::Value;

impl AliasRecord {
    /// Whether it stands for this version.
    pub fn names(&self, version: &str) -> bool {
        self.function_version == version || self.additional.as_ref().is_some_and(|(other, _)| other == version)
    }

    /// The version of one invocation; `chance` is uniform in 0 to 1.
    pub fn choose(&self, chance: f64) -> &str {
        match &self.additional {
            Some((version, weight)) if chance < *weight => version,
            _ => &self.function_version,
        }
    }
}

impl Functions {
    /// `CreateAlias`. Gives it as AWS shows it.
    pub fn create_alias(&self, scope: &Scope, input: AliasInput) -> Result<Value, FunctionsError> {
        let reference = FunctionRef::parse(scope, &input.function_name, None)?;
        let key = reference.clone().unqualified()?;
        let version = input.function_version.unwrap_or_default();
        if input.name.parse::<u64>().is_ok() {
            return Err(FunctionsError::Validation(format!(
                "Value '{}' at 'name' failed to satisfy constraint: an alias is not a number",
                input.name
            )));
        }
        self.change(&reference, |record| {
            if record.aliases.contains_key(&input.name) {
                let arn = view::qualified(&key, &input.name);
                return Err(FunctionsError::ResourceConflict(format!("Alias already exists: {arn}")));
            }
            let alias = AliasRecord {
                additional: input
                    .routing_config
                    .map(|routing| routed(record, &version, routing))
                    .transpose()?
                    .flatten(),
                function_version: existing(record, &version)?,
                description: input.description.unwrap_or_default(),
                revision_id: self.shared.parts.dice.uuid(),
            };
            let shown = view::alias(&key, &input.name, &alias);
            record.aliases.insert(input.name, alias);
            Ok(shown)
        })
    }

    /// `UpdateAlias`. Gives it as AWS shows it.
    pub fn update_alias(&self, scope: &Scope, input: AliasInput) -> Result<Value, FunctionsError> {
        let reference = FunctionRef::parse(scope, &input.function_name, None)?;
        let key = reference.clone().unqualified()?;
        self.change(&reference, |record| {
            let mut alias = record.aliases.get(&input.name).cloned().ok_or_else(|| absent(&key, &input.name))?;
            if input.revision_id.is_some_and(|given| given != alias.revision_id) {
                return Err(FunctionsError::PreconditionFailed(STALE_REVISION.to_owned()));
            }
            if let Some(version) = input.function_version {
                alias.function_version = existing(record, &version)?;
            }
            alias.description = input.description.unwrap_or(alias.description);
            if let Some(routing) = input.routing_config {
                alias.additional = routed(record, &alias.function_version, routing)?;
            }
            alias.revision_id = self.shared.parts.dice.uuid();
            let shown = view::alias(&key, &input.name, &alias);
            record.aliases.insert(input.name, alias);
            Ok(shown)
        })
    }

    /// `GetAlias`.
    pub fn alias(&self, scope: &Scope, function: &str, name: &str) -> Result<Value, FunctionsError> {
        let reference = FunctionRef::parse(scope, function, None)?;
        let known = self.find(&reference)?;
        let alias = known.record.aliases.get(name).ok_or_else(|| absent(&reference.key, name))?;
        Ok(view::alias(&reference.key, name, alias))
    }

    /// `DeleteAlias`: an absent one is no error, as on AWS.
    pub fn delete_alias(&self, scope: &Scope, function: &str, name: &str) -> Result<(), FunctionsError> {
        let reference = FunctionRef::parse(scope, function, None)?;
        self.change(&reference, |record| {
            record.aliases.remove(name);
            record.event_invoke.remove(name);
            record.policies.remove(name);
            Ok(())
        })
    }

    /// `ListAliases`, of one version if given: a page, and the marker of the next.
    pub fn aliases(
        &self,
        scope: &Scope,
        function: &str,
        version: Option<&str>,
        marker: Option<&str>,
        max: usize,
    ) -> Result<(Vec<Value>, Option<String>), FunctionsError> {
        let reference = FunctionRef::parse(scope, function, None)?;
        let known = self.find(&reference)?;
        let all = known.record.aliases.iter().filter(|(_, alias)| version.is_none_or(|version| alias.names(version)));
        let shown = all.map(|(name, alias)| (name.clone(), view::alias(&reference.key, name, alias)));
        Ok(view::page(shown, marker, max))
    }
}

fn absent(key: &FunctionKey, name: &str) -> FunctionsError {
    FunctionsError::ResourceNotFound(format!("Cannot find alias arn: {}", view::qualified(key, name)))
}

fn existing(record: &FunctionRecord, version: &str) -> Result<String, FunctionsError> {
    match record.version(version) {
        Some(_) => Ok(version.to_owned()),
        None => Err(not_found(&view::qualified(&record.key, version))),
    }
}

/// The second version of a routing, checked.
fn routed(
    record: &FunctionRecord,
    first: &str,
    routing: RoutingInput,
) -> Result<Option<(String, f64)>, FunctionsError> {
    let weights = routing.additional_version_weights.unwrap_or_default();
    if weights.len() > 1 {
        return Err(FunctionsError::invalid("Number of items in AdditionalVersionWeights cannot be greater than 1"));
    }
    let Some((version, weight)) = weights.into_iter().next() else { return Ok(None) };
    if !(0.0..=1.0).contains(&weight) {
        return Err(FunctionsError::Validation(format!(
            "Value '{weight}' at 'routingConfig.additionalVersionWeights' failed to satisfy constraint: Member must have \
             value between 0.0 and 1.0"
        )));
    }
    if first == LATEST || version == LATEST {
        return Err(FunctionsError::invalid("$LATEST is not supported for an alias pointing to more than 1 version"));
    }
    if version == first {
        return Err(FunctionsError::invalid(format!(
            "Invalid function version {version}. Function version {version} is already included in routing configuration."
        )));
    }
    Ok(Some((existing(record, &version)?, weight)))
}
