//! Puts the day through the HTTP door: signed `PutRecords` at a pace, by several producers, until each event is
//! acknowledged.
//!
//! ```text
//! pacer (generator, one batch a tick) ─► channel ─► producers: put, book what was acknowledged, put again what was not
//! ```
//! Payments do not wait for us: while the server is away they pile up here, and the pacer catches up afterwards.

use super::curve::Curve;
use super::event::{Class, Event, Generator, Trouble};
use super::ledger::Ledger;
use super::pipeline::Pipeline;
use crate::cli::client::{CliError, Client};
use serde::Deserialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, mpsc, watch};

/// How long events gather until they are put.
const TICK: Duration = Duration::from_millis(20);
/// PutRecords takes no more.
const BATCH_MAX: usize = 500;
/// Producers, each with one request under way.
const PRODUCERS: usize = 6;
/// Batches that wait for a producer.
const BATCHES_MAX: usize = 12;
/// Events that are made at once when the pacer is behind.
const CATCH_UP_MAX: f64 = 4_000.0;
/// How long a producer waits before it puts again, at first and at most.
const AGAIN_AFTER: (Duration, Duration) = (Duration::from_millis(40), Duration::from_secs(1));
/// An event is put by itself for [`super::probe`] this often.
const SINGLE_EVERY: Duration = Duration::from_secs(1);

/// What the producers are told while they run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    /// Events a second in the busiest hour.
    pub rate: f64,
    /// How the day goes.
    pub curve: Curve,
    /// The run's length.
    pub length: Duration,
    /// What goes wrong just now.
    pub trouble: Option<Trouble>,
    /// How much busier than planned it is.
    pub factor: f64,
    /// Not less than so many events a second.
    pub least: f64,
}

/// The rate is reached so late, or after a twentieth of a short run: no day begins with its worst second.
const RISE_SECS: f64 = 20.0;

impl Plan {
    /// After how long its rate is reached.
    pub fn rise(&self) -> Duration {
        Duration::from_secs_f64((self.length.as_secs_f64().max(0.001) / 20.0).min(RISE_SECS))
    }

    fn rate_at(&self, elapsed: Duration) -> f64 {
        let (elapsed, length) = (elapsed.as_secs_f64(), self.length.as_secs_f64().max(0.001));
        let risen = (elapsed / self.rise().as_secs_f64()).min(1.0);
        (self.rate * self.curve.share(elapsed / length) * self.factor * risen).max(self.least)
    }
}

/// An acknowledged event whose way is to be timed.
pub struct Timed {
    /// Its number.
    pub number: u64,
    /// When it was made.
    pub made: Instant,
}

/// What producers share.
pub struct Line {
    client: Client,
    stream: String,
    /// What was acknowledged.
    pub ledger: Arc<Ledger>,
    /// Somebody wants to time the next event.
    pub wanted: AtomicBool,
    /// Where events go that are to be timed.
    timed: mpsc::Sender<Timed>,
    /// Where events go that are to be put one by one, until the run is over.
    singles: parking_lot::Mutex<Option<mpsc::Sender<Event>>>,
    behind_max: AtomicU64,
}

struct Batch {
    events: Vec<Event>,
    made: Instant,
}

/// Plays a run; ends when everything that was made is acknowledged. Gives back the generator, for a next run.
pub async fn run(line: Arc<Line>, generator: Generator, plan: watch::Receiver<Plan>) -> Result<Generator, CliError> {
    let (sender, receiver) = mpsc::channel(BATCHES_MAX);
    let receiver = Arc::new(Mutex::new(receiver));
    let producers: Vec<_> = (0..PRODUCERS).map(|_| tokio::spawn(produce(line.clone(), receiver.clone()))).collect();
    let generator = pace(&line, generator, plan, sender).await;
    for producer in producers {
        producer.await.map_err(|error| CliError::Input(format!("a producer ended: {error}")))??;
    }
    Ok(generator)
}

