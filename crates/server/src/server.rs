//! The server: opens the house, opens the doors to it, and shuts both in the opposite order.

use crate::dlq::{self, DeadLetters};
use crate::door;
use crate::functions::FunctionRoom;
use crate::house::House;
use crate::lock::{self, DataLock, LockError};
use crate::settings::Settings;
use crate::uploads::Uploads;
use millrace_api::firehose::Firehose;
use millrace_api::sns::Sns;
use millrace_api::sqs::Sqs;
use millrace_api::{Doors, Service, serve};
use millrace_base::Dice;
use millrace_catalog::{Catalog, CatalogError};
use millrace_deliver::ObjectStore;
use millrace_log::Log;
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
    house: House,
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
        lock::shut_to_others(&settings.data).map_err(room("data folder"))?;

        let (stop, stopped) = watch::channel(());
        let search = millrace_api::opensearch::serve(search_listener, house.engine.clone(), stopping(stopped.clone()));
        let doors =
            vec![tokio::spawn(serve(listener, doors(&house)?, stopping(stopped.clone()))), tokio::spawn(search)];
        tokio::spawn(trim(house.log.clone(), house.functions.clone(), stopped));
        Ok(Self {
            address,
            search_address,
            deployer: house.deployer.clone(),
            uploads: house.uploads.clone(),
            store: house.store.clone(),
            house,
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
        self.house.shut_down().await;
    }
}

/// What the port of the AWS APIs opens to.
fn doors(house: &House) -> Result<Doors, StartError> {
    let mut services = house.functions.services();
    services.extend::<[Arc<dyn Service>; 3]>([
        Arc::new(Firehose::new(house.deliveries.clone())),
        Arc::new(Sns::new(house.topics.clone())),
        Arc::new(Sqs::new(house.queues.clone())),
    ]);
    let own = door::Own { jobs: house.jobs.clone(), deployer: house.deployer.clone(), uploads: house.uploads.clone() };
    let dead_letters = DeadLetters {
        queues: house.queues.clone(),
        mappings: house.functions.mappings.clone(),
        functions: house.functions.functions.clone(),
    };
    Ok(Doors {
        log: house.log.clone(),
        catalog: house.catalog.clone(),
        iterator_key: iterator_key(&house.catalog, &*house.dice).map_err(room::<CatalogError>("catalog"))?,
        clock: house.clock.clone(),
        dice: house.dice.clone(),
        services,
        router: door::router(own).merge(house.functions.router()).merge(dlq::router(dead_letters)),
    })
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
