//! Holds the pipeline to what was acknowledged: each event by its id, in the index and in the lake.
//!
//! - Index: every acknowledged well-formed event is one document; ids are unique in an index, and days are not mixed up.
//! - Lake: a row for each record. An event that its producer put twice is two records and two rows; a put whose answer was
//!   lost may be a row or none. Fewer is a loss, more is a double.
//! - Quarantine: what is neither, with the reason.

use super::event::Class;
use super::ledger::{Entry, Ledger};
use super::pipeline::{IDS_AT_ONCE, Pipeline};
use super::screen::now_ms;
use crate::cli::client::{CliError, xml_texts};
use crate::dlq::{DeadLetter, DeadLetterQueue};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Where the lake's delivery puts what it cannot convert.
const UNCONVERTED: &str = "errors/";
/// Ids that a report names.
const NAMED: usize = 10;
/// Dead letters of a page, and that are looked into at most.
const PAGE: usize = 1_000;
const LETTERS_MAX: usize = 20_000;
const ID_CHARS: usize = "auth-00000000-0000000000".len();

/// What one view holds.
#[derive(Debug, Clone, Default, Serialize)]
pub struct View {
    /// Documents or rows of this run.
    pub found: u64,
    /// Acknowledged well-formed events that are absent.
    pub missing: u64,
    /// Some of them.
    pub missing_ids: Vec<String>,
    /// Events that are there more often than their producer put them.
    pub doubled: u64,
    /// Some of them.
    pub doubled_ids: Vec<String>,
    /// Rows beyond the first of an event, which its producer put again: they are records of their own.
    pub repeated_by_producer: u64,
    /// Damaged, poisonous or changed events that are there all the same.
    pub special: u64,
    /// Rows with an id of another run.
    pub foreign: u64,
}

impl View {
    /// True when nothing is lost and nothing is there twice.
    pub fn is_whole(&self) -> bool {
        self.missing == 0 && self.doubled == 0
    }

    /// Counts a row by its id.
    fn row(&mut self, found: &mut [u16], id: Option<&str>, ledger: &Ledger) {
        let number = id.and_then(|id| ledger.number(id));
        match (id, number.and_then(|number| found.get_mut(number as usize))) {
            (_, Some(count)) => *count += 1,
            (Some(_), None) => self.foreign += 1,
            // Damage took its id.
            (None, None) => {
                self.found += 1;
                self.special += 1;
            }
        }
    }

    /// Compares an event with the copies that were found.
    fn judge(&mut self, id: impl Fn() -> String, entry: Entry, found: u16, copies: Copies) {
        self.found += u64::from(found);
        if entry.class != Class::Good {
            self.special += u64::from(found);
            return;
        }
        let put = entry.acknowledged + entry.unknown;
        let (least, most) = match copies {
            Copies::EachRecord => (entry.acknowledged, put),
            Copies::One => (entry.acknowledged.min(1), put.min(1)),
            Copies::OneADay => (entry.acknowledged.min(1), put),
        };
        if found < least {
            self.missing += 1;
            if self.missing_ids.len() < NAMED {
                self.missing_ids.push(id());
            }
        }
        if found > most {
            self.doubled += 1;
            if self.doubled_ids.len() < NAMED {
                self.doubled_ids.push(id());
            }
        } else {
            self.repeated_by_producer += u64::from(found.saturating_sub(1));
        }
    }
}

/// How many copies of an event a view has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Copies {
    /// One for each record.
    EachRecord,
    /// One, however often it was put.
    One,
    /// One in the index of each day that it was put on.
    OneADay,
}

/// What was given up, and why.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Quarantine {
    /// Dead letters.
    pub letters: u64,
    /// Their reasons.
    pub reasons: BTreeMap<String, u64>,
    /// Records that they are about, by what is special about them.
    pub records: BTreeMap<String, u64>,
    /// Records that the lake's delivery set aside.
    pub unconverted: u64,
    /// Records that the stream's contract told of.
    pub unlike_contract: u64,
}

/// Looks up every acknowledged event in the index. A producer that puts an event again after midnight puts it into another
/// day's.
pub async fn index(pipeline: &Pipeline, ledger: &Ledger, days: bool) -> Result<View, CliError> {
    let entries = ledger.entries();
    let copies = if days { Copies::OneADay } else { Copies::One };
    let mut view = View::default();
    for (part, entries) in entries.chunks(IDS_AT_ONCE as usize).enumerate() {
        let from = part as u64 * IDS_AT_ONCE;
        let ids: Vec<String> = (from..from + entries.len() as u64).map(|number| ledger.id(number)).collect();
        let mut found = vec![0_u16; entries.len()];
        for number in pipeline.found(&ids).await?.iter().filter_map(|id| ledger.number(id)) {
            found[(number - from) as usize] += 1;
        }
        for ((id, entry), found) in ids.iter().zip(entries).zip(found) {
            view.judge(|| id.clone(), *entry, found, copies);
        }
    }
    let all = pipeline.indexed().await?;
    view.foreign = all.saturating_sub(view.found);
    Ok(view)
}

