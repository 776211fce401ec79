//! A sandbox: one process that runs one version of a function, one invocation at a time.
//!
//! ```text
//! start ─► init (10 s) ─► invoke ─► invoke ─► … ─► dropped: the whole process group is killed
//! ```

#![allow(clippy::disallowed_methods, reason = "a driver of processes measures how long they take")]

mod exchange;
mod frames;
mod logs;
mod process;
mod report;
mod usage;
mod user;

pub use exchange::{Exchange, RESPONSE_BYTES_MAX, Refused, Work};
pub use logs::{LogLine, LogSink};
pub(crate) use process::leftovers;
pub(crate) use report::Failure;
pub use report::UNSTARTABLE;
pub(crate) use usage::{Groups, available_kib};
pub(crate) use user::User;

use crate::moment::date_path;
use crate::package::size_of_tree;
use crate::runtimes::Launch;
use crate::{Credentials, FunctionVersion, PROCESS_AGE_MAX};
use async_trait::async_trait;
use bytes::Bytes;
use exchange::{Client, Event};
use logs::Logs;
use millrace_base::{Clock, Dice};
use process::{Place, Process};
use report::{Usage, Words};
use std::any::Any;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// Memory is looked at this often while a function runs.
const WATCH_EVERY: Duration = Duration::from_millis(25);
/// All of the process group, every so many looks: usually the first process has all of the memory.
const GROUP_EVERY: u32 = 20;
/// The temporary folder is measured this often while a function runs.
const STORAGE_EVERY: Duration = Duration::from_secs(1);
/// A killed process is gone after a moment; one that is not hangs in the kernel.
const REAP_MAX: Duration = Duration::from_secs(2);

/// Opens the HTTP door of the Lambda Runtime API.
#[async_trait]
pub trait RuntimeHost: Send + Sync + 'static {
    /// Serves one process's exchange on a loopback address until the door is dropped.
    async fn open(&self, exchange: Arc<Exchange>) -> io::Result<RuntimeDoor>;
}

/// An open door.
pub struct RuntimeDoor {
    /// `AWS_LAMBDA_RUNTIME_API`.
    pub address: SocketAddr,
    /// Dropping it closes the door and all of its connections.
    pub guard: Box<dyn Any + Send + Sync>,
}

/// What all sandboxes share.
pub(crate) struct Floor {
    pub host: Arc<dyn RuntimeHost>,
    pub sink: Arc<dyn LogSink>,
    pub credentials: Arc<dyn Credentials>,
    pub clock: Arc<dyn Clock>,
    pub dice: Arc<dyn Dice>,
    pub groups: Groups,
    /// Below it each process has its own temporary folder.
    pub tmp: PathBuf,
    /// Records of running processes.
    pub run: PathBuf,
}

/// How an invocation ended.
pub(crate) struct Ended {
    /// AWS's `FunctionError: Unhandled`.
    pub failed: bool,
    /// The answer.
    pub payload: Bytes,
    /// The last of the log.
    pub tail: Bytes,
    /// True when the process may take another one.
    pub reusable: bool,
}

/// The process ended by itself before it took the work: nothing of it ran.
pub(crate) struct Gone;

/// A running process.
pub(crate) struct Sandbox {
    pub version: Arc<FunctionVersion>,
    floor: Arc<Floor>,
    process: Process,
    exchange: Arc<Exchange>,
    client: Client,
    logs: Arc<Logs>,
    follower: JoinHandle<()>,
    began: Instant,
    storage_seen: Instant,
    _door: RuntimeDoor,
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.follower.abort();
    }
}

/// A new name of a log stream: `2026/11/21/[$LATEST]…`.
pub(crate) fn log_stream(floor: &Floor, version: &FunctionVersion) -> String {
    let id = floor.dice.uuid().replace('-', "");
    format!("{}/[{}]{id}", date_path(floor.clock.now()), version.version)
}

