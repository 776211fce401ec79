//! A server process under measurement: started on a free port, ready when it answers, gone with its handle.

use super::http::{Connection, request};
use super::sign::Signer;
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
        Self::start_at(program, arguments, free_port()?, &[])
    }

    /// Starts a server on a port that is known, with further variables in its environment.
    pub fn start_at(
        program: &Path,
        arguments: &[&str],
        port: u16,
        environment: &[(&str, &str)],
    ) -> Result<Self, String> {
        let child = Command::new(program)
            .args(arguments)
            .args(["--port", &port.to_string()])
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", program.display()))?;
        let mut server = Self { child, port };
        let started = Instant::now();
        loop {
            // A server that checks signatures refuses this one: it is there all the same.
            let asked = Connection::open(port).and_then(|mut it| it.call(&request("ListStreams", "{}")).map(|_| ()));
            if asked.is_ok() || asked.is_err_and(|reason| reason.starts_with("the server refused")) {
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

    /// Starts Millrace with further arguments on an empty data folder; gives also who may do everything.
    pub fn with(program: &Path, data: &Path, arguments: &[&str]) -> Result<(Self, Signer), String> {
        if data.exists() {
            std::fs::remove_dir_all(data).map_err(|error| format!("cannot empty {}: {error}", data.display()))?;
        }
        let search_port = free_port()?.to_string();
        let folder = data.to_string_lossy();
        let all = [&["up", "--data", &folder, "--search-port", &search_port], arguments].concat();
        let server = Self::start(program, &all)?;
        let Ok(credentials) = std::fs::read_to_string(data.join("credentials")) else {
            return Ok((server, Signer::unchecked()));
        };
        let field = |name: &str| {
            let values = credentials.lines().filter_map(|line| line.split_once('='));
            let found = values.map(|(key, value)| (key.trim(), value.trim())).find(|(key, _)| *key == name);
            found.map(|(_, value)| value.to_owned()).ok_or(format!("there is no {name} in the server's credentials"))
        };
        let signer = Signer::new(field("aws_access_key_id")?, field("aws_secret_access_key")?);
        Ok((server, signer))
    }

    /// Creates a stream and waits until it takes records.
    pub fn create_stream(&self, name: &str, shards: usize) -> Result<(), String> {
        self.create_stream_as(&Signer::unchecked(), name, shards)
    }

    /// Creates a stream as who `signer` signs for.
    pub fn create_stream_as(&self, signer: &Signer, name: &str, shards: usize) -> Result<(), String> {
        let mut connection = Connection::open(self.port)?;
        let asked = format!(r#"{{"StreamName":"{name}","ShardCount":{shards}}}"#);
        connection.call(&signer.kinesis("CreateStream", &asked))?;
        let started = Instant::now();
        let asked = signer.kinesis("DescribeStreamSummary", &format!(r#"{{"StreamName":"{name}"}}"#));
        loop {
            let about: serde_json::Value =
                serde_json::from_slice(connection.call(&asked)?).map_err(|error| error.to_string())?;
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
pub fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| format!("no free port: {error}"))?;
    listener.local_addr().map(|address| address.port()).map_err(|error| error.to_string())
}
