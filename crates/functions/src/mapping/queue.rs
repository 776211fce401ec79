//! The machine of a mapping of an SQS queue: receives, gathers, calls, deletes what is done.
//!
//! ```text
//! receive ─► filter (others are deleted) ─► gather a batch ─► function ─► delete what is done
//!                                                              │ failed messages stay hidden until their visibility
//!                                                              ▼ timeout ends, then they come again (or to the DLQ)
//! ```
//!
//! Order within a FIFO group is the queue's affair, which hands out nothing of a group of which a message is hidden, and ours
//! for what came in one receive: of a group one batch is on its way at a time, and when it fails, what was gathered behind it
//! is left to come again. Nothing is received that no invocation is free for, so a backlog stays in the queue.

use super::answer::{self, Answer};
use super::event::{PAYLOAD_BYTES_MAX, message_bytes, queue_event};
use super::filter::Subject;
use super::pause::Pause;
use super::permits;
use super::ports::{MappingParts, QueueFault, QueueMessage};
use super::status::{CALL_FAILED, OK, Status};
use super::stream::Applied;
use crate::{FunctionResponse, Invocation, InvokeError};
use millrace_base::{Arn, Millis};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// The most that one receive gives (AWS).
const RECEIVE_MAX: usize = 10;
/// Concurrent invocations at first, and how much longer a mapping has to be busy for each further one (AWS: 5, then 300
/// more a minute).
const CONCURRENCY_FIRST: usize = 5;
const GROWTH_MS: Millis = 200;
/// Without `ScalingConfig` (AWS's account limit).
const CONCURRENCY_MAX: usize = 1_000;

/// Something to be done.
pub(crate) enum QueueTask {
    /// Receive so many messages at most; waits for the first.
    Receive(usize),
    /// Call the function with a batch.
    Call(u64, Invocation),
    /// Delete what is done of a batch.
    Delete(u64, Vec<String>),
    /// Give back what was not called.
    Show(Vec<String>),
}

/// How it went.
pub(crate) enum QueueOutcome {
    Received(Result<Vec<QueueMessage>, QueueFault>),
    Called(u64, Result<FunctionResponse, InvokeError>),
    Deleted(u64, Result<(), QueueFault>),
    /// What could not be given back shows by itself, later.
    Shown,
}

impl QueueTask {
    /// Does it.
    pub(crate) async fn run(self, parts: MappingParts, queue: Arn) -> QueueOutcome {
        match self {
            Self::Receive(max) => QueueOutcome::Received(parts.queues.receive(&queue, max).await),
            Self::Call(batch, invocation) => QueueOutcome::Called(batch, parts.invoke.invoke(invocation).await),
            Self::Delete(batch, handles) => QueueOutcome::Deleted(batch, parts.queues.delete(&queue, handles).await),
            Self::Show(handles) => {
                // A handle that expired meanwhile shows already.
                let _ = parts.queues.change_visibility(&queue, handles, 0).await;
                QueueOutcome::Shown
            }
        }
    }

    /// Does it, if the function's role may.
    pub(crate) async fn run_as(self, parts: MappingParts, applied: Arc<Applied>, queue: Arn) -> QueueOutcome {
        match self {
            Self::Receive(max) => QueueOutcome::Received(permits::receive(&parts, &applied, &queue, max).await),
            other => other.run(parts, queue).await,
        }
    }
}

/// What a step found.
#[derive(Default)]
pub(crate) struct QueueStep {
    /// To be done now.
    pub(crate) tasks: Vec<QueueTask>,
    /// When to step again at the latest.
    pub(crate) wake_at: Option<Millis>,
}

/// A batch on its way.
struct Flight {
    messages: Vec<QueueMessage>,
    /// When its messages show again.
    until: Millis,
    /// Tries in a row that failed.
    tries: u32,
    stage: Stage,
}

enum Stage {
    Calling,
    /// Called again then.
    Waiting(Millis),
    Deleting(Vec<String>),
    /// Deleted again then.
    Undeleted(Vec<String>, Millis),
}

struct Gathered {
    message: QueueMessage,
    at: Millis,
}

/// One mapping of a queue at work.
pub(crate) struct QueueReader {
    parts: MappingParts,
    queue: Arn,
    fifo: bool,
    pub(crate) status: Arc<Status>,
    applied: Arc<Applied>,
    accepts: bool,
    receiving: bool,
    receive_failures: u32,
    receive_fault: Option<QueueFault>,
    receive_at: Millis,
    gathered: VecDeque<Gathered>,
    flights: BTreeMap<u64, Flight>,
    next_flight: u64,
    /// Since when all invocations that it may have are busy.
    busy_since: Option<Millis>,
}

