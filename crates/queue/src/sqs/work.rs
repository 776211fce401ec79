//! What waits for the writer's thread. Each waiting caller holds its own messages until its future resolves, so what waits
//! is bounded by the callers.

use crate::sqs::commit::{Command, Committer};
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::time::Duration;

/// A commit takes no more commands once it has this many bytes: more would only lengthen everybody's wait.
const COMMIT_BYTES: usize = 8 << 20;

/// Commands that wait for the writer's thread.
#[derive(Default)]
pub(crate) struct Work {
    state: Mutex<Waiting>,
    filled: Condvar,
}

#[derive(Default)]
struct Waiting {
    commands: VecDeque<Command>,
    /// There is something to do that is not a command.
    poked: bool,
    stopping: bool,
    stopped: bool,
}

impl Work {
    /// Queues a command; drops it, so that its future fails, when the thread is gone.
    pub(crate) fn push(&self, command: Command) {
        let mut state = self.state.lock();
        if state.stopped {
            return;
        }
        state.commands.push_back(command);
        drop(state);
        self.filled.notify_one();
    }

    /// Lets the thread look at its chores.
    pub(crate) fn poke(&self) {
        self.state.lock().poked = true;
        self.filled.notify_one();
    }

    /// Lets the thread end once everything that waits is written.
    pub(crate) fn stop(&self) {
        self.state.lock().stopping = true;
        self.filled.notify_one();
    }

    /// The thread's work: commits, and chores between commits, until it is told to stop.
    pub(crate) fn run(&self, mut committer: Committer) {
        let _guard = Stopped(self);
        let mut pause = committer.upkeep();
        while let Some(batch) = self.take(pause) {
            if !batch.is_empty() {
                committer.commit(batch);
            }
            pause = committer.upkeep();
        }
        committer.flush_notes();
    }

    /// What waits; nothing when it is time for chores; `None` when it is over.
    fn take(&self, pause: Option<Duration>) -> Option<Vec<Command>> {
        let mut state = self.state.lock();
        while state.commands.is_empty() {
            if state.stopping {
                return None;
            }
            if std::mem::take(&mut state.poked) {
                return Some(Vec::new());
            }
            match pause {
                Some(pause) if self.filled.wait_for(&mut state, pause).timed_out() => return Some(Vec::new()),
                Some(_) => {}
                None => self.filled.wait(&mut state),
            }
        }
        let mut batch = Vec::new();
        let mut bytes = 0;
        while let Some(command) = state.commands.pop_front() {
            if bytes > 0 && bytes + command.bytes() > COMMIT_BYTES {
                state.commands.push_front(command);
                break;
            }
            bytes += command.bytes();
            batch.push(command);
        }
        Some(batch)
    }
}

/// Fails what waits when the thread ends, however it ends.
struct Stopped<'a>(&'a Work);

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.stopped = true;
        state.commands.clear();
    }
}
