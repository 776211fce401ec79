//! The room of functions, wired: definitions, the runner, asynchronous events, event source mappings, where their logs and
//! counts go, and the doors to all of it.

use crate::meters::{Metered, Meters};
use crate::permissions::{FunctionRoles, Roles};
use async_trait::async_trait;
use axum::Router;
use bytes::Bytes;
use millrace_api::Service;
use millrace_api::cloudwatch::{CloudWatch, prometheus};
use millrace_api::lambda::{self, Addresses, Lambda};
use millrace_api::logs::CloudWatchLogs;
use millrace_api::runtime::RuntimeApi;
use millrace_base::{Clock, Dice, Disk};
use millrace_catalog::Catalog;
use millrace_deliver::{ObjectStore, StoreError};
use millrace_functions::{
    CodeObjects, Destinations, Events, EventsParts, FunctionKey, Functions, FunctionsParts, Invoke, LogLine, LogSink,
    MappingParts, Mappings, MessageQueues, ObjectError, RecordText, Runner, RunnerParts, StreamConsumers,
    runtimes_cache,
};
use millrace_log::Log;
use millrace_watch::alarms::{Alarms, AlarmsParts};
use millrace_watch::{Dashboards, GroupKey, LogEvent, Logs, LogsParts, Metrics};
use std::fmt::Display;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::runtime::Handle;

/// What functions stand on.
pub struct Ground<'a> {
    /// Definitions and events.
    pub catalog: &'a Catalog,
    /// The time.
    pub clock: &'a Arc<dyn Clock>,
    /// Ids.
    pub dice: &'a Arc<dyn Dice>,
    /// Packages and logs.
    pub disk: &'a Arc<dyn Disk>,
    /// The data folder.
    pub data: &'a Path,
    /// Where this server answers.
    pub address: SocketAddr,
    /// The streams that mappings read.
    pub log: &'a Arc<dyn Log>,
    /// The streams' registered consumers.
    pub consumers: Arc<dyn StreamConsumers>,
    /// The queues that mappings read.
    pub queues: Arc<dyn MessageQueues>,
    /// Where records go of what was given up.
    pub destinations: Arc<dyn Destinations>,
    /// Where packages can be read from.
    pub store: Arc<dyn ObjectStore>,
    /// What is counted with.
    pub meters: &'a Meters,
    /// What roles may do.
    pub roles: &'a Roles,
    /// Reads records of the schema registry.
    pub text: Arc<dyn RecordText>,
}

/// The room. Cheap to clone.
#[derive(Clone)]
pub struct FunctionRoom {
    /// What functions are.
    pub functions: Functions,
    /// Calls functions, and counts it.
    pub invoke: Arc<dyn Invoke>,
    /// Asynchronous events.
    pub events: Events,
    /// Event source mappings.
    pub mappings: Mappings,
    /// What functions log.
    pub logs: Logs,
    metrics: Metrics,
    /// CloudWatch's dashboards.
    pub dashboards: Dashboards,
    /// CloudWatch's alarms.
    pub alarms: Alarms,
    runner: Runner,
    /// Where packages are read from.
    pub objects: Arc<dyn CodeObjects>,
    addresses: Addresses,
    clock: Arc<dyn Clock>,
    dice: Arc<dyn Dice>,
}

