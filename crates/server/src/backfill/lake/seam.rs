//! What lake and log both have: told by an id in the records, because an object does not say which positions its records had.

use super::super::job::{Job, Through};
use super::super::work::read_shard;
use super::super::write::id_of;
use super::super::{Parts, Trouble};
use super::CLOCKS_MS;
use bytes::Bytes;
use millrace_base::{Millis, Scope, ShardId};
use millrace_deliver::records_of;
use millrace_functions::RecordText;
use millrace_log::StreamInfo;
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::sync::Arc;

/// Ids that are kept at most, about 200 megabytes: some buffers of the largest size.
const IDS_MAX: usize = 5_000_000;
const READ_RECORDS: usize = 1000;

/// An id in little room: as good as the id, two of a billion billion are never the same.
type Id = [u8; 16];

fn id(text: &str) -> Id {
    let mut id = Id::default();
    id.copy_from_slice(&Sha256::digest(text.as_bytes())[..16]);
    id
}

/// The records of the seam's objects that the log does not have.
pub struct Seam {
    field: String,
    only_lake: HashSet<Id>,
}

impl Seam {
    /// Reads the objects of the seam that a job has still to read, and the log from its beginning to the time of the last of them.
    pub async fn of(parts: &Parts, job: &Job, info: &Arc<StreamInfo>) -> Result<Self, Trouble> {
        let Through::Field(field) = &job.spec.through else {
            return Ok(Self { field: String::new(), only_lake: HashSet::new() });
        };
        let mut seam = Self { field: field.clone(), only_lake: HashSet::new() };
        let mut newest = Millis::MIN;
        for object in job.lake.objects.iter().skip(job.lake.done).filter(|object| object.seam) {
            newest = newest.max(object.newest);
            let content = parts.store.get(&object.bucket, &object.key).await;
            let content = content.map_err(|error| Trouble::Again(error.to_string()))?;
            let place = format!("s3://{}/{}", object.bucket, object.key);
            seam.add(&place, &content)?;
        }
        if seam.only_lake.is_empty() {
            return Ok(seam);
        }
        let (parts, info, scope) = (parts.clone(), info.clone(), job.scope.clone());
        let places: Vec<_> = job.shards.iter().map(|(id, place)| (ShardId(*id), *place)).collect();
        let scan = move || {
            for (id, mut place) in places {
                place.next = place.from;
                place.ended = place.until.is_some_and(|until| until <= place.from);
                while !place.ended && !seam.only_lake.is_empty() {
                    let round = read_shard(&*parts.log, &info, (id, place), READ_RECORDS)?;
                    let is_behind = round.records.last().is_none_or(|record| record.arrival > newest + CLOCKS_MS);
                    round.records.iter().for_each(|record| seam.forget(&*parts.text, &scope, &record.data));
                    (place.next, place.ended) = (round.next, round.ended || is_behind);
                }
            }
            Ok(seam)
        };
        let scanned = tokio::task::spawn_blocking(scan).await;
        scanned.unwrap_or_else(|stopped| Err(Trouble::Again(stopped.to_string())))
    }

    fn add(&mut self, place: &str, content: &Bytes) -> Result<(), Trouble> {
        let never = |why: String| Trouble::Never(format!("{place}: {why}"));
        for record in records_of(content).map_err(never)? {
            self.only_lake.insert(self.id(&record).map_err(never)?);
        }
        match self.only_lake.len() > IDS_MAX {
            false => Ok(()),
            true => Err(Trouble::Never(format!(
                "more than {IDS_MAX} records lie in objects that the stream may have, too: begin without --from"
            ))),
        }
    }

    fn forget(&mut self, text: &dyn RecordText, scope: &Scope, data: &Bytes) {
        // What cannot be read was not delivered as data, neither then nor now.
        let records = match text.json(scope, data) {
            Some(json) => json.ok().map(|json| vec![json]),
            None => records_of(data).ok(),
        };
        for record in records.into_iter().flatten() {
            if let Ok(id) = self.id(&record) {
                self.only_lake.remove(&id);
            }
        }
    }

    fn id(&self, record: &Bytes) -> Result<Id, String> {
        let value = serde_json::from_slice(record).map_err(|error| format!("it is no JSON: {error}"))?;
        id_of(&value, &self.field).map(|text| id(&text))
    }

    /// Whether a record of the seam is in the lake only.
    pub fn is_older(&self, record: &Bytes) -> bool {
        self.id(record).is_ok_and(|id| self.only_lake.contains(&id))
    }
}
