//! Applications: SQL that runs for as long as the server does, under the name that `AWS::KinesisAnalyticsV2::Application` gives.
//!
//! A definition is a fact in the catalog; its statements are planned when it is created, so that a wrong one never gets
//! there. Each `INSERT` or statement set is one job with its own checkpoints in `DATA/jobs/ACCOUNT/REGION/NAME/GENERATION/N`. A job that
//! fails starts again from its last checkpoint after a pause, as on AWS. Snapshots lie in `…/NAME/snapshots/SNAPSHOT/N`.

mod replay;
mod room;
mod shown;
mod snapshots;

#[cfg(test)]
pub use replay::Reading;
pub use replay::{PlannedShard, Readings, ReplayPlan, router};

use crate::jobs::{Jobs, Permit, RunningJob};
use crate::permissions::Roles;
use crate::resources::{ApplicationDefinition, ApplicationPort, PortError};
use async_trait::async_trait;
use millrace_api::analytics::{ApplicationSnapshot, Restore};
use millrace_base::{Clock, Millis, Scope};
use millrace_catalog::{Catalog, CatalogError};
use millrace_log::Log;
use millrace_process::graph::JobGraph;
use millrace_sql::{Outcome, Session, SessionOptions};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;

const TABLE: &str = "application";
/// Snapshots, under `account/region/application/snapshot`.
const SNAPSHOTS: &str = "application-snapshot";

/// An application as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Application {
    /// What it is to do.
    pub definition: ApplicationDefinition,
    /// Greater at each update; from 1.
    pub version: u64,
    /// Greater each time that the jobs begin anew, without their checkpoints: part of their names, so that what an earlier
    /// generation wrote is never taken for theirs.
    pub generation: Millis,
    /// When it was created.
    pub created: Millis,
    /// When it was last changed.
    pub updated: Millis,
    /// True after it was stopped, or created by the API: its jobs do not run.
    #[serde(default)]
    pub stopped: bool,
    /// What it was last started from.
    #[serde(default)]
    pub restored: Restore,
}

/// All applications of a server, running.
pub struct Applications {
    catalog: Catalog,
    clock: Arc<dyn Clock>,
    jobs: Arc<Jobs>,
    log: Arc<dyn Log>,
    running: Mutex<HashMap<String, Vec<RunningJob>>>,
    /// Held while an application changes.
    changing: Mutex<()>,
    roles: Roles,
}

fn key(scope: &Scope, name: &str) -> String {
    format!("{scope}/{name}")
}

impl Applications {
    /// Over the catalog; nothing runs until [`Applications::resume`].
    pub fn new(catalog: Catalog, clock: Arc<dyn Clock>, log: Arc<dyn Log>, jobs: Arc<Jobs>, roles: Roles) -> Self {
        Self { catalog, clock, log, jobs, running: Mutex::default(), changing: Mutex::default(), roles }
    }

    /// Starts every application that the catalog holds, each from its last checkpoint.
    pub fn resume(&self) -> Result<(), PortError> {
        for (key, application) in self.catalog.list::<Application>(TABLE, "")? {
            if application.stopped {
                continue;
            }
            let mut parts = key.splitn(3, '/');
            let scope = Scope::new(parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            match plan(&application.definition) {
                Ok(graphs) => self.start(&scope, &key, (&application.definition, application.generation), graphs),
                // The others run all the same.
                Err(error) => tracing::warn!("application {key} does not run: {error}"),
            }
        }
        Ok(())
    }

    /// An application, if there is one of the name.
    pub fn get(&self, scope: &Scope, name: &str) -> Result<Option<Application>, PortError> {
        Ok(self.catalog.get(TABLE, &key(scope, name))?)
    }

    /// Stops every job in order; each takes a last checkpoint. What is stopped resumes at the next start.
    pub fn shut_down(&self) {
        let running = std::mem::take(&mut *self.running.lock());
        running.into_values().flatten().for_each(RunningJob::stop);
    }

    fn start(
        &self,
        scope: &Scope,
        key: &str,
        (definition, generation): (&ApplicationDefinition, Millis),
        graphs: Vec<JobGraph>,
    ) {
        let jobs = graphs.into_iter().enumerate();
        let permit = || -> Permit {
            let (roles, scope) = (self.roles.clone(), scope.clone());
            let (name, role) = (definition.name.clone(), definition.service_execution_role.clone());
            Arc::new(move |graph| roles.check_job((&scope, &name), &role, graph))
        };
        let start = |(n, graph)| self.jobs.supervise(scope, &format!("{key}/{generation}/{n}"), graph, permit());
        let jobs = jobs.map(start);
        let jobs = jobs.collect();
        self.running.lock().insert(key.to_owned(), jobs);
    }

    fn add(&self, scope: &Scope, definition: ApplicationDefinition, runs: bool) -> Result<Application, PortError> {
        let graphs = plan(&definition)?;
        let (now, key) = (self.clock.now(), key(scope, &definition.name));
        let application = Application {
            definition,
            version: 1,
            generation: now,
            created: now,
            updated: now,
            stopped: !runs,
            restored: Restore::default(),
        };
        let _changing = self.changing.lock();
        self.catalog.update(|transaction| {
            if transaction.get::<Application>(TABLE, &key)?.is_some() {
                return Err(PortError::Exists(format!("application {} already exists", application.definition.name)));
            }
            Ok(transaction.put(TABLE, &key, &application)?)
        })?;
        if runs {
            self.start(scope, &key, (&application.definition, now), graphs);
        }
        Ok(application)
    }

    fn forget(&self, id: &str) -> Result<(), PortError> {
        self.jobs.forget(id).map_err(|error| PortError::Failed(error.to_string()))
    }

    fn stop(&self, key: &str) {
        let jobs = self.running.lock().remove(key);
        jobs.into_iter().flatten().for_each(RunningJob::stop);
    }
}

fn absent(name: &str) -> PortError {
    PortError::Absent(format!("application {name} does not exist"))
}

impl From<CatalogError> for PortError {
    fn from(error: CatalogError) -> Self {
        Self::Failed(error.to_string())
    }
}

#[async_trait]
impl ApplicationPort for Applications {
    fn check(&self, _: &Scope, definition: &ApplicationDefinition) -> Result<(), PortError> {
        plan(definition).map(|_| ())
    }

