//! Keys and contents of objects, as functions of the records in them.

use super::lane::Held;
use super::progress::Lane;
use super::shape::{Place, Shape};
use crate::observer::Converted;
use crate::prefix::{Evaluation, PartitionKey, Prefix, local_time};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use millrace_base::{Millis, Scope};
use millrace_log::StreamKey;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::Write;

/// An object to be written.
#[derive(Debug, Clone)]
pub(crate) struct Put {
    pub(crate) bucket: String,
    pub(crate) key: String,
    pub(crate) content: Bytes,
    /// The records in it.
    pub(crate) records: usize,
    /// Whether they are failures.
    pub(crate) failed: bool,
    /// Whether they are copies of what came in.
    pub(crate) copy: bool,
    /// Whether they were to be converted: how many were, with their bytes, and how many could not be.
    pub(crate) conversion: Option<Converted>,
}

/// The records that one or more objects are made of, in order, never empty.
pub(crate) struct Source<'a> {
    pub(crate) scope: &'a Scope,
    /// Where they were read.
    pub(crate) stream: &'a StreamKey,
    pub(crate) shape: &'a Shape,
    pub(crate) lane: &'a Lane,
    pub(crate) records: &'a [Held],
    /// When the cut was made.
    pub(crate) at: Millis,
}

/// A record that failed, for its line in the error prefix.
pub(crate) struct Failure<'a> {
    pub(crate) held: &'a Held,
    pub(crate) code: String,
    pub(crate) message: String,
    /// Members beyond the common ones.
    pub(crate) more: Map<String, Value>,
    pub(crate) attempts: u32,
    /// When trying ended.
    pub(crate) ended: Millis,
}

impl Source<'_> {
    /// What an object's name and random string are made of: the same records give the same.
    fn identity(&self, kind: &str) -> [u8; 32] {
        let mut hash = Sha256::new();
        let shape = self.shape;
        hash.update(format!(
            "{}\n{}\n{}\n{}\n{kind}\n{:?}\n",
            self.scope, shape.name, shape.created, shape.version, self.lane
        ));
        for run in self.records.chunk_by(|a, b| a.shard == b.shard) {
            if let (Some(first), Some(last)) = (run.first(), run.last()) {
                hash.update(format!("{}:{}..={}:{}\n", first.shard, first.index, last.index, run.len()));
            }
        }
        hash.finalize().into()
    }

    pub(crate) fn oldest(&self) -> Millis {
        self.records.iter().map(|held| held.arrival).min().unwrap_or(self.at)
    }

    /// The key of an object of this kind; `error_type` when it is for failures.
    pub(crate) fn key(&self, place: &Place, kind: &str, error_type: Option<&str>) -> String {
        let identity = self.identity(kind);
        let random = random_string(&identity);
        let prefix = if error_type.is_some() { &place.error_prefix } else { &place.prefix };
        let keys = self.keys(prefix);
        let oldest = self.oldest();
        let evaluation = Evaluation { oldest, zone: place.zone, keys: &keys, random: &random, error_type };
        let time = local_time(oldest, place.zone).format("%Y-%m-%d-%H-%M-%S");
        let extension = if error_type.is_some() { "" } else { &place.extension };
        let (name, version) = (&self.shape.name, self.shape.version);
        format!("{}{name}-{version}-{time}-{}{extension}", prefix.evaluate(&evaluation), uuid(&identity))
    }

    fn keys(&self, prefix: &Prefix) -> BTreeMap<PartitionKey, String> {
        let Lane::Records(values) = self.lane else { return BTreeMap::new() };
        prefix.partition_keys().into_iter().cloned().zip(values.iter().cloned()).collect()
    }

    /// The records as they are, one after the other.
    pub(crate) fn raw(&self, place: &Place, kind: &str) -> Put {
        let bytes: usize = self.records.iter().map(|held| held.data.len() + place.delimiter.len()).sum();
        let mut plain = Vec::with_capacity(bytes);
        for held in self.records {
            plain.extend_from_slice(&held.data);
            plain.extend_from_slice(&place.delimiter);
        }
        let content = if place.gzip { gzip(&plain) } else { plain };
        Put { copy: kind == "backup", ..self.put(place, self.key(place, kind, None), content, false) }
    }

    /// An object of the given content.
    pub(crate) fn put(&self, place: &Place, key: String, content: Vec<u8>, failed: bool) -> Put {
        Put {
            bucket: place.bucket.clone(),
            key,
            content: content.into(),
            records: self.records.len(),
            failed,
            copy: false,
            conversion: None,
        }
    }

    /// Failures, a JSON line each, in AWS's shape.
    pub(crate) fn failures(&self, place: &Place, error_type: &str, failures: &[Failure<'_>]) -> Put {
        let mut lines = Vec::new();
        for failure in failures {
            let conversion = error_type == "format-conversion-failed";
            let (code, message) =
                if conversion { ("lastErrorCode", "lastErrorMessage") } else { ("errorCode", "errorMessage") };
            let mut line = json!({
                "attemptsMade": failure.attempts,
                "arrivalTimestamp": failure.held.arrival,
                code: failure.code,
                message: failure.message,
                "attemptEndingTimestamp": failure.ended,
                "rawData": base64(&failure.held.data),
            });
            if let Some(line) = line.as_object_mut() {
                line.extend(failure.more.clone());
            }
            lines.extend_from_slice(line.to_string().as_bytes());
            lines.push(b'\n');
        }
        let mut put = self.put(place, self.key(place, error_type, Some(error_type)), lines, true);
        put.records = failures.len();
        put
    }
}

fn base64(data: &[u8]) -> String {
    base64_simd::STANDARD.encode_to_string(data)
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 4), Compression::default());
    // Writing to a Vec cannot fail.
    let _ = encoder.write_all(plain);
    encoder.finish().unwrap_or_default()
}

/// A UUID that follows from what it is for.
pub(crate) fn uuid(identity: &[u8; 32]) -> String {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&identity[..16]);
    uuid::Builder::from_sha1_bytes(bytes).into_uuid().to_string()
}

/// `!{firehose:random-string}`: eleven letters and digits.
fn random_string(identity: &[u8; 32]) -> String {
    const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    identity[16..27].iter().map(|byte| LETTERS[*byte as usize % LETTERS.len()] as char).collect()
}
