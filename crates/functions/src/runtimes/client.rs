//! AWS's runtime interface clients: installed once a host, with the package manager of their language.
//!
//! # Layout
//! ```text
//! CACHE/python-VERSION-ABI/                      awslambdaric and boto3 with what they need: a PYTHONPATH entry
//! CACHE/nodejs-VERSION-ABI/node_modules/…        aws-lambda-ric; entry.mjs starts it
//! CACHE/java-VERSION/*.jar                       the client and what it needs: a class path
//! ```
//! A folder appears whole, by a rename. Nothing else writes there, and removing one only costs the next installation.

#![allow(clippy::disallowed_methods, reason = "a driver of package managers, which write to the real file system")]

use super::host::Interpreter;
use super::{PrepareError, Runtime};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::process::Command;

/// Package managers wait long for a network that is not there.
const INSTALL_MAX: Duration = Duration::from_secs(300);
/// What a failed installation said, for the error: its last lines.
const SAID_LINES_MAX: usize = 5;

const NODE_ADDON: &str = include_str!("rapid-client.js");
const NODE_ENTRY: &str = include_str!("node-entry.mjs");
/// What to give to `node`.
pub(super) const NODE_ENTRY_NAME: &str = "entry.mjs";
/// The first Node.js that the client's newest line takes.
const NODE_RIC_4_SINCE: u32 = 22;

/// Makes the temporary folders of one process differ.
static ATTEMPTS: AtomicU64 = AtomicU64::new(0);

/// The client to install: its folder's name, the command (`DIR` stands for the folder), and what it is for people.
struct Recipe {
    folder: String,
    program: PathBuf,
    arguments: Vec<String>,
    label: String,
}

/// The client of an interpreter in `cache`, installed when it is not there.
pub(super) async fn client(cache: &Path, runtime: Runtime, host: &Interpreter) -> Result<PathBuf, PrepareError> {
    let recipe = match runtime {
        Runtime::Python { .. } => python(host),
        Runtime::Node { .. } => node(host),
        Runtime::Java { .. } => java(cache),
        Runtime::Provided => return Err(PrepareError::internal("a provided runtime brings its own client".into())),
    };
    let done = cache.join(&recipe.folder);
    let trouble = |what: &Path, error: io::Error| PrepareError::internal(format!("{}: {error}", what.display()));
    if done.is_dir() {
        // Somebody who installed it by hand ran npm only.
        if matches!(runtime, Runtime::Node { .. }) && !done.join(NODE_ENTRY_NAME).is_file() {
            finish_node(&done).map_err(|error| trouble(&done, error))?;
        }
        return Ok(done);
    }
    tracing::info!("installing the Lambda runtime client {} (once) into {}", recipe.label, done.display());
    let attempt = ATTEMPTS.fetch_add(1, Ordering::Relaxed);
    let fresh = cache.join(format!(".{}.{}.{attempt}.tmp", recipe.folder, std::process::id()));
    let _ = fs::remove_dir_all(&fresh);
    fs::create_dir_all(&fresh).map_err(|error| trouble(&fresh, error))?;
    if let Runtime::Java { .. } = runtime {
        let pom = cache.join(JAVA_POM_NAME);
        fs::write(&pom, JAVA_POM).map_err(|error| trouble(&pom, error))?;
    }
    if let Err(reason) = run(&recipe, &fresh).await {
        let _ = fs::remove_dir_all(&fresh);
        return Err(PrepareError::runtime(format!(
            "the Lambda runtime client {} could not be installed: {reason}. To do it by hand, run: {}",
            recipe.label,
            recipe.by_hand(&done),
        )));
    }
    if let Runtime::Node { .. } = runtime {
        finish_node(&fresh).map_err(|error| trouble(&fresh, error))?;
    }
    match fs::rename(&fresh, &done) {
        Ok(()) => Ok(done),
        // Another server was faster.
        Err(_) if done.is_dir() => {
            let _ = fs::remove_dir_all(&fresh);
            Ok(done)
        }
        Err(error) => Err(trouble(&done, error)),
    }
}

fn python(host: &Interpreter) -> Recipe {
    let minor: u32 = host.version.strip_prefix("3.").and_then(|minor| minor.parse().ok()).unwrap_or(0);
    // The last release that takes this Python.
    let release = match minor {
        10.. => "4.2.2",
        9 => "3.1.1",
        _ => "2.2.1",
    };
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--prefer-binary"];
    let mut arguments: Vec<String> = pip.iter().map(|&word| word.to_owned()).collect();
    // AWS's Python runtimes bring boto3 along.
    arguments.extend(["--target".into(), "DIR".into(), format!("awslambdaric=={release}"), "boto3".into()]);
    Recipe {
        folder: format!("python-{release}-{}", host.abi),
        program: host.program.clone(),
        arguments,
        label: format!("awslambdaric {release} with boto3"),
    }
}

