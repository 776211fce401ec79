//! From a version of a function to a command line and an environment.

use super::client::{NODE_ENTRY_NAME, client};
use super::host::{Host, Interpreter};
use super::{PrepareError, Runtime};
use crate::package::{self, Sweeper, Unpacked};
use crate::sandbox::User;
use crate::{FunctionSource, FunctionVersion, LogFormat};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::process::Command;
use tokio::sync::Mutex;

/// Stands for the folder of a process's own temporary files, in arguments.
pub(crate) const TMP_PLACE: &str = "{TMP}";

/// What is not compiled by then is compiled at every start.
const COMPILE_MAX: Duration = Duration::from_secs(60);

/// `site` is left out: what is installed on this host is not what AWS has, and scanning it costs a third of a cold start.
/// Its builtins (`exit`, `quit`) stay.
const PYTHON_START: &str = "import os, site, sys\n\
    site.setquit(); site.setcopyright(); site.sethelper()\n\
    sys.path[0] = os.environ['LAMBDA_TASK_ROOT']\n\
    from awslambdaric.__main__ import main\n\
    main(['awslambdaric', os.environ['_HANDLER']])";

/// How a version of a function is started. The same for all of its processes.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    /// What is run, or what AWS says when there is nothing to run.
    pub(crate) program: Result<PathBuf, String>,
    /// Its arguments; [`TMP_PLACE`] is replaced.
    pub(crate) arguments: Vec<String>,
    /// All of its environment but what differs between processes.
    pub(crate) environment: BTreeMap<String, String>,
    /// Where it starts: the task root.
    pub(crate) folder: PathBuf,
    /// For example `python:3.11`.
    pub(crate) runtime: String,
    /// True when the client frames its log messages on a descriptor of its own.
    pub(crate) framed: bool,
    /// What the function's owner should know, written to its log at every start.
    pub(crate) notice: Option<String>,
    /// Whom it runs as; `None` is the server's own user.
    pub(crate) user: Option<User>,
}

/// Makes [`Launch`]es: unpacks, finds interpreters, installs clients.
pub(crate) struct Preparer {
    source: Arc<dyn FunctionSource>,
    dir: PathBuf,
    cache: PathBuf,
    endpoint: String,
    host: Host,
    user: Option<User>,
    sweeper: Sweeper,
    /// One installation and one unpacking at a time.
    turn: Mutex<()>,
}

impl Preparer {
    /// Unpacks what `source` keeps below `dir`, installs below `cache`; functions find this server at `endpoint`.
    pub fn new(source: Arc<dyn FunctionSource>, dir: PathBuf, cache: PathBuf, endpoint: String) -> Self {
        Self {
            source,
            dir,
            cache,
            endpoint,
            host: Host::default(),
            user: User::own(),
            sweeper: Sweeper::default(),
            turn: Mutex::default(),
        }
    }

    /// Removes unpacked packages that no function has any more. Blocking.
    pub fn sweep(&self) {
        if let Err(error) = self.sweeper.sweep(&self.dir) {
            tracing::warn!("{}: packages that are not needed any more stay: {error}", self.dir.display());
        }
    }

    /// Makes ready whatever the version needs. Takes long the first time.
    pub async fn prepare(&self, version: &Arc<FunctionVersion>) -> Result<Launch, PrepareError> {
        let runtime = Runtime::parse(&version.runtime).map_err(|error| PrepareError::runtime(error.to_string()))?;
        let turn = self.turn.lock().await;
        let (dir, source, of) = (self.dir.clone(), self.source.clone(), version.clone());
        let unpack = move || package::unpack(&dir, &|package| source.content(package), &of.code, &of.layers);
        let unpacking = tokio::task::spawn_blocking(unpack);
        let unpacked = unpacking.await.map_err(|error| PrepareError::internal(error.to_string()))??;
        let mut launch = Launch {
            program: Ok(PathBuf::new()),
            arguments: Vec::new(),
            environment: self.environment(version, &unpacked),
            folder: unpacked.code.clone(),
            runtime: version.runtime.to_string(),
            framed: false,
            notice: None,
            user: None,
        };
        match runtime {
            Runtime::Provided => provided(&mut launch, &unpacked),
            _ => self.managed(runtime, version, &unpacked, &mut launch).await?,
        }
        drop(turn);
        if let (Runtime::Python { .. }, Ok(python)) = (runtime, &launch.program) {
            compile(python, &unpacked).await;
        }
        let places = [Some(&unpacked.code), unpacked.layers.as_ref(), launch.program.as_ref().ok(), Some(&self.dir)];
        let client = launch.environment.get("LAMBDA_RUNTIME_DIR").map(PathBuf::from);
        let places: Vec<&Path> = places.into_iter().flatten().chain(client.as_ref()).map(PathBuf::as_path).collect();
        launch.user = self.user.filter(|user| user.reaches(&places));
        Ok(launch)
    }

