//! An S3 store that fails now and then: another Millrace, behind a proxy that answers 503 instead of passing a request on.

use super::server::empty;
use crate::bench::server::Server;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// S3's own way to say that one should come again.
const SLOW_DOWN: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>SlowDown</Code>\
                         <Message>Please reduce your request rate.</Message></Error>";

/// A store that fails one request in so many.
pub struct FaultyStore {
    /// Where it fails.
    pub url: String,
    /// Where it does not.
    pub true_url: String,
    counts: Arc<Counts>,
    _server: Server,
}

#[derive(Default)]
struct Counts {
    asked: AtomicU64,
    failed: AtomicU64,
}

impl FaultyStore {
    /// Starts it on an empty folder, with a bucket: a template's buckets are not made in a store that is set from outside.
    pub fn start(binary: &Path, data: &Path, one_in: u64, bucket: &str) -> Result<Self, String> {
        empty(data)?;
        let server = Server::start(binary, &["up", "--data", &data.to_string_lossy(), "--search-port", "0"])?;
        make_bucket(server.port, bucket).map_err(|error| format!("the store takes no bucket {bucket}: {error}"))?;
        let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| format!("no free port: {error}"))?;
        let port = listener.local_addr().map_err(|error| error.to_string())?.port();
        let counts = Arc::new(Counts::default());
        let (target, shared) = (server.port, counts.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().filter_map(Result::ok) {
                let shared = shared.clone();
                // A connection that breaks is what clients of a store must live with anyway.
                std::thread::spawn(move || serve(stream, target, one_in, &shared));
            }
        });
        let url = |port: u16| format!("http://127.0.0.1:{port}");
        Ok(Self { url: url(port), true_url: url(server.port), counts, _server: server })
    }

    /// Requests, and how many of them failed.
    pub fn counts(&self) -> (u64, u64) {
        (self.counts.asked.load(Ordering::Relaxed), self.counts.failed.load(Ordering::Relaxed))
    }
}

fn make_bucket(port: u16, bucket: &str) -> std::io::Result<()> {
    let mut store = TcpStream::connect(("127.0.0.1", port))?;
    write!(store, "PUT /{bucket} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n")?;
    let answer = message(&mut BufReader::new(store), false)?.unwrap_or_default();
    match answer.starts_with(b"HTTP/1.1 200") {
        true => Ok(()),
        false => Err(std::io::Error::other(String::from_utf8_lossy(&answer).into_owned())),
    }
}

/// Passes the requests of a connection on, or fails them.
fn serve(client: TcpStream, target: u16, one_in: u64, counts: &Counts) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    let mut requests = BufReader::new(client.try_clone()?);
    let mut client = client;
    let server = TcpStream::connect(("127.0.0.1", target))?;
    server.set_nodelay(true)?;
    let mut answers = BufReader::new(server.try_clone()?);
    let mut server = server;
    while let Some(request) = message(&mut requests, false)? {
        let nth = counts.asked.fetch_add(1, Ordering::Relaxed);
        // Scattered, so that a client which asks twice in a row is not always the one that fails.
        if nth.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32 < (1 << 32) / one_in {
            counts.failed.fetch_add(1, Ordering::Relaxed);
            let length = SLOW_DOWN.len();
            write!(
                client,
                "HTTP/1.1 503 Slow Down\r\nContent-Type: application/xml\r\nContent-Length: {length}\r\n\r\n{SLOW_DOWN}"
            )?;
            continue;
        }
        let is_head = request.starts_with(b"HEAD ");
        server.write_all(&request)?;
        let Some(answer) = message(&mut answers, is_head)? else { return Ok(()) };
        client.write_all(&answer)?;
    }
    Ok(())
}

/// One HTTP/1.1 message as it came; none when the other side has ended.
fn message(from: &mut impl BufRead, without_body: bool) -> std::io::Result<Option<Vec<u8>>> {
    let (mut all, mut length, mut is_chunked) = (Vec::new(), 0, false);
    loop {
        let begin = all.len();
        if from.read_until(b'\n', &mut all)? == 0 {
            return Ok(None);
        }
        let line = String::from_utf8_lossy(&all[begin..]).to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().map_err(std::io::Error::other)?;
        }
        is_chunked |= line.starts_with("transfer-encoding:") && line.contains("chunked");
        if line == "\r\n" {
            break;
        }
    }
    let is_bodyless = without_body || all.starts_with(b"HTTP/1.1 204") || all.starts_with(b"HTTP/1.1 304");
    if is_bodyless {
        return Ok(Some(all));
    }
    if is_chunked {
        chunks(from, &mut all)?;
        return Ok(Some(all));
    }
    from.take(length).read_to_end(&mut all)?;
    Ok(Some(all))
}

/// Reads chunks up to the empty one that ends a body.
fn chunks(from: &mut impl BufRead, all: &mut Vec<u8>) -> std::io::Result<()> {
    loop {
        let begin = all.len();
        from.read_until(b'\n', all)?;
        let line = String::from_utf8_lossy(&all[begin..]);
        let size = line.trim().split(';').next().unwrap_or_default().to_owned();
        let size = u64::from_str_radix(&size, 16).map_err(std::io::Error::other)?;
        if size == 0 {
            from.read_until(b'\n', all)?;
            return Ok(());
        }
        from.take(size + 2).read_to_end(all)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_cut_where_they_end() {
        let text = "PUT /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcPUT /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\
                    2\r\nhi\r\n0\r\n\r\nGET /c HTTP/1.1\r\n\r\n";
        let mut from = BufReader::new(text.as_bytes());
        let mut read = || message(&mut from, false).unwrap().map(|bytes| String::from_utf8(bytes).unwrap());
        assert!(read().unwrap().ends_with("\r\n\r\nabc"));
        assert!(read().unwrap().ends_with("2\r\nhi\r\n0\r\n\r\n"));
        assert_eq!(read().unwrap(), "GET /c HTTP/1.1\r\n\r\n");
        assert_eq!(read(), None);
    }
}
