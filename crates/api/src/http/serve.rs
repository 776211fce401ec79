//! What the port of the AWS APIs opens to: the services, and behind them the server's own routes.

use super::audit::{Attempt, OWN_SOURCE, Recorded, Recorder, failure, is_unidentified};
use super::caller::Caller;
use super::door::{Manner, Services};
use super::fault::{respond, stamp};
use super::lock::Lock;
use super::port::{Tls, serve_port};
use super::service::Service;
use crate::authorize::{Gate, allow_own, own_action};
use crate::glue::Glue;
use crate::iam::Iam;
use crate::kinesis::{Kinesis, KinesisOptions};
use crate::opensearch;
use crate::s3::S3;
use crate::sts::Sts;
use crate::wire::Fault;
use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, Response, StatusCode, Uri, request};
use hyper::body::Incoming;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use millrace_access::Identities;
use millrace_base::{Clock, Dice};
use millrace_catalog::Catalog;
use millrace_log::Log;
use millrace_schema::registry::Registry;
use millrace_search::Engine;
use serde_json::json;
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
    pub audit: Option<Recorder>,
    /// How connections are protected.
    pub tls: Tls,
    /// The lake's objects.
    pub s3: S3,
    /// The index, whose API answers below [`opensearch::MOUNT`], too; none leaves it to its own port.
    pub engine: Option<Arc<Engine>>,
    /// Services beside Kinesis, Glue, IAM and STS.
    pub services: Vec<Arc<dyn Service>>,
    /// Routes for requests that are to none of the services: the server's own under `/_millrace/`.
    pub router: Router,
}

/// Serves `doors` on `listener` until `shutdown` resolves, then lets open requests end (10 seconds at most).
///
/// Fails only when the listener itself cannot be used.
pub async fn serve(listener: TcpListener, doors: Doors, shutdown: impl Future<Output = ()>) -> io::Result<()> {
    let Doors { log, catalog, clock, dice, iterator_key, kinesis, identities, gate, tls, s3, .. } = doors;
    let recorder = doors.audit;
    let (mut services, router, engine) = (doors.services, doors.router, doors.engine);
    let registry = Registry::new(catalog.clone(), clock.clone(), dice.clone());
    services.push(Arc::new(Glue::new(catalog.clone(), registry.clone(), clock.clone())));
    services.push(Arc::new(Iam::new(identities.clone())));
    services.push(Arc::new(Sts::new(identities)));
    let kinesis = Kinesis::new(log, catalog, clock, &iterator_key, registry, kinesis);
    services.push(Arc::new(kinesis.clone()));
    let lock = gate.map_or_else(Lock::open, Lock::new);
    let services = Services::new(services, lock.clone(), recorder.clone(), dice.clone());
    let router = TowerToHyperService::new(router.fallback(no_route));
    let search = engine.map(|engine| {
        let (lock, recorder, dice) = (lock.clone(), recorder.clone(), dice.clone());
        opensearch::Port { engine, lock, recorder, dice }
    });
    let door = Arc::new(Door { services, s3, search, recorder, router, lock, dice });
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
    search: Option<opensearch::Port>,
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
        if let Some(search) = self.search.as_ref().filter(|_| opensearch::is_mounted(head.uri.path())) {
            return search.answer(head, body).await;
        }
        match road {
            Some(road) => self.services.answer(road, Request::from_parts(head, body)).await,
            None => self.answer_own(head, body).await,
        }
    }

    /// Answers a request to one of the server's own routes; they find the [`Caller`] and the [`Trail`](super::Trail) among the request's
    /// extensions.
    async fn answer_own(&self, mut head: request::Parts, body: Incoming) -> Response<Body> {
        let id = self.dice.uuid();
        let operation = own_action(&head.method, head.uri.path());
        let entered = self.enter_own(&mut head, body).await;
        let mut response = match entered {
            Ok((caller, body)) => self.carry_out_own(head, (&caller, body), (&operation, &id)).await,
            Err(fault) => {
                if let Some(recorder) = self.recorder.as_ref().filter(|_| is_unidentified(&fault)) {
                    let (source, operation, fault) = (OWN_SOURCE.into(), operation.as_str(), &fault);
                    recorder.refused(Attempt { source, operation, head: &head, id: &id, fault }).await;
                }
                respond(Manner::default(), "", Err(fault), &id)
            }
        };
        stamp(response.headers_mut(), &id);
        response
    }

    async fn enter_own(&self, head: &mut request::Parts, body: Incoming) -> Result<(Caller, Body), Fault> {
        if self.lock.is_open() || needs_nobody(head.uri.path()) {
            let caller = Caller::identify(&head.headers, head.uri.query()).unwrap_or_else(|_| Caller::nobody());
            return Ok((caller, Body::new(body)));
        }
        let (caller, body) = self.lock.enter_own(head, body, OWN_BYTES_MAX).await?;
        Ok((caller, Body::from(body)))
    }

    /// Carries a request out, if it may be, and puts it on record if it changes something or is denied.
    async fn carry_out_own(
        &self,
        mut head: request::Parts,
        (caller, body): (&Caller, Body),
        (operation, id): (&str, &str),
    ) -> Response<Body> {
        let changes = !matches!(head.method, Method::GET | Method::HEAD | Method::OPTIONS);
        let trail = match self.recorder.as_ref().map(|recorder| recorder.begin_other(operation, !changes)).transpose() {
            Ok(trail) => trail.unwrap_or_default(),
            Err(fault) => return respond(Manner::default(), "", Err(fault), id),
        };
        trail.asked_for(json!({"path": head.uri.path()}));
        let allowed = match needs_nobody(head.uri.path()) {
            true => Ok(()),
            false => allow_own(&caller.guard, &caller.scope, &head.method, head.uri.path()),
        };
        head.extensions.insert(caller.clone());
        head.extensions.insert(trail.clone());
        let known = head.clone();
        let (response, fault) = match allowed {
            Ok(()) => {
                let response = match self.router.call(Request::from_parts(head, body)).await {
                    Ok(response) => response,
                    Err(never) => match never {},
                };
                let fault = failure(response.status().as_u16(), "");
                (response, fault)
            }
            Err(fault) => (respond(Manner::default(), "", Err(fault.clone()), id), Some(fault)),
        };
        let Some(recorder) = &self.recorder else { return response };
        let (source, head, fault) = (OWN_SOURCE.into(), &known, fault.as_ref());
        match recorder.record(trail, Recorded { source, operation, caller, head, id, fault }).await {
            Ok(()) => response,
            Err(fault) => respond(Manner::default(), "", Err(fault), id),
        }
    }
}

/// Whether a path of ours answers to everybody: whether the server is well, packages, whose addresses are signed by the
/// server itself, and the console's files, which sign what they ask for.
fn needs_nobody(path: &str) -> bool {
    let is_console = path == "/_console" || path.starts_with("/_console/");
    is_console || path == "/_millrace/health" || path.starts_with("/_millrace/packages/")
}

async fn no_route(uri: Uri) -> (StatusCode, String) {
    let message =
        format!("There is nothing at {uri}: AWS requests carry X-Amz-Target, Millrace's own begin with /_millrace/\n");
    (StatusCode::NOT_FOUND, message)
}
