//! Where topics deliver to beside queues: functions get events, HTTP endpoints get posts.

use crate::calling;
use async_trait::async_trait;
use millrace_base::{Clock, Dice};
use millrace_catalog::Catalog;
use millrace_functions::{Events, Invocation, InvokeError};
use millrace_queue::Queues;
use millrace_queue::sns::{Delivery, Endpoint, TopicError, TopicParts, Topics, Undelivered};
use reqwest::StatusCode;
use reqwest::redirect::Policy;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::runtime::Handle;

/// What an endpoint has for its answer (SNS developer guide, "Sending messages to HTTP/HTTPS endpoints").
const ANSWER_MAX: Duration = Duration::from_secs(15);
/// AWS's own, which endpoints look for.
const USER_AGENT: &str = "Amazon Simple Notification Service Agent";

/// Opens the topics and begins to deliver; the functions connect when they are open. `address`: where this server answers.
pub fn open(
    catalog: Catalog,
    queues: Queues,
    clock: Arc<dyn Clock>,
    dice: Arc<dyn Dice>,
    address: SocketAddr,
) -> Result<(Topics, FunctionEndpoint), TopicError> {
    let functions = FunctionEndpoint::new(dice.clone());
    let topics = Topics::open(TopicParts {
        catalog,
        queues,
        clock,
        dice,
        functions: Arc::new(functions.clone()),
        http: Arc::new(HttpEndpoint::new()),
        base_url: base_url(address),
    })?;
    topics.start(Handle::current())?;
    Ok((topics, functions))
}

/// Where this server is found; nobody can open a link to the address that stands for all of them.
pub fn base_url(address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        return format!("http://localhost:{}", address.port());
    }
    format!("http://{address}")
}

/// Functions as subscribers: a message is delivered when it is in the durable queue of asynchronous invocations, which has
/// retries and destinations of its own, as on AWS.
#[derive(Clone)]
pub struct FunctionEndpoint {
    /// Set when functions are open: they are opened after topics, because their failures may go to topics.
    events: Arc<OnceLock<Events>>,
    dice: Arc<dyn Dice>,
}

impl FunctionEndpoint {
    /// An endpoint that waits for its functions.
    pub fn new(dice: Arc<dyn Dice>) -> Self {
        Self { events: Arc::default(), dice }
    }

    /// Functions are open.
    pub fn connect(&self, events: Events) {
        // There is one room of functions, so the first is as good as any.
        let _ = self.events.set(events);
    }
}

#[async_trait]
impl Endpoint for FunctionEndpoint {
    async fn hand_over(&self, delivery: &Delivery) -> Result<(), Undelivered> {
        let (function, qualifier) = calling::function(&delivery.endpoint).map_err(|error| Undelivered {
            is_final: true,
            code: "InvalidEndpoint".into(),
            reason: error.to_string(),
        })?;
        let Some(events) = self.events.get() else {
            let reason = "functions are not open yet".to_owned();
            return Err(Undelivered { is_final: false, code: "NotReady".into(), reason });
        };
        let invocation = Invocation {
            function,
            qualifier,
            request_id: self.dice.uuid().into(),
            payload: delivery.body.clone(),
            client_context: None,
        };
        events.submit(invocation).await.map_err(|error| undelivered(&error))
    }
}

fn undelivered(error: &InvokeError) -> Undelivered {
    let (is_final, code) = match error {
        InvokeError::NotFound(_) => (true, "ResourceNotFoundException"),
        InvokeError::TooLarge { .. } => (true, "RequestTooLargeException"),
        InvokeError::Throttled { .. } => (false, "TooManyRequestsException"),
        InvokeError::NotReady(_) => (false, "ResourceConflictException"),
        InvokeError::Failed(_) => (false, "ServiceException"),
    };
    Undelivered { is_final, code: code.into(), reason: error.to_string() }
}

/// HTTP and HTTPS endpoints.
pub struct HttpEndpoint {
    client: reqwest::Client,
}

