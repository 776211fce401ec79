//! Work that may wait.

/// What Linux takes from a thread's share of a busy processor: next to a thread that serves somebody it gets a tenth.
#[cfg(target_os = "linux")]
const BACKGROUND_NICENESS: i32 = 10;

/// From now on this thread, and those that it starts, give way to those that somebody waits for: merges of segments, files of a
/// lake. Where priorities belong to processes (all but Linux) nothing changes.
pub fn work_in_background() {
    #[cfg(target_os = "linux")]
    // Linux refuses no lower priority; a sandbox that does leaves it as it is, which is only slower.
    let _ = rustix::process::setpriority_process(None, BACKGROUND_NICENESS);
}
