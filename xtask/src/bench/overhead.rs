//! What eyes and locks cost: the same signed `PutRecords` against a server with and one without them.
//!
//! Both servers run at once and are loaded in turns of two seconds, so that what the machine does besides hits both. The
//! figure is the median over all turns; processor time per record stands beside it because it is the quieter of the two.

use super::http::Connection;
use super::log::{RECORDS, batches};
use super::report::Row;
use super::server::Server;
use super::sign::Signer;
use super::{Setup, median};
use std::path::Path;
use std::time::{Duration, Instant};

const CONNECTIONS: usize = 4;
const SHARDS: usize = 8;
const TURNS: usize = 12;
const TURN: Duration = Duration::from_secs(2);
const STREAM: &str = "bench";
/// May do what the load does, and nothing else.
const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[
    {"Effect":"Allow","Action":["kinesis:PutRecord","kinesis:PutRecords"],
     "Resource":"arn:aws:kinesis:us-east-1:000000000000:stream/bench",
     "Condition":{"StringEquals":{"aws:RequestedRegion":"us-east-1"}}},
    {"Effect":"Deny","Action":"kinesis:Delete*","Resource":"*"}]}"#;

/// What is switched on in one of the two servers.
struct Feature {
    bench: &'static str,
    with: &'static [&'static str],
    without: &'static [&'static str],
    ceiling: &'static str,
}

const FEATURES: [Feature; 3] = [
    Feature {
        bench: "overhead: metrics and correlation (durable puts with : without)",
        with: &["--telemetry", "on"],
        without: &["--telemetry", "off"],
        ceiling: "3 %",
    },
    Feature {
        bench: "overhead: SigV4 and policies (durable puts with : without)",
        with: &["--auth", "on"],
        without: &["--auth", "off"],
        ceiling: "15 %",
    },
    Feature {
        bench: "overhead: encryption at rest (durable puts with : without)",
        with: &["--encryption", "on"],
        without: &["--encryption", "off"],
        ceiling: "15 %",
    },
];

/// One row a feature.
pub fn run(setup: &Setup) -> Result<Vec<Row>, String> {
    FEATURES.iter().map(|feature| compare(setup, feature)).collect()
}

fn compare(setup: &Setup, feature: &Feature) -> Result<Row, String> {
    let mut sides = [
        Side::open(setup, &setup.cache.join("with"), feature.with)?,
        Side::open(setup, &setup.cache.join("without"), feature.without)?,
    ];
    // The first turn warms up.
    for turn in 0..=TURNS {
        for side in &mut sides {
            side.turn(turn > 0)?;
        }
    }
    let [with, without] = &mut sides;
    let mut ratios: Vec<f64> = with.rates.iter().zip(&without.rates).map(|(with, without)| with / without).collect();
    let cost = (1.0 - median(&mut ratios)) * 100.0;
    let (cpu_with, cpu_without) = (median(&mut with.cpu), median(&mut without.cpu));
    Ok(Row {
        bench: feature.bench,
        unit: "records/s",
        millrace: median(&mut with.rates),
        peer: Some(("Millrace without", median(&mut without.rates))),
        higher_is_better: true,
        notes: format!(
            "cost {cost:.1} % of throughput (at most {}); server {cpu_with:.2} against {cpu_without:.2} µs of processor \
             time a record",
            feature.ceiling
        ),
    })
}

/// A server, the load that is made for it, and what was measured of it.
struct Side {
    server: Server,
    requests: Vec<Vec<Vec<u8>>>,
    rates: Vec<f64>,
    cpu: Vec<f64>,
}

impl Side {
    fn open(setup: &Setup, folder: &Path, arguments: &[&str]) -> Result<Self, String> {
        let (server, root) = Server::with(&setup.millrace, folder, arguments)?;
        server.create_stream_as(&root, STREAM, SHARDS)?;
        let signer = if arguments.contains(&"--auth") { putter(&server, &root)? } else { root };
        let requests = (0..CONNECTIONS as u64).map(|seed| {
            let bodies = batches(seed, STREAM);
            bodies.iter().map(|body| signer.kinesis("PutRecords", body)).collect()
        });
        let requests = requests.collect();
        Ok(Self { server, requests, rates: Vec::new(), cpu: Vec::new() })
    }

    fn turn(&mut self, counts: bool) -> Result<(), String> {
        let (port, cpu, began) = (self.server.port, self.server.cpu_secs(), Instant::now());
        let counted: Result<Vec<usize>, String> = std::thread::scope(|scope| {
            let workers: Vec<_> =
                self.requests.iter().map(|requests| scope.spawn(move || put(port, requests))).collect();
            workers.into_iter().map(|worker| worker.join().map_err(|_| "a load thread panicked".to_owned())?).collect()
        });
        let (records, seconds) = (counted?.into_iter().sum::<usize>() as f64, began.elapsed().as_secs_f64());
        if counts {
            self.rates.push(records / seconds);
            self.cpu.push((self.server.cpu_secs() - cpu) * 1e6 / records);
        }
        Ok(())
    }
}

/// The records acknowledged in one turn.
fn put(port: u16, requests: &[Vec<u8>]) -> Result<usize, String> {
    let mut connection = Connection::open(port)?;
    let started = Instant::now();
    let mut records = 0;
    for request in requests.iter().cycle() {
        connection.call(request)?;
        records += RECORDS;
        if started.elapsed() > TURN {
            break;
        }
    }
    Ok(records)
}

/// A user who may do nothing but put.
fn putter(server: &Server, root: &Signer) -> Result<Signer, String> {
    let mut connection = Connection::open(server.port)?;
    let mut iam = |form: &str| {
        let answer = connection.call(&root.form("iam", form))?;
        Ok::<_, String>(String::from_utf8_lossy(answer).into_owned())
    };
    iam("Action=CreateUser&Version=2010-05-08&UserName=putter")?;
    iam(&format!(
        "Action=PutUserPolicy&Version=2010-05-08&UserName=putter&PolicyName=put&PolicyDocument={}",
        percent(POLICY)
    ))?;
    let keys = iam("Action=CreateAccessKey&Version=2010-05-08&UserName=putter")?;
    let field = |name: &str| {
        let (_, rest) = keys.split_once(&format!("<{name}>"))?;
        Some(rest.split_once('<')?.0.to_owned())
    };
    match (field("AccessKeyId"), field("SecretAccessKey")) {
        (Some(key), Some(secret)) => Ok(Signer::new(key, secret)),
        _ => Err(format!("CreateAccessKey answered {keys}")),
    }
}

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