impl FunctionRoom {
    /// Opens the room. Needs a tokio runtime.
    pub fn open(ground: Ground<'_>) -> Result<Self, String> {
        let logs = open_logs(&ground)?;
        let metrics = ground.meters.metrics.clone();
        let functions = Functions::open(FunctionsParts {
            catalog: ground.catalog.clone(),
            clock: ground.clock.clone(),
            dice: ground.dice.clone(),
            disk: ground.disk.clone(),
            packages: ground.data.join("functions").join("packages"),
        })
        .map_err(text)?;
        let roles = FunctionRoles::new(ground.roles.clone(), functions.clone(), ground.clock.clone());
        let roles = Arc::new(roles);
        let runner = open_runner(&ground, &functions, &logs, &roles)?;
        functions.start(Arc::new(runner.clone()), Handle::current());
        let invoke: Arc<dyn Invoke> = Arc::new(Metered::new(runner.clone(), ground.meters.functions.clone()));
        let events = open_events(&ground, &functions, &invoke, &roles)?;
        let mappings = open_mappings(&ground, &functions, &invoke, &roles)?;
        let (clock, dice) = (ground.clock.clone(), ground.dice.clone());
        let dashboards = Dashboards::new(ground.catalog.clone(), ground.clock.clone());
        let alarms = open_alarms(&ground, &metrics)?;
        let objects = Arc::new(PackageObjects(ground.store));
        let addresses = Addresses::new(clock.clone(), &*dice);
        Ok(Self {
            functions,
            invoke,
            events,
            mappings,
            logs,
            metrics,
            dashboards,
            alarms,
            runner,
            objects,
            addresses,
            clock,
            dice,
        })
    }

    /// The doors of Lambda, CloudWatch Logs and CloudWatch.
    pub fn services(&self) -> Vec<Arc<dyn Service>> {
        let lambda = Lambda {
            functions: self.functions.clone(),
            mappings: self.mappings.clone(),
            invoke: self.invoke.clone(),
            events: self.events.clone(),
            objects: self.objects.clone(),
            addresses: self.addresses.clone(),
            dice: self.dice.clone(),
        };
        vec![
            Arc::new(lambda),
            Arc::new(CloudWatchLogs::new(self.logs.clone(), self.clock.clone())),
            Arc::new(self.cloud_watch()),
        ]
    }

    /// CloudWatch.
    pub fn cloud_watch(&self) -> CloudWatch {
        CloudWatch::new(self.metrics.clone(), self.alarms.clone(), self.dashboards.clone(), self.clock.clone())
    }

    /// The routes that packages are had from, and Prometheus's.
    pub fn router(&self) -> Router {
        let packages = lambda::router(self.functions.clone(), self.addresses.clone());
        packages.merge(prometheus::router(self.metrics.clone(), self.clock.clone()))
    }

    /// Removes packages that nothing needs and logs that have outlived their retention. Blocking; to be called now and then.
    pub fn tidy(&self) {
        if let Err(error) = self.functions.collect_packages() {
            tracing::warn!("packages that nothing needs could not be removed, the next try is in a minute: {error}");
        }
        if let Err(error) = self.logs.expire() {
            tracing::warn!("expired logs could not be removed, the next try is in a minute: {error}");
        }
    }

    /// Ends mappings, events, processes and logs, in this order.
    pub async fn shut_down(self) {
        self.mappings.shutdown().await;
        self.events.shut_down().await;
        self.runner.shut_down().await;
        let closed = tokio::task::spawn_blocking(move || self.logs.close()).await;
        if let Ok(Err(error)) = closed {
            tracing::warn!("the last log lines may be lost: {error}");
        }
    }
}

fn open_logs(ground: &Ground<'_>) -> Result<Logs, String> {
    let parts = LogsParts {
        catalog: ground.catalog.clone(),
        clock: ground.clock.clone(),
        disk: ground.disk.clone(),
        dir: ground.data.join("logs"),
    };
    let logs = Logs::open(parts).map_err(text)?;
    logs.start(|error| tracing::warn!("log lines were lost, the streams say where: {error}")).map_err(text)?;
    Ok(logs)
}

fn open_alarms(ground: &Ground<'_>, metrics: &Metrics) -> Result<Alarms, String> {
    let parts = AlarmsParts {
        catalog: ground.catalog.clone(),
        clock: ground.clock.clone(),
        dice: ground.dice.clone(),
        metrics: metrics.clone(),
    };
    Alarms::open(parts).map_err(text)
}

