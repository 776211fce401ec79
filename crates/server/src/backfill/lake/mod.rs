//! Rebuilding a lake: what a delivery stream wrote is written again beside it, and put in its place.
//!
//! ```text
//!             lake, version v                                      │ version v + 1
//! objects     kept │ straddling │ replaced                         │ the delivery stream goes on
//! records     ─────┴──── since ─┴──────────────────────────────────┴─►
//!                        └─► log, from since to the handover ─► chunks beside ─► in place of what is replaced
//! ```
//! The *handover* comes first: the delivery stream is taken to a new version of its own definition, and tells exactly where in
//! every shard that begins. What it wrote before is this job's affair, what it writes from then on is not touched.
//!
//! An object that may hold records from before and after `since` is read: what the log does not have of it is written again, too.
//! With `--from-lake` nothing is kept: those objects are read for what the log no longer has, and everything is replaced.

mod chunks;
mod seam;
mod staging;

pub use chunks::Known;
pub use seam::Seam;
pub use staging::Staging;

use super::job::{Job, LakeChoice, LakeObject, LakeWork, Start, TABLE, Through};
use super::{Backfills, Parts, Refusal, Trouble, failed, shards};
use millrace_base::{Millis, Scope, calendar};
use millrace_deliver::{DeliverError, DeliveredTo, ObjectInfo, STAGING_PREFIX};
use millrace_log::{StreamInfo, StreamKey};
use std::time::Duration;

/// Clocks of machines differ by less, and times of objects are as exact as a second: who may be on either side is on both.
const CLOCKS_MS: Millis = 60_000;
/// How often it is looked whether the delivery stream has gone over, before that is told as trouble.
const LOOKS: usize = 40;
const LOOK: Duration = Duration::from_millis(50);

/// What is in a lake, as far as a job is concerned.
#[derive(Default)]
struct Found {
    /// Keys that will be replaced.
    replaced: Vec<String>,
    /// Objects that are to be read, in order.
    read: Vec<LakeObject>,
}

impl Found {
    /// Why it cannot be done without ids, if so.
    fn needs_ids(&self, job: &Job) -> Result<(), String> {
        let mut seam = self.read.iter().filter(|object| object.seam);
        let Some(first) = seam.next().filter(|_| !matches!(job.spec.through, Through::Field(_))) else { return Ok(()) };
        let since = job.to_lake.as_ref().map_or(0, |work| work.since);
        Err(format!(
            "{} objects may hold records from before and after {}, like s3://{}/{}: which of them the stream has is told by a \
             field that is another one in every record. Name it with --id-field, or leave --from out if that is why",
            1 + seam.count(),
            calendar::timestamp(since, "Z"),
            first.bucket,
            first.key
        ))
    }
}

fn key_of(job: &Job) -> StreamKey {
    StreamKey { scope: job.scope.clone(), name: job.spec.stream.as_str().into() }
}

fn wrong(error: impl std::fmt::Display) -> Refusal {
    Refusal::Wrong(error.to_string())
}

impl Backfills {
    /// The delivery stream that a user means: its name, or the place that it writes to.
    pub(super) fn delivery_of(&self, scope: &Scope, stream: &str, text: &str) -> Result<String, Refusal> {
        let Some(place) = text.strip_prefix("s3://") else { return Ok(text.to_owned()) };
        let key = StreamKey { scope: scope.clone(), name: stream.into() };
        let lakes = self.parts.deliveries.lakes_of(scope, &key).map_err(failed)?;
        let at = |lake: &DeliveredTo| format!("{}/{}", lake.bucket, lake.prefix);
        // A prefix may go on with what is before its first expression: `raw/dt=` is in the folder `raw`.
        let is_meant = |lake: &&DeliveredTo| {
            at(lake).rsplit_once('/').map(|(folder, _)| folder) == Some(place.trim_end_matches('/'))
        };
        let matching: Vec<&DeliveredTo> = lakes.iter().filter(is_meant).collect();
        if let [one] = matching.as_slice() {
            return Ok(one.delivery.clone());
        }
        let known: Vec<String> =
            lakes.iter().map(|lake| format!("{} writes to s3://{}", lake.delivery, at(lake))).collect();
        let count = if matching.is_empty() { "no delivery stream" } else { "more than one delivery stream" };
        Err(Refusal::Wrong(format!(
            "{count} of {stream} writes to {text} ({}): name one with --to-lake DELIVERY-STREAM",
            if known.is_empty() { "none writes objects".to_owned() } else { known.join("; ") }
        )))
    }

