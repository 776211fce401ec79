//! The thin driver: a task a mapping, and for streams a task a shard. Everything is woken: by the append, by an answer, by a
//! change of settings, by the end of a pause that a machine asked for.

#![allow(clippy::disallowed_methods, reason = "a driver waits on the machine's time; the logic is in the machines")]

use super::MappingError;
use super::definition::{Mapping, SourceKind};
use super::permits;
use super::ports::MappingParts;
use super::progress::{self, CheckpointWriter};
use super::queue::{QueueReader, QueueTask};
use super::status::{NO_RECORDS, Status};
use super::stream::{self, Applied, Ready, Shard, Step};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use millrace_base::{Arn, Millis, ShardId};
use parking_lot::Mutex;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// How long a writer of checkpoints, or a mapping whose stream cannot be opened, waits before it tries again.
const RETRY: Duration = Duration::from_secs(5);

/// A shard that is read wakes up at every write, hundreds of times a second; whether it may be read is asked again this often.
const PERMIT_AGE_MS: Millis = 100;

/// What a mapping is to do.
#[derive(Clone)]
enum Wanted {
    /// Work by these settings.
    Run(Arc<Applied>),
    /// Finish what is on its way, then rest.
    Rest,
    /// Stop where it is.
    Stop,
}

/// What the driver shows of a mapping.
struct Worker {
    wanted: watch::Sender<Wanted>,
    status: Arc<Status>,
    phase: Arc<Mutex<&'static str>>,
    task: JoinHandle<()>,
}

/// The tasks of all mappings.
pub(crate) struct Workers {
    parts: MappingParts,
    writer: Arc<CheckpointWriter>,
    runtime: Mutex<Option<Handle>>,
    writing: Mutex<Option<JoinHandle<()>>>,
    running: Mutex<HashMap<String, Worker>>,
}

impl Workers {
    pub(crate) fn new(parts: MappingParts) -> Self {
        let writer = Arc::new(CheckpointWriter::new(parts.catalog.clone()));
        Self { parts, writer, runtime: Mutex::default(), writing: Mutex::default(), running: Mutex::default() }
    }

    pub(crate) fn enable(&self, runtime: Handle) {
        *self.writing.lock() = Some(runtime.spawn(write(self.writer.clone())));
        *self.runtime.lock() = Some(runtime);
    }

    /// Runs a mapping, if running is enabled.
    pub(crate) fn run(&self, mapping: &Mapping, applied: Arc<Applied>) {
        let Some(runtime) = self.runtime.lock().clone() else { return };
        let (wanted, told) = watch::channel(wanted(mapping, applied));
        let status = Arc::new(Status::default());
        let phase = Arc::new(Mutex::new("Creating"));
        let one = One {
            uuid: mapping.uuid.clone(),
            parts: self.parts.clone(),
            writer: self.writer.clone(),
            status: status.clone(),
            phase: phase.clone(),
            wanted: told,
        };
        let source = mapping.source_arn.parse::<Arn>();
        let kind = mapping.kind;
        let task = runtime.spawn(async move {
            match (source, kind) {
                (Ok(source), SourceKind::Kinesis) => one.drive_stream(&source).await,
                (Ok(source), SourceKind::Queue { .. }) => one.drive_queue(source).await,
                (Err(error), _) => one.status.problem(error),
            }
        });
        self.running.lock().insert(mapping.uuid.clone(), Worker { wanted, status, phase, task });
    }

    /// Tells a mapping that its definition changed.
    pub(crate) fn change(&self, mapping: &Mapping, applied: Arc<Applied>, phase: &'static str) {
        if let Some(worker) = self.running.lock().get(&mapping.uuid) {
            *worker.phase.lock() = phase;
            worker.wanted.send_replace(wanted(mapping, applied));
        }
    }

    /// Stops a mapping and forgets how far it was.
    pub(crate) async fn remove(&self, uuid: &str) -> Result<(), MappingError> {
        let worker = self.running.lock().remove(uuid);
        if let Some(worker) = worker {
            worker.wanted.send_replace(Wanted::Stop);
            // A task that panicked is gone, too.
            let _ = worker.task.await;
        }
        Ok(self.writer.forget(uuid)?)
    }

