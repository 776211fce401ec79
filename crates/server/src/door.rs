//! What Millrace's own command line asks of a server: routes under `/_millrace/`.
//!
//! | route | asks | answers |
//! | --- | --- | --- |
//! | `GET /_millrace/health` | | `{"status": "ok", "auth": whether requests must be signed, "now": MILLIS, "version"}` |
//! | `POST /_millrace/sql` | `{"name", "prelude", "script"}` | JSON lines of [`Event`] |
//! | `/_millrace/dlq…` | | see [`crate::dlq`] |
//! | `POST /_millrace/deploy` | `{"stack", "file", "template", "parameters", "packages"}` | JSON lines of [`DeployEvent`] |
//!
//! Account and region are those of the [`Caller`], here and in all routes below `/_millrace/`.

use crate::jobs::{Jobs, Stopper};
use crate::permissions::{Passing, Roles};
use crate::script::{Audience, Event, Interpreter};
use crate::uploads::{Uploads, sha256_hex};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Extension, Json, State};
use axum::response::Response;
use axum::routing::{get, post};
use millrace_api::Caller;
use millrace_api::http::Trail;
use millrace_base::{Clock, Scope};
use millrace_stack::{Anybody, Approver, Deployer, Progress, Status, Template};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::mpsc;

/// How many events may wait for a slow reader before the work waits too.
const WAITING_EVENTS_MAX: usize = 1024;
/// A template with its code in base64: several packages as large as Lambda takes them directly.
const DEPLOY_BYTES_MAX: usize = 256 * 1024 * 1024;

/// The rooms behind the routes.
#[derive(Clone)]
pub struct Own {
    /// Runs SQL.
    pub jobs: Arc<Jobs>,
    /// Deploys templates.
    pub deployer: Arc<Deployer>,
    /// Keeps the code that comes with templates.
    pub uploads: Uploads,
    /// Asks what whoever runs SQL may.
    pub roles: Roles,
}

/// A script to run.
#[derive(Debug, Deserialize)]
struct SqlRequest {
    name: String,
    #[serde(default)]
    prelude: String,
    script: String,
}

/// A template to deploy.
#[derive(Debug, Serialize, Deserialize)]
pub struct DeployRequest {
    /// The stack's name.
    pub stack: String,
    /// The template's name in errors.
    pub file: String,
    /// The template.
    pub template: String,
    /// Its parameters.
    pub parameters: BTreeMap<String, String>,
    /// Zips of the local code that it names, in base64, by the paths that it names them with.
    #[serde(default)]
    pub packages: BTreeMap<String, String>,
}

/// What happens while a template is deployed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeployEvent {
    /// A resource changes: its logical id, its type, the status in CloudFormation's words, and why.
    Resource(String, String, String, Option<String>),
    /// The stack is as the template says: what was changed (resources whose status is not UNCHANGED) and the outputs.
    Deployed(usize, BTreeMap<String, String>),
    /// It failed; what was done was undone.
    Error(String),
}

/// The routes.
pub fn router(own: Own) -> Router {
    Router::new()
        .route("/_millrace/sql", post(sql))
        .route("/_millrace/deploy", post(deploy).layer(DefaultBodyLimit::max(DEPLOY_BYTES_MAX)))
        .with_state(own)
}

/// What whoever asks for the server's health is told.
#[derive(Clone)]
pub struct Health {
    /// The server's time, which signatures must tell.
    pub clock: Arc<dyn Clock>,
    /// Whether requests must be signed.
    pub auth: bool,
}

/// The route that needs no credentials.
pub fn health(health: Health) -> Router {
    let answer = async |State(Health { clock, auth }): State<Health>| {
        let (now, version) = (clock.now(), env!("CARGO_PKG_VERSION"));
        Json(json!({ "status": "ok", "auth": auth, "now": now, "version": version }))
    };
    Router::new().route("/_millrace/health", get(answer)).with_state(health)
}

/// An answer of JSON lines, with the end that feeds it.
fn lines<T: Serialize + Send + 'static>() -> (mpsc::Sender<T>, Response) {
    let (to, from) = mpsc::channel::<T>(WAITING_EVENTS_MAX);
    let lines = futures::stream::unfold(from, |mut from| async move {
        let event = from.recv().await?;
        let mut line = serde_json::to_vec(&event).unwrap_or_default();
        line.push(b'\n');
        Some((Ok::<_, Infallible>(Bytes::from(line)), from))
    });
    let response = Response::builder().header("content-type", "application/x-ndjson").body(Body::from_stream(lines));
    (to, response.expect("a constant header is valid"))
}

/// Sends events to somebody far away, and stops what runs when they hang up.
struct Remote {
    to: mpsc::Sender<Event>,
    stop: Arc<Mutex<Option<Stopper>>>,
}

impl Audience for Remote {
    fn show(&mut self, event: Event) -> bool {
        self.to.blocking_send(event).is_ok()
    }

