//! The thin driver: one thread for each delivery stream, which steps its runner and waits between steps.

#![allow(clippy::disallowed_methods, reason = "a driver waits on the machine's time; the logic is in the runner")]

use crate::run::{Parts, Runner, Stats, StatsSnapshot, Step, catalog_key};
use millrace_base::Scope;
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
                let (parts, inner, named) = (self.parts.clone(), control.clone(), name.to_owned());
                let thread = std::thread::Builder::new().name(format!("deliver-{name}"));
                let spawned = thread.spawn(move || {
                    runtime.block_on(drive(runner, &named, &inner, &parts));
                    // Whoever waits may be gone, too.
                    let _ = gone.send(());
                });
                match spawned {
                    Ok(_) => stats,
                    Err(error) => failed(name, &format!("no thread could be started: {error}")),
                }
            }
        };
        self.running.lock().insert(catalog_key(scope, name), Worker { control, stats, done });
    }

    /// Makes a delivery stream look at its definition again.
    pub(crate) fn reload(&self, scope: &Scope, name: &str) {
        if let Some(worker) = self.running.lock().get(&catalog_key(scope, name)) {
            worker.control.reload.store(true, Ordering::Release);
            worker.control.wake.notify_one();
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

    pub(crate) fn stats(&self, scope: &Scope, name: &str) -> Option<StatsSnapshot> {
        self.running.lock().get(&catalog_key(scope, name)).map(|worker| worker.stats.snapshot())
    }
}

impl Worker {
    fn stop(&self) {
        self.control.stop.store(true, Ordering::Release);
        self.control.wake.notify_one();
    }
}

fn failed(name: &str, reason: &str) -> Arc<Stats> {
    eprintln!("delivery stream {name} does not run: {reason}");
    let stats = Stats::default();
    *stats.last_error.lock() = Some(reason.to_owned());
    Arc::new(stats)
}

/// Says when trouble begins and when it is over, not at every try between.
fn tell(name: &str, told: &mut bool, trouble: Option<String>) {
    match trouble {
        Some(error) if !*told => {
            eprintln!(
                "delivery stream {name} cannot deliver: {error}; it goes on trying, and nothing is lost as long as its \
                 stream keeps the records"
            );
            *told = true;
        }
        None if *told => {
            eprintln!("delivery stream {name} delivers again, from where it stood");
            *told = false;
        }
        _ => {}
    }
}

async fn drive(mut runner: Runner, name: &str, control: &Control, parts: &Parts) {
    let mut told = false;
    while !control.stop.load(Ordering::Acquire) {
        let Step { worked, wake_at, reads } = runner.step().await;
        tell(name, &mut told, runner.trouble());
        if worked {
            continue;
        }
        let pause = wake_at.map(|at| Duration::from_millis((at - parts.clock.now()).max(0) as u64));
        let sleep = async {
            match pause {
                Some(pause) => tokio::time::sleep(pause).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = control.wake.notified() => {}
            () = runner.wait(), if reads => {}
            () = sleep => {}
        }
    }
}
