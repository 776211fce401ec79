//! Both versions of HTTP on one port, kept connections, and a shutdown that lets requests end.

use crate::door::{Door, TestClock, rpc_headers};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::net::TcpStream;

fn request(operation: &str, input: &Value) -> Request<Full<Bytes>> {
    let mut request = Request::post("http://localhost/");
    for (name, value) in rpc_headers(operation, "application/x-amz-json-1.1") {
        request = request.header(name, value);
    }
    request.body(Full::new(input.to_string().into())).unwrap()
}

#[tokio::test]
async fn http2_by_prior_knowledge_shares_the_port() {
    let dir = tempfile::tempdir().unwrap();
    let door = Door::open(dir.path(), TestClock::default()).await;
    let socket = TcpStream::connect(door.address).await.unwrap();
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(socket)).await.unwrap();
    let driving = tokio::spawn(connection);
    let created =
        sender.clone().send_request(request("CreateStream", &json!({"StreamName": "s", "ShardCount": 2}))).await;
    assert_eq!(created.unwrap().status(), 200);
    // Many puts at once over one connection, larger together than the first flow-control window.
    let data = "A".repeat(400_000);
    let puts = (0..24).map(|key| {
        let put = json!({"StreamName": "s", "Data": data, "PartitionKey": key.to_string()});
        let mut sender = sender.clone();
        tokio::spawn(async move {
            let answer = sender.send_request(request("PutRecord", &put)).await.unwrap();
            assert_eq!(answer.status(), 200);
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            serde_json::from_slice::<Value>(&body).unwrap()["SequenceNumber"].as_str().unwrap().to_owned()
        })
    });
    let mut numbers = Vec::new();
    for put in puts.collect::<Vec<_>>() {
        numbers.push(put.await.unwrap());
    }
    numbers.sort();
    numbers.dedup();
    assert_eq!(numbers.len(), 24);
    drop(sender);
    driving.abort();
    door.close().await;
}

#[tokio::test]
async fn a_connection_is_kept_after_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let door = Door::open(dir.path(), TestClock::default()).await;
    let socket = TcpStream::connect(door.address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket)).await.unwrap();
    let driving = tokio::spawn(connection);
    for status in [400, 400, 400] {
        let answer = sender.send_request(request("DescribeStream", &json!({"StreamName": "none"}))).await.unwrap();
        assert_eq!(answer.status(), status);
        assert!(answer.headers().contains_key("x-amzn-requestid") && answer.headers().contains_key("x-amz-id-2"));
        answer.into_body().collect().await.unwrap();
        sender.ready().await.unwrap();
    }
    // An idle kept connection does not hold the shutdown up.
    let closing = std::time::Duration::from_secs(5);
    tokio::time::timeout(closing, door.close()).await.expect("the server ends while a connection is idle");
    driving.abort();
}
