//! What a process writes, on its way to the function's log group.
//!
//! Read by a task while the process runs by itself, and by the invocation at its end: whatever the function wrote before it
//! answered is in the pipes by then, so END and REPORT come after it. Memory is bounded by one message and one batch; a log
//! sink that is slow makes the pipes full, and the function waits as it would for any full pipe.

use super::frames::{Frames, Lines};
use crate::{FunctionKey, FunctionVersion};
use millrace_base::{Clock, Millis};
use parking_lot::Mutex;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::net::unix::pipe;

/// `LogType=Tail` gives this much.
const TAIL_BYTES_MAX: usize = 4 * 1024;
/// Read at once.
const READ_BYTES: usize = 64 * 1024;
/// At the end of an invocation at most this much is read: a thread of the function that never stops writing must not keep
/// the answer back. More than two full pipes.
const DRAIN_BYTES_MAX: usize = 512 * 1024;

/// One event of a log stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When it was read.
    pub timestamp: Millis,
    /// The text, usually with its line feed.
    pub message: String,
}

/// Where the logs of functions go.
///
/// `put` keeps what it is given or, when it has no room, drops it and says so in the stream; it returns soon: function
/// processes wait for it.
pub trait LogSink: Send + Sync + 'static {
    /// Adds events to a stream of a log group, both of which it makes when they are not there.
    fn put(&self, function: &FunctionKey, group: &str, stream: &str, lines: Vec<LogLine>);
}

/// The logs of one process.
pub(crate) struct Logs {
    sink: Arc<dyn LogSink>,
    clock: Arc<dyn Clock>,
    version: Arc<FunctionVersion>,
    /// `yyyy/MM/dd/[VERSION]hex32`.
    pub stream: String,
    output: pipe::Receiver,
    frames: UnixStream,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    lines: Lines,
    frames: Frames,
    batch: Vec<LogLine>,
    tail: Vec<u8>,
}

impl State {
    fn add(&mut self, timestamp: Millis, message: &[u8]) {
        self.tail.extend_from_slice(message);
        if !message.ends_with(b"\n") {
            self.tail.push(b'\n');
        }
        if self.tail.len() > 4 * TAIL_BYTES_MAX {
            self.cut_tail();
        }
        self.batch.push(LogLine { timestamp, message: String::from_utf8_lossy(message).into_owned() });
    }

    fn cut_tail(&mut self) {
        let over = self.tail.len().saturating_sub(TAIL_BYTES_MAX);
        self.tail.drain(..over);
    }
}

impl Logs {
    /// Takes the reading ends of the process's output and of its frames.
    pub fn new(
        sink: Arc<dyn LogSink>,
        clock: Arc<dyn Clock>,
        version: Arc<FunctionVersion>,
        stream: String,
        (output, frames): (pipe::Receiver, UnixStream),
    ) -> Self {
        Self { sink, clock, version, stream, output, frames, state: Mutex::default() }
    }

    /// Reads until the process and all who have its output are gone.
    pub async fn follow(&self) {
        let (mut output, mut frames) = (true, true);
        while output || frames {
            tokio::select! {
                ready = self.output.readable(), if output => {
                    output = ready.is_ok() && self.output.try_io(|| self.drain().0.ready()).unwrap_or(true);
                }
                ready = self.frames.readable(), if frames => {
                    let drain = || self.drain().1.ready();
                    frames = ready.is_ok() && self.frames.try_io(Interest::READABLE, drain).unwrap_or(true);
                }
            }
            // A function that writes without end leaves room for others.
            tokio::task::yield_now().await;
        }
    }

    /// Starts an invocation: its tail begins here.
    pub fn begin(&self, lines: Vec<String>) {
        let mut state = self.state.lock();
        state.tail.clear();
        self.append(&mut state, lines);
    }

    /// Ends an invocation: what the function wrote, then `lines`. Gives the tail.
    pub fn finish(&self, lines: Vec<String>, process_ended: bool) -> Vec<u8> {
        let mut state = self.state.lock();
        let (output, _) = self.read(&mut state);
        // A last line without a line feed belongs to this invocation: the next one, if any comes, has its own words.
        if process_ended || output != Pulled::More {
            let now = self.clock.now();
            let mut rest = Vec::new();
            state.lines.finish(|line| rest.extend_from_slice(line));
            if !rest.is_empty() {
                state.add(now, &rest);
            }
        }
        self.append(&mut state, lines);
        state.cut_tail();
        state.tail.clone()
    }

    /// Lines of the platform, outside of any invocation or within it.
    pub fn say(&self, lines: Vec<String>) {
        let mut state = self.state.lock();
        self.read(&mut state);
        self.append(&mut state, lines);
    }

    /// Reads what is there and hands it on.
    fn drain(&self) -> (Pulled, Pulled) {
        let mut state = self.state.lock();
        let ended = self.read(&mut state);
        self.flush(&mut state);
        ended
    }

    fn append(&self, state: &mut State, lines: Vec<String>) {
        let now = self.clock.now();
        for line in lines {
            state.add(now, line.as_bytes());
        }
        self.flush(state);
    }

    fn read(&self, state: &mut State) -> (Pulled, Pulled) {
        let now = self.clock.now();
        let mut buffer = vec![0; READ_BYTES];
        let State { lines, frames, .. } = state;
        let (mut lines, mut frames) = (std::mem::take(lines), std::mem::take(frames));
        let from_output = pull(self.output.as_fd(), &mut buffer, |bytes| {
            lines.take(bytes, |line| state.add(now, line));
        });
        let from_frames = pull(self.frames.as_fd(), &mut buffer, |bytes| {
            frames.take(bytes, |message| state.add(now, message));
        });
        (state.lines, state.frames) = (lines, frames);
        (from_output, from_frames)
    }

    fn flush(&self, state: &mut State) {
        let batch = std::mem::take(&mut state.batch);
        if !batch.is_empty() {
            self.sink.put(&self.version.key, &self.version.logging.group, &self.stream, batch);
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pulled {
    /// Nothing is there now.
    Empty,
    /// There is more than is read at once.
    More,
    /// There will never be anything.
    Ended,
}

impl Pulled {
    /// As tokio wants it told: `WouldBlock` makes it wait, `false` is the end.
    fn ready(self) -> io::Result<bool> {
        match self {
            Self::Empty => Err(io::ErrorKind::WouldBlock.into()),
            Self::More => Ok(true),
            Self::Ended => Ok(false),
        }
    }
}

fn pull(fd: BorrowedFd<'_>, buffer: &mut [u8], mut take: impl FnMut(&[u8])) -> Pulled {
    let mut total = 0;
    while total < DRAIN_BYTES_MAX {
        match rustix::io::read(fd, &mut *buffer) {
            Ok(0) => return Pulled::Ended,
            Ok(count) => {
                take(&buffer[..count]);
                total += count;
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => return Pulled::Empty,
            Err(_) => return Pulled::Ended,
        }
    }
    Pulled::More
}
