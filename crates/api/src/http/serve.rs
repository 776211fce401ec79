//! What the port of the AWS APIs opens to: the services, and behind them the server's own routes.

use super::audit::Recorder;
use super::caller::Caller;
use super::door::{Manner, Services};
use super::fault::{respond, stamp};
use super::lock::Lock;
use super::port::{Tls, serve_port};
use super::service::Service;
use crate::authorize::{Gate, allow_own};
use crate::glue::Glue;
use crate::iam::Iam;
use crate::kinesis::{Kinesis, KinesisOptions};
use crate::s3::S3;
use crate::sts::Sts;
use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode, Uri, request};
use hyper::body::Incoming;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use millrace_access::Identities;
use millrace_access::audit::Audit;
use millrace_base::{Clock, Dice};
use millrace_catalog::Catalog;
use millrace_log::Log;
use millrace_schema::registry::Registry;
use std::future::Future;
use std::io;
use std::sync::Arc;
use tokio::net::TcpListener;

/// A request to one of the server's own routes holds at most a template with its code.
const OWN_BYTES_MAX: usize = 256 * 1024 * 1024;

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
    /// Quotas of Kinesis, and who is told of what goes through it.
    pub kinesis: KinesisOptions,
    /// Who is who.
    pub identities: Identities,
    /// What decides who may do what; none with `--auth off`.
    pub gate: Option<Arc<Gate>>,
    /// Where it is written down who did what.
    pub audit: Option<Audit>,
    /// How connections are protected.
    pub tls: Tls,
    /// The lake's objects.
    pub s3: S3,
    /// Services beside Kinesis, Glue, IAM and STS.
    pub services: Vec<Arc<dyn Service>>,
    /// Routes for requests that are to none of the services: the server's own under `/_millrace/`.
    pub router: Router,
}

/// Serves `doors` on `listener` until `shutdown` resolves, then lets open requests end (10 seconds at most).
///
/// Fails only when the listener itself cannot be used.
pub async fn serve(listener: TcpListener, doors: Doors, shutdown: impl Future<Output = ()>) -> io::Result<()> {
    let Doors { log, catalog, clock, dice, iterator_key, kinesis, identities, gate, audit, tls, s3, .. } = doors;
    let (mut services, router) = (doors.services, doors.router);
    let registry = Registry::new(catalog.clone(), clock.clone(), dice.clone());
    services.push(Arc::new(Glue::new(catalog.clone(), registry.clone(), clock.clone())));
    services.push(Arc::new(Iam::new(identities.clone())));
    services.push(Arc::new(Sts::new(identities.clone())));
    let recorder = audit.map(|audit| Recorder::new(audit, identities, clock.clone(), dice.clone()));
    let kinesis = Kinesis::new(log, catalog, clock, &iterator_key, registry, kinesis);
    services.push(Arc::new(kinesis.clone()));
    let lock = gate.map_or_else(Lock::open, Lock::new);
    let services = Services::new(services, lock.clone(), recorder.clone(), dice.clone());
    let router = TowerToHyperService::new(router.fallback(no_route));
    let door = Arc::new(Door { services, s3, recorder, router, lock, dice });
    let answer = move |request| {
        let door = door.clone();
        async move { door.answer(request).await }
    };
    // Answers that would go on for minutes end with the shutdown.
    serve_port(listener, tls, answer, shutdown, move || kinesis.end_subscriptions()).await
}

struct Door {
    services: Services,
    s3: S3,
    recorder: Option<Recorder>,
    router: TowerToHyperService<Router>,
    lock: Lock,
    dice: Arc<dyn Dice>,
}

impl Door {
    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let road = self.services.road(&head);
        if self.s3.is_asked(&head, || road.is_some()) {
            return self.s3.answer(head, body, &self.lock, self.recorder.as_ref(), &*self.dice).await;
        }
        match road {
            Some(road) => self.services.answer(road, Request::from_parts(head, body)).await,
            None => self.answer_own(head, body).await,
        }
    }

    /// Answers a request to one of the server's own routes; they find the [`Caller`](super::Caller) among the request's
    /// extensions, if there is one.
    async fn answer_own(&self, mut head: request::Parts, body: Incoming) -> Response<Body> {
        let body = match self.lock.is_open() || needs_nobody(head.uri.path()) {
            true => {
                if let Ok(caller) = Caller::identify(&head.headers, head.uri.query()) {
                    head.extensions.insert(caller);
                }
                Body::new(body)
            }
            false => match self.lock.enter_own(&mut head, body, OWN_BYTES_MAX).await {
                Ok((caller, body)) => {
                    let allowed = allow_own(&caller.guard, &caller.scope, &head.method, head.uri.path());
                    if let Err(fault) = allowed {
                        return respond(Manner::default(), "", Err(fault), &self.dice.uuid());
                    }
                    head.extensions.insert(caller);
                    Body::from(body)
                }
                Err(fault) => return respond(Manner::default(), "", Err(fault), &self.dice.uuid()),
            },
        };
        let mut response = match self.router.call(Request::from_parts(head, body)).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        stamp(response.headers_mut(), &self.dice.uuid());
        response
    }
}

/// Whether a path of ours answers to everybody: whether the server is well, and packages, whose addresses are signed by the
/// server itself.
fn needs_nobody(path: &str) -> bool {
    path == "/_millrace/health" || path.starts_with("/_millrace/packages/")
}

async fn no_route(uri: Uri) -> (StatusCode, String) {
    let message =
        format!("There is nothing at {uri}: AWS requests carry X-Amz-Target, Millrace's own begin with /_millrace/\n");
    (StatusCode::NOT_FOUND, message)
}
