//! A load generator's HTTP client: whole requests are made beforehand, one connection is kept, answers are barely read.
//!
//! It shares the machine with the server that it measures, so every cycle it saves is a cycle of the measured program.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A kept connection to one server.
pub struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
}

/// A Kinesis request as bytes, ready to send any number of times.
pub fn request(operation: &str, body: &str) -> Vec<u8> {
    bytes_of("kinesis", "application/x-amz-json-1.1", &format!("Kinesis_20131202.{operation}"), body)
}

/// A request to a service of AWS's JSON protocol as bytes.
pub fn bytes_of(service: &str, content_type: &str, target: &str, body: &str) -> Vec<u8> {
    // Any credentials will do; servers take region and account from here.
    let credential = format!(
        "AWS4-HMAC-SHA256 Credential=000000000000/20260101/us-east-1/{service}/aws4_request, \
         SignedHeaders=host;x-amz-date, Signature=0000"
    );
    format!(
        "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {content_type}\r\nX-Amz-Target: {target}\r\n\
         X-Amz-Date: 20260101T000000Z\r\nAuthorization: {credential}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

impl Connection {
    /// Connects to a port of this machine.
    pub fn open(port: u16) -> Result<Self, String> {
        let stream = TcpStream::connect(("127.0.0.1", port)).map_err(|error| format!("port {port}: {error}"))?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        stream.set_read_timeout(Some(Duration::from_secs(60))).map_err(|error| error.to_string())?;
        Ok(Self { stream, answer: Vec::with_capacity(1 << 20) })
    }

    /// Sends a request made by [`request`] and gives the answer's body; an answer that is no success is an error.
    pub fn call(&mut self, request: &[u8]) -> Result<&[u8], String> {
        self.stream.write_all(request).map_err(|error| format!("cannot send: {error}"))?;
        self.answer.clear();
        let (mut body_at, mut end) = (0, usize::MAX);
        while self.answer.len() < end {
            let filled = self.answer.len();
            self.answer.resize(filled + (256 << 10), 0);
            let count = self.stream.read(&mut self.answer[filled..]).map_err(|error| format!("no answer: {error}"))?;
            self.answer.truncate(filled + count);
            if count == 0 {
                return Err("the server closed the connection in the middle of an answer".to_owned());
            }
            if body_at == 0
                && let Some((head, length)) = head(&self.answer)?
            {
                (body_at, end) = (head, head + length);
            }
        }
        let body = &self.answer[body_at..];
        if self.answer.starts_with(b"HTTP/1.1 2") {
            Ok(body)
        } else {
            Err(format!("the server refused: {}", String::from_utf8_lossy(body)))
        }
    }

    /// True when the last answer said that the server closes the connection.
    pub fn is_closed(&self) -> bool {
        let end = self.answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(0);
        let head = String::from_utf8_lossy(&self.answer[..end]).to_ascii_lowercase();
        head.lines().any(|line| line.starts_with("connection:") && line.contains("close"))
    }

    /// Makes and sends one request of Lambda's REST API and reads the answer as JSON; an empty body is null.
    pub fn rest(&mut self, method: &str, path: &str, body: &str) -> Result<serde_json::Value, String> {
        let credential = "AWS4-HMAC-SHA256 Credential=000000000000/20260101/us-east-1/lambda/aws4_request, \
                          SignedHeaders=host;x-amz-date, Signature=0000";
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\
             X-Amz-Date: 20260101T000000Z\r\nAuthorization: {credential}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = self.call(request.as_bytes()).map_err(|error| format!("{method} {path}: {error}"))?;
        if answer.is_empty() {
            return Ok(serde_json::Value::Null);
        }
        serde_json::from_slice(answer).map_err(|error| format!("{method} {path}: {error}"))
    }

    /// Makes and sends one request and reads the answer as JSON; an empty body is null.
    pub fn json(&mut self, operation: &str, body: &str) -> Result<serde_json::Value, String> {
        let answer = self.call(&request(operation, body))?;
        if answer.is_empty() {
            return Ok(serde_json::Value::Null);
        }
        serde_json::from_slice(answer).map_err(|error| format!("{operation}: {error}"))
    }
}

/// Where the body begins and how long it is; none while the head is not all there.
fn head(answer: &[u8]) -> Result<Option<(usize, usize)>, String> {
    let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let text = String::from_utf8_lossy(&answer[..end]);
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let length = length.ok_or("the answer has no Content-Length, which this client needs")?;
    Ok(Some((end + 4, length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_tells_where_the_body_is() {
        assert_eq!(head(b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nabc"), Ok(Some((38, 7))));
        assert_eq!(head(b"HTTP/1.1 200 OK\r\ncontent-le"), Ok(None));
    }

    #[test]
    fn requests_carry_their_length() {
        let bytes = request("ListStreams", "{}");
        assert!(bytes.ends_with(b"Content-Length: 2\r\n\r\n{}"));
    }
}
