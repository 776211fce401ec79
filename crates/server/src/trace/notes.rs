//! What stages say of records, noted as steps of their journeys.

use millrace_api::kinesis::Put as PutSeen;
use millrace_base::{Clock, Millis, Scope, ShardId};
use millrace_deliver::{Delivered, DeliveryName, Ranges, Taken};
use millrace_functions::{BatchEvent, BatchOutcome};
use millrace_log::{Placed, Producer, ReaderKind, Readership, StreamKey};
use millrace_watch::journey::{Journeys, Note, Outcome, Put, Range, Step};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

use crate::meters::analytics::application_of;

/// Notes for journeys; none without telemetry. Cheap to clone.
#[derive(Clone, Default)]
pub struct Notes(Option<Arc<Book>>);

struct Book {
    journeys: Journeys,
    clock: Arc<dyn Clock>,
    /// The stream that a delivery takes its records from.
    sources: Mutex<HashMap<(Scope, String), StreamKey>>,
    /// Where a job's reader stood when it was last noted, at the last look and at the job's last write.
    stood: Mutex<HashMap<Place, Stood>>,
    readership: Mutex<Option<Readership>>,
}

/// A job's reader of a shard.
type Place = (Arc<str>, StreamKey, ShardId);

#[derive(Clone, Copy)]
struct Stood {
    looked: u64,
    wrote: u64,
    at: Millis,
}

impl Notes {
    /// Notes into `journeys`.
    pub fn new(journeys: Journeys, clock: Arc<dyn Clock>) -> Self {
        let (sources, stood, readership) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self(Some(Arc::new(Book { journeys, clock, sources, stood, readership })))
    }

    /// Tells where the jobs' readers are found.
    pub fn watch(&self, readership: &Readership) {
        if let Some(book) = &self.0 {
            *book.readership.lock() = Some(readership.clone());
        }
    }

    /// Records came through the door.
    pub fn put(&self, put: &PutSeen<'_>) {
        let Some(book) = self.0.as_ref().filter(|_| !put.placed.is_empty()) else { return };
        let ended = book.clock.now();
        let correlation = put.correlation;
        book.journeys.note(Note::Put(Put {
            trace: correlation.trace,
            parent: correlation.parent,
            given: correlation.given,
            began: ended - put.took_ms as Millis,
            ended,
            placed: runs(put.stream, put.placed),
        }));
    }

    /// A delivery took records. Those that a function is to transform are not followed any further.
    pub fn taken(&self, delivery: &DeliveryName<'_>, taken: &Taken<'_>) {
        let Some(book) = &self.0 else { return };
        let name = (delivery.scope.clone(), delivery.name.to_owned());
        book.sources.lock().entry(name).or_insert_with(|| taken.stream.clone());
        if taken.is_transformed {
            let read = ranges(taken.stream, &taken.ranges);
            book.step(
                "delivery",
                delivery.name,
                book.clock.now(),
                read,
                Outcome::Done,
                vec!["handed to the function that transforms it; not followed any further".to_owned()],
            );
        }
    }

    /// A delivery delivered, or failed to.
    pub fn delivered(&self, delivery: &DeliveryName<'_>, delivered: &Delivered<'_>) {
        let Some(book) = self.0.as_ref().filter(|_| !delivered.is_transformed) else { return };
        let name = (delivery.scope.clone(), delivery.name.to_owned());
        let Some(stream) = book.sources.lock().get(&name).cloned() else { return };
        let (place, what) = delivered.target;
        let made = match delivered.kind {
            millrace_deliver::DestinationKind::Search => format!("index {what}, {} documents", delivered.records),
            _ => format!("s3://{place}/{what}, {} records", delivered.records),
        };
        let outcome = delivered.failure.map_or(Outcome::Done, |reason| Outcome::Failed(reason.to_owned()));
        book.step("delivery", delivery.name, delivered.began, ranges(&stream, &delivered.ranges), outcome, vec![made]);
    }

    /// A mapping's function was called, or its batch was given up.
    pub fn batch(&self, batch: &BatchEvent<'_>) {
        let Some(book) = &self.0 else { return };
        let name = batch.stream.rsplit('/').next().unwrap_or(batch.stream);
        let stream = StreamKey { scope: batch.mapping.scope.clone(), name: name.into() };
        let range = Range {
            scope: stream.scope,
            stream: stream.name,
            shard: batch.shard,
            first: batch.range.0,
            next: batch.range.1,
        };
        let reason = || batch.reason.to_owned();
        let outcome = match batch.outcome {
            BatchOutcome::Succeeded => Outcome::Done,
            BatchOutcome::Failed | BatchOutcome::Refused => Outcome::Failed(reason()),
            BatchOutcome::GivenUp => Outcome::GivenUp(reason()),
        };
        let made = batch.request_id.map(|id| format!("request {id}, {} records", batch.records)).into_iter().collect();
        let now = book.clock.now();
        let began = if batch.began == 0 { now } else { batch.began };
        book.step("function", &batch.function.name, began, vec![range], outcome, made);
    }