    /// Stops all, and writes down how far they are.
    pub(crate) async fn stop_all(&self) {
        *self.runtime.lock() = None;
        let workers: Vec<_> = self.running.lock().drain().map(|(_, worker)| worker).collect();
        for worker in &workers {
            worker.wanted.send_replace(Wanted::Stop);
        }
        for worker in workers {
            let _ = worker.task.await;
        }
        let writing = self.writing.lock().take();
        if let Some(writing) = writing {
            writing.abort();
        }
        if let Err(error) = flush(&self.writer).await {
            tracing::warn!(
                "event source mappings: the last checkpoints could not be written, some batches run again: {error}"
            );
        }
    }

    /// AWS's `State`.
    pub(crate) fn phase(&self, mapping: &Mapping) -> &'static str {
        let settled = if mapping.enabled { "Enabled" } else { "Disabled" };
        self.running.lock().get(&mapping.uuid).map_or(settled, |worker| *worker.phase.lock())
    }

    /// AWS's `LastProcessingResult`.
    pub(crate) fn last_result(&self, uuid: &str) -> String {
        self.running.lock().get(uuid).map_or_else(|| NO_RECORDS.to_owned(), |worker| worker.status.last_result())
    }
}

fn wanted(mapping: &Mapping, applied: Arc<Applied>) -> Wanted {
    if mapping.enabled { Wanted::Run(applied) } else { Wanted::Rest }
}

async fn flush(writer: &Arc<CheckpointWriter>) -> Result<(), String> {
    let writer = writer.clone();
    match tokio::task::spawn_blocking(move || writer.flush()).await {
        Ok(written) => written.map_err(|error| error.to_string()),
        Err(gone) => Err(gone.to_string()),
    }
}

/// Writes checkpoints for as long as it lives: what comes during one transaction goes into the next.
async fn write(writer: Arc<CheckpointWriter>) {
    let mut told = false;
    loop {
        writer.wait().await;
        while let Err(error) = flush(&writer).await {
            if !std::mem::replace(&mut told, true) {
                tracing::warn!(
                    "event source mappings: checkpoints cannot be written, batches would run again after a restart: {error}"
                );
            }
            tokio::time::sleep(RETRY).await;
        }
        told = false;
    }
}

/// The task of one mapping.
struct One {
    uuid: String,
    parts: MappingParts,
    writer: Arc<CheckpointWriter>,
    status: Arc<Status>,
    phase: Arc<Mutex<&'static str>>,
    wanted: watch::Receiver<Wanted>,
}

/// Why a shard's task ended.
enum End {
    /// The shard is closed and all of it is done.
    Done,
    /// The mapping rests or stops.
    Rested,
    /// The shard cannot be read.
    Failed(String),
}

impl One {
    fn label(&self, source: &Arn) -> String {
        format!("event source mapping {} of {source}", self.uuid)
    }

    fn now_wanted(&mut self) -> Wanted {
        self.wanted.borrow_and_update().clone()
    }

    /// Runs the shards of a stream: each when its parents are done.
    async fn drive_stream(mut self, source: &Arn) {
        let mut shards: JoinSet<(ShardId, End)> = JoinSet::new();
        let mut running = BTreeSet::new();
        // Set while a trouble is left alone for a moment.
        let (mut retry, mut stuck) = (None, false);
        loop {
            match self.now_wanted() {
                Wanted::Stop => break,
                Wanted::Rest if running.is_empty() => *self.phase.lock() = "Disabled",
                Wanted::Rest => {}
                Wanted::Run(_) if retry.is_some() => {}
                Wanted::Run(applied) => {
                    match self.ready(source, &applied).await {
                        Ok(ready) => {
                            tell(|| self.label(source), &mut stuck, None);
                            self.spawn(source, &applied, ready, &mut running, &mut shards);
                        }
                        Err(problem) => {
                            tell(|| self.label(source), &mut stuck, Some(&problem));
                            self.status.problem(problem);
                            retry = Some(RETRY);
                        }
                    }
                    *self.phase.lock() = "Enabled";
                }
            }
            tokio::select! {
                changed = self.wanted.changed() => if changed.is_err() { break },
                Some(ended) = shards.join_next() => {
                    if self.ended(ended, &mut running) {
                        retry = Some(RETRY);
                    }
                }
                () = sleep(retry) => retry = None,
            }
        }
        // A shard that is dropped leaves its calls; their batches run again.
        shards.shutdown().await;
    }

