//! Messages on their way: send, receive, delete, visibility, purge.

use crate::sqs::commit::{Command, Ready, Reply, sequence_text};
use crate::sqs::env::uuid_text;
use crate::sqs::format::{FRAME_BYTES_MAX, Put, PutHead, StoredMessage};
use crate::sqs::message::{md5, md5_of_attributes};
use crate::sqs::state::{Message, Picked, Queue, Stage, State, Want};
use crate::sqs::{
    AttributeValue, Delivered, MessageAttribute, NewMessage, QueueError, QueueInfo, QueueKey, Queues, Receipt,
    ReceiveOptions, Sent, SystemAttributes, hex,
};
use bytes::Bytes;
use millrace_base::Millis;
use sha2::{Digest, Sha256};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, oneshot};

/// AWS's quota: messages of a queue that are received and not deleted.
pub const IN_FLIGHT_MAX: usize = 120_000;
/// AWS's quota for one receive's or one message's visibility.
pub const VISIBILITY_SECS_MAX: u32 = 43_200;
/// AWS's quota.
const WAIT_SECS_MAX: u32 = 20;
/// A queue can be purged so often.
const PURGE_EVERY_MS: Millis = 60_000;

/// One send is one commit; AWS's batches are far smaller.
const SEND_BYTES_MAX: usize = 256 << 20;

const _: () = assert!(SEND_BYTES_MAX * 2 < FRAME_BYTES_MAX);

/// What a receive took, to be read.
struct Taken {
    info: Arc<QueueInfo>,
    picked: Picked,
}

impl Queues {
    /// Sends messages, all or none; durable on return. A FIFO queue's repeated message is answered and not kept again.
    pub async fn send(&self, key: &QueueKey, messages: Vec<NewMessage>) -> Result<Vec<Sent>, QueueError> {
        let info = self.queue(key)?;
        messages.iter().try_for_each(|message| message.check(&info))?;
        let bytes: usize = messages.iter().map(NewMessage::size).sum();
        if bytes > SEND_BYTES_MAX {
            let message = format!("One send holds at most {SEND_BYTES_MAX} bytes, not {bytes}: send in parts.");
            return Err(QueueError::InvalidParameter(message));
        }
        let messages = messages.into_iter().map(|message| self.digest(&info, message)).collect::<Result<_, _>>()?;
        let key = key.clone();
        self.command(|reply| Command::Send { queue: info.incarnation, key, messages, reply }).await
    }

    /// Everything about a message that need not wait for its turn.
    fn digest(&self, info: &QueueInfo, message: NewMessage) -> Result<Ready, QueueError> {
        let trace = message.trace_header.as_ref().map(|trace| MessageAttribute {
            name: "AWSTraceHeader".into(),
            data_type: "String".into(),
            value: AttributeValue::Text(Bytes::copy_from_slice(trace.as_bytes())),
        });
        let dedup = info.settings.fifo.map(|fifo| {
            let id = message.deduplication_id.clone();
            let id = id.unwrap_or_else(|| hex(&Sha256::digest(&message.body)));
            let group = message.group_id.as_deref().filter(|_| fifo.per_group).unwrap_or_default();
            let key = dedup_key(group, &id);
            (id, key)
        });
        let (body_md5, bytes) = (md5(&message.body), message.size());
        let attributes_md5 = md5_of_attributes(&message.attributes);
        let head = PutHead {
            queue: info.incarnation,
            dedup: dedup.as_ref().map_or(0, |(_, key)| *key),
            message_id: self.shared.env.uuid(),
            body_md5,
            group: message.group_id.unwrap_or_default().into(),
            ..PutHead::default()
        };
        let put = Put {
            head,
            sender: message.sender_id.into(),
            dedup_id: dedup.map(|(id, _)| id).unwrap_or_default().into(),
            trace: message.trace_header.unwrap_or_default().into(),
            attributes: message.attributes,
            body: message.body,
            ..Put::default()
        };
        let put = self.shared.env.sealed(info, put)?;
        let (delay_secs, system_md5) = (message.delay_secs, md5_of_attributes(&trace));
        Ok(Ready { put, bytes, delay_secs, body_md5, attributes_md5, system_md5 })
    }

