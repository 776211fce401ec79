//! From the records of a cut lane to what is to be done with them.

use super::lane::Held;
use super::object::{Failure, Put, Source};
use super::parquet::Converter;
use super::progress::Lane;
use super::shape::{Conversion, Documents, Objects, Place, Target};
use crate::DeliverError;
use crate::index::{BulkIndex, DocumentOutcome, IndexDocument, rotated};
use crate::observer::Converted;
use millrace_base::{Millis, ShardId};
use millrace_log::Shard;
use serde_json::{Map, json};
use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};

/// A bulk request's documents are at most about this many bytes (OpenSearch's own advice is 5 to 15 MB).
const BULK_BYTES: usize = 8 << 20;

/// One thing to be done.
pub(crate) enum Task {
    Put(Put),
    Bulk(Bulk),
}

/// Documents for one index.
pub(crate) struct Bulk {
    pub(crate) index: String,
    pub(crate) waiting: Vec<(Held, IndexDocument)>,
    pub(crate) failed: Vec<(Held, Option<String>, u16, String)>,
    pub(crate) failing_since: Option<Millis>,
    pub(crate) attempts: u32,
    /// Documents that the index asked to be sent again later, in the last pass.
    pub(crate) rejected: usize,
}

/// When each shard was created: part of its sequence numbers.
pub(crate) type ShardBirths = BTreeMap<u32, Shard>;

/// What is to be done with a lane's records. Converting them takes a while, so that it is found out in steps.
#[derive(Default)]
pub(crate) struct Plan {
    /// All of them only when nothing is to be converted any more.
    pub(crate) tasks: VecDeque<Task>,
    converter: Option<Converter>,
}

impl Plan {
    pub(crate) fn begin(source: &Source<'_>, births: &ShardBirths) -> Result<Self, DeliverError> {
        let mut plan = Self::default();
        if source.records.is_empty() {
            return Ok(plan);
        }
        let tasks = &mut plan.tasks;
        // What a function transforms is backed up as it came, in a lane of its own.
        let backup = source.shape.backup.as_ref();
        let beside = backup.filter(|_| !source.shape.staged && *source.lane != Lane::Source);
        match (source.lane, &source.shape.target) {
            (Lane::Source, _) => tasks.extend(backup.map(|backup| Task::Put(source.raw(backup, "backup")))),
            (lane, Target::Objects(objects)) => {
                tasks.extend(beside.map(|backup| Task::Put(source.raw(backup, "backup"))));
                match (lane, &objects.conversion) {
                    (Lane::Failures, _) => tasks.push_back(failed(source, &objects.place)),
                    (_, None) => tasks.push_back(Task::Put(source.raw(&objects.place, "data"))),
                    (_, Some(conversion)) => {
                        plan.converter = Some(Converter::new(source.records, conversion, &source.shape.schemas)?);
                    }
                }
            }
            (lane, Target::Documents(documents)) => {
                let beside = beside.filter(|_| documents.all_to_backup);
                tasks.extend(beside.map(|backup| Task::Put(source.raw(backup, "backup"))));
                match lane {
                    Lane::Failures => tasks.extend(backup.map(|place| failed(source, place))),
                    _ => plan_documents(source, documents, births, tasks),
                }
            }
        }
        Ok(plan)
    }

    /// Whether all tasks are there.
    pub(crate) fn is_made(&self) -> bool {
        self.converter.is_none()
    }

    /// Goes on with converting the records, always the same. After an error the plan is gone, and is begun anew.
    pub(crate) fn step(mut self, source: &Source<'_>, births: &ShardBirths) -> Result<Self, DeliverError> {
        let Target::Objects(objects) = &source.shape.target else { return Ok(self) };
        let (Some(mut converter), Some(conversion)) = (self.converter.take(), &objects.conversion) else {
            return Ok(self);
        };
        if converter.step(source.records)? {
            self.converter = Some(converter);
        } else {
            plan_converted(source, (objects, conversion), births, converter, &mut self.tasks)?;
        }
        Ok(self)
    }
}

/// The object of records that never came to be delivered.
fn failed(source: &Source<'_>, place: &Place) -> Task {
    let failures: Vec<_> = source.records.iter().map(|held| given_up(held, source.at)).collect();
    Task::Put(source.failures(place, "processing-failed", &failures))
}

fn given_up(held: &Held, at: Millis) -> Failure<'_> {
    let why = held.failure.as_deref().cloned().unwrap_or_default();
    let lambda = why.lambda_arn.map(|arn| ("lambdaArn".to_owned(), json!(arn)));
    Failure {
        held,
        code: why.error_code,
        message: why.error_message,
        more: Map::from_iter(lambda),
        attempts: why.attempts_made,
        ended: why.attempt_ending_timestamp.unwrap_or(at),
    }
}