    /// Notes the end of a shard's task; true when it failed.
    fn ended(&self, ended: Result<(ShardId, End), tokio::task::JoinError>, running: &mut BTreeSet<ShardId>) -> bool {
        match ended {
            Ok((shard, End::Done | End::Rested)) => {
                running.remove(&shard);
                false
            }
            Ok((shard, End::Failed(problem))) => {
                running.remove(&shard);
                self.status.problem(problem);
                true
            }
            Err(panicked) => {
                // Its shard is not known any more; the others go on, a restart brings it back.
                self.status.problem(panicked);
                false
            }
        }
    }

    /// The shards that can be started, with where they stand.
    async fn ready(&self, source: &Arn, applied: &Applied) -> Result<Vec<Ready>, String> {
        if !is_registered(source, &self.parts) {
            return Err(format!("Consumer {source} not found"));
        }
        permits::may_read(&self.parts, applied, source)?;
        flush(&self.writer).await?;
        let info = self.parts.log.stream(&stream::key(source)).map_err(|error| error.to_string())?;
        let checkpoints = progress::load(&self.parts.catalog, &applied.uuid).map_err(|error| error.to_string())?;
        Ok(stream::ready(&info, &checkpoints))
    }

    fn spawn(
        &self,
        source: &Arn,
        applied: &Arc<Applied>,
        ready: Vec<Ready>,
        running: &mut BTreeSet<ShardId>,
        shards: &mut JoinSet<(ShardId, End)>,
    ) {
        for ready in ready {
            let id = ready.shard.id;
            if !running.insert(id) {
                continue;
            }
            let (parts, writer) = (self.parts.clone(), self.writer.clone());
            let (status, applied) = (self.status.clone(), applied.clone());
            let opened = Shard::open(parts, writer, status, applied, &stream::key(source), ready);
            let (parts, wanted, source) = (self.parts.clone(), self.wanted.clone(), source.clone());
            shards.spawn(async move {
                match opened {
                    Ok(shard) => (id, drive_shard(shard, parts, wanted, &source).await),
                    Err(error) => (id, End::Failed(error.to_string())),
                }
            });
        }
    }

    async fn drive_queue(mut self, queue: Arn) {
        loop {
            match self.now_wanted() {
                Wanted::Stop => return,
                Wanted::Rest => *self.phase.lock() = "Disabled",
                Wanted::Run(applied) => {
                    *self.phase.lock() = "Enabled";
                    let reader = QueueReader::new(self.parts.clone(), queue.clone(), self.status.clone(), applied);
                    self.read_queue(reader, &queue).await;
                    continue;
                }
            }
            if self.wanted.changed().await.is_err() {
                return;
            }
        }
    }

    /// Works until the mapping is to rest or stop.
    async fn read_queue(&mut self, mut reader: QueueReader, queue: &Arn) {
        let mut tasks = FuturesUnordered::new();
        let mut receive = None;
        let (mut resting, mut stuck) = (false, false);
        loop {
            let step = reader.step(self.parts.clock.now());
            tell(|| reader.label(), &mut stuck, reader.trouble().as_deref());
            for task in step.tasks {
                let is_receive = matches!(task, QueueTask::Receive(_));
                let running = Box::pin(task.run_as(self.parts.clone(), reader.applied(), queue.clone()));
                if is_receive { receive = Some(running) } else { tasks.push(running) }
            }
            if resting && reader.is_still() && tasks.is_empty() {
                return;
            }
            let received = async {
                match &mut receive {
                    Some(receive) => receive.await,
                    None => std::future::pending().await,
                }
            };
            let outcome = tokio::select! {
                outcome = received => {
                    receive = None;
                    Some(outcome)
                }
                Some(outcome) = tasks.next() => Some(outcome),
                () = sleep_until(step.wake_at, &self.parts) => None,
                changed = self.wanted.changed() => {
                    match if changed.is_ok() { self.now_wanted() } else { Wanted::Stop } {
                        Wanted::Stop => return,
                        Wanted::Run(applied) if !resting => {
                            reader.reconfigure(applied);
                            *self.phase.lock() = "Enabled";
                        }
                        // It comes back when this reader has rested.
                        Wanted::Run(_) => {}
                        Wanted::Rest => {
                            (resting, receive) = (true, None);
                            let show = reader.stop();
                            let applied = reader.applied();
                            tasks.extend(show.map(|task| Box::pin(task.run_as(self.parts.clone(), applied, queue.clone()))));
                        }
                    }
                    None
                }
            };
            let next = outcome.and_then(|outcome| reader.complete(outcome, self.parts.clock.now()));
            tasks.extend(next.map(|task| Box::pin(task.run_as(self.parts.clone(), reader.applied(), queue.clone()))));
        }
    }
}

