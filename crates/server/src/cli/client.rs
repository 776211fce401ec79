//! A small client of AWS's JSON protocol, for the commands that talk to a running server.
//!
//! Requests are signed (SigV4) with the credentials that AWS's own tools would find: `AWS_ACCESS_KEY_ID` and
//! `AWS_SECRET_ACCESS_KEY`, else a profile of `AWS_SHARED_CREDENTIALS_FILE` or `~/.aws/credentials`. Without any, the key id
//! and the secret are `any`, which a server takes that verifies nothing.

use super::credentials;
use bytes::Bytes;
use clap::Args;
use futures::{Stream, StreamExt};
use millrace_access::signature::{Head, Signer};
use millrace_access::{Profile, Secret};
use millrace_base::{Clock, Scope, SystemClock};
use reqwest::{Method, Request, RequestBuilder, Response};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::time::Duration;

/// The service that requests to Millrace's own routes are signed for.
const OWN: &str = "millrace";
/// Where a local server listens when nothing says otherwise.
const DEFAULT_ENDPOINT: &str = "http://127.0.0.1:4566";
/// Longer than any answer of a healthy server, shorter than anybody's patience.
const ANSWER_SECS_MAX: u64 = 60;
/// A function may run for 15 minutes.
const CALL_TIME_MAX: Duration = Duration::from_secs(16 * 60);
/// A job in a server may run for as long as somebody watches it.
const WORK_TIME_MAX: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Which server a command talks to.
#[derive(Debug, Clone, Args)]
pub struct EndpointArgs {
    /// The server's address
    #[arg(long, env = "AWS_ENDPOINT_URL", default_value = DEFAULT_ENDPOINT, value_name = "URL")]
    pub endpoint: String,
    /// The region that names are looked up in; without AWS_REGION that of AWS_DEFAULT_REGION
    #[arg(long, env = "AWS_REGION", default_value_t = default_region())]
    pub region: String,
    /// The access key id; its secret is AWS_SECRET_ACCESS_KEY. With --auth off twelve digits are the account, anything
    /// else is account 000000000000
    #[arg(long, env = "AWS_ACCESS_KEY_ID", hide_env_values = true, value_name = "ID")]
    pub access_key_id: Option<String>,
    /// The profile of AWS_SHARED_CREDENTIALS_FILE (or ~/.aws/credentials) that is used without an access key id
    #[arg(long, env = "AWS_PROFILE", value_name = "NAME")]
    pub profile: Option<String>,
}

/// The region where AWS_REGION names none: as for the AWS CLI, that of AWS_DEFAULT_REGION.
pub fn default_region() -> String {
    let named = std::env::var("AWS_DEFAULT_REGION").ok().filter(|region| !region.is_empty());
    named.unwrap_or_else(|| Scope::DEFAULT_REGION.to_owned())
}

