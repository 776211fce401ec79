//! Measures, does not judge: `cargo test -p millrace-api --release -- --ignored --nocapture durable_puts`.

use crate::door::{Door, TestClock, rpc_headers};
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const CONNECTIONS: usize = 4;
const RECORDS: usize = 500;
const SECONDS: u64 = 5;

/// A whole request, ready to be sent again and again.
fn request(connection: usize) -> Vec<u8> {
    let data = base64_simd::STANDARD.encode_to_string(vec![b'x'; 1024]);
    let record = |n: usize| json!({"Data": data, "PartitionKey": format!("key-{connection}-{n}")});
    let body = json!({"StreamName": "s", "Records": (0..RECORDS).map(record).collect::<Vec<_>>()}).to_string();
    let mut head = "POST / HTTP/1.1\r\nhost: localhost\r\n".to_owned();
    for (name, value) in rpc_headers("PutRecords", "application/x-amz-json-1.1") {
        head += &format!("{name}: {value}\r\n");
    }
    format!("{head}content-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

async fn put_for(address: std::net::SocketAddr, connection: usize, end: Instant) -> usize {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.set_nodelay(true).unwrap();
    let request = request(connection);
    let mut answer = vec![0; 256 * 1024];
    let mut puts = 0;
    while Instant::now() < end {
        socket.write_all(&request).await.unwrap();
        let mut have = 0;
        // The answer is one JSON document that ends with these.
        while !answer[..have].ends_with(b"]}") {
            let read = socket.read(&mut answer[have..]).await.unwrap();
            assert!(read > 0, "{}", String::from_utf8_lossy(&answer[..have]));
            have += read;
        }
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer[..have.min(400)]));
        puts += 1;
    }
    puts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn durable_puts() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let door = Door::open(dir.path(), TestClock::default()).await;
    door.call("CreateStream", json!({"StreamName": "s", "ShardCount": 8})).await;
    let begin = Instant::now();
    let end = begin + Duration::from_secs(SECONDS);
    let clients: Vec<_> = (0..CONNECTIONS).map(|n| tokio::spawn(put_for(door.address, n, end))).collect();
    let mut puts = 0;
    for client in clients {
        puts += client.await.unwrap();
    }
    let rate = (puts * RECORDS) as f64 / begin.elapsed().as_secs_f64();
    println!("{rate:.0} records of 1 KB a second, durable, the client on the same machine");
    door.close().await;
}
