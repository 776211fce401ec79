//! A service of AWS's, whatever protocol it is called in: a call comes in, a reply goes out.
//!
//! A service names its generated [`Model`] and answers [`Service::call`]; its operations are functions from a typed input to
//! a typed output, and do not know the protocol:
//!
//! ```text
//! fn call(queues: &Sqs, caller: &Caller, input: CreateQueueRequest) -> Result<CreateQueueResult, Fault>
//! ```

use super::audit::Trail;
use super::body::BODY_BYTES_MAX;
use super::caller::Caller;
use super::correlation::Correlation;
use crate::wire::{
    Fault, FormReader, Format, Malformed, Model, Parameters, RestReader, RestResponse, RestWriter, Route, Shape,
    XmlWriter, kinds, read_whole,
};
use async_trait::async_trait;
use axum::body::Body;
use bytes::Bytes;
use std::future::Future;

/// One request to one service.
#[derive(Debug, Clone)]
pub struct Call {
    /// Who calls.
    pub caller: Caller,
    /// The operation's name.
    pub operation: String,
    /// The protocol of the request, and so of the response.
    pub protocol: Protocol,
    /// The request's body.
    pub body: Bytes,
    /// The address that the caller reached the server under, as `http://localhost:4566`: what URLs in answers begin with.
    pub endpoint: String,
    /// The service's model.
    pub model: &'static Model,
    /// The trace that the request belongs to.
    pub correlation: Correlation,
    /// What the audit wants to know.
    pub trail: Trail,
}

/// How a request is written.
#[derive(Debug, Clone)]
pub enum Protocol {
    /// One document: JSON or CBOR.
    Document(Format),
    /// A form, answered in XML.
    Query,
    /// A route, and the members that do not lie in the body.
    Rest(&'static Route, Parameters),
}

/// An answer. What is not set follows from the call's protocol.
#[derive(Debug, Default)]
pub struct Reply {
    /// The HTTP status; 200 unless it is set.
    pub status: Option<u16>,
    /// The content type; the protocol's unless it is set.
    pub content_type: Option<&'static str>,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body; in the query protocol the result, which is wrapped on its way out.
    pub body: Answer,
}

/// A reply's body.
#[derive(Debug)]
pub enum Answer {
    /// A body that is there as a whole.
    Whole(Vec<u8>),
    /// A body that comes in time.
    Stream(Body),
}

impl Default for Answer {
    fn default() -> Self {
        Self::Whole(Vec::new())
    }
}

impl Reply {
    /// An answer that comes in time.
    pub fn stream(content_type: &'static str, body: Body) -> Self {
        Self { content_type: Some(content_type), body: Answer::Stream(body), ..Self::default() }
    }
}

impl Call {
    /// The input, checked by the model's rules, of a caller who may do what it asks for.
    pub fn input<I: Shape>(&self) -> Result<I, Fault> {
        let input: I = self.read()?;
        self.trail.asked(&input);
        let Caller { guard, scope, .. } = &self.caller;
        guard.check(self.model, &self.operation, scope, &input)?;
        Ok(input)
    }

    fn read<I: Shape>(&self) -> Result<I, Fault> {
        match &self.protocol {
            Protocol::Document(format) => format.decode(self.body.clone()),
            Protocol::Query => {
                let reader = FormReader::new(&self.body, &self.operation, self.model.query_names);
                read_whole(&mut reader.map_err(|Malformed(reason)| kinds::SERIALIZATION.because(reason))?)
            }
            Protocol::Rest(route, parameters) => {
                read_whole(&mut RestReader::new(route, parameters.clone(), self.body.clone()))
            }
        }
    }

    /// The reply with an operation's output.
    pub fn output<O: Shape>(&self, output: &O) -> Reply {
        self.trail.answered(output);
        let body = match &self.protocol {
            Protocol::Document(format) => format.encode(output),
            Protocol::Query => {
                let mut writer = XmlWriter::new(&self.operation, self.model.query_names);
                output.write(&mut writer);
                writer.finish().into_bytes()
            }
            Protocol::Rest(route, _) => {
                let mut writer = RestWriter::new(route);
                output.write(&mut writer);
                let RestResponse { status, headers, body } = writer.finish();
                return Reply { status: Some(status), headers, body: Answer::Whole(body), content_type: None };
            }
        };
        Reply { body: Answer::Whole(body), ..Reply::default() }
    }

    /// The refusal of an operation that AWS has and Millrace does not; `page` of `docs/compat` lists what it has.
    pub fn unsupported(&self, page: &str) -> Fault {
        let Self { operation, model, .. } = self;
        kinds::UNSUPPORTED.because(format!(
            "Millrace does not support {operation} of {} yet: docs/compat/{page}.md lists what it does.",
            model.name
        ))
    }
}

/// An AWS service.
#[async_trait]
pub trait Service: Send + Sync + 'static {
    /// The service's generated model: requests find the service by it.
    fn model(&self) -> &'static Model;
    /// The largest body that the service takes.
    fn body_bytes_max(&self) -> usize {
        BODY_BYTES_MAX
    }
    /// True for an operation that needs no credentials: its request proves in another way that it may ask.
    fn is_open(&self, _operation: &str) -> bool {
        false
    }
    /// Puts an error that every service has (a broken rule of the model, an unreadable body) into the service's words.
    fn reword(&self, fault: Fault) -> Fault {
        fault
    }
    /// Carries a call out.
    async fn call(&self, call: Call) -> Result<Reply, Fault>;
}

/// Reads a call's input, runs the operation on a thread that may wait for the disk, and encodes its output.
pub async fn blocking<S, I, O>(
    service: &S,
    call: Call,
    operation: fn(&S, &Caller, I) -> Result<O, Fault>,
) -> Result<Reply, Fault>
where
    S: Clone + Send + 'static,
    I: Shape + Send + 'static,
    O: Shape + Send + 'static,
{
    let service = service.clone();
    let work = move || {
        let output = operation(&service, &call.caller, call.input()?)?;
        Ok(call.output(&output))
    };
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|stopped| Err(kinds::INTERNAL_FAILURE.because(format!("the operation stopped: {stopped}"))))
}

/// Reads a call's input, awaits the operation, and encodes its output.
pub async fn awaited<I, O, F>(call: &Call, operation: impl FnOnce(I) -> F) -> Result<Reply, Fault>
where
    I: Shape,
    O: Shape,
    F: Future<Output = Result<O, Fault>>,
{
    let output = operation(call.input()?).await?;
    Ok(call.output(&output))
}
