//! Group commit: everything that waits becomes one frame, one write and one sync.
//!
//! ```text
//! command ─► plan (under the lock: numbers, deduplication) ─► write, sync ─► apply (under the lock) ─► reply
//! ```
//! What is applied is read from the very frame that was written, as it is at the next start.

use crate::sqs::env::uuid_text;
use crate::sqs::format::{Dedup, FrameBuilder, NOTE_LINGER_MS, Note, Put, Record, kind, own_records};
use crate::sqs::journal::{Journal, Written};
use crate::sqs::library::Library;
use crate::sqs::state::{Place, Stage, State};
use crate::sqs::{Env, QueueError, QueueKey, Sent, hex};
use ahash::{AHashMap, AHashSet};
use bytes::Bytes;
use millrace_base::Millis;
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::oneshot;

/// A message that could not leave its queue is tried again so much later.
const LEAVE_AGAIN_MS: Millis = 1000;

/// How a command ends.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, QueueError>>;

/// A message that was checked, digested and, if its queue has a key, sealed on its caller's thread.
pub(crate) struct Ready {
    /// All but its number and its times.
    pub(crate) put: Put,
    /// What counts against the queue's ceiling.
    pub(crate) bytes: usize,
    pub(crate) delay_secs: Option<u32>,
    pub(crate) body_md5: [u8; 16],
    pub(crate) attributes_md5: Option<[u8; 16]>,
    pub(crate) system_md5: Option<[u8; 16]>,
}

/// Where messages go that a task moves.
#[derive(Debug, Clone)]
pub(crate) enum Destination {
    /// All to one queue.
    Queue(QueueKey),
    /// Each to where it came from.
    Source,
}

/// What a move came to.
#[derive(Debug, Default, Clone)]
pub(crate) struct Moved {
    pub(crate) count: u64,
    /// The first message that could not be moved, and why.
    pub(crate) failure: Option<String>,
}

/// Something to be made durable.
pub(crate) enum Command {
    Send {
        queue: u64,
        key: QueueKey,
        messages: Vec<Ready>,
        reply: Reply<Vec<Sent>>,
    },
    Delete {
        queue: u64,
        nos: Vec<u64>,
        reply: Reply<()>,
    },
    Purge {
        queue: u64,
        key: QueueKey,
        reply: Reply<()>,
    },
    /// Messages that were received too often go to their dead-letter queue.
    GiveUp {
        queue: u64,
        nos: Vec<u64>,
        reply: Reply<()>,
    },
    /// Messages that outlived their retention.
    Expire {
        queue: u64,
        nos: Vec<u64>,
        reply: Reply<()>,
    },
    /// A move task's next messages.
    Transfer {
        queue: u64,
        nos: Vec<u64>,
        to: Destination,
        reply: Reply<Moved>,
    },
}

impl Command {
    /// What it weighs in a commit.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Send { messages, .. } => messages.iter().map(|ready| ready.bytes + 256).sum(),
            Self::Delete { nos, .. } | Self::Expire { nos, .. } => nos.len() * 32,
            Self::GiveUp { nos, .. } | Self::Transfer { nos, .. } => nos.len() * 1024,
            Self::Purge { .. } => 32,
        }
    }
}

/// Somebody who waits for a commit.
enum Waiter {
    Sent(Reply<Vec<Sent>>, Vec<Sent>),
    Done(Reply<()>),
    Moved(Reply<Moved>, Moved),
}

impl Waiter {
    fn tell(self, outcome: Result<(), QueueError>) {
        // Whoever dropped the future did not want to know.
        match self {
            Self::Sent(reply, sent) => drop(reply.send(outcome.map(|()| sent))),
            Self::Done(reply) => drop(reply.send(outcome)),
            Self::Moved(reply, moved) => drop(reply.send(outcome.map(|()| moved))),
        }
    }
}

/// Writes commands, one batch at a time.
pub(crate) struct Committer {
    pub(crate) env: Arc<Env>,
    pub(crate) state: Arc<Mutex<State>>,
    pub(crate) library: Arc<Library>,
    pub(crate) journal: Journal,
    pub(crate) chores: super::upkeep::Chores,
}

/// A batch on its way.
#[derive(Default)]
struct Batch {
    frame: FrameBuilder,
    /// Messages that an earlier command of the batch removes.
    removed: AHashSet<(u64, u64)>,
    /// Queues that an earlier command of the batch empties.
    purged: AHashSet<u64>,
    dedups: AHashMap<(u64, u128), Dedup>,
    waiters: Vec<Waiter>,
    /// Messages that leave when the batch is written, and stay when it is not.
    leaving: Vec<(u64, u64)>,
    notes: Vec<(u64, u64)>,
}

