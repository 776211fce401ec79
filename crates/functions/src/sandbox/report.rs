//! AWS's words: the lines that frame an invocation in the log, and the answers that the platform gives in a function's stead.

use crate::moment::iso_millis;
use crate::{FunctionVersion, LogFormat};
use bytes::Bytes;
use millrace_base::Millis;
use serde_json::json;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

/// The `errorType` of a function of which nothing ran, because its runtime or its bootstrap cannot be started.
pub const UNSTARTABLE: &str = "Runtime.InvalidEntrypoint";

/// Why an initialisation or an invocation did not end by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The client told of an error in initialisation, with this description.
    Init(Bytes),
    /// The process ended.
    Exit(ExitStatus),
    /// The shell could not start the runtime's program.
    Unstartable {
        /// 126 or 127.
        status: ExitStatus,
        /// What was written last.
        said: String,
    },
    /// It took longer than it may.
    Timeout(Duration),
    /// It took more memory than it may.
    OutOfMemory,
    /// It wrote more into its temporary folder than it may.
    StorageFull {
        /// The ceiling.
        mib: u32,
    },
    /// The response was too large.
    ResponseTooLarge,
    /// There is nothing to start, in AWS's words.
    Entrypoint(String),
}

impl Failure {
    /// AWS's `errorType`; the client's own for an error in initialisation.
    pub fn error_type(&self) -> String {
        match self {
            Self::Init(payload) => {
                let described: Option<serde_json::Value> = serde_json::from_slice(payload).ok();
                let named = described.as_ref().and_then(|error| error["errorType"].as_str());
                named.unwrap_or("Runtime.Unknown").to_owned()
            }
            Self::Exit(_) | Self::OutOfMemory | Self::StorageFull { .. } => "Runtime.ExitError".to_owned(),
            Self::Timeout(_) => "Sandbox.Timedout".to_owned(),
            Self::ResponseTooLarge => "Function.ResponseSizeTooLarge".to_owned(),
            Self::Unstartable { .. } | Self::Entrypoint(_) => UNSTARTABLE.to_owned(),
        }
    }

    /// What happened, without the request id.
    pub fn message(&self) -> String {
        match self {
            Self::Init(payload) => String::from_utf8_lossy(payload).into_owned(),
            Self::Exit(status) => exit_message(*status),
            Self::Unstartable { status, said } => unstartable_message(*status, said),
            Self::OutOfMemory | Self::StorageFull { .. } => "Runtime exited with error: signal: killed".to_owned(),
            Self::Timeout(after) => format!("Task timed out after {:.2} seconds", after.as_secs_f64()),
            Self::ResponseTooLarge => format!(
                "Response payload size exceeded maximum allowed payload size ({} bytes).",
                super::RESPONSE_BYTES_MAX
            ),
            Self::Entrypoint(reason) => reason.clone(),
        }
    }

    /// The payload that the caller gets.
    pub fn payload(&self, request_id: &str) -> Bytes {
        let message = match self {
            Self::Init(payload) => return payload.clone(),
            Self::ResponseTooLarge => self.message(),
            _ => format!("RequestId: {request_id} Error: {}", self.message()),
        };
        json!({"errorType": self.error_type(), "errorMessage": message}).to_string().into()
    }

    fn status(&self) -> &'static str {
        if matches!(self, Self::Timeout(_)) { "timeout" } else { "error" }
    }

    /// What else the owner should know.
    fn hint(&self, version: &FunctionVersion) -> Option<String> {
        match self {
            Self::OutOfMemory => Some(format!("the process took more than its {} MB of memory", version.memory_mib)),
            Self::StorageFull { mib } => Some(format!("the temporary folder holds more than the function's {mib} MB")),
            _ => None,
        }
    }
}

fn exit_message(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(0), _) => "Runtime exited without providing a reason".to_owned(),
        (Some(code), _) => format!("Runtime exited with error: exit status {code}"),
        (None, Some(signal)) => format!("Runtime exited with error: signal: {}", signal_name(signal)),
        (None, None) => "Runtime exited with error".to_owned(),
    }
}

/// What AWS says, and what its users never see: there the runtime's program always starts.
fn unstartable_message(status: ExitStatus, said: &str) -> String {
    let why = match status.code() {
        Some(126) => {
            "the runtime's program or the bootstrap cannot be executed: the function's user may not reach or run it, or it is \
             no program of this machine"
        }
        _ => "the runtime's program, or one that the bootstrap begins with, was not found",
    };
    let said = if said.is_empty() { String::new() } else { format!("; it wrote: {said}") };
    format!("{} ({why}{said})", exit_message(status))
}

