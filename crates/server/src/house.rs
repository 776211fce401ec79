//! All rooms of a server, opened in the order in which they lean on each other, and shut in the opposite order.

use crate::applications::Applications;
use crate::calling::Calling;
use crate::deliveries::Deployed;
use crate::domains::Domains;
use crate::functions::{FunctionRoom, Ground};
use crate::index::{DeliveredIndex, OpenSearchSink};
use crate::jobs::Jobs;
use crate::lake::LakeBuckets;
use crate::mappings::{GivenUp, MappedQueues, RegisteredConsumers};
use crate::resources::{Rooms, resource_types};
use crate::scalar::ExternalFunctions;
use crate::server::{StartError, room};
use crate::settings::Settings;
use crate::topics;
use crate::transform::Transformation;
use crate::uploads::{Packages, Uploads};
use millrace_access::Identities;
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
use tokio::runtime::Handle;

/// The rooms.
pub struct House {
    /// Definitions and small facts.
    pub catalog: Catalog,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub dice: Arc<dyn Dice>,
    /// The streams.
    pub log: Arc<dyn Log>,
    /// SQS.
    pub queues: Queues,
    /// SNS.
    pub topics: Topics,
    /// The index.
    pub engine: Arc<Engine>,
    /// The objects of the lake.
    pub store: Arc<dyn ObjectStore>,
    /// Lambda, its logs and metrics.
    pub functions: FunctionRoom,
    /// Firehose.
    pub deliveries: Deliveries,
    /// Running SQL.
    pub jobs: Arc<Jobs>,
    /// Deployed SQL.
    pub applications: Arc<Applications>,
    /// Code that comes with templates.
    pub uploads: Uploads,
    /// Deploys templates.
    pub deployer: Arc<Deployer>,
}

/// What every room is made of.
struct World {
    clock: Arc<dyn Clock>,
    dice: Arc<dyn Dice>,
    disk: Arc<dyn Disk>,
    catalog: Catalog,
    data: PathBuf,
}

impl House {
    /// Opens everything in the data folder. `address` and `search_address`: where the doors will be.
    pub fn open(settings: &Settings, address: SocketAddr, search_address: SocketAddr) -> Result<Self, StartError> {
        let world = World::open(settings)?;
        let World { clock, dice, disk, catalog, data } = &world;
        let log = world.log()?;
        let queues = world.queues()?;
        let (topics, endpoint) = topics::open(catalog.clone(), queues.clone(), clock.clone(), dice.clone(), address)
            .map_err(room::<TopicError>("topics"))?;
        let engine = world.engine()?;
        let buckets = Buckets::new(catalog.clone());
        let store = settings.store.open(disk, &buckets).map_err(room("lake"))?;
        let tables = Tables::new(catalog.clone());
        let functions = world.functions(&log, &queues, &topics, &store, address)?;
        endpoint.connect(functions.events.clone());
        let calling = Calling { functions: functions.invoke.clone(), dice: dice.clone() };
        let deliveries = world.deliveries(&log, &tables, &store, &engine, &calling)?;
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
        let World { clock, dice, catalog, .. } = world;
        Ok(Self {
            catalog,
            clock,
            dice,
            log,
            queues,
            topics,
            engine,
            store,
            functions,
            deliveries,
            jobs,
            applications,
            uploads,
            deployer,
        })
    }

    /// Stops in order: jobs (each with a last checkpoint), deliveries, topics, functions, index.
    pub async fn shut_down(self) {
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

impl World {
    fn open(settings: &Settings) -> Result<Self, StartError> {
        let (clock, dice, disk) = (Arc::new(SystemClock), Arc::new(SystemDice), Arc::new(SystemDisk));
        let catalog = Catalog::open(&*disk, &settings.data.join("catalog.redb"));
        let catalog = catalog.map_err(room::<CatalogError>("catalog"))?;
        Ok(Self { clock, dice, disk, catalog, data: settings.data.clone() })
    }

    fn log(&self) -> Result<Arc<dyn Log>, StartError> {
        let parts = LogParts {
            clock: self.clock.clone(),
            disk: self.disk.clone(),
            catalog: self.catalog.clone(),
            dir: self.data.join("log"),
        };
        let log = LocalLog::open(parts, LogOptions::default()).map_err(room::<LogError>("log"))?;
        for (stream, error) in log.damaged() {
            eprintln!("stream {stream} cannot be used, the others can: {error}");
        }
        Ok(log)
    }

    fn queues(&self) -> Result<Queues, StartError> {
        let parts = QueueParts {
            clock: self.clock.clone(),
            dice: self.dice.clone(),
            disk: self.disk.clone(),
            catalog: self.catalog.clone(),
            dir: self.data.join("queue"),
        };
        Queues::open(parts, QueueOptions::default()).map_err(room::<QueueError>("queues"))
    }

    fn engine(&self) -> Result<Arc<Engine>, StartError> {
        let engine = Engine::open(millrace_search::Parts {
            dir: self.data.join("search"),
            disk: self.disk.clone(),
            clock: self.clock.clone(),
            dice: self.dice.clone(),
        });
        let engine = engine.map_err(room::<millrace_search::Error>("index"))?;
        engine.start().map_err(room::<io::Error>("index"))?;
        Ok(engine)
    }

    fn functions(
        &self,
        log: &Arc<dyn Log>,
        queues: &Queues,
        topics: &Topics,
        store: &Arc<dyn ObjectStore>,
        address: SocketAddr,
    ) -> Result<FunctionRoom, StartError> {
        let consumers = Consumers::new(self.catalog.clone());
        FunctionRoom::open(Ground {
            catalog: &self.catalog,
            clock: &self.clock,
            dice: &self.dice,
            disk: &self.disk,
            data: &self.data,
            address,
            log,
            consumers: Arc::new(RegisteredConsumers { consumers, log: log.clone() }),
            queues: Arc::new(MappedQueues(queues.clone())),
            destinations: Arc::new(GivenUp { queues: queues.clone(), topics: topics.clone(), store: store.clone() }),
            store: store.clone(),
        })
        .map_err(room("functions"))
    }

    fn deliveries(
        &self,
        log: &Arc<dyn Log>,
        tables: &Tables,
        store: &Arc<dyn ObjectStore>,
        engine: &Arc<Engine>,
        calling: &Calling,
    ) -> Result<Deliveries, StartError> {
        let deliveries = Deliveries::open(millrace_deliver::Parts {
            catalog: self.catalog.clone(),
            log: log.clone(),
            tables: tables.clone(),
            store: store.clone(),
            index: Arc::new(DeliveredIndex(engine.clone())),
            transform: Arc::new(Transformation(calling.clone())),
            clock: self.clock.clone(),
        });
        deliveries.start(Handle::current()).map_err(room::<DeliverError>("delivery"))?;
        Ok(deliveries)
    }
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
