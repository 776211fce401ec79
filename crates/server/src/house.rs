//! All rooms of a server, opened in the order in which they lean on each other, and shut in the opposite order.

use crate::applications::Applications;
use crate::backfill::{self, Backfills};
use crate::calling::Calling;
use crate::deliveries::Deployed;
use crate::domains::Domains;
use crate::functions::{FunctionRoom, Ground};
use crate::index::{DeliveredIndex, OpenSearchSink};
use crate::jobs::Jobs;
use crate::lake::LakeBuckets;
use crate::mappings::{GivenUp, MappedQueues, RegisteredConsumers};
use crate::message_keys::RingKeys;
use crate::meters::{MeteredLog, Meters};
use crate::permissions::{Roles, RoomFacts, Subscribers};
use crate::record_text::RegisteredText;
use crate::resources::{Guarantees, Rooms, resource_types};
use crate::scalar::ExternalFunctions;
use crate::server::{StartError, room};
use crate::settings::{AuthSetting, Settings, TlsSetting};
use crate::telemetry;
use crate::topics::{self, FunctionEndpoint};
use crate::trace::notes::Notes;
use crate::transform::Transformation;
use crate::uploads::{Packages, Uploads};
use crate::vault::Vault;
use millrace_access::audit::{Audit, AuditError};
use millrace_access::{Identities, KeyRing, ResourcePolicies, SealedMessages, StreamSeals};
use millrace_api::s3::S3;
use millrace_base::{Clock, Dice, Disk, SystemClock, SystemDice, SystemDisk};
use millrace_catalog::{Catalog, CatalogError};
use millrace_deliver::{Buckets, DeliverError, Deliveries, LocalLake, ObjectStore};
use millrace_log::{Consumers, LocalLog, Log, LogError, LogOptions, LogParts, Monitoring, StreamKey, TagStore};
use millrace_process::connect::Connectors;
use millrace_queue::sns::{TopicError, Topics};
use millrace_queue::{QueueError, QueueOptions, QueueParts, Queues};
use millrace_schema::registry::Registry;
use millrace_schema::tables::Tables;
use millrace_search::Engine;
use millrace_stack::Deployer;
use millrace_watch::journey::Journeys;
use millrace_watch::{Metrics, MetricsError, MetricsParts};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use tokio::runtime::Handle;

/// The rooms.
pub struct House {
    /// Definitions and small facts.
    pub catalog: Catalog,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub dice: Arc<dyn Dice>,
    /// Who is who.
    pub identities: Identities,
    /// Who did what.
    pub audit: Audit,
    /// What rooms say of their resources.
    pub facts: Arc<RoomFacts>,
    /// What may be done inside the process.
    pub roles: Roles,
    /// KMS's keys.
    pub ring: KeyRing,
    /// Streams that are sealed by keys of their own.
    pub seals: StreamSeals,
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
    /// S3's API to them.
    pub s3: S3,
    /// Lambda, its logs and metrics.
    pub functions: FunctionRoom,
    /// Firehose.
    pub deliveries: Deliveries,
    /// Running SQL.
    pub jobs: Arc<Jobs>,
    /// Deployed SQL.
    pub applications: Arc<Applications>,
    /// Views that are being rebuilt.
    pub backfills: Backfills,
    /// Code that comes with templates.
    pub uploads: Uploads,
    /// Deploys templates.
    pub deployer: Arc<Deployer>,
    /// What is counted with.
    pub meters: Meters,
    /// Records' journeys.
    pub journeys: Journeys,
    /// What whoever starts the server should know of encryption.
    pub notice: Option<String>,
    /// Streams that could not be opened, and why.
    pub damaged: Vec<(StreamKey, String)>,
}

/// What every room is made of.
struct World {
    clock: Arc<dyn Clock>,
    dice: Arc<dyn Dice>,
    disk: Arc<dyn Disk>,
    catalog: Catalog,
    data: PathBuf,
    vault: Vault,
}

/// Streams that could not be opened, and why.
type Damaged = Vec<(StreamKey, String)>;

