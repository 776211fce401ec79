//! The driver: a thread for each lane, the trunk on the caller's thread.
//!
//! Lanes send what they make over one bounded channel. For a checkpoint the trunk asks all lanes; each flushes, sends its
//! positions as a barrier behind its rows, and waits until the trunk has taken the barriers of all: nothing is under way
//! then. A lane without rows sleeps until its source wakes it or an idle timeout is due. A checkpoint that would hold what
//! the last one holds is not taken, so that a job without input leaves the disk alone.
#![allow(clippy::disallowed_methods, reason = "the driver is where real time and threads are")]

use super::lane::{Lane, Sent, Went};
use super::{Counters, Job, JobError, Place};
use futures::future::{Either, select, select_all};
use parking_lot::{Condvar, Mutex};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// How often a streaming job without a configured interval commits.
pub const DEFAULT_INTERVAL_MS: i64 = 1000;
/// Where nobody asked for an interval, a checkpoint is followed by so many times its own length without one: a job with much
/// state commits less often, instead of doing nothing else.
const UNASKED_SHARE: i64 = 8;
/// Messages between lanes and trunk; a full channel holds the lanes back.
const MESSAGES_MAX: usize = 16;
/// The longest that the trunk sleeps without a look at the clock, which may have been set.
const LOOK_MS: i64 = 1000;
/// How often a thread that waits for a function outside the engine looks whether the job is to stop.
const STOP_LOOK: Duration = Duration::from_millis(50);

/// Asks a running job to end: it takes a last checkpoint, so that it can go on later, and returns. Windows are not fired.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<Stopping>);

#[derive(Debug, Default)]
struct Stopping {
    is_stopped: AtomicBool,
    /// Why the job may run no longer.
    denied: Mutex<Option<String>>,
    /// The way to the trunk of the running job. Weak, so that the trunk sees when its lanes are gone.
    trunk: Mutex<Weak<SyncSender<Message>>>,
}

impl Stop {
    /// Not stopped yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops the job.
    pub fn stop(&self) {
        self.0.is_stopped.store(true, Ordering::Release);
        if let Some(trunk) = self.0.trunk.lock().upgrade() {
            // A full channel means that the trunk is awake; it looks after every message.
            let _ = trunk.try_send(Message::Look);
        }
    }

    /// Ends the job that runs now as one that may no longer do what it does: without a checkpoint, by [`JobError::Graph`] with
    /// this reason. The stop stays open.
    pub fn deny(&self, reason: String) {
        *self.0.denied.lock() = Some(reason);
    }

    /// Whether it was asked to stop.
    pub fn is_stopped(&self) -> bool {
        self.0.is_stopped.load(Ordering::Acquire)
    }
}

/// How a job is driven.
pub struct RunOptions<'a> {
    /// Ends the job from outside.
    pub stop: Stop,
    /// Called with the figures after every checkpoint, each second in between, and at the end.
    pub report: &'a mut dyn FnMut(&Counters),
}

enum Message {
    Sent(usize, Vec<Sent>, u64),
    Barrier(usize, Vec<Sent>, Vec<Place>),
    Ended(usize),
    /// To the trunk: look at [`Stop`].
    Look,
    Failed(JobError),
}

/// What the trunk tells the lanes.
struct Control {
    state: Mutex<Wanted>,
    changed: Condvar,
    wake: Vec<Notify>,
    times: Times,
}

/// How the lanes' threads spend their time, in microseconds.
#[derive(Default)]
struct Times {
    busy_us: AtomicU64,
    back_pressured_us: AtomicU64,
    idle_us: AtomicU64,
}

impl Times {
    /// Adds what has passed since `since` to one of them, and gives the time.
    fn spent(of: &AtomicU64, since: Instant) -> Instant {
        let now = Instant::now();
        of.fetch_add((now - since).as_micros() as u64, Ordering::Relaxed);
        now
    }
}

#[derive(Default)]
struct Wanted {
    /// Barriers asked for and let go again.
    barrier: u64,
    resumed: u64,
    quit: bool,
}

impl Control {
    /// Waits for a word of the trunk; false when it is to quit.
    fn wait(&self, until: impl Fn(&Wanted) -> bool) -> bool {
        let mut wanted = self.state.lock();
        while !wanted.quit && !until(&wanted) {
            self.changed.wait(&mut wanted);
        }
        !wanted.quit
    }

    fn ask(&self, change: impl FnOnce(&mut Wanted)) {
        change(&mut self.state.lock());
        self.changed.notify_all();
        self.wake.iter().for_each(Notify::notify_one);
    }
}