    /// Finds what is to be read and replaced, and whether it can be done at all; then lets the delivery stream go over.
    pub(super) fn plan_lake(&self, job: &mut Job, delivery: &str) -> Result<(), Refusal> {
        let Parts { log, clock, deliveries, .. } = &self.parts;
        let info = log.stream(&key_of(job)).map_err(wrong)?;
        self.may_rebuild(job, delivery)?;
        let lake = deliveries.lake_of(&job.scope, delivery).map_err(wrong)?;
        let lake = lake.ok_or_else(|| Refusal::Wrong(format!("{delivery} writes no objects")))?;
        let gone = shards::horizon(&**log, &info, clock.now()).map_err(failed)?;
        let since = since(job, &info, gone)?;
        let stream = deliveries.get(&job.scope, delivery).map_err(wrong)?;
        let keeps_older = !matches!(job.spec.lake, LakeChoice::Prefix { .. });
        let mut work = LakeWork {
            bucket: lake.bucket.clone(),
            version: stream.version_id + 1,
            handover: None,
            since,
            chunk: 0,
            objects: 0,
            rebuilt: 0,
            replaced: 0,
            keeps_older,
        };
        job.to_lake = Some(work.clone());
        let writer = (stream.version_id + 1, stream.create_timestamp);
        let found = self.runtime.block_on(look(&self.parts, job, &lake, writer)).map_err(|trouble| match trouble {
            Trouble::Again(why) | Trouble::Never(why) => Refusal::Wrong(why),
        })?;
        found.needs_ids(job).map_err(Refusal::Wrong)?;
        work.version = deliveries.hand_over(&job.scope, delivery).map_err(wrong)?;
        job.to_lake = Some(work);
        job.incarnation = info.incarnation;
        Ok(())
    }

    /// The bucket of a delivery stream, and what the keys of everything begin with that a job touches there.
    pub(super) fn written_by(&self, scope: &Scope, delivery: &str) -> Result<(String, Vec<String>), Refusal> {
        let lake = self.parts.deliveries.lake_of(scope, delivery).map_err(wrong)?;
        let lake = lake.ok_or_else(|| Refusal::Wrong(format!("{delivery} writes no objects")))?;
        Ok((lake.bucket, vec![lake.prefix, lake.error_prefix, STAGING_PREFIX.to_owned()]))
    }

    fn may_rebuild(&self, job: &Job, delivery: &str) -> Result<(), Refusal> {
        let refuse = |why: &str| Err(Refusal::Wrong(why.to_owned()));
        if matches!(job.spec.through, Through::Function { .. }) {
            return refuse("--function writes an index: a lake is rebuilt as its delivery stream writes it");
        }
        if job.spec.to.is_some() {
            return refuse(
                "--to is not supported with --to-lake: a lake is rebuilt up to where its delivery stream goes on",
            );
        }
        if job.spec.lake == LakeChoice::Never {
            return refuse(
                "--no-lake says nothing about --to-lake: what the stream no longer has stays in the lake as it is",
            );
        }
        self.parts.deliveries.may_rebuild(&job.scope, delivery, &key_of(job)).map_err(wrong)?;
        let others = self.parts.catalog.list::<Job>(TABLE, &format!("{}/", job.scope))?;
        let is_same =
            |other: &Job| other.is_open() && other.id != job.id && other.spec.to_lake.as_deref() == Some(delivery);
        match others.into_iter().find(|(_, other)| is_same(other)) {
            None => Ok(()),
            Some((_, other)) => refuse(&format!(
                "backfill {} rebuilds the lake of {delivery} already: let it end, or `millrace backfill cancel {}`",
                other.id, other.id
            )),
        }
    }
}

/// From when on the log is read.
fn since(job: &Job, info: &StreamInfo, gone: Option<Millis>) -> Result<Millis, Refusal> {
    // Times in the names of objects are as exact as a second.
    let oldest = gone.unwrap_or(info.created.div_euclid(1000) * 1000);
    let reads_lake = matches!(job.spec.lake, LakeChoice::Prefix { .. });
    match job.spec.from {
        Start::At(_) if reads_lake => Err(Refusal::Wrong(
            "--from is not supported together with --to-lake and --from-lake: times in a lake are not exact enough to keep a part \
             of it"
                .to_owned(),
        )),
        Start::At(from) if gone.is_some_and(|gone| from < gone) => Err(Refusal::Wrong(format!(
            "what arrived before {} is gone from stream {}, at least in part. Begin there with --from {0}, or without --from: what \
             is older stays in the lake as it is; or rebuild all of it with --from-lake s3://BUCKET/PREFIX",
            calendar::timestamp(oldest, "Z"),
            job.spec.stream,
        ))),
        Start::At(from) => Ok(from.max(oldest)),
        Start::TrimHorizon => Ok(oldest),
    }
}

