//! A world of adapters that write down what they are asked for.

use async_trait::async_trait;
use millrace_base::{Dice, Millis, SystemDisk};
use millrace_catalog::Catalog;
use millrace_stack::{Context, Created, Deployer, ResourceError, ResourceType, Updated, supported_types};
use serde_json::Value;
use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

/// A catalog in a temporary folder, and what the adapters were asked for.
pub struct World {
    _folder: tempfile::TempDir,
    catalog: Catalog,
    pub shared: Arc<Shared>,
}

#[derive(Default)]
pub struct Shared {
    calls: Mutex<Vec<String>>,
    pub there: Mutex<BTreeSet<String>>,
    /// The logical id whose removal fails.
    pub stuck: Mutex<Option<String>>,
    /// The logical id whose creation never ends, as if the process died in it.
    pub hang: Mutex<Option<String>>,
}

impl World {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(&SystemDisk, &folder.path().join("catalog")).unwrap();
        Self { _folder: folder, catalog, shared: Arc::default() }
    }

    /// A new deployer over the same catalog and the same things that exist.
    pub fn deployer(&self) -> Deployer {
        let types = supported_types().into_iter().map(|name| {
            let adapter = Recorder { type_name: name, shared: Arc::clone(&self.shared) };
            (name, Arc::new(adapter) as Arc<dyn ResourceType>)
        });
        Deployer::new(self.catalog.clone(), Arc::new(Noon), Arc::new(Counting::default()), types.collect::<Vec<_>>())
    }

    /// The calls since the last time, a line each.
    pub fn take_calls(&self) -> String {
        self.shared.calls.lock().unwrap().drain(..).map(|call| format!("< {call}\n")).collect()
    }
}

/// Runs a future that never really waits; panics when it would.
pub fn wait<T>(future: impl Future<Output = T>) -> T {
    poll(future).expect("the future waits for something")
}

/// Polls once; what is still waiting is dropped, as when a process dies.
pub fn poll<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    match future.as_mut().poll(&mut std::task::Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

struct Noon;

impl millrace_base::Clock for Noon {
    fn now(&self) -> Millis {
        1_357_041_600_000
    }
}

#[derive(Default)]
struct Counting(AtomicU64);

impl Dice for Counting {
    fn roll(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

struct Recorder {
    type_name: &'static str,
    shared: Arc<Shared>,
}

impl Recorder {
    fn note(&self, call: String) {
        self.shared.calls.lock().unwrap().push(call);
    }

    fn created(&self, ctx: &Context, physical_id: &str) -> Created {
        let service = self.type_name.split("::").nth(1).unwrap().to_lowercase();
        let arn = ctx.scope.arn(&service, physical_id).to_string();
        let endpoint = format!("{physical_id}.example");
        Created::new(physical_id, [("Arn", arn), ("DomainEndpoint", endpoint)])
    }
}

#[async_trait]
impl ResourceType for Recorder {
    fn properties(&self) -> &'static [&'static str] {
        match self.type_name {
            "AWS::S3::Bucket" => &["BucketName", "Tags", "VersioningConfiguration.Status"],
            _ => &["*"],
        }
    }

    async fn create(&self, ctx: &Context, properties: &Value) -> Result<Created, ResourceError> {
        let named = ["Name", "BucketName", "DeliveryStreamName", "DomainName", "ApplicationName", "RoleName"];
        let given = named.iter().find_map(|name| properties.get(*name)?.as_str());
        let physical_id = given.unwrap_or(&ctx.generated_name).to_owned();
        self.note(format!("create {} {properties}{}", ctx.logical_id, if ctx.resuming { " (resuming)" } else { "" }));
        if properties.to_string().contains("FAIL") {
            return Err(ResourceError::property("Tags.0.Value", "the service says no"));
        }
        let new = self.shared.there.lock().unwrap().insert(format!("{}/{physical_id}", self.type_name));
        if !new && !ctx.resuming {
            return Err(ResourceError::Exists(format!("'{physical_id}' exists already")));
        }
        if *self.shared.hang.lock().unwrap() == Some(ctx.logical_id.clone()) {
            std::future::pending::<()>().await;
        }
        Ok(self.created(ctx, &physical_id))
    }

    async fn update(
        &self,
        ctx: &Context,
        physical_id: &str,
        _old: &Value,
        new: &Value,
    ) -> Result<Updated, ResourceError> {
        self.note(format!("update {} {new}", ctx.logical_id));
        if new.to_string().contains("FAIL") {
            return Err(ResourceError::Failed("the service says no".to_owned()));
        }
        Ok(Updated::InPlace(self.created(ctx, physical_id)))
    }

    async fn delete(&self, ctx: &Context, physical_id: &str, _properties: &Value) -> Result<(), ResourceError> {
        self.note(format!("delete {} {physical_id}", ctx.logical_id));
        if *self.shared.stuck.lock().unwrap() == Some(ctx.logical_id.clone()) {
            return Err(ResourceError::Failed("it is not empty".to_owned()));
        }
        self.shared.there.lock().unwrap().remove(&format!("{}/{physical_id}", self.type_name));
        Ok(())
    }

    async fn exists(&self, _ctx: &Context, physical_id: &str, _properties: &Value) -> Result<bool, ResourceError> {
        Ok(self.shared.there.lock().unwrap().contains(&format!("{}/{physical_id}", self.type_name)))
    }
}