impl Sandbox {
    /// Starts a process. It initialises by itself; [`Sandbox::init`] waits for that.
    pub async fn start(
        floor: &Arc<Floor>,
        version: &Arc<FunctionVersion>,
        launch: &Launch,
        program: &Path,
        stream: String,
    ) -> io::Result<Self> {
        let credentials = floor.credentials.of(version).await.map_err(io::Error::other)?;
        let (exchange, client) = Exchange::new();
        let door = floor.host.open(exchange.clone()).await?;
        let began = Instant::now();
        let place = Place {
            api: door.address,
            stream: &stream,
            tmp: floor.tmp.join(floor.dice.uuid()),
            run: &floor.run,
            ephemeral_mib: version.ephemeral_mib,
            credentials: credentials.as_ref(),
        };
        let (process, pipes) = process::start(launch, program, place)?;
        let logs = Arc::new(Logs::new(floor.sink.clone(), floor.clock.clone(), version.clone(), stream, pipes));
        let follower = tokio::spawn({
            let logs = logs.clone();
            async move { logs.follow().await }
        });
        let sandbox = Self {
            version: version.clone(),
            floor: floor.clone(),
            process,
            exchange,
            client,
            logs,
            follower,
            began,
            storage_seen: began,
            _door: door,
        };
        let mut lines = sandbox.words().init_start(&launch.runtime);
        lines.extend(launch.notice.iter().map(|notice| format!("{notice}\n")));
        sandbox.logs.say(lines);
        Ok(sandbox)
    }

    /// True for a process that takes nothing new.
    pub fn is_old(&self) -> bool {
        self.began.elapsed() > PROCESS_AGE_MAX
    }

    /// Waits until the client asks for work; gives how long that took since the start. `phase` is AWS's word for the log.
    pub async fn init(&mut self, limit: Duration, phase: &str) -> Result<Duration, Failure> {
        let failure = match self.event(limit.saturating_sub(self.began.elapsed())).await {
            Ok(Event::Ready) => return Ok(self.began.elapsed()),
            Ok(Event::InitError(payload)) => Failure::Init(payload),
            // Before `Ready` the exchange lets nothing else through.
            Ok(Event::Answer { .. } | Event::TooLarge) => Failure::Init(Bytes::new()),
            Err(Failure::Timeout(_)) => Failure::Timeout(limit),
            Err(failure) => failure,
        };
        let took = self.began.elapsed();
        self.kill().await;
        let failure = match failure {
            Failure::Exit(status) if matches!(status.code(), Some(126 | 127)) => {
                Failure::Unstartable { status, said: last_words(&self.logs.finish(Vec::new(), true)) }
            }
            other => other,
        };
        self.logs.finish(self.words().init_report(took, phase, &failure), true);
        Err(failure)
    }

    /// Runs one invocation. `init` is the initialisation that it waited for.
    pub async fn invoke(&mut self, work: Work, limit: Duration, init: Option<Duration>) -> Result<Ended, Gone> {
        if self.process.has_ended() {
            return Err(Gone);
        }
        let request_id = work.request_id.clone();
        self.logs.begin(self.words().start(&request_id));
        let began = Instant::now();
        if self.client.work.try_send(work).is_err() {
            return Err(Gone);
        }
        let (answer, failure) = match self.event(limit).await {
            Ok(Event::Answer { failed, payload }) => (Some((failed, payload)), None),
            Ok(Event::TooLarge) => (None, Some(Failure::ResponseTooLarge)),
            Ok(Event::Ready) => return Err(Gone),
            Ok(Event::InitError(payload)) => (None, Some(Failure::Init(payload))),
            Err(Failure::Exit(_)) if !self.exchange.is_busy() => return Err(Gone),
            Err(failure) => (None, Some(failure)),
        };
        let duration = began.elapsed();
        let memory_mib = usage::memory(self.process.id()).map_or(0, |memory| memory.peak.div_ceil(1024));
        // Who posts too much ends by itself; the others are made to.
        let killed = failure.is_some();
        if killed {
            self.kill().await;
        }
        let usage = Usage { duration, init, memory_mib: memory_mib.max(1) };
        let tail = self.logs.finish(self.words().end(&request_id, &usage, failure.as_ref()), killed).into();
        let (failed, payload) = match (answer, &failure) {
            (Some(answer), _) => answer,
            (None, Some(failure)) => (true, failure.payload(&request_id)),
            (None, None) => (true, Bytes::new()),
        };
        Ok(Ended { failed, payload, tail, reusable: !killed })
    }

