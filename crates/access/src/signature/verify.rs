//! Verifying: from a claim and the request that it stands in, to whose request it is.

use super::canonical::{Head, PathRule, PlusRule, request};
use super::chunked::{self, Body, Chain, Streaming};
use super::key::{is_signed, sha256_hex, signing_key};
use super::{ALGORITHM, Claim, SignatureError};
use crate::{Identities, Key, KeyState, Secret};
use bytes::Bytes;
use millrace_base::{Clock, Millis};
use parking_lot::Mutex;
use ring::hmac;
use std::collections::HashMap;
use std::sync::Arc;

/// How many signing keys are kept: clients use one a day, region and service.
const SIGNING_KEYS_MAX: usize = 1024;
/// The payload hash of whoever does not sign it.
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// Verifies signatures against the keys of [`Identities`]. Cheap to clone.
#[derive(Clone)]
pub struct Verifier {
    identities: Identities,
    clock: Arc<dyn Clock>,
    signing_keys: Arc<Mutex<HashMap<SigningKey, (Secret, hmac::Key)>>>,
}

/// What a signing key is for.
#[derive(Clone, PartialEq, Eq, Hash)]
struct SigningKey {
    access_key_id: String,
    day: String,
    region: String,
    service: String,
}

impl Verifier {
    /// A verifier of the keys in `identities`.
    pub fn new(identities: Identities, clock: Arc<dyn Clock>) -> Self {
        Self { identities, clock, signing_keys: Arc::default() }
    }

    /// The identities that it verifies against.
    pub fn identities(&self) -> &Identities {
        &self.identities
    }

    /// The key of a claim, if it may be used now: known before the body is read, so that strangers are turned away early.
    pub fn key(&self, head: &Head<'_>, claim: &Claim) -> Result<Arc<Key>, SignatureError> {
        let now = self.clock.now();
        let key = self.usable(&claim.access_key_id, claim.session_token.as_deref(), now)?;
        claim.check_time(now)?;
        claim.check_headers(head)?;
        Ok(key)
    }

    /// The key of an id and its secret, as HTTP Basic gives them.
    pub fn basic(&self, access_key_id: &str, secret: &str) -> Result<Arc<Key>, SignatureError> {
        let found = self.identities.key(access_key_id)?;
        let found = found.filter(|key| key.secret.is(secret)).ok_or(SignatureError::UnknownKey)?;
        match found.state(self.clock.now()) {
            KeyState::Active => Ok(found),
            KeyState::Inactive => Err(SignatureError::UnknownKey),
            KeyState::Expired => Err(SignatureError::ExpiredToken),
        }
    }

    fn usable(&self, id: &str, token: Option<&str>, now: Millis) -> Result<Arc<Key>, SignatureError> {
        let key = self.identities.key(id)?.ok_or(SignatureError::UnknownKey)?;
        let has_token = match (&key.session_token, token) {
            (Some(wanted), Some(given)) => wanted.is(given),
            (None, None) => true,
            _ => false,
        };
        match key.state(now) {
            KeyState::Active if has_token => Ok(key),
            KeyState::Expired if has_token => Err(SignatureError::ExpiredToken),
            _ => Err(SignatureError::UnknownKey),
        }
    }

    /// Verifies that `body` and all that is signed of `head` is what the owner of `key` signed, and gives the payload:
    /// the body itself, or what its chunks hold.
    pub fn verify(&self, head: &Head<'_>, claim: &Claim, key: &Key, body: Bytes) -> Result<Body, SignatureError> {
        let is_s3 = PathRule::of_service(&claim.service) == PathRule::AsSent;
        let declared = head.header("x-amz-content-sha256");
        let payload_hash = match declared {
            Some(UNSIGNED) if is_s3 => UNSIGNED.to_owned(),
            None if is_s3 && claim.expires.is_some() => UNSIGNED.to_owned(),
            Some(declared) if declared.starts_with("STREAMING-") => declared.to_owned(),
            declared => {
                let computed = sha256_hex(&body);
                if declared.is_some_and(|declared| declared != computed) {
                    return Err(SignatureError::PayloadHash);
                }
                computed
            }
        };
        let signing_key = self.signing_key(claim, &key.secret);
        check(head, claim, &signing_key, &payload_hash)?;
        match Streaming::of(&payload_hash, is_s3)? {
            None => Ok(Body { payload: body, trailers: Vec::new() }),
            Some(streaming) => {
                let decoded = head.header("x-amz-decoded-content-length").and_then(|length| length.parse().ok());
                let chain = Chain {
                    key: signing_key,
                    timestamp: claim.timestamp.clone(),
                    scope: claim.scope(),
                    signature: claim.signature.clone(),
                };
                chunked::read(streaming, chain, &body, decoded)
            }
        }
    }

    fn signing_key(&self, claim: &Claim, secret: &Secret) -> hmac::Key {
        let place = SigningKey {
            access_key_id: claim.access_key_id.clone(),
            day: claim.day.clone(),
            region: claim.region.clone(),
            service: claim.service.clone(),
        };
        if let Some((known, key)) = self.signing_keys.lock().get(&place)
            && known == secret
        {
            return key.clone();
        }
        let key = signing_key(secret, &claim.day, &claim.region, &claim.service);
        let mut known = self.signing_keys.lock();
        if known.len() >= SIGNING_KEYS_MAX {
            known.clear();
        }
        known.insert(place, (secret.clone(), key.clone()));
        key
    }
}

fn check(head: &Head<'_>, claim: &Claim, key: &hmac::Key, payload_hash: &str) -> Result<(), SignatureError> {
    let path = PathRule::of_service(&claim.service);
    let scope = claim.scope();
    let signed = |plus: PlusRule| {
        let canonical = request(head, path, plus, &claim.signed_headers, payload_hash);
        let text = format!("{ALGORITHM}\n{}\n{scope}\n{}", claim.timestamp, sha256_hex(&canonical));
        (canonical, text)
    };
    let (canonical, text) = signed(PlusRule::Space);
    if is_signed(key, &text, &claim.signature) {
        return Ok(());
    }
    // The same query in the other writing is the same request.
    if !head.query.is_empty() && is_signed(key, &signed(PlusRule::AsSent).1, &claim.signature) {
        return Ok(());
    }
    Err(SignatureError::mismatch(&canonical, &text))
}
