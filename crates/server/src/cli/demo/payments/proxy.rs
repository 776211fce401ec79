//! What stands between the function and the index, so that the index can be slow or away without a hook in the product.

use crate::cli::client::CliError;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// How long a slow index lets each answer wait.
const SLOW_BY: Duration = Duration::from_millis(1_500);
const CHUNK_BYTES: usize = 64 << 10;

/// How the index behind a proxy behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Manner {
    /// As it is.
    Well,
    /// Answers come late.
    Slow,
    /// Nobody answers: connections are closed.
    Away,
}

/// A proxy on loopback; it ends when it is dropped.
pub struct Proxy {
    /// Its address.
    pub url: String,
    manner: Arc<AtomicU8>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// A proxy before the server at `target` (`host:port`).
    pub async fn open(target: String) -> Result<Self, CliError> {
        let failed = |source| CliError::Io { what: "the proxy before the index", source };
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
        let url = format!("http://{}", listener.local_addr().map_err(failed)?);
        let manner = Arc::new(AtomicU8::new(Manner::Well as u8));
        let task = tokio::spawn(accept(listener, target, manner.clone()));
        Ok(Self { url, manner, task })
    }

    /// From now on it behaves so.
    pub fn behave(&self, manner: Manner) {
        self.manner.store(manner as u8, Ordering::Relaxed);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn is(manner: &AtomicU8, wanted: Manner) -> bool {
    manner.load(Ordering::Relaxed) == wanted as u8
}

async fn accept(listener: TcpListener, target: String, manner: Arc<AtomicU8>) {
    while let Ok((client, _)) = listener.accept().await {
        if is(&manner, Manner::Away) {
            continue;
        }
        // A server that is just restarting looks as it does without us: the connection ends.
        let Ok(server) = TcpStream::connect(&target).await else { continue };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let ((client_in, client_out), (server_in, server_out)) = (client.into_split(), server.into_split());
        tokio::spawn(pass(client_in, server_out, manner.clone(), false));
        tokio::spawn(pass(server_in, client_out, manner.clone(), true));
    }
}

/// Passes bytes on until one side ends, or nobody is to answer.
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, manner: Arc<AtomicU8>, answers: bool) {
    let mut chunk = vec![0; CHUNK_BYTES];
    while let Ok(count) = from.read(&mut chunk).await {
        if count == 0 || is(&manner, Manner::Away) {
            return;
        }
        if answers && is(&manner, Manner::Slow) {
            tokio::time::sleep(SLOW_BY).await;
        }
        if to.write_all(&chunk[..count]).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_behind_it_can_be_away_and_come_back() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = server.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = server.accept().await {
                let mut byte = [0];
                let _ = stream.read_exact(&mut byte).await;
                let _ = stream.write_all(&byte).await;
            }
        });
        let proxy = Proxy::open(target).await.unwrap();
        let echo = || async {
            let mut stream = TcpStream::connect(proxy.url.trim_start_matches("http://")).await.unwrap();
            let _ = stream.write_all(b"x").await;
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
            answer
        };
        assert_eq!(echo().await, b"x");
        proxy.behave(Manner::Away);
        assert_eq!(echo().await, b"");
        proxy.behave(Manner::Well);
        assert_eq!(echo().await, b"x");
    }
}
