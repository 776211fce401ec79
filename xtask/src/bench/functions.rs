//! Functions: how soon after a put a warm one runs, how many records a no-op one is handed, and how long a cold one takes.
//!
//! The functions are Python, the slowest runtime to hand over to, and tell what they see in UDP datagrams to this process: when
//! a record's `PutRecord` was sent (its data) and when the handler was entered, both on the one clock of this machine.
//! There is no peer: nothing else runs event source mappings without containers.

use super::http::Connection;
use super::report::Row;
use super::server::Server;
use super::{Setup, median, percentile};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::net::UdpSocket;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const PUTS: usize = 2_000;
const PACE: Duration = Duration::from_millis(5);
/// The first records warm everything up and are not counted.
const WARM_UP: usize = 200;
/// Records of 1 KB that are there before the mapping is, and how they are handed over.
const RECORDS: usize = 200_000;
const RECORD_BYTES: usize = 1_000;
const BATCH: usize = 100;
const COLD_STARTS: usize = 10;
/// How long nothing may come before the bench gives up.
const PATIENCE: Duration = Duration::from_secs(60);

const HANDLERS: &str = r#"
import base64, os, socket, time

out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
out.connect(("127.0.0.1", int(os.environ.get("BENCH_PORT", "9"))))
seen = 0

def delays(event, context):
    now = time.time_ns()
    for record in event["Records"]:
        out.send(base64.b64decode(record["kinesis"]["data"]) + b" %d" % now)

def count(event, context):
    global seen
    seen += len(event["Records"])
    out.send(b"%d %d" % (os.getpid(), seen))

def nothing(event, context):
    return None
"#;

/// All three.
pub fn run(setup: &Setup) -> Result<Vec<Row>, String> {
    Ok(vec![latency(setup)?, throughput(setup)?, cold_start(setup)?])
}

fn latency(setup: &Setup) -> Result<Row, String> {
    let server = Server::millrace(&setup.millrace, &setup.cache)?;
    let listener = Listener::open()?;
    server.create_stream("latency", 1)?;
    create(server.port, "latency", "delays", listener.port)?;
    map(server.port, "latency", BATCH, 1)?;
    let putter = std::thread::spawn({
        let port = server.port;
        move || put_slowly(port)
    });
    let mut delays = Vec::with_capacity(PUTS);
    while delays.len() < PUTS {
        let (sent, received) = listener.pair()?;
        delays.push((received - sent) / 1e6);
    }
    putter.join().map_err(|_| "the putter panicked".to_owned())??;
    let mut counted = delays.split_off(WARM_UP);
    let (p50, p99) = (percentile(&mut counted, 50.0), percentile(&mut counted, 99.0));
    Ok(Row {
        bench: "functions: PutRecord → warm Python handler, p50",
        unit: "ms",
        millrace: p50,
        peer: None,
        higher_is_better: false,
        notes: format!(
            "p99 {p99:.2} ms; {PUTS} puts at {PACE:?}; from before the put is sent to the handler's first line"
        ),
    })
}

/// Puts records whose data is the time at which they were sent.
fn put_slowly(port: u16) -> Result<(), String> {
    let mut connection = Connection::open(port)?;
    let started = Instant::now();
    for index in 0..PUTS {
        let due = PACE * u32::try_from(index).map_err(|error| error.to_string())?;
        std::thread::sleep(due.saturating_sub(started.elapsed()));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|error| error.to_string())?;
        let data = base64_simd::STANDARD.encode_to_string(now.as_nanos().to_string());
        connection
            .json("PutRecord", &json!({"StreamName": "latency", "PartitionKey": "k", "Data": data}).to_string())?;
    }
    Ok(())
}