fn node(host: &Interpreter) -> Recipe {
    let major: u32 = host.version.parse().unwrap_or(0);
    let release = if major >= NODE_RIC_4_SINCE { "4.0.2" } else { "3.3.0" };
    // Without scripts: they would build libcurl for an addon that rapid-client.js stands in for.
    let npm =
        ["install", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", "DIR"];
    let mut arguments: Vec<String> = npm.iter().map(|&word| word.to_owned()).collect();
    arguments.push(format!("aws-lambda-ric@{release}"));
    Recipe {
        folder: format!("nodejs-{release}-{}", host.abi),
        program: "npm".into(),
        arguments,
        label: format!("aws-lambda-ric {release}"),
    }
}

const JAVA_RELEASE: &str = "2.6.0";
const JAVA_POM: &str = include_str!("java-pom.xml");
const JAVA_POM_NAME: &str = "java-pom.xml";

fn java(cache: &Path) -> Recipe {
    let pom = cache.join(JAVA_POM_NAME).display().to_string();
    let maven = ["-q", "-B", "-f", &pom, "dependency:copy-dependencies", "-DoutputDirectory=DIR"];
    Recipe {
        folder: format!("java-{JAVA_RELEASE}"),
        program: "mvn".into(),
        arguments: maven.iter().map(|&word| word.to_owned()).collect(),
        label: format!("aws-lambda-java-runtime-interface-client {JAVA_RELEASE}"),
    }
}

impl Recipe {
    fn arguments(&self, dir: &Path) -> Vec<String> {
        self.arguments.iter().map(|word| word.replace("DIR", &dir.display().to_string())).collect()
    }

    fn by_hand(&self, done: &Path) -> String {
        format!("{} {}", self.program.display(), self.arguments(done).join(" "))
    }
}

async fn run(recipe: &Recipe, dir: &Path) -> Result<(), String> {
    let mut command = Command::new(&recipe.program);
    command.args(recipe.arguments(dir)).stdin(Stdio::null()).kill_on_drop(true);
    let output = match tokio::time::timeout(INSTALL_MAX, command.output()).await {
        Err(_) => return Err(format!("it was not done after {} seconds", INSTALL_MAX.as_secs())),
        Ok(Err(error)) => return Err(format!("{}: {error}", recipe.program.display())),
        Ok(Ok(output)) => output,
    };
    if output.status.success() {
        return Ok(());
    }
    let said =
        String::from_utf8_lossy(if output.stderr.is_empty() { &output.stdout } else { &output.stderr }).into_owned();
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    Err(lines[lines.len().saturating_sub(SAID_LINES_MAX)..].join(" / "))
}

/// `require("./rapid-client.node")` finds a folder of that name as well as a file: its `index.js`.
fn finish_node(dir: &Path) -> io::Result<()> {
    let client = dir.join("node_modules/aws-lambda-ric");
    let beside = if client.join("dist").is_dir() { client.join("dist") } else { client };
    let addon = beside.join("rapid-client.node");
    fs::create_dir_all(&addon)?;
    // The client's package says that .js files are ES modules.
    fs::write(addon.join("package.json"), "{\"type\":\"commonjs\",\"main\":\"index.js\"}\n")?;
    fs::write(addon.join("index.js"), NODE_ADDON)?;
    fs::write(dir.join(NODE_ENTRY_NAME), NODE_ENTRY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_cannot_be_installed_says_how_to_do_it_by_hand() {
        let cache = tempfile::tempdir().unwrap();
        let program = PathBuf::from("/bin/false");
        let host = Interpreter { program, version: "3.11".into(), abi: "cpython-311".into(), notice: None };
        let error = client(cache.path(), Runtime::Python { minor: 11 }, &host).await.unwrap_err();
        assert_eq!(error.code, "InvalidRuntime");
        let done = cache.path().join("python-4.2.2-cpython-311");
        let by_hand = format!(
            "run: /bin/false -m pip install --quiet --disable-pip-version-check --no-input \
             --prefer-binary --target {} awslambdaric==4.2.2 boto3",
            done.display()
        );
        assert!(error.message.ends_with(&by_hand), "{}", error.message);
        assert!(fs::read_dir(cache.path()).unwrap().next().is_none(), "nothing half-done stays");
        // Whoever did it by hand is believed.
        fs::create_dir(&done).unwrap();
        assert_eq!(client(cache.path(), Runtime::Python { minor: 11 }, &host).await, Ok(done));
    }
}
