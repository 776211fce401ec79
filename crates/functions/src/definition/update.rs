//! Changing `$LATEST`, and publishing what it is.

use super::configuration::check_architectures;
use super::input::{PublishVersion, UpdateFunctionCode, UpdateFunctionConfiguration};
use super::name::{FunctionRef, LATEST};
use super::record::{FunctionRecord, LastUpdate, State, VersionRecord};
use super::view::{Shown, describe};
use super::{Functions, FunctionsError};
use millrace_base::Scope;
use serde_json::Value;

/// AWS's words for a `RevisionId` that is not the current one.
pub(super) const STALE_REVISION: &str = "The Revision Id provided does not match the latest Revision Id. Call the \
                                         GetFunction/GetAlias API to retrieve the latest Revision Id";

impl Functions {
    /// `UpdateFunctionConfiguration`. Gives the configuration as AWS shows it.
    pub fn update_configuration(
        &self,
        scope: &Scope,
        input: UpdateFunctionConfiguration,
    ) -> Result<Value, FunctionsError> {
        let reference = FunctionRef::parse(scope, &input.function_name, None)?;
        let key = reference.clone().unqualified()?;
        self.find(&reference)?;
        let layers = input.configuration.layers.as_deref().map(|arns| self.attach(scope, arns)).transpose()?;
        if let Some(runtime) = &input.configuration.runtime {
            self.check_runtime(runtime)?;
        }
        let shown = self.change(&reference, |record| {
            self.begin_update(record, input.revision_id.as_deref())?;
            record.latest.configuration.change(input.configuration, layers)?;
            Ok(describe(record, LATEST, Shown::Unqualified))
        })?;
        self.prepare(&key);
        Ok(shown)
    }

    /// `UpdateFunctionCode`. Gives the configuration as AWS shows it.
    pub fn update_code(&self, scope: &Scope, input: UpdateFunctionCode, zip: &[u8]) -> Result<Value, FunctionsError> {
        let reference = FunctionRef::parse(scope, &input.function_name, None)?;
        let key = reference.clone().unqualified()?;
        let known = self.find(&reference)?;
        check_architectures(input.architectures.as_deref())?;
        if input.dry_run == Some(true) {
            let mut record = known.record.clone();
            self.begin_update(&mut record, input.revision_id.as_deref())?;
            record.latest.package = self.checked_package(zip)?;
            return Ok(describe(&record, LATEST, Shown::Unqualified));
        }
        let package = self.keep_package(zip)?;
        let shown = self.change(&reference, |record| {
            self.begin_update(record, input.revision_id.as_deref())?;
            record.latest.package = package;
            if input.publish != Some(true) {
                return Ok(describe(record, LATEST, Shown::Unqualified));
            }
            let number = self.publish(record, None);
            Ok(describe(record, &number.to_string(), Shown::Qualified(&number.to_string())))
        })?;
        self.prepare(&key);
        Ok(shown)
    }

    /// `PublishVersion`: a new version, or the last one when nothing has changed since. Gives its configuration.
    pub fn publish_version(&self, scope: &Scope, input: PublishVersion) -> Result<Value, FunctionsError> {
        let reference = FunctionRef::parse(scope, &input.function_name, None)?;
        reference.clone().unqualified()?;
        self.change(&reference, |record| {
            check_settled(record)?;
            check_revision(&record.latest, input.revision_id.as_deref())?;
            let current = record.latest.package.code_sha256();
            if let Some(given) = input.code_sha256.filter(|given| !given.is_empty() && *given != current) {
                return Err(FunctionsError::invalid(format!(
                    "CodeSHA256 ({given}) is different from current CodeSHA256 in $LATEST ({current}). Please try again \
                     with the CodeSHA256 in $LATEST."
                )));
            }
            let number = self.publish(record, input.description).to_string();
            Ok(describe(record, &number, Shown::Qualified(&number)))
        })
    }

    /// Makes a version of `$LATEST`; gives the last one's number when that is the same.
    pub(super) fn publish(&self, record: &mut FunctionRecord, description: Option<String>) -> u64 {
        let mut version = record.latest.clone();
        version.configuration.description = description.unwrap_or(version.configuration.description);
        let same = record
            .versions
            .get(&record.published)
            .is_some_and(|last| last.package == version.package && last.configuration == version.configuration);
        if same {
            return record.published;
        }
        version.revision_id = self.shared.parts.dice.uuid();
        if record.latest.last_update == LastUpdate::InProgress {
            // It is new, so it waits for what the update waits for.
            (version.state, version.last_update) = (State::Pending, LastUpdate::None);
        }
        record.published += 1;
        record.versions.insert(record.published, version);
        record.published
    }

    /// What every change of `$LATEST` begins with: checks, a new revision, and what is served meanwhile.
    fn begin_update(&self, record: &mut FunctionRecord, revision: Option<&str>) -> Result<(), FunctionsError> {
        check_settled(record)?;
        check_revision(&record.latest, revision)?;
        let before = record.latest.clone();
        record.latest.revision_id = self.shared.parts.dice.uuid();
        record.latest.last_modified = self.shared.parts.clock.now();
        match before.state {
            State::Active => {
                // After an update that failed, what ran before it goes on running.
                record.serving.get_or_insert_with(|| Box::new(before));
                record.latest.last_update = LastUpdate::InProgress;
            }
            State::Failed(_) | State::Pending => record.latest.state = State::Pending,
        }
        Ok(())
    }
}

/// Refuses changes while another one is being prepared.
fn check_settled(record: &FunctionRecord) -> Result<(), FunctionsError> {
    const NOT_NOW: &str = "The operation cannot be performed at this time.";
    if record.latest.state == State::Pending {
        return Err(FunctionsError::ResourceConflict(format!(
            "{NOT_NOW} The function is currently in the following state: Pending"
        )));
    }
    if record.latest.last_update == LastUpdate::InProgress {
        return Err(FunctionsError::ResourceConflict(format!(
            "{NOT_NOW} An update is in progress for resource: {}",
            record.key.arn()
        )));
    }
    Ok(())
}

fn check_revision(version: &VersionRecord, given: Option<&str>) -> Result<(), FunctionsError> {
    match given {
        Some(given) if given != version.revision_id => {
            Err(FunctionsError::PreconditionFailed(STALE_REVISION.to_owned()))
        }
        _ => Ok(()),
    }
}
