//! Backfills: a throwaway consumer reads a stream again and rebuilds one view of it beside the live one, then takes its place.
//!
//! ```text
//! lake (what the stream no longer has) ─► log, shard after shard ─► index beside ─┬─ at the tip: the name moves over
//!                                          └─ copy of the function ─► index beside ─┘  then what arrived until that moment
//! ```
//! A job is a fact of the catalog, worked on by a task of the server: a `kill -9` of either side loses nothing, and the same
//! command finds the same job. Documents have ids that follow from their records, so that what is done twice is there once.
//!
//! # The seam between lake and log
//! An object does not say which positions its records had. So every object is read whose oldest record arrived no later than the
//! oldest record that the stream still has, and then the log from its beginning: the seam overlaps, nothing is missing, and the
//! ids of the documents (a field of the record, or whatever the function takes) make one of what comes from both.
//!
//! What is different for a lake, which has no names that could move and no ids that overwrite, is told in [`lake`].

mod copy;
mod job;
mod lake;
mod routes;
mod shards;
mod swap;
mod work;
mod write;

pub use job::{Consent, LakeChoice, Phase, Start, Through};
pub use routes::{Request, View, router};

use crate::calling::Calling;
use crate::record_text::RegisteredText;
use job::{Job, LakeObject, Spec, TABLE, id_of};
use millrace_base::{Clock, Millis, Scope, calendar};
use millrace_catalog::{Catalog, CatalogError};
use millrace_deliver::{Deliveries, ObjectStore, STAGING_PREFIX, StoreError};
use millrace_functions::Functions;
use millrace_log::{Log, LogError, StreamInfo, StreamKey};
use millrace_search::Engine;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// The rooms that backfills work in.
#[derive(Clone)]
pub struct Parts {
    /// Jobs.
    pub catalog: Catalog,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Streams.
    pub log: Arc<dyn Log>,
    /// Views.
    pub engine: Arc<Engine>,
    /// The lake.
    pub store: Arc<dyn ObjectStore>,
    /// What lies where in the lake.
    pub deliveries: Deliveries,
    /// Functions, to be copied.
    pub functions: Functions,
    /// Calls them.
    pub calling: Calling,
    /// Reads records of the schema registry.
    pub text: Arc<RegisteredText>,
}

/// Why a job does not go on.
#[derive(Debug)]
pub enum Trouble {
    /// Trying again may help.
    Again(String),
    /// It may not.
    Never(String),
}

/// Why somebody's request is refused.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// There is no such job.
    #[error("{0}")]
    Absent(String),
    /// The caller may not.
    #[error("{0}")]
    Denied(String),
    /// It cannot be done as asked.
    #[error("{0}")]
    Wrong(String),
    /// A room failed.
    #[error("{0}")]
    Failed(String),
}

/// All backfills of a server. Cheap to clone.
#[derive(Clone)]
pub struct Backfills {
    parts: Parts,
    runtime: Handle,
    running: Arc<Mutex<HashMap<String, Running>>>,
}

struct Running {
    stop: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

fn failed(error: impl std::fmt::Display) -> Refusal {
    Refusal::Failed(error.to_string())
}

impl From<CatalogError> for Refusal {
    fn from(error: CatalogError) -> Self {
        failed(error)
    }
}

impl From<LogError> for Trouble {
    fn from(error: LogError) -> Self {
        match error {
            LogError::NoStream(_) | LogError::Corrupt { .. } => Self::Never(error.to_string()),
            other => Self::Again(other.to_string()),
        }
    }
}

impl Backfills {
    /// The jobs that the catalog keeps; those that are open go on.
    pub fn open(parts: Parts, runtime: Handle) -> Result<Self, CatalogError> {
        let all = Self { parts, runtime, running: Arc::default() };
        for (_, job) in all.parts.catalog.list::<Job>(TABLE, "")? {
            if job.is_open() {
                all.run(job);
            }
        }
        Ok(all)
    }

    /// Stops every job where it is; it goes on at the next start.
    pub async fn shut_down(&self) {
        let running = std::mem::take(&mut *self.running.lock());
        running.values().for_each(|running| running.stop.store(true, Ordering::Release));
        for (_, running) in running {
            // A task that panicked has said so.
            let _ = running.task.await;
        }
    }

    fn run(&self, job: Job) {
        let stop = Arc::new(AtomicBool::new(false));
        let key = job.key();
        let task = self.runtime.spawn(work::run(self.parts.clone(), job, stop.clone()));
        self.running.lock().insert(key, Running { stop, task });
    }

    fn is_running(&self, key: &str) -> bool {
        self.running.lock().get(key).is_some_and(|running| !running.task.is_finished())
    }