/// Runs a job until its sources end, it is stopped, or it fails.
///
/// # Errors
/// As [`Job::step`].
pub fn run_job(mut job: Job, options: RunOptions<'_>) -> Result<Counters, JobError> {
    if job.finished {
        (options.report)(&job.counters());
        return Ok(job.counters());
    }
    // A job runs once, so nobody has said before how it is stopped.
    let _ = job.shared.stop.set(options.stop.clone());
    let lanes = std::mem::take(&mut job.lanes);
    let control = Control {
        state: Mutex::new(Wanted::default()),
        changed: Condvar::new(),
        wake: lanes.iter().map(|_| Notify::new()).collect(),
        times: Times::default(),
    };
    let ended = vec![false; lanes.len()];
    let (to, from) = sync_channel(MESSAGES_MAX);
    let to = Arc::new(to);
    *options.stop.0.trunk.lock() = Arc::downgrade(&to);
    std::thread::scope(|scope| {
        for (nth, lane) in lanes.into_iter().enumerate() {
            let (to, control) = (to.clone(), &control);
            let name = format!("lane-{}-{}", lane.source(), lane.subtask());
            let started =
                std::thread::Builder::new().name(name).spawn_scoped(scope, move || drive(nth, lane, &to, control));
            if let Err(error) = started {
                control.ask(|wanted| wanted.quit = true);
                return Err(JobError::Died(error.to_string()));
            }
        }
        drop(to);
        let mut driver = Driver { job, from, control: &control, rows_in: vec![0; ended.len()], ended };
        let result = driver.run(options);
        control.ask(|wanted| wanted.quit = true);
        match result {
            // What was read since the last checkpoint is read again.
            Err(JobError::Stopped) => Ok(driver.job.counters_with(driver.rows_in.iter().sum())),
            other => other,
        }
    })
}

struct Driver<'a> {
    job: Job,
    from: Receiver<Message>,
    control: &'a Control,
    rows_in: Vec<u64>,
    ended: Vec<bool>,
}

impl Driver<'_> {
    fn run(&mut self, options: RunOptions<'_>) -> Result<Counters, JobError> {
        let clock = self.job.environment.clock.clone();
        // A bounded job without a configured interval commits once, at its end.
        let interval = self.job.interval_ms.or((!self.job.bounded).then_some(DEFAULT_INTERVAL_MS));
        let mut due = interval.map(|interval| clock.now() + interval);
        let mut reported = clock.now();
        // What was said to a job before this one.
        options.stop.0.denied.lock().take();
        loop {
            let asleep = due.map_or(LOOK_MS, |due| (due - clock.now()).clamp(0, LOOK_MS));
            // Asked to stop before its channel was known, it must not wait for a word.
            let asleep = if options.stop.is_stopped() || self.is_over() { 0 } else { asleep };
            match self.from.recv_timeout(Duration::from_millis(asleep as u64)) {
                Ok(Message::Barrier(..)) | Err(RecvTimeoutError::Timeout) => {}
                Ok(message) => drop(self.take(message)?),
                Err(RecvTimeoutError::Disconnected) => return Err(gone()),
            }
            if let Some(reason) = options.stop.0.denied.lock().take() {
                return Err(JobError::Graph(reason));
            }
            let now = clock.now();
            let ended = self.is_over();
            let stopped = options.stop.is_stopped();
            if ended || stopped || due.is_some_and(|due| now >= due) {
                let begun = clock.now();
                let positions = self.align()?;
                let ended = self.is_over();
                let mut pause = 0;
                if ended || !self.job.is_unchanged(&positions) {
                    self.job.save(positions, ended)?;
                    self.job.checkpoint_ms = (clock.now() - begun).max(0);
                    // Who asked for an interval has it.
                    pause = if self.job.interval_ms.is_some() { 0 } else { self.job.checkpoint_ms * UNASKED_SHARE };
                }
                let counters = self.counters();
                (options.report)(&counters);
                reported = now;
                if stopped || ended {
                    return Ok(counters);
                }
                due = interval.map(|interval| clock.now() + interval.max(pause));
            } else if now - reported >= LOOK_MS {
                (options.report)(&self.counters());
                reported = now;
            }
        }
    }

    fn counters(&self) -> Counters {
        let times = &self.control.times;
        let read = |time: &AtomicU64| time.load(Ordering::Relaxed);
        Counters {
            busy_us: read(&times.busy_us),
            back_pressured_us: read(&times.back_pressured_us),
            idle_us: read(&times.idle_us),
            ..self.job.counters_with(self.rows_in.iter().sum())
        }
    }

    /// Whether the sources have ended, or a LIMIT has all its rows.
    fn is_over(&self) -> bool {
        self.ended.iter().all(|ended| *ended) || self.job.trunk.is_full()
    }

    /// Takes what a lane sent; gives the positions when it is a barrier.
    fn take(&mut self, message: Message) -> Result<Option<(usize, Vec<Place>)>, JobError> {
        match message {
            Message::Sent(lane, sent, rows_in) => {
                self.rows_in[lane] = rows_in;
                self.job.trunk.take(lane, sent)?;
                Ok(None)
            }
            Message::Barrier(lane, sent, places) => {
                self.job.trunk.take(lane, sent)?;
                Ok(Some((lane, places)))
            }
            Message::Ended(lane) => {
                self.ended[lane] = true;
                Ok(None)
            }
            Message::Look => Ok(None),
            Message::Failed(error) => Err(error),
        }
    }

    /// Brings all lanes to a halt with nothing under way, takes their positions, and lets them go on.
    fn align(&mut self) -> Result<Vec<Place>, JobError> {
        let mut barrier = 0;
        self.control.ask(|wanted| {
            wanted.barrier += 1;
            barrier = wanted.barrier;
        });
        let mut places: Vec<Option<Vec<Place>>> = self.ended.iter().map(|_| None).collect();
        while places.iter().any(Option::is_none) {
            let message = self.from.recv().map_err(|_| gone())?;
            if let Some((lane, positions)) = self.take(message)? {
                places[lane] = Some(positions);
            }
        }
        self.control.ask(|wanted| wanted.resumed = barrier);
        Ok(places.into_iter().flatten().flatten().collect())
    }
}