/// Whether a source is there to be read: a consumer has to be registered.
fn is_registered(source: &Arn, parts: &MappingParts) -> bool {
    !stream::is_consumer(source) || parts.consumers.exists(source)
}

async fn drive_shard(mut shard: Shard, parts: MappingParts, mut wanted: watch::Receiver<Wanted>, source: &Arn) -> End {
    let mut tasks = FuturesUnordered::new();
    let (mut end, mut asked) = (None, None);
    let (mut told, mut stuck) = (true, false);
    loop {
        let now = parts.clock.now();
        if std::mem::take(&mut told) {
            asked = None;
            match &*wanted.borrow_and_update() {
                Wanted::Stop => return End::Rested,
                Wanted::Run(applied) => shard.reconfigure(applied.clone()),
                Wanted::Rest => {
                    shard.stop();
                    end.get_or_insert(End::Rested);
                }
            }
        }
        let is_due = asked.is_none_or(|at| !(at..at + PERMIT_AGE_MS).contains(&now));
        if is_due {
            asked = Some(now);
        }
        let may_read = !is_due || permits::may_read(&parts, &shard.applied(), source).is_ok();
        if end.is_none() && !(may_read && is_registered(source, &parts)) {
            // Nothing more is begun; the mapping finds the same when it looks for what is ready, and says so.
            shard.stop();
            end = Some(End::Rested);
        }
        let Step { tasks: new, wake_at, reads, again, done, lost, failed } = shard.step(now);
        tell(|| shard.label(), &mut stuck, shard.trouble());
        if lost > 0 {
            tracing::warn!(
                "{}: {lost} records expired before they were processed: is the retention long enough?",
                shard.label()
            );
        }
        tasks.extend(new.into_iter().map(|task| task.run_as(parts.clone(), shard.applied())));
        if done {
            return End::Done;
        }
        if let Some(error) = failed {
            shard.stop();
            end = Some(End::Failed(error.to_string()));
        }
        if tasks.is_empty()
            && let Some(end) = end
        {
            return end;
        }
        tokio::select! {
            biased;
            Some(outcome) = tasks.next() => shard.complete(outcome, parts.clock.now()),
            changed = wanted.changed() => match changed {
                Ok(()) => told = true,
                Err(_) => return End::Rested,
            },
            () = std::future::ready(()), if again => {}
            () = shard.wait(), if reads => {}
            () = sleep_until(wake_at, &parts) => {}
        }
    }
}

/// Says when trouble begins and when it is over, not at every try between.
fn tell(label: impl Fn() -> String, told: &mut bool, trouble: Option<&str>) {
    match trouble {
        Some(reason) if !*told => {
            tracing::warn!("{} is stuck: {reason}; it goes on trying, and nothing is skipped", label());
            *told = true;
        }
        None if *told => {
            tracing::info!("{} goes on", label());
            *told = false;
        }
        _ => {}
    }
}

async fn sleep(pause: Option<Duration>) {
    match pause {
        Some(pause) => tokio::time::sleep(pause).await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(at: Option<Millis>, parts: &MappingParts) {
    sleep(at.map(|at| Duration::from_millis((at - parts.clock.now()).max(0) as u64))).await;
}
