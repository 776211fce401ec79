//! A server process under measurement: started on a free port, ready when it answers, gone with its handle.

use super::http::Connection;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a server may take to answer its first request.
const READY_WITHIN: Duration = Duration::from_secs(20);

/// What `/proc` counts processor time in: 100 on every Linux that programs see.
const TICKS_PER_SEC: f64 = 100.0;

/// A running server; dropping it kills the process.
pub struct Server {
    child: Child,
    /// Where it speaks Kinesis.
    pub port: u16,
}

impl Server {
    /// Starts `program ARGUMENTS… --port PORT` and waits until it lists its streams.
    pub fn start(program: &Path, arguments: &[&str]) -> Result<Self, String> {
        let port = free_port()?;
        let child = Command::new(program)
            .args(arguments)
            .args(["--port", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", program.display()))?;
        let mut server = Self { child, port };
        let started = Instant::now();
        loop {
            if Connection::open(port).and_then(|mut connection| connection.json("ListStreams", "{}")).is_ok() {
                return Ok(server);
            }
            if let Ok(Some(status)) = server.child.try_wait() {
                return Err(format!("{} {} ended with {status}", program.display(), arguments.join(" ")));
            }
            if started.elapsed() > READY_WITHIN {
                return Err(format!("{} did not answer within {READY_WITHIN:?}", program.display()));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Starts Millrace on an empty data folder below `cache`.
    pub fn millrace(program: &Path, cache: &Path) -> Result<Self, String> {
        let data = cache.join("data");
        if data.exists() {
            std::fs::remove_dir_all(&data).map_err(|error| format!("cannot empty {}: {error}", data.display()))?;
        }
        std::fs::create_dir_all(&data).map_err(|error| format!("cannot create {}: {error}", data.display()))?;
        Self::again(program, cache)
    }

    /// Starts Millrace on the data folder below `cache` as it is.
    pub fn again(program: &Path, cache: &Path) -> Result<Self, String> {
        let data = cache.join("data");
        let search_port = free_port()?.to_string();
        Self::start(program, &["up", "--data", &data.to_string_lossy(), "--search-port", &search_port])
    }

    /// Creates a stream and waits until it takes records.
    pub fn create_stream(&self, name: &str, shards: usize) -> Result<(), String> {
        let mut connection = Connection::open(self.port)?;
        connection.json("CreateStream", &format!(r#"{{"StreamName":"{name}","ShardCount":{shards}}}"#))?;
        let started = Instant::now();
        loop {
            let about = connection.json("DescribeStreamSummary", &format!(r#"{{"StreamName":"{name}"}}"#))?;
            if about["StreamDescriptionSummary"]["StreamStatus"] == "ACTIVE" {
                return Ok(());
            }
            if started.elapsed() > READY_WITHIN {
                return Err(format!("stream {name} did not become ACTIVE within {READY_WITHIN:?}"));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The processor time that the process has used, in seconds; zero where `/proc` is absent.
    pub fn cpu_secs(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        // The program's name is in parentheses and may hold spaces; user and system time are the 12th and 13th behind it.
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / TICKS_PER_SEC
    }

    /// The most memory that the process ever held, in MB; zero where `/proc` is absent.
    pub fn peak_mb(&self) -> f64 {
        peak_mb(self.child.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// The most memory that a process ever held, in MB; zero where `/proc` is absent.
pub fn peak_mb(process: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap_or(0.0) / 1024.0
}

/// A port that nobody listens on just now.
fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| format!("no free port: {error}"))?;
    listener.local_addr().map(|address| address.port()).map_err(|error| error.to_string())
}