/// As Go spells them, which AWS's platform is written in.
fn signal_name(signal: i32) -> String {
    match signal {
        1 => "hangup".to_owned(),
        2 => "interrupt".to_owned(),
        3 => "quit".to_owned(),
        4 => "illegal instruction".to_owned(),
        6 => "aborted".to_owned(),
        7 => "bus error".to_owned(),
        8 => "floating point exception".to_owned(),
        9 => "killed".to_owned(),
        11 => "segmentation fault".to_owned(),
        13 => "broken pipe".to_owned(),
        15 => "terminated".to_owned(),
        other => format!("signal {other}"),
    }
}

/// What an invocation took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// From the event's arrival at the client to its answer.
    pub duration: Duration,
    /// Of the initialisation that this invocation waited for.
    pub init: Option<Duration>,
    /// The most that the process ever had.
    pub memory_mib: u64,
}

impl Usage {
    fn millis(duration: Duration) -> f64 {
        (duration.as_secs_f64() * 100_000.0).round() / 100.0
    }

    /// AWS bills initialisation too, and whole milliseconds.
    fn billed(&self) -> u64 {
        let all = self.duration + self.init.unwrap_or_default();
        all.as_micros().div_ceil(1000) as u64
    }
}

/// The lines of the platform for one version of a function.
pub(crate) struct Words<'a> {
    pub version: &'a FunctionVersion,
    pub now: Millis,
}