impl House {
    /// Opens everything in the data folder. `address` and `search_address`: where the doors will be.
    pub fn open(settings: &Settings, address: SocketAddr, search_address: SocketAddr) -> Result<Self, StartError> {
        let world = World::open(settings)?;
        let World { clock, dice, disk, catalog, data, vault } = &world;
        let (journeys, meters) = world.eyes(settings)?;
        let (seals, queues) = (world.seals()?, world.queues()?);
        let (log, damaged) = world.log(&meters, settings)?;
        let (topics, endpoint) = world.topics(&queues, address)?;
        let (engine, buckets, uploads) = (world.engine()?, Buckets::new(catalog.clone()), world.uploads());
        let (store, lake) = settings.store.open(disk, &buckets).map_err(room("lake"))?;
        let (identities, audit) = world.locks()?;
        let (facts, roles) = world.roles(settings, &identities, (&log, &queues, &topics), &seals)?;
        let functions = world.functions((&log, &queues, &topics), &store, (&meters, &roles), address)?;
        let calling = world.connect(&functions, &facts, &endpoint);
        let deliveries = world.deliveries(&log, &store, &engine, (&calling, &meters, &roles))?;
        let (jobs, applications) = world.applications(&log, &engine, (&calling, &meters, &roles), search_address)?;
        let rooms = Rooms {
            guarantees: world.guarantees(settings, lake.is_none()),
            ring: vault.ring.clone(),
            seals: seals.clone(),
            identities: identities.clone(),
            clock: clock.clone(),
            log: log.clone(),
            tags: TagStore::new(catalog.clone()),
            tables: Tables::new(catalog.clone()),
            registry: world.registry(),
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
        let backfills = world.backfills(&rooms, (&engine, &store, &deliveries), &calling)?;
        vault.remember()?;
        let (notice, s3) = (vault.notice(&settings.encryption.root, data), world.s3(lake));
        let World { clock, dice, catalog, vault, .. } = world;
        Ok(Self {
            ring: vault.ring,
            seals,
            notice,
            catalog,
            clock,
            dice,
            identities,
            facts,
            roles,
            audit,
            log,
            queues,
            topics,
            engine,
            store,
            s3,
            functions,
            deliveries,
            jobs,
            applications,
            backfills,
            uploads,
            deployer,
            meters,
            journeys,
            damaged,
        })
    }

    /// Stops in order: jobs (each with a last checkpoint), deliveries, topics, functions, index.
    pub async fn shut_down(self) {
        self.backfills.shut_down().await;
        let applications = self.applications;
        let _ = tokio::task::spawn_blocking(move || applications.shut_down()).await;
        self.deliveries.shutdown().await;
        self.topics.stop();
        self.functions.shut_down().await;
        let engine = self.engine;
        let closed = tokio::task::spawn_blocking(move || engine.close()).await;
        if let Ok(Err(error)) = closed {
            tracing::warn!("the index did not close cleanly, it repairs itself at the next start: {error}");
        }
        let metrics = self.meters.metrics;
        let closed = tokio::task::spawn_blocking(move || metrics.close()).await;
        if let Ok(Err(error)) = closed {
            tracing::warn!("the last seconds of metrics are lost: {error}");
        }
    }
}

impl World {
    /// What templates may ask for.
    fn guarantees(&self, settings: &Settings, lake_elsewhere: bool) -> Guarantees {
        Guarantees {
            sealed: self.vault.is_on(),
            lake_elsewhere,
            tls: settings.tls != TlsSetting::Off,
            only_tls: settings.tls == TlsSetting::Required,
        }
    }

    /// S3's API over the lake of this machine, if it is there.
    fn s3(&self, lake: Option<Arc<LocalLake>>) -> S3 {
        let (catalog, clock, dice) = (self.catalog.clone(), self.clock.clone(), self.dice.clone());
        lake.map_or_else(S3::elsewhere, |lake| S3::new(lake, catalog, clock, dice, self.vault.is_on()))
    }

    fn uploads(&self) -> Uploads {
        Uploads::new(self.disk.clone(), self.data.join("functions").join("uploads"))
    }

    /// What rooms say of their resources, and what roles may do with them.
    fn roles(
        &self,
        settings: &Settings,
        identities: &Identities,
        (log, queues, topics): (&Arc<dyn Log>, &Queues, &Topics),
        seals: &StreamSeals,
    ) -> Result<(Arc<RoomFacts>, Roles), StartError> {
        let facts = Arc::new(RoomFacts {
            catalog: self.catalog.clone(),
            log: log.clone(),
            queues: queues.clone(),
            topics: topics.clone(),
            ring: self.vault.ring.clone(),
            seals: seals.clone(),
            policies: ResourcePolicies::open(self.catalog.clone()).map_err(room::<CatalogError>("catalog"))?,
            functions: OnceLock::new(),
        });
        let asked = (settings.auth == AuthSetting::On).then(|| identities.clone());
        let roles = Roles::new(asked, facts.clone(), self.clock.clone(), self.data.clone());
        topics.ask_permits(Arc::new(Subscribers::new(roles.clone())));
        Ok((facts, roles))
    }

