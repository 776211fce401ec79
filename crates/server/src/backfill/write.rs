//! From records to documents: straight into the index, or through a function that writes there itself.

use super::job::{Job, TABLE, Through};
use super::{Parts, Trouble};
use crate::calling::CallError;
use bytes::Bytes;
use millrace_base::{Arn, Scope};
use millrace_functions::{RecordText, stream_event};
use millrace_log::{Record, Shard};
use millrace_search::{Action, BulkOp, Condition, Engine, Refresh, Write};
use serde_json::Value;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Longer than any function may run.
const CALL_TIME_MAX: Duration = Duration::from_secs(905);
/// How often a batch that fails is tried before it is halved, as an event source mapping with BisectBatchOnFunctionError would.
const TRIES: u32 = 2;
const PAUSE: Duration = Duration::from_millis(200);
/// How often whoever waits looks whether the job was stopped meanwhile.
const LOOK: Duration = Duration::from_millis(50);

/// Records of one shard, in order.
pub struct Batch {
    /// The shard.
    pub shard: Shard,
    /// The records.
    pub records: Vec<Record>,
}

/// Records that gave no document: which, and why.
pub type Refused = Vec<(String, String)>;

/// Where documents go.
#[derive(Clone)]
pub struct Target {
    scope: Scope,
    through: Through,
    /// The index beside the live one; with a function the ARN of its copy.
    to: String,
    stream: Arn,
    role: String,
    /// Documents with a greater number are the live writer's.
    swapped_at: Option<u64>,
    /// The job's, for a word to people.
    key: String,
    stop: Arc<AtomicBool>,
}

impl Target {
    /// Where a job's documents go until `stop`. `role`: the function's.
    pub fn of(job: &Job, role: String, stop: Arc<AtomicBool>) -> Self {
        let scope = job.scope.clone();
        let to = match &job.spec.through {
            Through::Function { name, .. } => {
                scope.arn("lambda", &format!("function:{}", job.copy_of(name))).to_string()
            }
            _ => format!("{}{}", job.prefix(), job.spec.index),
        };
        Self {
            swapped_at: job.swapped_at.get(&to).copied(),
            through: job.spec.through.clone(),
            stream: scope.arn("kinesis", &format!("stream/{}", job.spec.stream)),
            scope,
            to,
            role,
            key: job.key(),
            stop,
        }
    }

    /// Makes documents of a batch's records, durable when this returns.
    pub async fn write(&self, parts: &Parts, batch: Batch) -> Result<Refused, Trouble> {
        if let Through::Function { .. } = self.through {
            return self.call(parts, &batch).await;
        }
        let (target, parts) = (self.clone(), parts.clone());
        let written = tokio::task::spawn_blocking(move || target.index(&parts, &batch)).await;
        written.unwrap_or_else(|stopped| Err(Trouble::Again(stopped.to_string())))
    }

    fn index(&self, parts: &Parts, batch: &Batch) -> Result<Refused, Trouble> {
        let (mut refused, mut ops, mut places) = (Refused::new(), Vec::new(), Vec::new());
        for record in &batch.records {
            let place = place(&batch.shard, record);
            let made = self.document(&*parts.text, &batch.shard, record);
            match made.map(|(id, source)| self.operation(&parts.engine, id, source)) {
                Err(reason) => refused.push((place, reason)),
                Ok(Err(error)) => return Err(Trouble::Again(error.to_string())),
                Ok(Ok(None)) => {}
                Ok(Ok(Some(op))) => {
                    ops.push(op);
                    places.push(place);
                }
            }
        }
        let results = parts.engine.bulk(ops, Refresh::Soon).map_err(|error| Trouble::Again(error.to_string()))?;
        for (place, result) in places.into_iter().zip(results) {
            match result {
                Ok(_) => {}
                // The live writer was here between the look and the write.
                Err(error) if error.status == 409 => {}
                Err(error) if error.status == 429 || error.status >= 500 => {
                    return Err(Trouble::Again(error.to_string()));
                }
                Err(error) => refused.push((place, error.to_string())),
            }
        }
        Ok(refused)
    }

    /// Behind the swap, what the live writer wrote stays.
    fn operation(&self, engine: &Engine, id: String, source: Bytes) -> Result<Option<BulkOp>, millrace_search::Error> {
        let write = |action, condition| {
            Some(BulkOp { index: self.to.clone(), write: Write { id: Some(id.clone()), action, condition } })
        };
        let Some(swapped_at) = self.swapped_at else {
            return Ok(write(Action::Index(source), Condition::default()));
        };
        Ok(match engine.get_doc(&self.to, &id)? {
            Some(found) if found.seq >= swapped_at => None,
            Some(found) => {
                let condition =
                    Condition { if_seq_no: Some(found.seq), if_primary_term: Some(1), ..Condition::default() };
                write(Action::Index(source), condition)
            }
            None => write(Action::Create(source), Condition::default()),
        })
    }

    fn document(&self, text: &dyn RecordText, shard: &Shard, record: &Record) -> Result<(String, Bytes), String> {
        let source = match text.json(&self.scope, &record.data) {
            Some(json) => json?,
            None => record.data.clone(),
        };
        let value: Value = serde_json::from_slice(&source).map_err(|error| format!("it is no JSON: {error}"))?;
        if !value.is_object() {
            return Err("it is no JSON object".to_owned());
        }
        let id = match &self.through {
            Through::Field(path) => id_of(&value, path)?,
            _ => place(shard, record),
        };
        Ok((id, source))
    }

