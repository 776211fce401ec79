//! The handle of all functions: what is known of them in memory, and how it changes.
//!
//! Every function is one value in the catalog. A change is made to a copy, written, and only then shown; readers never wait
//! for the disk.

use super::FunctionsError;
use super::name::{FunctionRef, LATEST, qualified_arn};
use super::packages::Packages;
use super::record::{FunctionRecord, LastUpdate, Reason, State, VersionRecord};
use crate::{FunctionKey, FunctionVersion};
use async_trait::async_trait;
use millrace_base::{Clock, Dice, Disk, Scope};
use millrace_catalog::Catalog;
use parking_lot::{Mutex, RwLock};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::runtime::Handle;

/// The catalog's table of functions, under `account/region/name`.
const TABLE: &str = "lambda-function";

/// What definitions need.
#[derive(Clone)]
pub struct FunctionsParts {
    /// Where definitions are kept.
    pub catalog: Catalog,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Revision ids, and which version of an alias is taken.
    pub dice: Arc<dyn Dice>,
    /// Where packages are kept.
    pub disk: Arc<dyn Disk>,
    /// The folder of packages.
    pub packages: PathBuf,
}

/// Why a function could not be made ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unprepared {
    /// AWS's `StateReasonCode`, for example `InvalidRuntime`.
    pub code: String,
    /// What is wrong and what to do about it.
    pub message: String,
}

/// Makes a version ready to run: what a new function waits for before it is `Active`.
#[async_trait]
pub trait Prepare: Send + Sync + 'static {
    /// Unpacks the code and gets what its runtime needs.
    async fn prepare(&self, version: Arc<FunctionVersion>) -> Result<(), Unprepared>;

    /// Refuses a runtime that cannot run here, with the reason.
    fn check_runtime(&self, runtime: &str) -> Result<(), String>;

    /// Ends the processes of a function that is gone.
    fn retire(&self, _function: &FunctionKey) {}
}

/// The functions and layers of all scopes. Cheap to clone.
#[derive(Clone)]
pub struct Functions {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub parts: FunctionsParts,
    pub packages: Packages,
    known: RwLock<BTreeMap<FunctionKey, Arc<Known>>>,
    /// Held by whoever changes a function, from reading it to showing it.
    changing: Mutex<()>,
    prepare: RwLock<Option<(Arc<dyn Prepare>, Handle)>>,
}

/// Versions by number, and by the qualifier in their ARN.
type Resolved = HashMap<(String, Option<String>), Arc<FunctionVersion>>;

/// A function, and what was resolved of it since it last changed.
pub(super) struct Known {
    pub record: FunctionRecord,
    pub resolved: RwLock<Resolved>,
}

