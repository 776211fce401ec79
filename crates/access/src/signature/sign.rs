//! Signing requests of our own: the command line's to a server.

use super::canonical::{Head, PathRule, PlusRule, request};
use super::key::{sha256_hex, sign, signing_key};
use super::{ALGORITHM, TERMINATOR, time};
use crate::Secret;
use millrace_base::Millis;

/// Signs requests with one key, for one region and service.
#[derive(Debug, Clone)]
pub struct Signer<'a> {
    /// The key.
    pub access_key_id: &'a str,
    /// Its secret.
    pub secret: &'a Secret,
    /// The token of a temporary key.
    pub session_token: Option<&'a str>,
    /// For example `us-east-1`.
    pub region: &'a str,
    /// For example `kinesis`.
    pub service: &'a str,
}

impl Signer<'_> {
    /// The headers that sign a request at `now`: put them beside those of `head`, all of which are signed, `host` among
    /// them.
    pub fn sign(&self, head: &Head<'_>, body: &[u8], now: Millis) -> Vec<(&'static str, String)> {
        let timestamp = time::timestamp(now);
        let payload_hash = sha256_hex(body);
        let mut more = vec![("x-amz-date", timestamp.clone())];
        if self.service == "s3" {
            more.push(("x-amz-content-sha256", payload_hash.clone()));
        }
        if let Some(token) = self.session_token {
            more.push(("x-amz-security-token", token.to_owned()));
        }
        let mut head = head.clone();
        head.headers.extend(more.iter().map(|(name, value)| (*name, value.as_bytes())));
        let mut signed: Vec<String> = head.headers.iter().map(|(name, _)| (*name).to_owned()).collect();
        signed.sort_unstable();
        signed.dedup();
        let rule = PathRule::of_service(self.service);
        let canonical = request(&head, rule, PlusRule::Space, &signed, &payload_hash);
        let scope = format!("{}/{}/{}/{TERMINATOR}", &timestamp[..8], self.region, self.service);
        let text = format!("{ALGORITHM}\n{timestamp}\n{scope}\n{}", sha256_hex(&canonical));
        let key = signing_key(self.secret, &timestamp[..8], self.region, self.service);
        let authorization = format!(
            "{ALGORITHM} Credential={}/{scope}, SignedHeaders={}, Signature={}",
            self.access_key_id,
            signed.join(";"),
            sign(&key, &text)
        );
        more.push(("authorization", authorization));
        more
    }
}
