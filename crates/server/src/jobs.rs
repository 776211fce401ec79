//! Jobs of this process: opened from graphs, run on threads, stopped in order, started again when they fail.

use crate::checkpoints::{History, ToldCheckpoint};
use crate::meters::ApplicationMeter;
use millrace_base::{Clock, Dice, Disk, Millis, Scope, SystemClock, SystemDice, SystemDisk};
use millrace_log::Log;
use millrace_process::connect::{Collect, Collected, Connectors, Environment};
use millrace_process::graph::JobGraph;
use millrace_process::{
    CheckpointStore, Counters, Figures, Job, JobError, NodeFigures, Parts, RunOptions, Stop, run_job,
};
use parking_lot::Mutex;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// Pauses between a failure and the next try: this, doubled each time, up to the maximum.
const PAUSE: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// The longest pause of a job whose role may not do what it is to do.
const DENIED_PAUSE_MAX: Duration = Duration::from_secs(2);
/// How often a pause looks whether the job was stopped meanwhile.
const LOOK: Duration = Duration::from_millis(20);
/// How often a job that runs is asked whether it still may.
const ASK_EVERY_MS: Millis = 10_000;

/// Whether a job may do what its graph says; why not otherwise.
pub type Permit = Arc<dyn Fn(&JobGraph) -> Result<(), String> + Send + Sync>;

/// Runs jobs.
pub struct Jobs {
    log: Option<Arc<dyn Log>>,
    connectors: Connectors,
    disk: Arc<dyn Disk>,
    clock: Arc<dyn Clock>,
    dice: Arc<dyn Dice>,
    dir: PathBuf,
    meter: Option<ApplicationMeter>,
}

/// A job on a thread of its own.
pub struct RunningJob {
    stop: Stop,
    state: Arc<Mutex<State>>,
    thread: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    counters: Counters,
    /// None before it runs.
    figures: Option<Arc<Figures>>,
    history: History,
    failure: Option<String>,
}

/// Ends a job from elsewhere.
#[derive(Clone)]
pub struct Stopper(Stop);

impl Stopper {
    /// Ends it; it takes a last checkpoint first.
    pub fn stop(&self) {
        self.0.stop();
    }
}

impl Jobs {
    /// Jobs of a server, with checkpoints below `dir`.
    pub fn new(log: Arc<dyn Log>, connectors: Connectors, dir: PathBuf, meter: ApplicationMeter) -> Self {
        Self { log: Some(log), connectors, dir, meter: Some(meter), ..Self::alone() }
    }

    /// The same jobs, with their checkpoints and files on another disk.
    pub fn on(self, disk: Arc<dyn Disk>) -> Self {
        Self { disk, ..self }
    }

    /// Jobs without a server: no streams, no checkpoints.
    pub fn alone() -> Self {
        Self {
            log: None,
            connectors: Connectors::default(),
            disk: Arc::new(SystemDisk),
            clock: Arc::new(SystemClock),
            dice: Arc::new(SystemDice),
            dir: PathBuf::new(),
            meter: None,
        }
    }

    fn parts(&self, scope: &Scope, job: &str) -> Parts {
        let environment = Environment {
            scope: scope.clone(),
            log: self.log.clone(),
            disk: self.disk.clone(),
            clock: self.clock.clone(),
            dice: self.dice.clone(),
            job: job.into(),
        };
        Parts { environment, connectors: self.connectors.clone() }
    }

    /// Starts a job that lives as long as somebody waits for it. `permit` is asked as by [`Jobs::supervise`].
    pub fn start(&self, scope: &Scope, graph: JobGraph, permit: Permit) -> Result<RunningJob, String> {
        self.once(graph, self.parts(scope, &self.dice.uuid()), permit)
    }

    /// Starts a query and gives its rows as they come.
    pub fn query(&self, scope: &Scope, graph: JobGraph, permit: Permit) -> Result<(Collected, RunningJob), String> {
        let mut parts = self.parts(scope, &self.dice.uuid());
        let (collect, rows) = Collect::pair();
        parts.connectors.add_sink("collect", Arc::new(collect));
        Ok((rows, self.once(graph, parts, permit)?))
    }

    /// Runs a job once; what is wrong with its tables is told at once.
    fn once(&self, graph: JobGraph, parts: Parts, permit: Permit) -> Result<RunningJob, String> {
        permit(&graph)?;
        let id = parts.environment.job.to_string();
        let job = Job::open(&graph, parts, None).map_err(|error| error.to_string())?;
        let watch = Watch { id, clock: self.clock.clone(), meter: None };
        Ok(spawn(move |stop, state| {
            if let Err(error) = drive(job, stop, state, &watch, &|| permit(&graph)) {
                state.lock().failure = Some(error.to_string());
            }
        }))
    }

