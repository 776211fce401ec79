//! What a lane does with a batch: call the function, read its answer, pause, split, give up, deliver.
//!
//! A batch is given up when its first record failed in more calls than `MaximumRetryAttempts` allows beyond the first, or when
//! its records are too old. Splitting uses up no retries: a record that fails alone gets its full number. Calls that never
//! reached the function (throttled, not ready) are no attempts.

use super::lane::{Batch, Lost, Work};
use super::shard::{Shard, Step, Task};
use crate::mapping::answer::{self, Answer};
use crate::mapping::event::{Encoder, Item, WindowPart};
use crate::mapping::failure::{Answered, Condition, Edge, GivenUp, LastCall};
use crate::mapping::pause::Pause;
use crate::mapping::ports::{BatchEvent, BatchOutcome, DestinationError};
use crate::mapping::status::{CALL_FAILED, OK};
use crate::{FunctionResponse, Invocation, InvokeError};
use bytes::Bytes;
use millrace_base::Millis;
use std::sync::Arc;

impl Shard {
    /// Moves a lane on until something of it is on its way or it has to wait.
    pub(super) fn advance(&mut self, lane: usize, now: Millis, step: &mut Step) {
        while self.begins() {
            match std::mem::take(&mut self.lanes[lane].work) {
                Work::Idle => match self.next_batch(lane, now, step) {
                    Some(batch) => self.begin(lane, batch, now, step),
                    None => return,
                },
                Work::Pausing(batch, until) if now >= until => self.begin(lane, batch, now, step),
                Work::Undelivered(lost, until) if now >= until => self.deliver(lane, lost, step),
                work => {
                    if let Work::Pausing(_, until) | Work::Undelivered(_, until) = &work {
                        step.wake(*until);
                    }
                    self.lanes[lane].work = work;
                    return;
                }
            }
        }
    }

    pub(super) fn is_too_old(&self, item: &Item, now: Millis) -> bool {
        self.applied.settings.age_max().is_some_and(|age| now - item.arrival > age)
    }

    /// Gives up what is too old at the front of a batch, and calls with the rest.
    fn begin(&mut self, lane: usize, mut batch: Batch, now: Millis, step: &mut Step) {
        let old = batch.items.iter().take_while(|item| self.is_too_old(item, now)).count();
        if old > 0 {
            let rest = batch.split_off(old);
            if !rest.items.is_empty() {
                self.lanes[lane].parts.push_front(rest);
            }
            return self.give_up(lane, batch, Condition::RecordAgeExceeded, now, Some(step));
        }
        self.call(lane, batch, now, step);
    }

    fn call(&mut self, lane: usize, mut batch: Batch, now: Millis, step: &mut Step) {
        let settings = &self.applied.settings;
        let Some(function) = self.parts.functions.find(&settings.function, settings.qualifier.as_deref()) else {
            let problem = format!("Function not found: {}", self.applied.function_arn);
            return self.unreached(lane, batch, problem, now);
        };
        let window = self.window.as_ref().map(|window| WindowPart {
            start: window.start,
            end: window.end,
            state: window.state.clone(),
            is_final: batch.closes.is_some(),
            is_early: batch.closes == Some(true),
        });
        let mut encoder = Encoder::new(&self.facts, &function.role, window.as_ref());
        let fits = batch.items.iter().take_while(|item| encoder.push(item)).count();
        let invocation = Invocation {
            function: settings.function.clone(),
            qualifier: settings.qualifier.as_deref().map(Into::into),
            request_id: self.parts.dice.uuid().into(),
            payload: encoder.finish(),
            client_context: None,
        };
        if fits < batch.items.len() {
            let rest = batch.split_off(fits);
            let lane = &mut self.lanes[lane];
            if rest.invokes == 0 && lane.parts.is_empty() {
                lane.put_back(rest.items);
            } else {
                lane.parts.push_front(rest);
            }
        }
        batch.last = Some(LastCall { request_id: invocation.request_id.to_string(), answered: None });
        batch.began = now;
        self.lanes[lane].work = Work::Calling(batch);
        step.tasks.push(Task::Call(lane, invocation));
    }