/// Makes events as they are due.
#[allow(clippy::disallowed_methods, reason = "payments happen in real time")]
async fn pace(
    line: &Line,
    mut generator: Generator,
    plan: watch::Receiver<Plan>,
    batches: mpsc::Sender<Batch>,
) -> Generator {
    let started = Instant::now();
    let (mut due, mut before, mut single) = (0.0, started, started);
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let (now, plan) = (Instant::now(), *plan.borrow());
        let elapsed = now - started;
        if elapsed < plan.length {
            due += plan.rate_at(elapsed) * (now - before).as_secs_f64();
        } else if due < 1.0 {
            return generator;
        }
        before = now;
        generator.trouble = plan.trouble;
        line.behind_max.fetch_max(due as u64, Ordering::Relaxed);
        let count = due.min(CATCH_UP_MAX) as usize;
        due -= count as f64;
        let wall = chrono::Utc::now().timestamp_millis();
        let mut events: Vec<Event> = (0..count).map(|_| generator.next(wall)).collect();
        events.iter().for_each(|event| line.ledger.made(event.class));
        if now - single > SINGLE_EVERY
            && let Some(event) = events.pop_if(|event| event.class == Class::Good)
        {
            single = now;
            events.extend(line.hand_over(event));
        }
        while !events.is_empty() {
            let rest = events.split_off(events.len().min(BATCH_MAX));
            if batches.send(Batch { events, made: now }).await.is_err() {
                return generator;
            }
            events = rest;
        }
    }
}

async fn produce(line: Arc<Line>, batches: Arc<Mutex<mpsc::Receiver<Batch>>>) -> Result<(), CliError> {
    loop {
        let next = batches.lock().await.recv().await;
        let Some(batch) = next else { return Ok(()) };
        let timed = batch.events.iter().find(|event| event.class == Class::Good).map(|event| event.number);
        let again: Vec<Event> = batch.events.iter().filter(|event| event.repeated).cloned().collect();
        line.deliver(batch.events).await?;
        if let Some(number) = timed.filter(|_| line.wanted.swap(false, Ordering::Relaxed)) {
            // Whoever times is busy: another event will do.
            let _ = line.timed.try_send(Timed { number, made: batch.made });
        }
        // A producer that did not see the answer puts the same again.
        if !again.is_empty() {
            line.deliver(again).await?;
        }
    }
}

impl Line {
    /// Producers of a pipeline.
    pub fn new(
        pipeline: &Pipeline,
        ledger: Arc<Ledger>,
        timed: mpsc::Sender<Timed>,
        singles: mpsc::Sender<Event>,
    ) -> Self {
        Self {
            client: pipeline.client.clone(),
            stream: pipeline.stream.clone(),
            ledger,
            wanted: AtomicBool::new(false),
            timed,
            singles: parking_lot::Mutex::new(Some(singles)),
            behind_max: AtomicU64::new(0),
        }
    }

    /// No more events are put one by one.
    pub fn close(&self) {
        *self.singles.lock() = None;
    }

    /// The most events that were due and not yet made, so far.
    pub fn behind_max(&self) -> u64 {
        self.behind_max.load(Ordering::Relaxed)
    }

    /// Gives an event to whoever puts it by itself; gives it back when nobody is free.
    fn hand_over(&self, event: Event) -> Option<Event> {
        let singles = self.singles.lock();
        let Some(singles) = singles.as_ref() else { return Some(event) };
        match singles.try_send(event) {
            Ok(()) => None,
            Err(mpsc::error::TrySendError::Full(event) | mpsc::error::TrySendError::Closed(event)) => Some(event),
        }
    }