    /// Receives messages, and hides them from others for a while. Waits for the first as long as `options` says, woken by
    /// whatever makes one visible. Cancel-safe: what was taken by a call that is dropped comes back at its timeout.
    pub async fn receive(&self, key: &QueueKey, options: ReceiveOptions) -> Result<Vec<Delivered>, QueueError> {
        let (info, arrival) = self.arrival_of(key)?;
        check_receive(&info, &options)?;
        let wait_secs = options.wait.unwrap_or(info.settings.wait_secs);
        let deadline = self.now() + Millis::from(wait_secs) * 1000;
        loop {
            let mut arrived = pin!(arrival.notified());
            arrived.as_mut().enable();
            // Before anything is taken: a key that was disabled hides no messages.
            self.shared.env.check_key(&key.scope, &info.settings)?;
            let mut taken = self.take(key, &options)?;
            let leaving = self.see_off(&taken.info, &mut taken.picked);
            if !taken.picked.messages.is_empty() {
                return self.contents(taken).await;
            }
            if !leaving.is_empty() {
                for left in leaving {
                    // Whatever it came to, there may be something behind it.
                    let _ = left.await;
                }
                continue;
            }
            let Some(pause) = self.pause(key, deadline)? else { return Ok(Vec::new()) };
            tokio::select! {
                () = &mut arrived => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// How long a receive waits before it looks again, unless it is woken. `None`: its time is over.
    fn pause(&self, key: &QueueKey, deadline: Millis) -> Result<Option<Duration>, QueueError> {
        let now = self.now();
        if now >= deadline {
            return Ok(None);
        }
        let timer = self.shared.state.lock().queue(key)?.next_timer();
        let until = timer.map_or(deadline, |timer| timer.min(deadline));
        Ok(Some(Duration::from_millis(u64::try_from(until - now).unwrap_or(0).max(1))))
    }

    /// Resolves when a message of the queue may have become visible since the call.
    pub async fn arrival(&self, key: &QueueKey) -> Result<(), QueueError> {
        let (_, arrival) = self.arrival_of(key)?;
        let mut arrived = pin!(arrival.notified());
        arrived.as_mut().enable();
        let timer = {
            let now = self.now();
            let mut state = self.shared.state.lock();
            let queue = state.queue_mut(key)?;
            queue.promote(now);
            if queue.has_visible() {
                return Ok(());
            }
            queue.next_timer().map(|timer| Duration::from_millis(u64::try_from(timer - now).unwrap_or(0)))
        };
        match timer {
            Some(timer) => drop(tokio::time::timeout(timer, arrived).await),
            None => arrived.await,
        }
        Ok(())
    }

    fn arrival_of(&self, key: &QueueKey) -> Result<(Arc<QueueInfo>, Arc<Notify>), QueueError> {
        let state = self.shared.state.lock();
        let queue = state.queue(key)?;
        Ok((queue.info.clone(), queue.arrival.clone()))
    }

    fn take(&self, key: &QueueKey, options: &ReceiveOptions) -> Result<Taken, QueueError> {
        let now = self.now();
        let state = &mut *self.shared.state.lock();
        let receives_max = state.receives_max(key)?;
        let queue = state.queue_mut(key)?;
        let info = queue.info.clone();
        queue.promote(now);
        let room = IN_FLIGHT_MAX.saturating_sub(queue.depth().in_flight);
        if room == 0 && !info.is_fifo() {
            return Err(QueueError::OverLimit);
        }
        let visibility_secs = options.visibility.unwrap_or(info.settings.visibility_secs);
        let visibility_ms = Millis::from(visibility_secs) * 1000;
        let repeated = options.attempt_id.as_ref().and_then(|id| queue.repeat(id, now + visibility_ms, now));
        let picked = repeated.unwrap_or_else(|| {
            let want = Want { max: options.max.max(1).min(room), visibility_ms, receives_max, now };
            let dice = &self.shared.env.dice;
            let picked = queue.take(want, || (dice.roll() as u32).max(1));
            if let Some(id) = &options.attempt_id {
                queue.attempted(id, &picked, now);
            }
            picked
        });
        let nos: Vec<u64> = picked.messages.iter().map(|(no, _)| *no).collect();
        self.note(state, info.incarnation, nos, now);
        Ok(Taken { info, picked })
    }

    /// Has receives written down before long.
    fn note(&self, state: &mut State, queue: u64, nos: Vec<u64>, now: Millis) {
        if nos.is_empty() {
            return;
        }
        state.notes.extend(nos.into_iter().map(|no| (queue, no)));
        if state.notes_since.is_none() {
            state.notes_since = Some(now);
            self.shared.poke();
        }
    }

    /// Has messages leave that were received too often or are too old.
    fn see_off(&self, info: &QueueInfo, picked: &mut Picked) -> Vec<oneshot::Receiver<Result<(), QueueError>>> {
        let queue = info.incarnation;
        let mut leaving = Vec::new();
        let (given_up, expired) = (std::mem::take(&mut picked.given_up), std::mem::take(&mut picked.expired));
        if !given_up.is_empty() {
            let (reply, left) = oneshot::channel();
            self.shared.submit(Command::GiveUp { queue, nos: given_up, reply });
            leaving.push(left);
        }
        if !expired.is_empty() {
            let (reply, left) = oneshot::channel();
            self.shared.submit(Command::Expire { queue, nos: expired, reply });
            leaving.push(left);
        }
        leaving
    }

    /// Reads what was taken: from memory, or on a thread that may wait for the disk.
    async fn contents(&self, taken: Taken) -> Result<Vec<Delivered>, QueueError> {
        let is_recent = |(_, message): &(u64, Message)| self.shared.library.recent(message.place).is_some();
        if self.shared.is_inline() || taken.picked.messages.iter().all(is_recent) {
            return self.read(&taken);
        }
        let queues = self.clone();
        let read = tokio::task::spawn_blocking(move || queues.read(&taken)).await;
        read.unwrap_or(Err(QueueError::Closed))
    }

    fn read(&self, taken: &Taken) -> Result<Vec<Delivered>, QueueError> {
        let mut found = Vec::with_capacity(taken.picked.messages.len());
        let mut locked = None;
        for (no, message) in &taken.picked.messages {
            // What was deleted meanwhile is left out.
            let Some(stored) = self.content(&taken.info, *no, message)? else { continue };
            match self.shared.env.opened(stored) {
                Ok(stored) => found.push(delivered(&taken.info, message, stored)),
                // Of a FIFO queue nothing may pass what went before it.
                Err(error) if taken.info.is_fifo() => return Err(error),
                // A key of the queue's past must not hold up what came later.
                Err(error) => drop(locked.get_or_insert(error)),
            }
        }
        match locked {
            Some(error) if found.is_empty() => Err(error),
            _ => Ok(found),
        }
    }

    fn content(&self, info: &QueueInfo, no: u64, message: &Message) -> Result<Option<StoredMessage>, QueueError> {
        let mut place = message.place;
        loop {
            if let Some(stored) = self.shared.library.read(&self.shared.env, place)? {
                return Ok(Some(stored));
            }
            // Compaction has copied it meanwhile.
            let state = self.shared.state.lock();
            let queue = state.queues.get(&info.incarnation);
            match queue.and_then(|queue| queue.messages.get(&no)) {
                Some(message) if message.place != place => place = message.place,
                _ => return Ok(None),
            }
        }
    }

    /// Deletes received messages; durable on return. Each has its own outcome; one that is gone already is fine.
    pub async fn delete(
        &self,
        key: &QueueKey,
        receipts: Vec<String>,
    ) -> Result<Vec<Result<(), QueueError>>, QueueError> {
        self.remove(key, receipts, false).await
    }

    /// Deletes messages whatever they are doing: for tools that look at a queue with [`Self::peek`].
    pub async fn discard(
        &self,
        key: &QueueKey,
        receipts: Vec<String>,
    ) -> Result<Vec<Result<(), QueueError>>, QueueError> {
        self.remove(key, receipts, true).await
    }

    async fn remove(
        &self,
        key: &QueueKey,
        receipts: Vec<String>,
        forced: bool,
    ) -> Result<Vec<Result<(), QueueError>>, QueueError> {
        let now = self.now();
        let (queue, outcomes) = {
            let state = self.shared.state.lock();
            let queue = state.queue(key)?;
            let check = |handle: String| {
                let receipt = receipt_of(queue, &handle)?;
                let message = queue.messages.get(&receipt.no).filter(|_| queue.info.is_fifo() && !forced);
                match message {
                    Some(message) if !holds(message, receipt, now) => Err(QueueError::ReceiptExpired(handle)),
                    _ => Ok(receipt.no),
                }
            };
            (queue.info.incarnation, receipts.into_iter().map(check).collect::<Vec<_>>())
        };
        let nos: Vec<u64> = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok().copied()).collect();
        if !nos.is_empty() {
            self.command(|reply| Command::Delete { queue, nos, reply }).await?;
        }
        Ok(outcomes.into_iter().map(|outcome| outcome.map(drop)).collect())
    }

    /// Sets from now on for how many seconds received messages stay hidden. Each has its own outcome.
    pub async fn change_visibility(
        &self,
        key: &QueueKey,
        changes: Vec<(String, u32)>,
    ) -> Result<Vec<Result<(), QueueError>>, QueueError> {
        let now = self.now();
        let state = &mut *self.shared.state.lock();
        let queue = state.queue_mut(key)?;
        let id = queue.info.incarnation;
        let outcomes: Vec<Result<u64, QueueError>> =
            changes.into_iter().map(|(handle, secs)| change_visibility(queue, handle, secs, now)).collect();
        let nos = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok().copied()).collect();
        self.note(state, id, nos, now);
        Ok(outcomes.into_iter().map(|outcome| outcome.map(drop)).collect())
    }

    /// Deletes all messages of a queue; once in a minute.
    pub async fn purge(&self, key: &QueueKey) -> Result<(), QueueError> {
        let now = self.now();
        let queue = {
            let mut state = self.shared.state.lock();
            let queue = state.queue_mut(key)?;
            if queue.purged.is_some_and(|at| (at..at + PURGE_EVERY_MS).contains(&now)) {
                return Err(QueueError::PurgeInProgress(key.name.to_string()));
            }
            queue.purged = Some(now);
            queue.info.incarnation
        };
        let purged = self.command(|reply| Command::Purge { queue, key: key.clone(), reply }).await;
        if purged.is_err() {
            let mut state = self.shared.state.lock();
            let _ = state.queue_mut(key).map(|queue| queue.purged = None);
        }
        purged
    }

    /// Looks at messages without receiving them, in order, from the one after `after` on. Blocking.
    pub fn peek(&self, key: &QueueKey, after: Option<&str>, max: usize) -> Result<Vec<Delivered>, QueueError> {
        let (info, messages) = {
            let state = self.shared.state.lock();
            let queue = state.queue(key)?;
            let from = match after {
                Some(handle) => receipt_of(queue, handle)?.no + 1,
                None => 0,
            };
            let messages = queue.messages.range(from..).take(max).map(|(no, message)| (*no, message.clone()));
            (queue.info.clone(), messages.collect::<Vec<_>>())
        };
        self.read(&Taken { info, picked: Picked { messages, ..Picked::default() } })
    }

    async fn command<T>(&self, make: impl FnOnce(Reply<T>) -> Command) -> Result<T, QueueError> {
        let (reply, outcome) = oneshot::channel();
        self.shared.submit(make(reply));
        outcome.await.unwrap_or(Err(QueueError::Closed))
    }
}

impl State {
    /// How often a message of the queue may be received, when it has somewhere to go afterwards.
    fn receives_max(&self, key: &QueueKey) -> Result<Option<u32>, QueueError> {
        let redrive = self.queue(key)?.info.settings.redrive.as_ref();
        let redrive = redrive.filter(|redrive| self.names.contains_key(&redrive.target));
        Ok(redrive.map(|redrive| redrive.max_receive_count))
    }
}

impl Queue {
    /// The messages of an earlier receive with this attempt id, while it holds.
    fn repeat(&mut self, id: &str, visible_at: Millis, now: Millis) -> Option<Picked> {
        let nos = self.attempts.find(id, now)?;
        let held = |(no, nonce): &(u64, u32)| {
            self.messages.get(no).is_some_and(|m| m.nonce == *nonce && m.stage == Stage::InFlight && m.visible_at > now)
        };
        if !nos.iter().all(held) {
            return None;
        }
        let mut picked = Picked::default();
        for (no, _) in nos {
            self.restage(no, Stage::InFlight, visible_at);
            picked.messages.extend(self.messages.get(&no).map(|message| (no, message.clone())));
        }
        Some(picked)
    }

