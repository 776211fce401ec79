//! Snapshots: a copy of the last checkpoint of every job, and how an application begins again from it.
//!
//! To take one the jobs stop, each with a last checkpoint that is committed, and go on from it. An application that is started
//! from a snapshot is a new generation: its sinks have names of their own, so that nothing that it writes is taken for a
//! repetition, and what the snapshot had prepared is not committed again.
//!
//! # Crash behaviour
//! Files are written before the fact in the catalog that names them, and removed behind it.

use super::{Application, Applications, SNAPSHOTS, TABLE, key, plan};
use crate::permissions::stream_of;
use crate::resources::PortError;
use millrace_api::analytics::{AnalyticsError, ApplicationSnapshot, Restore};
use millrace_base::{Arn, Scope, ShardId};
use millrace_log::{LogError, StreamKey};
use millrace_process::graph::{ConnectorSpec, JobGraph, Operator};
use millrace_process::{Checkpoint, SavedPosition};

/// AWS's quota of snapshots of an application.
const SNAPSHOTS_MAX: usize = 1000;

/// A job of a snapshot, with its plan.
pub(super) struct Restorable {
    pub(super) graph: JobGraph,
    pub(super) checkpoint: Checkpoint,
    pub(super) positions: Vec<SavedPosition>,
}

/// A shard that a snapshot stands in.
pub(super) struct Stand {
    pub(super) stream: StreamKey,
    pub(super) shard: ShardId,
    pub(super) position: u64,
}

pub(super) fn folder(key: &str, snapshot: &str, job: usize) -> String {
    format!("{key}/snapshots/{snapshot}/{job}")
}

fn failed(error: impl std::fmt::Display) -> AnalyticsError {
    AnalyticsError::Failed(error.to_string())
}

impl From<PortError> for AnalyticsError {
    fn from(error: PortError) -> Self {
        match error {
            PortError::Exists(reason) => Self::InUse(reason),
            PortError::Absent(reason) => Self::NotFound(reason),
            PortError::Invalid(reason) => Self::Code(reason),
            PortError::Failed(reason) => Self::Failed(reason),
        }
    }
}

impl Applications {
    /// Keeps state and positions of an application. The caller holds `changing`.
    pub(super) fn take_snapshot(&self, scope: &Scope, name: &str, snapshot: &str) -> Result<(), AnalyticsError> {
        let application = self.known(scope, name)?;
        let key = key(scope, name);
        let fact = format!("{key}/{snapshot}");
        if self.catalog.get::<ApplicationSnapshot>(SNAPSHOTS, &fact).map_err(failed)?.is_some() {
            return Err(AnalyticsError::InUse(format!("Snapshot {snapshot} of application {name} already exists.")));
        }
        if self.snapshots_of(scope, name)?.len() >= SNAPSHOTS_MAX {
            let reason = format!("Application {name} has {SNAPSHOTS_MAX} snapshots, which is the most: delete some.");
            return Err(AnalyticsError::InvalidRequest(reason));
        }
        if application.stopped {
            let reason = format!("Application {name} is READY: a snapshot is taken of one that is RUNNING.");
            return Err(AnalyticsError::InvalidRequest(reason));
        }
        let graphs = plan(&application.definition)?;
        let copied = self.finish(&key).and_then(|()| self.copy(&key, &application, snapshot, graphs.len()));
        self.start(scope, &key, (&application.definition, application.generation), graphs);
        copied.map_err(|reason| {
            AnalyticsError::InvalidRequest(format!("Application {name} has no state to keep: {reason}"))
        })?;
        let taken = ApplicationSnapshot {
            name: snapshot.to_owned(),
            created: self.clock.now(),
            version: application.version,
            runtime_environment: application.definition.runtime_environment,
        };
        self.catalog.put(SNAPSHOTS, &fact, &taken).map_err(failed)
    }

    /// Ends the jobs, each with a checkpoint; why one has none otherwise.
    fn finish(&self, key: &str) -> Result<(), String> {
        let jobs = self.running.lock().remove(key).unwrap_or_default();
        // They end side by side.
        jobs.iter().for_each(|job| job.stopper().stop());
        let ended: Vec<_> = jobs.into_iter().map(crate::jobs::RunningJob::finish).collect();
        ended.into_iter().collect()
    }