    /// Puts events until all are acknowledged.
    pub async fn deliver(&self, mut events: Vec<Event>) -> Result<(), CliError> {
        let mut pause = AGAIN_AFTER.0;
        loop {
            match self.put(&events).await {
                Ok(refused) if refused.is_empty() => return Ok(()),
                Ok(refused) => events = refused,
                Err(error) if is_final(&error) => return Err(error),
                Err(error) => {
                    if !was_never_sent(&error) {
                        self.ledger.unknown(events.iter().map(|event| event.number));
                    }
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(AGAIN_AFTER.1);
        }
    }

    /// Puts events once and gives back those that were refused.
    async fn put(&self, events: &[Event]) -> Result<Vec<Event>, CliError> {
        let answer = self.client.raw_call("kinesis", "Kinesis_20131202.PutRecords", body(&self.stream, events)).await?;
        let wrong = |error: serde_json::Error| CliError::Input(format!("PutRecords was answered with: {error}"));
        let counted: Counted = serde_json::from_slice(&answer).map_err(wrong)?;
        if counted.failed == 0 {
            self.ledger.acknowledged(events.iter().map(|event| event.number));
            return Ok(Vec::new());
        }
        let told: Told = serde_json::from_slice(&answer).map_err(wrong)?;
        let both = || events.iter().zip(&told.records);
        self.ledger.acknowledged(both().filter(|(_, one)| one.code.is_none()).map(|(event, _)| event.number));
        let refused: Vec<Event> =
            both().filter(|(_, one)| one.code.is_some()).map(|(event, _)| event.clone()).collect();
        self.ledger.refused(refused.len());
        Ok(refused)
    }
}

/// Nothing was listening, so nothing was written.
fn was_never_sent(error: &CliError) -> bool {
    matches!(error, CliError::NoServer { reason, .. } if reason.contains("refused"))
}

/// Refusals that no repetition mends.
pub fn is_final(error: &CliError) -> bool {
    const FINAL: [&str; 4] =
        ["ResourceNotFoundException", "AccessDeniedException", "ValidationException", "InvalidArgumentException"];
    matches!(error, CliError::Aws { code, .. } if FINAL.contains(&code.as_str()))
}

#[derive(Deserialize)]
struct Counted {
    #[serde(rename = "FailedRecordCount", default)]
    failed: u64,
}

#[derive(Deserialize)]
struct Told {
    #[serde(rename = "Records")]
    records: Vec<One>,
}

#[derive(Deserialize)]
struct One {
    #[serde(rename = "ErrorCode")]
    code: Option<String>,
}

/// A `PutRecords` request, written without a tree: its data are most of what the producers' processor does.
fn body(stream: &str, events: &[Event]) -> Vec<u8> {
    let bytes: usize = events.iter().map(|event| event.data.len() * 4 / 3 + 64).sum();
    let mut body = Vec::with_capacity(bytes + 128);
    body.extend_from_slice(format!(r#"{{"StreamName":"{stream}","Records":["#).as_bytes());
    for (nth, event) in events.iter().enumerate() {
        body.extend_from_slice(if nth == 0 { br#"{"Data":""# } else { br#",{"Data":""# });
        base64_simd::STANDARD.encode_append(&event.data, &mut body);
        body.extend_from_slice(br#"","PartitionKey":""#);
        body.extend_from_slice(event.bin.as_bytes());
        body.extend_from_slice(b"\"}");
    }
    body.extend_from_slice(b"]}");
    body
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn requests_are_those_of_kinesis() {
        let mut generator = Generator::new(1);
        let events = [generator.next(0), generator.next(0)];
        let value: Value = serde_json::from_slice(&body("s", &events)).unwrap();
        assert_eq!((&value["StreamName"], value["Records"].as_array().unwrap().len()), (&Value::from("s"), 2));
        let data = base64_simd::STANDARD.decode_to_vec(value["Records"][1]["Data"].as_str().unwrap()).unwrap();
        assert_eq!((data, &value["Records"][1]["PartitionKey"]), (events[1].data.clone(), &Value::from(events[1].bin)));
    }

    #[test]
    fn the_rate_follows_the_day_and_never_falls_below_the_least() {
        let plan = Plan {
            rate: 100.0,
            curve: Curve::Flat,
            length: Duration::from_secs(10),
            trouble: None,
            factor: 2.0,
            least: 0.0,
        };
        assert_eq!(plan.rate_at(Duration::from_secs(5)), 200.0);
        assert_eq!(plan.rate_at(Duration::from_millis(250)), 100.0);
        assert_eq!(Plan { least: 1_500.0, ..plan }.rate_at(Duration::ZERO), 1_500.0);
    }
}
