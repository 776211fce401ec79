//! Definitions as AWS shows them.

use super::configuration::{ARCHITECTURE, Configuration};
use super::name::{LATEST, qualified_arn};
use super::record::{AliasRecord, EventInvokeRecord, FunctionRecord, LastUpdate, State, VersionRecord};
use crate::FunctionKey;
use crate::moment::configured;
use serde_json::{Map, Value, json};

/// In whose answer a configuration is shown: it decides what stands in the ARN.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shown<'a> {
    /// Just created.
    Created { published: bool },
    /// The function was named without a qualifier.
    Unqualified,
    /// It was named with this one.
    Qualified(&'a str),
}

/// AWS's `FunctionConfiguration` of a version; an absent version is an empty object, which no caller asks for.
pub(super) fn describe(record: &FunctionRecord, version: &str, shown: Shown<'_>) -> Value {
    let Some(found) = record.version(version) else { return json!({}) };
    let qualifier = match shown {
        Shown::Created { published } => published.then_some("1"),
        Shown::Unqualified => None,
        Shown::Qualified(qualifier) => Some(qualifier),
    };
    let mut all = json!({
        "FunctionName": &*record.key.name,
        "FunctionArn": qualified_arn(&record.key, qualifier),
        "Version": version,
        "RevisionId": found.revision_id,
        "LastModified": configured(found.last_modified),
        "CodeSha256": found.package.code_sha256(),
        "CodeSize": found.package.size,
        "PackageType": "Zip",
        "Architectures": [ARCHITECTURE],
        "TracingConfig": {"Mode": "PassThrough"},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
    });
    if let Value::Object(all) = &mut all {
        configuration(&found.configuration, all);
        state(found, all);
    }
    all
}

fn configuration(configuration: &Configuration, all: &mut Map<String, Value>) {
    let logging = &configuration.logging;
    let mut logged = json!({"LogFormat": if logging.json { "JSON" } else { "Text" }, "LogGroup": logging.group});
    for (name, level) in
        [("ApplicationLogLevel", &logging.application_level), ("SystemLogLevel", &logging.system_level)]
    {
        if let Some(level) = level {
            logged[name] = json!(level);
        }
    }
    let mut put = |name: &str, value: Value| all.insert(name.to_owned(), value);
    put("Runtime", json!(configuration.runtime));
    put("Handler", json!(configuration.handler));
    put("Role", json!(configuration.role));
    put("Description", json!(configuration.description));
    put("Timeout", json!(configuration.timeout_secs));
    put("MemorySize", json!(configuration.memory_mib));
    put("EphemeralStorage", json!({"Size": configuration.ephemeral_mib}));
    put("LoggingConfig", logged);
    if !configuration.environment.is_empty() {
        put("Environment", json!({"Variables": configuration.environment}));
    }
    if let Some(target) = &configuration.dead_letter {
        put("DeadLetterConfig", json!({"TargetArn": target}));
    }
    if !configuration.layers.is_empty() {
        let layers = configuration.layers.iter().map(|l| json!({"Arn": l.arn, "CodeSize": l.package.size}));
        put("Layers", layers.collect());
    }
}

fn state(version: &VersionRecord, all: &mut Map<String, Value>) {
    let mut put = |name: &str, value: &str| all.insert(name.to_owned(), json!(value));
    match &version.state {
        State::Pending => {
            put("State", "Pending");
            put("StateReason", "The function is being created.");
            put("StateReasonCode", "Creating");
        }
        State::Active => drop(put("State", "Active")),
        State::Failed(reason) => {
            put("State", "Failed");
            put("StateReason", &reason.message);
            put("StateReasonCode", &reason.code);
        }
    }
    match &version.last_update {
        LastUpdate::None => {}
        LastUpdate::InProgress => {
            put("LastUpdateStatus", "InProgress");
            put("LastUpdateStatusReason", "The function is being created.");
            put("LastUpdateStatusReasonCode", "Creating");
        }
        LastUpdate::Successful => drop(put("LastUpdateStatus", "Successful")),
        LastUpdate::Failed(reason) => {
            put("LastUpdateStatus", "Failed");
            put("LastUpdateStatusReason", &reason.message);
            put("LastUpdateStatusReasonCode", &reason.code);
        }
    }
}

/// AWS's `AliasConfiguration`.
pub(super) fn alias(key: &FunctionKey, name: &str, alias: &AliasRecord) -> Value {
    let mut shown = json!({
        "AliasArn": qualified_arn(key, Some(name)),
        "Name": name,
        "FunctionVersion": alias.function_version,
        "Description": alias.description,
        "RevisionId": alias.revision_id,
    });
    if let Some((version, weight)) = &alias.additional {
        shown["RoutingConfig"] = json!({"AdditionalVersionWeights": {version: weight}});
    }
    shown
}

/// AWS's `FunctionEventInvokeConfig`.
pub(super) fn event_invoke(key: &FunctionKey, qualifier: &str, config: &EventInvokeRecord) -> Value {
    let destination = |arn: &Option<String>| match arn {
        Some(arn) => json!({"Destination": arn}),
        None => json!({}),
    };
    let mut shown = json!({
        "LastModified": config.last_modified as f64 / 1000.0,
        "FunctionArn": qualified_arn(key, Some(qualifier)),
        "DestinationConfig": {
            "OnSuccess": destination(&config.on_success),
            "OnFailure": destination(&config.on_failure),
        },
    });
    if let Some(retries) = config.retries_max {
        shown["MaximumRetryAttempts"] = json!(retries);
    }
    if let Some(age) = config.age_secs_max {
        shown["MaximumEventAgeInSeconds"] = json!(age);
    }
    shown
}

/// A page of `items` after `marker`, which is the place that the last page ended at.
pub(super) fn page<T>(
    items: impl Iterator<Item = (String, T)>,
    marker: Option<&str>,
    max: usize,
) -> (Vec<T>, Option<String>) {
    let mut rest = items.skip_while(|(place, _)| marker.is_some_and(|marker| place.as_str() <= marker)).peekable();
    let (mut page, mut last) = (Vec::new(), None);
    while page.len() < max
        && let Some((place, item)) = rest.next()
    {
        page.push(item);
        last = Some(place);
    }
    let next = rest.peek().is_some().then_some(last).flatten();
    (page, next)
}

/// The place of a version in lists: `$LATEST` first, then by number.
pub(super) fn version_place(function: &str, version: &str) -> String {
    let number = if version == LATEST { 0 } else { version.parse::<u64>().unwrap_or(u64::MAX) };
    // An exclamation mark sorts before all that names are made of.
    format!("{function}!{number:020}")
}

/// The ARN of a version or alias.
pub(super) fn qualified(key: &FunctionKey, qualifier: &str) -> String {
    qualified_arn(key, Some(qualifier))
}