    async fn create(&self, scope: &Scope, definition: ApplicationDefinition) -> Result<(), PortError> {
        self.add(scope, definition, true).map(|_| ())
    }

    /// A job whose plan is the same goes on from its checkpoint; a changed one starts from where its sources say.
    async fn update(&self, scope: &Scope, definition: ApplicationDefinition) -> Result<(), PortError> {
        let graphs = plan(&definition)?;
        let key = key(scope, &definition.name);
        let _changing = self.changing.lock();
        let old = self.get(scope, &definition.name)?.ok_or_else(|| absent(&definition.name))?;
        let now = self.clock.now();
        let goes_on = plan(&old.definition).is_ok_and(|before| before == graphs);
        let generation = if goes_on { old.generation } else { now.max(old.generation + 1) };
        let new = Application { definition, version: old.version + 1, generation, updated: now, ..old.clone() };
        self.stop(&key);
        self.catalog.put(TABLE, &key, &new)?;
        if !goes_on {
            self.forget(&format!("{key}/{}", old.generation))?;
        }
        if !new.stopped {
            self.start(scope, &key, (&new.definition, generation), graphs);
        }
        Ok(())
    }

    async fn delete(&self, scope: &Scope, name: &str) -> Result<(), PortError> {
        let key = key(scope, name);
        let _changing = self.changing.lock();
        self.stop(&key);
        let snapshots = self.catalog.list::<ApplicationSnapshot>(SNAPSHOTS, &format!("{key}/"))?;
        self.catalog.update(|transaction| {
            snapshots.iter().try_for_each(|(snapshot, _)| transaction.delete(SNAPSHOTS, snapshot).map(|_| ()))?;
            transaction.delete(TABLE, &key).map(|_| ())
        })?;
        self.forget(&key)
    }

    fn exists(&self, scope: &Scope, name: &str) -> Result<bool, PortError> {
        Ok(self.get(scope, name)?.is_some())
    }
}

/// The jobs of a script.
fn plan(definition: &ApplicationDefinition) -> Result<Vec<JobGraph>, PortError> {
    let ApplicationDefinition { name, sql, .. } = definition;
    let shown = |error: millrace_sql::SqlError| PortError::Invalid(error.render(name, sql));
    let mut session = Session::new(SessionOptions { job_name: name.clone(), ..SessionOptions::default() });
    let mut graphs = Vec::new();
    for statement in millrace_sql::parse(sql).map_err(shown)? {
        match session.execute(&statement).map_err(shown)? {
            Outcome::Job(graph) => graphs.push(with_defaults(graph, definition)),
            Outcome::Done(_) => {}
            Outcome::Query(_) | Outcome::Explain(_) => {
                return Err(PortError::Invalid(format!(
                    "application {name}: a SELECT has nobody to show its rows to; write INSERT INTO a table"
                )));
            }
        }
    }
    if graphs.is_empty() {
        return Err(PortError::Invalid(format!(
            "application {name}: the script has no INSERT, so there is nothing to run"
        )));
    }
    Ok(graphs)
}

fn with_defaults(mut graph: JobGraph, definition: &ApplicationDefinition) -> JobGraph {
    let settings = &mut graph.settings;
    settings.checkpoint_interval_ms =
        settings.checkpoint_interval_ms.or(definition.checkpoint_interval_ms.map(|interval| interval as i64));
    if let (1, Some(parallelism)) = (settings.parallelism, definition.parallelism) {
        settings.parallelism = parallelism as usize;
    }
    graph
}
