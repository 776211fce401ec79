//! What is counted of every stage, under AWS's names.
//!
//! Stages say what happens by traits of their own (`KinesisObserver`, `DeliveryObserver`, `Meter`, `EventObserver`) or count
//! for themselves (`Counters`, `Tally`); here it becomes metrics, and what `millrace doctor` looks at. Once a second
//! [`run`] looks at what nobody says: how far behind readers are, how long messages wait, how fresh deliveries are.

mod ages;
pub mod analytics;
#[cfg(test)]
mod documented;
mod firehose;
mod hot_keys;
pub mod kinesis;
pub mod lambda;
mod log;
mod queues;
mod search;
mod sheet;
pub mod vitals;

pub use analytics::ApplicationMeter;
pub use firehose::DeliveryMeter;
pub use kinesis::Streams;
pub use lambda::{FunctionError, FunctionMeter, Metered};
pub use log::MeteredLog;

use crate::trace::notes::Notes;
use ages::Ages;
use millrace_base::{Clock, Scope};
use millrace_catalog::Catalog;
use millrace_deliver::Deliveries;
use millrace_log::{Log, Monitoring};
use millrace_queue::Queues;
use millrace_queue::sns::Topics;
use millrace_search::Engine;
use millrace_watch::Metrics;
use queues::QueueMeter;
use search::SearchMeter;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How often is looked at what nobody says.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Streams that were deleted are forgotten after so many looks.
const PRUNE_EVERY: u64 = 60;

/// The name of the index itself, where no domain was deployed; policies call it so, too.
const OWN_DOMAIN: &str = "millrace";

/// What stages count with. Cheap to clone.
#[derive(Clone)]
pub struct Meters {
    /// Where it goes.
    pub metrics: Metrics,
    /// Streams.
    pub streams: Streams,
    /// Delivery streams.
    pub deliveries: DeliveryMeter,
    /// Functions and mappings.
    pub functions: FunctionMeter,
    /// Applications.
    pub applications: ApplicationMeter,
    /// Records' journeys.
    pub notes: Notes,
}

impl Meters {
    /// Meters of a server. Without `telemetry` they count into metrics that nobody sees.
    pub fn new(metrics: &Metrics, clock: &Arc<dyn Clock>, monitoring: Monitoring, notes: Notes) -> Self {
        Self {
            metrics: metrics.clone(),
            streams: Streams::new(metrics, clock.clone(), monitoring, notes.clone()),
            deliveries: DeliveryMeter::new(metrics, notes.clone()),
            functions: FunctionMeter::new(metrics, clock.clone(), notes.clone()),
            applications: ApplicationMeter::new(metrics),
            notes,
        }
    }
}

/// The rooms that are looked at.
pub struct Rooms {
    /// The streams.
    pub log: Arc<dyn Log>,
    /// The queues.
    pub queues: Queues,
    /// The topics.
    pub topics: Topics,
    /// The index.
    pub engine: Arc<Engine>,
    /// Delivery streams.
    pub deliveries: Deliveries,
    /// Where domains are.
    pub catalog: Catalog,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The data folder, whose disk may be full.
    pub data: PathBuf,
}

/// Looks at the rooms once a second.
pub struct Lookout {
    meters: Meters,
    rooms: Rooms,
    ages: Ages,
    queues: QueueMeter,
    search: SearchMeter,
}

impl Lookout {
    /// Looks at `rooms`, and counts with `meters`.
    pub fn new(meters: Meters, rooms: Rooms) -> Self {
        let ages = Ages::new(
            rooms.log.clone(),
            &meters.metrics,
            meters.streams.clone(),
            meters.deliveries.clone(),
            meters.applications.clone(),
        );
        let queues = QueueMeter::new(&meters.metrics);
        let search = SearchMeter::new(&meters.metrics, rooms.engine.clone());
        Self { meters, rooms, ages, queues, search }
    }

    /// Looks once. Blocking.
    fn look(&self) {
        let now = self.rooms.clock.now();
        self.meters.notes.look();
        self.ages.sample(now);
        self.meters.deliveries.sample(&self.rooms.deliveries, now);
        self.meters.applications.sample(now);
        self.queues.sample_queues(&self.rooms.queues, now);
        self.queues.sample_topics(&self.rooms.topics);
        self.search.sample(&self.domains(), space(&self.rooms.data).map(|space| space.free));
    }

    fn domains(&self) -> Vec<(Scope, String)> {
        // A catalog that cannot be read is told by everything else.
        let found = self.rooms.catalog.list::<serde::de::IgnoredAny>(crate::domains::TABLE, "").unwrap_or_default();
        let named = found.into_iter().filter_map(|(key, _)| {
            let mut parts = key.splitn(3, '/');
            Some((Scope::new(parts.next()?, parts.next()?), parts.next()?.to_owned()))
        });
        let mut domains: Vec<_> = named.collect();
        // The index is used without a domain, too, and what it does is told all the same.
        if !domains.iter().any(|(scope, _)| *scope == Scope::default()) {
            domains.push((Scope::default(), OWN_DOMAIN.to_owned()));
        }
        domains
    }
}

/// How much room a disk has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Space {
    /// Bytes that are left to this user.
    pub free: u64,
    /// All bytes.
    pub total: u64,
}

/// The room of the disk that holds a folder.
pub fn space(folder: &std::path::Path) -> Option<Space> {
    let found = rustix::fs::statvfs(folder).ok()?;
    Some(Space { free: found.f_bavail * found.f_frsize, total: found.f_blocks * found.f_frsize })
}

/// Looks until `stopped`.
pub async fn run(lookout: Arc<Lookout>, mut stopped: watch::Receiver<()>) {
    let mut tick = tokio::time::interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut looks = 0;
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            _ = stopped.changed() => return,
        }
        looks += 1;
        let lookout = lookout.clone();
        let looked = tokio::task::spawn_blocking(move || {
            lookout.look();
            if looks % PRUNE_EVERY == 0 {
                return lookout.meters.streams.monitoring().prune(&*lookout.rooms.log);
            }
            Ok(())
        });
        if let Ok(Err(error)) = looked.await {
            tracing::warn!(
                "shard metrics of deleted streams could not be forgotten, the next try is in a minute: {error}"
            );
        }
    }
}