    fn copy(&self, key: &str, application: &Application, snapshot: &str, jobs: usize) -> Result<(), String> {
        for job in 0..jobs {
            let from = self.jobs.checkpoints(&format!("{key}/{}/{job}", application.generation));
            let checkpoint = from.latest().map_err(|error| error.to_string())?;
            let checkpoint = checkpoint.ok_or("a job has not taken its first checkpoint yet; try again in a moment")?;
            let to = self.jobs.checkpoints(&folder(key, snapshot, job));
            to.clear().and_then(|()| to.save(&checkpoint)).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// An application's snapshots, the newest first.
    pub(super) fn snapshots_of(&self, scope: &Scope, name: &str) -> Result<Vec<ApplicationSnapshot>, AnalyticsError> {
        let all = self.catalog.list::<ApplicationSnapshot>(SNAPSHOTS, &format!("{}/", key(scope, name)));
        let mut all: Vec<_> = all.map_err(failed)?.into_iter().map(|(_, snapshot)| snapshot).collect();
        all.sort_by(|a, b| (b.created, &b.name).cmp(&(a.created, &a.name)));
        Ok(all)
    }

    pub(super) fn forget_snapshot(&self, scope: &Scope, name: &str, snapshot: &str) -> Result<(), AnalyticsError> {
        let key = key(scope, name);
        self.snapshot(scope, name, snapshot)?;
        self.catalog.delete(SNAPSHOTS, &format!("{key}/{snapshot}")).map_err(failed)?;
        self.jobs.forget(&format!("{key}/snapshots/{snapshot}")).map_err(failed)
    }

    pub(super) fn known(&self, scope: &Scope, name: &str) -> Result<Application, AnalyticsError> {
        let found = self.get(scope, name)?;
        found.ok_or_else(|| AnalyticsError::NotFound(format!("Application {name} does not exist.")))
    }

    pub(super) fn snapshot(
        &self,
        scope: &Scope,
        name: &str,
        snapshot: &str,
    ) -> Result<ApplicationSnapshot, AnalyticsError> {
        let all = self.snapshots_of(scope, name)?;
        let known = all.iter().take(10).map(|one| one.name.as_str()).collect::<Vec<_>>().join(", ");
        all.iter().find(|one| one.name == snapshot).cloned().ok_or_else(|| {
            let known = if known.is_empty() { "none".to_owned() } else { known };
            let reason = format!("Snapshot {snapshot} of application {name} does not exist; there are: {known}.");
            AnalyticsError::NotFound(reason)
        })
    }

    /// The jobs of a snapshot, as the application's present SQL would go on with them.
    pub(super) fn restorable(
        &self,
        scope: &Scope,
        application: &Application,
        snapshot: &str,
    ) -> Result<Vec<Restorable>, AnalyticsError> {
        let name = &application.definition.name;
        let taken = self.snapshot(scope, name, snapshot)?;
        let other = || {
            AnalyticsError::InvalidArgument(format!(
                "Snapshot {snapshot} was taken of version {} of application {name}, whose SQL was another: deploy that SQL \
                 again to restore it, or start with SKIP_RESTORE_FROM_SNAPSHOT.",
                taken.version
            ))
        };
        let key = key(scope, name);
        let mut jobs = Vec::new();
        for (job, graph) in plan(&application.definition)?.into_iter().enumerate() {
            let checkpoint = self.jobs.checkpoints(&folder(&key, snapshot, job)).latest().map_err(failed)?;
            let checkpoint = checkpoint.ok_or_else(other)?;
            let positions = checkpoint.positions(&graph).map_err(|_| other())?;
            jobs.push(Restorable { graph, checkpoint, positions });
        }
        Ok(jobs)
    }

    /// Puts a snapshot where a new generation's jobs will look for their checkpoints.
    pub(super) fn lay_out(
        &self,
        scope: &Scope,
        application: &Application,
        snapshot: &str,
        generation: i64,
    ) -> Result<(), AnalyticsError> {
        let jobs = self.restorable(scope, application, snapshot)?;
        let gone = self.gone(&stands(scope, &jobs));
        if !gone.is_empty() {
            return Err(AnalyticsError::InvalidArgument(lost(&application.definition.name, snapshot, &gone)));
        }
        let key = key(scope, &application.definition.name);
        for (job, restorable) in jobs.iter().enumerate() {
            let begun = restorable.checkpoint.without_commits().map_err(failed)?;
            let store = self.jobs.checkpoints(&format!("{key}/{generation}/{job}"));
            store.clear().and_then(|()| store.save(&begun)).map_err(failed)?;
        }
        Ok(())
    }

    /// What the retention has removed of what would be read again, in words.
    pub(super) fn gone(&self, stands: &[Stand]) -> Vec<(StreamKey, String)> {
        let mut gone = Vec::new();
        for Stand { stream, shard, position } in stands {
            let hours = self.log.stream(stream).map_or(0, |info| info.spec.retention_hours);
            let why = match self.log.bounds(stream, *shard) {
                Ok(bounds) if bounds.trim <= *position => continue,
                Ok(bounds) => format!(
                    "{} records of {shard} of stream {}, from index {position} to {} (it keeps records for {hours} hours)",
                    bounds.trim - position,
                    stream.name,
                    bounds.trim
                ),
                Err(LogError::NoStream(_)) => format!("stream {}, which was deleted", stream.name),
                Err(LogError::NoShard(..)) => {
                    format!(
                        "{shard} of stream {}, from index {position} on (it keeps records for {hours} hours)",
                        stream.name
                    )
                }
                Err(error) => format!("{shard} of stream {}: {error}", stream.name),
            };
            gone.push((stream.clone(), why));
        }
        gone
    }

    /// Runs an application that does not. The caller holds `changing`.
    pub(super) fn begin(&self, scope: &Scope, name: &str, from: Restore) -> Result<(), AnalyticsError> {
        let old = self.known(scope, name)?;
        if !old.stopped {
            return Err(AnalyticsError::InUse(format!("Application {name} is RUNNING: stop it first.")));
        }
        let graphs = plan(&old.definition)?;
        let key = key(scope, name);
        let fresh = self.clock.now().max(old.generation + 1);
        let generation = match &from {
            Restore::Latest => old.generation,
            Restore::Skip => fresh,
            Restore::Snapshot(snapshot) => {
                self.lay_out(scope, &old, snapshot, fresh)?;
                fresh
            }
        };
        let new = Application { generation, stopped: false, restored: from, ..old.clone() };
        self.catalog.put(TABLE, &key, &new).map_err(failed)?;
        if generation != old.generation {
            self.forget(&format!("{key}/{}", old.generation))?;
        }
        self.start(scope, &key, (&new.definition, generation), graphs);
        Ok(())
    }
}

/// Where the jobs of a snapshot stand in streams.
pub(super) fn stands(scope: &Scope, jobs: &[Restorable]) -> Vec<Stand> {
    let mut stands = Vec::new();
    for job in jobs {
        for saved in job.positions.iter().filter(|saved| !saved.ended) {
            let Some(Operator::Source(table)) = job.graph.nodes.get(saved.source).map(|node| &node.operator) else {
                continue;
            };
            let (Some(stream), Ok(shard)) = (key_of(scope, table), saved.split.parse()) else { continue };
            stands.push(Stand { stream, shard, position: saved.position });
        }
    }
    stands
}

/// The stream that a table stands for, if it is one.
pub(super) fn key_of(scope: &Scope, table: &ConnectorSpec) -> Option<StreamKey> {
    if table.connector != "kinesis" {
        return None;
    }
    let arn: Arn = stream_of(scope, table)?.parse().ok()?;
    let name = arn.name().into();
    Some(StreamKey { scope: arn.scope, name })
}

/// What is gone, and what can be done.
pub(super) fn lost(application: &str, snapshot: &str, gone: &[(StreamKey, String)]) -> String {
    let what = gone.iter().map(|(_, why)| why.as_str()).collect::<Vec<_>>().join("; ");
    let stream = gone.first().map_or("STREAM", |(stream, _)| &stream.name);
    format!(
        "Snapshot {snapshot} of application {application} is older than what is kept. Gone: {what}. Restore a later snapshot \
         (`aws kinesisanalyticsv2 list-application-snapshots --application-name {application}`), start with \
         SKIP_RESTORE_FROM_SNAPSHOT, or rebuild a view of the records themselves from the lake: `millrace backfill --stream \
         {stream} --to-index INDEX --id-field FIELD` reads there what the stream no longer has."
    )
}
