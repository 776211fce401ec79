//! Responses and errors in each protocol's writing.

use super::door::{Manner, Writing};
use super::service::{Answer, Reply};
use crate::wire::{CborWriter, Fault, Format, JsonWriter, Writer, escape};
use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

/// The response with a reply or an error, under the request's `id`.
pub fn respond(manner: Manner, operation: &str, answer: Result<Reply, Fault>, id: &str) -> Response<Body> {
    let (status, reply) = match answer {
        Ok(reply) => (reply.status.unwrap_or(200), of_reply(manner, operation, reply, id)),
        Err(fault) => (fault.kind.status, of_fault(manner, &fault, id)),
    };
    let Reply { content_type, headers: more, body, .. } = reply;
    let mut response = Response::new(match body {
        Answer::Whole(body) => Body::from(body),
        Answer::Stream(body) => body,
    });
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type.unwrap_or(manner.content_type())));
    if manner.writing == Writing::Document(Format::RpcCbor) {
        headers.insert("smithy-protocol", HeaderValue::from_static("rpc-v2-cbor"));
    }
    for (name, value) in more {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    stamp(headers, id);
    response
}

/// Puts the ids on a response that clients print when they report a problem.
pub fn stamp(headers: &mut HeaderMap, id: &str) {
    // The extended id tells nothing more, but clients expect one of its own form.
    let extended = base64_simd::STANDARD.encode_to_string(format!("{id}{id}"));
    for (name, value) in [("x-amzn-requestid", id.to_owned()), ("x-amz-id-2", extended)] {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
}

impl Manner {
    fn content_type(&self) -> &'static str {
        match self.writing {
            Writing::Document(format) => format.content_type(),
            Writing::Xml => "text/xml",
            Writing::Rest => "application/json",
        }
    }

    fn namespace(&self) -> &'static str {
        self.model.map(|model| model.namespace).unwrap_or_default()
    }
}

/// A reply as it is sent: that of a query is wrapped.
fn of_reply(manner: Manner, operation: &str, mut reply: Reply, id: &str) -> Reply {
    if let (Writing::Xml, Answer::Whole(result)) = (manner.writing, &reply.body) {
        let result = String::from_utf8_lossy(result);
        let namespace = manner.namespace();
        let xml = format!(
            "<{operation}Response xmlns=\"{namespace}\">{result}<ResponseMetadata><RequestId>{id}</RequestId>\
             </ResponseMetadata></{operation}Response>"
        );
        reply.body = Answer::Whole(xml.into_bytes());
    }
    reply
}

fn of_fault(manner: Manner, fault: &Fault, id: &str) -> Reply {
    let mut headers = Vec::new();
    let body = match manner.writing {
        Writing::Xml => xml(manner, fault, id),
        Writing::Rest => {
            let mut writer = JsonWriter::default();
            let blamed = if fault.kind.is_sender() { "User" } else { "Service" };
            write_fault(&mut writer, fault, ("Type", blamed));
            writer.finish()
        }
        Writing::Document(Format::Json | Format::Json10) => {
            let mut writer = JsonWriter::default();
            write_fault(&mut writer, fault, ("__type", fault.kind.code));
            writer.finish()
        }
        Writing::Document(Format::Cbor | Format::RpcCbor) => {
            let mut writer = CborWriter::default();
            write_fault(&mut writer, fault, ("__type", fault.kind.code));
            writer.finish()
        }
    };
    if manner.writing != Writing::Xml {
        headers.push(("x-amzn-errortype", fault.kind.code.to_owned()));
    }
    if manner.model.is_some_and(|model| model.query_compatible) {
        let blamed = if fault.kind.is_sender() { "Sender" } else { "Receiver" };
        headers.push(("x-amzn-query-error", format!("{};{blamed}", fault.kind.query_code())));
    }
    Reply { headers, body: Answer::Whole(body), ..Reply::default() }
}

fn write_fault(writer: &mut dyn Writer, fault: &Fault, first: (&str, &str)) {
    let has_message = !fault.message.is_empty();
    writer.open_map(1 + usize::from(has_message) + fault.details.len());
    writer.key(first.0);
    writer.text(first.1);
    if has_message {
        writer.key(fault.message_member());
        writer.text(&fault.message);
    }
    for (member, value) in &fault.details {
        writer.key(member);
        writer.text(value);
    }
    writer.close_map();
}

fn xml(manner: Manner, fault: &Fault, id: &str) -> Vec<u8> {
    let blamed = if fault.kind.is_sender() { "Sender" } else { "Receiver" };
    let (code, message) = (fault.kind.query_code(), escape(&fault.message));
    format!(
        "<ErrorResponse xmlns=\"{}\"><Error><Type>{blamed}</Type><Code>{code}</Code>\
         <Message>{message}</Message></Error><RequestId>{id}</RequestId></ErrorResponse>",
        manner.namespace()
    )
    .into_bytes()
}
