//! A function's process: started in a group of its own, watched, and killed with all that it started.
//!
//! # Who ends it
//! - The server, by the process group, at every end but the process's own.
//! - A shell of one line beside it, when the server is gone however it went: it waits at the other end of a socket that
//!   only the server holds, and kills the group when the socket closes.
//! - The next server on the same data folder: `RUN/PID` holds when the process started, and whatever is left of such a
//!   process is killed before the first function starts.

#![allow(clippy::disallowed_methods, reason = "a driver of processes and of what they leave in the file system")]

use super::usage;
use crate::RoleCredentials;
use crate::runtimes::{Launch, TMP_PLACE};
use rustix::process::{Pid, Signal, WaitOptions};
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};

/// Descriptor 3 carries log frames to the server, and its end back to the shell that waits for it. The waiting shell is
/// nobody's child, so that the function does not find it among its own.
const START: &str = r#"exec 3<&0 </dev/null
( ( read -r gone <&3; kill -9 -$$ ) >/dev/null 2>&1 & )
[ -n "$_LAMBDA_TELEMETRY_LOG_FD" ] || exec 3<&-
exec "$@""#;

/// As on AWS.
const OPEN_FILES_MAX: u64 = 1024;

/// What differs between the processes of one version.
pub(super) struct Place<'a> {
    /// Where the Runtime API answers.
    pub api: SocketAddr,
    /// The log stream.
    pub stream: &'a str,
    /// The folder for the process's own files; made here.
    pub tmp: PathBuf,
    /// The folder of [`leftovers`].
    pub run: &'a Path,
    /// What one file in `tmp` may hold.
    pub ephemeral_mib: u32,
    /// What it calls other services with.
    pub credentials: Option<&'a RoleCredentials>,
}

/// A running process group.
pub(super) struct Process {
    child: Child,
    pid: u32,
    tmp: PathBuf,
    record: PathBuf,
}

/// The reading ends of a process's output and of its log frames.
pub(super) type Pipes = (pipe::Receiver, tokio::net::UnixStream);

/// Starts a process.
pub(super) fn start(launch: &Launch, program: &Path, place: Place<'_>) -> io::Result<(Process, Pipes)> {
    let (output, writer) = io::pipe()?;
    let (frames, telemetry) = UnixStream::pair()?;
    frames.set_nonblocking(true)?;
    fs::create_dir_all(&place.tmp)?;
    let tmp = place.tmp.display().to_string();

    let mut command = Command::new("/bin/sh");
    command.args(["-c", START, "sh"]).arg(program);
    command.args(launch.arguments.iter().map(|argument| argument.replace(TMP_PLACE, &tmp)));
    command.env_clear().envs(&launch.environment);
    command.env("AWS_LAMBDA_RUNTIME_API", place.api.to_string()).env("AWS_LAMBDA_LOG_STREAM_NAME", place.stream);
    // Its user may have no home, and some libraries insist on one.
    command.env("TMPDIR", &place.tmp).env("HOME", &place.tmp);
    if launch.framed {
        command.env("_LAMBDA_TELEMETRY_LOG_FD", "3");
    }
    if let Some(credentials) = place.credentials {
        command.env("AWS_ACCESS_KEY_ID", &credentials.access_key_id);
        command.env("AWS_SECRET_ACCESS_KEY", &credentials.secret_access_key);
        command.env("AWS_SESSION_TOKEN", &credentials.session_token);
    }
    command.current_dir(&launch.folder).process_group(0);
    command.stdin(OwnedFd::from(telemetry)).stdout(writer.try_clone()?).stderr(writer);
    if let Some(user) = launch.user {
        user.owns(&place.tmp)?;
        command.uid(user.id()).gid(user.id());
    }
    let child = command.spawn();
    // The command holds the writing ends; the reading ones must see them close.
    drop(command);
    let child = child.inspect_err(|_| drop(fs::remove_dir_all(&place.tmp)))?;
    let pid = child.id().ok_or_else(|| io::Error::other("the process ended before it was looked at"))?;
    limit(pid, place.ephemeral_mib);
    let record = place.run.join(pid.to_string());
    if let Some(started) = usage::started(pid) {
        fs::create_dir_all(place.run)?;
        fs::write(&record, started.to_string())?;
    }
    let pipes = (pipe::Receiver::from_owned_fd(output.into())?, tokio::net::UnixStream::from_std(frames)?);
    Ok((Process { child, pid, tmp: place.tmp, record }, pipes))
}

/// Limits that the kernel keeps by itself. Memory is not among them: runtimes reserve far more address space than they use.
fn limit(pid: u32, ephemeral_mib: u32) {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Resource, Rlimit};
        let set = |resource, most: u64| {
            let limit = Rlimit { current: Some(most), maximum: Some(most) };
            // A process that may not be limited, or is gone already, is watched all the same.
            let _ = rustix::process::prlimit(pid_of(pid), resource, limit);
        };
        set(Resource::Fsize, u64::from(ephemeral_mib) * 1024 * 1024);
        set(Resource::Nofile, OPEN_FILES_MAX);
        set(Resource::Core, 0);
    }
}

fn pid_of(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}

impl Process {
    /// Waits for its end.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// True when it has ended.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    pub fn id(&self) -> u32 {
        self.pid
    }

    /// The folder of its own files.
    pub fn tmp(&self) -> &Path {
        &self.tmp
    }

    /// Kills the whole group.
    pub fn kill(&self) {
        kill_group(self.pid);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        let _ = fs::remove_file(&self.record);
        let tmp = std::mem::take(&mut self.tmp);
        let remove = move || {
            if let Err(error) = fs::remove_dir_all(&tmp)
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!("{}: a function's temporary files stay: {error}", tmp.display());
            }
        };
        match tokio::runtime::Handle::try_current() {
            Ok(handle) => drop(handle.spawn_blocking(remove)),
            Err(_) => remove(),
        }
    }
}

fn kill_group(pid: u32) {
    let Some(pid) = pid_of(pid) else { return };
    // Nobody left to kill is what is wanted.
    let _ = rustix::process::kill_process_group(pid, Signal::KILL);
    // Members whose parent is gone are this process's children where it is the first of its container.
    while let Ok(Some(_)) = rustix::process::waitpgid(pid, WaitOptions::NOHANG) {}
}

/// Kills what a server before this one left running, and removes its temporary files.
pub(crate) fn leftovers(run: &Path, tmp: &Path) -> io::Result<()> {
    for entry in fs::read_dir(run).into_iter().flatten().flatten() {
        let recorded = fs::read_to_string(entry.path()).ok().and_then(|text| text.trim().parse::<u64>().ok());
        let pid = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok());
        // Numbers are used again; the same number with the same start is the same process.
        if let Some(pid) = pid.filter(|&pid| recorded.is_some() && usage::started(pid) == recorded) {
            kill_group(pid);
        }
        fs::remove_file(entry.path())?;
    }
    match fs::remove_dir_all(tmp) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => fs::create_dir_all(tmp),
    }
}