/// Reads every object of the lake.
pub async fn lake(pipeline: &Pipeline, ledger: &Ledger) -> Result<View, CliError> {
    let entries = ledger.entries();
    let mut found = vec![0_u16; entries.len()];
    let mut view = View::default();
    for key in objects(pipeline, pipeline.prefix).await? {
        let object = pipeline.lake.download("s3", &format!("/{}/{key}", pipeline.bucket)).await?;
        let count = |id: Option<&str>| view.row(&mut found, id, ledger);
        millrace_deliver::text_column(object, "authorization_id", count)
            .map_err(|error| CliError::Input(format!("s3://{}/{key}: {error}", pipeline.bucket)))?;
    }
    for (number, (entry, found)) in entries.iter().zip(found).enumerate() {
        view.judge(|| ledger.id(number as u64), *entry, found, Copies::EachRecord);
    }
    Ok(view)
}

/// The keys of the lake's objects below a prefix.
pub async fn objects(pipeline: &Pipeline, prefix: &str) -> Result<Vec<String>, CliError> {
    let (mut keys, mut after) = (Vec::new(), String::new());
    loop {
        let fields = [("list-type", "2"), ("prefix", prefix), ("start-after", &*after)];
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let page = pipeline.lake.download("s3", &format!("/{}?{query}", pipeline.bucket)).await?;
        let page = String::from_utf8_lossy(&page);
        let before = keys.len();
        keys.extend(xml_texts(&page, "Key").map(str::to_owned));
        let is_last = xml_texts(&page, "IsTruncated").next() != Some("true") || keys.len() == before;
        match keys.last() {
            Some(last) if !is_last => after.clone_from(last),
            _ => return Ok(keys),
        }
    }
}

/// Reads the dead letters and the records that they are about, and counts what else was set aside or told of since `from`.
pub async fn quarantine(pipeline: &Pipeline, ledger: &Ledger, from: i64) -> Result<Quarantine, CliError> {
    let unlike_contract = pipeline.unlike_contract(from, now_ms() + 1_000).await?;
    let mut all = Quarantine { unlike_contract, unconverted: unconverted(pipeline).await?, ..Quarantine::default() };
    let entries = ledger.entries();
    let mut seen = BTreeSet::new();
    let queues: Vec<DeadLetterQueue> = pipeline.client.get("/_millrace/dlq").await?;
    for queue in queues.iter().filter(|queue| queue.name == pipeline.queue) {
        let mut after = None;
        while (all.letters as usize) < LETTERS_MAX {
            let page = page(pipeline, &queue.name, after.as_deref()).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.handle.clone());
            for letter in &page {
                let body: Value = serde_json::from_str(&letter.body).unwrap_or_default();
                all.letters += 1;
                *all.reasons.entry(reason(&body)).or_default() += 1;
                for (place, data) in records(pipeline, &body["KinesisBatchInfo"]).await? {
                    if seen.insert(place) {
                        *all.records.entry(class(ledger, &entries, &data).to_owned()).or_default() += 1;
                    }
                }
            }
        }
    }
    Ok(all)
}

/// Records that the lake's delivery could not convert, each of which is a line.
async fn unconverted(pipeline: &Pipeline) -> Result<u64, CliError> {
    let mut lines = 0;
    for key in objects(pipeline, UNCONVERTED).await? {
        let object = pipeline.lake.download("s3", &format!("/{}/{key}", pipeline.bucket)).await?;
        lines += object.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count() as u64;
    }
    Ok(lines)
}

async fn page(pipeline: &Pipeline, queue: &str, after: Option<&str>) -> Result<Vec<DeadLetter>, CliError> {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("max", &PAGE.to_string());
    if let Some(after) = after {
        query.append_pair("after", after);
    }
    pipeline.client.get(&format!("/_millrace/dlq/{queue}?{}", query.finish())).await
}

fn reason(body: &Value) -> String {
    let condition = body["requestContext"]["condition"].as_str().unwrap_or("no reason");
    let error = body["responseContext"]["functionError"].as_str().map(|error| format!(" ({error})"));
    format!("{condition}{}", error.unwrap_or_default())
}

