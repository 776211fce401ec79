//! What a call leaves in the audit: CloudTrail's record of who did what, from where, and what came of it.
//!
//! Control-plane calls are all recorded; calls that move data (records, messages, events, documents) only when they are
//! denied. A record is written before the answer is sent; it is on disk before that when the call changes something or was
//! denied, and within the next such call otherwise. Secrets and payloads never come into it. Calls whose signature is refused are
//! told too, a flood of them as a number: [`refused`].

mod refused;

use super::caller::Caller;
use super::port::Peer;
use super::route::text_header;
use crate::authorize::service_prefix;
use crate::wire::{Fault, FaultKind, JsonWriter, Model, Shape, kinds};
use axum::http::request::Parts;
use chrono::{DateTime, SecondsFormat};
use millrace_access::audit::{Audit, AuditError};
use millrace_access::{Identities, Principal, PrincipalKind};
use millrace_base::{Clock, Dice, Millis};
use refused::Refusals;
pub use refused::{Attempt, is_unidentified};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

/// What CloudTrail writes in place of a secret.
const HIDDEN: &str = "HIDDEN_DUE_TO_SECURITY_REASONS";
/// Members that hold a secret or somebody's data, in small letters.
const SECRETS: &[&str] = &[
    "secretaccesskey",
    "sessiontoken",
    "password",
    "tokencode",
    "zipfile",
    "variables",
    "payload",
    "plaintext",
    "privatekeyplaintext",
    "ciphertextblob",
    "data",
    "messagebody",
    "body",
    "message",
    "token",
];
/// Calls that move data.
const DATA: &[(&str, &[&str])] = &[
    ("kinesis", &["PutRecord", "PutRecords", "GetRecords", "GetShardIterator", "SubscribeToShard"]),
    ("firehose", &["PutRecord", "PutRecordBatch"]),
    (
        "sqs",
        &[
            "SendMessage",
            "SendMessageBatch",
            "ReceiveMessage",
            "DeleteMessage",
            "DeleteMessageBatch",
            "ChangeMessageVisibility",
            "ChangeMessageVisibilityBatch",
        ],
    ),
    ("sns", &["Publish", "PublishBatch"]),
    ("lambda", &["Invoke", "InvokeAsync"]),
    ("logs", &["PutLogEvents", "GetLogEvents", "FilterLogEvents"]),
    ("cloudwatch", &["PutMetricData", "GetMetricData", "GetMetricStatistics", "ListMetrics"]),
    ("glue", &["GetSchemaVersion", "GetSchemaByDefinition"]),
    (
        "s3",
        &[
            "GetObject",
            "HeadObject",
            "GetObjectTagging",
            "PutObject",
            "CopyObject",
            "DeleteObject",
            "DeleteObjects",
            "ListObjects",
            "ListObjectsV2",
            "HeadBucket",
            "CreateMultipartUpload",
            "UploadPart",
            "UploadPartCopy",
            "CompleteMultipartUpload",
            "AbortMultipartUpload",
            "ListParts",
            "ListMultipartUploads",
        ],
    ),
];

/// Writes the audit.
#[derive(Clone)]
pub struct Recorder {
    audit: Audit,
    identities: Identities,
    clock: Arc<dyn Clock>,
    dice: Arc<dyn Dice>,
    refusals: Arc<Mutex<Refusals>>,
}

/// What is gathered on a call's way: its input and its output. The default gathers nothing.
#[derive(Debug, Clone, Default)]
pub struct Trail(Option<Arc<Mutex<Gathered>>>);

#[derive(Debug, Default)]
struct Gathered {
    parameters: Option<Value>,
    response: Option<Value>,
}

impl Trail {
    /// Notes what was asked for.
    pub fn asked(&self, input: &impl Shape) {
        if let Some(gathered) = &self.0 {
            locked(gathered).parameters = Some(shown(input));
        }
    }

    /// Notes what was asked for, of a request whose input has no shape.
    pub fn asked_for(&self, parameters: Value) {
        if let Some(gathered) = &self.0 {
            locked(gathered).parameters = Some(parameters);
        }
    }

