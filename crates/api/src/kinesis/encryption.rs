//! A stream's encryption by a KMS key of its own: what it is, and whether its key may be used.

use super::Kinesis;
use crate::models::kinesis::faults;
use crate::wire::{Fault, Text, kinds};
use millrace_access::keyring::KeyError;
use millrace_access::{StreamSealError, StreamSeals};
use millrace_log::StreamInfo;

impl Kinesis {
    /// `EncryptionType` and `KeyId` of a stream that is encrypted.
    pub(super) fn encryption(&self, stream: &StreamInfo) -> Option<(Text, Text)> {
        of(self.seals.as_ref(), stream)
    }

    /// `EncryptionType` of records and of the answers to puts, which say nothing of streams that are not encrypted.
    pub(super) fn encryption_type(&self, stream: &StreamInfo) -> Option<Text> {
        self.encryption(stream).map(|(kind, _)| kind)
    }

    /// Refuses what needs the stream's key while it may not be used.
    pub(super) fn check_key(&self, stream: &StreamInfo) -> Result<(), Fault> {
        check(self.seals.as_ref(), stream)
    }
}

/// `EncryptionType` and `KeyId` of a stream that is encrypted.
pub(super) fn of(seals: Option<&StreamSeals>, stream: &StreamInfo) -> Option<(Text, Text)> {
    let seal = seals?.of(&stream.key.scope, &stream.key.name, stream.incarnation)?;
    Some((Text::from_static("KMS"), seal.key_id.as_str().into()))
}

/// Refuses what needs a stream's key while it may not be used.
pub(super) fn check(seals: Option<&StreamSeals>, stream: &StreamInfo) -> Result<(), Fault> {
    let Some(seals) = seals else { return Ok(()) };
    seals.check(&stream.key.scope, &stream.key.name, stream.incarnation).map_err(of_key)
}

/// KMS's errors as Kinesis tells them.
pub(super) fn of_key(error: KeyError) -> Fault {
    let kind = match &error {
        KeyError::Disabled(_) => faults::KMS_DISABLED_EXCEPTION,
        KeyError::PendingDeletion(_) | KeyError::InvalidState(_) => faults::KMS_INVALID_STATE_EXCEPTION,
        KeyError::NoKey(_) | KeyError::NoAlias(_) | KeyError::Invalid(_) => faults::KMS_NOT_FOUND_EXCEPTION,
        _ => kinds::INTERNAL_FAILURE,
    };
    kind.because(error.to_string())
}

/// Why a stream's encryption was not started.
pub(super) fn of_seal(error: StreamSealError) -> Fault {
    match error {
        StreamSealError::Key(error) => of_key(error),
        StreamSealError::Catalog(error) => kinds::INTERNAL_FAILURE.because(error.to_string()),
    }
}
