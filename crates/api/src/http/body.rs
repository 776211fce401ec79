//! Reading a request's body whole, within a limit.

use crate::wire::{Fault, kinds};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use bytes::{Bytes, BytesMut};
use flate2::read::GzDecoder;
use http_body_util::BodyExt;
use std::io::Read;

/// The largest body that a service takes unless it says otherwise: a `PutRecords` of 10 MiB is 13.4 MiB in base64, and its JSON and keys take the rest.
pub const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Reads a body of at most `bytes_max` bytes; one that is compressed is inflated, to no more than that either.
pub async fn read_body<B>(headers: &HeaderMap, body: B, bytes_max: usize) -> Result<Bytes, Fault>
where
    B: hyper::body::Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    unpack(headers, read_plain(headers, body, bytes_max).await?, bytes_max)
}

/// Inflates a body that is compressed, to no more than `bytes_max` bytes.
pub fn unpack(headers: &HeaderMap, whole: Bytes, bytes_max: usize) -> Result<Bytes, Fault> {
    match headers.get(CONTENT_ENCODING).map(|encoding| encoding.as_bytes()) {
        Some(b"gzip") => inflate(&whole, bytes_max),
        _ => Ok(whole),
    }
}

/// Reads a body and forgets it, so that the client hears the answer and the connection can be used again; what is longer
/// than `bytes_max` is left unread.
pub async fn discard<B>(mut body: B, bytes_max: usize)
where
    B: hyper::body::Body<Data = Bytes> + Unpin,
{
    let mut read = 0;
    while let Some(Ok(frame)) = body.frame().await {
        read += frame.data_ref().map_or(0, Bytes::len);
        if read > bytes_max {
            return;
        }
    }
}

fn inflate(packed: &[u8], bytes_max: usize) -> Result<Bytes, Fault> {
    let mut whole = Vec::new();
    let mut reader = GzDecoder::new(packed).take(bytes_max as u64 + 1);
    reader.read_to_end(&mut whole).map_err(|error| kinds::SERIALIZATION.because(format!("gzip: {error}")))?;
    if whole.len() > bytes_max { Err(too_large(bytes_max)) } else { Ok(whole.into()) }
}

/// Reads a body of at most `bytes_max` bytes as it was sent.
pub async fn read_plain<B>(headers: &HeaderMap, body: B, bytes_max: usize) -> Result<Bytes, Fault>
where
    B: hyper::body::Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    read_seeing(headers, body, bytes_max, |_| ()).await
}

/// Reads a body as [`read_plain`] does, and shows each piece of it to `see` as it comes.
pub async fn read_seeing<B>(
    headers: &HeaderMap,
    mut body: B,
    bytes_max: usize,
    mut see: impl FnMut(&[u8]),
) -> Result<Bytes, Fault>
where
    B: hyper::body::Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    let declared = headers.get(CONTENT_LENGTH).and_then(|len| len.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|len| len > bytes_max) {
        return Err(too_large(bytes_max));
    }
    let mut whole = BytesMut::new();
    let mut first = Bytes::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| kinds::SERIALIZATION.because(format!("the body ended early: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        if whole.len() + first.len() + data.len() > bytes_max {
            return Err(too_large(bytes_max));
        }
        see(&data);
        // A body in one piece is used where it lies.
        if whole.is_empty() && first.is_empty() {
            first = data;
            continue;
        }
        if whole.is_empty() {
            whole.reserve(declared.unwrap_or(first.len() + data.len()));
            whole.extend_from_slice(&std::mem::take(&mut first));
        }
        whole.extend_from_slice(&data);
    }
    Ok(if whole.is_empty() { first } else { whole.freeze() })
}

fn too_large(bytes_max: usize) -> Fault {
    kinds::REQUEST_TOO_LARGE.because(format!("The request is larger than {bytes_max} bytes: send less at once."))
}
