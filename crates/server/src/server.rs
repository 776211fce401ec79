//! The server: opens the rooms in the order in which they lean on each other, opens the doors, and shuts all of it in the
//! opposite order.

use crate::applications::Applications;
use crate::calling::Calling;
use crate::deliveries::Deployed;
use crate::dlq::{self, DeadLetters};
use crate::domains::Domains;
use crate::door;
use crate::functions::{FunctionRoom, Ground};
use crate::index::{DeliveredIndex, OpenSearchSink};
use crate::jobs::Jobs;
use crate::lake::LakeBuckets;
use crate::lock::{DataLock, LockError};
use crate::mappings::{GivenUp, MappedQueues, RegisteredConsumers};
use crate::resources::{Rooms, resource_types};
use crate::scalar::ExternalFunctions;
use crate::settings::Settings;
use crate::topics;
use crate::transform::Transformation;
use crate::uploads::{Packages, Uploads};
use millrace_access::Identities;
use millrace_api::firehose::Firehose;
use millrace_api::sns::Sns;
use millrace_api::sqs::Sqs;
use millrace_api::{Doors, Service, serve};
use millrace_base::{Clock, Dice, Disk, SystemClock, SystemDice, SystemDisk};
use millrace_catalog::{Catalog, CatalogError};
use millrace_deliver::{Buckets, DeliverError, Deliveries, ObjectStore};
use millrace_log::{Consumers, LocalLog, Log, LogError, LogOptions, LogParts};
use millrace_process::connect::Connectors;
use millrace_queue::sns::{TopicError, Topics};
use millrace_queue::{QueueError, QueueOptions, QueueParts, Queues};
use millrace_schema::tables::Tables;
use millrace_search::Engine;
use millrace_stack::Deployer;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How often streams are looked at for what has outlived its retention.
const TRIM_EVERY: Duration = Duration::from_secs(60);

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
    applications: Arc<Applications>,
    deliveries: Deliveries,
    topics: Topics,
    functions: FunctionRoom,
    engine: Arc<Engine>,
    stop: watch::Sender<()>,
    doors: Vec<JoinHandle<io::Result<()>>>,
    _lock: DataLock,
}

fn room<E: std::fmt::Display>(room: &'static str) -> impl Fn(E) -> StartError {
    move |error| StartError::Room { room, reason: error.to_string() }
}

async fn listen(address: SocketAddr, flag: &'static str) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|error| StartError::Port { address, flag, error })
}

fn jobs_over(
    log: &Arc<dyn Log>,
    engine: &Arc<Engine>,
    calling: &Calling,
    address: SocketAddr,
    dir: PathBuf,
) -> Arc<Jobs> {
    let mut connectors = Connectors::default();
    let (calling, runtime) = (calling.clone(), Handle::current());
    connectors.set_functions(Arc::new(ExternalFunctions { calling, runtime }));
    connectors.add_sink("opensearch", Arc::new(OpenSearchSink { engine: engine.clone(), address }));
    Arc::new(Jobs::new(log.clone(), connectors, dir))
}

impl Server {
    /// Opens everything in the data folder and begins to serve.
    pub async fn start(settings: &Settings) -> Result<Self, StartError> {
        let lock = DataLock::take(&settings.data)?;
        let listener = listen(settings.address, "--port").await?;
        let search_listener = listen(settings.search_address, "--search-port").await?;
        let address = listener.local_addr().map_err(room("network"))?;
        let search_address = search_listener.local_addr().map_err(room("network"))?;

        let (clock, dice, disk): (Arc<dyn Clock>, Arc<dyn Dice>, Arc<dyn Disk>) =
            (Arc::new(SystemClock), Arc::new(SystemDice), Arc::new(SystemDisk));
        let data = &settings.data;
        let catalog = Catalog::open(&*disk, &data.join("catalog.redb")).map_err(room::<CatalogError>("catalog"))?;
        let log = open_log(settings, &clock, &disk, &catalog)?;
        let queues = open_queues(settings, &clock, &disk, &dice, &catalog)?;
        let (topics, endpoint) = topics::open(catalog.clone(), queues.clone(), clock.clone(), dice.clone(), address)
            .map_err(room::<TopicError>("topics"))?;
        let engine = open_engine(settings, &clock, &disk, &dice)?;
        let buckets = Buckets::new(catalog.clone());
        let store = settings.store.open(&disk, &buckets).map_err(room("lake"))?;
        let tables = Tables::new(catalog.clone());
        let functions = FunctionRoom::open(Ground {
            catalog: &catalog,
            clock: &clock,
            dice: &dice,
            disk: &disk,
            data,
            address,
            log: &log,
            consumers: Arc::new(RegisteredConsumers { consumers: Consumers::new(catalog.clone()), log: log.clone() }),
            queues: Arc::new(MappedQueues(queues.clone())),
            destinations: Arc::new(GivenUp { queues: queues.clone(), topics: topics.clone(), store: store.clone() }),
            store: store.clone(),
        })
        .map_err(room("functions"))?;
        endpoint.connect(functions.events.clone());
        let calling = Calling { functions: functions.invoke.clone(), dice: dice.clone() };
        let deliveries = Deliveries::open(millrace_deliver::Parts {
            catalog: catalog.clone(),
            log: log.clone(),
            tables: tables.clone(),
            store: store.clone(),
            index: Arc::new(DeliveredIndex(engine.clone())),
            transform: Arc::new(Transformation(calling.clone())),
            clock: clock.clone(),
        });
        deliveries.start(Handle::current()).map_err(room::<DeliverError>("delivery"))?;

        let jobs = jobs_over(&log, &engine, &calling, search_address, data.join("jobs"));
        let applications = Arc::new(Applications::new(catalog.clone(), clock.clone(), jobs.clone()));
        applications.resume().map_err(room("applications"))?;

        let uploads = Uploads::new(disk.clone(), data.join("functions").join("uploads"));
        let rooms = Rooms {
            identities: Identities::new(catalog.clone(), clock.clone(), dice.clone()),
            clock: clock.clone(),
            log: log.clone(),
            tables,
            buckets: Arc::new(LakeBuckets { buckets, store: store.clone(), clock: clock.clone() }),
            deliveries: Arc::new(Deployed(deliveries.clone())),
            domains: Arc::new(Domains::new(catalog.clone(), clock.clone(), search_address)),
            applications: applications.clone(),
            consumers: Consumers::new(catalog.clone()),
            queues: queues.clone(),
            topics: topics.clone(),
            functions: functions.clone(),
            packages: Arc::new(Packages { uploads: uploads.clone(), objects: functions.objects.clone() }),
            base_url: topics::base_url(address),
        };
        let deployer = Arc::new(Deployer::new(catalog.clone(), clock.clone(), dice.clone(), resource_types(&rooms)));

        let (stop, stopped) = watch::channel(());
        let mut services = functions.services();
        services.extend::<[Arc<dyn Service>; 3]>([
            Arc::new(Firehose::new(deliveries.clone())),
            Arc::new(Sns::new(topics.clone())),
            Arc::new(Sqs::new(queues.clone())),
        ]);
        let doors = Doors {
            log: log.clone(),
            catalog: catalog.clone(),
            iterator_key: iterator_key(&catalog, &*dice).map_err(room::<CatalogError>("catalog"))?,
            clock,
            dice,
            services,
            router: door::router(door::Own { jobs, deployer: deployer.clone(), uploads: uploads.clone() })
                .merge(functions.router())
                .merge(dlq::router(DeadLetters {
                    queues: queues.clone(),
                    mappings: functions.mappings.clone(),
                    functions: functions.functions.clone(),
                })),
        };
        let doors = vec![
            tokio::spawn(serve(listener, doors, stopping(stopped.clone()))),
            tokio::spawn(millrace_api::opensearch::serve(search_listener, engine.clone(), stopping(stopped.clone()))),
        ];
        tokio::spawn(trim(log, functions.clone(), stopped));
        Ok(Self {
            address,
            search_address,
            deployer,
            uploads,
            store,
            applications,
            deliveries,
            topics,
            functions,
            engine,
            stop,
            doors,
            _lock: lock,
        })
    }