/// The records of a batch that was given up, by their places, as long as the stream has them.
async fn records(pipeline: &Pipeline, batch: &Value) -> Result<Vec<((String, String), String)>, CliError> {
    if batch["batchSize"].as_u64().unwrap_or(0) == 0 {
        return Ok(Vec::new());
    }
    let from = json!({
        "StreamName": pipeline.stream,
        "ShardId": batch["shardId"],
        "ShardIteratorType": "AT_SEQUENCE_NUMBER",
        "StartingSequenceNumber": batch["startSequenceNumber"],
    });
    let iterator = pipeline.client.kinesis("GetShardIterator", &from).await?["ShardIterator"].clone();
    let asked = json!({ "ShardIterator": iterator, "Limit": batch["batchSize"] });
    let page = pipeline.client.kinesis("GetRecords", &asked).await?;
    let shard = batch["shardId"].as_str().unwrap_or_default();
    let record = |record: &Value| {
        let data = base64_simd::STANDARD.decode_to_vec(record["Data"].as_str()?).ok()?;
        let place = (shard.to_owned(), record["SequenceNumber"].as_str()?.to_owned());
        Some((place, String::from_utf8_lossy(&data).into_owned()))
    };
    Ok(page["Records"].as_array().into_iter().flatten().filter_map(record).collect())
}

/// What is special about a record, by the id that is left in it.
fn class(ledger: &Ledger, entries: &[Entry], data: &str) -> &'static str {
    let id = data.find("auth-").and_then(|at| data.get(at..at + ID_CHARS));
    let entry = id.and_then(|id| ledger.number(id)).and_then(|number| entries.get(number as usize));
    match entry.map(|entry| entry.class) {
        Some(Class::Good) => "well-formed",
        Some(Class::Malformed) => "malformed",
        Some(Class::Poison) => "poison",
        Some(Class::Breaking) => "of another shape",
        None => "malformed, without an id",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(acknowledged: u16, unknown: u16, class: Class) -> Entry {
        Entry { acknowledged, unknown, class }
    }

    fn judged(entry: Entry, found: u16, copies: Copies) -> View {
        let mut view = View::default();
        view.judge(|| "id".to_owned(), entry, found, copies);
        view
    }

    #[test]
    fn losses_and_doubles_are_told_from_what_the_producer_did() {
        let good = |acknowledged, unknown| entry(acknowledged, unknown, Class::Good);
        assert!(judged(good(1, 0), 1, Copies::EachRecord).is_whole());
        assert_eq!(judged(good(1, 0), 0, Copies::EachRecord).missing_ids, ["id"]);
        assert_eq!(judged(good(1, 0), 2, Copies::EachRecord).doubled, 1);
        let twice = judged(good(2, 0), 2, Copies::EachRecord);
        assert!(twice.is_whole() && twice.repeated_by_producer == 1);
        assert_eq!(judged(good(2, 0), 1, Copies::EachRecord).missing, 1, "both records were acknowledged");
        assert!(
            judged(good(1, 1), 1, Copies::EachRecord).is_whole()
                && judged(good(1, 1), 2, Copies::EachRecord).is_whole()
        );
        assert!(judged(good(0, 0), 0, Copies::One).is_whole(), "what was never acknowledged may be absent");
        assert!(judged(good(2, 0), 1, Copies::One).is_whole(), "a document is one");
        assert_eq!(judged(good(2, 0), 2, Copies::One).doubled, 1, "in two indices of one day");
        assert!(judged(good(2, 0), 2, Copies::OneADay).is_whole(), "before midnight and after it");
        let poison = judged(entry(1, 0, Class::Poison), 1, Copies::One);
        assert!(poison.is_whole() && poison.special == 1);
    }

    #[test]
    fn a_row_without_an_id_is_damaged_and_not_anothers() {
        let (mut view, mut found, ledger) = (View::default(), [0], Ledger::new(1));
        for id in [Some("auth-00000001-0000000000"), Some("auth-00000002-0000000000"), Some("x"), None] {
            view.row(&mut found, id, &ledger);
        }
        assert_eq!((found, view.foreign, view.special, view.found), ([1], 2, 1, 1));
    }

    #[test]
    fn a_record_is_known_by_the_id_that_is_left_in_it() {
        let ledger = Ledger::new(1);
        ledger.made(Class::Malformed);
        let entries = ledger.entries();
        assert_eq!(class(&ledger, &entries, "#CORRUPT auth-00000001-0000000000"), "malformed");
        assert_eq!(class(&ledger, &entries, "{}"), "malformed, without an id");
        assert_eq!(class(&ledger, &entries, "auth-00000001-00"), "malformed, without an id");
    }
}