    /// Notes what was answered.
    pub fn answered(&self, output: &impl Shape) {
        if let Some(gathered) = &self.0 {
            locked(gathered).response = Some(shown(output));
        }
    }
}

/// Nothing that holds it can panic.
fn locked<T>(gathered: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    gathered.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One call, as its record tells it.
pub struct Recorded<'a> {
    /// The service, as [`event_source`] says it.
    pub source: Cow<'static, str>,
    /// The operation.
    pub operation: &'a str,
    /// Who called.
    pub caller: &'a Caller,
    /// The request's head.
    pub head: &'a Parts,
    /// The request's id.
    pub id: &'a str,
    /// What came of it.
    pub fault: Option<&'a Fault>,
}

impl Recorder {
    /// Writes to `audit`; `identities` know whose keys callers have.
    pub fn new(audit: Audit, identities: Identities, clock: Arc<dyn Clock>, dice: Arc<dyn Dice>) -> Self {
        Self { audit, identities, clock, dice, refusals: Arc::default() }
    }

    /// The trail of a call that begins. Refuses one that changes something when it could not be put on record.
    pub fn begin(&self, model: &Model, operation: &str) -> Result<Trail, Fault> {
        self.begin_other(operation, moves_data(model, operation))
    }

    /// [`Recorder::begin`] of a request that is to no service of AWS's protocols; one that moves data is told only when it is
    /// denied.
    pub fn begin_other(&self, operation: &str, moves_data: bool) -> Result<Trail, Fault> {
        if moves_data {
            return Ok(Trail::default());
        }
        if !is_read_only(operation)
            && let Some(error) = self.audit.failure()
        {
            return Err(unrecorded(&error));
        }
        Ok(Trail(Some(Arc::default())))
    }

    /// Puts a call on record, if it belongs there. Returns when it is written, and on disk where that is asked for.
    pub async fn record(&self, trail: Trail, call: Recorded<'_>) -> Result<(), Fault> {
        let denied = call.fault.is_some_and(is_denial);
        if trail.0.is_none() && !denied {
            return Ok(());
        }
        let read_only = is_read_only(call.operation);
        let record = self.of(trail, &call, read_only);
        self.write(record, denied || !read_only).await
    }

    async fn write(&self, record: String, durable: bool) -> Result<(), Fault> {
        let audit = self.audit.clone();
        let written = tokio::task::spawn_blocking(move || audit.write(&record, durable)).await;
        match written {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(unrecorded(&error)),
            Err(stopped) => Err(kinds::INTERNAL_FAILURE.because(format!("the audit stopped: {stopped}"))),
        }
    }

    fn of(&self, trail: Trail, call: &Recorded<'_>, read_only: bool) -> String {
        let Recorded { source, operation, caller, head, id, fault } = call;
        let (parameters, response) = match &trail.0 {
            Some(gathered) => {
                let mut gathered = locked(gathered);
                (gathered.parameters.take(), gathered.response.take().filter(|_| !read_only && fault.is_none()))
            }
            None => (None, None),
        };
        let peer = head.extensions.get::<Peer>();
        let mut record = json!({
            "eventVersion": "1.11",
            "userIdentity": self.identity(caller),
            "eventTime": moment(self.clock.now()),
            "eventSource": source,
            "eventName": operation,
            "awsRegion": &*caller.scope.region,
            "sourceIPAddress": peer.map_or_else(String::new, |peer| peer.ip.to_string()),
            "userAgent": text_header(&head.headers, "user-agent"),
            "requestParameters": parameters,
            "responseElements": response.filter(|value| !is_empty(value)),
            "requestID": id,
            "eventID": self.dice.uuid(),
            "readOnly": read_only,
            "eventType": "AwsApiCall",
            "managementEvent": trail.0.is_some(),
            "recipientAccountId": &*caller.scope.account,
            "eventCategory": if trail.0.is_some() { "Management" } else { "Data" },
        });
        if let Some(fault) = fault {
            record["errorCode"] = fault.kind.query_code().into();
            record["errorMessage"] = fault.message.as_str().into();
        }
        record.to_string()
    }