    /// Says what holds the job up, until it is saved the next time: its calls may fail for many minutes.
    fn tell(&self, parts: &Parts, why: String) {
        let told = parts.catalog.update(|facts| match facts.get::<Job>(TABLE, &self.key)? {
            Some(job) => facts.put(TABLE, &self.key, &Job { trouble: Some(why), ..job }),
            None => Ok(()),
        });
        if let Err(error) = told {
            tracing::warn!("backfill {}: {error}", self.key);
        }
    }

    async fn call(&self, parts: &Parts, batch: &Batch) -> Result<Refused, Trouble> {
        let mut refused = Refused::new();
        let mut waiting: VecDeque<(Range<usize>, u32)> = VecDeque::from([(0..batch.records.len(), 0)]);
        while let Some((range, tries)) = waiting.pop_front() {
            if range.is_empty() {
                continue;
            }
            let (event, count) = stream_event(&batch.shard, &self.stream, &self.role, &batch.records[range.clone()]);
            let called = range.start..range.start + count;
            if called.end < range.end {
                waiting.push_front((called.end..range.end, 0));
            }
            let answer = tokio::select! {
                answer = parts.calling.call(&self.to, event, CALL_TIME_MAX) => answer,
                () = stopped(&self.stop) => return Err(Trouble::Again("it is stopped; what was called is called again".to_owned())),
            };
            let (failed_from, why) = match answer {
                Ok(answer) => match first_failure(&answer, batch, &called) {
                    None => continue,
                    Some(from) => (from, "the function reported it as failed".to_owned()),
                },
                Err(CallError::Failed(why) | CallError::TimedOut(why)) => {
                    self.tell(
                        parts,
                        format!("the function failed for {} records, and is asked again: {why}", called.len()),
                    );
                    (called.start, why)
                }
                Err(CallError::NotFound(why)) => return Err(Trouble::Never(why)),
                Err(error) => return Err(Trouble::Again(error.to_string())),
            };
            let rest = failed_from..called.end;
            // Whatever was done in front of it is progress.
            let tries = if failed_from > called.start { 0 } else { tries };
            if tries + 1 < TRIES {
                tokio::time::sleep(PAUSE).await;
                waiting.push_front((rest, tries + 1));
            } else if rest.len() == 1 {
                refused.push((place(&batch.shard, &batch.records[rest.start]), why));
            } else {
                let middle = rest.start + rest.len() / 2;
                waiting.push_front((middle..rest.end, 0));
                waiting.push_front((rest.start..middle, 0));
            }
        }
        Ok(refused)
    }
}

/// Returns once `stop` is set.
pub async fn stopped(stop: &AtomicBool) {
    while !stop.load(Ordering::Acquire) {
        tokio::time::sleep(LOOK).await;
    }
}

/// The first record of a batch that an answer names as failed; all of them when it names one that is not there.
fn first_failure(answer: &[u8], batch: &Batch, called: &Range<usize>) -> Option<usize> {
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    let failures = answer["batchItemFailures"].as_array().filter(|failures| !failures.is_empty())?;
    let named: Vec<&str> = failures.iter().map(|one| one["itemIdentifier"].as_str().unwrap_or_default()).collect();
    let number = |at: usize| {
        let record = &batch.records[at];
        batch.shard.number(record.index, record.arrival).to_string()
    };
    let found = called.clone().find(|at| named.contains(&number(*at).as_str()));
    Some(found.unwrap_or(called.start))
}

/// The id that delivery streams give, and people find a record by.
fn place(shard: &Shard, record: &Record) -> String {
    format!("{}:{}", shard.id, shard.number(record.index, record.arrival))
}

/// The member of a record that is its id.
pub fn id_of(value: &Value, path: &str) -> Result<String, String> {
    let found = path.split('.').try_fold(value, |value, part| value.get(part));
    match found {
        Some(Value::String(id)) if !id.is_empty() => Ok(id.clone()),
        Some(Value::Number(id)) => Ok(id.to_string()),
        _ => Err(format!("it has no '{path}' that could be an id")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_base::ShardId;
    use millrace_log::HashRange;
    use serde_json::json;

    fn batch(records: usize) -> Batch {
        let range = HashRange { start: 0, end: u128::MAX };
        let shard = Shard { id: ShardId(1), parent: None, adjacent_parent: None, range, created_secs: 5, closed: None };
        let record = |index| Record {
            index,
            arrival: 9_000,
            partition_key: Bytes::from_static(b"k"),
            data: Bytes::from_static(b"{}"),
        };
        Batch { shard, records: (0..records as u64).map(record).collect() }
    }

    #[test]
    fn a_batch_goes_on_behind_what_the_function_did() {
        let batch = batch(4);
        let number = |at: usize| batch.shard.number(batch.records[at].index, batch.records[at].arrival).to_string();
        let failed = |ids: Vec<String>| {
            let failures: Vec<Value> = ids.iter().map(|id| json!({ "itemIdentifier": id })).collect();
            let answer = json!({ "batchItemFailures": failures }).to_string();
            first_failure(answer.as_bytes(), &batch, &(1..4))
        };
        assert_eq!(failed(vec![]), None);
        assert_eq!(first_failure(b"null", &batch, &(1..4)), None);
        assert_eq!(failed(vec![number(3), number(2)]), Some(2));
        assert_eq!(failed(vec!["unknown".to_owned()]), Some(1));
    }

    #[test]
    fn ids_are_texts_or_numbers() {
        let value = json!({"a": {"b": "x"}, "n": 7, "empty": "", "list": []});
        assert_eq!(id_of(&value, "a.b"), Ok("x".to_owned()));
        assert_eq!(id_of(&value, "n"), Ok("7".to_owned()));
        for path in ["empty", "list", "none", "a.none"] {
            assert!(id_of(&value, path).unwrap_err().contains(path));
        }
    }
}
