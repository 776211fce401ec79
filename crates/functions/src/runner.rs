//! Runs functions: finds the version, admits the execution, takes a warm process or starts one.
//!
//! # Initialisation, as on AWS
//! A process has [`INIT_MAX`] to ask for work. When it fails or is late, a second one gets the function's own timeout, as
//! part of the invocation; what happens to that one is the answer.

use crate::pool::{Admission, Execution, Pool, is_memory_short, no_room};
use crate::runtimes::{Launch, PrepareError, Preparer, Runtime};
use crate::sandbox::{Ended, Failure, Floor, Groups, LogSink, RuntimeHost, Sandbox, Work, leftovers, log_stream};
use crate::{
    Credentials, FunctionKey, FunctionResponse, FunctionSource, FunctionVersion, Invocation, Invoke, InvokeError,
    Prepare, Unprepared,
};
use async_trait::async_trait;
use millrace_base::{Clock, Dice};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OnceCell, Semaphore, oneshot, watch};
use tokio::task::JoinHandle;

/// How long a process may take until it asks for work.
const INIT_MAX: Duration = Duration::from_secs(10);
/// The largest event of a synchronous invocation.
pub const EVENT_BYTES_MAX: usize = 6 * 1024 * 1024;
/// Idle processes are looked at this often.
const REAP_EVERY: Duration = Duration::from_secs(5);
/// Unpacked packages that are not needed any more are looked for every so many times: once an hour.
const SWEEP_ROUNDS: u64 = 720;
/// At shutdown, running functions get so long to answer.
const DRAIN_MAX: Duration = Duration::from_secs(10);
/// More processes than this do not initialise at once, per core: each would only be slower.
const STARTS_PER_CORE: usize = 2;
/// What takes longer to initialise than this does not count any more.
const TURN_MAX: Duration = Duration::from_secs(1);

/// What a [`Runner`] is made of.
pub struct RunnerParts {
    /// Where functions come from.
    pub source: Arc<dyn FunctionSource>,
    /// Opens the Runtime API.
    pub host: Arc<dyn RuntimeHost>,
    /// Where logs go.
    pub logs: Arc<dyn LogSink>,
    /// What processes call other services with.
    pub credentials: Arc<dyn Credentials>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Names of log streams and traces.
    pub dice: Arc<dyn Dice>,
    /// Packages are unpacked here, processes have their temporary files here. One server's alone.
    pub dir: PathBuf,
    /// Runtime clients are installed here. Shared by servers.
    pub cache: PathBuf,
    /// `AWS_ENDPOINT_URL` of functions.
    pub endpoint: String,
}

/// Runs functions as processes of this machine. Cheap to clone.
#[derive(Clone)]
pub struct Runner {
    shared: Arc<Shared>,
}

struct Shared {
    source: Arc<dyn FunctionSource>,
    floor: Arc<Floor>,
    preparer: Preparer,
    launches: Mutex<HashMap<(FunctionKey, Arc<str>), Prepared>>,
    admission: Arc<Admission>,
    pool: Pool,
    starts: Arc<Semaphore>,
    /// Becomes true at shutdown; those who hold a receiver are running.
    stop: watch::Sender<bool>,
}

#[derive(Clone)]
struct Prepared {
    revision: Arc<str>,
    launch: Arc<OnceCell<Arc<Launch>>>,
}