impl QueueReader {
    pub(crate) fn new(parts: MappingParts, queue: Arn, status: Arc<Status>, applied: Arc<Applied>) -> Self {
        Self {
            parts,
            fifo: queue.resource.ends_with(".fifo"),
            queue,
            status,
            applied,
            accepts: true,
            receiving: false,
            receive_failures: 0,
            receive_fault: None,
            receive_at: Millis::MIN,
            gathered: VecDeque::new(),
            flights: BTreeMap::new(),
            next_flight: 0,
            busy_since: None,
        }
    }

    /// Works by other settings from now on.
    /// What it works by.
    pub(crate) fn applied(&self) -> Arc<Applied> {
        self.applied.clone()
    }

    pub(crate) fn reconfigure(&mut self, applied: Arc<Applied>) {
        self.applied = applied;
    }

    /// Begins nothing new; returns what gives the gathered messages back. The receive that waits is to be dropped.
    pub(crate) fn stop(&mut self) -> Option<QueueTask> {
        (self.accepts, self.receiving) = (false, false);
        let handles: Vec<String> = self.gathered.drain(..).map(|one| one.message.receipt_handle).collect();
        (!handles.is_empty()).then_some(QueueTask::Show(handles))
    }

    /// Why the queue is not read, if it is not.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.receive_fault.as_ref().map(ToString::to_string)
    }

    /// Mapping and queue, for messages to people.
    pub(crate) fn label(&self) -> String {
        let (uuid, function) = (&self.applied.uuid, &self.applied.function_arn);
        format!("event source mapping {uuid} ({} to {function})", self.applied.source_arn)
    }

    /// Whether nothing is on its way.
    pub(crate) fn is_still(&self) -> bool {
        self.flights.is_empty()
    }

    /// Does what can be done now.
    pub(crate) fn step(&mut self, now: Millis) -> QueueStep {
        let mut step = QueueStep::default();
        self.revive(now, &mut step);
        if !self.accepts {
            return step;
        }
        while self.flights.len() < self.concurrency(now) && self.is_due(now, &mut step) && self.take_off(now, &mut step)
        {
        }
        if self.flights.is_empty() && self.gathered.is_empty() {
            self.busy_since = None;
        }
        let free = self.flights.len() < self.concurrency(now);
        let wanted = self.applied.settings.batch_size.saturating_sub(self.gathered.len()).min(RECEIVE_MAX);
        if !free {
            let since = *self.busy_since.get_or_insert(now);
            if self.flights.len() < self.concurrency_max() {
                let grown = (self.flights.len() + 1 - CONCURRENCY_FIRST) as Millis;
                wake(&mut step, since + grown * GROWTH_MS);
            }
        } else if !self.receiving && wanted > 0 && self.gathered_bytes() < PAYLOAD_BYTES_MAX {
            if now >= self.receive_at {
                self.receiving = true;
                step.tasks.push(QueueTask::Receive(wanted));
            } else {
                wake(&mut step, self.receive_at);
            }
        }
        step
    }

    /// Takes in how a task went; what is to be done at once is returned.
    pub(crate) fn complete(&mut self, outcome: QueueOutcome, now: Millis) -> Option<QueueTask> {
        match outcome {
            QueueOutcome::Received(Ok(messages)) => self.received(messages, now),
            QueueOutcome::Received(Err(fault)) => {
                self.receiving = false;
                self.receive_failures += 1;
                self.receive_at = now + Pause::Away.after(self.receive_failures, &*self.parts.dice);
                self.status.problem(&fault);
                self.receive_fault = Some(fault);
                None
            }
            QueueOutcome::Called(id, result) => self.called(id, result, now),
            QueueOutcome::Deleted(id, result) => {
                self.deleted(id, result, now);
                None
            }
            QueueOutcome::Shown => None,
        }
    }

    fn concurrency_max(&self) -> usize {
        self.applied.settings.concurrency_max.unwrap_or(CONCURRENCY_MAX)
    }

    fn concurrency(&self, now: Millis) -> usize {
        let grown = self.busy_since.map_or(0, |since| ((now - since) / GROWTH_MS).max(0) as usize);
        (CONCURRENCY_FIRST + grown).min(self.concurrency_max())
    }

    fn gathered_bytes(&self) -> usize {
        self.gathered.iter().map(|one| message_bytes(&one.message)).sum()
    }

    fn visibility_ms(&self) -> Millis {
        self.parts.queues.find(&self.queue).map_or(0, |queue| Millis::from(queue.visibility_secs) * 1000)
    }

    /// Takes what passes the filters; what does not is deleted, as AWS does.
    fn received(&mut self, messages: Vec<QueueMessage>, now: Millis) -> Option<QueueTask> {
        (self.receiving, self.receive_failures) = (false, 0);
        if self.receive_fault.take().is_some() {
            self.status.recovered();
        }
        self.count("PolledEventCount", messages.len());
        let filters = &self.applied.filters;
        let (kept, dropped): (Vec<_>, Vec<_>) =
            messages.into_iter().partition(|message| filters.accepts(&Subject::Message(message)));
        self.gathered.extend(kept.into_iter().map(|message| Gathered { message, at: now }));
        if dropped.is_empty() {
            return None;
        }
        self.count("FilteredOutEventCount", dropped.len());
        let handles: Vec<String> = dropped.iter().map(|message| message.receipt_handle.clone()).collect();
        let until = now + self.visibility_ms();
        let id = self.enter(Flight { messages: dropped, until, tries: 0, stage: Stage::Deleting(handles.clone()) });
        Some(QueueTask::Delete(id, handles))
    }

    /// Whether what is gathered is to be called now.
    fn is_due(&mut self, now: Millis, step: &mut QueueStep) -> bool {
        let visibility_ms = self.visibility_ms();
        // What shows again already comes again.
        self.gathered.retain(|one| now < one.at + visibility_ms);
        let Some(first) = self.gathered.front() else { return false };
        let due = first.at + self.applied.batching_ms();
        if self.gathered.len() >= self.applied.settings.batch_size
            || now >= due
            || self.gathered_bytes() >= PAYLOAD_BYTES_MAX
        {
            return true;
        }
        wake(step, due);
        false
    }

    fn enter(&mut self, flight: Flight) -> u64 {
        let id = self.next_flight;
        self.next_flight += 1;
        self.flights.insert(id, flight);
        id
    }

    /// The FIFO group of a message, where order matters.
    fn group<'a>(&self, message: &'a QueueMessage) -> Option<&'a str> {
        let group = message.attributes.iter().find(|(name, _)| name == "MessageGroupId");
        group.filter(|_| self.fifo).map(|(_, group)| group.as_str())
    }

    /// The groups of which a batch is with the function.
    fn busy_groups(&self) -> BTreeSet<String> {
        let called = |flight: &&Flight| matches!(flight.stage, Stage::Calling | Stage::Waiting(_));
        let messages = self.flights.values().filter(called).flat_map(|flight| &flight.messages);
        messages.filter_map(|message| self.group(message)).map(str::to_owned).collect()
    }

    /// Messages that were not done come again, and all that is behind them in their groups after them.
    fn leave(&mut self, messages: &[QueueMessage]) {
        let groups: BTreeSet<&str> = messages.iter().filter_map(|message| self.group(message)).collect();
        if groups.is_empty() {
            return;
        }
        let gathered = std::mem::take(&mut self.gathered);
        let stays = |one: &Gathered| self.group(&one.message).is_none_or(|group| !groups.contains(group));
        self.gathered = gathered.into_iter().filter(stays).collect();
    }

    /// The gathered messages that can go to the function together, by their places.
    fn fitting(&self) -> Vec<usize> {
        let busy = self.busy_groups();
        let (mut places, mut bytes) = (Vec::new(), 0);
        for (at, one) in self.gathered.iter().enumerate() {
            let group = self.group(&one.message);
            if group.is_some_and(|group| busy.contains(group)) {
                continue;
            }
            bytes += message_bytes(&one.message);
            let full = !places.is_empty() && bytes > PAYLOAD_BYTES_MAX;
            if full || places.len() == self.applied.settings.batch_size {
                break;
            }
            places.push(at);
        }
        places
    }

    /// Calls the function with what fits; false when nothing can be called now.
    fn take_off(&mut self, now: Millis, step: &mut QueueStep) -> bool {
        let places = self.fitting();
        let (mut messages, mut left, mut oldest) = (Vec::new(), VecDeque::new(), now);
        for (at, one) in std::mem::take(&mut self.gathered).into_iter().enumerate() {
            if places.binary_search(&at).is_ok() {
                oldest = oldest.min(one.at);
                messages.push(one.message);
            } else {
                left.push_back(one);
            }
        }
        self.gathered = left;
        if messages.is_empty() {
            return false;
        }
        let until = oldest + self.visibility_ms();
        let call = self.invocation(&messages);
        let id = self.enter(Flight { messages, until, tries: 0, stage: Stage::Calling });
        step.tasks.push(QueueTask::Call(id, call));
        true
    }

    fn invocation(&self, messages: &[QueueMessage]) -> Invocation {
        let settings = &self.applied.settings;
        Invocation {
            function: settings.function.clone(),
            qualifier: settings.qualifier.as_deref().map(Into::into),
            request_id: self.parts.dice.uuid().into(),
            payload: queue_event(messages, &self.applied.source_arn, &self.queue.scope.region),
            client_context: None,
        }
    }

    /// Tries again what waited for long enough; forgets what shows again by itself.
    fn revive(&mut self, now: Millis, step: &mut QueueStep) {
        let waiting = |flight: &Flight| match flight.stage {
            Stage::Waiting(at) | Stage::Undeleted(_, at) => Some(at.min(flight.until)),
            Stage::Calling | Stage::Deleting(_) => None,
        };
        let over: Vec<u64> = self
            .flights
            .iter()
            .filter(|(_, flight)| waiting(flight).is_some() && now >= flight.until)
            .map(|(id, _)| *id)
            .collect();
        for id in over {
            let flight = self.flights.remove(&id);
            flight
                .iter()
                .filter(|flight| matches!(flight.stage, Stage::Waiting(_)))
                .for_each(|flight| self.leave(&flight.messages));
        }
        let due: Vec<u64> = self
            .flights
            .iter()
            .filter(|(_, flight)| waiting(flight).is_some_and(|at| at <= now))
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            let Some(mut flight) = self.flights.remove(&id) else { continue };
            match flight.stage {
                Stage::Waiting(_) if !self.accepts => continue,
                Stage::Waiting(_) => {
                    step.tasks.push(QueueTask::Call(id, self.invocation(&flight.messages)));
                    flight.stage = Stage::Calling;
                }
                Stage::Undeleted(handles, _) => {
                    step.tasks.push(QueueTask::Delete(id, handles.clone()));
                    flight.stage = Stage::Deleting(handles);
                }
                stage => flight.stage = stage,
            }
            self.flights.insert(id, flight);
        }
        self.flights.values().filter_map(waiting).for_each(|at| wake(step, at));
    }

    fn called(&mut self, id: u64, result: Result<FunctionResponse, InvokeError>, now: Millis) -> Option<QueueTask> {
        let mut flight = self.flights.remove(&id)?;
        let response = match result {
            Ok(response) => response,
            Err(error) => {
                // The messages come again if the function cannot be reached before they show.
                self.status.problem(&error);
                flight.tries += 1;
                flight.stage = Stage::Waiting(now + Pause::Busy.after(flight.tries, &*self.parts.dice));
                self.flights.insert(id, flight);
                return None;
            }
        };
        self.count("InvokedEventCount", flight.messages.len());
        let answer = if response.failed {
            Answer::Failure
        } else if self.applied.settings.reports_item_failures {
            let place = |id: &str| flight.messages.iter().position(|message| message.message_id == id);
            answer::report(&response.payload, place)
        } else {
            Answer::Success
        };
        self.status.set(if answer == Answer::Success { OK } else { CALL_FAILED });
        let failed = match answer {
            Answer::Success => Vec::new(),
            Answer::Failure => (0..flight.messages.len()).collect(),
            Answer::Failed(places) => places,
        };
        self.count("FailedInvokeEventCount", failed.len());
        let undone: Vec<QueueMessage> = failed.iter().map(|at| flight.messages[*at].clone()).collect();
        self.leave(&undone);
        let done = flight.messages.iter().enumerate().filter(|(at, _)| failed.binary_search(at).is_err());
        let handles: Vec<String> = done.map(|(_, message)| message.receipt_handle.clone()).collect();
        if handles.is_empty() {
            return None;
        }
        (flight.stage, flight.tries) = (Stage::Deleting(handles.clone()), 0);
        self.flights.insert(id, flight);
        Some(QueueTask::Delete(id, handles))
    }

    fn deleted(&mut self, id: u64, result: Result<(), QueueFault>, now: Millis) {
        let Some(mut flight) = self.flights.remove(&id) else { return };
        let Stage::Deleting(handles) = flight.stage else { return };
        match result {
            Ok(()) => {
                self.count("DeletedEventCount", handles.len());
                if flight.tries > 0 {
                    self.status.recovered();
                }
            }
            Err(fault) => {
                self.status.problem(fault);
                flight.tries += 1;
                flight.stage = Stage::Undeleted(handles, now + Pause::Away.after(flight.tries, &*self.parts.dice));
                self.flights.insert(id, flight);
            }
        }
    }

    fn count(&self, metric: &'static str, events: usize) {
        if events > 0 && self.applied.settings.counts_events() {
            self.parts.meter.count(&self.applied.arn, metric, events as u64);
        }
    }
}

fn wake(step: &mut QueueStep, at: Millis) {
    step.wake_at = Some(step.wake_at.map_or(at, |wake| wake.min(at)));
}
