//! Move tasks: messages of a dead-letter queue go back to where they came from, or elsewhere.

use crate::sqs::commit::{Command, Committer, Destination, Moved};
use crate::sqs::{QueueError, QueueKey};
use millrace_base::Millis;
use millrace_catalog::Catalog;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tokio::sync::oneshot;

/// The catalog's table of move tasks, by handle.
const TASKS: &str = "queue-move-task";
/// Messages that one commit moves.
const CHUNK: usize = 100;
/// AWS's ceiling of `MaxNumberOfMessagesPerSecond`.
pub(crate) const RATE_MAX: u32 = 500;
/// Progress is written down so often; after a crash it may be too low by what was moved since.
const PROGRESS_MS: Millis = 1000;
/// AWS tells of so many tasks of a queue.
const KEPT_PER_SOURCE: usize = 10;

/// Where a move task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskStatus {
    /// It moves messages.
    Running,
    /// All that was there was moved.
    Completed,
    /// Somebody stopped it.
    Cancelled,
    /// It could not go on.
    Failed,
}

impl TaskStatus {
    /// AWS's word for it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Completed => "COMPLETED",
            Self::Cancelled => "CANCELLED",
            Self::Failed => "FAILED",
        }
    }
}

/// A move of messages out of a dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoveTask {
    /// Names it.
    pub handle: String,
    /// The dead-letter queue.
    pub source: QueueKey,
    /// Its incarnation: a task ends with its queue.
    pub incarnation: u64,
    /// Where all messages go; `None`: each to where it came from.
    pub destination: Option<QueueKey>,
    /// `MaxNumberOfMessagesPerSecond`; `None`: as fast as it goes.
    pub rate: Option<u32>,
    /// Where it stands.
    pub status: TaskStatus,
    /// Messages that were there when it began.
    pub to_move: u64,
    /// Messages moved so far.
    pub moved: u64,
    /// When it began.
    pub started: Millis,
    /// Why it failed.
    pub failure: Option<String>,
}

/// The move tasks.
#[derive(Default)]
pub(crate) struct Tasks {
    tasks: BTreeMap<String, Slot>,
}

struct Slot {
    task: MoveTask,
    /// When the next messages may move.
    next: Millis,
    written: Millis,
}

impl Tasks {
    pub(crate) fn load(catalog: &Catalog) -> Result<Self, QueueError> {
        let stored = catalog.list::<MoveTask>(TASKS, "")?;
        let slot = |task: MoveTask| (task.handle.clone(), Slot { task, next: Millis::MIN, written: Millis::MIN });
        Ok(Self { tasks: stored.into_iter().map(|(_, task)| slot(task)).collect() })
    }

    /// Begins a task; one at a time of each queue.
    pub(crate) fn start(&mut self, catalog: &Catalog, task: MoveTask) -> Result<(), QueueError> {
        let busy = |slot: &Slot| slot.task.source == task.source && slot.task.status == TaskStatus::Running;
        if self.tasks.values().any(busy) {
            let message = "There is already a task running. Only one active task is allowed for a source queue arn at \
                           a given time.";
            return Err(QueueError::Unsupported(message.into()));
        }
        catalog.put(TASKS, &task.handle, &task)?;
        let source = task.source.clone();
        self.tasks.insert(task.handle.clone(), Slot { task, next: Millis::MIN, written: Millis::MIN });
        for old in self.of(&source).into_iter().skip(KEPT_PER_SOURCE) {
            catalog.delete(TASKS, &old.handle)?;
            self.tasks.remove(&old.handle);
        }
        Ok(())
    }

    /// The tasks of a queue, the newest first.
    pub(crate) fn of(&self, source: &QueueKey) -> Vec<MoveTask> {
        let mut tasks: Vec<MoveTask> =
            self.tasks.values().map(|slot| &slot.task).filter(|task| task.source == *source).cloned().collect();
        tasks.sort_by(|a, b| (b.started, &b.handle).cmp(&(a.started, &a.handle)));
        tasks
    }

