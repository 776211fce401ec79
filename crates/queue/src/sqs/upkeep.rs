//! What has to be done between commits: notes of receives, what expires, move tasks, compaction.

use crate::sqs::clean::Cleaning;
use crate::sqs::commit::{Command, Committer};
use crate::sqs::format::NOTE_LINGER_MS;
use crate::sqs::state::DEDUP_MS;
use crate::sqs::tasks::Tasks;
use millrace_base::Millis;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// What expires is looked for at most so often.
const SWEEP_MS: Millis = 1000;
/// Messages that expire in one commit.
const EXPIRE_MAX: usize = 10_000;
/// After a failure chores wait so long.
const RETRY_MS: Millis = 1000;

/// The state of the chores.
pub(crate) struct Chores {
    pub(crate) tasks: Arc<Mutex<Tasks>>,
    pub(crate) cleaning: Option<Cleaning>,
    /// When something expires, as far as was known at the last look.
    expiry: Option<Millis>,
    /// When that is looked for again.
    next_look: Millis,
    next_clean: Millis,
}

impl Chores {
    pub(crate) fn new(tasks: Arc<Mutex<Tasks>>) -> Self {
        Self { tasks, cleaning: None, expiry: None, next_look: Millis::MIN, next_clean: Millis::MIN }
    }
}

impl Committer {
    /// Does what is due, and tells when to come again: `None` when nothing is to be done but commands.
    pub(crate) fn upkeep(&mut self) -> Option<Duration> {
        if self.env.healthy().is_err() {
            return None;
        }
        let now = self.env.clock.now();
        let mut due = [self.notes_due(now), None, None, None];
        if due[0].is_some_and(|at| at <= now) {
            self.commit(Vec::new());
            due[0] = None;
        }
        due[1] = self.sweep_due(now);
        due[2] = self.step_tasks(now);
        due[3] = self.clean_due(now);
        let next = due.into_iter().flatten().min()?;
        Some(Duration::from_millis(u64::try_from(next - now).unwrap_or(0)))
    }

    /// Writes all notes at once.
    pub(crate) fn flush_notes(&mut self) {
        {
            let mut state = self.state.lock();
            // Long ago, so that they are due.
            state.notes_since = state.notes_since.map(|_| Millis::MIN / 2);
        }
        self.commit(Vec::new());
    }

    fn notes_due(&self, now: Millis) -> Option<Millis> {
        let since = self.state.lock().notes_since?;
        // A clock that went back must not hold them up.
        Some(if since > now { now } else { since + NOTE_LINGER_MS })
    }

    /// Sweeps what has expired, once in a while; when to come again.
    fn sweep_due(&mut self, now: Millis) -> Option<Millis> {
        let chores = &self.chores;
        // Nothing that was sent since the last look expires before the next. A clock that went back is not waited for.
        if now < chores.next_look && now + SWEEP_MS >= chores.next_look {
            return Some(chores.next_look);
        }
        if chores.expiry.is_none_or(|at| at <= now) {
            self.sweep(now);
        }
        self.chores.next_look = now + SWEEP_MS;
        self.chores.expiry = self.next_expiry();
        self.chores.expiry.map(|at| at.max(self.chores.next_look))
    }

    /// When the next message or deduplication id expires.
    fn next_expiry(&self) -> Option<Millis> {
        let state = self.state.lock();
        let expiry = state.queues.values().filter_map(|queue| {
            let retention_ms = Millis::from(queue.info.settings.retention_secs) * 1000;
            let message = queue.counts().oldest_sent.map(|sent| sent + retention_ms);
            let dedup = queue.dedups.oldest().map(|sent| sent + DEDUP_MS);
            message.into_iter().chain(dedup).min()
        });
        expiry.min()
    }

    fn sweep(&mut self, now: Millis) {
        let mut commands = Vec::new();
        {
            let mut state = self.state.lock();
            state.expire_dedups(now);
            for (id, queue) in &state.queues {
                let nos = queue.expired(now, EXPIRE_MAX);
                if !nos.is_empty() {
                    // Nobody waits for it.
                    let (reply, _) = oneshot::channel();
                    commands.push(Command::Expire { queue: *id, nos, reply });
                }
            }
        }
        if !commands.is_empty() {
            self.commit(commands);
        }
    }

    /// Goes on with compaction; when it wants to go on again.
    fn clean_due(&mut self, now: Millis) -> Option<Millis> {
        if now < self.chores.next_clean && now + RETRY_MS >= self.chores.next_clean {
            return Some(self.chores.next_clean).filter(|_| self.wants_cleaning());
        }
        match self.clean() {
            Ok(true) => Some(now),
            Ok(false) => None,
            // Nothing is lost by waiting; a disk that is full or damaged shows at once where it hurts.
            Err(_) => {
                self.chores.next_clean = now + RETRY_MS;
                Some(self.chores.next_clean)
            }
        }
    }
}
