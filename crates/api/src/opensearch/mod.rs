//! OpenSearch's REST API, on a port of its own (9200 by default), over [`millrace_search::Engine`].
//!
//! A request becomes a `Request` (its parts decoded, its body unpacked), `routes` finds what it asks for, and one file a
//! family of operations answers it. A parameter that an operation does not know is an error that names it, as in OpenSearch.
//!
//! The same API answers below [`MOUNT`] on the port of the AWS APIs, for the console: a page may ask nobody but its own server.
//!
//! # Limits
//! A body is at most [`BODY_BYTES_MAX`], packed or not (OpenSearch's `http.max_content_length`).

mod cat;
mod definitions;
mod documents;
mod indices;
mod lifecycle;
mod request;
mod response;
mod routes;
mod searches;
mod templates;

use crate::authorize::{Gate, allow_search, search_action};
use crate::http::{
    Attempt, Caller, Lock, Recorded, Recorder, Refused, SEARCH_SOURCE, Tls, Writing, failure, serve_port, shown_json,
    signature_fault,
};
use crate::wire::{Fault, Format};
use axum::body::Body;
use axum::http::{Method, Response, StatusCode, header, request::Parts};
use hyper::body::Incoming;
use millrace_access::signature::SignatureError;
use millrace_base::Dice;
use millrace_search::{Engine, Error};
use request::Request;
use response::Answer;
use std::future::Future;
use std::sync::Arc;
use tokio::net::TcpListener;

/// OpenSearch's default `http.max_content_length`.
pub const BODY_BYTES_MAX: usize = 100 << 20;
/// How long a definition may be that stands in the audit as a whole.
const SHOWN_BYTES_MAX: usize = 64 * 1024;

/// Where the API is on the port of the AWS APIs; signatures are over the whole path, policies see what is behind it.
pub const MOUNT: &str = "/_millrace/search";

/// Answers OpenSearch's REST API on a listener until `shutdown` is done; requests in flight are finished. `gate` decides who
/// gets in; everybody does without one. `recorder` is told who changed definitions.
pub async fn serve(
    listener: TcpListener,
    engine: Arc<Engine>,
    gate: Option<Arc<Gate>>,
    (recorder, dice): (Option<Recorder>, Arc<dyn Dice>),
    tls: Tls,
    shutdown: impl Future<Output = ()>,
) -> std::io::Result<()> {
    let lock = gate.map_or_else(Lock::open, Lock::new);
    let port = Arc::new(Port { engine, lock, recorder, dice });
    let handler = move |request: axum::http::Request<Incoming>| {
        let port = port.clone();
        async move {
            let (parts, body) = request.into_parts();
            port.answer(parts, body).await
        }
    };
    serve_port(listener, tls, handler, shutdown, || ()).await
}

