//! The thin driver: one thread for each delivery stream, which steps its two halves and waits between steps. A function that
//! takes its time holds up the first half of its own delivery stream, nothing else.

#![allow(clippy::disallowed_methods, reason = "a driver waits on the machine's time; the logic is in the runner")]

use crate::deliveries::RunningDelivery;
use crate::run::{Parts, Runner, Stats, StatsSnapshot, Step, catalog_key};
use crate::stage::Stager;
use millrace_base::{Millis, Scope, work_in_background};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};

/// The threads by the catalog's key.
pub(crate) struct Workers {
    parts: Parts,
    runtime: Mutex<Option<Handle>>,
    running: Mutex<HashMap<String, Worker>>,
}

struct Worker {
    scope: Scope,
    name: String,
    control: Arc<Control>,
    stats: Arc<Stats>,
    /// Resolves when the thread is gone.
    done: oneshot::Receiver<()>,
}

#[derive(Default)]
struct Control {
    stop: AtomicBool,
    reload: Arc<AtomicBool>,
    wake: Notify,
    wake_stager: Notify,
}

impl Control {
    fn wake(&self) {
        self.wake.notify_one();
        self.wake_stager.notify_one();
    }

    /// Resolves when the delivery stream is to stop.
    async fn stopped(&self) {
        while !self.stop.load(Ordering::Acquire) {
            self.wake_stager.notified().await;
        }
    }
}

impl Workers {
    pub(crate) fn new(parts: Parts) -> Self {
        Self { parts, runtime: Mutex::default(), running: Mutex::default() }
    }

    pub(crate) fn enable(&self, runtime: Handle) {
        *self.runtime.lock() = Some(runtime);
    }

    /// Runs a delivery stream, if running is enabled. One that cannot be opened shows why in its counters.
    pub(crate) fn start(&self, scope: &Scope, name: &str) {
        let Some(runtime) = self.runtime.lock().clone() else { return };
        let control = Arc::new(Control::default());
        let (gone, done) = oneshot::channel();
        let stats = match Runner::open(self.parts.clone(), scope, name, control.reload.clone()) {
            Err(error) => failed(name, &error.to_string()),
            Ok(runner) => {
                let stats = runner.stats();
                let stager = Stager::open(self.parts.clone(), scope, name, stats.clone());
                let (parts, inner, named) = (self.parts.clone(), control.clone(), name.to_owned());
                let thread = std::thread::Builder::new().name(format!("deliver-{name}"));
                let spawned = thread.spawn(move || {
                    work_in_background();
                    let halves = futures::future::join(
                        drive(runner, &named, &inner, &parts),
                        drive_stager(stager, &named, &inner, &parts),
                    );
                    runtime.block_on(halves);
                    // Whoever waits may be gone, too.
                    let _ = gone.send(());
                });
                match spawned {
                    Ok(_) => stats,
                    Err(error) => failed(name, &format!("no thread could be started: {error}")),
                }
            }
        };
        self.running.lock().insert(
            catalog_key(scope, name),
            Worker { scope: scope.clone(), name: name.to_owned(), control, stats, done },
        );
    }

    /// Makes a delivery stream look at its definition again.
    pub(crate) fn reload(&self, scope: &Scope, name: &str) {
        if let Some(worker) = self.running.lock().get(&catalog_key(scope, name)) {
            worker.control.reload.store(true, Ordering::Release);
            worker.control.wake();
        }
    }

    /// Stops a delivery stream and waits until it has.
    pub(crate) async fn stop(&self, scope: &Scope, name: &str) {
        let worker = self.running.lock().remove(&catalog_key(scope, name));
        if let Some(worker) = worker {
            worker.stop();
            // An error says that the thread never ran or is gone.
            let _ = worker.done.await;
        }
    }

    /// Stops all.
    pub(crate) async fn stop_all(&self) {
        *self.runtime.lock() = None;
        let workers: Vec<_> = self.running.lock().drain().map(|(_, worker)| worker).collect();
        workers.iter().for_each(Worker::stop);
        for worker in workers {
            let _ = worker.done.await;
        }
    }

    pub(crate) fn all(&self) -> Vec<RunningDelivery> {
        let running = self.running.lock();
        let shown = |worker: &Worker| RunningDelivery {
            scope: worker.scope.clone(),
            name: worker.name.clone(),
            stats: worker.stats.snapshot(),
        };
        running.values().map(shown).collect()
    }

    pub(crate) fn stats(&self, scope: &Scope, name: &str) -> Option<StatsSnapshot> {
        self.running.lock().get(&catalog_key(scope, name)).map(|worker| worker.stats.snapshot())
    }
}

impl Worker {
    fn stop(&self) {
        self.control.stop.store(true, Ordering::Release);
        self.control.wake();
    }
}

fn failed(name: &str, reason: &str) -> Arc<Stats> {
    tracing::warn!("delivery stream {name} does not run: {reason}");
    let stats = Stats::default();
    *stats.last_error.lock() = Some(reason.to_owned());
    Arc::new(stats)
}

/// Says when trouble begins and when it is over, not at every try between.
fn tell(name: &str, told: &mut bool, trouble: Option<String>) {
    match trouble {
        Some(error) if !*told => {
            tracing::warn!(
                "delivery stream {name} cannot deliver: {error}; it goes on trying, and nothing is lost as long as its \
                 stream keeps the records"
            );
            *told = true;
        }
        None if *told => {
            tracing::info!("delivery stream {name} delivers again, from where it stood");
            *told = false;
        }
        _ => {}
    }
}

async fn drive(mut runner: Runner, name: &str, control: &Control, parts: &Parts) {
    let mut told = false;
    while !control.stop.load(Ordering::Acquire) {
        let staged = runner.is_staged();
        let Step { worked, wake_at, reads } = runner.step().await;
        tell(name, &mut told, runner.trouble());
        if runner.is_staged() != staged {
            control.wake_stager.notify_one();
        }
        if worked {
            continue;
        }
        tokio::select! {
            () = control.wake.notified() => {}
            () = runner.wait(), if reads => {}
            () = sleep(parts, wake_at) => {}
        }
    }
}

/// Stops in the middle of a call, too: the next start asks the function again.
async fn drive_stager(mut stager: Stager, name: &str, control: &Control, parts: &Parts) {
    let mut told = false;
    while !control.stop.load(Ordering::Acquire) {
        let step = tokio::select! {
            step = stager.step() => step,
            () = control.stopped() => return,
        };
        tell(name, &mut told, stager.trouble());
        if step.worked {
            continue;
        }
        tokio::select! {
            () = control.wake_stager.notified() => {}
            () = stager.wait(), if step.reads => {}
            () = sleep(parts, step.wake_at) => {}
        }
    }
}

async fn sleep(parts: &Parts, until: Option<Millis>) {
    match until {
        Some(at) => tokio::time::sleep(Duration::from_millis((at - parts.clock.now()).max(0) as u64)).await,
        None => std::future::pending().await,
    }
}
