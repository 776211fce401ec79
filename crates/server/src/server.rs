//! The server: opens the house, opens the doors to it, and shuts both in the opposite order.

use crate::alarms::{self, Actors};
use crate::applications;
use crate::backfill;
use crate::console;
use crate::dlq::{self, DeadLetters};
use crate::door;
use crate::functions::FunctionRoom;
use crate::house::House;
use crate::lock::{self, DataLock, LockError};
use crate::meters::vitals::{self, Examination};
use crate::meters::{self, Lookout, Rooms};
use crate::protection::Protection;
use crate::settings::Settings;
use crate::telemetry;
use crate::trace::{self, Tracing};
use crate::uploads::Uploads;
use millrace_access::{Identities, KeyRing};
use millrace_api::analytics::Analytics;
use millrace_api::firehose::Firehose;
use millrace_api::kinesis::{KinesisObserver, KinesisOptions, Unobserved};
use millrace_api::kms::Kms;
use millrace_api::sns::Sns;
use millrace_api::sqs::Sqs;
use millrace_api::{Doors, Recorder, Service, serve};
use millrace_base::Dice;
use millrace_catalog::{Catalog, CatalogError};
use millrace_deliver::ObjectStore;
use millrace_log::{Log, LogError};
use millrace_stack::Deployer;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How often streams are looked at for what has outlived its retention.
const TRIM_EVERY: Duration = Duration::from_secs(60);
/// How often, and how long apart, the folder of a server that is ending is asked for.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder cannot be had.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A port cannot be had.
    #[error("cannot listen on {address}: {error}; is another server there? {flag} PORT picks another port")]
    Port {
        /// Where.
        address: SocketAddr,
        /// The option that sets it.
        flag: &'static str,
        /// What the system said.
        error: io::Error,
    },
    /// A room does not open.
    #[error("{room}: {reason}")]
    Room {
        /// Which.
        room: &'static str,
        /// Why.
        reason: String,
    },
}

/// A running server.
pub struct Server {
    /// Where the AWS APIs answer.
    pub address: SocketAddr,
    /// Where the OpenSearch API answers.
    pub search_address: SocketAddr,
    /// Deploys templates.
    pub deployer: Arc<Deployer>,
    /// Keeps the code that comes with templates.
    pub uploads: Uploads,
    /// The objects of the lake.
    pub store: Arc<dyn ObjectStore>,
    /// What whoever starts it should know of encryption.
    pub notice: Option<String>,
    /// What protects the doors.
    pub protection: Protection,
    house: House,
    recorder: Recorder,
    stop: watch::Sender<()>,
    doors: Vec<JoinHandle<io::Result<()>>>,
    _lock: DataLock,
}

/// Says which room it was that did not open.
pub fn room<E: std::fmt::Display>(room: &'static str) -> impl Fn(E) -> StartError {
    move |error| StartError::Room { room, reason: error.to_string() }
}

async fn listen(address: SocketAddr, flag: &'static str) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|error| StartError::Port { address, flag, error })
}

/// Takes the data folder. A server that was killed a moment ago may still be ending: it is given that moment.
async fn take(data: &Path) -> Result<DataLock, LockError> {
    for _ in 0..LOCK_TRIES {
        match DataLock::take(data) {
            Err(LockError::Taken(_)) => tokio::time::sleep(LOCK_PAUSE).await,
            other => return other,
        }
    }
    DataLock::take(data)
}

