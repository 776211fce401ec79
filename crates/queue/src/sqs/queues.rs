//! The handle of all queues: opening, definitions, move tasks.

use crate::sqs::commit::{Command, Committer};
use crate::sqs::library::Library;
use crate::sqs::open::open_journal;
use crate::sqs::state::State;
use crate::sqs::tasks::{RATE_MAX, Tasks};
use crate::sqs::upkeep::Chores;
use crate::sqs::work::Work;
use crate::sqs::{
    Commit, Counts, Env, MessageKey, MoveTask, QueueError, QueueInfo, QueueKey, QueueOptions, QueueParts, Settings,
    TaskStatus,
};
use millrace_base::{Millis, Scope};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;

/// The catalog's table of queues; keys are `account/region/name`.
const QUEUES: &str = "queue";
/// The catalog's table of counters.
const COUNTERS: &str = "queue-counter";
const INCARNATION: &str = "incarnation";
/// AWS's quota.
const TAGS_MAX: usize = 50;
/// Attributes that say by which key messages are sealed.
const KEY_ATTRIBUTES: [&str; 2] = ["KmsMasterKeyId", "SqsManagedSseEnabled"];

/// All queues of a server. Cheap to clone. What was acknowledged is on disk; dropping the last handle writes what waits.
#[derive(Clone)]
pub struct Queues {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) env: Arc<Env>,
    pub(crate) state: Arc<Mutex<State>>,
    pub(crate) library: Arc<Library>,
    tasks: Arc<Mutex<Tasks>>,
    /// Held while a definition changes, so that two changes cannot meet.
    admin: Mutex<()>,
    driver: Driver,
}

enum Driver {
    Inline(Box<Mutex<Committer>>),
    Thread { work: Arc<Work>, thread: Option<JoinHandle<()>> },
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Driver::Thread { work, thread } = &mut self.driver {
            work.stop();
            if let Some(thread) = thread.take() {
                // A thread that panicked has failed its commands already.
                let _ = thread.join();
            }
        }
    }
}

impl Shared {
    pub(crate) fn submit(&self, command: Command) {
        match &self.driver {
            Driver::Inline(committer) => committer.lock().commit(vec![command]),
            Driver::Thread { work, .. } => work.push(command),
        }
    }

    /// There are chores: the thread looks at them.
    pub(crate) fn poke(&self) {
        if let Driver::Thread { work, .. } = &self.driver {
            work.poke();
        }
    }

    pub(crate) fn is_inline(&self) -> bool {
        matches!(self.driver, Driver::Inline(_))
    }
}

impl Queues {
    /// Opens the queues in `parts.dir` as they were when they were last written to: a commit that a crash has torn is cut.
    pub fn open(parts: QueueParts, options: QueueOptions) -> Result<Self, QueueError> {
        let env = Arc::new(Env::new(parts, options));
        let mut state = State::default();
        for (_, info) in env.catalog.list::<QueueInfo>(QUEUES, "")? {
            state.define(Arc::new(info));
        }
        let library = Arc::new(Library::new(env.options.cache_bytes));
        let journal = open_journal(&env, &library, &mut state)?;
        let tasks = Arc::new(Mutex::new(Tasks::load(&env.catalog)?));
        let state = Arc::new(Mutex::new(state));
        let chores = Chores::new(tasks.clone());
        let committer = Committer { env: env.clone(), state: state.clone(), library: library.clone(), journal, chores };
        let driver = start(&env, committer)?;
        Ok(Self { shared: Arc::new(Shared { env, state, library, tasks, admin: Mutex::new(()), driver }) })
    }

    /// Does what the thread does between commits. Only for [`Commit::Inline`]; returns when nothing is due now.
    pub fn upkeep(&self) {
        if let Driver::Inline(committer) = &self.shared.driver {
            let mut committer = committer.lock();
            while committer.upkeep().is_some_and(|pause| pause.is_zero()) {}
        }
    }

    /// Why nothing can be written any more, if so.
    pub fn healthy(&self) -> Result<(), QueueError> {
        self.shared.env.healthy()
    }

    /// Creates a queue. One that is there with the same attributes is returned as it is.
    pub fn create(
        &self,
        key: &QueueKey,
        attributes: &BTreeMap<String, String>,
        tags: &BTreeMap<String, String>,
    ) -> Result<Arc<QueueInfo>, QueueError> {
        let _admin = self.shared.admin.lock();
        if let Ok(info) = self.queue(key) {
            return match info.settings.first_difference(key, attributes, self.shared.env.options.is_sealed) {
                Some(attribute) => Err(QueueError::QueueExists { attribute }),
                None => Ok(info),
            };
        }
        let settings = Settings::of_new(key, attributes)?;
        self.shared.env.check_key(&key.scope, &settings)?;
        self.check_redrive(key, &settings)?;
        check_tags(tags)?;
        let now = self.shared.env.clock.now();
        let info = self.shared.env.catalog.update(|catalog| {
            let incarnation = catalog.get::<u64>(COUNTERS, INCARNATION)?.unwrap_or(0) + 1;
            let (key, tags) = (key.clone(), tags.clone());
            let info = QueueInfo { key, incarnation, created: now, modified: now, settings, tags };
            catalog.put(COUNTERS, INCARNATION, &incarnation)?;
            catalog.put(QUEUES, &info.key.to_string(), &info)?;
            Ok::<_, QueueError>(Arc::new(info))
        })?;
        self.shared.state.lock().define(info.clone());
        Ok(info)
    }

