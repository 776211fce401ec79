//! A delivery stream's objects, made again from records that somebody else reads.
//!
//! ```text
//! objects of the versions before │ objects of this version          (the version is in every key)
//!  ──────────────────────────────┼────────────────────────────►  positions of the source
//!                           the handover: exact, in every shard
//! ```
//! Under a new version of its definition a delivery stream delivers nothing that it read under the one before, so raising the
//! version, and changing nothing else, divides what it wrote: what lies before the handover may be made again and replaced while
//! the delivery stream goes on behind it.
//!
//! Objects that are made again have the keys, formats and failures that the delivery stream itself would make now, but for one
//! thing: they never hold records of two values of the prefix's timestamps. They are no backups: source records that are kept
//! stay as they are.

use crate::definition::{DeliveryStreamDefinition, Destination};
use crate::deliveries::{Deliveries, source_key};
use crate::prefix::{Evaluation, Prefix};
use crate::run::{Held, Lane, Plan, Progress, Put, Shape, ShardBirths, Source, Target, Task, catalog_key};
use crate::{DeliverError, Parts};
use bytes::Bytes;
use chrono_tz::Tz;
use millrace_base::{Millis, Scope};
use millrace_log::{StreamInfo, StreamKey};
use millrace_schema::glue::Schemas;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Where a delivery stream began with a version of its definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handover {
    /// The version.
    pub version: u64,
    /// When the delivery stream was created.
    pub created: Millis,
    /// Another text for another definition, version or table.
    pub applied: String,
    /// Which stream of the source's name is meant.
    pub incarnation: u64,
    /// The first index of every shard that is delivered under this version; 0 for a shard that is absent.
    pub positions: BTreeMap<u32, u64>,
}

/// A record that was read again.
#[derive(Debug, Clone)]
pub struct Reread {
    /// Its shard.
    pub shard: u32,
    /// Its index there. Shard and index are an object's identity: no two records have the same.
    pub index: u64,
    /// When it arrived.
    pub arrival: Millis,
    /// The payload.
    pub data: Bytes,
}

/// An object that was made again.
#[derive(Debug, Clone)]
pub struct Rebuilt {
    /// Where it belongs.
    pub key: String,
    /// The object.
    pub content: Bytes,
    /// The records in it.
    pub records: usize,
    /// Why they could not be delivered as they should, if so: the reason of one of them.
    pub failure: Option<String>,
}

/// Makes a delivery stream's objects. Everything that it makes follows from the records.
pub struct Rebuilder {
    scope: Scope,
    stream: StreamKey,
    shape: Shape,
    births: ShardBirths,
    handover: Handover,
}

impl Deliveries {
    /// Whether the objects of a delivery stream can be made again, from a stream of the log; why not otherwise.
    pub fn may_rebuild(&self, scope: &Scope, name: &str, stream: &StreamKey) -> Result<(), DeliverError> {
        let definition = self.get(scope, name)?.definition;
        let refuse = |reason: &str| Err(DeliverError::InvalidArgument(format!("The delivery stream {name} {reason}")));
        if source_key(scope, &definition)? != *stream {
            return refuse(&format!("does not read the stream {}", stream.name));
        }
        let Destination::S3(s3) = definition.destination()? else { return refuse("writes no objects but documents") };
        if definition.lambda().is_some() {
            return refuse("transforms its records by a function: rebuilding what it wrote is not supported yet");
        }
        for prefix in [&s3.prefix, &s3.error_output_prefix].into_iter().flatten() {
            if Prefix::parse(prefix)?.has_expressions() && !prefix.ends_with('/') {
                return refuse(&format!(
                    "has the prefix '{prefix}', which does not end in a slash: whose the objects there are cannot be told"
                ));
            }
        }
        Ok(())
    }

    /// Makes a delivery stream go over to a new version of its definition, which is the old one; gives the version.
    pub fn hand_over(&self, scope: &Scope, name: &str) -> Result<u64, DeliverError> {
        let version = self.get(scope, name)?.version_id;
        let destination = DeliveryStreamDefinition::DESTINATION_ID;
        self.update_destination(scope, name, &version.to_string(), destination, json!({}))?;
        Ok(version + 1)
    }

    /// Where a delivery stream began with the version that it delivers under; none when it does not tell yet.
    pub fn handover(&self, scope: &Scope, name: &str) -> Result<Option<Handover>, DeliverError> {
        Ok(Handover::of(&progress(self.parts(), scope, name)?))
    }

