//! From a request to its service and back: what AWS's protocols share.

use super::audit::{Attempt, Recorded, Recorder, event_source, is_unidentified};
use super::body::BODY_BYTES_MAX;
use super::caller::Caller;
use super::correlation::Correlation;
use super::fault::respond;
use super::lock::{Entered, Lock, check_service};
use super::route::{self, Road, text_header};
use super::service::{Call, Protocol, Reply, Service};
use crate::wire::{Fault, Format, Model, kinds};
use axum::body::Body;
use axum::http::{Request, Response, request};
use bytes::Bytes;
use millrace_base::Dice;
use std::collections::HashMap;
use std::sync::Arc;

/// All services, by what requests call them.
pub struct Services {
    all: Vec<Arc<dyn Service>>,
    by_target: HashMap<&'static str, Arc<dyn Service>>,
    rest_prefixes: Vec<&'static str>,
    lock: Lock,
    recorder: Option<Recorder>,
    dice: Arc<dyn Dice>,
}

/// How a response is written when there is no reply that says so.
#[derive(Debug, Clone, Copy, Default)]
pub struct Manner {
    /// The service, when it is known.
    pub model: Option<&'static Model>,
    /// The writing.
    pub writing: Writing,
}

/// The writing of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writing {
    /// JSON or CBOR.
    Document(Format),
    /// XML.
    Xml,
    /// REST with JSON.
    Rest,
}

impl Default for Writing {
    fn default() -> Self {
        Self::Document(Format::Json)
    }
}

/// A call before it is known whether its caller matters.
struct Asked {
    service: Arc<dyn Service>,
    operation: String,
    protocol: Protocol,
    entered: Entered,
}

impl Services {
    /// The door to `services`, behind `lock`.
    pub fn new(services: Vec<Arc<dyn Service>>, lock: Lock, recorder: Option<Recorder>, dice: Arc<dyn Dice>) -> Self {
        let named = services.iter().filter(|service| !service.model().target_prefix.is_empty());
        let by_target = named.map(|service| (service.model().target_prefix, service.clone())).collect();
        Self { by_target, rest_prefixes: route::prefixes(&services), all: services, lock, recorder, dice }
    }

    /// The way of a request, if it is to one of AWS's services.
    pub fn road(&self, head: &request::Parts) -> Option<Road> {
        Road::of(head, |first| self.rest_prefixes.binary_search(&first).is_ok())
    }

    /// Answers a request that takes `road`.
    pub async fn answer<B>(&self, road: Road, request: Request<B>) -> Response<Body>
    where
        B: hyper::body::Body<Data = Bytes> + Unpin,
        B::Error: std::fmt::Display,
    {
        let (head, body) = request.into_parts();
        let mut manner = Manner::default();
        let mut operation = String::new();
        let id = self.dice.uuid();
        // The body is read even when the answer is clear, so that the connection can be used again.
        let asked = match road {
            Road::Target => self.by_target(&head, body, &mut manner).await,
            Road::RpcV2 { service, operation } => self.rpc_v2(&head, body, &service, operation, &mut manner).await,
            Road::Query { form } => self.query(&head, body, form, &mut manner).await,
            Road::Rest => self.rest(&head, body, &mut manner).await,
        };
        let answer = match asked {
            Ok(asked) => {
                operation.clone_from(&asked.operation);
                self.carry_out(&head, asked, &id).await
            }
            Err(fault) => Err(fault),
        };
        if let (Some(recorder), Err(fault)) = (&self.recorder, &answer)
            && is_unidentified(fault)
        {
            let source = manner.model.map_or("unknown".into(), event_source);
            let said = text_header(&head.headers, "x-amz-target").rsplit('.').next().unwrap_or_default();
            let operation = if operation.is_empty() { said } else { operation.as_str() };
            recorder.refused(Attempt { source, operation, head: &head, id: &id, fault }).await;
        }
        respond(manner, &operation, answer, &id)
    }

    async fn by_target<B>(&self, head: &request::Parts, body: B, manner: &mut Manner) -> Result<Asked, Fault>
    where
        B: hyper::body::Body<Data = Bytes> + Unpin,
        B::Error: std::fmt::Display,
    {
        let target = text_header(&head.headers, "x-amz-target");
        let (prefix, operation) = target.rsplit_once('.').unwrap_or((target, ""));
        let service = self.by_target.get(prefix);
        let content_type = text_header(&head.headers, "content-type");
        let format = Format::of_content_type(content_type);
        manner.model = service.map(|service| service.model());
        manner.writing = Writing::Document(format.unwrap_or(Format::Json));
        let bytes_max = service.map_or(BODY_BYTES_MAX, |service| service.body_bytes_max());
        let entered = self.lock.enter(head, body, bytes_max, manner.writing).await?;
        let format = format.ok_or_else(|| {
            kinds::UNKNOWN_SERVICE.because(format!(
                "Content-Type '{content_type}' is not supported: use application/x-amz-json-1.1 or \
                 application/x-amz-cbor-1.1."
            ))
        })?;
        let unknown = |kind: crate::wire::FaultKind| kind.because(format!("There is no operation '{target}'."));
        let service = service.ok_or_else(|| unknown(kinds::UNKNOWN_SERVICE))?;
        if !service.model().operations.contains(&operation) {
            return Err(unknown(kinds::UNKNOWN_OPERATION));
        }
        let (service, operation) = (service.clone(), operation.to_owned());
        Ok(Asked { service, operation, protocol: Protocol::Document(format), entered })
    }