    /// Starts a job, or goes on with the one that the same command started.
    fn start(&self, scope: &Scope, spec: Spec, consent: Consent, again: bool) -> Result<Job, Refusal> {
        let mut round = 0;
        let known = loop {
            let key = format!("{scope}/{}", id_of(scope, &spec, round));
            let found = self.parts.catalog.get::<Job>(TABLE, &key)?;
            match found.as_ref().map(|job| &job.phase) {
                Some(Phase::Cancelled) => {}
                Some(Phase::Done) if again => {}
                Some(Phase::Failed(_)) if again => self.cancel(scope, &id_of(scope, &spec, round)).map(|_| ())?,
                _ => break found,
            }
            round += 1;
        };
        let mut job = match known {
            Some(job) if job.phase == Phase::Done || self.is_running(&job.key()) => return Ok(job),
            Some(job) => job,
            None => Job::new(scope, spec, consent, round, self.parts.clock.now()),
        };
        job.consent = consent;
        job.trouble = None;
        if matches!(job.phase, Phase::Failed(_)) {
            job.phase = match (job.prepared, job.swaps.is_empty()) {
                (false, _) => Phase::Preparing,
                (true, true) => Phase::Reading,
                (true, false) => Phase::Draining,
            };
        }
        if job.shards.is_empty() {
            self.plan(&mut job)?;
        }
        self.parts.catalog.put(TABLE, &job.key(), &job)?;
        self.run(job.clone());
        Ok(job)
    }

    /// Finds what is to be read, and whether it can be done at all.
    fn plan(&self, job: &mut Job) -> Result<(), Refusal> {
        let Parts { log, engine, .. } = &self.parts;
        let key = StreamKey { scope: job.scope.clone(), name: job.spec.stream.as_str().into() };
        let info = log.stream(&key).map_err(|error| Refusal::Wrong(error.to_string()))?;
        let is_concrete = swap::live(engine, &job.spec.index) == swap::Live::Index;
        if let Some(delivery) = job.spec.to_lake.clone() {
            return self.plan_lake(job, &delivery);
        }
        match &job.spec.through {
            Through::Function { name, variable } => {
                let settings = copy::settings(&self.parts, &job.scope, name)?;
                copy::check(job, &settings, variable).map_err(Refusal::Wrong)?;
            }
            _ if job.spec.index.contains(['*', ',']) => {
                let reason =
                    "--to-index is one index or alias; a pattern goes with --function, which names its own indices";
                return Err(Refusal::Wrong(reason.to_owned()));
            }
            _ if is_concrete && !job.consent.drop_old => {
                return Err(Refusal::Wrong(swap::not_an_alias(&job.spec.index)));
            }
            _ => {}
        }
        job.incarnation = info.incarnation;
        job.lake.objects = self.objects(job, &info)?;
        job.shards = shards::first_places(&**log, &info, job.spec.from, job.spec.to).map_err(failed)?;
        Ok(())
    }

    /// The objects that stand in for what the stream no longer has.
    fn objects(&self, job: &Job, info: &StreamInfo) -> Result<Vec<LakeObject>, Refusal> {
        let Parts { log, clock, .. } = &self.parts;
        let is_named = matches!(job.spec.lake, LakeChoice::Prefix { .. });
        let gone = shards::horizon(&**log, info, clock.now()).map_err(failed)?;
        let seam = match (job.spec.from, gone) {
            (Start::At(from), Some(gone)) if from < gone => gone,
            (_, gone) if is_named => gone.unwrap_or(clock.now()),
            _ => return Ok(Vec::new()),
        };
        if job.spec.lake == LakeChoice::Never {
            return Err(Refusal::Wrong(self.lost(job, info, seam)));
        }
        if job.spec.through == Through::Position {
            let reason = format!(
                "{} Records in the lake have no positions that ids could be made of: name a field of them with --id-field, or \
                 a --function",
                self.lost(job, info, seam)
            );
            return Err(Refusal::Wrong(reason));
        }
        let objects = self.list_objects(job, seam)?;
        if objects.is_empty() {
            return Err(Refusal::Wrong(self.lost(job, info, seam)));
        }
        Ok(objects)
    }

    fn lost(&self, job: &Job, info: &StreamInfo, seam: Millis) -> String {
        format!(
            "Stream {} keeps records for {} hours: what arrived before {} is gone from it, at least in part. Begin there with \
             --from {}, or name where the lake has it with --from-lake s3://BUCKET/PREFIX (no object of its delivery streams is \
             that old).",
            job.spec.stream,
            info.spec.retention_hours,
            calendar::timestamp(seam, "Z"),
            calendar::timestamp(seam, "Z"),
        )
    }