impl Runner {
    /// A runner over `parts`. Kills what an earlier server left running in the same folder. Needs a tokio runtime.
    pub fn open(parts: RunnerParts) -> io::Result<Self> {
        let (tmp, run) = (parts.dir.join("tmp"), parts.dir.join("run"));
        leftovers(&run, &tmp)?;
        let floor = Floor {
            host: parts.host,
            sink: parts.logs,
            credentials: parts.credentials,
            clock: parts.clock,
            dice: parts.dice,
            groups: Groups::default(),
            tmp,
            run,
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let shared = Arc::new(Shared {
            source: parts.source.clone(),
            floor: Arc::new(floor),
            preparer: Preparer::new(parts.source, parts.dir, parts.cache, parts.endpoint),
            launches: Mutex::default(),
            admission: Arc::default(),
            pool: Pool::default(),
            starts: Arc::new(Semaphore::new(cores * STARTS_PER_CORE)),
            stop: watch::channel(false).0,
        });
        let weak = Arc::downgrade(&shared);
        tokio::spawn(async move {
            let mut every = tokio::time::interval(REAP_EVERY);
            for round in 0_u64.. {
                every.tick().await;
                let Some(shared) = weak.upgrade() else { break };
                shared.pool.reap();
                if round.is_multiple_of(SWEEP_ROUNDS) {
                    let _ = tokio::task::spawn_blocking(move || shared.preparer.sweep()).await;
                }
            }
        });
        Ok(Self { shared })
    }

    /// Takes no more invocations, waits for those that run, and ends all processes.
    pub async fn shut_down(&self) {
        self.shared.stop.send_replace(true);
        // Late ones are killed with their processes' sockets.
        let _ = tokio::time::timeout(DRAIN_MAX, self.shared.stop.closed()).await;
        self.shared.pool.clear();
    }
}

#[async_trait]
impl Prepare for Runner {
    async fn prepare(&self, version: Arc<FunctionVersion>) -> Result<(), Unprepared> {
        let ready = self.shared.launch(&version).await;
        ready.map(|_| ()).map_err(|error| Unprepared { code: error.code.to_owned(), message: error.message })
    }

    fn check_runtime(&self, runtime: &str) -> Result<(), String> {
        Runtime::parse(runtime).map(|_| ()).map_err(|error| error.to_string())
    }

    /// Processes that are busy end after their answer.
    fn retire(&self, function: &FunctionKey) {
        self.shared.launches.lock().retain(|(key, _), _| key != function);
        self.shared.pool.retire(function);
    }
}

#[async_trait]
impl Invoke for Runner {
    async fn invoke(&self, invocation: Invocation) -> Result<FunctionResponse, InvokeError> {
        let shared = &self.shared;
        let version = shared.source.resolve(&invocation.function, invocation.qualifier.as_deref())?;
        let bytes = invocation.payload.len();
        if bytes > EVENT_BYTES_MAX {
            return Err(InvokeError::TooLarge { bytes, kind: "RequestResponse", bytes_max: EVENT_BYTES_MAX });
        }
        let running = shared.stop.subscribe();
        if *running.borrow() {
            return Err(InvokeError::NotReady("the server is shutting down".to_owned()));
        }
        let execution = shared.admission.enter(&version)?;
        let (answer, answered) = oneshot::channel();
        let shared = shared.clone();
        // A task of its own: the function runs to its end even when the caller gives up.
        tokio::spawn(async move {
            let ended = shared.run(&version, &invocation, execution).await;
            // Nobody waits for it any more.
            let _ = answer.send(ended.map(|ended| FunctionResponse {
                executed_version: version.version.clone(),
                failed: ended.failed,
                payload: ended.payload,
                log_tail: ended.tail,
            }));
            drop(running);
        });
        answered
            .await
            .unwrap_or_else(|_| Err(InvokeError::Failed("the execution was lost; see the server's log".to_owned())))
    }
}

impl Shared {
    async fn run(
        &self,
        version: &Arc<FunctionVersion>,
        invocation: &Invocation,
        execution: Execution,
    ) -> Result<Ended, InvokeError> {
        let limit = Duration::from_secs(version.timeout_secs.into());
        while let Some(mut sandbox) = self.pool.take(version) {
            if let Ok(ended) = sandbox.invoke(self.work(version, invocation, limit), limit, None).await {
                self.settle(sandbox, ended.reusable, execution);
                return Ok(ended);
            }
        }
        let launch = self.launch(version).await.map_err(|error| InvokeError::NotReady(error.message))?;
        let stream = log_stream(&self.floor, version);
        let program = match &launch.program {
            Ok(program) => program.clone(),
            Err(reason) => {
                let failure = Failure::Entrypoint(reason.clone());
                return Ok(self.stillborn(version, &stream, invocation, (Duration::ZERO, &failure)));
            }
        };
        // Twice: a process that ends between its first poll and its first work is the function's doing, not a failed start.
        let mut started = 0;
        while started < 2 {
            let (mut sandbox, init) = match self.ready(version, &launch, &program, &stream).await? {
                Ok(ready) => ready,
                Err(failed) => return Ok(self.stillborn(version, &stream, invocation, (failed.0, &failed.1))),
            };
            started += u32::from(init.is_some());
            if let Ok(ended) = sandbox.invoke(self.work(version, invocation, limit), limit, init).await {
                self.settle(sandbox, ended.reusable, execution);
                return Ok(ended);
            }
        }
        let failure = Failure::Exit(Default::default());
        Ok(self.stillborn(version, &stream, invocation, (Duration::ZERO, &failure)))
    }

