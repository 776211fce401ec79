//! From a request to its operation and back.

use super::faults::{self, shut_out, unsupported};
use super::request::{Answer, Content, Request};
use super::store::{Lake, Place};
use super::{MODEL, S3, refused, route};
use crate::http::{Attempt, Lock, Recorded, Recorder, Refused, endpoint, event_source, stamp};
use crate::wire::{Fault, kinds};
use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, Response, StatusCode};
use bytes::Bytes;
use millrace_base::Dice;
use millrace_deliver::OpenObject;
use serde_json::{Map, Value};
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// What one request may send: DuckDB's parts are 80 MB, other clients' 5 to 16.
const BODY_BYTES_MAX: usize = 128 * 1024 * 1024;
/// How much of an object is read at once.
const PIECE_BYTES: u64 = 1024 * 1024;

impl S3 {
    /// Whether a request is to S3; `is_others` tells what is some other service's for certain.
    pub fn is_asked(&self, head: &Parts, is_others: impl FnOnce() -> bool) -> bool {
        match route::signed_for(head) {
            Some(service) => service == "s3",
            None if is_others() => false,
            None => {
                let path = head.uri.path();
                let is_own = path.starts_with("/_millrace") || path == "/metrics";
                route::may_be_path(path)
                    || (!is_own && route::bucket_of_host(head, |name| self.is_bucket(name)).is_some())
            }
        }
    }

    /// Answers a request.
    pub(crate) async fn answer<B>(
        &self,
        head: Parts,
        body: B,
        lock: &Lock,
        recorder: Option<&Recorder>,
        dice: &dyn Dice,
    ) -> Response<Body>
    where
        B: hyper::body::Body<Data = Bytes> + Unpin,
        B::Error: std::fmt::Display,
    {
        let id = dice.uuid();
        let answer = self.enter(&head, body, lock, recorder, &id).await;
        let is_head = head.method == Method::HEAD;
        respond(answer, head.uri.path(), is_head, &id)
    }

    async fn enter<B>(
        &self,
        head: &Parts,
        body: B,
        lock: &Lock,
        recorder: Option<&Recorder>,
        id: &str,
    ) -> Result<Answer, Fault>
    where
        B: hyper::body::Body<Data = Bytes> + Unpin,
        B::Error: std::fmt::Display,
    {
        // The body is read even when the answer is clear, so that the connection can be used again.
        let (caller, payload) = match lock.enter_s3(head, body, BODY_BYTES_MAX).await {
            Ok(entered) => entered,
            Err(refused) => {
                let is_signature = matches!(refused, Refused::Signature(_));
                let fault = shut_out(refused);
                if let Some(recorder) = recorder.filter(|_| is_signature) {
                    let operation = route::target(head, None).map_or("", |target| target.operation);
                    let source = event_source(&MODEL);
                    recorder.refused(Attempt { source, operation, head, id, fault: &fault }).await;
                }
                return Err(fault);
            }
        };
        let bucket = route::bucket_of_host(head, |name| self.is_bucket(name));
        let target = route::target(head, bucket)?;
        let operation = target.operation;
        let trail = recorder.map(|recorder| recorder.begin(&MODEL, operation)).transpose()?.unwrap_or_default();
        trail.asked_for(parameters(&target));
        let request = Request {
            target,
            headers: head.headers.clone(),
            caller: caller.clone(),
            body: payload.payload,
            trailers: payload.trailers,
            endpoint: endpoint(head),
        };
        let answer = self.carry_out(request).await;
        if let Some(recorder) = recorder {
            let (source, caller, fault) = (event_source(&MODEL), &caller, answer.as_ref().err());
            recorder.record(trail, Recorded { source, operation, caller, head, id, fault }).await?;
        }
        answer
    }

    /// Carries a request out on a thread that may wait for the disk.
    async fn carry_out(&self, request: Request) -> Result<Answer, Fault> {
        let place = self.0.clone();
        let work = move || match &*place {
            Place::Here(lake) => {
                refused::refuse(&request.headers, lake.is_sealed)?;
                Ok(lake.told(request.target.operation, lake.carry_out(&request)?))
            }
            Place::Elsewhere => Err(unsupported(
                "a lake in an S3 store (--s3-endpoint), which has this API itself: ask it instead of Millrace",
            )),
        };
        let done = tokio::task::spawn_blocking(work).await;
        done.unwrap_or_else(|stopped| Err(kinds::INTERNAL_FAILURE.because(format!("the operation stopped: {stopped}"))))
    }
}