impl HttpEndpoint {
    /// A client of its own: redirects are not followed, as AWS does not.
    pub fn new() -> Self {
        let builder = reqwest::Client::builder().timeout(ANSWER_MAX).user_agent(USER_AGENT).redirect(Policy::none());
        Self { client: builder.build().expect("the settings are constants, and the TLS provider is installed in main") }
    }
}

#[async_trait]
impl Endpoint for HttpEndpoint {
    async fn hand_over(&self, delivery: &Delivery) -> Result<(), Undelivered> {
        let mut post = self.client.post(&delivery.endpoint).body(delivery.body.clone());
        for (name, value) in &delivery.headers {
            post = post.header(*name, value);
        }
        match post.send().await {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(refused(&delivery.endpoint, answer.status())),
            Err(error) => Err(Undelivered {
                is_final: error.is_builder(),
                code: if error.is_timeout() { "Timeout".into() } else { "NoAnswer".into() },
                reason: format!("{} does not answer: {error}", delivery.endpoint),
            }),
        }
    }
}

/// What is the client's fault stays so, but for too many requests.
fn refused(url: &str, status: StatusCode) -> Undelivered {
    let is_final = status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS;
    Undelivered { is_final, code: status.as_str().to_owned(), reason: format!("{url} answered {status}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::extract::Request;
    use axum::routing::post;
    use bytes::Bytes;
    use millrace_testkit::SimDice;
    use std::future::IntoFuture;
    use tokio::net::TcpListener;

    async fn answering(status: u16) -> String {
        let answer = move |request: Request| async move {
            let is_sns = request.headers().get("x-amz-sns-message-type").is_some_and(|value| value == "Notification")
                && request.headers().get("user-agent").is_some_and(|value| value == USER_AGENT);
            axum::http::StatusCode::from_u16(if is_sns { status } else { 418 }).unwrap()
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, Router::new().route("/hook", post(answer))).into_future());
        url
    }

    async fn post_to(endpoint: String) -> Result<(), Undelivered> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let headers = vec![("x-amz-sns-message-type", "Notification".to_owned())];
        let delivery = Delivery { endpoint, message_id: "1".into(), body: Bytes::from_static(b"{}"), headers };
        HttpEndpoint::new().hand_over(&delivery).await
    }

    #[tokio::test]
    async fn answers_say_whether_to_try_again() {
        assert_eq!(post_to(answering(200).await).await, Ok(()));
        let code = async |status: u16| {
            let refused = post_to(answering(status).await).await.unwrap_err();
            (refused.code, refused.is_final)
        };
        assert_eq!(code(404).await, ("404".into(), true));
        assert_eq!(code(429).await, ("429".into(), false));
        assert_eq!(code(503).await, ("503".into(), false));
        assert_eq!(code(302).await, ("302".into(), false));
        let silent = post_to("http://127.0.0.1:1/".into()).await.unwrap_err();
        assert_eq!((silent.code.as_str(), silent.is_final), ("NoAnswer", false));
    }

    #[test]
    fn links_lead_to_an_address_that_can_be_opened() {
        assert_eq!(base_url("0.0.0.0:4566".parse().unwrap()), "http://localhost:4566");
        assert_eq!(base_url("10.1.2.3:80".parse().unwrap()), "http://10.1.2.3:80");
    }

    #[tokio::test]
    async fn a_function_is_named_by_its_arn_and_waited_for() {
        let endpoint = FunctionEndpoint::new(Arc::new(SimDice::new(1)));
        let to = |endpoint: &str| Delivery {
            endpoint: endpoint.into(),
            message_id: "1".into(),
            body: Bytes::new(),
            headers: Vec::new(),
        };
        let early = endpoint.hand_over(&to("arn:aws:lambda:us-east-1:000000000000:function:f")).await.unwrap_err();
        assert!(!early.is_final);
        let wrong = endpoint.hand_over(&to("arn:aws:sqs:us-east-1:000000000000:q")).await.unwrap_err();
        assert!(wrong.is_final);
    }
}