    fn attempted(&mut self, id: &str, picked: &Picked, now: Millis) {
        let messages = picked.messages.iter().map(|(no, message)| (*no, message.nonce)).collect();
        self.attempts.insert(id, messages, now);
    }
}

/// Scope and id as one number; never 0, which means none.
fn dedup_key(group: &str, id: &str) -> u128 {
    let digest = Sha256::new().chain_update((group.len() as u64).to_le_bytes()).chain_update(group).chain_update(id);
    let mut half = [0; 16];
    half.copy_from_slice(&digest.finalize()[..16]);
    u128::from_le_bytes(half).max(1)
}

fn receipt_of(queue: &Queue, handle: &str) -> Result<Receipt, QueueError> {
    let receipt = Receipt::parse(handle).filter(|receipt| receipt.queue == queue.info.incarnation);
    receipt.ok_or_else(|| QueueError::InvalidReceipt(handle.to_owned()))
}

/// True while the receive that `receipt` names hides the message.
fn holds(message: &Message, receipt: Receipt, now: Millis) -> bool {
    message.stage == Stage::InFlight && message.nonce == receipt.nonce && message.visible_at > now
}

fn change_visibility(queue: &mut Queue, handle: String, secs: u32, now: Millis) -> Result<u64, QueueError> {
    if secs > VISIBILITY_SECS_MAX {
        let reason = format!("VisibilityTimeout must be an integer between 0 and {VISIBILITY_SECS_MAX}.");
        return Err(QueueError::invalid(secs, "VisibilityTimeout", reason));
    }
    let receipt = receipt_of(queue, &handle)?;
    let message = queue.messages.get(&receipt.no).filter(|message| holds(message, receipt, now));
    let message = message.ok_or(QueueError::NotInFlight(handle))?;
    let visible_at = now + Millis::from(secs) * 1000;
    // What was received before the server started is counted from now.
    let received = if message.last_received == 0 { now } else { message.last_received };
    if visible_at > received + Millis::from(VISIBILITY_SECS_MAX) * 1000 {
        let reason =
            format!("Total VisibilityTimeout for the message is beyond the limit [{VISIBILITY_SECS_MAX} seconds]");
        return Err(QueueError::invalid(secs, "VisibilityTimeout", reason));
    }
    let stage = if secs == 0 { Stage::Visible } else { Stage::InFlight };
    queue.restage(receipt.no, stage, visible_at);
    Ok(receipt.no)
}

fn check_receive(info: &QueueInfo, options: &ReceiveOptions) -> Result<(), QueueError> {
    if let Some(secs) = options.visibility.filter(|secs| *secs > VISIBILITY_SECS_MAX) {
        let reason = format!("Must be >= 0 and <= {VISIBILITY_SECS_MAX}, if provided.");
        return Err(QueueError::invalid(secs, "VisibilityTimeout", reason));
    }
    if let Some(secs) = options.wait.filter(|secs| *secs > WAIT_SECS_MAX) {
        let reason = format!("Must be >= 0 and <= {WAIT_SECS_MAX}, if provided.");
        return Err(QueueError::invalid(secs, "WaitTimeSeconds", reason));
    }
    match &options.attempt_id {
        Some(id) if !info.is_fifo() => {
            let reason = "The request include parameter that is not valid for this queue type";
            Err(QueueError::invalid(id, "ReceiveRequestAttemptId", reason))
        }
        _ => Ok(()),
    }
}

fn delivered(info: &QueueInfo, message: &Message, stored: StoredMessage) -> Delivered {
    let StoredMessage { head, sender, dedup_id, trace, source, attributes, body, is_sealed: _ } = stored;
    let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
    let optional = |bytes: &Bytes| Some(text(bytes)).filter(|text| !text.is_empty());
    Delivered {
        message_id: uuid_text(&head.message_id),
        receipt_handle: Receipt { queue: info.incarnation, no: head.no, nonce: message.nonce }.handle(),
        md5_of_body: hex(&head.body_md5),
        attributes,
        body,
        system: SystemAttributes {
            sent: message.sent,
            receive_count: message.received,
            first_received: message.first_received,
            sender_id: text(&sender),
            group_id: optional(&head.group),
            deduplication_id: optional(&dedup_id),
            sequence_number: info.is_fifo().then(|| sequence_text(head.no)),
            trace_header: optional(&trace),
            dead_letter_source: optional(&source),
        },
    }
}
