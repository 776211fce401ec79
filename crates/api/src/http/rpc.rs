//! AWS's RPC: `POST /` with `X-Amz-Target: SERVICE.Operation`, in JSON or CBOR.

use super::body::read_body;
use super::caller::Caller;
use crate::wire::{CborWriter, Fault, FaultKind, Format, JsonWriter, Shape, Writer, kinds};
use async_trait::async_trait;
use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use bytes::Bytes;
use millrace_base::Dice;
use std::collections::HashMap;
use std::sync::Arc;

/// One request to one service.
#[derive(Debug, Clone)]
pub struct Call {
    /// Who calls.
    pub caller: Caller,
    /// The operation's name.
    pub operation: String,
    /// The format of the request, and so of the response.
    pub format: Format,
    /// The request's body.
    pub body: Bytes,
}

/// An AWS service that is called by RPC.
#[async_trait]
pub trait Service: Send + Sync + 'static {
    /// What `X-Amz-Target` begins with, before the dot.
    fn target_prefix(&self) -> &'static str;
    /// True when AWS's service has this operation, whether or not it is served.
    fn knows(&self, operation: &str) -> bool;
    /// Carries a call out and returns the encoded output.
    async fn call(&self, call: Call) -> Result<Vec<u8>, Fault>;
}

/// Reads a call's input, runs the operation on a thread that may wait for the disk, and encodes its output.
pub async fn blocking<S, I, O>(
    service: &S,
    call: Call,
    operation: fn(&S, &Caller, I) -> Result<O, Fault>,
) -> Result<Vec<u8>, Fault>
where
    S: Clone + Send + 'static,
    I: Shape + Send + 'static,
    O: Shape + Send + 'static,
{
    let input: I = call.format.decode(call.body)?;
    let service = service.clone();
    let work = move || operation(&service, &call.caller, input).map(|output| call.format.encode(&output));
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|stopped| Err(kinds::INTERNAL_FAILURE.because(format!("the operation stopped: {stopped}"))))
}

/// All services, by their target prefix.
pub struct Rpc {
    services: HashMap<&'static str, Arc<dyn Service>>,
    dice: Arc<dyn Dice>,
}

impl Rpc {
    /// The door to `services`.
    pub fn new(services: Vec<Arc<dyn Service>>, dice: Arc<dyn Dice>) -> Self {
        Self { services: services.into_iter().map(|service| (service.target_prefix(), service)).collect(), dice }
    }

    /// Answers a request that carries `X-Amz-Target`.
    pub async fn answer<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: hyper::body::Body<Data = Bytes> + Unpin,
        B::Error: std::fmt::Display,
    {
        let (head, body) = request.into_parts();
        let content_type = text_header(&head.headers, CONTENT_TYPE.as_str());
        let format = Format::of_content_type(content_type);
        // The body is read even when the answer is clear, so that the connection can be used again.
        let body = read_body(&head.headers, body).await;
        let answer = match (format, body) {
            (Some(format), Ok(body)) => self.call(&head.headers, head.uri.query(), format, body).await,
            (_, Err(fault)) => Err(fault),
            (None, Ok(_)) => Err(kinds::UNKNOWN_SERVICE.because(format!(
                "Content-Type '{content_type}' is not supported: use application/x-amz-json-1.1 or \
                 application/x-amz-cbor-1.1."
            ))),
        };
        self.respond(format.unwrap_or(Format::Json), answer)
    }

    async fn call(
        &self,
        headers: &HeaderMap,
        query: Option<&str>,
        format: Format,
        body: Bytes,
    ) -> Result<Vec<u8>, Fault> {
        let target = text_header(headers, "x-amz-target");
        let (prefix, operation) = target.rsplit_once('.').unwrap_or((target, ""));
        let service = self.services.get(prefix).ok_or_else(|| unknown(kinds::UNKNOWN_SERVICE, target))?;
        if !service.knows(operation) {
            return Err(unknown(kinds::UNKNOWN_OPERATION, target));
        }
        let caller = Caller::identify(headers, query)?;
        service.call(Call { caller, operation: operation.to_owned(), format, body }).await
    }

    fn respond(&self, format: Format, answer: Result<Vec<u8>, Fault>) -> Response<Body> {
        let (status, error_type, body) = match answer {
            Ok(body) => (200, None, body),
            Err(fault) => (fault.kind.status, Some(fault.kind.code), encode_fault(format, &fault)),
        };
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
        if let Some(code) = error_type {
            headers.insert("x-amzn-errortype", HeaderValue::from_static(code));
        }
        stamp(headers, &*self.dice);
        response
    }
}

/// Puts the ids on a response that clients print when they report a problem.
pub fn stamp(headers: &mut HeaderMap, dice: &dyn Dice) {
    let id = dice.uuid();
    // The extended id tells nothing more, but clients expect one of its own form.
    let extended = base64_simd::STANDARD.encode_to_string(format!("{id}{id}"));
    for (name, value) in [("x-amzn-requestid", id), ("x-amz-id-2", extended)] {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
}

fn text_header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn unknown(kind: FaultKind, target: &str) -> Fault {
    kind.because(format!("There is no operation '{target}'."))
}

fn encode_fault(format: Format, fault: &Fault) -> Vec<u8> {
    let write = |writer: &mut dyn Writer| {
        let has_message = !fault.message.is_empty();
        writer.open_map(1 + usize::from(has_message));
        writer.key("__type");
        writer.text(fault.kind.code);
        if has_message {
            writer.key(fault.message_member());
            writer.text(&fault.message);
        }
        writer.close_map();
    };
    match format {
        Format::Json => {
            let mut writer = JsonWriter::default();
            write(&mut writer);
            writer.finish()
        }
        Format::Cbor => {
            let mut writer = CborWriter::default();
            write(&mut writer);
            writer.finish()
        }
    }
}
