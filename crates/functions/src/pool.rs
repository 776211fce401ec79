//! Warm processes and how many there may be.
//!
//! - An execution is counted from before its process is looked for until its answer: per function against what is reserved
//!   for it, otherwise per account and region against [`ACCOUNT_EXECUTIONS_MAX`].
//! - A process that answered waits for the next invocation of its version; the one that waited least is taken first, so that
//!   those that are not needed grow old and end.
//! - A version has one revision at a time. Processes of another one are not taken and not taken back.

#![allow(clippy::disallowed_methods, reason = "a driver of processes measures how long they are idle")]

use crate::sandbox::{Sandbox, available_kib};
use crate::{FunctionKey, FunctionVersion, InvokeError};
use millrace_base::Scope;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// AWS's default of concurrent executions per account and region.
pub const ACCOUNT_EXECUTIONS_MAX: u32 = 1000;
/// A process that nobody needed for so long ends.
const IDLE_MAX: Duration = Duration::from_secs(300);
/// With less free memory than this, idle processes end at once and no more are started.
const FREE_KIB_MIN: u64 = 256 * 1024;

/// Why an execution may not begin.
const RESERVED: &str = "ReservedFunctionConcurrentInvocationLimitExceeded";
const ACCOUNT: &str = "ConcurrentInvocationLimitExceeded";

/// Counts executions.
#[derive(Default)]
pub(crate) struct Admission {
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    functions: HashMap<FunctionKey, u32>,
    accounts: HashMap<Scope, u32>,
}

/// One execution; ends when dropped.
pub(crate) struct Execution {
    admission: Arc<Admission>,
    function: FunctionKey,
    reserved: bool,
}

impl Admission {
    /// Begins an execution, or says why not.
    pub fn enter(self: &Arc<Self>, version: &FunctionVersion) -> Result<Execution, InvokeError> {
        let mut counts = self.counts.lock();
        let function = counts.functions.entry(version.key.clone()).or_default();
        let reserved = version.reserved_concurrency;
        if reserved.is_some_and(|most| *function >= most) {
            return Err(InvokeError::Throttled { reason: RESERVED });
        }
        *function += 1;
        if reserved.is_none() {
            let account = counts.accounts.entry(version.key.scope.clone()).or_default();
            if *account >= ACCOUNT_EXECUTIONS_MAX {
                counts.leave(&version.key, true);
                return Err(InvokeError::Throttled { reason: ACCOUNT });
            }
            *account += 1;
        }
        Ok(Execution { admission: self.clone(), function: version.key.clone(), reserved: reserved.is_some() })
    }
}

impl Counts {
    fn leave(&mut self, function: &FunctionKey, reserved: bool) {
        if let Some(count) = self.functions.get_mut(function) {
            *count -= 1;
            if *count == 0 {
                self.functions.remove(function);
            }
        }
        if !reserved && let Some(count) = self.accounts.get_mut(&function.scope) {
            *count -= 1;
        }
    }
}

impl Drop for Execution {
    fn drop(&mut self) {
        self.admission.counts.lock().leave(&self.function, self.reserved);
    }
}

/// Processes that wait for work.
#[derive(Default)]
pub(crate) struct Pool {
    versions: Mutex<HashMap<(FunctionKey, Arc<str>), Warm>>,
    returned: Notify,
}

struct Warm {
    revision: Arc<str>,
    /// The one that waited least is the last.
    idle: Vec<(Instant, Sandbox)>,
}

impl Pool {
    /// A warm process of this very revision. Those of another one end.
    pub fn take(&self, version: &FunctionVersion) -> Option<Sandbox> {
        let (old, taken) = {
            let mut versions = self.versions.lock();
            let key = (version.key.clone(), version.version.clone());
            let warm =
                versions.entry(key).or_insert_with(|| Warm { revision: version.revision.clone(), idle: Vec::new() });
            let mut old = Vec::new();
            if warm.revision != version.revision {
                warm.revision = version.revision.clone();
                old = std::mem::take(&mut warm.idle);
            }
            (old, warm.idle.pop())
        };
        // Ending processes takes a moment; others need not wait for it.
        drop(old);
        taken.map(|(_, sandbox)| sandbox)
    }

    /// As [`Self::take`], once there is one. Cancel-safe.
    pub async fn warm(&self, version: &FunctionVersion) -> Sandbox {
        loop {
            let returned = self.returned.notified();
            if let Some(sandbox) = self.take(version) {
                return sandbox;
            }
            returned.await;
        }
    }

    /// Takes a process back, unless its revision has been replaced.
    pub fn give_back(&self, sandbox: Sandbox) {
        let key = (sandbox.version.key.clone(), sandbox.version.version.clone());
        if let Some(warm) = self.versions.lock().get_mut(&key)
            && warm.revision == sandbox.version.revision
            && !sandbox.is_old()
        {
            warm.idle.push((Instant::now(), sandbox));
            self.returned.notify_waiters();
        }
    }

    /// Ends the idle processes of a function; those that are busy end after their answer.
    pub fn retire(&self, function: &FunctionKey) {
        let mut versions = self.versions.lock();
        let keys: Vec<_> = versions.keys().filter(|(key, _)| key == function).cloned().collect();
        let ended: Vec<_> = keys.iter().filter_map(|key| versions.remove(key)).collect();
        drop(versions);
        drop(ended);
    }

    /// Ends what has been idle for too long or ended by itself, and all that is idle when memory is short.
    pub fn reap(&self) {
        let short = is_memory_short();
        let now = Instant::now();
        let mut ended = Vec::new();
        for warm in self.versions.lock().values_mut() {
            let idle = std::mem::take(&mut warm.idle);
            for (since, mut sandbox) in idle {
                if short || now.duration_since(since) > IDLE_MAX || sandbox.is_old() || sandbox.has_ended() {
                    ended.push(sandbox);
                } else {
                    warm.idle.push((since, sandbox));
                }
            }
        }
    }

    /// Ends all.
    pub fn clear(&self) {
        let all = std::mem::take(&mut *self.versions.lock());
        drop(all);
    }
}

/// True when the machine has no room for more processes.
pub(crate) fn is_memory_short() -> bool {
    available_kib().is_some_and(|kib| kib < FREE_KIB_MIN)
}

/// What a caller hears when the machine has no room.
pub(crate) fn no_room() -> InvokeError {
    InvokeError::Throttled { reason: ACCOUNT }
}
