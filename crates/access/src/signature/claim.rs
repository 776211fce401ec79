//! What a request says of itself: who signed it, when, for what, and which headers.

use super::canonical::{Head, decode};
use super::{ALGORITHM, SignatureError, TERMINATOR, time};
use millrace_base::Millis;

/// How much a client's clock may be wrong, in milliseconds: 15 minutes, as on AWS.
pub const SKEW: Millis = 15 * 60 * 1000;
/// How long a presigned URL may hold, in seconds.
const EXPIRES_MAX: i64 = 7 * 24 * 3600;

/// A signature and all that it says beside itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The key.
    pub access_key_id: String,
    /// `20130101`.
    pub day: String,
    /// The region that it is for.
    pub region: String,
    /// The service that it is for, for example `kinesis`.
    pub service: String,
    /// The names of the signed headers, sorted.
    pub signed_headers: Vec<String>,
    /// When it was made, `20130101T101500Z`.
    pub timestamp: String,
    /// The same as a number.
    pub time: Millis,
    /// The token of a temporary key.
    pub session_token: Option<String>,
    /// Seconds that a presigned URL holds; none for a header.
    pub expires: Option<i64>,
    /// 32 bytes, in hexadecimal digits.
    pub(super) signature: String,
}

impl Claim {
    /// Reads the claim of a request.
    pub fn read(head: &Head<'_>) -> Result<Self, SignatureError> {
        let header = head.header("authorization");
        let presigned = parameters(head.query).any(|(name, _)| name == "X-Amz-Algorithm");
        match (header, presigned) {
            (Some(_), true) => Err(SignatureError::Invalid(
                "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.".to_owned(),
            )),
            (Some(header), false) if header.trim_start().starts_with("AWS4-") => of_header(header.trim(), head),
            (None, true) => of_query(head),
            _ => Err(SignatureError::Missing),
        }
    }

    /// `20130101/us-east-1/kinesis/aws4_request`
    pub(super) fn scope(&self) -> String {
        format!("{}/{}/{}/{TERMINATOR}", self.day, self.region, self.service)
    }

    /// Refuses a claim whose time is too far from `now`.
    pub(super) fn check_time(&self, now: Millis) -> Result<(), SignatureError> {
        let (written, now_is) = (&self.timestamp, time::timestamp(now));
        if self.time > now + SKEW {
            let latest = time::timestamp(now + SKEW);
            return Err(SignatureError::Invalid(format!(
                "Signature not yet current: {written} is still later than {latest} ({now_is} + 15 min.)"
            )));
        }
        match self.expires {
            Some(seconds) if self.time + seconds * 1000 < now => Err(SignatureError::RequestExpired),
            None if self.time < now - SKEW => {
                let earliest = time::timestamp(now - SKEW);
                Err(SignatureError::Invalid(format!(
                    "Signature expired: {written} is now earlier than {earliest} ({now_is} - 15 min.)"
                )))
            }
            _ => Ok(()),
        }
    }

    /// Refuses a claim that leaves out what must be signed.
    pub(super) fn check_headers(&self, head: &Head<'_>) -> Result<(), SignatureError> {
        let is_signed = |name: &str| self.signed_headers.iter().any(|signed| signed == name);
        if !is_signed("host") {
            let message = "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.";
            return Err(SignatureError::Invalid(message.to_owned()));
        }
        let unsigned = |name: &&str| !super::canonical::is_free(name) && !is_signed(name);
        let unsigned: Vec<&str> = head.headers.iter().map(|(name, _)| *name).filter(unsigned).collect();
        if unsigned.is_empty() {
            return Ok(());
        }
        let message =
            format!("There were headers present in the request which were not signed: {}", unsigned.join(", "));
        Err(SignatureError::Invalid(message))
    }
}

fn parameters(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').map(|part| part.split_once('=').unwrap_or((part, "")))
}

