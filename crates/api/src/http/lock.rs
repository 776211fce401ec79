//! The lock on the doors: with `--auth on` nothing gets behind them whose signature was not verified.
//!
//! A request's head is looked at before its body is read: a key that nobody has, a session that has ended or a clock that is
//! wrong turn it away. The body is then read as it was sent, hashed, and the signature verified over all of it; only after
//! that is it unpacked. With `--auth off` the caller is who the signature says, and nobody checks.

use super::body::{discard, read_plain, read_seeing, unpack};
use super::caller::Caller;
use super::door::Writing;
use super::port::Peer;
use super::route::text_header;
use crate::authorize::{self, Circumstances, Gate, Guard};
use crate::wire::{Fault, Model, kinds};
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use axum::http::request::Parts;
use base64_simd::STANDARD;
use bytes::Bytes;
use millrace_access::signature::{Body as Payload, Claim, Head, PayloadHash, SignatureError, Verifier, unchunk};
use millrace_access::{Key, Principal};
use millrace_base::Scope;
use std::sync::Arc;

/// What whoever signs nothing may send: enough for the operations that need no credentials.
const UNSIGNED_BYTES_MAX: usize = 64 * 1024;
/// The service that requests to the server's own routes are signed for.
const OWN_SERVICE: &str = "millrace";
/// The services that requests to the OpenSearch port are signed for.
const SEARCH_SERVICES: [&str; 2] = ["es", "opensearch"];

/// The lock. Cheap to clone.
#[derive(Clone)]
pub struct Lock(Option<Locked>);

#[derive(Clone)]
struct Locked {
    verifier: Verifier,
    gate: Arc<Gate>,
}

/// A request that has come in: who asks, and what they sent.
pub struct Entered {
    /// Who asks; without credentials the refusal, which an operation that needs none does not look at.
    pub caller: Result<Caller, Fault>,
    /// The service that the signature is for; none when it was not verified.
    pub service: Option<String>,
    /// The body, unpacked.
    pub body: Bytes,
}

impl Lock {
    /// A lock that is open: `--auth off`.
    pub fn open() -> Self {
        Self(None)
    }

    /// A lock that opens to signatures of keys that `gate`'s identities have.
    pub fn new(gate: Arc<Gate>) -> Self {
        let verifier = Verifier::new(gate.authorizer.identities().clone(), gate.clock.clone());
        Self(Some(Locked { verifier, gate }))
    }

    /// True when nothing is verified.
    pub fn is_open(&self) -> bool {
        self.0.is_none()
    }

    /// Reads a request to one of AWS's services.
    pub async fn enter<B>(&self, head: &Parts, body: B, bytes_max: usize, writing: Writing) -> Result<Entered, Fault>
    where
        B: hyper::body::Body<Data = Bytes> + Unpin,
        B::Error: std::fmt::Display,
    {
        let Some(locked) = &self.0 else {
            let body = unpack(&head.headers, read_plain(&head.headers, body, bytes_max).await?, bytes_max)?;
            return Ok(Entered { caller: Caller::identify(&head.headers, head.uri.query()), service: None, body });
        };
        let refuse = |error: SignatureError| fault(error, writing);
        match locked.look(head) {
            Ok((claim, key)) => {
                let read = locked.read(head, (&claim, &key), body, bytes_max).await;
                let read = read.map_err(|refused| match refused {
                    Refused::Signature(error) => refuse(error),
                    Refused::Body(fault) => fault,
                });
                let body = unpack(&head.headers, read?.payload, bytes_max)?;
                let caller = Ok(locked.caller(head, &claim.region, &key));
                Ok(Entered { caller, service: Some(claim.service), body })
            }
            Err(SignatureError::Missing) => {
                let bytes_max = bytes_max.min(UNSIGNED_BYTES_MAX);
                let sent = read_plain(&head.headers, body, bytes_max).await;
                let missing = refuse(SignatureError::Missing);
                let body = sent.and_then(|sent| unpack(&head.headers, sent, bytes_max)).map_err(|_| missing.clone())?;
                Ok(Entered { caller: Err(missing), service: None, body })
            }
            Err(error) => {
                discard(body, bytes_max).await;
                Err(refuse(error))
            }
        }
    }