fn throughput(setup: &Setup) -> Result<Row, String> {
    let server = Server::millrace(&setup.millrace, &setup.cache)?;
    let listener = Listener::open()?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    server.create_stream("load", cores)?;
    fill(server.port)?;
    create(server.port, "load", "count", listener.port)?;
    let started = Instant::now();
    map(server.port, "load", BATCH, 2)?;
    let mut seen: BTreeMap<u64, u64> = BTreeMap::new();
    let mut first = None;
    // Counts only grow, so a datagram that is lost is made good by the next one of its process.
    while seen.values().sum::<u64>() < RECORDS as u64 {
        let (process, count) = listener.pair()?;
        first.get_or_insert_with(|| (Instant::now(), count));
        seen.insert(process as u64, count as u64);
    }
    let all = started.elapsed();
    let (first_at, first_count) = first.unwrap_or((started, 0.0));
    let rate = (RECORDS as f64 - first_count) / first_at.elapsed().as_secs_f64();
    Ok(Row {
        bench: "functions: 100 × 1 KB batches through a no-op Python handler, per core",
        unit: "records/s",
        millrace: rate / cores as f64,
        peer: None,
        higher_is_better: true,
        notes: format!(
            "{cores} cores, {} processes; {RECORDS} records in {:.2} s, from the first batch on; {:.2} s with the mapping's start",
            seen.len(),
            first_at.elapsed().as_secs_f64(),
            all.as_secs_f64()
        ),
    })
}

fn fill(port: u16) -> Result<(), String> {
    let mut connection = Connection::open(port)?;
    let data = base64_simd::STANDARD.encode_to_string(vec![b'x'; RECORD_BYTES]);
    for start in (0..RECORDS).step_by(500) {
        let record = |number| json!({ "Data": data, "PartitionKey": format!("{number}") });
        let records: Vec<Value> = (start..start + 500).map(record).collect();
        connection.json("PutRecords", &json!({ "StreamName": "load", "Records": records }).to_string())?;
    }
    Ok(())
}

fn cold_start(setup: &Setup) -> Result<Row, String> {
    let server = Server::millrace(&setup.millrace, &setup.cache)?;
    create(server.port, "cold", "nothing", 9)?;
    let mut connection = Connection::open(server.port)?;
    let (mut cold, mut warm) = (Vec::new(), Vec::new());
    for round in 0..COLD_STARTS {
        // Another environment is another process.
        let change = json!({ "Environment": { "Variables": { "ROUND": round.to_string() } } });
        connection.rest("PUT", "/2015-03-31/functions/cold/configuration", &change.to_string())?;
        wait_active(&mut connection, "cold")?;
        cold.push(invoke(&mut connection)?);
        warm.push(invoke(&mut connection)?);
    }
    let slowest = cold.iter().copied().fold(0.0, f64::max);
    let again = median(&mut warm);
    Ok(Row {
        bench: "functions: cold start of Python, Invoke to answer",
        unit: "ms",
        millrace: median(&mut cold),
        peer: None,
        higher_is_better: false,
        notes: format!("median of {COLD_STARTS}, slowest {slowest:.0} ms; warm {again:.2} ms"),
    })
}

/// Milliseconds of one call.
fn invoke(connection: &mut Connection) -> Result<f64, String> {
    let started = Instant::now();
    connection.rest("POST", "/2015-03-31/functions/cold/invocations", "{}")?;
    Ok(started.elapsed().as_secs_f64() * 1000.0)
}

fn create(port: u16, name: &str, handler: &str, to: u16) -> Result<(), String> {
    let mut connection = Connection::open(port)?;
    let version = python_version()?;
    let body = json!({
        "FunctionName": name, "Runtime": format!("python{version}"), "Handler": format!("bench.{handler}"),
        "Role": "arn:aws:iam::000000000000:role/bench", "Timeout": 30, "MemorySize": 256,
        "Environment": { "Variables": { "BENCH_PORT": to.to_string() } },
        "Code": { "ZipFile": base64_simd::STANDARD.encode_to_string(zip("bench.py", HANDLERS.as_bytes())?) },
    });
    connection.rest("POST", "/2015-03-31/functions", &body.to_string())?;
    wait_active(&mut connection, name)
}

