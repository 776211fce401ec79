//! What stages say of records, noted as steps of their journeys.

use millrace_api::http::Correlation;
use millrace_base::{Clock, Millis, ShardId};
use millrace_deliver::{Delivered, DeliveryName, DestinationKind, Run, Transformed};
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
    /// Where jobs' readers stood.
    stood: Mutex<HashMap<Place, Stood>>,
    /// What sinks' last rows were linked to.
    linked: Mutex<HashMap<Arc<str>, Vec<Range>>>,
    readership: Mutex<Option<Readership>>,
}

/// A job's reader of a shard.
type Place = (Arc<str>, StreamKey, ShardId);

/// Where a reader stood.
#[derive(Clone, Copy)]
struct Mark {
    next: u64,
    at: Millis,
}

/// Where a job's reader began, where it stood at the last look, and when each sink of the job last wrote.
struct Stood {
    first: Mark,
    looked: Mark,
    wrote: HashMap<Arc<str>, Mark>,
}

impl Stood {
    fn wrote(&mut self, sink: &Arc<str>) -> &mut Mark {
        self.wrote.entry(sink.clone()).or_insert(self.first)
    }
}

/// What a job's rows are linked to is not what they were computed from: said wherever the link is shown.
const LINK: &str =
    "linked by time: written after these records were read; rows of a window or a group may stem from earlier ones";

impl Notes {
    /// Notes into `journeys`.
    pub fn new(journeys: Journeys, clock: Arc<dyn Clock>) -> Self {
        let (stood, linked, readership) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self(Some(Arc::new(Book { journeys, clock, stood, linked, readership })))
    }

    /// Tells where the jobs' readers are found.
    pub fn watch(&self, readership: &Readership) {
        if let Some(book) = &self.0 {
            *book.readership.lock() = Some(readership.clone());
        }
    }

    /// Records came through the door.
    pub fn put(&self, stream: &StreamKey, placed: &[Placed], correlation: Correlation, took_ms: f64) {
        let Some(book) = self.0.as_ref().filter(|_| !placed.is_empty()) else { return };
        let ended = book.clock.now();
        book.journeys.note(Note::Put(Put {
            trace: correlation.trace,
            parent: correlation.parent,
            given: correlation.given,
            began: ended - took_ms as Millis,
            ended,
            placed: runs(stream, placed),
        }));
    }

    /// A delivery's function was asked to transform records: they are followed on in what is staged of them.
    pub fn transformed(&self, delivery: &DeliveryName<'_>, transformed: &Transformed<'_>) {
        let Some(book) = &self.0 else { return };
        let of = transformed.counts.iter().filter(|count| **count > 0).count();
        let (staged, function) = (transformed.placed, transformed.function);
        let (outcome, made) = match transformed.failure.map(str::to_owned) {
            None => (Outcome::Done, format!("transformed by {function}, {of} of {} kept", transformed.counts.len())),
            Some(reason) if staged.is_empty() => (Outcome::Failed(reason), format!("asked {function}")),
            Some(reason) => (Outcome::GivenUp(reason), format!("asked {function}")),
        };
        book.journeys.note(Note::Step(Step {
            stage: "delivery".into(),
            name: delivery.name.into(),
            began: transformed.began,
            ended: book.clock.now(),
            outcome,
            read: ranges(transformed.stream, &transformed.runs),
            made: vec![made],
            led_to: runs(transformed.staged, staged),
            each: each(transformed.counts),
        }));
    }

    /// A delivery delivered, or failed to.
    pub fn delivered(&self, delivery: &DeliveryName<'_>, delivered: &Delivered<'_>) {
        let Some(book) = &self.0 else { return };
        let (place, what) = delivered.target;
        let made = match delivered.kind {
            DestinationKind::Search => format!("index {what}, {} documents", delivered.records),
            _ => format!("s3://{place}/{what}, {} records", delivered.records),
        };
        let outcome = delivered.failure.map_or(Outcome::Done, |reason| Outcome::Failed(reason.to_owned()));
        let read = ranges(delivered.stream, &delivered.runs);
        book.step("delivery", delivery.name, delivered.began, read, outcome, vec![made]);
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

    /// A sink of a job wrote rows to a stream: they stem from what the job read since that sink wrote the last time, or from
    /// earlier records, of which windows and groups keep no more than what they compute. Nothing was read since when a
    /// checkpoint's rows are written in parts: then they are linked as the part before.
    pub fn written(&self, producer: &Producer, stream: &StreamKey, placed: &[Placed]) {
        let Some(book) = &self.0 else { return };
        let Some((job, _)) = producer.id.rsplit_once('/') else { return };
        let Some((_, name)) = application_of(job) else { return };
        let (mut read, began) = book.read_since(job, |stood| stood.wrote(&producer.id));
        match read.is_empty() {
            true => read = book.linked.lock().get(&producer.id).cloned().unwrap_or_default(),
            false => drop(book.linked.lock().insert(producer.id.clone(), read.clone())),
        }
        if !read.is_empty() {
            let ended = book.clock.now();
            let step = Step {
                stage: "sql".into(),
                name: name.into(),
                began,
                ended,
                outcome: Outcome::Done,
                read,
                made: vec![LINK.to_owned()],
                led_to: runs(stream, placed),
                each: Vec::new(),
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
        let (stage, name, ended, led_to, each) = (stage.into(), name.into(), self.clock.now(), Vec::new(), Vec::new());
        self.journeys.note(Note::Step(Step { stage, name, began, ended, outcome, read, made, led_to, each }));
    }

    /// What a job's readers passed since one of their marks, which is moved on, and since when.
    fn read_since(&self, job: &str, mark: impl Fn(&mut Stood) -> &mut Mark) -> (Vec<Range>, Millis) {
        let now = self.clock.now();
        let Some(readership) = self.readership.lock().clone() else { return (Vec::new(), now) };
        let mut stood = self.stood.lock();
        let (mut read, mut began) = (Vec::new(), now);
        for reading in readership.list() {
            if reading.reader.kind != ReaderKind::Application || *reading.reader.name != *job {
                continue;
            }
            let here = Mark { next: reading.next, at: now };
            let place = (reading.reader.name, reading.stream, reading.shard);
            let known = stood.entry(place.clone());
            // What a job reads before it is seen the first time counts, too: a backlog is over sooner than the next look.
            let first = Mark { next: reading.first, at: now };
            let known = known.or_insert_with(|| Stood { first, looked: first, wrote: HashMap::new() });
            let before = std::mem::replace(mark(known), here);
            if before.next < here.next {
                let StreamKey { scope, name } = place.1;
                read.push(Range { scope, stream: name, shard: place.2, first: before.next, next: here.next });
                began = began.min(before.at);
            }
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

fn ranges(stream: &StreamKey, runs: &[Run]) -> Vec<Range> {
    let range = |run: &Run| Range {
        scope: stream.scope.clone(),
        stream: stream.name.clone(),
        shard: ShardId(run.shard),
        first: run.first,
        next: run.next,
    };
    runs.iter().map(range).collect()
}

/// Equal neighbours together, with how many they are.
fn each(counts: &[u8]) -> Vec<(u64, u64)> {
    let run = |run: &[u8]| (run.len() as u64, run.first().map_or(0, |count| u64::from(*count)));
    counts.chunk_by(|one, next| one == next).map(run).collect()
}
