//! What belongs to a function beside its versions: concurrency, and what becomes of asynchronous invocations.

use super::input::{DestinationInput, EventInvokeInput};
use super::name::{FunctionRef, LATEST};
use super::record::{EventInvokeRecord, FunctionRecord};
use super::{Functions, FunctionsError, not_found, view};
use millrace_base::Scope;
use serde_json::Value;

/// AWS's default ceiling of an account's concurrent executions in a region.
pub const ACCOUNT_CONCURRENCY: u32 = 1000;
/// What reservations must leave for functions without one.
const UNRESERVED_MIN: u32 = 100;

impl Functions {
    /// `PutFunctionConcurrency`; `None` takes the reservation away (`DeleteFunctionConcurrency`).
    pub fn set_concurrency(&self, scope: &Scope, name: &str, reserved: Option<u32>) -> Result<(), FunctionsError> {
        let reference = FunctionRef::parse(scope, name, None)?;
        let key = reference.clone().unqualified()?;
        self.find(&reference)?;
        let others = self.of_scope(scope).into_iter().filter(|known| known.record.key != key);
        let taken: u32 = others.filter_map(|known| known.record.reserved_concurrency).sum();
        if taken.saturating_add(reserved.unwrap_or(0)) > ACCOUNT_CONCURRENCY - UNRESERVED_MIN {
            return Err(FunctionsError::invalid(format!(
                "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution \
                 below its minimum value of [{UNRESERVED_MIN}]."
            )));
        }
        self.change(&reference, |record| {
            record.reserved_concurrency = reserved;
            Ok(())
        })
    }

    /// `GetFunctionConcurrency`.
    pub fn concurrency(&self, scope: &Scope, name: &str) -> Result<Option<u32>, FunctionsError> {
        let reference = FunctionRef::parse(scope, name, None)?;
        Ok(self.find(&reference)?.record.reserved_concurrency)
    }

    /// `PutFunctionEventInvokeConfig`, or with `merge` `UpdateFunctionEventInvokeConfig`. Gives it as AWS shows it.
    pub fn put_event_invoke(
        &self,
        scope: &Scope,
        name: &str,
        qualifier: Option<&str>,
        input: EventInvokeInput,
        merge: bool,
    ) -> Result<Value, FunctionsError> {
        let reference = FunctionRef::parse(scope, name, qualifier)?;
        if input == EventInvokeInput::default() {
            return Err(FunctionsError::invalid(
                "You must specify at least one of error handling or destination setting.",
            ));
        }
        self.change(&reference, |record| {
            let qualifier = place(record, &reference)?;
            let before = match (merge, record.event_invoke.get(&qualifier)) {
                (true, None) => return Err(no_config(&reference)),
                (true, Some(before)) => before.clone(),
                (false, _) => EventInvokeRecord::default(),
            };
            let config = self.event_invoke_record(before, input)?;
            let shown = view::event_invoke(&record.key, &qualifier, &config);
            record.event_invoke.insert(qualifier, config);
            Ok(shown)
        })
    }

    fn event_invoke_record(
        &self,
        before: EventInvokeRecord,
        input: EventInvokeInput,
    ) -> Result<EventInvokeRecord, FunctionsError> {
        let destinations = input.destination_config.unwrap_or_default();
        Ok(EventInvokeRecord {
            last_modified: self.shared.parts.clock.now(),
            retries_max: input.maximum_retry_attempts.or(before.retries_max),
            age_secs_max: input.maximum_event_age_in_seconds.or(before.age_secs_max),
            on_success: destination(destinations.on_success, before.on_success, &["sqs", "sns", "lambda"])?,
            on_failure: destination(destinations.on_failure, before.on_failure, &["sqs", "sns", "lambda", "s3"])?,
        })
    }

    /// `GetFunctionEventInvokeConfig`.
    pub fn event_invoke(&self, scope: &Scope, name: &str, qualifier: Option<&str>) -> Result<Value, FunctionsError> {
        let reference = FunctionRef::parse(scope, name, qualifier)?;
        let known = self.find(&reference)?;
        let qualifier = place(&known.record, &reference)?;
        let config = known.record.event_invoke.get(&qualifier).ok_or_else(|| no_config(&reference))?;
        Ok(view::event_invoke(&reference.key, &qualifier, config))
    }

    /// `DeleteFunctionEventInvokeConfig`.
    pub fn delete_event_invoke(
        &self,
        scope: &Scope,
        name: &str,
        qualifier: Option<&str>,
    ) -> Result<(), FunctionsError> {
        let reference = FunctionRef::parse(scope, name, qualifier)?;
        self.change(&reference, |record| {
            let qualifier = place(record, &reference)?;
            record.event_invoke.remove(&qualifier).map(|_| ()).ok_or_else(|| no_config(&reference))
        })
    }

    /// `ListFunctionEventInvokeConfigs`: a page, and the marker of the next.
    pub fn event_invokes(
        &self,
        scope: &Scope,
        name: &str,
        marker: Option<&str>,
        max: usize,
    ) -> Result<(Vec<Value>, Option<String>), FunctionsError> {
        let reference = FunctionRef::parse(scope, name, None)?;
        let known = self.find(&reference)?;
        let all = known.record.event_invoke.iter();
        let shown =
            all.map(|(qualifier, config)| (qualifier.clone(), view::event_invoke(&reference.key, qualifier, config)));
        Ok(view::page(shown, marker, max))
    }
}

/// Where the settings of a qualifier lie; the qualifier must exist.
fn place(record: &FunctionRecord, reference: &FunctionRef) -> Result<String, FunctionsError> {
    match record.qualified(reference.qualifier.as_deref()) {
        Some(_) => Ok(reference.qualifier.clone().unwrap_or_else(|| LATEST.to_owned())),
        None => Err(not_found(&reference.arn())),
    }
}

fn no_config(reference: &FunctionRef) -> FunctionsError {
    let qualifier = reference.qualifier.as_deref().unwrap_or(LATEST);
    FunctionsError::ResourceNotFound(format!(
        "The function {} doesn't have an EventInvokeConfig",
        view::qualified(&reference.key, qualifier)
    ))
}

/// The destination that is to be: what is absent stays, what is empty goes.
fn destination(
    given: Option<DestinationInput>,
    before: Option<String>,
    services: &[&str],
) -> Result<Option<String>, FunctionsError> {
    let Some(given) = given else { return Ok(before) };
    let Some(arn) = given.destination.filter(|arn| !arn.is_empty()) else { return Ok(None) };
    match arn.split(':').nth(2).unwrap_or_default() {
        service if services.contains(&service) => Ok(Some(arn)),
        "events" => Err(FunctionsError::Unsupported(format!(
            "Millrace does not support the destination {arn} yet: name an SQS queue, an SNS topic or a function."
        ))),
        _ => Err(FunctionsError::invalid(format!(
            "The provided destination config DestinationConfig({arn}) is invalid."
        ))),
    }
}