impl Server {
    /// Opens everything in the data folder and begins to serve.
    pub async fn start(settings: &Settings) -> Result<Self, StartError> {
        let lock = take(&settings.data).await?;
        let listener = listen(settings.address, "--port").await?;
        let search_listener = listen(settings.search_address, "--search-port").await?;
        let address = listener.local_addr().map_err(room("network"))?;
        let search_address = search_listener.local_addr().map_err(room("network"))?;
        let house = House::open(settings, address, search_address)?;
        let protection = Protection::open(settings, &house.identities, house.facts.clone(), &house.clock)?;
        lock::shut_to_others(&settings.data).map_err(room("data folder"))?;

        let (stop, stopped) = watch::channel(());
        protection.watch(stopping(stopped.clone()));
        let (gate, tls) = (protection.gate.clone(), protection.tls.clone());
        let search_stopped = stopping(stopped.clone());
        let recorder =
            Recorder::new(house.audit.clone(), house.identities.clone(), house.clock.clone(), house.dice.clone());
        let told = (Some(recorder.clone()), house.dice.clone());
        let search =
            millrace_api::opensearch::serve(search_listener, house.engine.clone(), gate, told, tls, search_stopped);
        let lookout = lookout(&house, settings);
        let behind = doors(&house, &protection, settings, (lookout.as_ref(), &recorder))?;
        let aws = serve(listener, behind, stopping(stopped.clone()));
        let doors = vec![tokio::spawn(aws), tokio::spawn(search)];
        if let Some(lookout) = lookout {
            tokio::spawn(meters::run(lookout, stopped.clone()));
        }
        let actors = Actors {
            topics: house.topics.clone(),
            queues: house.queues.clone(),
            events: house.functions.events.clone(),
            gate: protection.gate.clone(),
            dice: house.dice.clone(),
            clock: house.clock.clone(),
        };
        let journeys = telemetry::run(
            house.journeys.clone(),
            house.meters.metrics.clone(),
            settings.otlp_endpoint.clone(),
            stopped.clone(),
        );
        tokio::spawn(journeys);
        tokio::spawn(alarms::run(house.functions.alarms.clone(), actors, stopped.clone()));
        let upkeep = Upkeep {
            log: house.log.clone(),
            functions: house.functions.clone(),
            ring: house.ring.clone(),
            identities: house.identities.clone(),
            recorder: recorder.clone(),
        };
        tokio::spawn(trim(upkeep, stopped));
        Ok(Self {
            address,
            search_address,
            deployer: house.deployer.clone(),
            uploads: house.uploads.clone(),
            store: house.store.clone(),
            notice: house.notice.clone(),
            protection,
            house,
            recorder,
            stop,
            doors,
            _lock: lock,
        })
    }

    /// Stops the doors, then the rooms behind them.
    pub async fn shut_down(self) {
        drop(self.stop);
        for door in self.doors {
            // A door that failed has nothing left to close.
            let _ = door.await;
        }
        let (recorder, identities) = (self.recorder, self.house.identities.clone());
        let _ = tokio::task::spawn_blocking(move || {
            recorder.tell_refusals(true);
            keep_uses(&identities);
        })
        .await;
        self.house.shut_down().await;
    }
}

fn keep_uses(identities: &Identities) {
    if let Err(error) = identities.keep_uses() {
        tracing::warn!("when access keys were last used could not be kept, the next try is in a minute: {error}");
    }
}

/// What the port of the AWS APIs opens to.
fn doors(
    house: &House,
    protection: &Protection,
    settings: &Settings,
    (lookout, recorder): (Option<&Arc<Lookout>>, &Recorder),
) -> Result<Doors, StartError> {
    let mut services = house.functions.services();
    services.extend::<[Arc<dyn Service>; 5]>([
        Arc::new(Analytics::new(house.applications.clone())),
        Arc::new(Kms::new(house.ring.clone())),
        Arc::new(Firehose::new(house.deliveries.clone()).observed(Arc::new(house.meters.deliveries.clone()))),
        Arc::new(Sns::new(house.topics.clone())),
        Arc::new(Sqs::new(house.queues.clone())),
    ]);
    let own = door::Own {
        jobs: house.jobs.clone(),
        deployer: house.deployer.clone(),
        uploads: house.uploads.clone(),
        roles: house.roles.clone(),
    };
    let health = door::Health { clock: house.clock.clone(), auth: protection.gate.is_some() };
    let dead_letters = DeadLetters {
        queues: house.queues.clone(),
        mappings: house.functions.mappings.clone(),
        functions: house.functions.functions.clone(),
    };
    let (log, journeys, clock) = (house.log.clone(), house.journeys.clone(), house.clock.clone());
    let tracing = Tracing { log, journeys, clock };
    let examination = Examination {
        lookout: lookout.cloned(),
        mappings: house.functions.mappings.clone(),
        functions: house.functions.functions.clone(),
        damaged: Arc::new(house.damaged.clone()),
        quotas: settings.kinesis_quotas,
    };
    let console = console::Console {
        examination: examination.clone(),
        dead_letters: dead_letters.clone(),
        applications: house.applications.clone(),
    };
    Ok(Doors {
        log: house.log.clone(),
        catalog: house.catalog.clone(),
        iterator_key: iterator_key(&house.catalog, &*house.dice).map_err(room::<CatalogError>("catalog"))?,
        clock: house.clock.clone(),
        dice: house.dice.clone(),
        identities: house.identities.clone(),
        gate: protection.gate.clone(),
        audit: Some(recorder.clone()),
        tls: protection.tls.clone(),
        s3: house.s3.clone(),
        engine: Some(house.engine.clone()),
        services,
        kinesis: kinesis_options(house, settings),
        router: vitals::router(examination)
            .merge(door::router(own))
            .merge(door::health(health))
            .merge(house.functions.router())
            .merge(dlq::router(dead_letters))
            .merge(trace::router(tracing))
            .merge(applications::router(house.applications.clone()))
            .merge(backfill::router(house.backfills.clone()))
            .merge(console::router(console))
            .merge(millrace_console::router()),
    })
}

