//! The interpreters of this host. Each is asked once for its own path: what is on PATH may be a script that chooses one
//! (pyenv's shims cost a tenth of a second at every start).

use super::{PrepareError, Runtime};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::process::Command;

/// An interpreter that does not tell its version within this time is none.
const PROBE_MAX: Duration = Duration::from_secs(20);

/// What runs a function's code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Interpreter {
    /// The executable itself.
    pub program: PathBuf,
    /// For example `3.11` or `20`.
    pub version: String,
    /// What native modules must be built for: `cpython-311`, `node-115`.
    pub abi: String,
    /// What to tell the owner of the function when it is not the version that the runtime names.
    pub notice: Option<String>,
}

/// Finds interpreters and remembers them. `Provided` has none.
#[derive(Default)]
pub(super) struct Host {
    found: Mutex<HashMap<Runtime, Arc<Interpreter>>>,
}

const PYTHON_PROBE: &str = "import sys\nprint(sys.executable)\nprint('%d.%d' % sys.version_info[:2])\n\
                            print(sys.implementation.cache_tag)";
const NODE_PROBE: &str =
    "[process.execPath, process.versions.node.split('.')[0], 'node-' + process.versions.modules].join('\\n')";

impl Host {
    /// The interpreter that the runtime names if it is on PATH, otherwise the host's own.
    pub async fn interpreter(&self, name: &str, runtime: Runtime) -> Result<Arc<Interpreter>, PrepareError> {
        if let Some(found) = self.found.lock().get(&runtime) {
            return Ok(found.clone());
        }
        let (wanted, candidates, arguments) = match runtime {
            Runtime::Python { minor } => {
                let wanted = format!("3.{minor}");
                (wanted.clone(), vec![format!("python{wanted}"), "python3".into()], vec!["-c", PYTHON_PROBE])
            }
            Runtime::Node { major } => {
                let wanted = major.to_string();
                (wanted.clone(), vec![format!("node{wanted}"), "node".into()], vec!["-p", NODE_PROBE])
            }
            Runtime::Java { major } => (major.to_string(), vec!["java".into()], vec![]),
            Runtime::Provided => return Err(PrepareError::internal("a provided runtime has no interpreter".into())),
        };
        for candidate in &candidates {
            let asked = match runtime {
                Runtime::Java { .. } => java().await,
                _ => ask(candidate, &arguments).await,
            };
            let Some(mut interpreter) = asked else { continue };
            if interpreter.version != wanted {
                interpreter.notice = Some(format!(
                    "Millrace runs {name} with {} {}: {} is not on the server's PATH",
                    candidates[candidates.len() - 1],
                    interpreter.version,
                    candidates[0],
                ));
            }
            let interpreter = Arc::new(interpreter);
            self.found.lock().insert(runtime, interpreter.clone());
            return Ok(interpreter);
        }
        Err(PrepareError::runtime(format!(
            "runtime {name} needs {} on the server's PATH, and none is there: install it and update the function",
            candidates.join(" or ")
        )))
    }
}

async fn ask(program: &str, arguments: &[&str]) -> Option<Interpreter> {
    let answer = output(program, arguments).await?;
    let mut lines = answer.lines();
    let (program, version, abi) = (lines.next()?, lines.next()?, lines.next()?);
    Some(Interpreter { program: program.into(), version: version.into(), abi: abi.into(), notice: None })
}

/// Java tells its properties on stderr, indented.
async fn java() -> Option<Interpreter> {
    let answer = output("java", &["-XshowSettings:properties", "-version"]).await?;
    let property = |name: &str| {
        let line = answer.lines().find_map(|line| line.trim().strip_prefix(name))?;
        Some(line.trim_start().strip_prefix('=')?.trim().to_owned())
    };
    let version = property("java.specification.version")?;
    let version = version.strip_prefix("1.").unwrap_or(&version).to_owned();
    let program = PathBuf::from(property("java.home")?).join("bin/java");
    Some(Interpreter { program, abi: "jvm".into(), version, notice: None })
}

async fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(PROBE_MAX, command.output()).await.ok()?.ok()?;
    let said = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    output.status.success().then(|| String::from_utf8_lossy(&said).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_hosts_python_stands_in_with_a_notice() {
        let host = Host::default();
        let runtime = Runtime::Python { minor: 99 };
        let found = match host.interpreter("python3.99", runtime).await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!("skipped: {error}");
                return;
            }
        };
        assert!(found.program.is_absolute() && found.version.starts_with("3."), "{found:?}");
        let notice = found.notice.as_deref().unwrap();
        assert!(notice.ends_with("python3.99 is not on the server's PATH"), "{notice}");
    }
}