    async fn rpc_v2<B>(
        &self,
        head: &request::Parts,
        body: B,
        service: &str,
        operation: String,
        manner: &mut Manner,
    ) -> Result<Asked, Fault>
    where
        B: hyper::body::Body<Data = Bytes> + Unpin,
        B::Error: std::fmt::Display,
    {
        manner.writing = Writing::Document(Format::RpcCbor);
        let entered = self.lock.enter(head, body, BODY_BYTES_MAX, manner.writing).await?;
        let known = self.by_target.get(service);
        manner.model = known.map(|service| service.model());
        let known = known.filter(|known| known.model().operations.contains(&operation.as_str()));
        let known = known.ok_or_else(|| {
            kinds::UNKNOWN_SERVICE.because(format!("There is no operation '{operation}' of a service '{service}'."))
        })?;
        Ok(Asked { service: known.clone(), operation, protocol: Protocol::Document(Format::RpcCbor), entered })
    }

    async fn query<B>(
        &self,
        head: &request::Parts,
        body: B,
        form: Option<String>,
        manner: &mut Manner,
    ) -> Result<Asked, Fault>
    where
        B: hyper::body::Body<Data = Bytes> + Unpin,
        B::Error: std::fmt::Display,
    {
        manner.writing = Writing::Xml;
        let mut entered = self.lock.enter(head, body, BODY_BYTES_MAX, manner.writing).await?;
        let mut body = form.map_or_else(|| std::mem::take(&mut entered.body), Bytes::from);
        let (mut action, mut version, mut has_queue) = (String::new(), String::new(), false);
        for (name, value) in form_urlencoded::parse(&body) {
            match &*name {
                "Action" => action = value.into_owned(),
                "Version" => version = value.into_owned(),
                "QueueUrl" => has_queue = true,
                _ => {}
            }
        }
        if action.is_empty() {
            return Err(MISSING_ACTION.because("The form names no operation: the parameter Action is missing."));
        }
        let serves = |service: &&Arc<dyn Service>| {
            let model = service.model();
            let speaks = model.routes.is_empty() && !model.namespace.is_empty();
            let is_version = version.is_empty() || model.version == version;
            speaks && is_version && model.operations.contains(&action.as_str())
        };
        let service = self.all.iter().find(serves).ok_or_else(|| {
            let message = format!("Could not find operation {action} for version {version}");
            kinds::UNKNOWN_OPERATION.because(message)
        })?;
        manner.model = Some(service.model());
        // A request to SQS's old protocol may name its queue by where it goes to.
        let path = head.uri.path();
        if service.model().target_prefix == "AmazonSQS" && path != "/" && !has_queue {
            let mut form = form_urlencoded::Serializer::new(String::from_utf8_lossy(&body).into_owned());
            form.append_pair("QueueUrl", &format!("{}{path}", route::endpoint(head)));
            body = form.finish().into();
        }
        entered.body = body;
        Ok(Asked { service: service.clone(), operation: action, protocol: Protocol::Query, entered })
    }

    async fn rest<B>(&self, head: &request::Parts, body: B, manner: &mut Manner) -> Result<Asked, Fault>
    where
        B: hyper::body::Body<Data = Bytes> + Unpin,
        B::Error: std::fmt::Display,
    {
        manner.writing = Writing::Rest;
        let found = route::rest(&self.all, head);
        let bytes_max = found.as_ref().map_or(BODY_BYTES_MAX, |(service, ..)| service.body_bytes_max());
        let entered = self.lock.enter(head, body, bytes_max, manner.writing).await?;
        let (service, route, parameters) = found.ok_or_else(|| {
            kinds::UNKNOWN_SERVICE.because(format!("There is no operation at {} {}.", head.method, head.uri.path()))
        })?;
        manner.model = Some(service.model());
        Ok(Asked {
            service,
            operation: route.operation.to_owned(),
            protocol: Protocol::Rest(route, parameters),
            entered,
        })
    }

    async fn carry_out(&self, head: &request::Parts, asked: Asked, id: &str) -> Result<Reply, Fault> {
        let Asked { service, operation, protocol, entered: Entered { caller, service: signed_for, body } } = asked;
        let caller = match caller {
            Err(fault) if is_missing(&fault) && service.is_open(&operation) => Caller::nobody(),
            other => other?,
        };
        let model = service.model();
        check_service(model, signed_for.as_deref())?;
        let trail = self.recorder.as_ref().map(|recorder| recorder.begin(model, &operation)).transpose()?;
        let trail = trail.unwrap_or_default();
        let call = Call {
            caller: caller.clone(),
            operation: operation.clone(),
            protocol,
            body,
            endpoint: route::endpoint(head),
            model,
            correlation: Correlation::of(&head.headers, id),
            trail: trail.clone(),
        };
        let answer = service.call(call).await.map_err(|fault| service.reword(fault));
        if let Some(recorder) = &self.recorder {
            let (operation, caller, fault) = (operation.as_str(), &caller, answer.as_ref().err());
            let source = event_source(model);
            recorder.record(trail, Recorded { source, operation, caller, head, id, fault }).await?;
        }
        answer
    }
}

const MISSING_ACTION: crate::wire::FaultKind = crate::wire::FaultKind::new("MissingAction", 400);

fn is_missing(fault: &Fault) -> bool {
    fault.kind.code == kinds::MISSING_AUTHENTICATION.code
}
