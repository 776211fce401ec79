//! What the runner asks of definitions: a version behind a qualifier, from memory.

use super::Functions;
use super::functions::Known;
use super::name::{LATEST, qualified_arn};
use super::record::{State, VersionRecord};
use crate::{
    EventConfig, FunctionFacts, FunctionFinder, FunctionKey, FunctionSource, FunctionVersion, InvokeError, Package,
};
use std::io;
use std::sync::Arc;

impl FunctionSource for Functions {
    fn resolve(&self, function: &FunctionKey, qualifier: Option<&str>) -> Result<Arc<FunctionVersion>, InvokeError> {
        let not_found = || InvokeError::NotFound(qualified_arn(function, qualifier));
        let known = self.known(function).ok_or_else(not_found)?;
        let name = match qualifier.and_then(|qualifier| known.record.aliases.get(qualifier)) {
            Some(alias) => alias.choose(self.chance()),
            None => qualifier.unwrap_or(LATEST),
        };
        let version = known.record.version(name).ok_or_else(not_found)?;
        let version = match &known.record.serving {
            Some(serving) if name == LATEST => serving,
            _ => version,
        };
        check_active(version)?;
        Ok(self.resolved(&known, version, name, qualifier))
    }

    fn event_config(&self, function: &FunctionKey, qualifier: Option<&str>) -> EventConfig {
        self.known(function).map(|known| known.record.event_config(qualifier)).unwrap_or_default()
    }

    fn content(&self, package: &Package) -> io::Result<Vec<u8>> {
        self.shared.packages.read(&package.sha256).map_err(io::Error::other)
    }
}

impl FunctionFinder for Functions {
    fn find(&self, function: &FunctionKey, qualifier: Option<&str>) -> Option<FunctionFacts> {
        let known = self.known(function)?;
        let (_, version) = known.record.qualified(qualifier)?;
        let configuration = &version.configuration;
        Some(FunctionFacts { role: configuration.role.clone(), timeout_secs: configuration.timeout_secs })
    }
}

impl Functions {
    fn resolved(
        &self,
        known: &Known,
        version: &VersionRecord,
        name: &str,
        qualifier: Option<&str>,
    ) -> Arc<FunctionVersion> {
        let place = (name.to_owned(), qualifier.map(str::to_owned));
        if let Some(found) = known.resolved.read().get(&place) {
            return found.clone();
        }
        let built = self.build(&known.record, version, name, qualifier);
        known.resolved.write().entry(place).or_insert(built).clone()
    }

    /// Uniform in 0 to 1, without 1.
    fn chance(&self) -> f64 {
        const BITS: u32 = 53;
        (self.shared.parts.dice.roll() >> (u64::BITS - BITS)) as f64 / (1_u64 << BITS) as f64
    }
}

/// AWS's words for a function that cannot be invoked yet, or at all.
fn check_active(version: &VersionRecord) -> Result<(), InvokeError> {
    const NOT_NOW: &str =
        "The operation cannot be performed at this time. The function is currently in the following state";
    match &version.state {
        State::Active => Ok(()),
        State::Pending => Err(InvokeError::NotReady(format!("{NOT_NOW}: Pending"))),
        State::Failed(reason) => Err(InvokeError::NotReady(format!("{NOT_NOW}: Failed. {}", reason.message))),
    }
}
