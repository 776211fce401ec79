//! `aws-chunked` payloads: each chunk is signed by itself, in a chain that begins with the request's signature.
//!
//! ```text
//! body    := chunk* last trailers? ⏎          chunk := SIZE ;chunk-signature=HEX ⏎ bytes ⏎
//! last    := 0 ;chunk-signature=HEX ⏎          trailers := (name:value ⏎)* x-amz-trailer-signature:HEX ⏎
//! ```
//! Lines end with carriage return and line feed; sizes are hexadecimal. Without signatures (`STREAMING-UNSIGNED-PAYLOAD-…`)
//! the same stands there without them.

use super::SignatureError;
use super::key::{is_signed, sha256_hex};
use bytes::{Bytes, BytesMut};
use ring::hmac;

/// A line of a chunk or of the trailers is no longer than this.
const LINE_BYTES_MAX: usize = 8 * 1024;
/// More trailers nobody sends.
const TRAILERS_MAX: usize = 16;
/// The SHA-256 of nothing.
const NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Names and values behind the last chunk: checksums.
pub type Trailers = Vec<(String, String)>;

/// A request's body after its signature was verified.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Body {
    /// What the request carries.
    pub payload: Bytes,
    /// What stood behind it.
    pub trailers: Trailers,
}

/// The kinds of chunked payloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Streaming {
    is_signed: bool,
    has_trailers: bool,
}

impl Streaming {
    /// The kind that a request's payload hash names; none for a payload that is not chunked.
    pub fn of(payload_hash: &str, is_s3: bool) -> Result<Option<Self>, SignatureError> {
        match payload_hash {
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" => Ok(Some(Self { is_signed: true, has_trailers: false })),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" => Ok(Some(Self { is_signed: true, has_trailers: true })),
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER" if is_s3 => Ok(Some(Self { is_signed: false, has_trailers: true })),
            other if other.starts_with("STREAMING-") => Err(SignatureError::Invalid(format!(
                "x-amz-content-sha256 '{other}' is not supported here: no operation of this service takes such a stream."
            ))),
            _ => Ok(None),
        }
    }
}

/// The chain of signatures: each covers the one before it.
pub struct Chain {
    /// The request's signing key.
    pub key: hmac::Key,
    /// The request's time.
    pub timestamp: String,
    /// The request's credential scope.
    pub scope: String,
    /// The last signature.
    pub signature: String,
}

impl Chain {
    fn check(&mut self, kind: &str, hashes: &str, signature: &str) -> Result<(), SignatureError> {
        let Self { timestamp, scope, signature: last, .. } = &*self;
        let text = format!("{kind}\n{timestamp}\n{scope}\n{last}\n{hashes}");
        if !is_signed(&self.key, &text, signature) {
            return Err(SignatureError::mismatch(b"", &text));
        }
        signature.clone_into(&mut self.signature);
        Ok(())
    }
}

fn broken(what: &str) -> SignatureError {
    SignatureError::Chunk(format!("The chunked body is broken: {what}."))
}

/// Reads a whole chunked body and verifies every chunk; `decoded` is what the request says its payload's length is.
pub fn read(kind: Streaming, mut chain: Chain, body: &[u8], decoded: Option<usize>) -> Result<Body, SignatureError> {
    let mut rest = body;
    let mut payload = BytesMut::with_capacity(decoded.unwrap_or(0).min(body.len()));
    loop {
        let line = take_line(&mut rest)?;
        let (size, signature) = head(kind, line)?;
        if rest.len() < size {
            return Err(broken("it ends within a chunk"));
        }
        let (data, behind) = rest.split_at(size);
        rest = behind;
        if kind.is_signed {
            chain.check("AWS4-HMAC-SHA256-PAYLOAD", &format!("{NOTHING}\n{}", sha256_hex(data)), signature)?;
        }
        if size == 0 {
            break;
        }
        payload.extend_from_slice(data);
        rest = rest.strip_prefix(b"\r\n").ok_or_else(|| broken("no line end follows a chunk"))?;
    }
    let trailers = if kind.has_trailers { trailers(kind, chain, &mut rest)? } else { Vec::new() };
    if !matches!(rest, b"" | b"\r\n") {
        return Err(broken("something follows its end"));
    }
    match decoded {
        Some(length) if length == payload.len() => Ok(Body { payload: payload.freeze(), trailers }),
        _ => Err(broken("x-amz-decoded-content-length is not its length")),
    }
}

fn take_line<'a>(rest: &mut &'a [u8]) -> Result<&'a str, SignatureError> {
    let window = &rest[..rest.len().min(LINE_BYTES_MAX)];
    let end = window.windows(2).position(|pair| pair == b"\r\n").ok_or_else(|| broken("a line does not end"))?;
    let line = std::str::from_utf8(&rest[..end]).map_err(|_| broken("a line is no text"))?;
    *rest = &rest[end + 2..];
    Ok(line)
}

/// The size and the signature that a chunk begins with.
fn head(kind: Streaming, line: &str) -> Result<(usize, &str), SignatureError> {
    let (size, extension) = line.split_once(';').unwrap_or((line, ""));
    let is_hex = !size.is_empty() && size.bytes().all(|digit| digit.is_ascii_hexdigit());
    let size = usize::from_str_radix(size, 16).ok().filter(|_| is_hex).ok_or_else(|| broken("a chunk has no size"))?;
    match (kind.is_signed, extension.strip_prefix("chunk-signature=")) {
        (true, Some(signature)) => Ok((size, signature)),
        (true, None) => Err(broken("a chunk has no signature")),
        (false, _) if extension.is_empty() => Ok((size, "")),
        (false, _) => Err(broken("a chunk has an extension")),
    }
}

fn trailers(kind: Streaming, mut chain: Chain, rest: &mut &[u8]) -> Result<Trailers, SignatureError> {
    let mut found = Trailers::new();
    let mut signature = None;
    while !rest.is_empty() {
        let line = take_line(rest)?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').ok_or_else(|| broken("a trailer has no colon"))?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        if signature.is_some() || found.len() >= TRAILERS_MAX {
            return Err(broken("it has too many trailers"));
        }
        match &*name {
            "x-amz-trailer-signature" => signature = Some(value),
            _ => found.push((name, value.to_owned())),
        }
    }
    if kind.is_signed {
        let signature = signature.ok_or_else(|| broken("its trailers are not signed"))?;
        let mut sorted = found.clone();
        sorted.sort_unstable();
        let text: String = sorted.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        chain.check("AWS4-HMAC-SHA256-TRAILER", &sha256_hex(text.as_bytes()), signature)?;
    }
    Ok(found)
}
