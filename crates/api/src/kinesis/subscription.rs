//! Subscriptions: what goes on after SubscribeToShard has answered.
//!
//! ```text
//! initial-response ─► event ─► event ─► …        an event when records come, and after five seconds without
//!                                └─► the end of the shard, of the five minutes, or an exception
//! ```
//!
//! The answer's body is pulled: the next event is made when the connection has room for it, so a client that does not read
//! holds nothing but its place. Of one consumer and shard there is one subscription: a new one takes over.

use super::get_records::{children, records};
use super::observer::{KinesisObserver, Pushed};
use super::{Kinesis, encryption, faults, position};
use crate::models::kinesis::SubscribeToShardEvent;
use crate::wire::{Fault, Format, Text, event_stream, kinds};
use bytes::Bytes;
use hyper::body::{Body, Frame};
use millrace_access::StreamSeals;
use millrace_base::{Clock, Millis, ShardId};
use millrace_log::{Batch, Log, Shard, ShardReader, StreamKey};
use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::sync::watch;

/// How long a subscription lasts (AWS).
const LIFETIME_MS: Millis = 300_000;
/// An event comes at least this often, also without records (AWS).
const QUIET_MS: Millis = 5_000;
/// A subscription is not taken over before it is this old (AWS).
const TAKEOVER_MS: Millis = 5_000;
/// What one event holds.
const EVENT_RECORDS_MAX: usize = 10_000;
const EVENT_BYTES_MAX: usize = 1 << 20;

/// Why a subscription is to end early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    No,
    TakenOver,
    Deregistered,
    Closing,
}

/// Who is subscribed to what: consumer ARN and shard.
#[derive(Default)]
pub struct Subscriptions {
    held: Mutex<HashMap<(String, ShardId), Held>>,
}

struct Held {
    since: Millis,
    ended: watch::Sender<Ended>,
}

/// A place among the subscriptions.
pub struct Lease {
    since: Millis,
    ended: watch::Receiver<Ended>,
}

impl Subscriptions {
    /// Takes a shard for a consumer, from the subscription that has it if there is one.
    pub fn take(&self, consumer: &str, shard: ShardId, now: Millis) -> Result<Lease, Fault> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|_, held| !held.ended.is_closed() || now - held.since < TAKEOVER_MS);
        let place = (consumer.to_owned(), shard);
        if let Some(before) = held.get(&place) {
            if now - before.since < TAKEOVER_MS {
                return Err(kinds::RESOURCE_IN_USE.because(format!(
                    "Another active subscription exists for this consumer: {consumer} subscribed to {shard} less than 5 \
                     seconds ago."
                )));
            }
            before.ended.send_replace(Ended::TakenOver);
        }
        let (sender, ended) = watch::channel(Ended::No);
        held.insert(place, Held { since: now, ended: sender });
        Ok(Lease { since: now, ended })
    }

    /// Ends all subscriptions, because the server does.
    pub fn close(&self) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, held) in held.drain() {
            held.ended.send_replace(Ended::Closing);
        }
    }

    /// Ends all subscriptions of a consumer that is gone.
    pub fn end(&self, consumer: &str) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|(of, _), held| {
            if of == consumer {
                held.ended.send_replace(Ended::Deregistered);
            }
            of != consumer
        });
    }
}

/// A subscription at work.
pub struct Subscription {
    log: Arc<dyn Log>,
    clock: Arc<dyn Clock>,
    seals: Option<StreamSeals>,
    observer: Arc<dyn KinesisObserver>,
    key: StreamKey,
    consumer: Arc<str>,
    incarnation: u64,
    shard: Shard,
    format: Format,
    lease: Lease,
    /// Away while it reads on another thread.
    reader: Option<Box<dyn ShardReader>>,
    stage: Stage,
    /// When the last event was sent.
    sent: Millis,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Begun,
    Reading,
    Over,
}

impl Subscription {
    /// A subscription that has answered nothing yet.
    pub fn new(
        kinesis: &Kinesis,
        stream: &millrace_log::StreamInfo,
        consumer: Arc<str>,
        shard: &Shard,
        format: Format,
        lease: Lease,
        reader: Box<dyn ShardReader>,
    ) -> Self {
        Self {
            log: kinesis.log.clone(),
            clock: kinesis.clock.clone(),
            seals: kinesis.seals.clone(),
            observer: kinesis.observer.clone(),
            key: stream.key.clone(),
            consumer,
            incarnation: stream.incarnation,
            shard: shard.clone(),
            format,
            // The first event comes at once: it tells where the subscription stands.
            sent: lease.since - QUIET_MS,
            lease,
            reader: Some(reader),
            stage: Stage::Begun,
        }
    }

    /// The next frame; none at the end.
    async fn next(&mut self) -> Option<Bytes> {
        match self.stage {
            Stage::Begun => {
                self.stage = Stage::Reading;
                let nothing: &[u8] =
                    if matches!(self.format, Format::Cbor | Format::RpcCbor) { &[0xa0] } else { b"{}" };
                Some(event_stream::event("initial-response", self.content_type(), nothing))
            }
            Stage::Reading => match self.event().await {
                Ok(event) => event.map(|event| {
                    event_stream::event("SubscribeToShardEvent", self.content_type(), &self.format.encode(&event))
                }),
                Err(fault) => {
                    self.stage = Stage::Over;
                    self.tell((0, 0), 0, 0, false);
                    Some(self.exception(&fault))
                }
            },
            Stage::Over => None,
        }
    }