    /// The lines of an invocation whose process could not be initialised.
    pub(crate) fn stillborn(
        floor: &Floor,
        version: &FunctionVersion,
        stream: &str,
        request_id: &str,
        (took, failure): (Duration, &Failure),
    ) -> Ended {
        let now = floor.clock.now();
        let words = Words { version, now };
        let usage = Usage { duration: took, init: None, memory_mib: 1 };
        let mut lines = words.start(request_id);
        lines.extend(words.end(request_id, &usage, Some(failure)));
        let tail = lines.concat().into();
        let lines = lines.into_iter().map(|message| LogLine { timestamp: now, message }).collect();
        floor.sink.put(&version.key, &version.logging.group, stream, lines);
        Ended { failed: true, payload: failure.payload(request_id), tail, reusable: false }
    }

    /// True when its process ended while nothing ran in it.
    pub fn has_ended(&mut self) -> bool {
        self.process.has_ended()
    }

    fn words(&self) -> Words<'_> {
        Words { version: &self.version, now: self.floor.clock.now() }
    }

    /// The client's next call, or why there will be none.
    async fn event(&mut self, limit: Duration) -> Result<Event, Failure> {
        let watch = Watch {
            pid: self.process.id(),
            version: &self.version,
            groups: &self.floor.groups,
            tmp: self.process.tmp().to_owned(),
        };
        let mut storage_seen = self.storage_seen;
        let result = tokio::select! {
            biased;
            Some(event) = self.client.events.recv() => Ok(event),
            failure = watch.exceeded(&mut storage_seen) => Err(failure),
            () = tokio::time::sleep(limit) => Err(Failure::Timeout(limit)),
            ended = self.process.wait() => match self.client.events.try_recv() {
                // It answered and ended before anybody looked.
                Ok(event) => Ok(event),
                Err(_) => Err(Failure::Exit(ended.unwrap_or_default())),
            },
        };
        self.storage_seen = storage_seen;
        result
    }

    /// Ends the process and waits until it is gone, so that all it wrote is in the pipes.
    async fn kill(&mut self) {
        self.process.kill();
        let _ = tokio::time::timeout(REAP_MAX, self.process.wait()).await;
    }
}

/// The last lines that a process wrote by itself.
fn last_words(tail: &[u8]) -> String {
    let text = String::from_utf8_lossy(tail);
    let is_own = |line: &&str| !line.is_empty() && !line.starts_with("INIT_START ") && !line.contains("\"platform.");
    let own: Vec<&str> = text.lines().map(str::trim).filter(is_own).collect();
    own[own.len().saturating_sub(3)..].join("; ")
}

/// Looks after a process while something runs in it.
struct Watch<'a> {
    pid: u32,
    version: &'a FunctionVersion,
    groups: &'a Groups,
    tmp: PathBuf,
}

impl Watch<'_> {
    /// Resolves when the process has taken more than it may.
    async fn exceeded(&self, storage_seen: &mut Instant) -> Failure {
        let memory_kib_max = u64::from(self.version.memory_mib) * 1024;
        let mut looks: u32 = 0;
        loop {
            if storage_seen.elapsed() >= STORAGE_EVERY {
                let tmp = self.tmp.clone();
                let bytes = tokio::task::spawn_blocking(move || size_of_tree(&tmp).unwrap_or(0)).await.unwrap_or(0);
                *storage_seen = Instant::now();
                if bytes > u64::from(self.version.ephemeral_mib) * 1024 * 1024 {
                    return Failure::StorageFull { mib: self.version.ephemeral_mib };
                }
            }
            tokio::time::sleep(WATCH_EVERY).await;
            looks = looks.wrapping_add(1);
            let own = usage::memory(self.pid).map_or(0, |memory| memory.private);
            let all = if looks.is_multiple_of(GROUP_EVERY) { self.groups.private_kib(self.pid) } else { 0 };
            if own.max(all) > memory_kib_max {
                return Failure::OutOfMemory;
            }
        }
    }
}
