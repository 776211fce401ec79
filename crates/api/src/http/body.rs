//! Reading a request's body whole, within a limit.

use crate::wire::{Fault, kinds};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_LENGTH;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;

/// The largest body: a `PutRecords` of 10 MiB is 13.4 MiB in base64, and its JSON and keys take the rest.
pub const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Reads a body of at most [`BODY_BYTES_MAX`] bytes.
pub async fn read_body<B>(headers: &HeaderMap, mut body: B) -> Result<Bytes, Fault>
where
    B: hyper::body::Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    let declared = headers.get(CONTENT_LENGTH).and_then(|len| len.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|len| len > BODY_BYTES_MAX) {
        return Err(too_large());
    }
    let mut whole = BytesMut::new();
    let mut first = Bytes::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| kinds::SERIALIZATION.because(format!("the body ended early: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        if whole.len() + first.len() + data.len() > BODY_BYTES_MAX {
            return Err(too_large());
        }
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

fn too_large() -> Fault {
    kinds::REQUEST_TOO_LARGE.because(format!("The request is larger than {BODY_BYTES_MAX} bytes: send less at once."))
}
