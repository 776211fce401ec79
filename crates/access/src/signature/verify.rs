//! Verifying: from a claim and the request that it stands in, to whose request it is.

use super::canonical::{Head, PathRule, PlusRule, request};
use super::chunked::{self, Body, Chain, Streaming};
use super::key::{hex, is_signed, sha256_hex, signing_key};
use super::{ALGORITHM, Claim, SignatureError};
use crate::{Identities, Key, KeyState, Secret};
use bytes::Bytes;
use millrace_base::{Clock, Millis};
use parking_lot::Mutex;
use ring::digest::{Context, SHA256};
use ring::hmac;
use std::collections::HashMap;
use std::sync::Arc;

/// How many signing keys are kept: clients use one a day, region and service.
const SIGNING_KEYS_MAX: usize = 1024;
/// The header that says how the payload is signed.
const CONTENT_SHA256: &str = "x-amz-content-sha256";
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
            KeyState::Active => {
                // A password is for no service and no region.
                self.identities.note_use(&found, "N/A", "N/A");
                Ok(found)
            }
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

    /// Verifies that `body`, whose hash is `hash`, and all that is signed of `head` is what the owner of `key` signed, and
    /// gives the payload: the body itself, or what its chunks hold.
    pub fn verify(
        &self,
        head: &Head<'_>,
        claim: &Claim,
        key: &Key,
        (body, hash): (Bytes, PayloadHash),
    ) -> Result<Body, SignatureError> {
        let is_s3 = is_s3(claim);
        let payload_hash = hash.finish(head)?;
        let signing_key = self.signing_key(claim, &key.secret);
        check(head, claim, PathRule::of_service(&claim.service), &signing_key, &payload_hash)?;
        self.identities.note_use(key, &claim.service, &claim.region);
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
                chunked::read(streaming, Some(chain), &body, decoded)
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

/// The hash of a body as its signature has it, made piece by piece while the body is read: a second pass over what has left
/// the processor's cache costs more than the hashing.
pub struct PayloadHash(Option<Context>);

impl PayloadHash {
    /// A hash of the body that will follow `head`.
    pub fn of(head: &Head<'_>, claim: &Claim) -> Self {
        let is_hashed = match head.header(CONTENT_SHA256) {
            Some(UNSIGNED) => !is_s3(claim),
            Some(declared) => !declared.starts_with("STREAMING-"),
            None => !is_s3(claim) || claim.expires.is_none(),
        };
        Self(is_hashed.then(|| Context::new(&SHA256)))
    }

    /// Takes the next piece.
    pub fn update(&mut self, piece: &[u8]) {
        if let Some(context) = &mut self.0 {
            context.update(piece);
        }
    }

    /// The hash in hexadecimal digits, or the word that stands for it.
    fn finish(self, head: &Head<'_>) -> Result<String, SignatureError> {
        let declared = head.header(CONTENT_SHA256);
        match self.0.map(|context| hex(context.finish().as_ref())) {
            None => Ok(declared.unwrap_or(UNSIGNED).to_owned()),
            Some(computed) if declared.is_none_or(|declared| declared == computed) => Ok(computed),
            Some(_) => Err(SignatureError::PayloadHash),
        }
    }
}

fn is_s3(claim: &Claim) -> bool {
    PathRule::of_service(&claim.service) == PathRule::AsSent
}

fn check(
    head: &Head<'_>,
    claim: &Claim,
    path: PathRule,
    key: &hmac::Key,
    payload_hash: &str,
) -> Result<(), SignatureError> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::{Signer, parse_time, timestamp};
    use crate::{NewRole, NewUser, SessionRequest};
    use millrace_base::Dice;
    use millrace_catalog::Catalog;
    use millrace_testkit::{SimClock, SimDice, SimDisk};
    use std::path::Path;

    const ACCOUNT: &str = "000000000000";
    const NOW: Millis = 1_795_292_100_000;
    const TRUST: &str = r#"{"Statement":{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}}"#;

    /// A request as text: a line with method and path, headers (lines that begin with a space go on), an empty line, a body.
    fn parsed(text: &str) -> (Head<'_>, &str, Vec<(String, String)>) {
        let (top, body) = text.split_once("\n\n").unwrap_or((text, ""));
        let mut lines = top.lines();
        let first = lines.next().unwrap();
        let (method, rest) = first.split_once(' ').unwrap();
        let target = rest.rsplit_once(' ').unwrap().0;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut headers: Vec<(String, String)> = Vec::new();
        for line in lines {
            match line.starts_with(' ') {
                true => headers.last_mut().unwrap().1.push_str(line),
                false => {
                    let (name, value) = line.split_once(':').unwrap();
                    headers.push((name.to_ascii_lowercase(), value.to_owned()));
                }
            }
        }
        (Head { method, path, query, headers: Vec::new() }, body, headers)
    }

    fn with<'a>(mut head: Head<'a>, headers: &'a [(String, String)]) -> Head<'a> {
        head.headers = headers.iter().map(|(name, value)| (&**name, value.as_bytes())).collect();
        head
    }

    #[test]
    fn awss_own_test_suite() {
        let suite: serde_json::Value = serde_json::from_str(include_str!("suite.json")).unwrap();
        let secret = Secret::new(suite["secret"].as_str().unwrap());
        let mut verified = 0;
        for case in suite["cases"].as_array().unwrap() {
            for place in ["header", "query"] {
                // A token that the query carries unsigned: nobody sends such a one to us.
                if place == "query" && case["token_is_signed"] == false {
                    continue;
                }
                let (head, body, headers) = parsed(case[place].as_str().unwrap());
                let head = with(head, &headers);
                let claim = Claim::read(&head).unwrap();
                let key = signing_key(&secret, &claim.day, &claim.region, &claim.service);
                let path = if case["normalize"] == true { PathRule::Normalized } else { PathRule::AsSent };
                let checked = check(&head, &claim, path, &key, &sha256_hex(body.trim_end().as_bytes()));
                assert!(checked.is_ok(), "{} {place}: {}", case["name"], checked.unwrap_err());
                let other = check(&head, &claim, path, &key, &sha256_hex(b"another body"));
                assert!(matches!(other, Err(SignatureError::Mismatch { .. })), "{}", case["name"]);
                verified += 2;
            }
        }
        assert_eq!(verified, 2 * (38 * 2 - 1));
    }

    struct Room {
        verifier: Verifier,
        clock: SimClock,
        id: String,
        secret: Secret,
    }

    fn room() -> Room {
        let clock = SimClock::at(NOW);
        let catalog = Catalog::open(&SimDisk::new(1), Path::new("catalog.redb")).unwrap();
        let identities = Identities::new(catalog, Arc::new(clock.clone()), Arc::new(SimDice::new(7)));
        identities.create_user(ACCOUNT, NewUser { name: "ann".to_owned(), ..NewUser::default() }).unwrap();
        let made = identities.create_access_key(ACCOUNT, "ann").unwrap();
        let verifier = Verifier::new(identities, Arc::new(clock.clone()));
        Room { verifier, clock, id: made.key.id, secret: made.secret }
    }

    fn put<'a>() -> Head<'a> {
        Head {
            method: "POST",
            path: "/",
            query: "",
            headers: vec![("host", b"localhost"), ("x-amz-target", b"Kinesis_20131202.PutRecord")],
        }
    }

    impl Room {
        fn signer<'a>(&'a self, token: Option<&'a str>) -> Signer<'a> {
            Signer {
                access_key_id: &self.id,
                secret: &self.secret,
                session_token: token,
                region: "us-east-1",
                service: "kinesis",
            }
        }

        fn verify(&self, head: &Head<'_>, body: &[u8]) -> Result<Arc<Key>, SignatureError> {
            let claim = Claim::read(head)?;
            let key = self.verifier.key(head, &claim)?;
            let mut hash = PayloadHash::of(head, &claim);
            // However it is cut, it is the same body.
            body.chunks(3).for_each(|piece| hash.update(piece));
            self.verifier.verify(head, &claim, &key, (Bytes::copy_from_slice(body), hash))?;
            Ok(key)
        }

        fn try_at(&self, signed: Millis) -> Result<Arc<Key>, SignatureError> {
            let more = self.signer(None).sign(&put(), b"{}", signed);
            let mut head = put();
            head.headers.extend(more.iter().map(|(name, value)| (*name, value.as_bytes())));
            self.verify(&head, b"{}")
        }
    }

    #[test]
    fn what_the_signer_signs_is_verified_while_it_is_fresh() {
        let room = room();
        assert_eq!(&*room.try_at(NOW).unwrap().principal.arn, "arn:aws:iam::000000000000:user/ann");
        let skew = crate::signature::SKEW;
        assert!(room.try_at(NOW - skew).is_ok() && room.try_at(NOW + skew).is_ok());
        let late = room.try_at(NOW - skew - 1000).unwrap_err().to_string();
        assert_eq!(
            late,
            "Signature expired: 20261121T195959Z is now earlier than 20261121T200000Z (20261121T201500Z - 15 min.)"
        );
        let early = room.try_at(NOW + skew + 1000).unwrap_err().to_string();
        assert_eq!(
            early,
            "Signature not yet current: 20261121T203001Z is still later than 20261121T203000Z (20261121T201500Z + 15 \
             min.)"
        );
        room.clock.advance(2 * skew);
        assert!(room.try_at(NOW).is_err());
    }

    #[test]
    fn a_key_that_is_inactive_or_gone_is_refused() {
        let room = room();
        let identities = room.verifier.identities().clone();
        identities.set_access_key_active(ACCOUNT, "ann", &room.id, false).unwrap();
        assert!(matches!(room.try_at(NOW), Err(SignatureError::UnknownKey)));
        identities.set_access_key_active(ACCOUNT, "ann", &room.id, true).unwrap();
        assert!(room.try_at(NOW).is_ok());
        identities.delete_access_key(ACCOUNT, "ann", &room.id).unwrap();
        assert!(matches!(room.try_at(NOW), Err(SignatureError::UnknownKey)));
        assert!(matches!(room.verifier.basic(&room.id, room.secret.expose()), Err(SignatureError::UnknownKey)));
    }

    #[test]
    fn a_session_needs_its_token_and_ends() {
        let room = room();
        let identities = room.verifier.identities();
        let role = NewRole { name: "loader".to_owned(), trust: TRUST.to_owned(), ..NewRole::default() };
        let role_arn = identities.create_role(ACCOUNT, role).unwrap().arn();
        let asked = SessionRequest { role_arn: &role_arn, name: "me", ..SessionRequest::default() };
        let session = identities.session_for_role(asked).unwrap();
        let sign = |token: Option<&str>, now| {
            let signer = Signer {
                access_key_id: &session.access_key_id,
                secret: &session.secret_access_key,
                session_token: token,
                ..room.signer(None)
            };
            let more = signer.sign(&put(), b"{}", now);
            let mut head = put();
            head.headers.extend(more.iter().map(|(name, value)| (*name, value.as_bytes())));
            room.verify(&head, b"{}").map(|key| key.principal.arn.to_string())
        };
        let token = session.session_token.expose();
        assert_eq!(sign(Some(token), NOW).unwrap(), "arn:aws:sts::000000000000:assumed-role/loader/me");
        assert!(matches!(sign(None, NOW), Err(SignatureError::UnknownKey)));
        assert!(matches!(sign(Some(&token.replace('A', "B")), NOW), Err(SignatureError::UnknownKey)));
        room.clock.advance(3_600_000);
        assert!(matches!(sign(Some(token), NOW + 3_600_000), Err(SignatureError::ExpiredToken)));
    }

    #[test]
    fn a_header_that_means_something_must_be_signed() {
        let room = room();
        let signed = Head { headers: vec![("host", b"localhost")], ..put() };
        let more = room.signer(None).sign(&signed, b"{}", NOW);
        let mut head = put();
        head.headers.extend(more.iter().map(|(name, value)| (*name, value.as_bytes())));
        let refused = room.verify(&head, b"{}").unwrap_err().to_string();
        assert_eq!(refused, "There were headers present in the request which were not signed: x-amz-target");
    }

    /// One bit of a request is turned, anywhere: none of thousands of such requests is anybody's.
    #[test]
    fn a_request_with_one_bit_turned_is_nobodys() {
        let room = room();
        let dice = SimDice::new(20_261_121);
        let body = br#"{"StreamName":"orders","Data":"aGVsbG8=","PartitionKey":"k"}"#;
        let path = "/2015-03-31/functions/f/invocations";
        let base = Head { path, query: "Qualifier=live&a=1", ..put() };
        let more = room.signer(None).sign(&base, body, NOW);
        let mut headers: Vec<(String, Vec<u8>)> = Vec::new();
        let all = base.headers.iter().map(|(name, value)| (*name, *value));
        let all = all.chain(more.iter().map(|(name, value)| (*name, value.as_bytes())));
        headers.extend(all.map(|(name, value)| (name.to_owned(), value.to_vec())));
        let (mut refused, mut left_alone) = (0, 0);
        for _ in 0..20_000 {
            let (mut method, mut path, mut query) = (b"POST".to_vec(), path.as_bytes().to_vec(), base.query.into());
            let (mut headers, mut body) = (headers.clone(), body.to_vec());
            let bit = dice.roll();
            let part: &mut Vec<u8> = match dice.roll() % 5 {
                0 => &mut method,
                1 => &mut path,
                2 => &mut query,
                3 => &mut body,
                _ => {
                    let at = usize::try_from(dice.roll()).unwrap() % headers.len();
                    &mut headers[at].1
                }
            };
            let at = usize::try_from(bit >> 3).unwrap() % part.len();
            part[at] ^= 1 << (bit & 7);
            let texts = [&method, &path, &query].map(|part| std::str::from_utf8(part));
            // Such a request never gets as far as here: HTTP does not allow it.
            let [Ok(method), Ok(path), Ok(query)] = texts else {
                left_alone += 1;
                continue;
            };
            let headers = headers.iter().map(|(name, value)| (&**name, &**value)).collect();
            let head = Head { method, path, query, headers };
            assert!(room.verify(&head, &body).is_err(), "{head:?} {body:?}");
            refused += 1;
        }
        assert!(refused > 15_000 && left_alone < 5000, "{refused} {left_alone}");
    }

    #[test]
    fn the_words_of_other_refusals() {
        let room = room();
        let said = |authorization: &str, date: &str| {
            let (authorization, date) = (authorization.as_bytes(), date.as_bytes());
            let mut head = put();
            head.headers.extend([("authorization", authorization), ("x-amz-date", date)]);
            room.verify(&head, b"{}").unwrap_err().to_string()
        };
        let now = timestamp(NOW);
        assert_eq!(parse_time(&now), Some(NOW));
        assert_eq!(said("Basic YTpi", &now), "Missing Authentication Token");
        let parts = "SignedHeaders=host, Signature=00";
        let unknown =
            said(&format!("AWS4-HMAC-SHA256 Credential=000000000000/20261121/r/s/aws4_request, {parts}"), &now);
        assert_eq!(unknown, "The security token included in the request is invalid.");
        assert!(said(&format!("AWS4-HMAC-SHA256 Credential=a/b, {parts}"), &now).ends_with("got 'a/b'"));
        let term = said(&format!("AWS4-HMAC-SHA256 Credential=a/20261121/r/s/aws3, {parts}"), &now);
        assert_eq!(term, "Credential should be scoped with a valid terminator: 'aws4_request', not 'aws3'.");
        let day = said(&format!("AWS4-HMAC-SHA256 Credential=a/20261120/r/s/aws4_request, {parts}"), &now);
        assert!(day.ends_with("'20261120' != '20261121', from '20261121T201500Z'."), "{day}");
        let date = said(&format!("AWS4-HMAC-SHA256 Credential=a/20261121/r/s/aws4_request, {parts}"), "today");
        assert!(date.starts_with("Date must be in ISO-8601 'basic format'. Got 'today'."), "{date}");
        assert_eq!(
            said("AWS4-HMAC-SHA256 Credential=a/20261121/r/s/aws4_request", &now),
            "Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' \
             parameter. Authorization=AWS4-HMAC-SHA256"
        );
    }
}
