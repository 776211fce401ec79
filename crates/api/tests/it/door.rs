//! A server on a free port over a real log in a temporary folder, with a clock that only tests move.

use millrace_access::Identities;
use millrace_api::kinesis::{KinesisOptions, Unobserved};
use millrace_api::{Doors, Service, serve};
use millrace_base::{Clock, Millis, SystemDice, SystemDisk};
use millrace_catalog::Catalog;
use millrace_log::{LocalLog, LogOptions, LogParts, Monitoring};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// 2026-09-21T14:13:20Z.
pub const START: Millis = 1_790_000_000_000;

/// Stands still until it is moved.
#[derive(Clone)]
pub struct TestClock(pub Arc<AtomicI64>);

impl Default for TestClock {
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(START)))
    }
}

impl TestClock {
    pub fn advance(&self, ms: Millis) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Millis {
        self.0.load(Ordering::SeqCst)
    }
}

/// A running server.
pub struct Door {
    pub address: SocketAddr,
    pub clock: TestClock,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<std::io::Result<()>>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&self.body).into()))
    }
}

impl Door {
    pub async fn open(dir: &Path, clock: TestClock) -> Self {
        Self::open_with(dir, clock, Vec::new()).await
    }

    /// A server with further services.
    pub async fn open_with(dir: &Path, clock: TestClock, services: Vec<Arc<dyn Service>>) -> Self {
        let catalog = Catalog::open(&SystemDisk, &dir.join("catalog")).unwrap();
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let parts = LogParts {
            clock: shared.clone(),
            disk: Arc::new(SystemDisk),
            catalog: catalog.clone(),
            dir: dir.join("log"),
        };
        let options = KinesisOptions {
            observer: Arc::new(Unobserved),
            monitoring: Monitoring::open(catalog.clone()).unwrap(),
            quotas: false,
            seals: None,
            policies: None,
        };
        let identities = Identities::new(catalog.clone(), Arc::new(clock.clone()), Arc::new(SystemDice));
        let doors = Doors {
            log: LocalLog::open(parts, LogOptions::default()).unwrap(),
            catalog,
            clock: shared,
            dice: Arc::new(SystemDice),
            iterator_key: [7; 32],
            services,
            kinesis: options,
            router: axum::Router::new(),
            identities,
            gate: None,
            audit: None,
            tls: millrace_api::http::Tls::default(),
            s3: millrace_api::s3::S3::elsewhere(),
            engine: None,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(serve(listener, doors, async {
            let _ = stopped.await;
        }));
        Self { address, clock, stop: Some(stop), serving }
    }

    /// Shuts the server down and waits until it is.
    pub async fn close(mut self) {
        drop(self.stop.take());
        self.serving.await.unwrap().unwrap();
    }

    /// Calls a Kinesis operation with JSON.
    pub async fn call(&self, operation: &str, input: Value) -> Answer {
        self.post(&rpc_headers(operation, "application/x-amz-json-1.1"), &serde_json::to_vec(&input).unwrap()).await
    }

    /// Posts to `/` on a connection of its own.
    pub async fn post(&self, headers: &BTreeMap<String, String>, body: &[u8]) -> Answer {
        self.send("POST", "/", headers, body).await
    }

    /// Sends a request on a connection of its own.
    pub async fn send(&self, method: &str, path: &str, headers: &BTreeMap<String, String>, body: &[u8]) -> Answer {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        request += &format!("content-length: {}\r\n\r\n", body.len());
        socket.write_all(request.as_bytes()).await.unwrap();
        // A refused body may be cut off by the server's answer.
        let _ = socket.write_all(body).await;
        let mut whole = Vec::new();
        let _ = socket.read_to_end(&mut whole).await;
        parse(&whole)
    }
}

/// What every signed RPC request carries.
pub fn rpc_headers(operation: &str, content_type: &str) -> BTreeMap<String, String> {
    let credential = "Credential=111111111111/20260921/us-east-1/kinesis/aws4_request";
    let headers = [
        ("content-type", content_type.to_owned()),
        ("x-amz-target", format!("Kinesis_20131202.{operation}")),
        ("x-amz-date", "20260921T141320Z".to_owned()),
        ("authorization", format!("AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature=00")),
    ];
    headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn parse(whole: &[u8]) -> Answer {
    let end = whole.windows(4).position(|four| four == b"\r\n\r\n").expect("a whole head");
    let head = String::from_utf8(whole[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.into(), value.into()));
    Answer { status, headers: headers.collect(), body: whole[end + 4..].to_vec() }
}