    fn open(settings: &Settings) -> Result<Self, StartError> {
        let (clock, dice): (Arc<dyn Clock>, Arc<dyn Dice>) = (Arc::new(SystemClock), Arc::new(SystemDice));
        let vault = Vault::open(&settings.encryption, &settings.data, clock.clone(), dice.clone())?;
        // The catalog lies on the bare disk: its values are sealed one by one.
        let path = settings.data.join("catalog.redb");
        let catalog = Catalog::open_sealed(&SystemDisk, &path, vault.values.clone());
        let catalog = catalog.map_err(room::<CatalogError>("catalog"))?;
        let disk = Arc::new(vault.disk.clone());
        Ok(Self { clock, dice, disk, catalog, data: settings.data.clone(), vault })
    }

    /// Records' journeys, and what stages count with.
    fn eyes(&self, settings: &Settings) -> Result<(Journeys, Meters), StartError> {
        let (clock, disk) = (self.clock.clone(), self.disk.clone());
        let journeys = telemetry::open(clock, disk, self.data.join("journey")).map_err(room("journeys"))?;
        let notes = match settings.telemetry {
            true => Notes::new(journeys.clone(), self.clock.clone()),
            false => Notes::default(),
        };
        Ok((journeys, self.meters(notes)?))
    }

    /// Streams that have keys of their own.
    fn seals(&self) -> Result<StreamSeals, StartError> {
        let (ring, disk) = (self.vault.ring.clone(), self.vault.disk.clone());
        let seals = StreamSeals::open(self.catalog.clone(), ring, disk, self.data.join("log"));
        seals.map_err(room::<CatalogError>("catalog"))
    }

    /// Who may do what, and who did what.
    fn locks(&self) -> Result<(Identities, Audit), StartError> {
        let audit = Audit::open(self.disk.clone(), &self.data.join("audit")).map_err(room::<AuditError>("audit"))?;
        Ok((Identities::new(self.catalog.clone(), self.clock.clone(), self.dice.clone()), audit))
    }

    fn topics(&self, queues: &Queues, address: SocketAddr) -> Result<(Topics, FunctionEndpoint), StartError> {
        let (clock, dice) = (self.clock.clone(), self.dice.clone());
        let opened = topics::open(self.catalog.clone(), queues.clone(), clock, dice, address);
        opened.map_err(room::<TopicError>("topics"))
    }

    fn meters(&self, notes: Notes) -> Result<Meters, StartError> {
        let monitoring = Monitoring::open(self.catalog.clone()).map_err(room::<CatalogError>("catalog"))?;
        let metrics = self.metrics().map_err(room::<MetricsError>("metrics"))?;
        Ok(Meters::new(&metrics, &self.clock, monitoring, notes))
    }

    /// Metrics, written by a thread of their own.
    fn metrics(&self) -> Result<Metrics, MetricsError> {
        let dir = self.data.join("metrics");
        let parts = MetricsParts {
            clock: self.clock.clone(),
            disk: self.disk.clone(),
            dir: dir.clone(),
            bytes_max: Metrics::BYTES_MAX,
        };
        let metrics = Metrics::open(parts)?;
        let started = metrics.start(|error| tracing::warn!("metrics: {error}"));
        started.map_err(|source| MetricsError::Disk { path: dir, source })?;
        Ok(metrics)
    }

    fn log(&self, meters: &Meters, settings: &Settings) -> Result<(Arc<dyn Log>, Damaged), StartError> {
        let parts = LogParts {
            clock: self.clock.clone(),
            disk: self.disk.clone(),
            catalog: self.catalog.clone(),
            dir: self.data.join("log"),
        };
        let log = LocalLog::open(parts, LogOptions::default()).map_err(room::<LogError>("log"))?;
        let damaged: Damaged = log.damaged().into_iter().map(|(key, error)| (key, error.to_string())).collect();
        for (stream, error) in &damaged {
            tracing::warn!("stream {stream} cannot be used, the others can: {error}");
        }
        if self.vault.has_changed() {
            log.begin_segments().map_err(room::<LogError>("log"))?;
        }
        if !settings.telemetry {
            return Ok((log, damaged));
        }
        Ok((Arc::new(MeteredLog::new(log, meters.streams.clone(), self.clock.clone(), meters.notes.clone())), damaged))
    }