    pub(crate) fn get(&self, handle: &str) -> Option<&MoveTask> {
        self.tasks.get(handle).map(|slot| &slot.task)
    }

    /// Stops a running task.
    pub(crate) fn cancel(&mut self, catalog: &Catalog, handle: &str) -> Result<u64, QueueError> {
        let slot = self.tasks.get_mut(handle);
        let slot = slot.ok_or_else(|| QueueError::NotFound("Task does not exist.".into()))?;
        if slot.task.status != TaskStatus::Running {
            let message = "Only active tasks can be cancelled.";
            return Err(QueueError::Unsupported(message.into()));
        }
        slot.task.status = TaskStatus::Cancelled;
        catalog.put(TASKS, handle, &slot.task)?;
        Ok(slot.task.moved)
    }

    fn due(&self, now: Millis) -> Vec<MoveTask> {
        let due = self.tasks.values().filter(|slot| slot.task.status == TaskStatus::Running && slot.next <= now);
        due.map(|slot| slot.task.clone()).collect()
    }

    /// When the next task may go on.
    fn next(&self) -> Option<Millis> {
        self.tasks.values().filter(|slot| slot.task.status == TaskStatus::Running).map(|slot| slot.next).min()
    }
}

impl Committer {
    /// Moves the next messages of every task whose time has come; when the next comes.
    pub(crate) fn step_tasks(&mut self, now: Millis) -> Option<Millis> {
        let due = self.chores.tasks.lock().due(now);
        for task in due {
            let outcome = self.step_task(&task, now);
            let mut tasks = self.chores.tasks.lock();
            let Some(slot) = tasks.tasks.get_mut(&task.handle) else { continue };
            if slot.task.status != TaskStatus::Running {
                continue;
            }
            note(slot, outcome, now);
            let is_over = slot.task.status != TaskStatus::Running;
            if is_over || now >= slot.written + PROGRESS_MS {
                slot.written = now;
                // If it is not written, the count is too low after a restart, and an ended task finds nothing to move.
                let _ = self.env.catalog.put(TASKS, &slot.task.handle, &slot.task);
            }
        }
        self.chores.tasks.lock().next().map(|next| next.max(now))
    }

    /// `None`: there is nothing left to be moved.
    fn step_task(&mut self, task: &MoveTask, now: Millis) -> Option<Moved> {
        let nos = {
            let mut state = self.state.lock();
            let queue = state.queues.get_mut(&task.incarnation)?;
            queue.promote(now);
            queue.visible(task.rate.map_or(CHUNK, |rate| CHUNK.min(rate as usize).max(1)))
        };
        if nos.is_empty() {
            return None;
        }
        let (reply, mut outcome) = oneshot::channel();
        let to = task.destination.clone().map_or(Destination::Source, Destination::Queue);
        self.commit(vec![Command::Transfer { queue: task.incarnation, nos, to, reply }]);
        Some(match outcome.try_recv() {
            Ok(Ok(moved)) => moved,
            Ok(Err(error)) => Moved { count: 0, failure: Some(error.to_string()) },
            Err(_) => Moved { count: 0, failure: Some(QueueError::Closed.to_string()) },
        })
    }
}

fn note(slot: &mut Slot, outcome: Option<Moved>, now: Millis) {
    let Some(moved) = outcome else {
        slot.task.status = TaskStatus::Completed;
        return;
    };
    slot.task.moved += moved.count;
    // Messages that are on their way elsewhere are waited for a little.
    let pause = match (moved.count, slot.task.rate) {
        (0, _) => 50,
        (_, None) => 0,
        (count, Some(rate)) => (count * 1000 / u64::from(rate.max(1))) as Millis,
    };
    slot.next = now + pause;
    if let Some(failure) = moved.failure {
        slot.task.status = TaskStatus::Failed;
        slot.task.failure = Some(failure);
    }
}
