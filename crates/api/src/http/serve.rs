//! The port: accepts connections, tells HTTP/1.1 from HTTP/2, and closes in order.

use super::door::Services;
use super::fault::stamp;
use super::service::Service;
use crate::glue::Glue;
use crate::iam::Iam;
use crate::kinesis::Kinesis;
use crate::sts::Sts;
use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode, Uri};
use hyper::body::Incoming;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use millrace_access::Identities;
use millrace_base::{Clock, Dice};
use millrace_catalog::Catalog;
use millrace_log::Log;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long open requests may take to end after the shutdown began.
const DRAIN_MAX: Duration = Duration::from_secs(10);
/// After a failed accept (no more file descriptors) the next try waits this long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// HTTP/2 flow control: a whole `PutRecords` may be on its way before the first window update.
const H2_STREAM_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
const H2_CONNECTION_WINDOW_BYTES: u32 = 16 * 1024 * 1024;

/// What the doors open to. All of it is shared; nothing is owned by a connection.
pub struct Doors {
    /// The log that Kinesis's operations act on.
    pub log: Arc<dyn Log>,
    /// Where tags, databases and tables are kept.
    pub catalog: Catalog,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Request ids come from here.
    pub dice: Arc<dyn Dice>,
    /// Signs shard iterators and page tokens. Keep it: with another key those handed out before are refused.
    pub iterator_key: [u8; 32],
    /// Services beside Kinesis, Glue, IAM and STS.
    pub services: Vec<Arc<dyn Service>>,
    /// Routes for requests that are to none of the services: the server's own under `/_millrace/`.
    pub router: Router,
}

/// Serves `doors` on `listener` until `shutdown` resolves, then lets open requests end (10 seconds at most).
///
/// Fails only when the listener itself cannot be used.
pub async fn serve(listener: TcpListener, doors: Doors, shutdown: impl Future<Output = ()>) -> io::Result<()> {
    let Doors { log, catalog, clock, dice, iterator_key, mut services, router } = doors;
    services.push(Arc::new(Glue::new(catalog.clone(), clock.clone())));
    let identities = Identities::new(catalog.clone(), clock.clone(), dice.clone());
    services.push(Arc::new(Iam::new(identities.clone())));
    services.push(Arc::new(Sts::new(identities)));
    let kinesis = Kinesis::new(log, catalog, clock, &iterator_key);
    services.push(Arc::new(kinesis.clone()));
    let services = Services::new(services, dice.clone());
    let router = TowerToHyperService::new(router.fallback(no_route));
    let door = Arc::new(Door { services, router, dice });
    listener.local_addr()?;

    let (stop, stopped) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => {
                    connections.spawn(connection(socket, door.clone(), stopped.clone()));
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    drop(stop);
    // Answers that would go on for minutes.
    kinesis.end_subscriptions();
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN_MAX, drained).await.is_err() {
        connections.abort_all();
    }
    Ok(())
}

struct Door {
    services: Services,
    router: TowerToHyperService<Router>,
    dice: Arc<dyn Dice>,
}

impl Door {
    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let road = self.services.road(&head);
        let request = Request::from_parts(head, body);
        if let Some(road) = road {
            return self.services.answer(road, request).await;
        }
        let mut response = match self.router.call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        stamp(response.headers_mut(), &self.dice.uuid());
        response
    }
}

async fn connection(socket: TcpStream, door: Arc<Door>, mut stopped: watch::Receiver<()>) {
    // Small answers must not wait for more.
    let _ = socket.set_nodelay(true);
    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http2()
        .initial_stream_window_size(H2_STREAM_WINDOW_BYTES)
        .initial_connection_window_size(H2_CONNECTION_WINDOW_BYTES);
    let service = service_fn(move |request| {
        let door = door.clone();
        async move { Ok::<_, Infallible>(door.answer(request).await) }
    });
    let mut serving = pin!(server.serve_connection_with_upgrades(TokioIo::new(socket), service));
    // A client that goes away in the middle is no error of ours, so results are not looked at.
    tokio::select! {
        _ = serving.as_mut() => {}
        _ = stopped.changed() => {
            serving.as_mut().graceful_shutdown();
            let _ = serving.await;
        }
    }
}

async fn no_route(uri: Uri) -> (StatusCode, String) {
    let message =
        format!("There is nothing at {uri}: AWS requests carry X-Amz-Target, Millrace's own begin with /_millrace/\n");
    (StatusCode::NOT_FOUND, message)
}