/// A command that failed, in words for the person who typed it.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// Nobody answers.
    #[error(
        "no server answers at {endpoint} ({reason}): start one with `millrace up`, or name another with --endpoint or \
         AWS_ENDPOINT_URL"
    )]
    NoServer {
        /// Where.
        endpoint: String,
        /// What the system said.
        reason: String,
    },
    /// Somebody took the request and did not answer.
    #[error(
        "the server at {endpoint} took a request and did not answer in time: `millrace doctor` tells what keeps it busy; \
         whether it did what was asked is not known"
    )]
    NoAnswer {
        /// Where.
        endpoint: String,
    },
    /// Somebody answers, and cannot show that it is the one that is meant.
    #[error(
        "a server answers at {endpoint}, but its certificate is not trusted ({reason}): for a server with a certificate of \
         its own, export AWS_CA_BUNDLE=DATA/tls/ca.pem, where DATA is its data folder (its first lines say the path)"
    )]
    Untrusted {
        /// Where.
        endpoint: String,
        /// What is wrong with the certificate.
        reason: String,
    },
    /// The server refused.
    #[error("{message} ({code})")]
    Aws {
        /// AWS's name of the error, for example `ResourceNotFoundException`.
        code: String,
        /// What it says.
        message: String,
    },
    /// What came back is no answer of this protocol.
    #[error("{endpoint} gave an answer that is not AWS's ({reason}): is it Millrace that listens there?")]
    Answer {
        /// Where.
        endpoint: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A question that could not be answered, which is not the answer "no": exit code 2.
    #[error("{0}")]
    Unknown(Box<CliError>),
    /// What went wrong was shown already.
    #[error("")]
    Shown,
    /// An argument or input line cannot be used.
    #[error("{0}")]
    Input(String),
    /// Standard input or output failed.
    #[error("{what}: {source}")]
    Io {
        /// Which one.
        what: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Speaks to one server in one account and region. Cheap to clone; clones share connections.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    endpoint: String,
    region: String,
    credentials: Profile,
}

impl Client {
    /// A client of the server that the arguments name. Connects with the first call.
    pub fn new(args: &EndpointArgs) -> Result<Self, CliError> {
        // Refused when a provider is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let endpoint = args.endpoint.trim_end_matches('/').to_owned();
        if !endpoint.starts_with("http://") && !endpoint.starts_with("https://") {
            let message = format!("--endpoint {endpoint} is not an address: it begins with http:// or https://");
            return Err(CliError::Input(message));
        }
        let mut http = reqwest::Client::builder().timeout(Duration::from_secs(ANSWER_SECS_MAX));
        if endpoint.starts_with("https://") {
            http = http.tls_certs_merge(credentials::trusted()?);
        }
        let http = http.build().map_err(|error| CliError::Input(format!("the HTTP client cannot start: {error}")))?;
        let credentials = credentials::find(args.access_key_id.as_deref(), args.profile.as_deref())?;
        Ok(Self { http, endpoint, region: args.region.clone(), credentials })
    }

    /// The same client as somebody else.
    pub fn signed_as(mut self, credentials: Profile) -> Self {
        self.credentials = credentials;
        self
    }

    /// The same client of another door of the server: its OpenSearch API.
    pub fn at(mut self, endpoint: &str) -> Self {
        self.endpoint = endpoint.trim_end_matches('/').to_owned();
        self
    }

    /// The server's address.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The region that names are looked up in.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The account that names are looked up in.
    pub fn account(&self) -> String {
        Scope::of_caller(&self.credentials.access_key_id, &self.region).account.to_string()
    }

    /// Calls an operation of Kinesis Data Streams.
    pub async fn kinesis(&self, operation: &str, body: &Value) -> Result<Value, CliError> {
        self.call("kinesis", &format!("Kinesis_20131202.{operation}"), body).await
    }

    /// Calls an operation by the `X-Amz-Target` of its service.
    pub async fn call(&self, service: &str, target: &str, body: &Value) -> Result<Value, CliError> {
        let request = self.request(Method::POST, "");
        let request = request.header("content-type", "application/x-amz-json-1.1").header("x-amz-target", target);
        self.json(service, request.body(body.to_string())).await
    }

    /// Calls an operation with a body that is written already, and gives the answer as it is.
    pub async fn raw_call(&self, service: &str, target: &str, body: Vec<u8>) -> Result<Bytes, CliError> {
        let request = self.request(Method::POST, "");
        let request = request.header("content-type", "application/x-amz-json-1.1").header("x-amz-target", target);
        self.bytes(service, request.body(body)).await
    }

    /// Reads something that is not JSON from a REST service of AWS's.
    pub async fn download(&self, service: &str, path: &str) -> Result<Bytes, CliError> {
        self.bytes(service, self.request(Method::GET, path)).await
    }

    /// Asks the OpenSearch API; a client [`Client::at`] its door.
    pub async fn search(&self, path: &str, body: &Value) -> Result<Value, CliError> {
        let request = self.request(Method::POST, path).header("content-type", "application/json");
        self.json("es", request.body(body.to_string())).await
    }

    async fn bytes(&self, service: &str, request: RequestBuilder) -> Result<Bytes, CliError> {
        let answer = self.send(service, request).await?;
        let status = answer.status();
        let bytes = answer.bytes().await.map_err(|error| self.unreachable(&error))?;
        if status.is_success() {
            return Ok(bytes);
        }
        let text = String::from_utf8_lossy(&bytes);
        // Refusals are JSON or XML, as the service has them.
        let value = serde_json::from_str(&text).unwrap_or_else(|_| {
            let tag = |name: &str| xml_texts(&text, name).next().map(str::to_owned);
            json!({ "code": tag("Code"), "message": tag("Message") })
        });
        Err(refusal(&value, status.as_u16()))
    }

    /// Reads from a REST service of AWS's.
    pub async fn aws_get(&self, service: &str, path: &str) -> Result<Value, CliError> {
        self.json(service, self.request(Method::GET, path)).await
    }

    /// Calls a function by the path of its invocations: what kind of error it had, if any, and its answer.
    pub async fn invoke(&self, path: &str, event: &Value) -> Result<(Option<String>, Vec<u8>), CliError> {
        let request = self.request(Method::POST, path).timeout(CALL_TIME_MAX).body(event.to_string());
        let answer = self.send("lambda", request).await?;
        let error = answer.headers().get("x-amz-function-error").and_then(|kind| kind.to_str().ok());
        let (error, status) = (error.map(str::to_owned), answer.status());
        let bytes = answer.bytes().await.map_err(|error| self.unreachable(&error))?;
        if !status.is_success() {
            let value = serde_json::from_slice(&bytes).unwrap_or_default();
            return Err(refusal(&value, status.as_u16()));
        }
        Ok((error, bytes.to_vec()))
    }

    /// Reads from one of Millrace's own routes.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CliError> {
        self.typed(self.json(OWN, self.request(Method::GET, path)).await?)
    }

    /// Posts to one of Millrace's own routes.
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, CliError> {
        let request = self.request(Method::POST, path).header("content-type", "application/json");
        self.typed(self.json(OWN, request.body(body.to_string())).await?)
    }

    fn typed<T: DeserializeOwned>(&self, value: Value) -> Result<T, CliError> {
        let answer =
            |error: serde_json::Error| CliError::Answer { endpoint: self.endpoint.clone(), reason: error.to_string() };
        serde_json::from_value(value).map_err(answer)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.endpoint))
    }

    /// Signs a request for `service` and sends it.
    async fn send(&self, service: &str, request: RequestBuilder) -> Result<Response, CliError> {
        let mut request = request.build().map_err(|error| CliError::Input(format!("no such address: {error}")))?;
        self.sign(service, &mut request)?;
        self.http.execute(request).await.map_err(|error| self.unreachable(&error))
    }

    fn sign(&self, service: &str, request: &mut Request) -> Result<(), CliError> {
        let url = request.url().clone();
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let host = format!("{}{port}", url.host_str().unwrap_or_default());
        let body = request.body().and_then(|body| body.as_bytes()).unwrap_or_default();
        let named = request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let head = Head {
            method: request.method().as_str(),
            path: url.path(),
            query: url.query().unwrap_or_default(),
            headers: std::iter::once(("host", host.as_bytes())).chain(named).collect(),
        };
        let Profile { access_key_id, secret, session_token } = &self.credentials;
        let signer = Signer {
            access_key_id,
            secret,
            session_token: session_token.as_ref().map(Secret::expose),
            region: &self.region,
            service,
        };
        for (name, value) in signer.sign(&head, body, SystemClock.now()) {
            let value = value.parse().map_err(|_| {
                CliError::Input("the access key or its token has letters that no header may have".to_owned())
            })?;
            request.headers_mut().insert(name, value);
        }
        Ok(())
    }

    /// Sends a request whose answer is JSON.
    async fn json(&self, service: &str, request: RequestBuilder) -> Result<Value, CliError> {
        let answer = self.send(service, request).await?;
        let good = answer.status().is_success();
        let status = answer.status();
        let bytes = answer.bytes().await.map_err(|error| self.unreachable(&error))?;
        let value: Value = match serde_json::from_slice(&bytes) {
            Ok(value) => value,
            Err(_) if bytes.is_empty() && good => json!({}),
            Err(error) => {
                let reason = format!("status {status}, {error}");
                return Err(CliError::Answer { endpoint: self.endpoint.clone(), reason });
            }
        };
        if good { Ok(value) } else { Err(refusal(&value, status.as_u16())) }
    }

    /// Posts to one of Millrace's own routes, which answers with JSON lines for as long as it takes.
    pub async fn lines(
        &self,
        path: &str,
        body: &Value,
    ) -> Result<impl Stream<Item = Result<String, CliError>> + Unpin + use<>, CliError> {
        let request = self.request(Method::POST, path).timeout(WORK_TIME_MAX);
        let answer = self.send(OWN, request.header("content-type", "application/json").body(body.to_string())).await?;
        let status = answer.status();
        if !status.is_success() {
            let bytes = answer.bytes().await.map_err(|error| self.unreachable(&error))?;
            return Err(match serde_json::from_slice(&bytes) {
                Ok(value) => refusal(&value, status.as_u16()),
                Err(_) => CliError::Answer { endpoint: self.endpoint.clone(), reason: format!("status {status}") },
            });
        }
        let (client, chunks) = (self.clone(), Box::pin(answer.bytes_stream()));
        Ok(Box::pin(futures::stream::try_unfold(
            (chunks, Vec::new(), client),
            |(mut chunks, mut text, client)| async move {
                loop {
                    if let Some(end) = text.iter().position(|byte| *byte == b'\n') {
                        let line = String::from_utf8_lossy(&text[..end]).into_owned();
                        text.drain(..=end);
                        return Ok(Some((line, (chunks, text, client))));
                    }
                    match chunks.next().await {
                        Some(chunk) => text.extend_from_slice(&chunk.map_err(|error| client.unreachable(&error))?),
                        None => return Ok(None),
                    }
                }
            },
        )))
    }

    /// Whether a Millrace answers at the endpoint.
    pub async fn is_there(&self) -> bool {
        let asked = self.http.get(format!("{}/_millrace/health", self.endpoint)).send().await;
        asked.is_ok_and(|answer| answer.status().is_success())
    }

    fn unreachable(&self, error: &reqwest::Error) -> CliError {
        if error.is_timeout() && !error.is_connect() {
            return CliError::NoAnswer { endpoint: self.endpoint.clone() };
        }
        // The innermost cause is the one that says something: "Connection refused".
        let mut cause: &dyn std::error::Error = error;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        let (endpoint, reason) = (self.endpoint.clone(), cause.to_string());
        match reason.contains("invalid peer certificate") {
            true => CliError::Untrusted { endpoint, reason },
            false => CliError::NoServer { endpoint, reason },
        }
    }
}

