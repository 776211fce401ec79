//! A runner over functions that a test writes down, with the real Runtime API in between.

use bytes::Bytes;
use millrace_api::runtime::RuntimeApi;
use millrace_base::{Dice, Scope, SystemClock, SystemDice};
use millrace_functions::{
    EventConfig, FunctionKey, FunctionResponse, FunctionSource, FunctionVersion, Invocation, Invoke, InvokeError,
    LogFormat, LogLine, LogSink, Logging, Package, Prepare, Runner, RunnerParts,
};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// The functions of a test.
#[derive(Default)]
pub struct Source {
    pub functions: Mutex<HashMap<String, Arc<FunctionVersion>>>,
}

impl FunctionSource for Source {
    fn resolve(&self, function: &FunctionKey, _: Option<&str>) -> Result<Arc<FunctionVersion>, InvokeError> {
        let found = self.functions.lock().unwrap().get(&*function.name).cloned();
        found.ok_or_else(|| InvokeError::NotFound(function.arn().to_string()))
    }

    fn event_config(&self, _: &FunctionKey, _: Option<&str>) -> EventConfig {
        EventConfig::default()
    }
}

/// All that was logged: stream and message.
#[derive(Default)]
pub struct Sink {
    lines: Mutex<Vec<(String, String)>>,
}

impl LogSink for Sink {
    fn put(&self, _: &FunctionKey, _: &str, stream: &str, lines: Vec<LogLine>) {
        self.lines.lock().unwrap().extend(lines.into_iter().map(|line| (stream.to_owned(), line.message)));
    }
}

pub struct World {
    pub dir: TempDir,
    pub source: Arc<Source>,
    pub sink: Arc<Sink>,
    pub runner: Runner,
}

/// A zip of files; those called `bootstrap` and those in `bin/` are executable.
pub fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        let executable = *name == "bootstrap" || name.starts_with("bin/");
        let options = SimpleFileOptions::default().unix_permissions(if executable { 0o755 } else { 0o644 });
        writer.start_file(*name, options).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

impl World {
    pub fn new() -> Self {
        Self::within(tempfile::tempdir().unwrap())
    }

    /// Over a folder that outlives it.
    pub fn at(dir: &Path) -> Self {
        let mut dir = tempfile::Builder::new().prefix("world").tempdir_in(dir).map(|own| (own, dir)).unwrap();
        dir.0.disable_cleanup(true);
        Self::over(dir.0, dir.1.join("functions"))
    }

    pub fn within(dir: TempDir) -> Self {
        let functions = dir.path().join("functions");
        Self::over(dir, functions)
    }

    fn over(dir: TempDir, functions: PathBuf) -> Self {
        let (source, sink) = (Arc::new(Source::default()), Arc::new(Sink::default()));
        let runner = Runner::open(RunnerParts {
            credentials: Arc::new(millrace_functions::NoCredentials),
            source: source.clone(),
            host: Arc::new(RuntimeApi),
            logs: sink.clone(),
            clock: Arc::new(SystemClock),
            dice: Arc::new(SystemDice),
            dir: functions,
            // Kept between runs: installing takes a network and seconds.
            cache: Path::new(env!("CARGO_TARGET_TMPDIR")).join("runtimes"),
            endpoint: "http://127.0.0.1:4566".into(),
        });
        Self { dir, source, sink, runner: runner.unwrap() }
    }

    pub fn package(&self, files: &[(&str, &str)]) -> Package {
        let files: Vec<(&str, &[u8])> = files.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
        self.package_of(&files)
    }

    pub fn package_of(&self, files: &[(&str, &[u8])]) -> Package {
        let zip = zipped(files);
        let sha256: String = Sha256::digest(&zip).iter().map(|byte| format!("{byte:02x}")).collect();
        let path = self.dir.path().join(format!("{sha256}.zip"));
        fs::write(&path, zip).unwrap();
        Package { sha256: sha256.into(), zip: path }
    }

    /// A version with AWS's defaults.
    pub fn version(&self, name: &str, runtime: &str, files: &[(&str, &str)]) -> FunctionVersion {
        let key = FunctionKey { scope: Scope::default(), name: name.into() };
        FunctionVersion {
            arn: key.arn().to_string().into(),
            key,
            version: "$LATEST".into(),
            revision: SystemDice.uuid().into(),
            runtime: runtime.into(),
            handler: "app.handler".into(),
            code: self.package(files),
            layers: Vec::new(),
            environment: Default::default(),
            timeout_secs: 10,
            memory_mib: 256,
            ephemeral_mib: 512,
            logging: Logging {
                format: LogFormat::Text,
                application_level: None,
                system_level: None,
                group: format!("/aws/lambda/{name}").into(),
            },
            reserved_concurrency: None,
        }
    }

    pub fn put(&self, version: FunctionVersion) {
        self.source.functions.lock().unwrap().insert(version.key.name.to_string(), Arc::new(version));
    }

    /// A Python function of one file.
    pub fn python(&self, name: &str, code: &str) {
        self.put(self.version(name, "python3.11", &[("app.py", code)]));
    }

    pub async fn runner_prepare(&self, name: &str) {
        let version = self.source.functions.lock().unwrap()[name].clone();
        self.runner.prepare(version).await.unwrap();
    }

    pub async fn try_invoke(&self, name: &str, event: &str) -> Result<FunctionResponse, InvokeError> {
        let function = FunctionKey { scope: Scope::default(), name: name.into() };
        let invocation = Invocation {
            function,
            qualifier: None,
            request_id: SystemDice.uuid().into(),
            payload: Bytes::copy_from_slice(event.as_bytes()),
            client_context: None,
        };
        self.runner.invoke(invocation).await
    }

    /// Invokes and gives what was answered, failed or not.
    pub async fn invoke(&self, name: &str, event: &str) -> (bool, serde_json::Value) {
        let response = self.try_invoke(name, event).await.unwrap();
        (response.failed, serde_json::from_slice(&response.payload).unwrap())
    }

    /// Waits until a message that contains `part` was logged and gives all messages.
    pub async fn logged(&self, part: &str) -> Vec<String> {
        self.logged_within(part, Duration::from_secs(2)).await
    }

    pub async fn logged_within(&self, part: &str, limit: Duration) -> Vec<String> {
        for _ in 0..limit.as_millis() / 10 {
            let lines: Vec<String> = self.sink.lines.lock().unwrap().iter().map(|(_, line)| line.clone()).collect();
            if lines.iter().any(|line| line.contains(part)) {
                return lines;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{part:?} was not logged in {:#?}", self.sink.lines.lock().unwrap());
    }
}
