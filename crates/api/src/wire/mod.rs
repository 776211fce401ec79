//! AWS's wire protocols, typed: bytes ↔ generated shapes, checked by the service model's own rules.
//!
//! ```text
//! body ─► Reader (JSON or CBOR) ─► Shape::read ─► Checks (all broken rules at once) ─► handler
//! handler ─► Shape::write ─► Writer (JSON or CBOR) ─► body
//! ```
//!
//! One reader and one writer per format, one `Shape` per type: a `PutRecords` of 500 records takes the same road as a
//! `DescribeLimits`. Texts and blobs share the memory of the request's body, so the common road is the fast one.

mod cbor;
mod fault;
mod json;
mod rule;
mod shape;
mod structure;
mod values;

pub use cbor::{CborReader, CborWriter};
pub use fault::{Fault, FaultKind, kinds};
pub use json::{JsonReader, JsonWriter};
pub use rule::{Checks, Rule};
pub use shape::{DEPTH_MAX, Kind, Malformed, Reader, Shape, Unsupported, Writer};
pub(crate) use structure::structures;
pub use values::{Text, Timestamp};

use bytes::Bytes;

/// How a body is written. A response is always in its request's format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// awsJson1.1: blobs in base64, times in seconds.
    Json,
    /// The CBOR dialect of Kinesis: blobs as byte strings, times in milliseconds under tag 1.
    Cbor,
}

impl Format {
    /// The format that a content type names, if it names one of ours.
    pub fn of_content_type(content_type: &str) -> Option<Self> {
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        match essence {
            "application/x-amz-json-1.1" | "application/x-amz-json-1.0" | "application/json" => Some(Self::Json),
            "application/x-amz-cbor-1.1" => Some(Self::Cbor),
            _ => None,
        }
    }

    /// The content type of a response.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/x-amz-json-1.1",
            Self::Cbor => "application/x-amz-cbor-1.1",
        }
    }

    /// Reads a request's input and checks it by the model's rules.
    pub fn decode<T: Shape>(self, body: Bytes) -> Result<T, Fault> {
        let mut checks = Checks::default();
        let input = match self {
            Self::Json => read_whole(&mut JsonReader::new(body), &mut checks),
            Self::Cbor => read_whole(&mut CborReader::new(body), &mut checks),
        };
        let input = input.map_err(|Malformed(reason)| kinds::SERIALIZATION.because(reason))?;
        checks.finish()?;
        Ok(input)
    }

    /// Writes a response's output; an output without members is an empty body, as AWS sends it.
    pub fn encode<T: Shape>(self, output: &T) -> Vec<u8> {
        match self {
            Self::Json => {
                let mut writer = JsonWriter::default();
                output.write(&mut writer);
                writer.finish()
            }
            Self::Cbor => {
                let mut writer = CborWriter::default();
                output.write(&mut writer);
                writer.finish()
            }
        }
    }
}

fn read_whole<T: Shape>(reader: &mut dyn Reader, checks: &mut Checks) -> Result<T, Malformed> {
    let value = T::read(reader, checks)?;
    reader.finish()?;
    Ok(value)
}
