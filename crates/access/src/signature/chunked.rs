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

/// The payload of a chunked body whose signatures nobody asks for, as `payload_hash` names its kind; the body itself when it
/// is not chunked.
pub fn unchunk(payload_hash: &str, body: Bytes, decoded: Option<usize>) -> Result<Body, SignatureError> {
    match Streaming::of(payload_hash, true)? {
        Some(kind) => read(kind, None, &body, decoded),
        None => Ok(Body { payload: body, trailers: Vec::new() }),
    }
}

/// Reads a whole chunked body and verifies every chunk, if there is a chain to verify them by; `decoded` is what the request
/// says its payload's length is.
pub fn read(
    kind: Streaming,
    mut chain: Option<Chain>,
    body: &[u8],
    decoded: Option<usize>,
) -> Result<Body, SignatureError> {
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
        if let Some(chain) = chain.as_mut().filter(|_| kind.is_signed) {
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

fn trailers(kind: Streaming, chain: Option<Chain>, rest: &mut &[u8]) -> Result<Trailers, SignatureError> {
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
    if let Some(mut chain) = chain.filter(|_| kind.is_signed) {
        let signature = signature.ok_or_else(|| broken("its trailers are not signed"))?;
        let mut sorted = found.clone();
        sorted.sort_unstable();
        let text: String = sorted.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        chain.check("AWS4-HMAC-SHA256-TRAILER", &sha256_hex(text.as_bytes()), signature)?;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Secret;
    use crate::signature::key::signing_key;

    /// The examples of S3's documentation: 65 KiB of the letter a.
    const SIGNATURES: [&str; 4] = [
        "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
        "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
        "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
        "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
    ];
    const WITH_TRAILER: [&str; 4] = [
        "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
        "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
        "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
        "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
    ];
    const TRAILER: &str = "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435";
    const LENGTH: usize = 66_560;

    fn chain(signature: &str) -> Chain {
        let secret = Secret::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
        Chain {
            key: signing_key(&secret, "20130524", "us-east-1", "s3"),
            timestamp: "20130524T000000Z".to_owned(),
            scope: "20130524/us-east-1/s3/aws4_request".to_owned(),
            signature: signature.to_owned(),
        }
    }

    fn body(signatures: &[&str; 4], end: &str) -> Vec<u8> {
        let chunk = |size: usize, at: usize| {
            let ends = if size == 0 { "" } else { "\r\n" };
            format!("{size:x};chunk-signature={}\r\n{}{ends}", signatures[at], "a".repeat(size))
        };
        [chunk(65_536, 1), chunk(1024, 2), chunk(0, 3), end.to_owned()].concat().into_bytes()
    }

    fn kind(hash: &str) -> Streaming {
        Streaming::of(hash, true).unwrap().unwrap()
    }

    #[test]
    fn the_documented_chunks() {
        let (plain, whole) = (kind("STREAMING-AWS4-HMAC-SHA256-PAYLOAD"), body(&SIGNATURES, "\r\n"));
        let read_whole = |body: &[u8], length| read(plain, Some(chain(SIGNATURES[0])), body, length);
        assert_eq!(read_whole(&whole, Some(LENGTH)).unwrap().payload, vec![b'a'; LENGTH]);
        for length in [None, Some(LENGTH - 1)] {
            assert!(read_whole(&whole, length).is_err());
        }
        // Every byte counts: those of data, sizes and signatures alike.
        for at in (0..whole.len()).step_by(997).chain(0..100).chain(whole.len() - 300..whole.len()) {
            let mut other = whole.clone();
            other[at] ^= 1;
            assert!(read_whole(&other, Some(LENGTH)).is_err(), "byte {at}");
        }
        for cut in [0, 10, 90, 70_000, whole.len() - 3] {
            assert!(read_whole(&whole[..cut.min(whole.len() - 3)], Some(LENGTH)).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn the_documented_trailer() {
        let signed = kind("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER");
        let end = format!("x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:{TRAILER}\r\n\r\n");
        let read_with = |end: &str| read(signed, Some(chain(WITH_TRAILER[0])), &body(&WITH_TRAILER, end), Some(LENGTH));
        let found = read_with(&end).unwrap();
        assert_eq!(found.trailers, [("x-amz-checksum-crc32c".to_owned(), "sOO8/Q==".to_owned())]);
        assert!(read_with(&end.replace("sOO8", "sOO9")).is_err());
        assert!(read_with("x-amz-checksum-crc32c:sOO8/Q==\r\n\r\n").is_err());
    }

    #[test]
    fn unsigned_chunks_are_s3s_alone() {
        let name = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
        assert!(Streaming::of(name, false).is_err());
        assert!(Streaming::of("STREAMING-AWS4-HMAC-SHA256-EVENTS", true).is_err());
        assert_eq!(Streaming::of("UNSIGNED-PAYLOAD", true).unwrap(), None);
        let body = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n";
        let found = read(kind(name), Some(chain(SIGNATURES[0])), body, Some(5)).unwrap();
        assert_eq!((&found.payload[..], found.trailers.len()), (&b"hello"[..], 1));
        assert!(read(kind(name), Some(chain(SIGNATURES[0])), &body[..9], Some(5)).is_err());
    }
}