impl Words<'_> {
    fn is_json(&self) -> bool {
        self.version.logging.format == LogFormat::Json
    }

    /// True when events of `INFO` are wanted.
    fn informs(&self) -> bool {
        self.version.logging.system_level.as_deref() != Some("WARN")
    }

    fn event(&self, kind: &str, record: serde_json::Value) -> String {
        format!("{}\n", json!({"time": iso_millis(self.now), "type": format!("platform.{kind}"), "record": record}))
    }

    /// At the start of a process.
    pub fn init_start(&self, runtime: &str) -> Vec<String> {
        let version = self.version;
        if !self.is_json() {
            return vec![format!("INIT_START Runtime Version: {runtime}\n")];
        }
        let record = json!({
            "initializationType": "on-demand", "phase": "init", "runtimeVersion": runtime,
            "functionName": &*version.key.name, "functionVersion": &*version.version,
        });
        if self.informs() { vec![self.event("initStart", record)] } else { Vec::new() }
    }

    /// After an initialisation that failed.
    pub fn init_report(&self, took: Duration, phase: &str, failure: &Failure) -> Vec<String> {
        let (millis, status, error) = (Usage::millis(took), failure.status(), failure.error_type());
        if self.is_json() {
            let record = json!({
                "initializationType": "on-demand", "phase": phase, "status": status, "errorType": error,
                "metrics": {"durationMs": millis},
            });
            return vec![self.event("initReport", record)];
        }
        let mut line = format!("INIT_REPORT Init Duration: {millis:.2} ms\tPhase: {phase}\tStatus: {status}");
        if status == "error" {
            line.push_str(&format!("\tError Type: {error}"));
        }
        vec![line + "\n"]
    }

    /// Before an invocation.
    pub fn start(&self, request_id: &str) -> Vec<String> {
        let version = &*self.version.version;
        if !self.is_json() {
            return vec![format!("START RequestId: {request_id} Version: {version}\n")];
        }
        let record = json!({"requestId": request_id, "version": version});
        if self.informs() { vec![self.event("start", record)] } else { Vec::new() }
    }

    /// After an invocation.
    pub fn end(&self, request_id: &str, usage: &Usage, failure: Option<&Failure>) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(hint) = failure.and_then(|failure| failure.hint(self.version)) {
            lines.push(format!("RequestId: {request_id} Error: {hint}\n"));
        }
        if self.is_json() {
            if failure.is_some() || self.informs() {
                lines.push(self.json_report(request_id, usage, failure));
            }
            return lines;
        }
        if let Some(failure) = failure {
            lines.push(match failure {
                Failure::Timeout(_) => format!("{} {request_id} {}\n\n", iso_millis(self.now), failure.message()),
                Failure::Init(_) => String::new(),
                _ => format!("RequestId: {request_id} Error: {}\n{}\n", failure.message(), failure.error_type()),
            });
            lines.retain(|line| !line.is_empty());
        }
        lines.push(format!("END RequestId: {request_id}\n"));
        lines.push(self.text_report(request_id, usage, failure));
        lines
    }

    fn text_report(&self, request_id: &str, usage: &Usage, failure: Option<&Failure>) -> String {
        let mut line = format!(
            "REPORT RequestId: {request_id}\tDuration: {:.2} ms\tBilled Duration: {} ms\tMemory Size: {} MB\tMax Memory Used: {} MB\t",
            Usage::millis(usage.duration),
            usage.billed(),
            self.version.memory_mib,
            usage.memory_mib,
        );
        if let Some(init) = usage.init {
            line.push_str(&format!("Init Duration: {:.2} ms\t", Usage::millis(init)));
        }
        if let Some(failure) = failure {
            line.push_str(&format!("Status: {}", failure.status()));
            if failure.status() == "error" {
                line.push_str(&format!("\tError Type: {}", failure.error_type()));
            }
        }
        line + "\n"
    }

    fn json_report(&self, request_id: &str, usage: &Usage, failure: Option<&Failure>) -> String {
        let mut metrics = json!({
            "durationMs": Usage::millis(usage.duration), "billedDurationMs": usage.billed(),
            "memorySizeMB": self.version.memory_mib, "maxMemoryUsedMB": usage.memory_mib,
        });
        if let Some(init) = usage.init {
            metrics["initDurationMs"] = json!(Usage::millis(init));
        }
        let mut record = json!({"requestId": request_id, "metrics": metrics});
        record["status"] = json!(failure.map_or("success", Failure::status));
        if let Some(failure) = failure {
            record["errorType"] = json!(failure.error_type());
        }
        self.event("report", record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FunctionKey, Logging, Package};

    fn version(format: LogFormat) -> FunctionVersion {
        FunctionVersion {
            key: FunctionKey { scope: Default::default(), name: "f".into() },
            version: "$LATEST".into(),
            arn: "arn".into(),
            revision: "1".into(),
            runtime: "python3.11".into(),
            handler: "app.handler".into(),
            code: Package { sha256: "0".into(), zip: "0.zip".into() },
            layers: Vec::new(),
            environment: Default::default(),
            timeout_secs: 3,
            memory_mib: 128,
            ephemeral_mib: 512,
            logging: Logging { format, application_level: None, system_level: None, group: "/aws/lambda/f".into() },
            reserved_concurrency: None,
        }
    }

    const USAGE: Usage =
        Usage { duration: Duration::from_micros(3250), init: Some(Duration::from_micros(110_125)), memory_mib: 40 };

    #[test]
    fn text_lines_are_as_aws_writes_them() {
        let version = version(LogFormat::Text);
        let words = Words { version: &version, now: 1_700_000_000_000 };
        assert_eq!(words.start("id"), ["START RequestId: id Version: $LATEST\n"]);
        let end = words.end("id", &USAGE, None);
        assert_eq!(end[0], "END RequestId: id\n");
        let report = "REPORT RequestId: id\tDuration: 3.25 ms\tBilled Duration: 114 ms\tMemory Size: 128 MB\t\
                      Max Memory Used: 40 MB\tInit Duration: 110.13 ms\t\n";
        assert_eq!(end[1], report);
        let late = words.end("id", &USAGE, Some(&Failure::Timeout(Duration::from_secs(3))));
        assert_eq!(late[0], "2023-11-14T22:13:20.000Z id Task timed out after 3.00 seconds\n\n");
        assert!(late[2].ends_with("\tStatus: timeout\n"), "{}", late[2]);
    }

    #[test]
    fn json_lines_are_events_of_the_platform() {
        let version = version(LogFormat::Json);
        let words = Words { version: &version, now: 1_700_000_000_000 };
        let start: serde_json::Value = serde_json::from_str(&words.start("id")[0]).unwrap();
        assert_eq!(start["type"], "platform.start");
        assert_eq!(start["time"], "2023-11-14T22:13:20.000Z");
        let report: serde_json::Value = serde_json::from_str(&words.end("id", &USAGE, None)[0]).unwrap();
        assert_eq!(report["record"]["metrics"]["durationMs"], 3.25);
        assert_eq!(report["record"]["status"], "success");
    }

    #[test]
    fn failures_are_answered_in_aws_words() {
        let answer = |failure: Failure| String::from_utf8(failure.payload("id").to_vec()).unwrap();
        assert_eq!(
            answer(Failure::Timeout(Duration::from_secs(3))),
            r#"{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: id Error: Task timed out after 3.00 seconds"}"#
        );
        assert_eq!(
            answer(Failure::Exit(ExitStatus::from_raw(1 << 8))),
            r#"{"errorType":"Runtime.ExitError","errorMessage":"RequestId: id Error: Runtime exited with error: exit status 1"}"#
        );
        assert_eq!(
            answer(Failure::OutOfMemory),
            r#"{"errorType":"Runtime.ExitError","errorMessage":"RequestId: id Error: Runtime exited with error: signal: killed"}"#
        );
    }
}
