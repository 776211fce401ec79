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

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Response, StatusCode, header, request::Parts};
use millrace_search::{Engine, Error};
use request::Request;
use response::Answer;
use std::future::Future;
use std::sync::Arc;
use tokio::net::TcpListener;

/// OpenSearch's default `http.max_content_length`.
pub const BODY_BYTES_MAX: usize = 100 << 20;

/// Answers OpenSearch's REST API on a listener until `shutdown` is done; requests in flight are finished.
pub async fn serve(
    listener: TcpListener,
    engine: Arc<Engine>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let handler = move |request: axum::http::Request<Body>| answer(engine.clone(), request);
    axum::serve(listener, Router::new().fallback(handler)).with_graceful_shutdown(shutdown).await
}

async fn answer(engine: Arc<Engine>, request: axum::http::Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let is_head = parts.method == Method::HEAD;
    let answer = match to_bytes(body, BODY_BYTES_MAX).await {
        Ok(body) => blocking(engine, parts, body).await,
        Err(_) => Answer::too_large(BODY_BYTES_MAX),
    };
    let content = if is_head { Body::empty() } else { Body::from(answer.body) };
    let mut response = Response::new(content);
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(answer.content_type));
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