    fn running(&mut self, stop: Option<Stopper>) {
        *self.stop.lock() = stop;
    }
}

async fn sql(
    State(own): State<Own>,
    Extension(caller): Extension<Caller>,
    Extension(trail): Extension<Trail>,
    Json(request): Json<SqlRequest>,
) -> Response {
    // Scripts hold rows and passwords: which one it was is told by its hash.
    let bytes = [request.prelude.as_bytes(), request.script.as_bytes()].concat();
    trail.asked_for(json!({"name": request.name, "scriptBytes": bytes.len(), "scriptSha256": sha256_hex(&bytes)}));
    let (to, response) = lines();
    let stop: Arc<Mutex<Option<Stopper>>> = Arc::default();
    let (watched, watched_stop) = (to.clone(), stop.clone());
    let (done, ended) = tokio::sync::oneshot::channel::<()>();
    tokio::spawn(async move {
        tokio::select! {
            () = watched.closed() => if let Some(stopper) = watched_stop.lock().take() { stopper.stop() },
            _ = ended => {}
        }
    });
    tokio::task::spawn_blocking(move || {
        let scope = caller.scope.clone();
        let permit = move |graph: &_| own.roles.check_own(&caller, graph);
        let mut interpreter = Interpreter::new(own.jobs, scope, Arc::new(permit));
        let mut remote = Remote { to, stop };
        if interpreter.run("earlier statements", &request.prelude, &mut Silent(&mut remote)) {
            interpreter.run(&request.name, &request.script, &mut remote);
        }
        // Ends the watch, whose own sender would keep the answer open.
        let _ = done.send(());
    });
    response
}

/// Passes errors on and nothing else.
struct Silent<'a>(&'a mut Remote);

impl Audience for Silent<'_> {
    fn show(&mut self, event: Event) -> bool {
        if matches!(event, Event::Error(_)) { self.0.show(event) } else { true }
    }

    fn running(&mut self, stop: Option<Stopper>) {
        self.0.running(stop);
    }
}

async fn deploy(
    State(own): State<Own>,
    Extension(caller): Extension<Caller>,
    Extension(trail): Extension<Trail>,
    Json(request): Json<DeployRequest>,
) -> Response {
    trail.asked_for(json!({
        "stackName": request.stack,
        "templateFile": request.file,
        "templateSha256": sha256_hex(request.template.as_bytes()),
        "parameterNames": request.parameters.keys().collect::<Vec<_>>(),
        "packages": request.packages.keys().collect::<Vec<_>>(),
    }));
    let (to, response) = lines();
    tokio::spawn(async move {
        let show = |event| {
            // A reader who is gone or slow misses progress, not the deploy.
            let _ = to.try_send(event);
        };
        let passing = Passing(caller);
        let last = carry_out_as((&own.deployer, &passing), &own.uploads, &passing.0.scope, &request, &show).await;
        let _ = to.send(last).await;
    });
    response
}

/// Deploys a template for whoever runs the server, tells `show` of every resource, and gives the last event.
pub async fn carry_out(
    deployer: &Deployer,
    uploads: &Uploads,
    scope: &Scope,
    request: &DeployRequest,
    show: &(dyn Fn(DeployEvent) + Send + Sync),
) -> DeployEvent {
    carry_out_as((deployer, &Anybody), uploads, scope, request, show).await
}

/// Deploys a template of somebody's, whom the approver knows.
async fn carry_out_as(
    (deployer, approver): (&Deployer, &dyn Approver),
    uploads: &Uploads,
    scope: &Scope,
    request: &DeployRequest,
    show: &(dyn Fn(DeployEvent) + Send + Sync),
) -> DeployEvent {
    let progress = |progress: &Progress| {
        let Progress { logical_id, type_name, status, reason, .. } = progress;
        show(DeployEvent::Resource(logical_id.clone(), type_name.clone(), status.word().to_owned(), reason.clone()));
    };
    let holding = uploads.hold().await;
    let parsed = Template::parse(&request.file, &request.template).map_err(|error| error.to_string());
    let packaged = parsed.and_then(|mut template| uploads.take(request, &mut template).map(|()| template));
    let deployed = match &packaged {
        Ok(template) => {
            let parameters = &request.parameters;
            deployer.deploy_as(approver, scope, &request.stack, template, parameters, &progress).await
        }
        Err(error) => return DeployEvent::Error(error.clone()),
    };
    drop(holding);
    if let Err(error) = uploads.tidy(deployer) {
        tracing::warn!("code of former deploys could not be removed, the next deploy tries again: {error}");
    }
    match deployed {
        Ok(deployed) => {
            let changed = deployed.changes.iter().filter(|(_, status)| *status != Status::Unchanged);
            DeployEvent::Deployed(changed.count(), deployed.stack.outputs)
        }
        Err(error) => DeployEvent::Error(error.to_string()),
    }
}
