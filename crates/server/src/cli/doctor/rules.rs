//! From figures to findings: symptom, likely cause, remedy.

mod alarm_action;
mod delivery;

pub use alarm_action::alarm_action;

use crate::dlq::failure::Failure;
use crate::dlq::{DeadLetter, DeadLetterQueue};
use crate::meters::FunctionError;
use crate::meters::vitals::{
    FunctionVitals, JobVitals, LATELY_MS, MappingVitals, ReaderVitals, StuckVitals, ThrottledShard, UnlikeVitals,
    Vitals,
};
use millrace_base::Millis;
use serde::Serialize;
use std::collections::BTreeMap;

/// A reader that is further behind than this, beside what it gathers on purpose, is worth a word.
const BEHIND_MS: Millis = 10_000;
/// A batch that failed so often holds its shard up.
const STUCK_TRIES: u32 = 3;
/// A disk with less room than both of these is about to be full.
const FREE_BYTES_MIN: u64 = 1 << 30;
const FREE_SHARE_MIN: f64 = 0.03;
/// Less room than this is as good as none.
const FULL_BYTES: u64 = 16 << 20;
/// A key with this share of a shard is hot.
const HOT_SHARE: f64 = 0.3;

/// What helps a function that cannot be started.
const MEND_RUNTIME: &str =
    "install its runtime where the server finds it and its functions' user may run it, or mend its bootstrap";

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What kind of trouble.
    pub symptom: &'static str,
    /// What has it.
    pub subject: String,
    /// The figures.
    pub seen: String,
    /// What is probably behind it.
    pub cause: String,
    /// What to do now.
    pub remedy: String,
    /// A command that does it, or shows more.
    pub command: Option<String>,
}

/// A queue for what failed, and its first messages.
#[derive(Debug)]
pub struct Letters {
    /// The queue.
    pub queue: DeadLetterQueue,
    /// Its first messages.
    pub messages: Vec<DeadLetter>,
    /// By how many it grew in the last minutes.
    pub grew: i64,
}

/// What is there, when all is well.
pub fn summary(vitals: &Vitals) -> String {
    let oldest = vitals.readers.iter().map(|reader| reader.age_ms).max().unwrap_or(0);
    let (jobs, readers, deliveries) = (vitals.jobs.len(), vitals.readers.len(), vitals.deliveries.len());
    format!(
        "{readers} readers of shards, the furthest {} behind; {deliveries} delivery streams; {jobs} jobs of applications",
        time(oldest)
    )
}

/// Everything that is wrong, the gravest first.
pub fn findings(vitals: &Vitals, letters: &[Letters]) -> Vec<Finding> {
    let mut found = Vec::new();
    found.extend(disk(vitals));
    found.extend(vitals.damaged.iter().map(damaged));
    found.extend(vitals.failed_puts.iter().map(|(stream, count)| failed_puts(vitals, stream, *count)));
    found.extend(vitals.unlike.iter().map(unlike));
    found.extend(vitals.queues_shut.iter().map(|why| queues_shut(why)));
    found.extend(vitals.jobs.iter().filter_map(job));
    found.extend(vitals.stuck.iter().filter(|stuck| stuck.tries >= STUCK_TRIES).map(|stuck| poison(vitals, stuck)));
    found.extend(behind(vitals));
    found.extend(vitals.throttled.iter().map(throttled));
    found.extend(vitals.deliveries.iter().filter_map(delivery::finding));
    found.extend(rejected(vitals));
    found.extend(vitals.functions.iter().filter_map(function));
    found.extend(letters.iter().map(dead_letters));
    found
}

/// Milliseconds in words.
fn time(ms: Millis) -> String {
    match ms {
        ..1_000 => format!("{ms} ms"),
        1_000..120_000 => format!("{:.1} s", ms as f64 / 1000.0),
        120_000..7_200_000 => format!("{} min", ms / 60_000),
        _ => format!("{:.1} h", ms as f64 / 3_600_000.0),
    }
}