    /// CloudTrail's `userIdentity`.
    fn identity(&self, caller: &Caller) -> Value {
        let Caller { scope, access_key_id, guard } = caller;
        if let Some(principal) = guard.principal() {
            return of_principal(principal);
        }
        if access_key_id.is_empty() {
            return json!({"type": "Unknown", "principalId": "Anonymous"});
        }
        // With `--auth off` somebody is who the key says; nobody has verified it.
        let named = self.identities.identify(&scope.account, access_key_id);
        let (arn, id) = named.map_or_else(|_| (None, None), |named| (Some(named.arn), Some(named.user_id)));
        let kind = arn.as_deref().map_or("Unknown", |arn| match arn {
            _ if arn.ends_with(":root") => "Root",
            _ if arn.contains(":assumed-role/") => "AssumedRole",
            _ => "IAMUser",
        });
        let key = access_key_id;
        json!({"type": kind, "principalId": id, "arn": arn, "accountId": &*scope.account, "accessKeyId": key})
    }
}

fn of_principal(principal: &Principal) -> Value {
    let Principal { account, kind, arn, user_id, access_key_id, issued, .. } = principal;
    let mut identity = json!({
        "type": match kind {
            PrincipalKind::Root => "Root",
            PrincipalKind::User { .. } => "IAMUser",
            PrincipalKind::Role { .. } => "AssumedRole",
            PrincipalKind::Service(_) => "AWSService",
            PrincipalKind::Anonymous => "Unknown",
        },
        "principalId": &**user_id,
        "arn": &**arn,
        "accountId": &**account,
        "accessKeyId": &**access_key_id,
    });
    match kind {
        PrincipalKind::User { name } => identity["userName"] = (&**name).into(),
        PrincipalKind::Service(name) => identity["invokedBy"] = (&**name).into(),
        PrincipalKind::Role { arn, name, .. } => {
            identity["sessionContext"] = json!({
                "sessionIssuer": {
                    "type": "Role",
                    "principalId": user_id.split(':').next(),
                    "arn": &**arn,
                    "accountId": &**account,
                    "userName": &**name,
                },
                "attributes": {"creationDate": issued.map(moment), "mfaAuthenticated": "false"},
            });
        }
        PrincipalKind::Root | PrincipalKind::Anonymous => {}
    }
    identity
}

fn unrecorded(error: &AuditError) -> Fault {
    kinds::INTERNAL_FAILURE.because(error.to_string())
}

fn is_denial(fault: &Fault) -> bool {
    matches!(fault.kind.code, "AccessDenied" | "AccessDeniedException" | "AuthorizationError")
}

fn moves_data(model: &Model, operation: &str) -> bool {
    let service = service_prefix(model);
    DATA.iter().any(|(name, operations)| *name == service && operations.contains(&operation))
}

/// Whether an operation only looks. `AssumeRole` is read-only to CloudTrail, too. Of a request to the index and to the server's
/// own routes the action tells it: `ESHttpGet`, `GetDlq`.
fn is_read_only(operation: &str) -> bool {
    let operation = operation.strip_prefix("ESHttp").unwrap_or(operation);
    const LOOKS: &[&str] = &["Get", "List", "Describe", "Simulate", "Query", "Check", "Search"];
    LOOKS.iter().any(|verb| operation.starts_with(verb)) || operation == "AssumeRole"
}

/// CloudTrail's name of a service.
pub fn event_source(model: &Model) -> Cow<'static, str> {
    let service = match service_prefix(model) {
        "cloudwatch" => "monitoring",
        other => other,
    };
    format!("{service}.amazonaws.com").into()
}

/// What records of the server's own routes say.
pub const OWN_SOURCE: &str = "millrace";
/// What records of the OpenSearch port say.
pub const SEARCH_SOURCE: &str = "es.amazonaws.com";

