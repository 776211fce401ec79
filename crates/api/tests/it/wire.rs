//! Every protocol with requests as AWS's own client writes them: what is read is what was meant, what is answered is what
//! AWS answers.
//!
//! `tests/wire/botocore.json` holds requests that botocore 1.44.5 serialized (the older query protocol of SQS: botocore
//! 1.29.165), each with the parameters that were given to it, and answers that botocore's parsers were shown to read as
//! `output`.

use crate::door::{Answer, Door, TestClock};
use async_trait::async_trait;
use bytes::Bytes;
use millrace_api::http::Call;
use millrace_api::models::{cloudwatch, lambda, sns, sqs};
use millrace_api::wire::{Fault, Format, Model, Shape};
use millrace_api::{Reply, Service};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

#[derive(Deserialize, Clone)]
struct Case {
    name: String,
    service: String,
    operation: String,
    input: Value,
    request: Sent,
    #[serde(default)]
    output: Value,
    answer: Option<Expected>,
}

#[derive(Deserialize, Clone)]
struct Sent {
    method: String,
    path: String,
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: String,
    base64: Option<String>,
}

#[derive(Deserialize, Clone)]
struct Expected {
    #[serde(default = "ok")]
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: String,
}

fn ok() -> u16 {
    200
}

/// What the services are to answer next, and what they last read.
#[derive(Default)]
struct Shared {
    output: Value,
    read: Option<(String, Value)>,
}

/// A service that notes its input and answers what it was told to.
struct Mirror {
    model: &'static Model,
    shared: Arc<Mutex<Shared>>,
}

impl Mirror {
    fn reflect<I: Shape, O: Shape>(&self, call: &Call) -> Result<Reply, Fault> {
        let input: I = call.input()?;
        let mut shared = self.shared.lock().unwrap();
        let json = serde_json::from_slice(&Format::Json.encode(&input)).unwrap();
        shared.read = Some((call.operation.clone(), json));
        let output = if shared.output.is_null() { "{}".to_owned() } else { shared.output.to_string() };
        Ok(call.output(&Format::Json.decode::<O>(Bytes::from(output)).unwrap_or_default()))
    }
}

#[async_trait]
impl Service for Mirror {
    fn model(&self) -> &'static Model {
        self.model
    }

    async fn call(&self, call: Call) -> Result<Reply, Fault> {
        match (self.model.name, call.operation.as_str()) {
            ("Amazon SQS", "CreateQueue") => self.reflect::<sqs::CreateQueueRequest, sqs::CreateQueueResult>(&call),
            ("Amazon SQS", "SendMessage") => self.reflect::<sqs::SendMessageRequest, sqs::SendMessageResult>(&call),
            ("Amazon SQS", "SendMessageBatch") => {
                self.reflect::<sqs::SendMessageBatchRequest, sqs::SendMessageBatchResult>(&call)
            }
            ("Amazon SQS", "ReceiveMessage") => {
                self.reflect::<sqs::ReceiveMessageRequest, sqs::ReceiveMessageResult>(&call)
            }
            ("Amazon SQS", "ListQueueTags") => {
                self.reflect::<sqs::ListQueueTagsRequest, sqs::ListQueueTagsResult>(&call)
            }
            ("Amazon SQS", "UntagQueue") => self.reflect::<sqs::UntagQueueRequest, ()>(&call),
            ("Amazon SQS", "DeleteQueue") => Err(sqs::faults::QUEUE_DOES_NOT_EXIST.because("No <queue> & none.")),
            ("Amazon SNS", "CreateTopic") => self.reflect::<sns::CreateTopicInput, sns::CreateTopicResponse>(&call),
            ("Amazon SNS", "Publish") => self.reflect::<sns::PublishInput, sns::PublishResponse>(&call),
            ("Amazon SNS", "PublishBatch") => self.reflect::<sns::PublishBatchInput, sns::PublishBatchResponse>(&call),
            ("Amazon SNS", "ListTopics") => self.reflect::<sns::ListTopicsInput, sns::ListTopicsResponse>(&call),
            ("Amazon SNS", "GetTopicAttributes") => {
                self.reflect::<sns::GetTopicAttributesInput, sns::GetTopicAttributesResponse>(&call)
            }
            ("AWS Lambda", "CreateFunction") => {
                self.reflect::<lambda::CreateFunctionRequest, lambda::FunctionConfiguration>(&call)
            }
            ("AWS Lambda", "Invoke") => self.reflect::<lambda::InvocationRequest, lambda::InvocationResponse>(&call),
            ("AWS Lambda", "ListFunctions") => {
                self.reflect::<lambda::ListFunctionsRequest, lambda::ListFunctionsResponse>(&call)
            }
            ("AWS Lambda", "GetLayerVersionByArn") => self.reflect::<lambda::GetLayerVersionByArnRequest, ()>(&call),
            ("AWS Lambda", "UntagResource") => self.reflect::<lambda::UntagResourceRequest, ()>(&call),
            ("AWS Lambda", "RemovePermission") => self.reflect::<lambda::RemovePermissionRequest, ()>(&call),
            ("AWS Lambda", "CreateEventSourceMapping") => {
                self.reflect::<lambda::CreateEventSourceMappingRequest, lambda::EventSourceMappingConfiguration>(&call)
            }
            ("AWS Lambda", "DeleteFunction") => {
                let fault = lambda::faults::TOO_MANY_REQUESTS_EXCEPTION.because("Rate exceeded");
                Err(fault.with("Reason", "CallerRateLimitExceeded"))
            }
            (_, "PutMetricData") => self.reflect::<cloudwatch::PutMetricDataInput, ()>(&call),
            _ => Err(call.unsupported("none")),
        }
    }
}