impl Functions {
    /// The functions that the catalog keeps. Those that wait for it are prepared when [`Functions::start`] is called.
    pub fn open(parts: FunctionsParts) -> Result<Self, FunctionsError> {
        let packages = Packages::open(parts.disk.clone(), parts.packages.clone())?;
        let kept = parts.catalog.list::<FunctionRecord>(TABLE, "")?;
        let known = kept.into_iter().map(|(_, record)| (record.key.clone(), Known::of(record))).collect();
        let shared = Shared {
            parts,
            packages,
            known: RwLock::new(known),
            changing: Mutex::default(),
            prepare: RwLock::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// From now on makes functions ready by `prepare`, on `runtime`; those that wait first.
    pub fn start(&self, prepare: Arc<dyn Prepare>, runtime: Handle) {
        *self.shared.prepare.write() = Some((prepare, runtime));
        let waiting: Vec<FunctionKey> =
            self.shared.known.read().iter().filter(|(_, f)| f.record.waits()).map(|(k, _)| k.clone()).collect();
        for key in waiting {
            self.prepare(&key);
        }
    }

    /// Removes the packages that nothing needs any more. To be called now and then; gives how many were removed.
    pub fn collect_packages(&self) -> Result<usize, FunctionsError> {
        let _changing = self.shared.changing.lock();
        self.shared.packages.collect(&self.named_packages()?)
    }

    /// The digests of the packages that functions and layers name.
    pub(super) fn named_packages(&self) -> Result<HashSet<String>, FunctionsError> {
        let mut named = HashSet::new();
        self.shared.known.read().values().for_each(|known| known.record.packages(&mut named));
        self.layer_packages(&mut named)?;
        Ok(named)
    }

    pub(super) fn known(&self, key: &FunctionKey) -> Option<Arc<Known>> {
        self.shared.known.read().get(key).cloned()
    }

    /// A function, or AWS's words for its absence.
    pub(super) fn find(&self, reference: &FunctionRef) -> Result<Arc<Known>, FunctionsError> {
        self.known(&reference.key).ok_or_else(|| not_found(&reference.arn()))
    }

    /// All functions of a scope, in order of name.
    pub(super) fn of_scope(&self, scope: &Scope) -> Vec<Arc<Known>> {
        let first = FunctionKey { scope: scope.clone(), name: "".into() };
        let known = self.shared.known.read();
        known.range(first..).take_while(|(key, _)| key.scope == *scope).map(|(_, known)| known.clone()).collect()
    }

    /// Adds a function.
    pub(super) fn insert(&self, record: FunctionRecord) -> Result<(), FunctionsError> {
        let _changing = self.shared.changing.lock();
        if self.known(&record.key).is_some() {
            return Err(already_exists(&record.key));
        }
        self.show(record)
    }

    /// Changes a function: `change` works on a copy, which is written and shown when it succeeds.
    pub(super) fn change<R>(
        &self,
        reference: &FunctionRef,
        change: impl FnOnce(&mut FunctionRecord) -> Result<R, FunctionsError>,
    ) -> Result<R, FunctionsError> {
        let _changing = self.shared.changing.lock();
        let mut record = self.find(reference)?.record.clone();
        let result = change(&mut record)?;
        self.show(record)?;
        Ok(result)
    }

    /// Forgets a function.
    pub(super) fn remove(&self, key: &FunctionKey) -> Result<(), FunctionsError> {
        let _changing = self.shared.changing.lock();
        self.shared.parts.catalog.delete(TABLE, &key.to_string())?;
        self.shared.known.write().remove(key);
        if let Some((prepare, _)) = &*self.shared.prepare.read() {
            prepare.retire(key);
        }
        Ok(())
    }

    fn show(&self, record: FunctionRecord) -> Result<(), FunctionsError> {
        let key = record.key.clone();
        self.shared.parts.catalog.put(TABLE, &key.to_string(), &record)?;
        self.shared.known.write().insert(key, Known::of(record));
        Ok(())
    }

    /// Refuses a runtime that the machine does not run.
    pub(super) fn check_runtime(&self, runtime: &str) -> Result<(), FunctionsError> {
        match &*self.shared.prepare.read() {
            Some((prepare, _)) => prepare.check_runtime(runtime).map_err(FunctionsError::InvalidParameterValue),
            None => Ok(()),
        }
    }

    /// Makes a function ready in the background.
    pub(super) fn prepare(&self, key: &FunctionKey) {
        let Some((prepare, runtime)) = self.shared.prepare.read().clone() else { return };
        let Some(version) = self.known(key).map(|known| self.build(&known.record, &known.record.latest, LATEST, None))
        else {
            return;
        };
        let functions = self.clone();
        runtime.spawn(async move {
            let outcome = prepare.prepare(version.clone()).await;
            // The catalog waits for the disk.
            let noted = tokio::task::spawn_blocking(move || functions.prepared(&version, outcome)).await;
            if let Ok(Err(error)) = noted {
                tracing::warn!("a function stays pending until the next start: {error}");
            }
        });
    }

    /// Notes how the preparation of a version ended, unless the function has changed or gone meanwhile.
    fn prepared(&self, version: &FunctionVersion, outcome: Result<(), Unprepared>) -> Result<(), FunctionsError> {
        let reference = FunctionRef { key: version.key.clone(), qualifier: None };
        if self.known(&version.key).is_none_or(|known| known.record.latest.revision_id != *version.revision) {
            return Ok(());
        }
        self.change(&reference, |record| {
            if record.latest.revision_id == *version.revision {
                record.prepared(outcome);
            }
            Ok(())
        })
    }

    /// A version as the runner takes it.
    pub(super) fn build(
        &self,
        record: &FunctionRecord,
        version: &VersionRecord,
        name: &str,
        qualifier: Option<&str>,
    ) -> Arc<FunctionVersion> {
        let configuration = &version.configuration;
        let packages = &self.shared.packages;
        Arc::new(FunctionVersion {
            key: record.key.clone(),
            version: name.into(),
            arn: qualified_arn(&record.key, qualifier).into(),
            revision: version.revision_id.as_str().into(),
            runtime: configuration.runtime.as_str().into(),
            handler: configuration.handler.as_str().into(),
            code: packages.package(&version.package),
            layers: configuration.layers.iter().map(|layer| packages.package(&layer.package)).collect(),
            environment: configuration.environment.clone(),
            timeout_secs: configuration.timeout_secs,
            memory_mib: configuration.memory_mib,
            ephemeral_mib: configuration.ephemeral_mib,
            logging: configuration.logging.resolve(),
            reserved_concurrency: record.reserved_concurrency,
        })
    }
}

impl Known {
    fn of(record: FunctionRecord) -> Arc<Self> {
        Arc::new(Self { record, resolved: RwLock::default() })
    }
}

impl FunctionRecord {
    /// Whether it waits to be prepared.
    fn waits(&self) -> bool {
        self.latest.state == State::Pending || self.latest.last_update == LastUpdate::InProgress
    }

    fn prepared(&mut self, outcome: Result<(), Unprepared>) {
        let reason = outcome.err().map(|error| Reason { code: error.code, message: error.message });
        let package = self.latest.package.clone();
        let pending = self.versions.values_mut().filter(|version| version.package == package);
        for version in pending.chain([&mut self.latest]) {
            match (&version.state, &reason) {
                (State::Pending, None) => {
                    (version.state, version.last_update) = (State::Active, LastUpdate::Successful)
                }
                (State::Pending, Some(reason)) => version.state = State::Failed(reason.clone()),
                (_, None) => version.last_update = LastUpdate::Successful,
                (_, Some(reason)) if version.last_update == LastUpdate::InProgress => {
                    version.last_update = LastUpdate::Failed(reason.clone());
                }
                _ => {}
            }
        }
        if self.latest.last_update == LastUpdate::Successful {
            self.serving = None;
        }
    }
}

/// AWS's words for an absent function, version or alias.
pub(super) fn not_found(arn: &str) -> FunctionsError {
    FunctionsError::ResourceNotFound(format!("Function not found: {arn}"))
}

/// AWS's words for a name that is taken.
pub(super) fn already_exists(key: &FunctionKey) -> FunctionsError {
    FunctionsError::ResourceConflict(format!("Function already exist: {}", key.name))
}