fn plan_converted(
    source: &Source<'_>,
    (objects, conversion): (&Objects, &Conversion),
    births: &ShardBirths,
    converter: Converter,
    tasks: &mut VecDeque<Task>,
) -> Result<(), DeliverError> {
    let place = &objects.place;
    let converted = converter.finish()?;
    if let Some(file) = converted.file {
        let mut put = source.put(place, source.key(place, "data", None), file, false);
        put.records -= converted.failed.len();
        put.conversion = Some(Converted { converted: (put.records, put.content.len()), failed: (0, 0), reason: None });
        tasks.push_back(Task::Put(put));
    }
    if !converted.failed.is_empty() {
        let failure = |(at, message): (usize, String)| Failure {
            held: &source.records[at],
            code: "DataFormatConversion.ParseError".to_owned(),
            message,
            more: Map::from_iter([
                ("sequenceNumber".to_owned(), json!(sequence(&source.records[at], births))),
                ("subSequenceNumber".to_owned(), json!(null)),
                ("dataCatalogTable".to_owned(), conversion.table.clone()),
            ]),
            attempts: 1,
            ended: source.at,
        };
        let failures: Vec<_> = converted.failed.into_iter().map(failure).collect();
        let bytes = failures.iter().map(|failure| failure.held.data.len()).sum();
        let mut put = source.failures(place, "format-conversion-failed", &failures);
        let reason = failures.last().map(|failure| failure.message.clone());
        put.conversion = Some(Converted { converted: (0, 0), failed: (failures.len(), bytes), reason });
        tasks.push_back(Task::Put(put));
    }
    Ok(())
}

fn plan_documents(source: &Source<'_>, documents: &Documents, births: &ShardBirths, tasks: &mut VecDeque<Task>) {
    let mut by_index: BTreeMap<String, Vec<(Held, IndexDocument)>> = BTreeMap::new();
    for held in source.records {
        let index = rotated(&documents.index, documents.rotation, held.arrival);
        let id = documents.with_ids.then(|| format!("{}:{}", ShardId(held.shard), sequence(held, births)));
        // Its lane has read it before: a record that cannot be read is not here.
        let document = match source.shape.text(&held.data) {
            Ok(Cow::Owned(json)) => json.into(),
            _ => held.data.clone(),
        };
        by_index.entry(index).or_default().push((held.clone(), IndexDocument { id, source: document }));
    }
    for (index, waiting) in by_index {
        tasks.push_back(Task::Bulk(Bulk {
            index,
            waiting,
            failed: Vec::new(),
            failing_since: None,
            attempts: 0,
            rejected: 0,
        }));
    }
}

fn sequence(held: &Held, births: &ShardBirths) -> String {
    births.get(&held.shard).map(|shard| shard.number(held.index, held.arrival).to_string()).unwrap_or_default()
}

impl Bulk {
    /// One pass over the documents that wait. `Ok(true)` when none waits any more; an error is worth another try.
    pub(crate) async fn attempt(
        &mut self,
        documents: &Documents,
        index: &dyn BulkIndex,
        now: Millis,
    ) -> Result<bool, String> {
        self.attempts += 1;
        self.rejected = 0;
        let given_up = self.failing_since.is_some_and(|since| now - since >= documents.retry_ms);
        let mut trouble = None;
        let mut again = Vec::new();
        while !self.waiting.is_empty() {
            let chunk: Vec<_> = self.waiting.drain(..chunk_len(&self.waiting)).collect();
            let request: Vec<_> = chunk.iter().map(|(_, document)| document.clone()).collect();
            let outcomes = match index.bulk(&documents.domain_arn, &self.index, &request).await {
                Ok(outcomes) => outcomes,
                Err(error) => vec![DocumentOutcome::Failed { status: 503, reason: error.0 }; chunk.len()],
            };
            for ((held, document), outcome) in chunk.into_iter().zip(outcomes) {
                let DocumentOutcome::Failed { status, reason } = outcome else { continue };
                self.rejected += usize::from(status == 429);
                if (status == 429 || status >= 500) && !given_up {
                    trouble.get_or_insert_with(|| reason.clone());
                    again.push((held, document));
                } else {
                    self.failed.push((held, document.id, status, reason));
                }
            }
        }
        self.waiting = again;
        match trouble {
            None => Ok(true),
            Some(reason) => {
                self.failing_since.get_or_insert(now);
                Err(format!("the index {} of {} failed: {reason}", self.index, documents.domain_arn))
            }
        }
    }

    /// The object of the documents that the index did not take.
    pub(crate) fn failures(&self, source: &Source<'_>) -> Option<Put> {
        let place = source.shape.backup.as_ref().filter(|_| !self.failed.is_empty())?;
        let failure = |(held, id, status, reason): &'_ (Held, Option<String>, u16, String)| {
            let more = Map::from_iter([
                ("esDocumentId".to_owned(), json!(id)),
                ("esIndexName".to_owned(), json!(self.index)),
                ("esTypeName".to_owned(), json!("")),
            ]);
            (held.clone(), status.to_string(), reason.clone(), more)
        };
        let owned: Vec<_> = self.failed.iter().map(failure).collect();
        let failures: Vec<_> = owned
            .iter()
            .map(|(held, code, message, more)| Failure {
                held,
                code: code.clone(),
                message: message.clone(),
                more: more.clone(),
                attempts: self.attempts,
                ended: source.at,
            })
            .collect();
        Some(source.failures(place, "AmazonOpenSearchService-failed", &failures))
    }
}

fn chunk_len(waiting: &[(Held, IndexDocument)]) -> usize {
    let mut bytes = 0;
    let fits = waiting.iter().take_while(|(_, document)| {
        bytes += document.source.len();
        bytes <= BULK_BYTES
    });
    fits.count().max(1)
}
