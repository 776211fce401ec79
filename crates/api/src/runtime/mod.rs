//! The Lambda Runtime API: what AWS's runtime interface clients speak, one loopback port a process.
//!
//! ```text
//! GET  /2018-06-01/runtime/invocation/next          waits for an event
//! POST /2018-06-01/runtime/invocation/ID/response   answers it
//! POST /2018-06-01/runtime/invocation/ID/error      fails it
//! POST /2018-06-01/runtime/init/error               the function cannot be loaded
//! ```
//! Answers that are streamed (`Lambda-Runtime-Function-Response-Mode: streaming`) are taken whole, with the error that may
//! stand behind them. Extensions and SnapStart
//! have paths of their own, which do not exist here.

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use millrace_functions::{Exchange, RESPONSE_BYTES_MAX, Refused, RuntimeDoor, RuntimeHost, Work};
use serde_json::json;
use std::convert::Infallible;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// The version of the API is part of its paths.
const ROOT: &str = "/2018-06-01/runtime/";
/// One byte more than the limit is kept: enough to know that it is too long.
const BODY_BYTES_MAX: usize = RESPONSE_BYTES_MAX + 1;
/// A body that goes on for longer than this is not read to its end; its connection closes.
const BODY_READ_MAX: usize = 256 * 1024 * 1024;
/// A client has one connection, or two while it replaces one.
const CONNECTIONS_MAX: usize = 16;

/// Opens a port for every process.
#[derive(Debug, Clone, Copy, Default)]
pub struct RuntimeApi;

/// Closes the port with all of its connections.
struct Guard(tokio::task::JoinHandle<()>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[async_trait]
impl RuntimeHost for RuntimeApi {
    async fn open(&self, exchange: Arc<Exchange>) -> io::Result<RuntimeDoor> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let guard = Guard(tokio::spawn(accept(listener, exchange)));
        Ok(RuntimeDoor { address, guard: Box::new(guard) })
    }
}

async fn accept(listener: TcpListener, exchange: Arc<Exchange>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => {
                if let Ok((socket, _)) = accepted {
                    connections.spawn(converse(socket, exchange.clone()));
                } else {
                    tokio::task::yield_now().await;
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn converse(socket: TcpStream, exchange: Arc<Exchange>) {
    // A refused hint changes nothing but speed.
    let _ = socket.set_nodelay(true);
    let service = service_fn(move |request| {
        let exchange = exchange.clone();
        async move { Ok::<_, Infallible>(answer(&exchange, request).await) }
    });
    // A connection that breaks is the end of its process, which the runner sees.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
}

async fn answer(exchange: &Exchange, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let path: Vec<&str> = match parts.uri.path().strip_prefix(ROOT) {
        Some(path) => path.split('/').collect(),
        None => Vec::new(),
    };
    match (parts.method, path.as_slice()) {
        (Method::GET, ["invocation", "next"]) => match exchange.next().await {
            Some(work) => event(work),
            None => problem(StatusCode::GONE, "Sandbox.Closed", "There will be no more invocations"),
        },
        (Method::POST, ["invocation", id, "response"]) => match collect(body).await {
            Ok((_, Some(error))) => accepted(exchange.fail(id, error)),
            Ok((payload, None)) => accepted(exchange.respond(id, payload)),
            Err(response) => response,
        },
        (Method::POST, ["invocation", id, "error"]) => match collect(body).await {
            Ok((payload, _)) => accepted(exchange.fail(id, payload)),
            Err(response) => response,
        },
        (Method::POST, ["init", "error"]) => match collect(body).await {
            Ok((payload, _)) => accepted(exchange.init_error(payload)),
            Err(response) => response,
        },
        _ => problem(StatusCode::NOT_FOUND, "NotFound", "The Lambda Runtime API has no such path here"),
    }
}

/// The whole body, and the error that a streamed one ends with. One that is too long is read to its end, so that the client hears why it is refused, but not kept.
async fn collect(mut body: Incoming) -> Result<(Bytes, Option<Bytes>), Response<Full<Bytes>>> {
    let announced = body.size_hint().exact().and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(0);
    let mut kept = BytesMut::with_capacity(announced.min(BODY_BYTES_MAX));
    let (mut read, mut error) = (0, None);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| problem(StatusCode::BAD_REQUEST, "InvalidBody", &error.to_string()))?;
        let data = match frame.into_data() {
            Ok(data) => data,
            Err(frame) => {
                error = frame.into_trailers().ok().and_then(|trailers| streamed_error(&trailers));
                continue;
            }
        };
        read += data.len();
        if read > BODY_READ_MAX {
            return Err(accepted(Err(Refused::TooLarge)));
        }
        let room = BODY_BYTES_MAX - kept.len();
        kept.extend_from_slice(&data[..data.len().min(room)]);
    }
    Ok((kept.freeze(), error))
}

/// A function that fails after it began to stream says so behind its answer: the error in base64.
fn streamed_error(trailers: &HeaderMap) -> Option<Bytes> {
    let kind = trailers.get("lambda-runtime-function-error-type")?;
    let described = trailers.get("lambda-runtime-function-error-body").map(HeaderValue::as_bytes).unwrap_or_default();
    let described = base64_simd::STANDARD.decode_to_vec(described).ok().filter(|json| !json.is_empty());
    let bare = || json!({"errorType": String::from_utf8_lossy(kind.as_bytes())}).to_string().into_bytes();
    Some(described.unwrap_or_else(bare).into())
}

fn event(work: Work) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(work.payload));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let mut set = |name: &'static str, value: &[u8]| {
        // Ids and ARNs are plain text; a client context that is not is left out, as an invalid one is on AWS.
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    set("lambda-runtime-aws-request-id", work.request_id.as_bytes());
    set("lambda-runtime-deadline-ms", work.deadline.to_string().as_bytes());
    set("lambda-runtime-invoked-function-arn", work.arn.as_bytes());
    set("lambda-runtime-trace-id", work.trace_id.as_bytes());
    if let Some(context) = work.client_context {
        set("lambda-runtime-client-context", &context);
    }
    response
}

fn accepted(done: Result<(), Refused>) -> Response<Full<Bytes>> {
    match done {
        Ok(()) => json_response(StatusCode::ACCEPTED, &json!({"status": "OK"})),
        Err(refused) => {
            let (status, kind) = match refused {
                Refused::RequestId => (StatusCode::BAD_REQUEST, "InvalidRequestID"),
                Refused::State => (StatusCode::FORBIDDEN, "InvalidStateTransition"),
                Refused::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge"),
            };
            problem(status, kind, &refused.to_string())
        }
    }
}

fn problem(status: StatusCode, kind: &str, message: &str) -> Response<Full<Bytes>> {
    json_response(status, &json!({"errorMessage": message, "errorType": kind}))
}

fn json_response(status: StatusCode, body: &serde_json::Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