impl Committer {
    /// Makes a batch durable and tells everybody who waits for it.
    pub(crate) fn commit(&mut self, commands: Vec<Command>) {
        // What is to be deleted is not moved as well.
        let (moves, others): (Vec<_>, Vec<_>) =
            commands.into_iter().partition(|c| matches!(c, Command::GiveUp { .. } | Command::Transfer { .. }));
        let contents = self.contents(&moves);
        let mut batch = Batch::default();
        let next_no = {
            let mut state = self.state.lock();
            let now = self.env.clock.now();
            others.into_iter().for_each(|command| batch.plan(&mut state, command, now));
            moves.into_iter().for_each(|command| batch.plan_move(&self.env, &mut state, command, &contents, now));
            batch.plan_notes(&mut state, now);
            state.next_no
        };
        let written = if batch.frame.is_empty() {
            Ok(None)
        } else {
            let frame = std::mem::take(&mut batch.frame);
            self.journal.write(&self.env, &self.library, frame, next_no).map(Some)
        };
        let outcome = self.settle(&batch, written);
        batch.waiters.into_iter().for_each(|waiter| waiter.tell(outcome.clone()));
    }

    fn settle(&mut self, batch: &Batch, written: Result<Option<Written>, QueueError>) -> Result<(), QueueError> {
        let mut state = self.state.lock();
        let now = self.env.clock.now();
        match written {
            Ok(written) => {
                if let Some(written) = written {
                    apply(&mut state, &written, now);
                }
                Ok(())
            }
            Err(error) => {
                state.notes.extend(&batch.notes);
                state.notes_since = state.notes_since.or(Some(now)).filter(|_| !state.notes.is_empty());
                for (queue, no) in &batch.leaving {
                    if let Some(queue) = state.queues.get_mut(queue) {
                        queue.restage(*no, Stage::InFlight, now + LEAVE_AGAIN_MS);
                    }
                }
                Err(error)
            }
        }
    }

    /// Writes a frame that was made elsewhere, and carries it out.
    pub(crate) fn write_now(&mut self, frame: FrameBuilder) -> Result<(), QueueError> {
        let next_no = self.state.lock().next_no;
        let written = self.journal.write(&self.env, &self.library, frame, next_no)?;
        apply(&mut self.state.lock(), &written, self.env.clock.now());
        Ok(())
    }

    /// The contents of messages that are to move. Only this thread changes where messages lie.
    fn contents(&self, moves: &[Command]) -> AHashMap<(u64, u64), Result<Put, QueueError>> {
        let mut places = Vec::new();
        {
            let state = self.state.lock();
            for command in moves {
                let (Command::GiveUp { queue, nos, .. } | Command::Transfer { queue, nos, .. }) = command else {
                    continue;
                };
                let Some(found) = state.queues.get(queue) else { continue };
                let place = |no: &u64| Some(((*queue, *no), found.messages.get(no)?.place));
                places.extend(nos.iter().filter_map(place));
            }
        }
        let read = |(id, place)| {
            let content = self.library.read(&self.env, place).transpose()?;
            Some((id, content))
        };
        places.into_iter().filter_map(read).collect()
    }
}

/// Carries out a frame that is durable.
fn apply(state: &mut State, written: &Written, now: Millis) {
    let site = written.site;
    for raw in own_records(&written.bytes) {
        let place =
            Place { segment: site.segment, offset: (site.offset as usize + raw.offset) as u32, len: raw.len as u32 };
        // What was just made can be read.
        if let Some(record) = Record::decode(&raw) {
            state.apply(record, place, now);
        }
    }
    state.segments.entry(site.segment).or_default().bytes = site.offset + written.bytes.len() as u64;
}

impl Batch {
    fn plan(&mut self, state: &mut State, command: Command, now: Millis) {
        match command {
            Command::Send { queue, key, messages, reply } => {
                if !state.queues.contains_key(&queue) {
                    return drop(reply.send(Err(QueueError::NoQueue(key))));
                }
                let sent = messages.into_iter().map(|ready| self.put(state, queue, ready, now)).collect();
                self.waiters.push(Waiter::Sent(reply, sent));
            }
            Command::Delete { queue, nos, reply } => {
                let removed = self.remove(state, queue, &nos);
                if let Some(queue) = state.queues.get_mut(&queue) {
                    queue.counters.deleted += removed;
                }
                self.waiters.push(Waiter::Done(reply));
            }
            Command::Expire { queue, nos, reply } => {
                self.leaving.extend(nos.iter().map(|no| (queue, *no)));
                self.remove(state, queue, &nos);
                self.waiters.push(Waiter::Done(reply));
            }
            Command::Purge { queue, key, reply } => {
                if !state.queues.contains_key(&queue) {
                    return drop(reply.send(Err(QueueError::NoQueue(key))));
                }
                let before_no = state.next_no;
                self.purged.insert(queue);
                self.frame.push(kind::PURGE, |bytes| {
                    bytes.extend_from_slice(&queue.to_le_bytes());
                    bytes.extend_from_slice(&before_no.to_le_bytes());
                });
                self.waiters.push(Waiter::Done(reply));
            }
            Command::GiveUp { .. } | Command::Transfer { .. } => {}
        }
    }

