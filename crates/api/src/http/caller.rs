//! Who calls: the access key id and the region of a request's signature.
//!
//! With `--auth on` the [lock](super::lock) verifies the signature and makes the caller of its key's owner; what is read here
//! is believed only with `--auth off`. What is missing is refused in AWS's words (source: kinesalite's recorded answers).

use crate::authorize::Guard;
use crate::wire::{Fault, kinds};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use millrace_base::Scope;

/// The account and region that a request acts in.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Account and region.
    pub scope: Scope,
    /// The access key id as it was given.
    pub access_key_id: String,
    /// What the caller may do.
    pub guard: Guard,
}

impl Caller {
    /// Reads the caller from the `Authorization` header or from a presigned query.
    pub fn identify(headers: &HeaderMap, query: Option<&str>) -> Result<Self, Fault> {
        let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let query: Vec<(&str, &str)> =
            query.unwrap_or_default().split('&').map(|part| part.split_once('=').unwrap_or((part, ""))).collect();
        let presigned = query.iter().any(|(name, _)| *name == "X-Amz-Algorithm");
        match (header, presigned) {
            (Some(_), true) => Err(kinds::INVALID_SIGNATURE
                .because("Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.")),
            (Some(header), false) if header.trim_start().starts_with("AWS4-") => of_header(header, headers),
            (None, true) => of_query(&query),
            _ => Err(kinds::MISSING_AUTHENTICATION.because("Missing Authentication Token")),
        }
    }

    /// Somebody who does not say who he is: the access key id is empty.
    pub fn nobody() -> Self {
        Self { scope: Scope::default(), access_key_id: String::new(), guard: Guard::default() }
    }

    /// `AKID/DATE/REGION/SERVICE/aws4_request`.
    fn of_credential(credential: &str) -> Option<Self> {
        match credential.split('/').collect::<Vec<_>>()[..] {
            [key, _, region, _, "aws4_request"] if !key.is_empty() && !region.is_empty() => {
                let (scope, access_key_id) = (Scope::of_caller(key, region), key.to_owned());
                Some(Self { scope, access_key_id, guard: Guard::default() })
            }
            _ => None,
        }
    }
}

fn of_header(header: &str, headers: &HeaderMap) -> Result<Caller, Fault> {
    let parameters: Vec<(&str, &str)> =
        header.split([',', ' ']).filter_map(|part| part.trim().split_once('=')).collect();
    let find = |wanted: &str| parameters.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value);
    let mut missing: Vec<String> = ["Credential", "Signature", "SignedHeaders"]
        .into_iter()
        .filter(|name| find(name).is_none())
        .map(|name| format!("Authorization header requires '{name}' parameter. "))
        .collect();
    if !headers.contains_key("x-amz-date") && !headers.contains_key("date") {
        missing.push("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ".into());
    }
    if !missing.is_empty() {
        return Err(kinds::INCOMPLETE_SIGNATURE.because(format!("{}Authorization={header}", missing.concat())));
    }
    Caller::of_credential(find("Credential").unwrap_or_default()).ok_or_else(bad_credential)
}

fn of_query(query: &[(&str, &str)]) -> Result<Caller, Fault> {
    let find = |wanted: &str| query.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value);
    let wanted = ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date"];
    let missing: Vec<String> = wanted
        .into_iter()
        .filter(|name| find(name).is_none_or(str::is_empty))
        .map(|name| format!("AWS query-string parameters must include '{name}'. "))
        .collect();
    if !missing.is_empty() {
        let message = format!("{}Re-examine the query-string parameters.", missing.concat());
        return Err(kinds::INCOMPLETE_SIGNATURE.because(message));
    }
    let credential = find("X-Amz-Credential").unwrap_or_default().replace("%2F", "/").replace("%2f", "/");
    Caller::of_credential(&credential).ok_or_else(bad_credential)
}

fn bad_credential() -> Fault {
    kinds::INCOMPLETE_SIGNATURE
        .because("Credential must have the form ACCESS_KEY_ID/YYYYMMDD/REGION/SERVICE/aws4_request.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(authorization: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, authorization.parse().unwrap());
        headers.insert("x-amz-date", "20261121T000000Z".parse().unwrap());
        headers
    }

    #[test]
    fn the_signature_selects_account_and_region() {
        let signed = "AWS4-HMAC-SHA256 Credential=111111111111/20261121/eu-west-1/kinesis/aws4_request, \
                      SignedHeaders=host;x-amz-date, Signature=00";
        let caller = Caller::identify(&headers(signed), None).unwrap();
        assert_eq!(caller.scope, Scope::new("111111111111", "eu-west-1"));
        let query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIA%2F20261121%2Fus-east-2%2Fs3%2Faws4_request\
                     &X-Amz-Date=1&X-Amz-SignedHeaders=host&X-Amz-Signature=00";
        let caller = Caller::identify(&HeaderMap::new(), Some(query)).unwrap();
        assert_eq!(caller.scope, Scope::new("000000000000", "us-east-2"));
        assert_eq!(Caller::identify(&headers(signed), Some(query)).unwrap_err().kind, kinds::INVALID_SIGNATURE);
    }

    #[test]
    fn what_is_missing_is_named() {
        let kind = |header: &str| Caller::identify(&headers(header), None).unwrap_err().kind;
        assert_eq!(kind("Basic YTpi"), kinds::MISSING_AUTHENTICATION);
        assert_eq!(kind("AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request"), kinds::INCOMPLETE_SIGNATURE);
        assert_eq!(kind("AWS4-HMAC-SHA256 Credential=a, Signature=b, SignedHeaders=c"), kinds::INCOMPLETE_SIGNATURE);
        let none = Caller::identify(&HeaderMap::new(), None).unwrap_err();
        assert_eq!(none.message, "Missing Authentication Token");
    }
}