/// Waits until the delivery stream has gone over, and writes down what the job will read and replace.
pub async fn prepare(parts: &Parts, job: &mut Job) -> Result<(), Trouble> {
    let (Some(delivery), Some(mut work)) = (job.spec.to_lake.clone(), job.to_lake.clone()) else { return Ok(()) };
    let never = |error: DeliverError| Trouble::Never(error.to_string());
    let mut handover = None;
    for _ in 0..LOOKS {
        let now = parts.deliveries.handover(&job.scope, &delivery).map_err(never)?;
        handover = now.filter(|handover| handover.version >= work.version);
        if handover.is_some() {
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    let Some(handover) = handover else {
        let why = "has not delivered yet what it read before: it goes over to its next version then";
        return Err(Trouble::Again(format!("the delivery stream {delivery} {why}")));
    };
    if handover.incarnation != job.incarnation {
        return Err(Trouble::Never(format!("stream {} was made anew meanwhile", job.spec.stream)));
    }
    let lake = parts.deliveries.lake_of(&job.scope, &delivery).map_err(never)?;
    let Some(lake) = lake.filter(|lake| lake.bucket == work.bucket) else { return Err(changed(&delivery)) };
    let found = look(parts, job, &lake, (handover.version, handover.created)).await?;
    found.needs_ids(job).map_err(Trouble::Never)?;
    let (log, info) = (&*parts.log, parts.log.stream(&key_of(job))?);
    let oldest = shards::horizon(log, &info, parts.clock.now())?.is_none() && job.spec.from == Start::TrimHorizon;
    let from = if oldest { Start::TrimHorizon } else { Start::At(work.since) };
    job.shards = shards::places_before(log, &info, from, &handover.positions)?;
    let again = |error: millrace_deliver::StoreError| Trouble::Again(error.to_string());
    let staging = Staging { store: &*parts.store, bucket: &work.bucket, id: &job.id };
    staging.remove().await.map_err(again)?;
    staging.mark(&found.replaced).await.map_err(again)?;
    (work.handover, work.replaced) = (Some(handover), found.replaced.len() as u64);
    (job.lake.objects, job.lake.done) = (found.read, 0);
    (job.to_lake, job.prepared) = (Some(work), true);
    Ok(())
}

/// Why a job cannot go on once the definition is another one.
fn changed(delivery: &str) -> Trouble {
    Trouble::Never(format!(
        "the delivery stream {delivery} or its table was changed meanwhile, and what is rebuilt would be half the one and half the \
         other: begin again with --again"
    ))
}

/// What lies in the lake, and in the one that is read. `writer`: the version that goes on, and when the delivery stream was created.
async fn look(parts: &Parts, job: &Job, lake: &DeliveredTo, writer: (u64, Millis)) -> Result<Found, Trouble> {
    let Some(work) = &job.to_lake else { return Ok(Found::default()) };
    let mut found = Found::default();
    let mut prefixes = vec![lake.prefix.as_str(), lake.error_prefix.as_str()];
    // One below the other is listed with it.
    prefixes.sort_unstable();
    prefixes.dedup_by(|longer, shorter| longer.starts_with(&**shorter));
    for prefix in prefixes {
        for object in list(parts, &lake.bucket, prefix).await? {
            sort(&mut found, lake, &object, work, writer);
        }
    }
    if let LakeChoice::Prefix { bucket, prefix } = &job.spec.lake {
        let known = parts.deliveries.lakes_of(&job.scope, &key_of(job));
        let known = known.map_err(|error| Trouble::Never(error.to_string()))?;
        for object in list(parts, bucket, prefix).await? {
            let by = known.iter().find_map(|by| Some((by, by.object(&object.key).filter(|_| by.bucket == *bucket)?)));
            let is_live =
                by.is_some_and(|(by, of)| by.delivery == lake.delivery && !is_before(of.version, &object, writer));
            let is_failure = by.is_some_and(|(_, of)| of.failed) || object.key.starts_with(STAGING_PREFIX);
            let oldest = by.map_or(object.modified, |(_, of)| of.oldest);
            // Of somebody else's object only the time of its writing is known: it may have anything older.
            if !is_live && !is_failure && (by.is_none() || oldest <= work.since) {
                let seam = object.modified + CLOCKS_MS >= work.since;
                found.read.push(to_read(bucket, &object, oldest, (seam, false)));
            }
        }
    }
    found.read.sort();
    Ok(found)
}

async fn list(parts: &Parts, bucket: &str, prefix: &str) -> Result<Vec<ObjectInfo>, Trouble> {
    parts.store.list(bucket, prefix).await.map_err(|error| Trouble::Again(error.to_string()))
}

/// Whether a delivery stream wrote an object before it went over, or one of its name that was deleted since.
fn is_before(version: u64, object: &ObjectInfo, (goes_on, created): (u64, Millis)) -> bool {
    version < goes_on || object.modified + CLOCKS_MS < created
}

/// What becomes of an object of the lake: it stays, is replaced, is read besides.
fn sort(found: &mut Found, lake: &DeliveredTo, object: &ObjectInfo, work: &LakeWork, writer: (u64, Millis)) {
    let Some(of) = lake.object(&object.key).filter(|of| is_before(of.version, object, writer)) else { return };
    // Where a lake is read instead, it stands in for everything but for what failed: that is nowhere else.
    let is_kept = work.keeps_older || of.failed;
    if is_kept && object.modified + CLOCKS_MS < work.since {
        return;
    }
    found.replaced.push(object.key.clone());
    if is_kept && of.oldest < work.since {
        found.read.push(to_read(&lake.bucket, object, of.oldest, (!of.failed, of.failed)));
    }
}

fn to_read(bucket: &str, object: &ObjectInfo, oldest: Millis, (seam, failed): (bool, bool)) -> LakeObject {
    let (bucket, key, newest) = (bucket.to_owned(), object.key.clone(), object.modified);
    LakeObject { oldest, bucket, key, newest, seam, failed }
}