fn gone() -> JobError {
    JobError::Died("all lanes are gone".to_owned())
}

/// One lane's thread.
fn drive(nth: usize, mut lane: Lane, to: &SyncSender<Message>, control: &Control) {
    let mut answered = 0;
    loop {
        let (quit, barrier) = {
            let wanted = control.state.lock();
            (wanted.quit, wanted.barrier)
        };
        if quit {
            return;
        }
        let went = if barrier > answered {
            answered = barrier;
            let mut sent = Vec::new();
            lane.flush(&mut sent);
            to.send(Message::Barrier(nth, sent, lane.save())).is_ok()
                && control.wait(|wanted| wanted.resumed >= barrier)
        } else if lane.is_finished() {
            control.wait(|wanted| wanted.barrier > answered)
        } else {
            work(nth, &mut lane, to, control)
        };
        if !went {
            return;
        }
    }
}

/// One step, and a sleep when there was nothing to do. False when the job is over for this lane.
fn work(nth: usize, lane: &mut Lane, to: &SyncSender<Message>, control: &Control) -> bool {
    let (times, began) = (&control.times, Instant::now());
    let mut sent = Vec::new();
    let went = match lane.step(&mut sent) {
        Ok(went) => went,
        Err(error) => {
            let _ = to.send(Message::Failed(error));
            return false;
        }
    };
    let worked = Times::spent(&times.busy_us, began);
    if !sent.is_empty() && to.send(Message::Sent(nth, sent, lane.rows_in())).is_err() {
        return false;
    }
    let handed_on = Times::spent(&times.back_pressured_us, worked);
    lane.times().waited(handed_on - worked);
    match went {
        Went::Worked => true,
        Went::Finished => to.send(Message::Ended(nth)).is_ok(),
        Went::Idle => {
            let slept = block_on(lane.until_timeout(), sleep(lane, &control.wake[nth]));
            Times::spent(&times.idle_us, handed_on);
            let Some(Err(error)) = slept else { return true };
            let _ = to.send(Message::Failed(error));
            false
        }
    }
}

/// Until a source has something, or the trunk wants something.
async fn sleep(lane: &mut Lane, wake: &Notify) -> Result<(), JobError> {
    let sources: Vec<_> = lane.waiting().map(|split| split.wait()).collect();
    if sources.is_empty() {
        wake.notified().await;
        return Ok(());
    }
    match select(select_all(sources), pin!(wake.notified())).await {
        Either::Left(((result, ..), _)) => result.map_err(JobError::Connect),
        Either::Right(_) => Ok(()),
    }
}

/// Runs a future on this thread, until the job is asked to stop: then None.
pub(super) fn wait_for<T>(stop: Option<&Stop>, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    loop {
        match block_on(Some(STOP_LOOK), future.as_mut()) {
            Some(value) => return Some(value),
            None if stop.is_some_and(Stop::is_stopped) => return None,
            None => {}
        }
    }
}

/// Wakes the thread that waits in [`block_on`].
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future on this thread; the thread sleeps in between. None when it takes longer than `timeout`.
fn block_on<T>(timeout: Option<Duration>, future: impl Future<Output = T>) -> Option<T> {
    let until = timeout.map(|timeout| Instant::now() + timeout);
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return Some(value),
            Poll::Pending => {}
        }
        match until.map(|until| until.saturating_duration_since(Instant::now())) {
            None => std::thread::park(),
            Some(Duration::ZERO) => return None,
            Some(left) => std::thread::park_timeout(left),
        }
    }
}