    /// A process that waits for work: a new one, with how long its initialisation took, or one that another invocation was
    /// done with before the turn to start one came. Otherwise how long the initialisation took until it failed, and how.
    async fn ready(
        &self,
        version: &Arc<FunctionVersion>,
        launch: &Launch,
        program: &Path,
        stream: &str,
    ) -> Result<Result<(Sandbox, Option<Duration>), (Duration, Failure)>, InvokeError> {
        if is_memory_short() {
            self.pool.reap();
            return Err(no_room());
        }
        let timeout = Duration::from_secs(version.timeout_secs.into());
        let mut failed = None;
        for (phase, limit) in [("init", INIT_MAX), ("invoke", timeout)] {
            let turn = tokio::select! {
                biased;
                sandbox = self.pool.warm(version) => return Ok(Ok((sandbox, None))),
                turn = self.turn() => turn,
            };
            let began = tokio::time::Instant::now();
            let sandbox = Sandbox::start(&self.floor, version, launch, program, stream.to_owned()).await;
            let mut sandbox = sandbox.map_err(|error| {
                InvokeError::Failed(format!("the process of {} did not start: {error}", version.label()))
            })?;
            let initialised = sandbox.init(limit, phase).await;
            turn.abort();
            match initialised {
                Ok(init) => return Ok(Ok((sandbox, Some(init)))),
                Err(failure) => failed = Some((began.elapsed(), failure)),
            }
        }
        Ok(Err(failed.unwrap_or((Duration::ZERO, Failure::Timeout(timeout)))))
    }

    /// Waits for a turn to start a process. It ends when the task is aborted, and after a moment by itself: functions that
    /// hang in their initialisation must not keep others from theirs.
    async fn turn(&self) -> JoinHandle<()> {
        let turn = self.starts.clone().acquire_owned().await;
        tokio::spawn(async move {
            tokio::time::sleep(TURN_MAX).await;
            drop(turn);
        })
    }

    /// The place is free before the answer goes out: who asks again at once finds the warm process.
    fn settle(&self, sandbox: Sandbox, reusable: bool, execution: Execution) {
        if reusable && !*self.stop.borrow() {
            self.pool.give_back(sandbox);
        }
        drop(execution);
    }

    fn stillborn(
        &self,
        version: &FunctionVersion,
        stream: &str,
        invocation: &Invocation,
        failed: (Duration, &Failure),
    ) -> Ended {
        Sandbox::stillborn(&self.floor, version, stream, &invocation.request_id, failed)
    }

    fn work(&self, version: &FunctionVersion, invocation: &Invocation, limit: Duration) -> Work {
        let (dice, now) = (&self.floor.dice, self.floor.clock.now());
        // The request id is the trace, so that whoever finds one in a function's words finds the other.
        let hex: String = invocation.request_id.chars().filter(char::is_ascii_hexdigit).collect();
        let (time, unique) = hex.split_at_checked(8).filter(|_| hex.len() == 32).unwrap_or(("00000000", ""));
        let trace_id = format!("Root=1-{time}-{unique:0>24};Parent={:016x};Sampled=0", dice.roll());
        Work {
            request_id: invocation.request_id.clone(),
            deadline: now + limit.as_millis() as i64,
            arn: version.arn.clone(),
            trace_id,
            client_context: invocation.client_context.clone(),
            payload: invocation.payload.clone(),
        }
    }

    /// How a version is started, made ready once per revision. A failure is not remembered: it may be cured by now.
    async fn launch(&self, version: &Arc<FunctionVersion>) -> Result<Arc<Launch>, PrepareError> {
        let prepared = {
            let mut launches = self.launches.lock();
            let fresh = || Prepared { revision: version.revision.clone(), launch: Arc::default() };
            let entry = launches.entry((version.key.clone(), version.version.clone())).or_insert_with(fresh);
            if entry.revision != version.revision {
                *entry = fresh();
            }
            entry.clone()
        };
        let launch = prepared.launch.get_or_try_init(|| async { self.preparer.prepare(version).await.map(Arc::new) });
        Ok(launch.await?.clone())
    }
}
