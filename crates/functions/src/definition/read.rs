//! Looking at functions.

use super::name::{FunctionRef, LATEST};
use super::settings::ACCOUNT_CONCURRENCY;
use super::view::{Shown, describe, page, version_place};
use super::{Functions, FunctionsError, not_found};
use millrace_base::Scope;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// AWS's default quotas of an account in a region.
const TOTAL_CODE_BYTES: u64 = 80_530_636_800;
const UNZIPPED_BYTES: u64 = 262_144_000;
const ZIPPED_BYTES: u64 = 52_428_800;

/// What `GetFunction` gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Function {
    /// AWS's `FunctionConfiguration`.
    pub configuration: Value,
    /// The package's digest: [`Functions::package`] gives its bytes.
    pub package: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Its reserved concurrency.
    pub reserved_concurrency: Option<u32>,
}

impl Functions {
    /// `GetFunction`.
    pub fn get(&self, scope: &Scope, name: &str, qualifier: Option<&str>) -> Result<Function, FunctionsError> {
        let reference = FunctionRef::parse(scope, name, qualifier)?;
        let known = self.find(&reference)?;
        let qualifier = reference.qualifier.as_deref();
        let (version, found) = known.record.qualified(qualifier).ok_or_else(|| not_found(&reference.arn()))?;
        let shown = qualifier.map_or(Shown::Unqualified, Shown::Qualified);
        Ok(Function {
            configuration: describe(&known.record, &version, shown),
            package: found.package.sha256.clone(),
            tags: known.record.tags.clone(),
            reserved_concurrency: known.record.reserved_concurrency,
        })
    }

    /// `ListFunctions`: a page of configurations, and the marker of the next; with `all_versions` those of every version.
    pub fn list(
        &self,
        scope: &Scope,
        all_versions: bool,
        marker: Option<&str>,
        max: usize,
    ) -> (Vec<Value>, Option<String>) {
        let known = self.of_scope(scope);
        let shown = known.iter().flat_map(|known| {
            let record = &known.record;
            let versions = record.all_versions().take(if all_versions { usize::MAX } else { 1 });
            versions.map(|(version, _)| {
                let shown = if all_versions { Shown::Qualified(&version) } else { Shown::Unqualified };
                (version_place(&record.key.name, &version), describe(record, &version, shown))
            })
        });
        page(shown, marker, max)
    }

    /// `ListVersionsByFunction`: `$LATEST` first; a page, and the marker of the next.
    pub fn versions(
        &self,
        scope: &Scope,
        name: &str,
        marker: Option<&str>,
        max: usize,
    ) -> Result<(Vec<Value>, Option<String>), FunctionsError> {
        let reference = FunctionRef::parse(scope, name, None)?;
        let known = self.find(&reference)?;
        let record = &known.record;
        let shown = record.all_versions().map(|(version, _)| {
            (version_place(&record.key.name, &version), describe(record, &version, Shown::Qualified(&version)))
        });
        Ok(page(shown, marker, max))
    }

    /// Whether a function exists, and its ARN with the qualifier if there is one.
    pub fn arn(&self, scope: &Scope, name: &str, qualifier: Option<&str>) -> Result<String, FunctionsError> {
        let reference = FunctionRef::parse(scope, name, qualifier)?;
        match self.find(&reference)?.record.qualified(reference.qualifier.as_deref()) {
            Some(_) => Ok(reference.arn()),
            None => Err(not_found(&reference.arn())),
        }
    }

    /// `GetAccountSettings`.
    pub fn account_settings(&self, scope: &Scope) -> Value {
        let functions = self.of_scope(scope);
        let versions = functions.iter().flat_map(|known| known.record.all_versions());
        let bytes: u64 = versions.map(|(_, version)| version.package.size).sum();
        let reserved: u32 = functions.iter().filter_map(|known| known.record.reserved_concurrency).sum();
        json!({
            "AccountLimit": {
                "TotalCodeSize": TOTAL_CODE_BYTES,
                "CodeSizeUnzipped": UNZIPPED_BYTES,
                "CodeSizeZipped": ZIPPED_BYTES,
                "ConcurrentExecutions": ACCOUNT_CONCURRENCY,
                "UnreservedConcurrentExecutions": ACCOUNT_CONCURRENCY - reserved,
            },
            "AccountUsage": {"TotalCodeSize": bytes, "FunctionCount": functions.len()},
        })
    }

    /// `GetRuntimeManagementConfig`: runtimes are the machine's own, so nothing but `Auto` can be said.
    pub fn runtime_management(
        &self,
        scope: &Scope,
        name: &str,
        qualifier: Option<&str>,
    ) -> Result<Value, FunctionsError> {
        let arn = self.arn(scope, name, Some(qualifier.unwrap_or(LATEST)))?;
        Ok(json!({"UpdateRuntimeOn": "Auto", "FunctionArn": arn}))
    }
}
