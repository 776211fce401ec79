//! The routes of backfills: `millrace backfill` is their client, and so may be anybody else.
//!
//! | route | asks | answers |
//! | --- | --- | --- |
//! | `POST /_millrace/backfill` | [`Request`] | [`View`] of the job, which runs from now on; the same request continues the same job |
//! | `GET /_millrace/backfill` | | [`View`]s, the newest first |
//! | `GET /_millrace/backfill/ID` | | [`View`] |
//! | `POST /_millrace/backfill/ID/cancel` | | [`View`]; what was built beside is removed |
//!
//! With `--auth on` the caller needs, beside the route itself, `kinesis:GetRecords` on the stream, `es:ESHttpPut`, `es:ESHttpPost` and, to drop
//! the old index, `es:ESHttpDelete` on the index; for a function `lambda:GetFunction`, `lambda:CreateFunction` and
//! `lambda:InvokeFunction` on it and `iam:PassRole` on its role; for the lake `s3:ListBucket` and `s3:GetObject`. To rebuild a lake it needs
//! `firehose:UpdateDestination` on the delivery stream, `s3:ListBucket` on its bucket, and `s3:GetObject`, `s3:PutObject` and
//! `s3:DeleteObject` below its prefixes and below `_backfill/`.

use super::job::{Consent, Job, LakeChoice, Phase, Spec, Start, Through};
use super::{Backfills, Refusal};
use axum::Router;
use axum::extract::{Extension, Json, Path, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use millrace_api::Caller;
use millrace_api::authorize::{Need, allow_search};
use millrace_api::wire::Fault;
use millrace_base::{Millis, Scope};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// What somebody wants to be rebuilt.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The stream.
    pub stream: String,
    /// Where reading begins.
    pub from: Start,
    /// Where it ends; none at the tip.
    pub to: Option<Millis>,
    /// What stands in for records that are gone.
    pub lake: LakeChoice,
    /// The view, when it is an index; empty otherwise.
    #[serde(default)]
    pub index: String,
    /// The view, when it is a lake: the delivery stream that writes it, or the place that it writes to, `s3://BUCKET/PREFIX`.
    #[serde(default)]
    pub to_lake: Option<String>,
    /// How records become documents.
    pub through: Through,
    /// What is agreed to.
    pub consent: Consent,
    /// Does a finished job once more.
    pub again: bool,
}

/// A job, as it is shown.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct View {
    /// The job.
    pub job: Job,
    /// Records that are still to be read in the log, as things stand now.
    pub remaining: u64,
    /// The time by the server's clock.
    pub now: Millis,
}

/// The routes.
pub fn router(backfills: Backfills) -> Router {
    Router::new()
        .route("/_millrace/backfill", post(start).get(list))
        .route("/_millrace/backfill/{id}", get(show))
        .route("/_millrace/backfill/{id}/cancel", post(cancel))
        .with_state(backfills)
}

async fn start(
    State(backfills): State<Backfills>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<Request>,
) -> Response {
    answer(move || {
        let request = resolved(&backfills, &caller, request)?;
        allowed(&backfills, &caller, &request)?;
        let Request { stream, from, to, lake, index, to_lake, through, consent, again } = request;
        let spec = Spec { stream, from, to, lake, index, to_lake, through };
        let job = backfills.start(&caller.scope, spec, consent, again)?;
        Ok(backfills.view(job))
    })
    .await
}

async fn list(State(backfills): State<Backfills>, Extension(caller): Extension<Caller>) -> Response {
    answer(move || {
        let jobs = backfills.list(&caller.scope)?;
        Ok(jobs.into_iter().map(|job| backfills.view(job)).collect::<Vec<_>>())
    })
    .await
}

async fn show(
    State(backfills): State<Backfills>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Response {
    answer(move || backfills.get(&caller.scope, &id).map(|job| backfills.view(job))).await
}

async fn cancel(
    State(backfills): State<Backfills>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Response {
    answer(move || backfills.cancel(&caller.scope, &id).map(|job| backfills.view(job))).await
}

async fn answer<T: Serialize + Send + 'static>(work: impl FnOnce() -> Result<T, Refusal> + Send + 'static) -> Response {
    let failed = |status: StatusCode, code: &str, message: String| {
        (status, Json(json!({ "__type": code, "message": message }))).into_response()
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(answer)) => Json(answer).into_response(),
        Ok(Err(Refusal::Absent(message))) => failed(StatusCode::NOT_FOUND, "ResourceNotFoundException", message),
        Ok(Err(Refusal::Denied(message))) => failed(StatusCode::FORBIDDEN, "AccessDeniedException", message),
        Ok(Err(Refusal::Wrong(message))) => failed(StatusCode::BAD_REQUEST, "InvalidArgumentException", message),
        Ok(Err(Refusal::Failed(message))) => failed(StatusCode::INTERNAL_SERVER_ERROR, "InternalFailure", message),
        Err(stopped) => failed(StatusCode::INTERNAL_SERVER_ERROR, "InternalFailure", stopped.to_string()),
    }
}