    fn remove(&mut self, state: &State, queue: u64, nos: &[u64]) -> u64 {
        let Some(found) = state.queues.get(&queue) else { return 0 };
        let mut removed = 0;
        for no in nos.iter().filter(|no| found.messages.contains_key(no)) {
            if self.removed.insert((queue, *no)) {
                removed += 1;
                self.frame.push(kind::REMOVE, |bytes| {
                    bytes.extend_from_slice(&queue.to_le_bytes());
                    bytes.extend_from_slice(&no.to_le_bytes());
                });
            }
        }
        removed
    }

    /// Plans one message; a repeated one is answered and not kept.
    fn put(&mut self, state: &mut State, queue: u64, ready: Ready, now: Millis) -> Sent {
        let Ready { mut put, bytes, delay_secs, body_md5, attributes_md5, system_md5 } = ready;
        let (key, message_id) = (put.head.dedup, put.head.message_id);
        let no = state.next_no;
        let Some(found) = state.queues.get_mut(&queue) else { return Sent::default() };
        let settings = &found.info.settings;
        let sent = |no: u64, id: &[u8; 16], is_duplicate| Sent {
            message_id: uuid_text(id),
            md5_of_body: hex(&body_md5),
            md5_of_attributes: attributes_md5.map(|md5| hex(&md5)),
            md5_of_system_attributes: system_md5.map(|md5| hex(&md5)),
            sequence_number: settings.fifo.map(|_| sequence_text(no)),
            is_duplicate,
        };
        if key != 0 {
            let earlier = self.dedups.get(&(queue, key)).copied().or_else(|| found.dedups.find(key, now));
            if let Some(earlier) = earlier {
                return sent(earlier.no, &earlier.message_id, true);
            }
            self.dedups.insert((queue, key), Dedup { queue, key, no, message_id, sent: now });
        }
        let delay_secs = delay_secs.filter(|_| settings.fifo.is_none()).unwrap_or(settings.delay_secs);
        let told = sent(no, &message_id, false);
        found.counters.sent += 1;
        found.counters.sent_bytes += bytes as u64;
        state.next_no += 1;
        put.head.no = no;
        put.head.sent = now;
        put.head.visible_at = now + Millis::from(delay_secs) * 1000;
        self.frame.push(kind::PUT, |bytes| put.write(bytes));
        told
    }

    fn plan_move(
        &mut self,
        env: &Env,
        state: &mut State,
        command: Command,
        contents: &AHashMap<(u64, u64), Result<Put, QueueError>>,
        now: Millis,
    ) {
        match command {
            Command::GiveUp { queue, nos, reply } => {
                for no in nos {
                    let Some(Ok(put)) = contents.get(&(queue, no)) else {
                        stay(state, queue, no, now);
                        continue;
                    };
                    if !self.give_up(env, state, (queue, no), put.clone(), now) {
                        stay(state, queue, no, now);
                    }
                }
                self.waiters.push(Waiter::Done(reply));
            }
            Command::Transfer { queue, nos, to, reply } => {
                let mut moved = Moved::default();
                for no in nos {
                    let transferred = match contents.get(&(queue, no)) {
                        Some(Ok(put)) => self.transfer(env, state, (queue, no), put.clone(), &to, now),
                        Some(Err(error)) => Err(error.to_string()),
                        // It is gone.
                        None => Ok(false),
                    };
                    match transferred {
                        Ok(done) => moved.count += u64::from(done),
                        Err(failure) => drop(moved.failure.get_or_insert(failure)),
                    }
                }
                self.waiters.push(Waiter::Moved(reply, moved));
            }
            _ => {}
        }
    }

    /// A message enters its dead-letter queue. False: it cannot now.
    fn give_up(&mut self, env: &Env, state: &mut State, (queue, no): (u64, u64), put: Put, now: Millis) -> bool {
        let Some(found) = state.queues.get(&queue) else { return false };
        let leaving = found.messages.get(&no).filter(|m| m.stage == Stage::Leaving);
        let Some(message) = leaving.filter(|_| !self.is_gone(queue, no)) else { return true };
        let target = found.info.settings.redrive.as_ref().and_then(|redrive| state.names.get(&redrive.target));
        let Some(&target) = target else { return false };
        let Ok(mut put) = env.opened(put) else { return false };
        put.head.received = message.received;
        put.head.base = message.received;
        put.head.first_received = message.first_received;
        put.head.sent = if found.info.is_fifo() { now } else { message.sent };
        put.source = found.info.key.arn().to_string().into();
        if self.enter(env, state, (queue, no), target, put, now).is_err() {
            return false;
        }
        if let Some(queue) = state.queues.get_mut(&queue) {
            queue.counters.given_up += 1;
        }
        true
    }