    /// Starts a job that goes on from its last checkpoint under `id`, and again each time that it fails.
    /// Each time, `permit` is asked first whether it may, and every [`ASK_EVERY_MS`] while it runs.
    pub fn supervise(&self, scope: &Scope, id: &str, graph: JobGraph, permit: Permit) -> RunningJob {
        let (parts, store) = (self.parts(scope, id), self.checkpoints(id));
        let watch = Watch { id: id.to_owned(), clock: self.clock.clone(), meter: self.meter.clone() };
        let id = id.to_owned();
        spawn(move |stop, state| {
            let mut pause = PAUSE;
            let mut again = false;
            loop {
                watch.began(std::mem::replace(&mut again, true));
                let permitted = permit(&graph).map_err(JobError::Graph);
                // A role is mended in a moment, and asking costs nothing.
                let pause_max = if permitted.is_ok() { PAUSE_MAX } else { DENIED_PAUSE_MAX };
                let opened = permitted.and_then(|()| Job::open(&graph, parts.clone(), Some(store.clone())));
                let Err(error) = opened.and_then(|job| drive(job, stop, state, &watch, &|| permit(&graph))) else {
                    return;
                };
                watch.failed(&error);
                if error.is_checkpoint() {
                    let state = &mut *state.lock();
                    state.history.failed(&state.counters, watch.clock.now(), &error.to_string());
                }
                // Progress since the last failure means that it is another one.
                let went_on = std::mem::take(&mut state.lock().counters.checkpoints) > 0;
                pause = if went_on { PAUSE } else { (pause * 2).min(pause_max) };
                tracing::warn!("job {id} failed and starts again in {} ms: {error}", pause.as_millis());
                state.lock().failure = Some(error.to_string());
                if !slept(pause, stop) {
                    return;
                }
            }
        })
    }

    /// The checkpoints of a job.
    pub fn checkpoints(&self, id: &str) -> CheckpointStore {
        CheckpointStore::new(self.disk.clone(), self.dir.join(id))
    }

    /// Removes the checkpoints below `id`.
    pub fn forget(&self, id: &str) -> io::Result<()> {
        self.disk.remove_dir(&self.dir.join(id))
    }
}

#[allow(clippy::disallowed_methods, reason = "a driver: jobs are where threads are")]
fn spawn(work: impl FnOnce(&Stop, &Mutex<State>) + Send + 'static) -> RunningJob {
    let (stop, state) = (Stop::new(), Arc::new(Mutex::new(State::default())));
    let (its_stop, its_state) = (stop.clone(), state.clone());
    let thread = std::thread::spawn(move || work(&its_stop, &its_state));
    RunningJob { stop, state, thread }
}

/// Tells the meter, if there is one, of a job. Its end is told when it is dropped.
struct Watch {
    id: String,
    clock: Arc<dyn Clock>,
    meter: Option<ApplicationMeter>,
}

impl Watch {
    fn began(&self, again: bool) {
        if let Some(meter) = &self.meter {
            meter.began(&self.id, self.clock.now(), again);
        }
    }

    fn report(&self, counters: &Counters) {
        if let Some(meter) = &self.meter {
            meter.report(&self.id, counters, self.clock.now());
        }
    }

    fn failed(&self, error: &JobError) {
        if let Some(meter) = &self.meter {
            meter.failed(&self.id, &error.to_string(), error.is_checkpoint(), self.clock.now());
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(meter) = &self.meter {
            meter.ended(&self.id);
        }
    }
}

/// Runs a job to its end; `permit` tells whether it still may.
fn drive(
    job: Job,
    stop: &Stop,
    state: &Mutex<State>,
    watch: &Watch,
    permit: &dyn Fn() -> Result<(), String>,
) -> Result<(), JobError> {
    let mut asked = watch.clock.now();
    {
        let state = &mut *state.lock();
        state.figures = Some(job.figures());
        state.history.opened(&job.counters(), asked);
    }
    let mut report = |counters: &Counters| {
        watch.report(counters);
        let now = watch.clock.now();
        if now - asked >= ASK_EVERY_MS {
            asked = now;
            let _ = permit().map_err(|reason| stop.deny(reason));
        }
        let state = &mut *state.lock();
        state.history.looked(counters, now);
        state.counters = *counters;
        state.failure = None;
    };
    let counters = run_job(job, RunOptions { stop: stop.clone(), report: &mut report })?;
    state.lock().counters = counters;
    Ok(())
}

#[allow(clippy::disallowed_methods, reason = "a driver: the pause before another try is real time")]
fn slept(pause: Duration, stop: &Stop) -> bool {
    let mut left = pause;
    while !left.is_zero() && !stop.is_stopped() {
        let nap = left.min(LOOK);
        std::thread::sleep(nap);
        left -= nap;
    }
    !stop.is_stopped()
}

impl RunningJob {
    /// Ends it and waits for its last checkpoint.
    pub fn stop(self) {
        self.stop.stop();
        self.joined();
    }

    /// Waits for its end: the rows that were written, or why it failed.
    pub fn wait(self) -> Result<u64, String> {
        let state = self.state.clone();
        self.joined();
        let state = state.lock();
        state.failure.clone().map_or(Ok(state.counters.rows_out), Err)
    }

    /// Ends it and waits for its last checkpoint; why that was not taken otherwise.
    pub fn finish(self) -> Result<(), String> {
        self.stop.stop();
        self.wait().map(|_| ())
    }

    /// What it has done, as a whole and by operator; no operators before it runs.
    pub fn figures(&self) -> (Counters, Vec<NodeFigures>) {
        let state = self.state.lock();
        (state.counters, state.figures.as_ref().map(|figures| figures.nodes()).unwrap_or_default())
    }

    /// Its last checkpoints, the newest first.
    pub fn checkpoints(&self) -> Vec<ToldCheckpoint> {
        self.state.lock().history.told()
    }

    /// Why it does not run, if so.
    pub fn failure(&self) -> Option<String> {
        self.state.lock().failure.clone()
    }

    /// Ends it from elsewhere.
    pub fn stopper(&self) -> Stopper {
        Stopper(self.stop.clone())
    }

    fn joined(self) {
        if self.thread.join().is_err() {
            self.state.lock().failure = Some("the job's thread panicked; its message is above".to_owned());
        }
    }
}