    /// Deletes a queue and its messages.
    pub fn delete_queue(&self, key: &QueueKey) -> Result<(), QueueError> {
        let _admin = self.shared.admin.lock();
        self.queue(key)?;
        self.shared.env.catalog.delete(QUEUES, &key.to_string())?;
        let gone = self.shared.state.lock().drop_queue(key);
        // A queue of many messages takes a while to be freed.
        drop(gone);
        self.shared.poke();
        Ok(())
    }

    /// A queue's definition.
    pub fn queue(&self, key: &QueueKey) -> Result<Arc<QueueInfo>, QueueError> {
        self.shared.state.lock().queue(key).map(|queue| queue.info.clone())
    }

    /// All queues of a scope, by name.
    pub fn queues(&self, scope: &Scope) -> Vec<Arc<QueueInfo>> {
        let state = self.shared.state.lock();
        let mut infos: Vec<_> =
            state.queues.values().map(|queue| queue.info.clone()).filter(|info| info.key.scope == *scope).collect();
        infos.sort_by(|a, b| a.key.cmp(&b.key));
        infos
    }

    /// What a queue holds, and what went through it.
    pub fn counts(&self, key: &QueueKey) -> Result<Counts, QueueError> {
        let now = self.shared.env.clock.now();
        let mut state = self.shared.state.lock();
        let queue = state.queue_mut(key)?;
        queue.promote(now);
        Ok(queue.counts())
    }

    /// The counts of every queue of every scope.
    pub fn all_counts(&self) -> Vec<(QueueKey, Counts)> {
        let now = self.shared.env.clock.now();
        let mut state = self.shared.state.lock();
        let counts = state.queues.values_mut().map(|queue| {
            queue.promote(now);
            (queue.info.key.clone(), queue.counts())
        });
        counts.collect()
    }

    /// All attributes of a queue by their AWS names, counts included.
    pub fn attributes(&self, key: &QueueKey) -> Result<BTreeMap<String, String>, QueueError> {
        let (info, counts) = (self.queue(key)?, self.counts(key)?);
        let mut attributes = info.settings.attributes(self.shared.env.options.is_sealed);
        let more = [
            ("QueueArn", key.arn().to_string()),
            ("CreatedTimestamp", (info.created / 1000).to_string()),
            ("LastModifiedTimestamp", (info.modified / 1000).to_string()),
            ("ApproximateNumberOfMessages", counts.depth.visible.to_string()),
            ("ApproximateNumberOfMessagesNotVisible", counts.depth.in_flight.to_string()),
            ("ApproximateNumberOfMessagesDelayed", counts.depth.delayed.to_string()),
        ];
        attributes.extend(more.map(|(name, value)| (name.to_owned(), value)));
        Ok(attributes)
    }

    /// Refuses a key that may not be used now: of a queue, or of a topic that keeps its messages in queues.
    pub(crate) fn check_key(&self, scope: &Scope, name: &str) -> Result<(), QueueError> {
        Ok(self.shared.env.keys.check(scope, MessageKey::Named(name))?)
    }

    /// Changes some attributes of a queue.
    pub fn set_attributes(&self, key: &QueueKey, attributes: &BTreeMap<String, String>) -> Result<(), QueueError> {
        let is_keyed = KEY_ATTRIBUTES.iter().any(|name| attributes.contains_key(*name));
        self.change(key, |queues, info| {
            info.settings = info.settings.with(key, attributes)?;
            if is_keyed {
                queues.shared.env.check_key(&key.scope, &info.settings)?;
            }
            info.modified = queues.shared.env.clock.now();
            queues.check_redrive(key, &info.settings)
        })
    }

    /// Adds tags, or changes their values.
    pub fn tag(&self, key: &QueueKey, tags: &BTreeMap<String, String>) -> Result<(), QueueError> {
        self.change(key, |_, info| {
            info.tags.extend(tags.clone());
            check_tags(&info.tags)
        })
    }

    /// Takes tags away.
    pub fn untag(&self, key: &QueueKey, names: &[String]) -> Result<(), QueueError> {
        self.change(key, |_, info| {
            info.tags.retain(|name, _| !names.contains(name));
            Ok(())
        })
    }

    fn change(
        &self,
        key: &QueueKey,
        change: impl FnOnce(&Self, &mut QueueInfo) -> Result<(), QueueError>,
    ) -> Result<(), QueueError> {
        let _admin = self.shared.admin.lock();
        let mut info = self.queue(key)?.as_ref().clone();
        change(self, &mut info)?;
        self.shared.env.catalog.put(QUEUES, &key.to_string(), &info)?;
        self.shared.state.lock().define(Arc::new(info));
        self.shared.poke();
        Ok(())
    }