fn open_runner(
    ground: &Ground<'_>,
    functions: &Functions,
    logs: &Logs,
    roles: &Arc<FunctionRoles>,
) -> Result<Runner, String> {
    let parts = RunnerParts {
        source: Arc::new(functions.clone()),
        host: Arc::new(RuntimeApi),
        logs: Arc::new(FunctionLogs(logs.clone())),
        credentials: roles.clone(),
        clock: ground.clock.clone(),
        dice: ground.dice.clone(),
        // Functions run in folders of their own, where a relative path would lead elsewhere.
        dir: std::path::absolute(ground.data.join("functions")).map_err(text)?,
        cache: runtimes_cache(),
        endpoint: endpoint(ground.address),
    };
    Runner::open(parts).map_err(text)
}

fn open_events(
    ground: &Ground<'_>,
    functions: &Functions,
    invoke: &Arc<dyn Invoke>,
    roles: &Arc<FunctionRoles>,
) -> Result<Events, String> {
    let parts = EventsParts {
        catalog: ground.catalog.clone(),
        invoke: invoke.clone(),
        source: Arc::new(functions.clone()),
        permits: roles.clone(),
        destinations: ground.destinations.clone(),
        observer: Arc::new(ground.meters.functions.clone()),
        clock: ground.clock.clone(),
        dice: ground.dice.clone(),
    };
    Events::open(parts).map_err(text)
}

fn open_mappings(
    ground: &Ground<'_>,
    functions: &Functions,
    invoke: &Arc<dyn Invoke>,
    roles: &Arc<FunctionRoles>,
) -> Result<Mappings, String> {
    let mappings = Mappings::open(MappingParts {
        catalog: ground.catalog.clone(),
        log: ground.log.clone(),
        invoke: invoke.clone(),
        functions: Arc::new(functions.clone()),
        consumers: ground.consumers.clone(),
        queues: ground.queues.clone(),
        permits: roles.clone(),
        destinations: ground.destinations.clone(),
        meter: Arc::new(ground.meters.functions.clone()),
        clock: ground.clock.clone(),
        dice: ground.dice.clone(),
        text: ground.text.clone(),
    });
    mappings.start(Handle::current()).map_err(text)?;
    Ok(mappings)
}

fn text(error: impl Display) -> String {
    error.to_string()
}

/// Where functions reach this server.
fn endpoint(address: SocketAddr) -> String {
    match address.ip().is_unspecified() {
        true => format!("http://127.0.0.1:{}", address.port()),
        false => format!("http://{address}"),
    }
}

/// The log groups of functions.
struct FunctionLogs(Logs);

impl LogSink for FunctionLogs {
    fn put(&self, function: &FunctionKey, group: &str, stream: &str, lines: Vec<LogLine>) {
        let group = GroupKey { scope: function.scope.clone(), name: group.into() };
        let event = |line: LogLine| LogEvent { timestamp: line.timestamp, message: line.message };
        self.0.put(&group, &stream.into(), lines.into_iter().map(event).collect());
    }
}

/// The lake's buckets as the home of packages.
pub struct PackageObjects(pub Arc<dyn ObjectStore>);

#[async_trait]
impl CodeObjects for PackageObjects {
    async fn read(&self, bucket: &str, key: &str) -> Result<Bytes, ObjectError> {
        self.0.get(bucket, key).await.map_err(|error| match error {
            StoreError::NoSuchKey { .. } => {
                ObjectError { code: "NoSuchKey", message: "The specified key does not exist.".to_owned() }
            }
            StoreError::NoSuchBucket(_) => {
                ObjectError { code: "NoSuchBucket", message: "The specified bucket does not exist".to_owned() }
            }
            StoreError::BadKey { reason, .. } => ObjectError { code: "InvalidArgument", message: reason },
            StoreError::Failed { reason, .. } => ObjectError { code: "InternalError", message: reason },
        })
    }
}