/// What became of a request that has no fault of AWS's: an error of this status.
pub fn failure(status: u16, message: impl Into<String>) -> Option<Fault> {
    let code = match status {
        0..400 => return None,
        403 => "AccessDeniedException",
        404 => "ResourceNotFoundException",
        409 => "ConflictException",
        400..500 => "ValidationException",
        _ => "InternalFailure",
    };
    Some(FaultKind::new(code, status).because(message))
}

fn moment(millis: Millis) -> String {
    let moment = DateTime::from_timestamp_millis(millis).unwrap_or_default();
    moment.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// A JSON document of a request as records show it: whole, but for secrets.
pub fn shown_json(document: &[u8]) -> Value {
    match serde_json::from_slice(document) {
        Ok(value) => hidden_values(value),
        Err(_) => json!({"bytes": document.len()}),
    }
}

fn hidden_values(value: Value) -> Value {
    let hide = |(name, value): (String, Value)| match is_secret(&name) && (value.is_string() || value.is_number()) {
        true => (name, HIDDEN.into()),
        false => (name, hidden_values(value)),
    };
    match value {
        Value::Object(members) => Value::Object(members.into_iter().map(hide).collect()),
        Value::Array(items) => items.into_iter().map(hidden_values).collect(),
        other => other,
    }
}

fn is_secret(name: &str) -> bool {
    SECRETS.iter().any(|secret| name.eq_ignore_ascii_case(secret))
}

/// A shape as records show it: names begin with a small letter, secrets are hidden.
fn shown(shape: &impl Shape) -> Value {
    let mut writer = JsonWriter::default();
    shape.write(&mut writer);
    serde_json::from_slice(&writer.finish()).map_or(Value::Null, hidden)
}

fn hidden(value: Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(members.into_iter().map(member).collect::<Map<_, _>>()),
        Value::Array(items) => items.into_iter().map(hidden).collect(),
        other => other,
    }
}

fn member((name, value): (String, Value)) -> (String, Value) {
    let mut letters = name.chars();
    let shown: String = letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default();
    let is_secret = is_secret(&shown);
    // `AccessKey` is a structure in IAM and a secret in Firehose's HTTP endpoints.
    let is_secret = is_secret || (value.is_string() && shown.eq_ignore_ascii_case("accessKey"));
    let value = if is_secret && !value.is_null() { HIDDEN.into() } else { hidden(value) };
    (shown, value)
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_object().is_some_and(Map::is_empty)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::{iam, kinesis, lambda};

    #[test]
    fn secrets_are_hidden_and_names_are_cloudtrails() {
        let key = iam::CreateAccessKeyResponse {
            access_key: iam::AccessKey {
                access_key_id: "AKIA1".into(),
                secret_access_key: "s3cr3t".into(),
                ..Default::default()
            },
        };
        let shown = super::shown(&key);
        assert_eq!(
            (&shown["accessKey"]["accessKeyId"], &shown["accessKey"]["secretAccessKey"]),
            (&"AKIA1".into(), &HIDDEN.into())
        );
        assert!(!shown.to_string().contains("s3cr3t"));
        let code = lambda::UpdateFunctionCodeRequest {
            function_name: "f".into(),
            zip_file: Some(bytes::Bytes::from_static(b"secret code")),
            ..Default::default()
        };
        let shown = super::shown(&code);
        assert_eq!((&shown["functionName"], &shown["zipFile"]), (&"f".into(), &HIDDEN.into()));
    }

    #[test]
    fn what_moves_data_is_told_apart() {
        assert!(moves_data(&kinesis::MODEL, "PutRecords") && !moves_data(&kinesis::MODEL, "CreateStream"));
        assert!(is_read_only("DescribeStream") && !is_read_only("DeleteStream"));
        assert_eq!(event_source(&kinesis::MODEL), "kinesis.amazonaws.com");
        assert!(is_read_only("ESHttpGet") && !is_read_only("ESHttpPut") && !is_read_only("PostDeploy"));
    }
}
