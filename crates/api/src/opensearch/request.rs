//! A request, taken apart.

use super::BODY_BYTES_MAX;
use axum::http::request::Parts;
use axum::http::{Method, Uri, header};
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use millrace_search::{Error, Refresh};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Read;

/// Parameters that every operation takes.
const COMMON: [&str; 5] = ["pretty", "human", "error_trace", "filter_path", "format"];
/// Parameters about waiting for other nodes: there are none, so there is nothing to wait for.
const WAITING: [&str; 5] = ["timeout", "master_timeout", "cluster_manager_timeout", "wait_for_active_shards", "local"];

/// What a client asked for.
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path as it came.
    pub path: String,
    /// The path's parts, decoded.
    pub parts: Vec<String>,
    /// The body, unpacked.
    pub body: Bytes,
    params: BTreeMap<String, String>,
}

impl Request {
    /// Decodes path and parameters and unpacks the body.
    pub fn read(parts: &Parts, body: Bytes) -> Result<Self, Error> {
        let path = parts.uri.path().to_owned();
        let decoded = path.split('/').filter(|part| !part.is_empty()).map(decode);
        let encoding = parts.headers.get(header::CONTENT_ENCODING).map(|value| value.as_bytes());
        let body = match encoding {
            None | Some(b"identity") => body,
            Some(b"gzip") => unpack(&body)?,
            Some(other) => {
                let other = String::from_utf8_lossy(other).into_owned();
                return Err(Error::illegal_argument(format!("Content-Encoding [{other}] is not supported; gzip is")));
            }
        };
        Ok(Self { method: parts.method.clone(), parts: decoded.collect(), params: params(&parts.uri), path, body })
    }

    /// An error for any parameter that the operation does not know.
    pub fn allow(&self, known: &[&str]) -> Result<(), Error> {
        let is_known = |name: &&String| {
            let name = name.as_str();
            known.contains(&name) || COMMON.contains(&name) || WAITING.contains(&name)
        };
        match self.params.keys().find(|name| !is_known(name)) {
            None => Ok(()),
            Some(name) => Err(Error::illegal_argument(format!(
                "request [{}] contains unrecognized parameter: [{name}], or one not supported by Millrace yet",
                self.path
            ))),
        }
    }

    /// A parameter.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.get(name).map(String::as_str)
    }

    /// A parameter that is true when it is there without a value.
    pub fn truth(&self, name: &str) -> Result<bool, Error> {
        match self.param(name) {
            None | Some("false") => Ok(false),
            Some("true" | "") => Ok(true),
            Some(other) => Err(Error::illegal_argument(format!(
                "Failed to parse value [{other}] of [{name}]: only true or false are allowed"
            ))),
        }
    }

    /// A parameter that is a whole number.
    pub fn number(&self, name: &str) -> Result<Option<u64>, Error> {
        let Some(text) = self.param(name) else { return Ok(None) };
        let wrong = |_| Error::illegal_argument(format!("Failed to parse int parameter [{name}] with value [{text}]"));
        text.parse().map(Some).map_err(wrong)
    }

    /// The parameter `refresh`.
    pub fn refresh(&self) -> Result<Refresh, Error> {
        match self.param("refresh") {
            None | Some("false") => Ok(Refresh::Soon),
            Some("true" | "") => Ok(Refresh::Now),
            Some("wait_for") => Ok(Refresh::WaitFor),
            Some(other) => Err(Error::illegal_argument(format!("Unknown value for refresh: [{other}]."))),
        }
    }

    /// The body as JSON; null when there is none.
    pub fn json(&self) -> Result<Value, Error> {
        if self.body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&self.body).map_err(|error| Error::parsing(format!("the body is no JSON: {error}")))
    }
}

/// True when the answer is to be laid out for people.
pub fn is_pretty(uri: &Uri) -> bool {
    params(uri).get("pretty").is_some_and(|value| value != "false")
}

/// The parts of the answer that are asked for.
pub fn filter_path(uri: &Uri) -> Option<String> {
    params(uri).remove("filter_path").filter(|filter| !filter.is_empty())
}

fn params(uri: &Uri) -> BTreeMap<String, String> {
    let pairs = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    let split = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(&name.replace('+', " ")), decode(&value.replace('+', " ")))
    };
    pairs.map(split).collect()
}

/// Takes `%XX` back; what is no such escape stays.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn unpack(body: &[u8]) -> Result<Bytes, Error> {
    let mut out = Vec::new();
    let limit = BODY_BYTES_MAX as u64;
    let read = MultiGzDecoder::new(body).take(limit + 1).read_to_end(&mut out);
    read.map_err(|error| Error::parsing(format!("the body is not gzip as its Content-Encoding says: {error}")))?;
    if out.len() as u64 > limit {
        return Err(Error::illegal_argument(format!("the unpacked body is larger than {limit} bytes")));
    }
    Ok(out.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_decoded() {
        assert_eq!(decode("a%2Fb%20%C3%A9%zz"), "a/b é%zz");
        let uri: Uri = "/x?q=a%3Ab+c&pretty".parse().unwrap();
        assert_eq!(params(&uri)["q"], "a:b c");
        assert!(is_pretty(&uri));
    }
}