async fn mirrors(dir: &std::path::Path) -> (Door, Arc<Mutex<Shared>>) {
    let shared = Arc::new(Mutex::new(Shared::default()));
    let models = [&sqs::MODEL, &sns::MODEL, &lambda::MODEL, &cloudwatch::MODEL];
    let services = models.map(|model| Arc::new(Mirror { model, shared: shared.clone() }) as Arc<dyn Service>);
    (Door::open_with(dir, TestClock::default(), services.to_vec()).await, shared)
}

fn signed(service: &str, mut headers: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let credential = format!("Credential=111111111111/20260921/us-east-1/{service}/aws4_request");
    headers.insert("x-amz-date".into(), "20260921T141320Z".into());
    headers.insert("authorization".into(), format!("AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature=00"));
    headers
}

fn check_answer(case: &Case, answer: &Answer) {
    let Some(expected) = &case.answer else {
        assert!((200..300).contains(&answer.status), "{}: {} {:?}", case.name, answer.status, answer.json());
        return;
    };
    assert_eq!(answer.status, expected.status, "{}: {:?}", case.name, answer.json());
    for (name, value) in &expected.headers {
        assert_eq!(answer.headers.get(name), Some(value), "{}: {name}", case.name);
    }
    let body = String::from_utf8(answer.body.clone()).unwrap();
    // The one thing that differs from answer to answer.
    let id = answer.headers.get("x-amzn-requestid").expect("a request id");
    assert_eq!(body.replace(id, "ID"), expected.body, "{}", case.name);
}

#[tokio::test]
async fn what_botocore_writes_is_read_and_answered() {
    let dir = tempfile::tempdir().unwrap();
    let (door, shared) = mirrors(dir.path()).await;
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire/botocore.json");
    let cases: Vec<Case> = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert!(cases.len() > 20);
    for case in &cases {
        *shared.lock().unwrap() = Shared { output: case.output.clone(), read: None };
        let Sent { method, path, headers, body, base64 } = case.request.clone();
        let body = match base64 {
            Some(base64) => base64_simd::STANDARD.decode_to_vec(base64).unwrap(),
            None => body.into_bytes(),
        };
        let answer = door.send(&method, &path, &signed(&case.service, headers), &body).await;
        check_answer(case, &answer);
        let read = shared.lock().unwrap().read.take();
        assert_eq!(read, Some((case.operation.clone(), case.input.clone())), "{}", case.name);
    }
    door.close().await;
}