    /// Tells whoever watches what became of a batch.
    fn tell(&self, batch: &Batch, outcome: BatchOutcome) {
        let first = batch.items.first().map_or(0, |item| item.spot.index);
        let next = batch.items.last().map_or(first, |item| item.spot.index + 1);
        self.parts.meter.batch(&BatchEvent {
            mapping: &self.applied.arn,
            function: &self.applied.settings.function,
            stream: &self.stream_arn,
            shard: self.facts.shard.id,
            range: (first, next),
            records: batch.items.len(),
            failures: batch.failures,
            began: batch.began,
            request_id: batch.last.as_ref().map(|last| last.request_id.as_str()),
            outcome,
            reason: &batch.problem,
        });
    }

    /// The function was not called; it will be, for as long as its records are not too old.
    fn unreached(&mut self, lane: usize, mut batch: Batch, problem: String, now: Millis) {
        self.status.problem(&problem);
        batch.problem = problem;
        batch.unreached += 1;
        self.tell(&batch, BatchOutcome::Refused);
        let until = now + Pause::Busy.after(batch.unreached, &*self.parts.dice);
        self.lanes[lane].work = Work::Pausing(batch, until);
    }

    /// Takes in what came of a call.
    pub(super) fn answered(
        &mut self,
        lane: usize,
        mut batch: Batch,
        result: Result<FunctionResponse, InvokeError>,
        now: Millis,
    ) {
        let response = match result {
            Ok(response) => response,
            Err(error) => return self.refused(lane, batch, &error, now),
        };
        self.count("InvokedEventCount", batch.items.len());
        batch.invokes += 1;
        batch.unreached = 0;
        let answered = Answered { version: response.executed_version.to_string(), raised: response.failed };
        if let Some(last) = &mut batch.last {
            last.answered = Some(answered);
        }
        let answer = if response.failed {
            Answer::Failure
        } else if self.applied.settings.reports_item_failures {
            let place = |id: &str| batch.items.iter().position(|item| self.facts.sequence_of(item).to_string() == id);
            answer::report(&response.payload, place)
        } else {
            Answer::Success
        };
        match answer {
            Answer::Success => {
                self.status.set(OK);
                self.tell(&batch, BatchOutcome::Succeeded);
                self.succeeded(&batch, &response.payload, now);
            }
            Answer::Failure => self.failed(lane, batch, now),
            Answer::Failed(places) => self.partly(lane, batch, places[0], &response.payload, now),
        }
    }

    fn refused(&mut self, lane: usize, mut batch: Batch, error: &InvokeError, now: Millis) {
        if !matches!(error, InvokeError::TooLarge { .. }) {
            return self.unreached(lane, batch, error.to_string(), now);
        }
        self.status.problem(error);
        batch.invokes += 1;
        if batch.items.len() > 1 {
            self.split(lane, batch);
        } else {
            self.give_up(lane, batch, Condition::RetryAttemptsExhausted, now, None);
        }
    }

    fn succeeded(&mut self, batch: &Batch, payload: &Bytes, now: Millis) {
        self.note_window(batch, payload);
        self.finish(&batch.items, now);
    }

    /// These records are done.
    fn finish(&mut self, items: &[Item], now: Millis) {
        items.iter().for_each(|item| self.tickets.done(item.ticket));
        if let Some(last) = items.last() {
            self.parts.meter.iterator_age(&self.applied.settings.function, (now - last.arrival).max(0));
        }
    }

    /// The whole batch failed.
    fn failed(&mut self, lane: usize, mut batch: Batch, now: Millis) {
        self.status.set(CALL_FAILED);
        self.count("FailedInvokeEventCount", batch.items.len());
        batch.problem = "the function fails".to_owned();
        if self.applied.settings.bisects && batch.items.len() > 1 {
            self.tell(&batch, BatchOutcome::Failed);
            return self.split(lane, batch);
        }
        batch.failures += 1;
        self.tell(&batch, BatchOutcome::Failed);
        self.retry(lane, batch, now);
    }

    /// The records before the lowest failed one are done; the rest is called again.
    fn partly(&mut self, lane: usize, mut batch: Batch, lowest: usize, payload: &Bytes, now: Millis) {
        if lowest == 0 {
            return self.failed(lane, batch, now);
        }
        self.status.set(CALL_FAILED);
        let mut rest = batch.split_off(lowest);
        self.count("FailedInvokeEventCount", rest.items.len());
        self.tell(&batch, BatchOutcome::Succeeded);
        self.succeeded(&batch, payload, now);
        rest.problem = "the function reports that records failed".to_owned();
        self.tell(&rest, BatchOutcome::Failed);
        if self.applied.settings.bisects {
            rest.failures = 0;
            return self.lanes[lane].parts.push_front(rest);
        }
        rest.failures = 1;
        self.retry(lane, rest, now);
    }

