//! What a staged record holds, to bytes and back. The format is in the module above.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use millrace_base::Millis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const VERSION: u8 = 1;
const FIXED_LEN: usize = 14;
/// Partition keys are a few short texts; an error message is cut to less.
const HEAD_BYTES_MAX: usize = 8 << 20;

/// Why a record cannot be delivered, as its line in the error prefix says it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Failed {
    pub(crate) attempts_made: u32,
    pub(crate) error_code: String,
    pub(crate) error_message: String,
    /// When trying ended; None when there was nothing to try.
    pub(crate) attempt_ending_timestamp: Option<Millis>,
    pub(crate) lambda_arn: Option<String>,
}

impl Failed {
    /// A staged record that this version cannot read.
    pub(crate) fn unreadable(reason: String) -> Self {
        let error_code = "Millrace.UnreadableRecord".to_owned();
        Self { attempts_made: 1, error_code, error_message: reason, ..Self::default() }
    }
}

/// A staged record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Staged {
    /// When its source record arrived.
    pub(crate) arrival: Millis,
    pub(crate) what: What,
    pub(crate) data: Bytes,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    Source,
    Transformed { keys: BTreeMap<String, String> },
    Failed(Failed),
}

impl Staged {
    pub(crate) fn encode(&self) -> Bytes {
        let head = match &self.what {
            What::Transformed { keys } if !keys.is_empty() => serde_json::to_vec(keys),
            What::Failed(failed) => serde_json::to_vec(failed),
            What::Source | What::Transformed { .. } => Ok(Vec::new()),
        };
        // Maps of texts and plain structs always become JSON.
        let head = head.unwrap_or_default();
        let mut out = BytesMut::with_capacity(FIXED_LEN + head.len() + self.data.len());
        out.put_u8(VERSION);
        out.put_u8(match &self.what {
            What::Source => 0,
            What::Transformed { .. } => 1,
            What::Failed(_) => 2,
        });
        out.put_i64_le(self.arrival);
        out.put_u32_le(head.len() as u32);
        out.put_slice(&head);
        out.put_slice(&self.data);
        out.freeze()
    }

    /// Shares memory with `bytes`.
    pub(crate) fn decode(mut bytes: Bytes) -> Result<Self, String> {
        if bytes.len() < FIXED_LEN {
            return Err(format!("a staged record of {} bytes is cut short", bytes.len()));
        }
        let (version, kind, arrival) = (bytes.get_u8(), bytes.get_u8(), bytes.get_i64_le());
        let head_len = bytes.get_u32_le() as usize;
        if version != VERSION {
            return Err(format!("a staged record is of version {version}, this Millrace reads version {VERSION}"));
        }
        if head_len > HEAD_BYTES_MAX || head_len > bytes.len() {
            return Err(format!("a staged record's head of {head_len} bytes is longer than the record"));
        }
        let head = bytes.split_to(head_len);
        let bad = |error: serde_json::Error| format!("a staged record's head cannot be read: {error}");
        let what = match kind {
            0 => What::Source,
            1 if head.is_empty() => What::Transformed { keys: BTreeMap::new() },
            1 => What::Transformed { keys: serde_json::from_slice(&head).map_err(bad)? },
            2 => What::Failed(serde_json::from_slice(&head).map_err(bad)?),
            other => return Err(format!("a staged record is of the unknown kind {other}")),
        };
        Ok(Self { arrival, what, data: bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_staged_comes_back() {
        let failed = Failed {
            attempts_made: 4,
            error_code: "Lambda.FunctionError".into(),
            error_message: "no".into(),
            attempt_ending_timestamp: Some(7),
            lambda_arn: Some("arn".into()),
        };
        let keys: BTreeMap<_, _> = [("customer".to_owned(), "é".to_owned())].into();
        let whats = [
            What::Source,
            What::Transformed { keys: BTreeMap::new() },
            What::Transformed { keys },
            What::Failed(failed),
        ];
        for what in whats {
            let staged = Staged { arrival: -5, what, data: Bytes::from_static(b"\x00data") };
            assert_eq!(Staged::decode(staged.encode()).unwrap(), staged);
        }
        for bad in [&b""[..], b"\x02\x00aaaaaaaa\0\0\0\0", b"\x01\x00aaaaaaaa\xff\0\0\0", b"\x01\x09aaaaaaaa\0\0\0\0"] {
            assert!(Staged::decode(Bytes::copy_from_slice(bad)).is_err());
        }
    }
}
