//! How much memory processes have, from `/proc`. Hosts without it have no memory limit.

#![allow(clippy::disallowed_methods, reason = "a driver: /proc is the kernel, not a disk")]

use parking_lot::Mutex;
use std::collections::HashMap;
use std::fs;
use std::time::{Duration, Instant};

/// How old what is known of the process table may be.
const TABLE_AGE_MAX: Duration = Duration::from_millis(500);

/// What a process has and had, in KiB.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Memory {
    /// Now, without pages of files: what it shares with others or could read again.
    pub private: u64,
    /// At most, ever, with pages of files: what AWS reports.
    pub peak: u64,
}

/// The memory of one process; `None` when it is gone.
pub(super) fn memory(pid: u32) -> Option<Memory> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    };
    Some(Memory { private: kib("RssAnon:")? + kib("RssShmem:")?, peak: kib("VmHWM:")? })
}

/// The memory of process groups. One look at the process table serves all who ask at about the same time.
#[derive(Default)]
pub(crate) struct Groups {
    seen: Mutex<Option<(Instant, HashMap<u32, u64>)>>,
}

impl Groups {
    /// The private memory of all processes of a group, in KiB.
    pub fn private_kib(&self, group: u32) -> u64 {
        let mut seen = self.seen.lock();
        let now = Instant::now();
        let old = seen.as_ref().is_none_or(|(at, _)| now.duration_since(*at) > TABLE_AGE_MAX);
        if old {
            *seen = Some((now, table()));
        }
        seen.as_ref().and_then(|(_, groups)| groups.get(&group)).copied().unwrap_or(0)
    }
}

fn table() -> HashMap<u32, u64> {
    let mut groups = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // The kernel's own threads have no memory, and those of other users that may not be seen are nobody's here.
        let Some(stat) = stat(pid).filter(|stat| stat.resident > 0) else { continue };
        if let Some(memory) = memory(pid) {
            *groups.entry(stat.group).or_insert(0) += memory.private;
        }
    }
    groups
}

/// What the machine could still hand out, in KiB; `None` where it is not told.
pub(crate) fn available_kib() -> Option<u64> {
    let all = fs::read_to_string("/proc/meminfo").ok()?;
    let line = all.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// When a process started, in clock ticks since boot: with its number it names one process for ever.
pub(crate) fn started(pid: u32) -> Option<u64> {
    stat(pid).map(|stat| stat.started)
}

struct Stat {
    group: u32,
    started: u64,
    /// Pages.
    resident: u64,
}

/// Fields 5, 22 and 24 of `/proc/PID/stat`; the second, the name, is in parentheses and may hold anything.
fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after_name = text.rsplit_once(") ")?.1;
    let fields: Vec<&str> = after_name.split(' ').collect();
    let field = |number: usize| fields.get(number - 3).and_then(|text| text.parse::<u64>().ok());
    Some(Stat { group: field(5)? as u32, started: field(22)?, resident: field(24)? })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_seen() {
        let pid = std::process::id();
        let now = memory(pid).unwrap();
        assert!(now.private > 100 && now.peak >= now.private, "{now:?}");
        let group = rustix::process::getpgrp().as_raw_nonzero().get() as u32;
        assert!(Groups::default().private_kib(group) + 4096 >= now.private);
        assert!(started(pid).unwrap() > 0 && available_kib().unwrap() > 0);
    }
}