    /// What makes the objects of a delivery stream, as they are made under the version that it delivers under.
    pub fn rebuilder(&self, scope: &Scope, name: &str, info: &StreamInfo) -> Result<Option<Rebuilder>, DeliverError> {
        let progress = progress(self.parts(), scope, name)?;
        let Some(handover) = Handover::of(&progress) else { return Ok(None) };
        let schemas = Schemas::new(self.parts().registry.clone(), scope.clone());
        let mut shape = Shape::of(&progress.applied, false, schemas)?;
        shape.backup = None;
        let births = info.shards.iter().map(|shard| (shard.id.0, shard.clone())).collect();
        Ok(Some(Rebuilder { scope: scope.clone(), stream: info.key.clone(), shape, births, handover }))
    }
}

fn progress(parts: &Parts, scope: &Scope, name: &str) -> Result<Progress, DeliverError> {
    let found = Progress::load(&parts.catalog, &catalog_key(scope, name))?;
    found.ok_or_else(|| DeliverError::NotFound(format!("Firehose {name} under account {} not found.", scope.account)))
}

impl Handover {
    fn of(progress: &Progress) -> Option<Self> {
        let stream = &progress.applied.stream;
        let applied = serde_json::to_vec(&progress.applied).ok()?;
        Some(Self {
            version: stream.version_id,
            created: stream.create_timestamp,
            applied: Sha256::digest(&applied).iter().take(8).map(|byte| format!("{byte:02x}")).collect(),
            incarnation: progress.incarnation,
            positions: progress.began.clone().filter(|_| !progress.staged)?,
        })
    }
}

impl Rebuilder {
    /// Where the version began whose objects it makes.
    pub fn handover(&self) -> &Handover {
        &self.handover
    }

    /// Payload bytes that the delivery stream itself would make one object of.
    pub fn object_bytes(&self) -> usize {
        self.shape.size_bytes
    }

    /// Whether something keeps the records of an object apart, whatever is in them.
    pub fn delimits(&self) -> bool {
        match &self.shape.target {
            Target::Objects(objects) => objects.conversion.is_some() || !objects.place.delimiter.is_empty(),
            Target::Documents(_) => true,
        }
    }

    /// The objects of some records; `at` is when those that fail are given up.
    pub fn objects(&self, records: Vec<Reread>, at: Millis) -> Result<Vec<Rebuilt>, DeliverError> {
        let mut made = Vec::new();
        for ((lane, _), records) in self.lanes(records) {
            let (scope, stream, shape) = (&self.scope, &self.stream, &self.shape);
            let source = Source { scope, stream, shape, lane: &lane, records: &records, at };
            let mut plan = Plan::begin(&source, &self.births)?;
            while !plan.is_made() {
                plan = plan.step(&source, &self.births)?;
            }
            for task in plan.tasks {
                let Task::Put(put) = task else { continue };
                made.push(rebuilt(put, &records));
            }
        }
        Ok(made)
    }

    /// Records by lane and by what the timestamps of the prefix say, in order of shard and index.
    fn lanes(&self, records: Vec<Reread>) -> BTreeMap<(Lane, String), Vec<Held>> {
        let mut lanes: BTreeMap<(Lane, String), Vec<Held>> = BTreeMap::new();
        // The finest pattern that people use in a prefix; most records arrive within the second of the one before.
        let mut last: Option<(Millis, String)> = None;
        for Reread { shard, index, arrival, data } in records {
            let second = arrival.div_euclid(1000);
            let folder = match &last {
                Some((of, folder)) if *of == second => folder.clone(),
                _ => last.insert((second, self.folder(arrival))).1.clone(),
            };
            let (lane, failure) = self.shape.lane(&data, BTreeMap::new());
            lanes.entry((lane, folder)).or_default().push(Held { shard, index, arrival, data, failure });
        }
        lanes.values_mut().for_each(|records| records.sort_unstable_by_key(|held| (held.shard, held.index)));
        lanes
    }

    /// What the prefix is at some time, without its keys.
    fn folder(&self, oldest: Millis) -> String {
        let Target::Objects(objects) = &self.shape.target else { return String::new() };
        let (zone, keys): (Tz, _) = (objects.place.zone, BTreeMap::new());
        objects.place.prefix.evaluate(&Evaluation { oldest, zone, keys: &keys, random: "", error_type: None })
    }
}

fn rebuilt(put: Put, records: &[Held]) -> Rebuilt {
    let reason = || {
        let of_record = records.iter().find_map(|held| held.failure.as_ref()).map(|why| why.error_message.clone());
        put.conversion.as_ref().and_then(|conversion| conversion.reason.clone()).or(of_record).unwrap_or_default()
    };
    let failure = put.failed.then(reason);
    Rebuilt { key: put.key, content: put.content, records: put.records, failure }
}