/// Whether a path on the port of the AWS APIs is one of the index.
pub fn is_mounted(path: &str) -> bool {
    path.strip_prefix(MOUNT).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Takes [`MOUNT`] off the path.
fn unmount(parts: &mut Parts) {
    if !is_mounted(parts.uri.path()) {
        return;
    }
    let whole = parts.uri.path_and_query().map_or("", |whole| whole.as_str());
    let rest = whole.get(MOUNT.len()..).unwrap_or_default();
    let slash = if rest.starts_with('/') { "" } else { "/" };
    // What was a path is one without its first parts, too.
    if let Ok(uri) = format!("{slash}{rest}").parse() {
        parts.uri = uri;
    }
}

/// What answers the index's API.
pub struct Port {
    /// The index.
    pub engine: Arc<Engine>,
    /// Who gets in.
    pub lock: Lock,
    /// Is told who changed definitions.
    pub recorder: Option<Recorder>,
    /// Request ids come from here.
    pub dice: Arc<dyn Dice>,
}

impl Port {
    /// Answers a request, whose path may begin with [`MOUNT`].
    pub async fn answer(&self, parts: Parts, body: Incoming) -> Response<Body> {
        let response = self.enter(parts, body).await;
        self.engine.tally().responded(response.status().as_u16());
        response
    }

    async fn enter(&self, mut parts: Parts, body: Incoming) -> Response<Body> {
        let operation = search_action(&parts.method);
        match self.lock.enter_search(&parts, body, BODY_BYTES_MAX).await {
            Ok((caller, body)) => {
                unmount(&mut parts);
                let caller = caller.unwrap_or_else(|| unverified(&parts));
                let allowed = allow_search(&caller.guard, &caller.scope, &parts.method, parts.uri.path());
                parts.extensions.insert(caller.clone());
                self.recorded(parts, body, (&caller, &operation), allowed).await
            }
            Err(Refused::Signature(error)) => {
                let response = refused(&error);
                if let Some(recorder) = &self.recorder {
                    let fault = signature_fault(error, Writing::Document(Format::Json));
                    let (source, operation, id) = (SEARCH_SOURCE.into(), operation.as_str(), self.dice.uuid());
                    recorder.refused(Attempt { source, operation, head: &parts, id: &id, fault: &fault }).await;
                }
                response
            }
            Err(Refused::Body(_)) => respond(Answer::too_large(BODY_BYTES_MAX), parts.method == Method::HEAD),
        }
    }

    /// Carries a request out if it is `allowed`, and puts it on record if it changes definitions or is denied.
    async fn recorded(
        &self,
        parts: Parts,
        body: bytes::Bytes,
        (caller, operation): (&Caller, &str),
        allowed: Result<(), Fault>,
    ) -> Response<Body> {
        let is_head = parts.method == Method::HEAD;
        let Some(recorder) = &self.recorder else {
            return match allowed {
                Ok(()) => respond(blocking(self.engine.clone(), parts, body).await, is_head),
                Err(fault) => forbidden(&fault.message),
            };
        };
        let defines = definitions::changed_by(&parts.method, parts.uri.path());
        let trail = match recorder.begin_other(operation, !defines) {
            Ok(trail) => trail,
            Err(fault) => return respond(Answer::unavailable(&fault.message), is_head),
        };
        trail.asked_for(parameters(&parts, &body));
        let head = parts.clone();
        let (response, fault) = match allowed {
            Err(fault) => (forbidden(&fault.message), Some(fault)),
            Ok(()) => {
                let answer = blocking(self.engine.clone(), parts, body).await;
                let fault = failure(answer.status, answer.reason());
                (respond(answer, is_head), fault)
            }
        };
        let (source, id) = (SEARCH_SOURCE.into(), self.dice.uuid());
        let call = Recorded { source, operation, caller, head: &head, id: &id, fault: fault.as_ref() };
        match recorder.record(trail, call).await {
            Ok(()) => response,
            Err(fault) => respond(Answer::unavailable(&fault.message), is_head),
        }
    }
}

/// With `--auth off` somebody is who they say, or nobody.
fn unverified(parts: &Parts) -> Caller {
    Caller::identify(&parts.headers, parts.uri.query()).unwrap_or_else(|_| Caller::nobody())
}

/// What the audit tells of a request.
fn parameters(parts: &Parts, body: &[u8]) -> serde_json::Value {
    let mut shown = serde_json::json!({"httpMethod": parts.method.as_str(), "path": parts.uri.path()});
    if let Some(query) = parts.uri.query() {
        shown["query"] = query.into();
    }
    match body.len() {
        0 => {}
        // A packed body is no JSON: its length stands there.
        1..=SHOWN_BYTES_MAX => shown["body"] = shown_json(body),
        length => shown["body"] = serde_json::json!({"bytes": length}),
    }
    shown
}

fn respond(answer: Answer, is_head: bool) -> Response<Body> {
    let content = if is_head { Body::empty() } else { Body::from(answer.body) };
    let mut response = Response::new(content);
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(answer.content_type));
    response
}

/// A denial as Amazon's domains write it.
fn forbidden(message: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(serde_json::json!({ "Message": message }).to_string()));
    *response.status_mut() = StatusCode::FORBIDDEN;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}

/// A refusal as Amazon's domains write it; who gave no credentials is asked for them, so that browsers show their form.
fn refused(error: &SignatureError) -> Response<Body> {
    let is_missing = matches!(error, SignatureError::Missing);
    let status = if is_missing { StatusCode::UNAUTHORIZED } else { StatusCode::FORBIDDEN };
    let body = match is_missing {
        true => "Unauthorized".to_owned(),
        false => serde_json::json!({ "message": error.to_string() }).to_string(),
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let content_type = if is_missing { "text/plain" } else { "application/json" };
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    if is_missing {
        let realm = header::HeaderValue::from_static("Basic realm=\"Millrace: access key id and secret\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, realm);
    }
    response
}

/// The engine waits for disks and scans columns, so it runs on a thread that may block.
async fn blocking(engine: Arc<Engine>, parts: Parts, body: bytes::Bytes) -> Answer {
    let run = move || {
        let (pretty, filter) = (request::is_pretty(&parts.uri), request::filter_path(&parts.uri));
        let result = Request::read(&parts, body).and_then(|request| routes::route(&engine, &request));
        result.unwrap_or_else(|error| Answer::error(&error)).shaped(pretty, filter.as_deref())
    };
    match tokio::task::spawn_blocking(run).await {
        Ok(answer) => answer,
        Err(error) => Answer::error(&Error::storage("_all", format!("the request could not be finished: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unmounted(uri: &str) -> String {
        let (mut parts, ()) = axum::http::Request::get(uri).body(()).unwrap().into_parts();
        unmount(&mut parts);
        parts.uri.to_string()
    }

    #[test]
    fn what_is_behind_the_mount_is_the_path() {
        assert_eq!(unmounted("/_millrace/search/orders/_search?size=1"), "/orders/_search?size=1");
        assert_eq!(unmounted("/_millrace/search?pretty"), "/?pretty");
        assert_eq!(unmounted("/_millrace/search/"), "/");
        for other in ["/orders/_search", "/_millrace/searches/x", "/"] {
            assert_eq!(unmounted(other), other);
        }
    }
}
