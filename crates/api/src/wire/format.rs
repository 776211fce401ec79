//! The formats in which a whole body is one document: JSON and two dialects of CBOR.

use super::{CborReader, CborWriter, Checks, Fault, JsonReader, JsonWriter, Malformed, Reader, Shape, kinds};
use bytes::Bytes;

/// How a body is written. A response is always in its request's format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// awsJson1.1: blobs in base64, times in seconds.
    Json,
    /// awsJson1.0: the same under another content type.
    Json10,
    /// The CBOR dialect of Kinesis: blobs as byte strings, times in milliseconds under tag 1.
    Cbor,
    /// Smithy's RPC v2: CBOR with times in seconds under tag 1.
    RpcCbor,
}

impl Format {
    /// The format that a content type names, if it names one of those that `X-Amz-Target` goes with.
    pub fn of_content_type(content_type: &str) -> Option<Self> {
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        match essence {
            "application/x-amz-json-1.1" | "application/json" => Some(Self::Json),
            "application/x-amz-json-1.0" => Some(Self::Json10),
            "application/x-amz-cbor-1.1" => Some(Self::Cbor),
            _ => None,
        }
    }

    /// The content type of a response.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/x-amz-json-1.1",
            Self::Json10 => "application/x-amz-json-1.0",
            Self::Cbor => "application/x-amz-cbor-1.1",
            Self::RpcCbor => "application/cbor",
        }
    }

    /// Reads a request's input and checks it by the model's rules.
    pub fn decode<T: Shape>(self, body: Bytes) -> Result<T, Fault> {
        match self {
            Self::Json | Self::Json10 => read_whole(&mut JsonReader::new(body)),
            Self::Cbor => read_whole(&mut CborReader::new(body)),
            Self::RpcCbor => read_whole(&mut CborReader::in_seconds(body)),
        }
    }

    /// Writes a response's output; an output without members is an empty body, as AWS sends it.
    pub fn encode<T: Shape>(self, output: &T) -> Vec<u8> {
        match self {
            Self::Json | Self::Json10 => {
                let mut writer = JsonWriter::default();
                output.write(&mut writer);
                writer.finish()
            }
            Self::Cbor | Self::RpcCbor => {
                let mut writer = if self == Self::Cbor { CborWriter::default() } else { CborWriter::in_seconds() };
                output.write(&mut writer);
                writer.finish()
            }
        }
    }
}

/// Reads the one value of a request, and checks it by the model's rules.
pub(crate) fn read_whole<T: Shape>(reader: &mut dyn Reader) -> Result<T, Fault> {
    let mut checks = Checks::default();
    let read = T::read(reader, &mut checks).and_then(|value| reader.finish().map(|()| value));
    let value = read.map_err(|Malformed(reason)| kinds::SERIALIZATION.because(reason))?;
    checks.finish()?;
    Ok(value)
}