/// With the name of the delivery stream, when the place was named that it writes to.
fn resolved(backfills: &Backfills, caller: &Caller, request: Request) -> Result<Request, Refusal> {
    match &request.to_lake {
        Some(_) if !request.index.is_empty() => {
            Err(Refusal::Wrong("a backfill rebuilds an index or a lake, not both".to_owned()))
        }
        None if request.index.is_empty() => {
            Err(Refusal::Wrong("the view is missing that is to be rebuilt: an index or a lake".to_owned()))
        }
        None => Ok(request),
        Some(text) => {
            let to_lake = Some(backfills.delivery_of(&caller.scope, &request.stream, text)?);
            Ok(Request { to_lake, ..request })
        }
    }
}

/// Whether the caller may do everything that the job will do.
fn allowed(backfills: &Backfills, caller: &Caller, request: &Request) -> Result<(), Refusal> {
    if caller.guard.is_open() {
        return Ok(());
    }
    let scope = &caller.scope;
    let ask = |action: &str, resource: String| caller.guard.allow(scope, &Need::on(action, resource)).map_err(denied);
    ask("kinesis:GetRecords", scope.arn("kinesis", &format!("stream/{}", request.stream)).to_string())?;
    match &request.to_lake {
        Some(delivery) => may_rebuild_lake(backfills, scope, delivery, &ask)?,
        None => may_rebuild_index(backfills, caller, request, &ask)?,
    }
    if request.to_lake.is_some() && request.lake == LakeChoice::Auto {
        // It reads the objects that it rebuilds, and no others.
        return Ok(());
    }
    for (bucket, prefix) in backfills.places(scope, &request.stream, &request.lake)? {
        ask("s3:ListBucket", format!("arn:aws:s3:::{bucket}"))?;
        ask("s3:GetObject", format!("arn:aws:s3:::{bucket}/{prefix}*"))?;
    }
    Ok(())
}

fn may_rebuild_lake(
    backfills: &Backfills,
    scope: &Scope,
    delivery: &str,
    ask: &impl Fn(&str, String) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    ask("firehose:UpdateDestination", scope.arn("firehose", &format!("deliverystream/{delivery}")).to_string())?;
    let (bucket, prefixes) = backfills.written_by(scope, delivery)?;
    ask("s3:ListBucket", format!("arn:aws:s3:::{bucket}"))?;
    for action in ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"] {
        for prefix in &prefixes {
            ask(action, format!("arn:aws:s3:::{bucket}/{prefix}*"))?;
        }
    }
    Ok(())
}

fn may_rebuild_index(
    backfills: &Backfills,
    caller: &Caller,
    request: &Request,
    ask: &impl Fn(&str, String) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let mut methods = vec![(Method::PUT, request.index.clone()), (Method::POST, format!("{}/_bulk", request.index))];
    methods.push((Method::POST, "_aliases".to_owned()));
    if request.consent.drop_old {
        methods.push((Method::DELETE, request.index.clone()));
    }
    for (method, path) in methods {
        allow_search(&caller.guard, &caller.scope, &method, &path).map_err(denied)?;
    }
    if let Through::Function { name, .. } = &request.through {
        let arn = caller.scope.arn("lambda", &format!("function:{name}")).to_string();
        for action in ["lambda:GetFunction", "lambda:CreateFunction", "lambda:InvokeFunction"] {
            ask(action, arn.clone())?;
        }
        let need = Need::pass_role(&backfills.role_of(&caller.scope, name)?, "lambda.amazonaws.com");
        caller.guard.allow(&caller.scope, &need).map_err(denied)?;
    }
    Ok(())
}

fn denied(fault: Fault) -> Refusal {
    Refusal::Denied(fault.message)
}

impl View {
    /// One line for people.
    pub fn status(&self) -> String {
        match &self.job.phase {
            Phase::Preparing if self.job.to_lake.is_some() => "waiting for the delivery stream to go over".to_owned(),
            Phase::Preparing => "preparing".to_owned(),
            Phase::Reading if self.job.lake.done < self.job.lake.objects.len() => {
                format!("lake: object {} of {}", self.job.lake.done + 1, self.job.lake.objects.len())
            }
            Phase::Reading => "log".to_owned(),
            Phase::Swapping => "swapping".to_owned(),
            Phase::Draining => "swapped, reading what arrived meanwhile".to_owned(),
            Phase::Done => "done".to_owned(),
            Phase::Failed(why) => format!("failed: {why}"),
            Phase::Cancelled => "cancelled".to_owned(),
        }
    }
}
