//! What is encrypted and decrypted, and random bytes.

use super::Kms;
use crate::authorize::{Need, context_keys};
use crate::http::Caller;
use crate::models::kms::{
    DecryptRequest, DecryptResponse, EncryptRequest, EncryptResponse, GenerateDataKeyRequest, GenerateDataKeyResponse,
    GenerateDataKeyWithoutPlaintextRequest, GenerateDataKeyWithoutPlaintextResponse, GenerateRandomRequest,
    GenerateRandomResponse, ReEncryptRequest, ReEncryptResponse, faults,
};
use crate::wire::{Fault, Text, kinds};
use bytes::Bytes;
use millrace_access::keyring::{Context, Encrypted, Key, KeyError};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The only algorithm that there is here.
const ALGORITHM: &str = "SYMMETRIC_DEFAULT";

type Said = Option<BTreeMap<Text, Text>>;

fn context(said: Said) -> Context {
    said.into_iter().flatten().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

fn check_algorithm(algorithm: Option<&Text>) -> Result<(), Fault> {
    match algorithm {
        Some(other) if other.as_str() != ALGORITHM => Err(faults::INVALID_KEY_USAGE_EXCEPTION
            .because(format!("{other} is not an algorithm of the key, which has {ALGORITHM}."))),
        _ => Ok(()),
    }
}

pub fn encrypt(kms: &Kms, caller: &Caller, input: EncryptRequest) -> Result<EncryptResponse, Fault> {
    check_algorithm(input.encryption_algorithm.as_ref())?;
    let key = kms.key(caller, &input.key_id)?;
    let done = kms.ring.encrypt(&key, &context(input.encryption_context), &input.plaintext)?;
    Ok(EncryptResponse {
        ciphertext_blob: Some(done.blob.into()),
        key_id: Some(key.arn().into()),
        encryption_algorithm: Some(ALGORITHM.into()),
    })
}

/// Asks for a key that the call's input alone does not tell.
fn allow(caller: &Caller, action: &str, key: &Key, said: &Context) -> Result<(), Fault> {
    let keys = context_keys(said.iter().map(|(name, value)| (name.clone(), value.clone())));
    caller.guard.allow(&caller.scope, &Need { keys, ..Need::on(action, key.arn()) })
}

/// The key and plaintext of a ciphertext that the caller may open by `action`.
fn opened(
    kms: &Kms,
    caller: &Caller,
    action: &str,
    blob: Option<Bytes>,
    named: Option<&Text>,
    said: Said,
) -> Result<(Arc<Key>, Vec<u8>), Fault> {
    let blob = blob.ok_or_else(|| kinds::VALIDATION.because("A ciphertext blob is required."))?;
    let key = kms.ring.key_of(&blob)?;
    if key.scope != caller.scope {
        return Err(KeyError::InvalidCiphertext.into());
    }
    if let Some(named) = named
        && kms.key(caller, named)?.id != key.id
    {
        return Err(KeyError::IncorrectKey.into());
    }
    // A call that does not name its key could not be decided before.
    let said = context(said);
    allow(caller, action, &key, &said)?;
    Ok(kms.ring.decrypt(&said, &blob)?)
}

pub fn decrypt(kms: &Kms, caller: &Caller, input: DecryptRequest) -> Result<DecryptResponse, Fault> {
    check_algorithm(input.encryption_algorithm.as_ref())?;
    let (named, said) = (input.key_id.as_ref(), input.encryption_context);
    let (key, plaintext) = opened(kms, caller, "kms:Decrypt", input.ciphertext_blob, named, said)?;
    Ok(DecryptResponse {
        key_id: Some(key.arn().into()),
        plaintext: Some(plaintext.into()),
        encryption_algorithm: Some(ALGORITHM.into()),
        ciphertext_for_recipient: None,
        key_material_id: None,
    })
}

pub fn re_encrypt(kms: &Kms, caller: &Caller, input: ReEncryptRequest) -> Result<ReEncryptResponse, Fault> {
    check_algorithm(input.source_encryption_algorithm.as_ref())?;
    check_algorithm(input.destination_encryption_algorithm.as_ref())?;
    let (named, said) = (input.source_key_id.as_ref(), input.source_encryption_context);
    let (source, plaintext) = opened(kms, caller, "kms:ReEncryptFrom", input.ciphertext_blob, named, said)?;
    let key = kms.key(caller, &input.destination_key_id)?;
    let said = context(input.destination_encryption_context);
    allow(caller, "kms:ReEncryptTo", &key, &said)?;
    let done = kms.ring.encrypt(&key, &said, &plaintext)?;
    Ok(ReEncryptResponse {
        ciphertext_blob: Some(done.blob.into()),
        source_key_id: Some(source.arn().into()),
        key_id: Some(key.arn().into()),
        source_encryption_algorithm: Some(ALGORITHM.into()),
        destination_encryption_algorithm: Some(ALGORITHM.into()),
        source_key_material_id: None,
        destination_key_material_id: None,
    })
}

/// A data key in plain, and encrypted.
fn generated(
    kms: &Kms,
    caller: &Caller,
    id: &Text,
    size: (Option<&Text>, Option<i32>),
    said: Said,
) -> Result<(Vec<u8>, Encrypted), Fault> {
    let count = match (size.0.map(Text::as_str), size.1) {
        (Some("AES_256"), None) => 32,
        (Some("AES_128"), None) => 16,
        (None, Some(count)) => usize::try_from(count).unwrap_or(0),
        _ => {
            let message = "Please specify either number of bytes or key spec.";
            return Err(kinds::VALIDATION.because(message));
        }
    };
    let key = kms.key(caller, id)?;
    let plaintext = kms.ring.random(count);
    let encrypted = kms.ring.encrypt(&key, &context(said), &plaintext)?;
    Ok((plaintext, encrypted))
}

pub fn data_key(kms: &Kms, caller: &Caller, input: GenerateDataKeyRequest) -> Result<GenerateDataKeyResponse, Fault> {
    let size = (input.key_spec.as_ref(), input.number_of_bytes);
    let (plaintext, encrypted) = generated(kms, caller, &input.key_id, size, input.encryption_context)?;
    Ok(GenerateDataKeyResponse {
        ciphertext_blob: Some(encrypted.blob.into()),
        plaintext: Some(plaintext.into()),
        key_id: Some(encrypted.key.arn().into()),
        ciphertext_for_recipient: None,
        key_material_id: None,
    })
}

pub fn data_key_without_plaintext(
    kms: &Kms,
    caller: &Caller,
    input: GenerateDataKeyWithoutPlaintextRequest,
) -> Result<GenerateDataKeyWithoutPlaintextResponse, Fault> {
    let size = (input.key_spec.as_ref(), input.number_of_bytes);
    let (_, encrypted) = generated(kms, caller, &input.key_id, size, input.encryption_context)?;
    Ok(GenerateDataKeyWithoutPlaintextResponse {
        ciphertext_blob: Some(encrypted.blob.into()),
        key_id: Some(encrypted.key.arn().into()),
        key_material_id: None,
    })
}

pub fn random(kms: &Kms, _: &Caller, input: GenerateRandomRequest) -> Result<GenerateRandomResponse, Fault> {
    let count = input.number_of_bytes.and_then(|count| usize::try_from(count).ok());
    let count = count.ok_or_else(|| kinds::VALIDATION.because("NumberOfBytes is required."))?;
    Ok(GenerateRandomResponse { plaintext: Some(kms.ring.random(count).into()), ciphertext_for_recipient: None })
}