    fn check_redrive(&self, key: &QueueKey, settings: &Settings) -> Result<(), QueueError> {
        let Some(redrive) = &settings.redrive else { return Ok(()) };
        let value = settings.attributes(false).remove("RedrivePolicy").unwrap_or_default();
        let refuse = |reason: &str| QueueError::invalid(&value, "RedrivePolicy", reason);
        let target = self.queue(&redrive.target).map_err(|_| refuse("Dead letter target does not exist."))?;
        match &target.settings.redrive_allow {
            Some(allow) if !allow.allows(key) => {
                Err(refuse("The RedriveAllowPolicy of the dead letter target does not allow this queue."))
            }
            _ => Ok(()),
        }
    }

    /// The queues that give up their messages to this one.
    pub fn dead_letter_sources(&self, key: &QueueKey) -> Result<Vec<Arc<QueueInfo>>, QueueError> {
        self.queue(key)?;
        let feeds = |info: &Arc<QueueInfo>| info.settings.redrive.as_ref().is_some_and(|r| r.target == *key);
        Ok(self.queues(&key.scope).into_iter().filter(feeds).collect())
    }

    /// Begins to move a dead-letter queue's messages: to one queue, or each to where it came from. The task's handle.
    pub fn start_move(
        &self,
        source: &QueueKey,
        destination: Option<&QueueKey>,
        rate: Option<u32>,
    ) -> Result<String, QueueError> {
        let info = self.queue(source)?;
        if self.dead_letter_sources(source)?.is_empty() {
            let message = "Source queue must be configured as a Dead Letter Queue.";
            return Err(QueueError::InvalidParameter(message.into()));
        }
        if let Some(rate) = rate.filter(|rate| !(1..=RATE_MAX).contains(rate)) {
            let reason = format!("Must be between 1 and {RATE_MAX}, if provided.");
            return Err(QueueError::invalid(rate, "MaxNumberOfMessagesPerSecond", reason));
        }
        if let Some(destination) = destination {
            let target = self.queue(destination).map_err(|_| {
                QueueError::NotFound(
                    "The resource that you specified for the DestinationArn parameter doesn't exist.".into(),
                )
            })?;
            if target.is_fifo() != info.is_fifo() || target.key == *source {
                let message = "The destination must be another queue of the same type as the source.";
                return Err(QueueError::InvalidParameter(message.into()));
            }
        }
        let env = &self.shared.env;
        let task = MoveTask {
            handle: format!("{:016x}{:016x}", env.dice.roll(), env.dice.roll()),
            source: source.clone(),
            incarnation: info.incarnation,
            destination: destination.cloned(),
            rate,
            status: TaskStatus::Running,
            to_move: self.counts(source)?.depth.visible as u64,
            moved: 0,
            started: env.clock.now(),
            failure: None,
        };
        let handle = task.handle.clone();
        self.shared.tasks.lock().start(&env.catalog, task)?;
        self.shared.poke();
        Ok(handle)
    }

    /// Stops a move task; how many messages it has moved.
    pub fn cancel_move(&self, scope: &Scope, handle: &str) -> Result<u64, QueueError> {
        let mut tasks = self.shared.tasks.lock();
        let known = tasks.get(handle).is_some_and(|task| task.source.scope == *scope);
        if !known {
            return Err(QueueError::NotFound("Task does not exist.".into()));
        }
        tasks.cancel(&self.shared.env.catalog, handle)
    }

    /// The move tasks of a queue, the newest first.
    pub fn moves(&self, source: &QueueKey) -> Result<Vec<MoveTask>, QueueError> {
        self.queue(source)?;
        Ok(self.shared.tasks.lock().of(source))
    }

    /// The time by the queues' clock.
    pub fn now(&self) -> Millis {
        self.shared.env.clock.now()
    }
}

fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), QueueError> {
    if tags.len() > TAGS_MAX {
        return Err(QueueError::InvalidParameter(format!("Too many tags added for queue: at most {TAGS_MAX}.")));
    }
    let bad = |(name, value): &(&String, &String)| name.is_empty() || name.len() > 128 || value.len() > 256;
    match tags.iter().find(bad) {
        Some((name, _)) => Err(QueueError::InvalidParameter(format!(
            "Tag '{name}' is invalid: a key has 1 to 128 characters, a value at most 256."
        ))),
        None => Ok(()),
    }
}

fn start(env: &Arc<Env>, committer: Committer) -> Result<Driver, QueueError> {
    if env.options.commit == Commit::Inline {
        return Ok(Driver::Inline(Box::new(Mutex::new(committer))));
    }
    let work = Arc::new(Work::default());
    let run = work.clone();
    let thread = std::thread::Builder::new().name("queue-commit".into()).spawn(move || run.run(committer));
    let thread = thread.map_err(|e| crate::sqs::error::disk(&env.dir, &e))?;
    Ok(Driver::Thread { work, thread: Some(thread) })
}