fn kinesis_options(house: &House, settings: &Settings) -> KinesisOptions {
    let streams = &house.meters.streams;
    let observer: Arc<dyn KinesisObserver> = match settings.telemetry {
        true => Arc::new(streams.clone()),
        false => Arc::new(Unobserved),
    };
    KinesisOptions {
        observer,
        monitoring: streams.monitoring().clone(),
        quotas: settings.kinesis_quotas,
        seals: Some(house.seals.clone()),
        policies: Some(house.facts.policies.clone()),
    }
}

/// Who looks at the rooms once a second, unless nothing is to be counted.
fn lookout(house: &House, settings: &Settings) -> Option<Arc<Lookout>> {
    let rooms = Rooms {
        log: house.log.clone(),
        queues: house.queues.clone(),
        topics: house.topics.clone(),
        engine: house.engine.clone(),
        deliveries: house.deliveries.clone(),
        catalog: house.catalog.clone(),
        clock: house.clock.clone(),
        data: settings.data.clone(),
    };
    settings.telemetry.then(|| Arc::new(Lookout::new(house.meters.clone(), rooms)))
}

/// The key that signs iterators: made once, so that iterators survive a restart.
fn iterator_key(catalog: &Catalog, dice: &dyn Dice) -> Result<[u8; 32], CatalogError> {
    catalog.update(|transaction| {
        if let Some(key) = transaction.get("server", "iterator-key")? {
            return Ok(key);
        }
        let mut key = [0; 32];
        key.chunks_mut(8).for_each(|part| part.copy_from_slice(&dice.roll().to_le_bytes()));
        transaction.put("server", "iterator-key", &key)?;
        Ok(key)
    })
}

async fn stopping(mut stopped: watch::Receiver<()>) {
    // The sender is dropped, never used.
    let _ = stopped.changed().await;
}

/// What is looked after once a minute.
#[derive(Clone)]
struct Upkeep {
    log: Arc<dyn Log>,
    functions: FunctionRoom,
    ring: KeyRing,
    identities: Identities,
    recorder: Recorder,
}

impl Upkeep {
    fn run(&self) -> Result<(), LogError> {
        self.functions.tidy();
        self.recorder.tell_refusals(false);
        keep_uses(&self.identities);
        if let Err(error) = self.ring.upkeep() {
            tracing::warn!("keys that are due were not rotated, the next try is in a minute: {error}");
        }
        self.log.trim_expired().map(drop)
    }
}

async fn trim(upkeep: Upkeep, stopped: watch::Receiver<()>) {
    let mut stopped = std::pin::pin!(stopping(stopped));
    loop {
        tokio::select! {
            () = &mut stopped => return,
            () = tokio::time::sleep(TRIM_EVERY) => {
                let upkeep = upkeep.clone();
                let trimmed = tokio::task::spawn_blocking(move || upkeep.run()).await;
                if let Ok(Err(error)) = trimmed {
                    tracing::warn!("expired records could not be removed, the next try is in a minute: {error}");
                }
            }
        }
    }
}