/// A number of things.
fn many(count: u64, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

fn size(bytes: u64) -> String {
    match bytes {
        ..1_048_576 => format!("{} KiB", bytes >> 10),
        1_048_576..1_073_741_824 => format!("{} MiB", bytes >> 20),
        _ => format!("{:.1} GiB", bytes as f64 / (1u64 << 30) as f64),
    }
}

fn disk(vitals: &Vitals) -> Option<Finding> {
    let space = vitals.disk?;
    let share = space.free as f64 / space.total.max(1) as f64;
    if space.free >= FREE_BYTES_MIN || (share >= FREE_SHARE_MIN && space.free >= FULL_BYTES) {
        return None;
    }
    let full = space.free < FULL_BYTES;
    Some(Finding {
        symptom: if full { "full disk" } else { "low space" },
        subject: vitals.data.clone(),
        seen: format!("{} of {} are free ({:.1} %)", size(space.free), size(space.total), share * 100.0),
        cause:
            "the log keeps every stream for its retention, and the lake and the index keep what was delivered; nothing \
                of it is removed to make room"
                .to_owned(),
        remedy:
            "free some space on this disk, or give streams a shorter retention; puts that are refused meanwhile can be \
                 repeated, and what was acknowledged is safe"
                .to_owned(),
        command: Some(format!("du -sh {}/*", vitals.data)),
    })
}

fn damaged((stream, why): &(String, String)) -> Finding {
    Finding {
        symptom: "damaged stream",
        subject: stream.clone(),
        seen: why.clone(),
        cause:
            "bytes before the end of a segment are not what was written: a failing disk, or a file that something else \
                changed"
                .to_owned(),
        remedy:
            "copy the data folder away first; look at the disk's own messages; bring the named file back from a backup \
                 and start again, or delete the stream if it can be filled again"
                .to_owned(),
        command: Some("dmesg --level=err | tail".to_owned()),
    }
}

fn failed_puts(vitals: &Vitals, stream: &str, count: u64) -> Finding {
    let full = disk(vitals).is_some_and(|finding| finding.symptom == "full disk");
    let (cause, remedy) = match full {
        true => ("the disk is full", "free some space: producers' retries then succeed"),
        false => (
            "the log could not write: a failed disk shuts it until the next start",
            "read the server's messages; after the disk is mended start the server again",
        ),
    };
    Finding {
        symptom: "failing puts",
        subject: format!("stream {stream}"),
        seen: format!("{} refused in the last {}", many(count, "record"), time(LATELY_MS)),
        cause: cause.to_owned(),
        remedy: remedy.to_owned(),
        command: Some(format!("df -h {}", vitals.data)),
    }
}

/// Producers whose records do not conform to a stream's schema: the disk has nothing to do with it.
fn unlike(unlike: &UnlikeVitals) -> Finding {
    let UnlikeVitals { stream, records, is_warning, schema, reason } = unlike;
    let named = schema.as_ref().map_or_else(String::new, |schema| format!(" {schema}"));
    let last = reason.as_ref().map_or_else(String::new, |reason| format!("; the last one: {reason}"));
    let (symptom, seen, meanwhile) = if *is_warning {
        let seen = "broke the stream's contract; they are warned of, not refused";
        let meanwhile =
            "they are taken meanwhile, because of the tag millrace:schema-enforcement=warn, and every reader gets them";
        ("broken contract", format!("{} of the last {} {seen}", many(*records, "record"), time(LATELY_MS)), meanwhile)
    } else {
        let meanwhile = "with the tag millrace:schema-enforcement=warn they are taken meanwhile";
        (
            "refused by schema",
            format!("{} refused in the last {}", many(*records, "record"), time(LATELY_MS)),
            meanwhile,
        )
    };
    Finding {
        symptom,
        subject: format!("stream {stream}"),
        seen,
        cause: format!("the stream's tag millrace:schema names schema{named}, and records do not conform to it{last}"),
        remedy: format!("mend the producer, or register a version of the schema that takes these records; {meanwhile}"),
        command: Some(match schema.as_ref().and_then(|schema| schema.split_once('/')) {
            Some((registry, name)) => format!(
                "aws glue get-schema-version --schema-id RegistryName={registry},SchemaName={name} \
                 --schema-version-number LatestVersion=true"
            ),
            None => format!("aws kinesis list-tags-for-stream --stream-name {stream}"),
        }),
    }
}

fn queues_shut(why: &str) -> Finding {
    Finding {
        symptom: "queues shut",
        subject: "SQS".to_owned(),
        seen: why.to_owned(),
        cause: "a write to the queues' journal failed, so nothing more is written until the next start".to_owned(),
        remedy: "mend the disk, then start the server again; what was acknowledged is safe".to_owned(),
        command: None,
    }
}

fn job(job: &JobVitals) -> Option<Finding> {
    let failure = job.failure.as_ref()?;
    let JobVitals { failed_checkpoints, restarts, .. } = job;
    let (symptom, cause, remedy) = if job.is_checkpoint {
        (
            "failing checkpoints",
            format!("what the job writes to refuses it: {failure}"),
            "make the sink take its rows again (does the table's target still exist, has it room, does it know the \
             columns?); the job goes on from its last checkpoint by itself, and nothing is lost or doubled",
        )
    } else {
        (
            "failing job",
            failure.clone(),
            "mend what the message names; a record that cannot be read can be skipped with \
             'json.ignore-parse-errors' = 'true' in the source's options",
        )
    };
    Some(Finding {
        symptom,
        subject: format!("application {}", job.application),
        seen: format!(
            "{} failed and the job began anew {} since the start",
            many(*failed_checkpoints, "checkpoint"),
            many(*restarts, "time")
        ),
        cause,
        remedy: remedy.to_owned(),
        command: Some(format!(
            "aws cloudwatch get-metric-statistics --namespace AWS/KinesisAnalytics --metric-name \
             numberOfFailedCheckpoints --dimensions Name=Application,Value={} --statistics Maximum --period 60 \
             --start-time $(date -u -d '-15 min' +%FT%TZ) --end-time $(date -u +%FT%TZ)",
            job.application
        )),
    })
}

fn poison(vitals: &Vitals, stuck: &StuckVitals) -> Finding {
    let mapping = vitals.mappings.iter().find(|mapping| mapping.uuid == stuck.mapping);
    let bisects = mapping.is_some_and(|mapping| mapping.bisects);
    let gives_up = mapping.and_then(|mapping| mapping.on_failure.clone());
    let StuckVitals { function, tries, shard, first, records, .. } = stuck;
    let last =
        vitals.functions.iter().find(|other| other.name == *function).and_then(|other| other.last_error.as_ref());
    let unstartable = last.filter(|error| stuck.failed && error.is_unstartable());
    let cause = match (unstartable, stuck.failed) {
        (Some(error), _) => format!("{function} cannot be started: {}", error.message),
        (None, true) => format!("a poison batch: {function} fails on it every time ({})", stuck.reason),
        (None, false) => format!("{function} cannot be called: {}", stuck.reason),
    };
    let remedy = match (stuck.failed, bisects, gives_up) {
        _ if unstartable.is_some() => MEND_RUNTIME.to_owned(),
        (false, ..) => "make the function callable: does it exist, is it Active, has it concurrency left?".to_owned(),
        (true, true, Some(_)) => {
            "mend the function; the mapping halves the batch meanwhile and gives up the record at \
                                  fault"
                .to_owned()
        }
        (true, ..) => {
            "mend the function, or let the mapping give up the record at fault: bisect, few retries, and a queue \
                       for what failed"
                .to_owned()
        }
    };
    let command = match stuck.failed && unstartable.is_none() {
        true => format!(
            "aws lambda update-event-source-mapping --uuid {} --bisect-batch-on-function-error \
             --maximum-retry-attempts 2",
            stuck.mapping
        ),
        false => format!("aws lambda get-function --function-name {function}"),
    };
    Finding {
        symptom: if unstartable.is_some() { "stuck batch" } else { "poison batch" },
        subject: format!("event source mapping {} ({function})", stuck.mapping),
        seen: format!(
            "{} from position {first} of {shard} tried {tries} times in {}",
            many(*records as u64, "record"),
            time(stuck.for_ms)
        ),
        cause,
        remedy,
        command: Some(command),
    }
}

/// Readers that are behind: one finding for each reader and stream, of its shard that is furthest behind.
fn behind(vitals: &Vitals) -> Vec<Finding> {
    let mut worst: BTreeMap<(&str, &str, &str, Option<&str>), &ReaderVitals> = BTreeMap::new();
    for reader in &vitals.readers {
        let key = (reader.kind.as_str(), reader.name.as_str(), reader.stream.as_str(), reader.mapping.as_deref());
        let before = worst.entry(key).or_insert(reader);
        if reader.age_ms > before.age_ms {
            *before = reader;
        }
    }
    worst.into_values().filter_map(|reader| late(vitals, reader)).collect()
}

/// Cause, remedy and command for a job that is behind.
fn behind_job(failure: Option<&str>, stream: &str) -> (String, String, Option<String>) {
    match failure {
        Some(failure) => (
            format!("its job fails: {failure}"),
            "see the failing job above: it catches up when that is mended".to_owned(),
            None,
        ),
        None => (
            "its job takes less than the stream gets: a slow function in the query, or too little parallelism"
                .to_owned(),
            "raise the application's parallelism up to the number of shards, or make the query cheaper".to_owned(),
            Some(format!("millrace tail {stream}")),
        ),
    }
}

fn late(vitals: &Vitals, reader: &ReaderVitals) -> Option<Finding> {
    let mapping = vitals.mappings.iter().find(|mapping| Some(&mapping.uuid) == reader.mapping.as_ref());
    let gathers = mapping.map_or(0, |mapping| mapping.gathers_secs as Millis * 1000);
    if reader.damage.is_none() && reader.age_ms < BEHIND_MS + gathers {
        return None;
    }
    let ReaderVitals { kind, name, stream, shard, records, .. } = reader;
    let moves = match reader.still_ms {
        ..5_000 => "it moves, but too slowly".to_owned(),
        still => format!("it has not moved for {}", time(still)),
    };
    let (cause, remedy, command) = match kind.as_str() {
        _ if reader.damage.is_some() => (
            format!("its shard cannot be read: {}", reader.damage.as_deref().unwrap_or_default()),
            "see the damaged file above; until it is mended nobody gets past it".to_owned(),
            None,
        ),
        "function" => slow_function(vitals, reader, mapping),
        "delivery" => (
            "the delivery stream does not take more, because it cannot deliver what it has".to_owned(),
            "see what it fails with".to_owned(),
            Some(format!("aws firehose describe-delivery-stream --delivery-stream-name {name}")),
        ),
        _ => {
            let failing =
                vitals.jobs.iter().filter(|job| job.application == *name).find_map(|job| job.failure.as_deref());
            behind_job(failing, stream)
        }
    };
    Some(Finding {
        symptom: "climbing iterator age",
        subject: format!("{kind} {name} reading stream {stream}"),
        seen: format!(
            "{} of {shard} waiting, the oldest for {}; {moves}",
            many(*records, "record"),
            time(reader.age_ms)
        ),
        cause,
        remedy,
        command,
    })
}

fn slow_function(
    vitals: &Vitals,
    reader: &ReaderVitals,
    mapping: Option<&MappingVitals>,
) -> (String, String, Option<String>) {
    let name = &reader.name;
    if vitals.stuck.iter().any(|stuck| Some(&stuck.mapping) == reader.mapping.as_ref() && stuck.tries >= STUCK_TRIES) {
        let remedy = "see the batch above: everything behind it in its shard waits".to_owned();
        return ("a batch that fails every time holds its shard up".to_owned(), remedy, None);
    }
    let how = match &reader.consumer {
        Some(consumer) => format!("it reads as consumer {consumer} (enhanced fan-out)"),
        None => "it reads the stream's shared throughput".to_owned(),
    };
    let function = vitals.functions.iter().find(|function| function.name == *name);
    let throttles = function.map_or(0, |function| function.throttles);
    if throttles > 0 {
        let cause = format!("{name} was refused {throttles} times for its concurrency; {how}");
        let remedy = "give the function more reserved concurrency, or none reserved".to_owned();
        return (cause, remedy, Some(format!("aws lambda delete-function-concurrency --function-name {name}")));
    }
    let lanes = mapping.map_or(1, |mapping| mapping.parallelization.max(1));
    let cause = match function.and_then(|function| Some((function, function.p99_ms?))) {
        Some((function, p99)) => format!(
            "a slow function: {} calls in the last {} took {} at the median and {} at the 99th percentile, {lanes} at \
             a time for each shard; {how}",
            function.invocations,
            time(LATELY_MS),
            time(function.p50_ms.unwrap_or(p99) as Millis),
            time(p99 as Millis)
        ),
        None => format!(
            "{name} has not ended a single call in the last {}: it hangs or is slow, or cannot be started; {how}",
            time(LATELY_MS)
        ),
    };
    let remedy = "make the function faster, give it larger batches, or let it work on more of a shard at once \
                  (ParallelizationFactor, up to 10); more shards help when keys are many"
        .to_owned();
    let command = reader.mapping.as_ref().map(|uuid| {
        let more = (lanes * 2).min(10);
        format!("aws lambda update-event-source-mapping --uuid {uuid} --parallelization-factor {more}")
    });
    (cause, remedy, command)
}

fn throttled(shard: &ThrottledShard) -> Finding {
    let ThrottledShard { stream, records, shards, .. } = shard;
    let hottest = shard.hot_keys.first();
    let (cause, remedy) = match hottest.filter(|(_, share)| *share >= HOT_SHARE) {
        Some((key, share)) => (
            format!("a hot key: '{key}' has {:.0} % of the shard's bytes", share * 100.0),
            format!(
                "spread '{key}' over several keys (for example '{key}-1' to '{key}-8'), or give it a shard of its own; \
                 splitting does not help one key beyond that"
            ),
        ),
        None => {
            ("the shard gets more than its quota, from many keys".to_owned(), "give the stream more shards".to_owned())
        }
    };
    Finding {
        symptom: "throttled writes",
        subject: format!("{} of stream {stream}", shard.shard),
        seen: format!("{records} records were refused in the last two minutes (1 MiB and 1,000 records a second fit)"),
        cause,
        remedy,
        command: Some(format!(
            "aws kinesis update-shard-count --stream-name {stream} --scaling-type UNIFORM_SCALING \
             --target-shard-count {}",
            (shards * 2).max(2)
        )),
    }
}

fn rejected(vitals: &Vitals) -> Option<Finding> {
    let (rejected, failed) = vitals.search;
    if rejected > 0 {
        return Some(Finding {
            symptom: "rejected bulks",
            subject: "the index".to_owned(),
            seen: format!("{rejected} documents were refused with status 429 in the last {}", time(LATELY_MS)),
            cause: "more is sent at once than the index takes".to_owned(),
            remedy: "send smaller bulks, fewer at a time, and again after a pause; deliveries do so by themselves"
                .to_owned(),
            command: None,
        });
    }
    (failed > 0).then(|| Finding {
        symptom: "failing index",
        subject: "the index".to_owned(),
        seen: format!("{failed} answers with status 5xx in the last {}", time(LATELY_MS)),
        cause: "the index cannot write or read its files".to_owned(),
        remedy: "look at the disk, and at the server's messages".to_owned(),
        command: None,
    })
}

fn function(function: &FunctionVitals) -> Option<Finding> {
    let FunctionVitals { name, invocations, errors, undelivered, last_error, .. } = function;
    let logs = Some(format!("aws logs tail /aws/lambda/{name} --since 10m"));
    if *undelivered > 0 {
        return Some(Finding {
            symptom: "undelivered failures",
            subject: format!("function {name}"),
            seen: format!("{undelivered} tries to hand on a record failed in the last {}", time(LATELY_MS)),
            cause: "its dead-letter queue or destination does not take records: is it there?".to_owned(),
            remedy: "create the queue, topic or bucket, or name another".to_owned(),
            command: Some(format!("aws lambda get-function-event-invoke-config --function-name {name}")),
        });
    }
    // Some errors are retried away; most of the calls failing is another thing.
    (*errors > 0 && errors * 2 >= *invocations).then(|| {
        let (cause, remedy) = failing(last_error.as_ref());
        Finding {
            symptom: "failing function",
            subject: format!("function {name}"),
            seen: format!("{errors} of {invocations} calls failed in the last {}", time(LATELY_MS)),
            cause,
            remedy: remedy.to_owned(),
            command: logs,
        }
    })
}

/// Why a function's calls fail, and what to do: one that cannot be started has not said anything.
fn failing(last: Option<&FunctionError>) -> (String, &'static str) {
    match last {
        Some(error) if error.is_unstartable() => (format!("it cannot be started: {}", error.message), MEND_RUNTIME),
        Some(FunctionError { kind, message }) if !message.is_empty() => {
            let kind = if kind.is_empty() { String::new() } else { format!("{kind}: ") };
            (
                format!("the function raises an error, runs out of time or memory; the last one: {kind}{message}"),
                "read what it says",
            )
        }
        _ => ("the function raises an error, runs out of time or memory".to_owned(), "read what it says"),
    }
}

fn dead_letters(letters: &Letters) -> Finding {
    let queue = &letters.queue;
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for letter in &letters.messages {
        *reasons.entry(reason(letter)).or_default() += 1;
    }
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let told: Vec<String> = reasons.iter().take(3).map(|(reason, count)| format!("{count} × {reason}")).collect();
    let read = letters.messages.len();
    let of = if read < queue.messages { format!("of the first {read}: ") } else { String::new() };
    let grows = match letters.grew {
        grew if grew > 0 => format!(" ({} ago: {})", time(LATELY_MS), (queue.messages as i64 - grew).max(0)),
        _ => String::new(),
    };
    let age = queue.oldest.map(|oldest| format!(", the oldest for {}", time((queue.now - oldest).max(0))));
    Finding {
        symptom: "dead letters",
        subject: format!("queue {}", queue.name),
        seen: format!("{} waiting{grows}{}", many(queue.messages as u64, "message"), age.unwrap_or_default()),
        cause: format!("{of}{}", told.join("; ")),
        remedy: "look at them, mend what they failed on, and bring them back".to_owned(),
        command: Some(format!("millrace dlq show {0} && millrace dlq redrive {0}", queue.name)),
    }
}

/// Why a message is where it is.
fn reason(letter: &DeadLetter) -> String {
    let called = |called: &crate::dlq::failure::Called| {
        let function = called.function.split(':').nth(6).unwrap_or(&called.function);
        match &called.error {
            Some(error) => format!("{function}: {} ({error})", called.condition),
            None => format!("{function}: {}", called.condition),
        }
    };
    match Failure::of(letter) {
        Failure::Batch(batch) => called(&batch.called),
        Failure::Event(event) => match event.answer.get("errorMessage").and_then(|message| message.as_str()) {
            Some(message) => format!("{}: {message}", called(&event.called)),
            None => called(&event.called),
        },
        Failure::Message(source) => {
            format!("received too often from {}", source.rsplit(':').next().unwrap_or(&source))
        }
        Failure::Other => "sent here by somebody".to_owned(),
    }
}

#[cfg(test)]
mod tests;