impl Lake {
    fn carry_out(&self, request: &Request) -> Result<Answer, Fault> {
        match request.target.operation {
            "ListBuckets" => self.list_buckets(request),
            "CreateBucket" => self.create_bucket(request),
            "HeadBucket" => self.head_bucket(request),
            "DeleteBucket" => self.delete_bucket(request),
            "GetBucketLocation" => self.get_bucket_location(request),
            "GetBucketEncryption" => self.get_bucket_encryption(request),
            "PutBucketEncryption" => self.put_bucket_encryption(request),
            "DeleteBucketEncryption" => self.delete_bucket_encryption(request),
            "ListObjects" => self.list_objects(request),
            "ListObjectsV2" => self.list_objects_v2(request),
            "GetObject" => self.get_object(request),
            "HeadObject" => self.head_object(request),
            "GetObjectTagging" => self.get_object_tagging(request),
            "PutObject" => self.put_object(request),
            "CopyObject" => self.copy_object(request),
            "DeleteObject" => self.delete_object(request),
            "DeleteObjects" => self.delete_objects(request),
            "CreateMultipartUpload" => self.create_multipart_upload(request),
            "UploadPart" => self.upload_part(request),
            "UploadPartCopy" => self.upload_part_copy(request),
            "CompleteMultipartUpload" => self.complete_multipart_upload(request),
            "AbortMultipartUpload" => self.abort_multipart_upload(request),
            "ListParts" => self.list_parts(request),
            "ListMultipartUploads" => self.list_multipart_uploads(request),
            other => Err(unsupported(other)),
        }
    }
}

/// What the audit tells of a request.
fn parameters(target: &route::Target) -> Value {
    let mut found: Map<String, Value> =
        target.query.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
    for (name, value) in [("bucketName", &target.bucket), ("key", &target.key)] {
        if !value.is_empty() {
            found.insert(name.to_owned(), value.as_str().into());
        }
    }
    Value::Object(found)
}

fn respond(answer: Result<Answer, Fault>, path: &str, is_head: bool, id: &str) -> Response<Body> {
    let answer = answer.unwrap_or_else(|fault| of_fault(&fault, path, is_head, id));
    let Answer { status, headers: more, content } = answer;
    let is_xml = matches!(content, Content::Xml(_));
    let mut response = Response::new(match content {
        Content::Empty => Body::empty(),
        Content::Xml(document) => Body::from(document),
        Content::Object(object, range) => Body::from_stream(pieces_of(object, range)),
    });
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if is_xml {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    }
    for (name, value) in more {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
    if let Ok(value) = HeaderValue::try_from(id) {
        headers.insert("x-amz-request-id", value);
    }
    stamp(headers, id);
    response
}

fn of_fault(fault: &Fault, path: &str, is_head: bool, id: &str) -> Answer {
    let status = fault.kind.status;
    if fault.kind == faults::NOT_MODIFIED {
        let etag = fault.details.iter().find(|(name, _)| *name == "ETag").map(|(_, value)| value.clone());
        return Answer::empty(status).with("etag", etag.unwrap_or_default());
    }
    match is_head {
        true => Answer::empty(status),
        false => Answer { status, ..Answer::xml(faults::xml(fault, path, id)) },
    }
}

/// The pieces of an object, each read when the one before it is on its way.
fn pieces_of(object: Arc<OpenObject>, range: Range<u64>) -> impl futures::Stream<Item = io::Result<Bytes>> {
    futures::stream::unfold((object, range), |(object, range)| async move {
        if range.is_empty() {
            return None;
        }
        let end = range.end.min(range.start + PIECE_BYTES);
        let (reader, part) = (object.clone(), range.start..end);
        let read = tokio::task::spawn_blocking(move || reader.read(part)).await;
        let piece = read.unwrap_or_else(|stopped| Err(io::Error::other(stopped)));
        // After an error the connection is closed: the client sees that the object is not whole.
        let rest = if piece.is_ok() { end..range.end } else { 0..0 };
        Some((piece, (object, rest)))
    })
}