    /// Waits for the next event. None when the time is over.
    async fn event(&mut self) -> Result<Option<SubscribeToShardEvent>, Fault> {
        loop {
            match *self.lease.ended.borrow() {
                Ended::No => {}
                Ended::Closing => {
                    self.stage = Stage::Over;
                    return Ok(None);
                }
                Ended::TakenOver => {
                    let message = "Another subscription of this consumer to this shard has taken over.";
                    return Err(kinds::RESOURCE_IN_USE.because(message));
                }
                Ended::Deregistered => {
                    return Err(kinds::RESOURCE_NOT_FOUND.because("The consumer has been deregistered."));
                }
            }
            let now = self.clock.now();
            if now - self.lease.since >= LIFETIME_MS {
                self.stage = Stage::Over;
                return Ok(None);
            }
            let batch = self.read().await?;
            if !batch.records.is_empty() || batch.ended || now - self.sent >= QUIET_MS {
                self.sent = now;
                return Ok(Some(self.describe(batch, now)?));
            }
            self.wait(now).await?;
        }
    }

    async fn read(&mut self) -> Result<Batch, Fault> {
        let stopped = |reason: String| kinds::INTERNAL_FAILURE.because(reason);
        let mut reader = self.reader.take().ok_or_else(|| stopped("the subscription was cut off".to_owned()))?;
        let read = move || {
            let batch = reader.read(EVENT_RECORDS_MAX, EVENT_BYTES_MAX);
            (reader, batch)
        };
        let (reader, batch) = tokio::task::spawn_blocking(read).await.map_err(|error| stopped(error.to_string()))?;
        self.reader = Some(reader);
        batch.map_err(faults::of_log)
    }

    /// Until there are records, an event is due, or the subscription is to end.
    async fn wait(&mut self, now: Millis) -> Result<(), Fault> {
        let Some(reader) = &mut self.reader else { return Ok(()) };
        let due = (self.sent + QUIET_MS - now).min(self.lease.since + LIFETIME_MS - now).max(1);
        tokio::select! {
            woken = reader.wait() => woken.map_err(faults::of_log)?,
            // A sender that is gone was replaced, and said so before.
            _ = self.lease.ended.changed() => {}
            () = tokio::time::sleep(Duration::from_millis(due as u64)) => {}
        }
        Ok(())
    }

    fn describe(&mut self, batch: Batch, now: Millis) -> Result<SubscribeToShardEvent, Fault> {
        // The children are not older than the end that was just read.
        let stream = self.log.stream(&self.key).map_err(faults::of_log)?;
        if stream.incarnation != self.incarnation {
            return Err(faults::no_stream(&self.key));
        }
        encryption::check(self.seals.as_ref(), &stream)?;
        let encryption = encryption::of(self.seals.as_ref(), &stream).map(|(kind, _)| kind);
        let child_shards = children(&stream, self.shard.id, &batch);
        if child_shards.is_some() {
            self.stage = Stage::Over;
        }
        let behind = batch.next_arrival.map_or(0, |arrival| (now - arrival).max(0));
        let last = batch.records.last().map(|record| self.shard.number(record.index, record.arrival));
        let next = last.unwrap_or_else(|| position::before(&self.shard, batch.next));
        let first = batch.records.first().map_or(batch.next, |record| record.index);
        let bytes = batch.records.iter().map(|record| record.data.len() + record.partition_key.len()).sum();
        self.tell((first, batch.next), bytes, behind, true);
        Ok(SubscribeToShardEvent {
            records: records(batch.records, &self.shard, encryption),
            continuation_sequence_number: child_shards.is_none().then(|| Text::from(next.to_string())),
            millis_behind_latest: behind,
            child_shards,
        })
    }

    fn tell(&self, range: (u64, u64), bytes: usize, behind_ms: Millis, ok: bool) {
        let (stream, consumer, shard) = (&self.key, &*self.consumer, self.shard.id);
        self.observer.pushed(&Pushed { stream, consumer, shard, range, bytes, behind_ms, ok });
    }

    fn exception(&self, fault: &Fault) -> Bytes {
        let message = serde_json::json!({ "message": fault.message }).to_string();
        event_stream::exception(fault.kind.code, "application/json", message.as_bytes())
    }

    fn content_type(&self) -> &'static str {
        match self.format {
            Format::Json | Format::Json10 => "application/json",
            other => other.content_type(),
        }
    }
}

type Step = Pin<Box<dyn Future<Output = (Subscription, Option<Bytes>)> + Send>>;

/// The body of an answer: pulls one frame after the other.
pub struct EventBody {
    step: Option<Step>,
}

impl EventBody {
    /// The body of a subscription.
    pub fn new(subscription: Subscription) -> Self {
        Self { step: Some(step(subscription)) }
    }
}

fn step(mut subscription: Subscription) -> Step {
    Box::pin(async move {
        let frame = subscription.next().await;
        (subscription, frame)
    })
}

impl Body for EventBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(running) = &mut self.step else { return Poll::Ready(None) };
        let (subscription, frame) = ready!(running.as_mut().poll(context));
        self.step = frame.is_some().then(|| step(subscription));
        Poll::Ready(frame.map(|frame| Ok(Frame::data(frame))))
    }
}