    /// Halves a batch; both halves keep what they went through.
    fn split(&mut self, lane: usize, mut batch: Batch) {
        let second = batch.split_off(batch.items.len() / 2);
        let parts = &mut self.lanes[lane].parts;
        parts.push_front(second);
        parts.push_front(batch);
    }

    fn retry(&mut self, lane: usize, batch: Batch, now: Millis) {
        if self.applied.settings.retries_max().is_some_and(|max| batch.failures > max) {
            return self.give_up(lane, batch, Condition::RetryAttemptsExhausted, now, None);
        }
        let until = now + Pause::Failed.after(batch.failures, &*self.parts.dice);
        self.lanes[lane].work = Work::Pausing(batch, until);
    }

    fn give_up(&mut self, lane: usize, batch: Batch, condition: Condition, now: Millis, step: Option<&mut Step>) {
        self.tell(&batch, BatchOutcome::GivenUp);
        if self.applied.on_failure.is_none() {
            self.count("DroppedEventCount", batch.items.len());
            return self.gone(&batch, now);
        }
        let settings = &self.applied.settings;
        let function = self.parts.functions.find(&settings.function, settings.qualifier.as_deref());
        let role = function.map(|function| function.role).unwrap_or_default();
        let given_up = GivenUp {
            mapping: &self.applied.uuid,
            function_arn: &self.applied.function_arn,
            stream_arn: &self.stream_arn,
            role: &role,
            facts: &self.facts,
            items: &batch.items,
            edges: self.edges(&batch, now),
            condition,
            invokes: batch.invokes,
            last: batch.last.as_ref(),
            at: now,
            uuid: self.parts.dice.uuid(),
        };
        let record = Arc::new(given_up.record());
        let lost = Lost { batch, record, tries: 0 };
        match step {
            Some(step) => self.deliver(lane, lost, step),
            // The next step begins the delivery.
            None => self.lanes[lane].work = Work::Undelivered(lost, now),
        }
    }

    fn edges(&self, batch: &Batch, now: Millis) -> (Edge, Edge) {
        match (batch.items.first(), batch.items.last(), &self.window) {
            (Some(first), Some(last), _) => (Edge::of(first), Edge::of(last)),
            (_, _, Some(window)) => {
                let edge = Edge { index: window.last.0, arrival: window.last.1 };
                (edge, edge)
            }
            _ => {
                let edge = Edge { index: self.tickets.lowest().index, arrival: now };
                (edge, edge)
            }
        }
    }

    fn deliver(&mut self, lane: usize, lost: Lost, step: &mut Step) {
        match &self.applied.on_failure {
            Some(destination) => step.tasks.push(Task::Deliver(lane, destination.clone(), lost.record.clone())),
            // The destination was taken away meanwhile.
            None => {
                self.count("DroppedEventCount", lost.batch.items.len());
                return self.gone(&lost.batch, self.parts.clock.now());
            }
        }
        self.lanes[lane].work = Work::Delivering(lost);
    }

    /// Takes in what came of a delivery: only what is safe at its destination is done.
    pub(super) fn delivered(&mut self, lane: usize, mut lost: Lost, result: Result<(), DestinationError>, now: Millis) {
        match result {
            Ok(()) => {
                self.count("OnFailureDestinationDeliveredEventCount", lost.batch.items.len());
                self.gone(&lost.batch, now);
            }
            Err(error) => {
                self.status.problem(&error);
                lost.batch.problem = error.to_string();
                lost.tries += 1;
                let until = now + Pause::Away.after(lost.tries, &*self.parts.dice);
                self.lanes[lane].work = Work::Undelivered(lost, until);
            }
        }
    }

    /// A batch that was given up is behind us.
    fn gone(&mut self, batch: &Batch, now: Millis) {
        if let Some(early) = batch.closes {
            self.close_window(early);
        }
        self.finish(&batch.items, now);
    }
}
