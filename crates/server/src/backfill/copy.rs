//! The throwaway copy of a function: the same code, role and settings, one variable of its environment changed, so that it
//! writes beside the live index. What it is in AWS's words: GetFunction, CreateFunction, DeleteFunction.

use super::job::{Job, Through};
use super::{Parts, Refusal, Trouble};
use millrace_base::Scope;
use millrace_functions::{CreateFunction, FunctionsError};
use serde_json::{Value, json};
use std::time::Duration;

const LOOK: Duration = Duration::from_millis(100);
/// A runtime is installed at its first function, which takes its time.
const LOOKS_MAX: u32 = 3000;

/// A function's role and environment; why there are none.
pub fn settings(parts: &Parts, scope: &Scope, name: &str) -> Result<Value, Refusal> {
    let found = parts.functions.get(scope, name, None);
    let found = found.map_err(|error| Refusal::Wrong(format!("the function {name} cannot be copied: {error}")))?;
    Ok(found.configuration)
}

/// What the copy's index names begin with: the job's prefix, then what the function's own begin with.
fn beginning(job: &Job, settings: &Value, variable: &str) -> Result<String, String> {
    let own = settings["Environment"]["Variables"][variable].as_str();
    own.map(|own| format!("{}{own}", job.prefix())).ok_or_else(|| {
        let known = settings["Environment"]["Variables"].as_object();
        let known: Vec<&str> = known.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        format!(
            "the function has no variable {variable} in its environment (there are: {}): it must build the names of its indices \
             from one, so that a copy of it can write beside them",
            known.join(", ")
        )
    })
}

/// Whether a copy can be made; why not otherwise.
pub fn check(job: &Job, settings: &Value, variable: &str) -> Result<(), String> {
    beginning(job, settings, variable).map(|_| ())
}

/// Makes the copy and waits until it can be called. One that is there already is taken.
pub async fn make(parts: &Parts, job: &Job) -> Result<(), Trouble> {
    let Through::Function { name, variable } = &job.spec.through else { return Ok(()) };
    let (scope, copy) = (&job.scope, job.copy_of(name));
    let never =
        |error: FunctionsError| Trouble::Never(format!("the copy of the function {name} cannot be made: {error}"));
    if parts.functions.get(scope, &copy, None).is_err() {
        let original = parts.functions.get(scope, name, None).map_err(never)?;
        let mut settings = original.configuration;
        settings["Environment"]["Variables"][variable] =
            json!(beginning(job, &settings, variable).map_err(Trouble::Never)?);
        settings["FunctionName"] = json!(copy);
        settings["Description"] = json!(format!("Copy of {name} for backfill {}; deleted when that is done", job.id));
        if let Some(layers) = settings.get("Layers").and_then(Value::as_array) {
            settings["Layers"] = layers.iter().map(|layer| layer["Arn"].clone()).collect();
        }
        let input: CreateFunction =
            serde_json::from_value(settings).map_err(|error| Trouble::Never(error.to_string()))?;
        let package = parts.functions.package(&original.package).map_err(never)?;
        let package = package.ok_or_else(|| Trouble::Again(format!("the code of {name} was replaced meanwhile")))?;
        parts.functions.create(scope, input, &package).map_err(never)?;
    }
    for _ in 0..LOOKS_MAX {
        let state = parts.functions.get(scope, &copy, None).map_err(never)?.configuration;
        match state["State"].as_str() {
            Some("Active") => return Ok(()),
            Some("Failed") => {
                let why = state["StateReason"].as_str().unwrap_or_default().to_owned();
                return Err(Trouble::Never(format!("the copy of the function {name} does not start: {why}")));
            }
            _ => tokio::time::sleep(LOOK).await,
        }
    }
    Err(Trouble::Again(format!("the copy of the function {name} is still being prepared")))
}

/// Deletes the copy, if there is one.
pub fn remove(parts: &Parts, job: &Job) {
    let Through::Function { name, .. } = &job.spec.through else { return };
    let copy = job.copy_of(name);
    if parts.functions.get(&job.scope, &copy, None).is_ok()
        && let Err(error) = parts.functions.delete(&job.scope, &copy, None)
    {
        tracing::warn!("the function {copy} of a backfill that has ended could not be deleted: {error}");
    }
}