/// The texts of all XML elements of a name, as they stand there.
pub fn xml_texts<'a>(xml: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let mut rest = xml;
    std::iter::from_fn(move || {
        let from = rest.find(&open)? + open.len();
        let end = from + rest[from..].find(&close)?;
        let text = &rest[from..end];
        rest = &rest[end..];
        Some(text)
    })
}

/// AWS's error document, whatever the case of its members.
fn refusal(value: &Value, status: u16) -> CliError {
    let text = |names: &[&str]| names.iter().find_map(|name| value.get(*name)?.as_str()).map(str::to_owned);
    let code = text(&["__type", "code"]).unwrap_or_else(|| format!("status {status}"));
    let code = code.rsplit('#').next().unwrap_or_default().to_owned();
    let message = text(&["message", "Message"]).unwrap_or_else(|| "the server refused".to_owned());
    if credentials::REFUSALS.contains(&&*code) {
        // What was signed stands behind the first line; people need the way out.
        let first = message.lines().next().unwrap_or_default();
        return CliError::Aws { message: format!("{first} {}", credentials::ADVICE), code };
    }
    CliError::Aws { message, code }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_of_xml_are_found_in_order() {
        let xml = "<L><C><Key>a/1</Key></C><C><Key>b</Key><Size>3</Size></C><Key>open";
        assert_eq!(xml_texts(xml, "Key").collect::<Vec<_>>(), ["a/1", "b"]);
        assert_eq!(xml_texts(xml, "Size").next(), Some("3"));
    }

    #[test]
    fn requests_are_signed_for_account_and_region() {
        let args = EndpointArgs {
            endpoint: "http://127.0.0.1:9/".to_owned(),
            region: "eu-west-1".to_owned(),
            access_key_id: Some("123456789012".to_owned()),
            profile: None,
        };
        let client = Client::new(&args).unwrap();
        assert_eq!((client.endpoint(), &*client.account()), ("http://127.0.0.1:9", "123456789012"));
        let mut request = client.request(Method::GET, "/a?b=c").build().unwrap();
        client.sign("kinesis", &mut request).unwrap();
        let header = request.headers()["authorization"].to_str().unwrap();
        assert!(header.starts_with("AWS4-HMAC-SHA256 Credential=123456789012/"), "{header}");
        assert!(header.contains("/eu-west-1/kinesis/aws4_request, SignedHeaders=host;x-amz-date, "), "{header}");
    }

    #[tokio::test]
    async fn a_server_that_is_late_is_not_taken_for_absent() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let args = EndpointArgs {
            endpoint,
            region: "eu-west-1".to_owned(),
            access_key_id: Some("123456789012".to_owned()),
            profile: None,
        };
        let mut client = Client::new(&args).unwrap();
        client.http = reqwest::Client::builder().timeout(Duration::from_millis(100)).build().unwrap();
        let error = client.get::<Value>("/").await.unwrap_err().to_string();
        assert!(error.contains("did not answer"), "{error}");
        drop(listener);
        let error = client.get::<Value>("/").await.unwrap_err().to_string();
        assert!(error.contains("no server answers"), "{error}");
    }

    #[test]
    fn a_refused_signature_tells_the_way_out() {
        let value = json!({"__type": "InvalidSignatureException", "message": "It does not match.\n\nThe Canonical…"});
        let error = refusal(&value, 400).to_string();
        assert!(error.starts_with("It does not match. This server verifies signatures"), "{error}");
        assert!(error.contains("AWS_SHARED_CREDENTIALS_FILE") && !error.contains("Canonical"), "{error}");
    }

    #[test]
    fn refusals_are_read_in_both_forms() {
        let error = refusal(&json!({"__type": "com.amazon.coral.service#UnknownOperationException"}), 400);
        assert!(error.to_string().ends_with("(UnknownOperationException)"));
        let error = refusal(&json!({"__type": "ResourceNotFoundException", "message": "Stream x not found."}), 400);
        assert_eq!(error.to_string(), "Stream x not found. (ResourceNotFoundException)");
    }
}