    fn list_objects(&self, job: &Job, seam: Millis) -> Result<Vec<LakeObject>, Refusal> {
        let Parts { store, deliveries, .. } = &self.parts;
        let since = if let Start::At(from) = job.spec.from { from } else { Millis::MIN };
        let key = StreamKey { scope: job.scope.clone(), name: job.spec.stream.as_str().into() };
        let known = deliveries.lakes_of(&job.scope, &key).map_err(failed)?;
        let mut objects = Vec::new();
        for (bucket, prefix) in self.places(&job.scope, &job.spec.stream, &job.spec.lake)? {
            let listed = self.runtime.block_on(store.list(&bucket, &prefix));
            let listed = listed.map_err(|error: StoreError| Refusal::Wrong(error.to_string()))?;
            for object in listed {
                // All of an object's records had arrived when it was written.
                if object.modified < since || object.key.starts_with(STAGING_PREFIX) {
                    continue;
                }
                let lake = known.iter().find(|lake| lake.bucket == bucket && object.key.starts_with(&lake.prefix));
                let oldest = match (lake.map(|lake| lake.oldest(&object.key)), &job.spec.lake) {
                    (Some(Some(oldest)), _) => oldest,
                    // Somebody else's object, which was named: nothing is known of its time.
                    (_, LakeChoice::Prefix { .. }) => Millis::MIN,
                    _ => continue,
                };
                if oldest <= seam && job.spec.to.is_none_or(|to| oldest < to) {
                    let (bucket, key, newest) = (bucket.clone(), object.key, object.modified);
                    objects.push(LakeObject { oldest, bucket, key, newest, seam: false, failed: false });
                }
            }
        }
        objects.sort();
        objects.dedup();
        Ok(objects)
    }

    /// Buckets and prefixes of the lake that a job may read.
    fn places(&self, scope: &Scope, stream: &str, lake: &LakeChoice) -> Result<Vec<(String, String)>, Refusal> {
        match lake {
            LakeChoice::Never => Ok(Vec::new()),
            LakeChoice::Prefix { bucket, prefix } => Ok(vec![(bucket.clone(), prefix.clone())]),
            LakeChoice::Auto => {
                let key = StreamKey { scope: scope.clone(), name: stream.into() };
                let lakes = self.parts.deliveries.lakes_of(scope, &key).map_err(failed)?;
                Ok(lakes.into_iter().map(|lake| (lake.bucket, lake.prefix)).collect())
            }
        }
    }

    /// The role of a function, which its copy gets.
    fn role_of(&self, scope: &Scope, function: &str) -> Result<String, Refusal> {
        let settings = copy::settings(&self.parts, scope, function)?;
        Ok(settings["Role"].as_str().unwrap_or_default().to_owned())
    }

    fn get(&self, scope: &Scope, id: &str) -> Result<Job, Refusal> {
        let found = self.parts.catalog.get::<Job>(TABLE, &format!("{scope}/{id}"))?;
        found.ok_or_else(|| Refusal::Absent(format!("there is no backfill {id}: `millrace backfill list` shows all")))
    }

    fn list(&self, scope: &Scope) -> Result<Vec<Job>, Refusal> {
        let all = self.parts.catalog.list::<Job>(TABLE, &format!("{scope}/"))?;
        let mut jobs: Vec<Job> = all.into_iter().map(|(_, job)| job).collect();
        jobs.sort_by_key(|job| std::cmp::Reverse(job.created));
        Ok(jobs)
    }

    /// Ends a job, and removes what it built beside.
    fn cancel(&self, scope: &Scope, id: &str) -> Result<Job, Refusal> {
        let found = self.get(scope, id)?;
        let key = found.key();
        if found.to_lake.is_some() && found.phase == Phase::Swapping {
            let reason = "is being put in its place, which ends by itself: half of it cannot be taken back";
            return Err(Refusal::Wrong(format!("what backfill {id} built {reason}")));
        }
        let running = self.running.lock().remove(&key);
        if let Some(running) = running {
            running.stop.store(true, Ordering::Release);
            let _ = self.runtime.block_on(running.task);
        }
        let mut job = self.get(scope, id)?;
        if job.phase == Phase::Done {
            return Ok(job);
        }
        if job.to_lake.is_some() && job.phase == Phase::Swapping {
            // It has come to that meanwhile.
            self.run(job.clone());
            return Ok(job);
        }
        if let Some(work) = &job.to_lake {
            let staging = lake::Staging { store: &*self.parts.store, bucket: &work.bucket, id: &job.id };
            self.runtime.block_on(staging.remove()).map_err(failed)?;
        }
        swap::remove(&self.parts, &job).map_err(failed)?;
        copy::remove(&self.parts, &job);
        job.phase = Phase::Cancelled;
        job.updated = self.parts.clock.now();
        self.parts.catalog.put(TABLE, &key, &job)?;
        Ok(job)
    }

    fn view(&self, job: Job) -> View {
        let key = StreamKey { scope: job.scope.clone(), name: job.spec.stream.as_str().into() };
        let info = self.parts.log.stream(&key);
        let remaining = info.map_or(0, |info| shards::remaining(&*self.parts.log, &info, &job));
        View { remaining, now: self.parts.clock.now(), job }
    }
}
