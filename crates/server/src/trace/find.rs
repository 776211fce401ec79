//! From what somebody knows of a record to its position.

use super::{TracedRecord, Tracing};
use memchr::memmem;
use millrace_base::{Millis, Scope, SequenceNumber, ShardId, did_you_mean};
use millrace_deliver::direct_puts_scope;
use millrace_log::{Bounds, Log, LogError, Record, Shard, StreamInfo, StreamKey};
use millrace_watch::journey::{Range, TraceId};

/// Records of one id that are shown.
pub const RECORDS_MAX: usize = 50;
/// A search for a text goes back so far, unless told otherwise.
const SEARCH_MS: Millis = 3_600_000;
/// And takes at most so long.
const SEARCH_TIME_MAX_MS: Millis = 45_000;
/// What is read at once.
const READ_RECORDS: usize = 10_000;
const READ_BYTES: usize = 8 << 20;

/// Where the records lie.
#[derive(Debug, Default)]
pub struct Found {
    /// Their positions.
    pub ranges: Vec<Range>,
    /// The first of them.
    pub records: Vec<TracedRecord>,
    /// True when a search ended early.
    pub incomplete: bool,
}

/// The records that `id` names: a correlation id, a sequence number (also behind a shard's id, as functions see it), or else
/// a text in the records' data.
pub fn records(
    tracing: &Tracing,
    scope: &Scope,
    id: &str,
    stream: Option<&str>,
    since: Option<Millis>,
) -> Result<Found, String> {
    if id.is_empty() {
        return Err("the id is empty: give a trace id, a sequence number, or a text of the record".to_owned());
    }
    let streams = streams(&*tracing.log, scope, stream)?;
    if let Ok(trace) = id.parse::<TraceId>() {
        let puts = tracing.journeys.puts(trace).map_err(|error| error.to_string())?;
        let placed = puts.into_iter().flat_map(|put| put.placed);
        let ranges: Vec<Range> = placed.filter(|range| streams.iter().any(|key| owns(key, range))).collect();
        if !ranges.is_empty() {
            return Ok(of_ranges(&*tracing.log, ranges));
        }
        // A function's trace is the id of the request that called it.
        let steps = tracing.journeys.made(&request_id(trace)).map_err(|error| error.to_string())?;
        let ranges: Vec<Range> = steps.into_iter().flat_map(|step| step.read).collect();
        if !ranges.is_empty() {
            return Ok(of_ranges(&*tracing.log, ranges));
        }
    }
    let number = id.rsplit(':').next().unwrap_or(id);
    if let Ok(number) = number.parse::<SequenceNumber>() {
        return of_number(&*tracing.log, &streams, number);
    }
    search(tracing, &streams, id.as_bytes(), since)
}

