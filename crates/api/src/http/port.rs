//! A port: accepts connections, tells TLS from plaintext by the first byte, HTTP/1.1 from HTTP/2, and closes in order.
//!
//! ```text
//! first byte 0x16 (a TLS handshake) ─► TLS, ALPN h2 or http/1.1 ┐
//! anything else ─► plaintext, HTTP/1.1 or h2c                   ┴─► the answer
//! ```

use axum::body::Body;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// How long open requests may take to end after the shutdown began.
const DRAIN_MAX: Duration = Duration::from_secs(10);
/// After a failed accept (no more file descriptors) the next try waits this long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long a client may take for its part of the TLS handshake.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// HTTP/2 flow control: a whole `PutRecords` may be on its way before the first window update.
const H2_STREAM_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
const H2_CONNECTION_WINDOW_BYTES: u32 = 16 * 1024 * 1024;
/// The first byte of a TLS connection: a record that holds a handshake.
const TLS_HANDSHAKE: u8 = 0x16;
/// What somebody hears who speaks plaintext where TLS is wanted.
const TLS_WANTED: &str = "This port takes plaintext only from its own machine: use https:// (--tls on would allow \
                          plaintext from everywhere).\n";

/// How a port's connections are protected.
#[derive(Clone, Default)]
pub struct Tls {
    /// Certificates and keys; without them TLS is not spoken.
    pub config: Option<Arc<ServerConfig>>,
    /// Other machines must speak TLS. This one need not: what it sends goes over no wire.
    pub required: bool,
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    /// The address.
    pub ip: IpAddr,
    /// True when the connection is encrypted.
    pub secure: bool,
}

/// Answers requests on `listener` until `shutdown` resolves and `stopping` was called; open requests then have 10 seconds.
///
/// Fails only when the listener itself cannot be used.
pub async fn serve_port<A, F>(
    listener: TcpListener,
    tls: Tls,
    answer: A,
    shutdown: impl Future<Output = ()>,
    stopping: impl FnOnce(),
) -> io::Result<()>
where
    A: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    listener.local_addr()?;
    let (stop, stopped) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => match accepted {
                Ok((socket, peer)) => {
                    let mut stopped = stopped.clone();
                    let (tls, answer) = (tls.clone(), answer.clone());
                    connections.spawn(async move { connection(socket, peer, tls, answer, &mut stopped).await });
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    drop(stop);
    stopping();
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN_MAX, drained).await.is_err() {
        connections.abort_all();
    }
    Ok(())
}

async fn connection<A, F>(
    mut socket: TcpStream,
    peer: SocketAddr,
    tls: Tls,
    answer: A,
    stopped: &mut watch::Receiver<()>,
) where
    A: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    // Small answers must not wait for more.
    let _ = socket.set_nodelay(true);
    let mut first = [0];
    let is_tls = tokio::select! {
        peeked = socket.peek(&mut first) => matches!(peeked, Ok(1)) && first[0] == TLS_HANDSHAKE,
        _ = stopped.changed() => return,
    };
    let ip = peer.ip().to_canonical();
    // Also whoever comes from the address that they go to is here.
    let is_here = ip.is_loopback() || socket.local_addr().is_ok_and(|local| local.ip() == peer.ip());
    match (is_tls, tls.config) {
        (true, Some(config)) => {
            let handshake = tokio::time::timeout(HANDSHAKE_MAX, TlsAcceptor::from(config).accept(socket));
            if let Ok(Ok(stream)) = handshake.await {
                speak(stream, Peer { ip, secure: true }, answer, stopped).await;
            }
        }
        // The client sees a closed connection, as from any port without TLS.
        (true, None) => {}
        (false, _) if tls.required && !is_here => refuse_plaintext(&mut socket).await,
        (false, _) => speak(socket, Peer { ip, secure: false }, answer, stopped).await,
    }
}

async fn refuse_plaintext(socket: &mut TcpStream) {
    let length = TLS_WANTED.len();
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n\
         {TLS_WANTED}"
    );
    // Whoever does not wait for the answer does not need it.
    let _ = socket.write_all(answer.as_bytes()).await;
    let _ = socket.shutdown().await;
}

async fn speak<S, A, F>(stream: S, peer: Peer, answer: A, stopped: &mut watch::Receiver<()>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http2()
        .initial_stream_window_size(H2_STREAM_WINDOW_BYTES)
        .initial_connection_window_size(H2_CONNECTION_WINDOW_BYTES);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        let answer = answer(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let mut serving = pin!(server.serve_connection_with_upgrades(TokioIo::new(stream), service));
    // A client that goes away in the middle is no error of ours, so results are not looked at.
    tokio::select! {
        _ = serving.as_mut() => {}
        _ = stopped.changed() => {
            serving.as_mut().graceful_shutdown();
            let _ = serving.await;
        }
    }
}