    /// A message leaves a dead-letter queue, as a new one.
    fn transfer(
        &mut self,
        env: &Env,
        state: &mut State,
        (queue, no): (u64, u64),
        put: Put,
        to: &Destination,
        now: Millis,
    ) -> Result<bool, String> {
        let source = || {
            let arn: millrace_base::Arn = String::from_utf8_lossy(&put.source).parse().ok()?;
            QueueKey::of_arn(&arn)
        };
        let key = match to {
            Destination::Queue(key) => Some(key.clone()),
            Destination::Source => source(),
        };
        let found = state.queues.get(&queue).and_then(|found| found.messages.get(&no));
        let visible = found.is_some_and(|message| message.stage == Stage::Visible);
        if !visible || self.is_gone(queue, no) {
            return Ok(false);
        }
        let no_source = "CouldNotDetermineMessageSource: the message did not come from another queue.";
        let key = key.ok_or(no_source)?;
        let target = state.names.get(&key).copied();
        let target = target.ok_or_else(|| format!("AWS.SimpleQueueService.NonExistentQueue: {key} does not exist."))?;
        let mut put = env.opened(put).map_err(|error| error.to_string())?;
        put.head.message_id = env.uuid();
        (put.head.received, put.head.base, put.head.first_received) = (0, 0, 0);
        put.head.sent = now;
        put.source = Bytes::new();
        self.enter(env, state, (queue, no), target, put, now).map_err(|error| error.to_string())?;
        if let Some(queue) = state.queues.get_mut(&queue) {
            queue.restage(no, Stage::Leaving, now);
        }
        Ok(true)
    }

    /// True when an earlier command of the batch takes the message away.
    fn is_gone(&self, queue: u64, no: u64) -> bool {
        self.removed.contains(&(queue, no)) || self.purged.contains(&queue)
    }

    /// Moves a message, which is open, into a queue, sealed as that queue wants it.
    fn enter(
        &mut self,
        env: &Env,
        state: &mut State,
        from: (u64, u64),
        target: u64,
        mut put: Put,
        now: Millis,
    ) -> Result<(), QueueError> {
        let info = state.queues.get(&target).map(|queue| queue.info.clone()).ok_or(QueueError::Closed)?;
        put.head.no = state.next_no;
        put.head.queue = target;
        put.head.visible_at = now;
        put.head.nonce = 0;
        put.head.dedup = 0;
        let put = env.sealed(&info, put)?;
        state.next_no += 1;
        self.removed.insert(from);
        self.leaving.push(from);
        self.frame.push(kind::MOVED, |bytes| {
            bytes.extend_from_slice(&from.0.to_le_bytes());
            bytes.extend_from_slice(&from.1.to_le_bytes());
            put.write(bytes);
        });
        Ok(())
    }

    /// Notes the receives that have waited long enough.
    fn plan_notes(&mut self, state: &mut State, now: Millis) {
        if state.notes_since.is_none_or(|since| now >= since && now < since + NOTE_LINGER_MS) {
            return;
        }
        state.notes_since = None;
        let notes = std::mem::take(&mut state.notes);
        for (queue, no) in notes {
            let message = state.queues.get(&queue).and_then(|found| found.messages.get(&no));
            let Some(message) = message.filter(|_| !self.is_gone(queue, no)) else { continue };
            let note = Note {
                queue,
                no,
                visible_at: message.visible_at,
                first_received: message.first_received,
                received: message.received,
                nonce: message.nonce,
            };
            self.notes.push((queue, no));
            self.frame.push(kind::NOTE, |bytes| note.write(bytes));
        }
    }
}

/// A message that cannot leave is tried again later.
fn stay(state: &mut State, queue: u64, no: u64, now: Millis) {
    if let Some(queue) = state.queues.get_mut(&queue)
        && queue.messages.get(&no).is_some_and(|message| message.stage == Stage::Leaving)
    {
        queue.restage(no, Stage::InFlight, now + LEAVE_AGAIN_MS);
    }
}

/// A FIFO message's place in its queue, as AWS writes it: twenty digits that grow.
pub(crate) fn sequence_text(no: u64) -> String {
    (10_000_000_000_000_000_000 + no).to_string()
}