    /// Stops in order: doors, jobs (each with a last checkpoint), deliveries, topics, functions, index.
    pub async fn shut_down(self) {
        drop(self.stop);
        for door in self.doors {
            // A door that failed has nothing left to close.
            let _ = door.await;
        }
        let applications = self.applications;
        let _ = tokio::task::spawn_blocking(move || applications.shut_down()).await;
        self.deliveries.shutdown().await;
        self.topics.stop();
        self.functions.shut_down().await;
        let engine = self.engine;
        let closed = tokio::task::spawn_blocking(move || engine.close()).await;
        if let Ok(Err(error)) = closed {
            eprintln!("the index did not close cleanly, it repairs itself at the next start: {error}");
        }
    }
}

fn open_log(
    settings: &Settings,
    clock: &Arc<dyn Clock>,
    disk: &Arc<dyn Disk>,
    catalog: &Catalog,
) -> Result<Arc<dyn Log>, StartError> {
    let parts =
        LogParts { clock: clock.clone(), disk: disk.clone(), catalog: catalog.clone(), dir: settings.data.join("log") };
    let log = LocalLog::open(parts, LogOptions::default()).map_err(room::<LogError>("log"))?;
    for (stream, error) in log.damaged() {
        eprintln!("stream {stream} cannot be used, the others can: {error}");
    }
    Ok(log)
}

fn open_queues(
    settings: &Settings,
    clock: &Arc<dyn Clock>,
    disk: &Arc<dyn Disk>,
    dice: &Arc<dyn Dice>,
    catalog: &Catalog,
) -> Result<Queues, StartError> {
    let parts = QueueParts {
        clock: clock.clone(),
        dice: dice.clone(),
        disk: disk.clone(),
        catalog: catalog.clone(),
        dir: settings.data.join("queue"),
    };
    Queues::open(parts, QueueOptions::default()).map_err(room::<QueueError>("queues"))
}

fn open_engine(
    settings: &Settings,
    clock: &Arc<dyn Clock>,
    disk: &Arc<dyn Disk>,
    dice: &Arc<dyn Dice>,
) -> Result<Arc<Engine>, StartError> {
    let dir = settings.data.join("search");
    let parts = millrace_search::Parts { dir, disk: disk.clone(), clock: clock.clone(), dice: dice.clone() };
    let engine = Engine::open(parts).map_err(room::<millrace_search::Error>("index"))?;
    engine.start().map_err(room::<io::Error>("index"))?;
    Ok(engine)
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

async fn trim(log: Arc<dyn Log>, functions: FunctionRoom, stopped: watch::Receiver<()>) {
    let mut stopped = std::pin::pin!(stopping(stopped));
    loop {
        tokio::select! {
            () = &mut stopped => return,
            () = tokio::time::sleep(TRIM_EVERY) => {
                let (log, functions) = (log.clone(), functions.clone());
                let trim = move || {
                    functions.tidy();
                    log.trim_expired()
                };
                let trimmed = tokio::task::spawn_blocking(trim).await;
                if let Ok(Err(error)) = trimmed {
                    eprintln!("expired records could not be removed, the next try is in a minute: {error}");
                }
            }
        }
    }
}