    fn queues(&self) -> Result<Queues, StartError> {
        let keys = SealedMessages::new(self.vault.ring.clone(), self.dice.clone(), self.clock.clone());
        let parts = QueueParts {
            keys: Arc::new(RingKeys(keys)),
            clock: self.clock.clone(),
            dice: self.dice.clone(),
            disk: self.disk.clone(),
            catalog: self.catalog.clone(),
            dir: self.data.join("queue"),
        };
        let options = QueueOptions { is_sealed: self.vault.is_on(), ..QueueOptions::default() };
        Queues::open(parts, options).map_err(room::<QueueError>("queues"))
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
        (log, queues, topics): (&Arc<dyn Log>, &Queues, &Topics),
        store: &Arc<dyn ObjectStore>,
        (meters, roles): (&Meters, &Roles),
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
            meters,
            roles,
            text: Arc::new(RegisteredText::new(self.registry())),
        })
        .map_err(room("functions"))
    }

    /// Functions for whoever calls them. There is one room of them, so the first is as good as any.
    fn connect(&self, room: &FunctionRoom, facts: &RoomFacts, endpoint: &FunctionEndpoint) -> Calling {
        let _ = facts.functions.set(room.functions.clone());
        endpoint.connect(room.events.clone());
        Calling { functions: room.invoke.clone(), dice: self.dice.clone() }
    }

    /// Jobs, and the applications among them, which run from now on.
    fn applications(
        &self,
        log: &Arc<dyn Log>,
        engine: &Arc<Engine>,
        (calling, meters, roles): (&Calling, &Meters, &Roles),
        search_address: SocketAddr,
    ) -> Result<(Arc<Jobs>, Arc<Applications>), StartError> {
        let folder = (&self.disk, self.data.join("jobs"));
        let jobs = jobs_over(log, engine, (calling, meters), &self.registry(), search_address, folder);
        let (catalog, clock) = (self.catalog.clone(), self.clock.clone());
        let applications = Arc::new(Applications::new(catalog, clock, log.clone(), jobs.clone(), roles.clone()));
        applications.resume().map_err(room("applications"))?;
        Ok((jobs, applications))
    }

    /// Views that are being rebuilt; those that a stop interrupted go on from now on.
    fn backfills(
        &self,
        rooms: &Rooms,
        (engine, store, deliveries): (&Arc<Engine>, &Arc<dyn ObjectStore>, &Deliveries),
        calling: &Calling,
    ) -> Result<Backfills, StartError> {
        let parts = backfill::Parts {
            catalog: self.catalog.clone(),
            clock: self.clock.clone(),
            log: rooms.log.clone(),
            engine: engine.clone(),
            store: store.clone(),
            deliveries: deliveries.clone(),
            functions: rooms.functions.functions.clone(),
            calling: calling.clone(),
            text: Arc::new(RegisteredText::new(self.registry())),
        };
        Backfills::open(parts, Handle::current()).map_err(room::<CatalogError>("backfills"))
    }

    /// The schema registry.
    fn registry(&self) -> Registry {
        Registry::new(self.catalog.clone(), self.clock.clone(), self.dice.clone())
    }

    fn deliveries(
        &self,
        log: &Arc<dyn Log>,
        store: &Arc<dyn ObjectStore>,
        engine: &Arc<Engine>,
        (calling, meters, roles): (&Calling, &Meters, &Roles),
    ) -> Result<Deliveries, StartError> {
        let deliveries = Deliveries::open(millrace_deliver::Parts {
            catalog: self.catalog.clone(),
            log: log.clone(),
            tables: Tables::new(self.catalog.clone()),
            registry: self.registry(),
            store: store.clone(),
            index: Arc::new(DeliveredIndex(engine.clone())),
            transform: Arc::new(Transformation(calling.clone())),
            clock: self.clock.clone(),
            permits: Arc::new(roles.clone()),
            observer: Arc::new(meters.deliveries.clone()),
        });
        deliveries.start(Handle::current()).map_err(room::<DeliverError>("delivery"))?;
        Ok(deliveries)
    }
}

fn jobs_over(
    log: &Arc<dyn Log>,
    engine: &Arc<Engine>,
    (calling, meters): (&Calling, &Meters),
    registry: &Registry,
    address: SocketAddr,
    (disk, dir): (&Arc<dyn Disk>, PathBuf),
) -> Arc<Jobs> {
    let mut connectors = Connectors::default();
    connectors.set_registry(registry);
    let (calling, runtime) = (calling.clone(), Handle::current());
    connectors.set_functions(Arc::new(ExternalFunctions { calling, runtime }));
    connectors.add_sink("opensearch", Arc::new(OpenSearchSink { engine: engine.clone(), address }));
    Arc::new(Jobs::new(log.clone(), connectors, dir, meters.applications.clone()).on(disk.clone()))
}