/// The UUID that a trace is.
fn request_id(trace: TraceId) -> String {
    let hex = trace.to_string();
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// The streams, and what delivery streams keep of direct puts under their names.
fn streams(log: &dyn Log, scope: &Scope, named: Option<&str>) -> Result<Vec<StreamKey>, String> {
    let of = |scope: Scope| log.streams(&scope).into_iter().map(move |name| StreamKey { scope: scope.clone(), name });
    let mut streams: Vec<StreamKey> = of(scope.clone()).chain(of(direct_puts_scope(scope))).collect();
    let Some(named) = named else { return Ok(streams) };
    let hint = did_you_mean(named, streams.iter().map(|key| &*key.name));
    let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
    streams.retain(|key| &*key.name == named);
    if streams.is_empty() {
        return Err(format!("there is no stream {named}, nor a delivery stream with direct puts{hint}"));
    }
    Ok(streams)
}

fn owns(key: &StreamKey, range: &Range) -> bool {
    key.scope == range.scope && key.name == range.stream
}

fn of_number(log: &dyn Log, streams: &[StreamKey], number: SequenceNumber) -> Result<Found, String> {
    let has = |info: &StreamInfo| {
        info.shards.iter().any(|shard| shard.id == number.shard && shard.created_secs == number.shard_created_secs)
    };
    let ranges: Vec<Range> = streams
        .iter()
        .filter(|key| log.stream(key).is_ok_and(|info| has(&info)))
        .map(|key| range(key, number.shard, number.index))
        .collect();
    if ranges.is_empty() {
        return Err(format!(
            "no stream here has given the sequence number {number}: is --region or the account another?"
        ));
    }
    let found = of_ranges(log, ranges);
    // Streams that were created in one second number alike; the right one gave this record this number.
    let text = number.to_string();
    let exact: Vec<TracedRecord> =
        found.records.iter().filter(|record| record.sequence_number.as_deref() == Some(&text)).cloned().collect();
    if exact.is_empty() {
        return Ok(found);
    }
    let ranges = found.ranges.into_iter().filter(|range| exact.iter().any(|record| record.stream == range.stream));
    Ok(Found { ranges: ranges.collect(), records: exact, incomplete: false })
}

fn range(key: &StreamKey, shard: ShardId, index: u64) -> Range {
    Range { scope: key.scope.clone(), stream: key.name.clone(), shard, first: index, next: index + 1 }
}

/// What streams still hold of the ranges.
fn of_ranges(log: &dyn Log, ranges: Vec<Range>) -> Found {
    let mut records = Vec::new();
    for range in &ranges {
        let key = StreamKey { scope: range.scope.clone(), name: range.stream.clone() };
        let rest = RECORDS_MAX.saturating_sub(records.len());
        let wanted = usize::try_from(range.next - range.first).unwrap_or(rest).min(rest);
        let read = read(log, &key, range.shard, range.first, wanted).unwrap_or_default();
        let in_range = read.into_iter().filter(|record| (range.first..range.next).contains(&record.index));
        let info = log.stream(&key).ok();
        let shard = info.as_ref().and_then(|info| info.shards.iter().find(|shard| shard.id == range.shard));
        let held: Vec<TracedRecord> = in_range.map(|record| traced(&key, range.shard, shard, &record)).collect();
        if held.is_empty() && rest > 0 {
            records.push(gone(range));
        }
        records.extend(held);
    }
    Found { ranges, records, incomplete: false }
}

fn read(log: &dyn Log, key: &StreamKey, shard: ShardId, first: u64, count: usize) -> Result<Vec<Record>, LogError> {
    if count == 0 {
        return Ok(Vec::new());
    }
    Ok(log.reader(key, shard, first)?.read(count, READ_BYTES)?.records)
}

fn traced(key: &StreamKey, id: ShardId, shard: Option<&Shard>, record: &Record) -> TracedRecord {
    TracedRecord {
        stream: key.name.clone(),
        shard: id.to_string(),
        index: record.index,
        sequence_number: shard.map(|shard| shard.number(record.index, record.arrival).to_string()),
        arrival: Some(record.arrival),
        partition_key: Some(String::from_utf8_lossy(&record.partition_key).into_owned()),
    }
}

fn gone(range: &Range) -> TracedRecord {
    TracedRecord {
        stream: range.stream.clone(),
        shard: range.shard.to_string(),
        index: range.first,
        sequence_number: None,
        arrival: None,
        partition_key: None,
    }
}

/// Looks through the streams' records for a text: the log is its own index, and costs nothing until somebody asks.
fn search(tracing: &Tracing, streams: &[StreamKey], text: &[u8], since: Option<Millis>) -> Result<Found, String> {
    let began = tracing.clock.now();
    let since = since.unwrap_or(began - SEARCH_MS);
    let finder = memmem::Finder::new(text);
    let mut found = Found::default();
    for key in streams {
        let info = tracing.log.stream(key).map_err(|error| error.to_string())?;
        for shard in &info.shards {
            let late = || tracing.clock.now() - began > SEARCH_TIME_MAX_MS;
            let searched = search_shard(&*tracing.log, key, shard, since, &finder, &late, &mut found);
            searched.map_err(|error| error.to_string())?;
            if found.incomplete {
                return Ok(found);
            }
        }
    }
    Ok(found)
}

fn search_shard(
    log: &dyn Log,
    key: &StreamKey,
    shard: &Shard,
    since: Millis,
    text: &memmem::Finder<'_>,
    late: &impl Fn() -> bool,
    found: &mut Found,
) -> Result<(), LogError> {
    // Up to what is there now; a search does not run after a stream that is written to.
    let Bounds { tail, .. } = log.bounds(key, shard.id)?;
    let mut reader = log.reader(key, shard.id, log.index_at(key, shard.id, since)?)?;
    while reader.position() < tail {
        let batch = reader.read(READ_RECORDS, READ_BYTES)?;
        if batch.records.is_empty() {
            break;
        }
        for record in batch.records.iter().filter(|record| text.find(&record.data).is_some()) {
            if found.records.len() == RECORDS_MAX {
                found.incomplete = true;
                return Ok(());
            }
            found.ranges.push(range(key, shard.id, record.index));
            found.records.push(traced(key, shard.id, Some(shard), record));
        }
        if late() {
            found.incomplete = true;
            return Ok(());
        }
    }
    Ok(())
}
