//! AWS KMS over the server's [`KeyRing`]: symmetric keys, their aliases, rotation, and what is encrypted by them.
//!
//! One file for each thing that operations are about.

mod aliases;
mod crypto;
mod keys;
mod policies;
mod rotation;
mod tags;

use crate::http::{Call, Caller, Reply, Service, blocking};
use crate::models::kms::{MODEL, faults};
use crate::wire::{Fault, Model, Text, Timestamp};
use async_trait::async_trait;
use millrace_access::KeyRing;
use millrace_access::keyring::{Key, KeyError};
use std::sync::Arc;

/// What lists give when no limit is asked for.
const LISTED: usize = 100;

/// The service. Cheap to clone.
#[derive(Clone)]
pub struct Kms {
    ring: KeyRing,
}

impl Kms {
    /// The service over `ring`.
    pub fn new(ring: KeyRing) -> Self {
        Self { ring }
    }

    fn key(&self, caller: &Caller, id: &str) -> Result<Arc<Key>, Fault> {
        Ok(self.ring.find(&caller.scope, id)?)
    }
}

#[async_trait]
impl Service for Kms {
    fn model(&self) -> &'static Model {
        &MODEL
    }

    async fn call(&self, call: Call) -> Result<Reply, Fault> {
        match call.operation.as_str() {
            "CancelKeyDeletion" => blocking(self, call, keys::cancel_deletion).await,
            "CreateAlias" => blocking(self, call, aliases::create).await,
            "CreateKey" => blocking(self, call, keys::create).await,
            "Decrypt" => blocking(self, call, crypto::decrypt).await,
            "DeleteAlias" => blocking(self, call, aliases::delete).await,
            "DescribeKey" => blocking(self, call, keys::describe).await,
            "DisableKey" => blocking(self, call, keys::disable).await,
            "DisableKeyRotation" => blocking(self, call, rotation::disable).await,
            "EnableKey" => blocking(self, call, keys::enable).await,
            "EnableKeyRotation" => blocking(self, call, rotation::enable).await,
            "Encrypt" => blocking(self, call, crypto::encrypt).await,
            "GenerateDataKey" => blocking(self, call, crypto::data_key).await,
            "GenerateDataKeyWithoutPlaintext" => blocking(self, call, crypto::data_key_without_plaintext).await,
            "GenerateRandom" => blocking(self, call, crypto::random).await,
            "GetKeyPolicy" => blocking(self, call, policies::get).await,
            "GetKeyRotationStatus" => blocking(self, call, rotation::status).await,
            "ListAliases" => blocking(self, call, aliases::list).await,
            "ListKeyPolicies" => blocking(self, call, policies::list).await,
            "ListKeyRotations" => blocking(self, call, rotation::list).await,
            "ListKeys" => blocking(self, call, keys::list).await,
            "ListResourceTags" => blocking(self, call, tags::list).await,
            "PutKeyPolicy" => blocking(self, call, policies::put).await,
            "ReEncrypt" => blocking(self, call, crypto::re_encrypt).await,
            "RotateKeyOnDemand" => blocking(self, call, rotation::on_demand).await,
            "ScheduleKeyDeletion" => blocking(self, call, keys::schedule_deletion).await,
            "TagResource" => blocking(self, call, tags::tag).await,
            "UntagResource" => blocking(self, call, tags::untag).await,
            "UpdateAlias" => blocking(self, call, aliases::update).await,
            "UpdateKeyDescription" => blocking(self, call, keys::describe_anew).await,
            _ => Err(call.unsupported("kms")),
        }
    }
}

impl From<KeyError> for Fault {
    fn from(error: KeyError) -> Self {
        let kind = match &error {
            KeyError::NoKey(_) | KeyError::NoAlias(_) => faults::NOT_FOUND_EXCEPTION,
            KeyError::AliasExists(_) => faults::ALREADY_EXISTS_EXCEPTION,
            KeyError::Disabled(_) => faults::DISABLED_EXCEPTION,
            KeyError::PendingDeletion(_) | KeyError::InvalidState(_) => faults::KMS_INVALID_STATE_EXCEPTION,
            KeyError::InvalidCiphertext => return faults::INVALID_CIPHERTEXT_EXCEPTION.because(""),
            KeyError::IncorrectKey => faults::INCORRECT_KEY_EXCEPTION,
            KeyError::Invalid(reason) if reason.starts_with("Invalid arn") => faults::INVALID_ARN_EXCEPTION,
            KeyError::Invalid(_) => faults::INVALID_ALIAS_NAME_EXCEPTION,
            KeyError::Limit(_) => faults::LIMIT_EXCEEDED_EXCEPTION,
            KeyError::Managed(_) => faults::UNSUPPORTED_OPERATION_EXCEPTION,
            KeyError::Root(_) | KeyError::Store { .. } => faults::KMS_INTERNAL_EXCEPTION,
        };
        kind.because(error.to_string())
    }
}

/// A part of a list: what follows `marker`, at most `limit`; and the next marker.
fn page<T>(
    all: Vec<T>,
    name: impl Fn(&T) -> String,
    marker: Option<&Text>,
    limit: Option<i32>,
) -> (Vec<T>, Option<Text>) {
    let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(LISTED).max(1);
    let mut rest = all.into_iter().filter(|item| marker.is_none_or(|marker| name(item).as_str() > marker.as_str()));
    let part: Vec<T> = rest.by_ref().take(limit).collect();
    let next = rest.next().and_then(|_| part.last()).map(|last| name(last).into());
    (part, next)
}

fn time(millis: millrace_base::Millis) -> Timestamp {
    Timestamp(millis)
}