    /// Reads a request to one of the server's own routes, signed or with HTTP Basic; its head then says no more how the body
    /// was packed.
    pub async fn enter_own<B>(&self, head: &mut Parts, body: B, bytes_max: usize) -> Result<(Caller, Bytes), Fault>
    where
        B: hyper::body::Body<Data = Bytes> + Unpin,
        B::Error: std::fmt::Display,
    {
        // Whoever scrapes metrics cannot sign.
        if let Some(locked) = &self.0
            && let Some(key) = basic_of(head).and_then(|given| locked.basic(given))
        {
            let body = read_plain(&head.headers, body, bytes_max).await?;
            return Ok((locked.caller(head, Scope::DEFAULT_REGION, &key), body));
        }
        let entered = self.enter(head, body, bytes_max, Writing::Document(crate::wire::Format::Json)).await?;
        let caller = entered.caller?;
        if entered.service.is_some_and(|service| service != OWN_SERVICE) {
            return Err(wrong_service(OWN_SERVICE));
        }
        for name in [CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING] {
            head.headers.remove(name);
        }
        Ok((caller, entered.body))
    }

    /// Reads a request to S3: what its chunks hold, packed as it was sent, since that is how an object is kept. With an open
    /// lock whoever signs nothing is nobody.
    pub async fn enter_s3<B>(&self, head: &Parts, body: B, bytes_max: usize) -> Result<(Caller, Payload), Refused>
    where
        B: hyper::body::Body<Data = Bytes> + Unpin,
        B::Error: std::fmt::Display,
    {
        let Some(locked) = &self.0 else {
            let caller = Caller::identify(&head.headers, head.uri.query()).unwrap_or_else(|_| Caller::nobody());
            let sent = read_plain(&head.headers, body, bytes_max).await.map_err(Refused::Body)?;
            let hash = text_header(&head.headers, "x-amz-content-sha256");
            let decoded = text_header(&head.headers, "x-amz-decoded-content-length").parse().ok();
            let payload = unchunk(hash, sent, decoded).map_err(Refused::Signature)?;
            return Ok((caller, payload));
        };
        match locked.look(head) {
            Ok((claim, key)) => {
                let payload = locked.read(head, (&claim, &key), body, bytes_max).await?;
                Ok((locked.caller(head, &claim.region, &key), payload))
            }
            Err(error) => {
                discard(body, bytes_max.min(UNSIGNED_BYTES_MAX)).await;
                Err(Refused::Signature(error))
            }
        }
    }

    /// Reads a request to the OpenSearch port: signed, or with an access key's id and secret as HTTP Basic has them. With an
    /// open lock nobody is asked for anything.
    pub async fn enter_search<B>(
        &self,
        head: &Parts,
        body: B,
        bytes_max: usize,
    ) -> Result<(Option<Caller>, Bytes), Refused>
    where
        B: hyper::body::Body<Data = Bytes> + Unpin,
        B::Error: std::fmt::Display,
    {
        let Some(locked) = &self.0 else {
            let body = read_plain(&head.headers, body, bytes_max).await;
            return body.map(|body| (None, body)).map_err(Refused::Body);
        };
        if let Some(given) = basic_of(head) {
            let Some(key) = locked.basic(given) else {
                discard(body, bytes_max).await;
                return Err(Refused::Signature(SignatureError::Missing));
            };
            let body = read_plain(&head.headers, body, bytes_max).await.map_err(Refused::Body)?;
            return Ok((Some(locked.caller(head, Scope::DEFAULT_REGION, &key)), body));
        }
        let looked = locked.look(head).and_then(|(claim, key)| match SEARCH_SERVICES.contains(&&*claim.service) {
            true => Ok((claim, key)),
            false => Err(SignatureError::Invalid(wrong_service("es").message)),
        });
        match looked {
            Ok((claim, key)) => {
                let body = locked.read(head, (&claim, &key), body, bytes_max).await?.payload;
                Ok((Some(locked.caller(head, &claim.region, &key)), body))
            }
            Err(error) => {
                discard(body, bytes_max).await;
                Err(Refused::Signature(error))
            }
        }
    }
}

/// Why a request does not get in at the OpenSearch port or at S3.
pub enum Refused {
    /// Its signature or password.
    Signature(SignatureError),
    /// Its body cannot be read.
    Body(Fault),
}

impl Locked {
    fn look(&self, parts: &Parts) -> Result<(Claim, Arc<Key>), SignatureError> {
        let head = head_of(parts);
        let claim = Claim::read(&head)?;
        let key = self.verifier.key(&head, &claim)?;
        Ok((claim, key))
    }