fn wait_active(connection: &mut Connection, name: &str) -> Result<(), String> {
    let started = Instant::now();
    loop {
        let about = connection.rest("GET", &format!("/2015-03-31/functions/{name}/configuration"), "")?;
        if about["State"] == "Active" && about["LastUpdateStatus"] != "InProgress" {
            return Ok(());
        }
        if about["State"] == "Failed" || started.elapsed() > PATIENCE {
            return Err(format!("function {name} did not become Active: {about}"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn map(port: u16, name: &str, batch: usize, parallel: usize) -> Result<(), String> {
    let body = json!({
        "FunctionName": name, "EventSourceArn": format!("arn:aws:kinesis:us-east-1:000000000000:stream/{name}"),
        "StartingPosition": "TRIM_HORIZON", "BatchSize": batch, "ParallelizationFactor": parallel,
    });
    Connection::open(port)?.rest("POST", "/2015-03-31/event-source-mappings", &body.to_string()).map(drop)
}

/// The Python that functions find on this machine, so that no other one has to be looked for.
fn python_version() -> Result<String, String> {
    let print = "import sys; print('%d.%d' % sys.version_info[:2])";
    let said = crate::shell::output(std::process::Command::new("python3").args(["-c", print]))?;
    Ok(said.trim().to_owned())
}

/// Where functions tell what they see.
struct Listener {
    socket: UdpSocket,
    port: u16,
}

impl Listener {
    fn open() -> Result<Self, String> {
        let socket = UdpSocket::bind("127.0.0.1:0").map_err(|error| format!("no free UDP port: {error}"))?;
        socket.set_read_timeout(Some(PATIENCE)).map_err(|error| error.to_string())?;
        let port = socket.local_addr().map_err(|error| error.to_string())?.port();
        Ok(Self { socket, port })
    }

    /// The two numbers of the next datagram.
    fn pair(&self) -> Result<(f64, f64), String> {
        let mut datagram = [0; 256];
        let length = self.socket.recv(&mut datagram).map_err(|error| format!("the function is silent: {error}"))?;
        let text = String::from_utf8_lossy(&datagram[..length]).into_owned();
        let mut numbers = text.split(' ').filter_map(|number| number.parse::<f64>().ok());
        numbers.next().zip(numbers.next()).ok_or_else(|| format!("a datagram that no function sends: {text}"))
    }
}

/// A zip archive of one stored file.
fn zip(name: &str, content: &[u8]) -> Result<Vec<u8>, String> {
    let mut crc = flate2::Crc::new();
    crc.update(content);
    let too_long = |_| "the function's code is too long".to_owned();
    let size = u32::try_from(content.len()).map_err(too_long)?.to_le_bytes();
    let name_len = u16::try_from(name.len()).map_err(|_| "the file's name is too long".to_owned())?.to_le_bytes();
    // Version, flags, method (stored), time, date, checksum, both sizes, both lengths.
    let mut common = vec![20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0];
    common.extend(crc.sum().to_le_bytes().iter().chain(&size).chain(&size).chain(&name_len).chain(&[0, 0]));
    let mut out = Vec::new();
    let parts: [&[u8]; 9] = [
        b"PK\x03\x04",
        &common,
        name.as_bytes(),
        content,
        b"PK\x01\x02\x14\x03",
        &common,
        // No comment, first disk, no internal attributes; an ordinary file that all may read; at the start.
        &[0, 0, 0, 0, 0, 0, 0, 0, 0xa4, 0x81, 0, 0, 0, 0],
        name.as_bytes(),
        b"PK\x05\x06\0\0\0\0\x01\0\x01\0",
    ];
    let written: Result<Vec<()>, _> = parts.iter().map(|part| out.write_all(part)).collect();
    written.map_err(|error| error.to_string())?;
    let directory = 4 + 2 + common.len() + 14 + name.len();
    let directory_at = 4 + common.len() + name.len() + content.len();
    out.extend(u32::try_from(directory).map_err(too_long)?.to_le_bytes());
    out.extend(u32::try_from(directory_at).map_err(too_long)?.to_le_bytes());
    out.extend([0, 0]);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_reads_the_zip() {
        let folder = std::env::temp_dir().join(format!("millrace-bench-zip-{}", std::process::id()));
        let archive = zip("bench.py", HANDLERS.as_bytes()).unwrap();
        std::fs::write(&folder, archive).unwrap();
        let read = "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; \
                    sys.stdout.write(z.read('bench.py').decode())";
        let said = crate::shell::output(std::process::Command::new("python3").args(["-c", read]).arg(&folder)).unwrap();
        std::fs::remove_file(&folder).unwrap();
        assert_eq!(said, HANDLERS);
    }
}