fn form(body: &str) -> (BTreeMap<String, String>, Vec<u8>) {
    let content_type = ("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned());
    (signed("sqs", BTreeMap::from([content_type])), body.as_bytes().to_vec())
}

#[tokio::test]
async fn errors_are_in_the_words_of_the_protocol() {
    let dir = tempfile::tempdir().unwrap();
    let (door, _) = mirrors(dir.path()).await;
    let json = |target: &str| {
        let headers = [("x-amz-target", target), ("content-type", "application/x-amz-json-1.0")];
        signed("sqs", headers.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    };
    let input = br#"{"QueueUrl":"http://localhost/0/q"}"#;
    let answer = door.send("POST", "/", &json("AmazonSQS.DeleteQueue"), input).await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.headers["x-amzn-query-error"], "AWS.SimpleQueueService.NonExistentQueue;Sender");
    assert_eq!(answer.headers["content-type"], "application/x-amz-json-1.0");
    assert_eq!(answer.json()["__type"], "QueueDoesNotExist");

    let (headers, body) = form("Action=DeleteQueue&Version=2012-11-05");
    let answer = door.send("POST", "/111111111111/q", &headers, &body).await;
    let id = answer.headers["x-amzn-requestid"].clone();
    let xml = format!(
        "<ErrorResponse xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\"><Error><Type>Sender</Type>\
         <Code>AWS.SimpleQueueService.NonExistentQueue</Code><Message>No &lt;queue&gt; &amp; none.</Message></Error>\
         <RequestId>{id}</RequestId></ErrorResponse>"
    );
    assert_eq!(String::from_utf8(answer.body).unwrap(), xml);

    let answer = door.send("DELETE", "/2015-03-31/functions/f", &signed("lambda", BTreeMap::new()), b"").await;
    assert_eq!((answer.status, answer.headers["x-amzn-errortype"].as_str()), (429, "TooManyRequestsException"));
    assert_eq!(answer.json()["Reason"], "CallerRateLimitExceeded");
    assert_eq!((&answer.json()["Type"], &answer.json()["message"]), (&"User".into(), &"Rate exceeded".into()));
    door.close().await;
}

#[tokio::test]
async fn what_is_not_served_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (door, _) = mirrors(dir.path()).await;
    let (headers, body) = form("Action=ListSubscriptions&Version=2010-03-31");
    let answer = door.send("POST", "/", &headers, &body).await;
    let text = String::from_utf8(answer.body).unwrap();
    assert!(text.contains("<Code>UnsupportedOperationException</Code>"), "{text}");
    assert!(text.contains("Millrace does not support ListSubscriptions of Amazon SNS yet"), "{text}");

    let (headers, body) = form("Action=FlyToTheMoon&Version=2010-03-31");
    let answer = door.send("POST", "/", &headers, &body).await;
    let text = String::from_utf8(answer.body).unwrap();
    assert!(text.contains("<Code>InvalidAction</Code>"), "{text}");
    assert!(text.contains("Could not find operation FlyToTheMoon for version 2010-03-31"), "{text}");

    let lambda = signed("lambda", BTreeMap::new());
    let answer = door.send("GET", "/2021-10-31/functions/f/urls", &lambda, b"").await;
    assert_eq!(answer.status, 400);
    let said = answer.json()["message"].as_str().unwrap().to_owned();
    assert!(said.contains("ListFunctionUrlConfigs of AWS Lambda"), "{said}");
    let answer = door.send("GET", "/2015-03-31/nothing", &lambda, b"").await;
    assert_eq!((answer.status, answer.headers["x-amzn-errortype"].as_str()), (404, "UnknownOperationException"));
    door.close().await;
}

#[tokio::test]
async fn the_queue_of_an_older_request_may_stand_in_its_path() {
    let dir = tempfile::tempdir().unwrap();
    let (door, shared) = mirrors(dir.path()).await;
    let (headers, body) = form("Action=SendMessage&Version=2012-11-05&MessageBody=m");
    let answer = door.send("POST", "/111111111111/q", &headers, &body).await;
    assert_eq!(answer.status, 200);
    let read = shared.lock().unwrap().read.take().unwrap().1;
    assert_eq!(read["QueueUrl"], "http://localhost/111111111111/q");
    // The same in the query string, as a browser asks.
    let answer = door.send("GET", "/?Action=CreateQueue&QueueName=q", &signed("sqs", BTreeMap::new()), b"").await;
    assert_eq!(answer.status, 200);
    assert_eq!(shared.lock().unwrap().read.take().unwrap().1["QueueName"], "q");
    door.close().await;
}

#[tokio::test]
async fn a_packed_body_is_inflated_but_not_without_end() {
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;
    let dir = tempfile::tempdir().unwrap();
    let (door, shared) = mirrors(dir.path()).await;
    let pack = |text: &[u8]| {
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(text).unwrap();
        packed.finish().unwrap()
    };
    let (mut headers, _) = form("");
    headers.insert("content-encoding".into(), "gzip".into());
    let body = b"Action=PutMetricData&Version=2010-08-01&Namespace=n";
    assert_eq!(door.send("POST", "/", &headers, &pack(body)).await.status, 200);
    assert_eq!(shared.lock().unwrap().read.take().unwrap().1["Namespace"], "n");
    let bomb = vec![b'a'; 17 * 1024 * 1024];
    assert_eq!(door.send("POST", "/", &headers, &pack(&bomb)).await.status, 413);
    door.close().await;
}