fn of_header(header: &str, head: &Head<'_>) -> Result<Claim, SignatureError> {
    let (algorithm, rest) = header.split_once(' ').unwrap_or((header, ""));
    if algorithm != ALGORITHM {
        return Err(SignatureError::Incomplete(format!("Unsupported AWS 'algorithm': '{algorithm}'.")));
    }
    let parts: Vec<(&str, &str)> = rest.split(',').filter_map(|part| part.trim().split_once('=')).collect();
    let find = |wanted: &str| {
        let found = parts.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value);
        found.filter(|value| !value.is_empty())
    };
    let mut missing: String = ["Credential", "Signature", "SignedHeaders"]
        .into_iter()
        .filter(|name| find(name).is_none())
        .map(|name| format!("Authorization header requires '{name}' parameter. "))
        .collect();
    let written = head.header("x-amz-date").or_else(|| head.header("date"));
    if written.is_none() {
        missing += "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ";
    }
    match (find("Credential"), find("Signature"), find("SignedHeaders"), written) {
        (Some(credential), Some(signature), Some(signed), Some(written)) => claim(Parts {
            credential,
            signature,
            signed,
            written,
            session_token: head.header("x-amz-security-token").map(str::to_owned),
            expires: None,
        }),
        // The header is told without its signature: AWS hashes it, so that logs do not keep it.
        _ => Err(SignatureError::Incomplete(format!("{missing}Authorization={algorithm}"))),
    }
}

fn of_query(head: &Head<'_>) -> Result<Claim, SignatureError> {
    let find = |wanted: &str| {
        let found = parameters(head.query).find(|(name, _)| *name == wanted)?.1;
        let text = String::from_utf8(decode(found, b' ')).ok()?;
        Some(text).filter(|text| !text.is_empty())
    };
    let wanted = ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date"];
    let missing: String = wanted
        .into_iter()
        .filter(|name| find(name).is_none())
        .map(|name| format!("AWS query-string parameters must include '{name}'. "))
        .collect();
    let [Some(algorithm), Some(credential), Some(signature), Some(signed), Some(written)] = wanted.map(find) else {
        return Err(SignatureError::Incomplete(format!("{missing}Re-examine the query-string parameters.")));
    };
    if algorithm != ALGORITHM {
        return Err(SignatureError::Incomplete(format!("Unsupported AWS 'algorithm': '{algorithm}'.")));
    }
    let expires = find("X-Amz-Expires").unwrap_or_else(|| "900".to_owned());
    let seconds = expires.parse().ok().filter(|seconds| (0..=EXPIRES_MAX).contains(seconds)).ok_or_else(|| {
        SignatureError::Incomplete(format!(
            "X-Amz-Expires must be between 0 and {EXPIRES_MAX} seconds, not '{expires}'."
        ))
    })?;
    claim(Parts {
        credential: &credential,
        signature: &signature,
        signed: &signed,
        written: &written,
        session_token: find("X-Amz-Security-Token"),
        expires: Some(seconds),
    })
}

/// The parts of a claim, as they were written.
struct Parts<'a> {
    credential: &'a str,
    signature: &'a str,
    signed: &'a str,
    written: &'a str,
    session_token: Option<String>,
    expires: Option<i64>,
}

fn claim(parts: Parts<'_>) -> Result<Claim, SignatureError> {
    let Parts { credential, signature, signed, written, session_token, expires } = parts;
    let &[key, day, region, service, terminator] = &credential.split('/').collect::<Vec<_>>()[..] else {
        return Err(SignatureError::Incomplete(format!(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got \
             '{credential}'"
        )));
    };
    if terminator != TERMINATOR {
        return Err(SignatureError::Incomplete(format!(
            "Credential should be scoped with a valid terminator: '{TERMINATOR}', not '{terminator}'."
        )));
    }
    if [key, day, region, service].contains(&"") {
        return Err(SignatureError::Incomplete(format!("Credential has an empty element: '{credential}'")));
    }
    let Some(time) = time::parse(written) else {
        return Err(SignatureError::Incomplete(format!(
            "Date must be in ISO-8601 'basic format'. Got '{written}'. See http://en.wikipedia.org/wiki/ISO_8601"
        )));
    };
    if written[..8] != *day {
        return Err(SignatureError::Invalid(format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{day}' != \
             '{}', from '{written}'.",
            &written[..8]
        )));
    }
    let mut signed_headers: Vec<String> = signed.split(';').map(str::to_owned).collect();
    signed_headers.sort_unstable();
    Ok(Claim {
        access_key_id: key.to_owned(),
        day: day.to_owned(),
        region: region.to_owned(),
        service: service.to_owned(),
        signed_headers,
        timestamp: written.to_owned(),
        time,
        session_token,
        expires,
        signature: signature.to_owned(),
    })
}