    /// Reads a body, hashing it as it comes, and verifies it.
    async fn read<B>(
        &self,
        parts: &Parts,
        (claim, key): (&Claim, &Key),
        body: B,
        bytes_max: usize,
    ) -> Result<Payload, Refused>
    where
        B: hyper::body::Body<Data = Bytes> + Unpin,
        B::Error: std::fmt::Display,
    {
        let mut hash = PayloadHash::of(&head_of(parts), claim);
        let sent = read_seeing(&parts.headers, body, bytes_max, |piece| hash.update(piece));
        let sent = sent.await.map_err(Refused::Body)?;
        self.verifier.verify(&head_of(parts), claim, key, (sent, hash)).map_err(Refused::Signature)
    }

    /// The owner of `ID:SECRET` in base64.
    fn basic(&self, given: &str) -> Option<Arc<Key>> {
        let plain = String::from_utf8(STANDARD.decode_to_vec(given.trim()).ok()?).ok()?;
        let (id, secret) = plain.split_once(':')?;
        let key = self.verifier.basic(id, secret).ok()?;
        // A temporary key is nothing without its token, which HTTP Basic has no place for.
        key.session_token.is_none().then_some(key)
    }

    fn caller(&self, parts: &Parts, region: &str, key: &Key) -> Caller {
        let principal = Principal::clone(&key.principal);
        let text = |name: &str| Some(text_header(&parts.headers, name)).filter(|text| !text.is_empty());
        let peer = parts.extensions.get::<Peer>();
        let circumstances = Circumstances {
            source_ip: peer.map(|peer| peer.ip),
            secure: peer.is_some_and(|peer| peer.secure),
            user_agent: text("user-agent").map(str::to_owned),
            referer: text("referer").map(str::to_owned),
            via: None,
        };
        Caller {
            scope: Scope::new(&principal.account, region),
            access_key_id: principal.access_key_id.to_string(),
            guard: Guard::new(self.gate.clone(), principal, circumstances),
        }
    }
}

/// What HTTP Basic gives, if that is how somebody says who they are.
fn basic_of(head: &Parts) -> Option<&str> {
    let (kind, given) = text_header(&head.headers, "authorization").split_once(' ')?;
    kind.eq_ignore_ascii_case("basic").then_some(given)
}

/// Refuses a call whose signature is for another service.
pub fn check_service(model: &Model, signed_for: Option<&str>) -> Result<(), Fault> {
    let wanted = match authorize::prefix(model) {
        "cloudwatch" => "monitoring",
        other => other,
    };
    match signed_for {
        Some(service) if service != wanted => Err(wrong_service(wanted)),
        _ => Ok(()),
    }
}

fn wrong_service(wanted: &str) -> Fault {
    kinds::INVALID_SIGNATURE.because(format!("Credential should be scoped to correct service: '{wanted}'."))
}

/// What a signature covers of a request.
fn head_of(parts: &Parts) -> Head<'_> {
    let mut headers: Vec<(&str, &[u8])> =
        parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    if let Some(authority) = parts.uri.authority().filter(|_| !parts.headers.contains_key(HOST)) {
        headers.push(("host", authority.as_str().as_bytes()));
    }
    Head {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        headers,
    }
}

/// A refusal in the protocol's words: 400 in JSON and CBOR, 403 in XML and REST, as AWS has it.
pub fn fault(error: SignatureError, writing: Writing) -> Fault {
    use SignatureError as Error;
    let kind = match error {
        Error::Missing => kinds::MISSING_AUTHENTICATION,
        Error::Incomplete(_) => kinds::INCOMPLETE_SIGNATURE,
        Error::UnknownKey => kinds::UNRECOGNIZED_CLIENT,
        Error::ExpiredToken => kinds::EXPIRED_TOKEN,
        Error::RequestExpired => kinds::REQUEST_EXPIRED,
        Error::Invalid(_) | Error::Mismatch { .. } | Error::PayloadHash | Error::Chunk(_) => kinds::INVALID_SIGNATURE,
        Error::Store(_) => kinds::INTERNAL_FAILURE,
    };
    let mut fault = kind.because(error.to_string());
    let is_document = matches!(writing, Writing::Document(_));
    if !is_document && fault.kind.status == 400 && fault.kind != kinds::REQUEST_EXPIRED {
        fault.kind.status = 403;
    }
    fault
}