    async fn managed(
        &self,
        runtime: Runtime,
        version: &FunctionVersion,
        unpacked: &Unpacked,
        launch: &mut Launch,
    ) -> Result<(), PrepareError> {
        let host = self.host.interpreter(&version.runtime, runtime).await?;
        let client = client(&self.cache, runtime, &host).await?;
        launch.environment.insert("LAMBDA_RUNTIME_DIR".into(), text(&client));
        launch.program = Ok(host.program.clone());
        launch.notice = host.notice.clone();
        match runtime {
            Runtime::Python { .. } => python(launch, &host, &client, unpacked),
            Runtime::Node { .. } => node(launch, &host, &client, unpacked, version.memory_mib),
            Runtime::Java { .. } => java(launch, &host, &client, unpacked, version.memory_mib),
            Runtime::Provided => {}
        }
        Ok(())
    }

    fn environment(&self, version: &FunctionVersion, unpacked: &Unpacked) -> BTreeMap<String, String> {
        let scope = &version.key.scope;
        let lib = |dir: &Path| text(&dir.join("lib"));
        let mut libraries = vec![text(&unpacked.code), lib(&unpacked.code)];
        let mut path = std::env::var("PATH").unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".into());
        if let Some(layers) = &unpacked.layers {
            libraries.push(lib(layers));
            path = format!("{path}:{}", text(&layers.join("bin")));
        }
        let mut all = BTreeMap::from([
            ("PATH".to_owned(), path),
            ("LD_LIBRARY_PATH".to_owned(), libraries.join(":")),
            ("LANG".to_owned(), "en_US.UTF-8".to_owned()),
            ("TZ".to_owned(), ":UTC".to_owned()),
            ("AWS_ENDPOINT_URL".to_owned(), self.endpoint.clone()),
            ("AWS_XRAY_CONTEXT_MISSING".to_owned(), "LOG_ERROR".to_owned()),
        ]);
        all.extend(version.environment.clone());
        let mut set = |name: &str, value: &str| all.insert(name.to_owned(), value.to_owned());
        set("LAMBDA_TASK_ROOT", &text(&unpacked.code));
        set("LAMBDA_RUNTIME_DIR", &text(unpacked.layers.as_ref().unwrap_or(&unpacked.code)));
        set("_HANDLER", &version.handler);
        set("AWS_EXECUTION_ENV", &format!("AWS_Lambda_{}", version.runtime));
        set("AWS_LAMBDA_FUNCTION_NAME", &version.key.name);
        set("AWS_LAMBDA_FUNCTION_VERSION", &version.version);
        set("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", &version.memory_mib.to_string());
        set("AWS_LAMBDA_LOG_GROUP_NAME", &version.logging.group);
        set("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand");
        set("AWS_REGION", &scope.region);
        set("AWS_DEFAULT_REGION", &scope.region);
        // A twelve-digit key id selects the account.
        set("AWS_ACCESS_KEY_ID", &scope.account);
        set("AWS_SECRET_ACCESS_KEY", "millrace");
        set("AWS_SESSION_TOKEN", "millrace");
        if version.logging.format == LogFormat::Json {
            set("AWS_LAMBDA_LOG_FORMAT", "JSON");
            if let Some(level) = &version.logging.application_level {
                set("AWS_LAMBDA_LOG_LEVEL", level);
            }
        }
        all
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// Puts places behind what the function's own environment names.
fn search(launch: &mut Launch, variable: &str, places: &[PathBuf]) {
    let own = launch.environment.get(variable).cloned().into_iter();
    let all: Vec<String> = own.chain(places.iter().map(|place| text(place))).collect();
    launch.environment.insert(variable.to_owned(), all.join(":"));
}

fn python(launch: &mut Launch, host: &Interpreter, client: &Path, unpacked: &Unpacked) {
    let mut places = Vec::new();
    if let Some(layers) = &unpacked.layers {
        places.push(layers.join(format!("python/lib/python{}/site-packages", host.version)));
        places.push(layers.join("python"));
    }
    places.push(client.to_owned());
    search(launch, "PYTHONPATH", &places);
    launch.arguments = vec!["-S".into(), "-c".into(), PYTHON_START.into()];
    launch.runtime = format!("python:{}", host.version);
    launch.framed = true;
}

fn node(launch: &mut Launch, host: &Interpreter, client: &Path, unpacked: &Unpacked, memory_mib: u32) {
    let mut places = Vec::new();
    if let Some(layers) = &unpacked.layers {
        places.push(layers.join(format!("nodejs/node{}/node_modules", host.version)));
        places.push(layers.join("nodejs/node_modules"));
    }
    places.extend([client.join("node_modules"), unpacked.code.clone()]);
    search(launch, "NODE_PATH", &places);
    // AWS leaves a tenth of the memory to what is not JavaScript.
    launch.arguments = vec![format!("--max-old-space-size={}", memory_mib - memory_mib / 10)];
    let own = unpacked.code.join("node_modules/aws-lambda-ric");
    if own.join("bin/index.mjs").is_file() {
        launch.arguments.push(text(&own.join("bin/index.mjs")));
        launch.arguments.extend(launch.environment.get("_HANDLER").cloned());
    } else if own.join("index.mjs").is_file() {
        launch.arguments.push(text(&own.join("index.mjs")));
    } else {
        launch.arguments.push(text(&client.join(NODE_ENTRY_NAME)));
    }
    launch.runtime = format!("nodejs:{}", host.version);
    launch.framed = true;
}

fn java(launch: &mut Launch, host: &Interpreter, client: &Path, unpacked: &Unpacked, memory_mib: u32) {
    let mut places = vec![unpacked.code.clone(), unpacked.code.join("lib/*")];
    if let Some(layers) = &unpacked.layers {
        places.push(layers.join("java/lib/*"));
    }
    places.push(client.join("*"));
    let class_path: Vec<String> = places.iter().map(|place| text(place)).collect();
    launch.arguments = vec![
        // AWS's own: an eighth of the memory and at least 48 MB stay for what is not the heap.
        format!("-Xmx{}m", memory_mib - (memory_mib / 8).max(48)),
        "-XX:+UseSerialGC".into(),
        "-XX:TieredStopAtLevel=1".into(),
        format!("-Djava.io.tmpdir={TMP_PLACE}"),
        "-cp".into(),
        class_path.join(":"),
        "com.amazonaws.services.lambda.runtime.api.client.AWSLambda".into(),
    ];
    launch.arguments.extend(launch.environment.get("_HANDLER").cloned());
    launch.runtime = format!("java:{}", host.version);
    launch.framed = true;
}

fn provided(launch: &mut Launch, unpacked: &Unpacked) {
    let places = std::iter::once(&unpacked.code).chain(&unpacked.layers);
    let bootstrap = places.map(|place| place.join("bootstrap")).find(|bootstrap| bootstrap.is_file());
    launch.program =
        bootstrap.ok_or_else(|| "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]".to_owned());
}

/// Bytecode beside the sources saves its making at every cold start: the folders are read-only to functions. Sources that do
/// not compile are the function's own affair, told when it is started.
async fn compile(python: &Path, unpacked: &Unpacked) {
    let mut command = Command::new(python);
    command.args(["-S", "-m", "compileall", "-q", "-q"]).arg(&unpacked.code).args(&unpacked.layers);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let _ = tokio::time::timeout(COMPILE_MAX, command.status()).await;
    if User::own().is_none() {
        let sealed = std::iter::once(&unpacked.code).chain(&unpacked.layers).try_for_each(|dir| package::seal(dir));
        if let Err(error) = sealed {
            tracing::warn!("{}: the folder stays writable: {error}", unpacked.code.display());
        }
    }
}
