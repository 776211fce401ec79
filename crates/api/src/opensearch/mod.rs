//! OpenSearch's REST API, on a port of its own (9200 by default), over [`millrace_search::Engine`].
//!
//! A request becomes a `Request` (its parts decoded, its body unpacked), `routes` finds what it asks for, and one file a
//! family of operations answers it. A parameter that an operation does not know is an error that names it, as in OpenSearch.
//!
//! # Limits
//! A body is at most [`BODY_BYTES_MAX`], packed or not (OpenSearch's `http.max_content_length`).

mod cat;
mod documents;
mod indices;
mod request;
mod response;
mod routes;
mod searches;

use crate::authorize::{Gate, allow_search};
use crate::http::{Lock, Refused, Tls, serve_port};
use axum::body::Body;
use axum::http::{Method, Response, StatusCode, header, request::Parts};
use hyper::body::Incoming;
use millrace_access::signature::SignatureError;
use millrace_search::{Engine, Error};
use request::Request;
use response::Answer;
use std::future::Future;
use std::sync::Arc;
use tokio::net::TcpListener;

/// OpenSearch's default `http.max_content_length`.
pub const BODY_BYTES_MAX: usize = 100 << 20;

/// Answers OpenSearch's REST API on a listener until `shutdown` is done; requests in flight are finished. `gate` decides who
/// gets in; everybody does without one.
pub async fn serve(
    listener: TcpListener,
    engine: Arc<Engine>,
    gate: Option<Arc<Gate>>,
    tls: Tls,
    shutdown: impl Future<Output = ()>,
) -> std::io::Result<()> {
    let lock = gate.map_or_else(Lock::open, Lock::new);
    let handler = move |request| answer(engine.clone(), lock.clone(), request);
    serve_port(listener, tls, handler, shutdown, || ()).await
}

async fn answer(engine: Arc<Engine>, lock: Lock, request: axum::http::Request<Incoming>) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    let is_head = parts.method == Method::HEAD;
    let counted = engine.clone();
    let answer = match lock.enter_search(&parts, body, BODY_BYTES_MAX).await {
        Ok((caller, body)) => {
            if let Some(caller) = caller {
                let allowed = allow_search(&caller.guard, &caller.scope, &parts.method, parts.uri.path());
                if let Err(fault) = allowed {
                    let response = forbidden(&fault.message);
                    counted.tally().responded(response.status().as_u16());
                    return response;
                }
                parts.extensions.insert(caller);
            }
            blocking(engine, parts, body).await
        }
        Err(Refused::Signature(error)) => {
            let response = refused(&error);
            counted.tally().responded(response.status().as_u16());
            return response;
        }
        Err(Refused::Body(_)) => Answer::too_large(BODY_BYTES_MAX),
    };
    counted.tally().responded(answer.status);
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