    /// A job wrote rows to a stream: they stem from what it read since it wrote the last time, or earlier.
    pub fn written(&self, producer: &Producer, stream: &StreamKey, placed: &[Placed]) {
        let Some(book) = &self.0 else { return };
        let Some((job, _)) = producer.id.rsplit_once('/') else { return };
        let Some((_, name)) = application_of(job) else { return };
        let (read, began) = book.read_since(job, |stood| &mut stood.wrote);
        if !read.is_empty() {
            let ended = book.clock.now();
            let step = Step {
                stage: "sql".into(),
                name: name.into(),
                began,
                ended,
                outcome: Outcome::Done,
                read,
                made: Vec::new(),
                led_to: runs(stream, placed),
            };
            book.journeys.note(Note::Step(step));
        }
    }

    /// Notes what jobs read since the last look. To be called every second.
    pub fn look(&self) {
        let Some(book) = &self.0 else { return };
        let Some(readership) = book.readership.lock().clone() else { return };
        let mut jobs: Vec<Arc<str>> = Vec::new();
        for reading in readership.list() {
            if reading.reader.kind == ReaderKind::Application && !jobs.contains(&reading.reader.name) {
                jobs.push(reading.reader.name);
            }
        }
        for job in jobs {
            let Some((_, name)) = application_of(&job) else { continue };
            let (read, began) = book.read_since(&job, |stood| &mut stood.looked);
            if !read.is_empty() {
                book.step("sql", &name, began, read, Outcome::Done, Vec::new());
            }
        }
    }
}

impl Book {
    fn step(&self, stage: &str, name: &str, began: Millis, read: Vec<Range>, outcome: Outcome, made: Vec<String>) {
        let (stage, name, ended, led_to) = (stage.into(), name.into(), self.clock.now(), Vec::new());
        self.journeys.note(Note::Step(Step { stage, name, began, ended, outcome, read, made, led_to }));
    }

    /// What a job's readers passed since one of their marks, which is moved on, and since when.
    fn read_since(&self, job: &str, mark: impl Fn(&mut Stood) -> &mut u64) -> (Vec<Range>, Millis) {
        let now = self.clock.now();
        let Some(readership) = self.readership.lock().clone() else { return (Vec::new(), now) };
        let mut stood = self.stood.lock();
        let (mut read, mut began) = (Vec::new(), now);
        for reading in readership.list() {
            if reading.reader.kind != ReaderKind::Application || *reading.reader.name != *job {
                continue;
            }
            let next = reading.next;
            let place = (reading.reader.name, reading.stream, reading.shard);
            let first = || Stood { looked: next, wrote: next, at: now };
            let known = stood.entry(place.clone()).or_insert_with(first);
            let from = std::mem::replace(mark(known), next);
            if from < next {
                let StreamKey { scope, name } = place.1;
                read.push(Range { scope, stream: name, shard: place.2, first: from, next });
                began = began.min(known.at);
            }
            known.at = now;
        }
        (read, began)
    }
}

/// Runs of neighbours among placed records.
fn runs(stream: &StreamKey, placed: &[Placed]) -> Vec<Range> {
    let mut runs: Vec<Range> = Vec::new();
    for Placed { shard, sequence } in placed {
        match runs.iter_mut().rev().find(|run| run.shard == *shard) {
            Some(run) if run.next == sequence.index => run.next += 1,
            _ => runs.push(Range {
                scope: stream.scope.clone(),
                stream: stream.name.clone(),
                shard: *shard,
                first: sequence.index,
                next: sequence.index + 1,
            }),
        }
    }
    runs
}

fn ranges(stream: &StreamKey, ranges: &Ranges) -> Vec<Range> {
    let range = |(shard, (first, next)): (&u32, &(u64, u64))| Range {
        scope: stream.scope.clone(),
        stream: stream.name.clone(),
        shard: ShardId(*shard),
        first: *first,
        next: *next,
    };
    ranges.iter().map(range).collect()
}
