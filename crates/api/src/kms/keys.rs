//! Keys: made, described, listed, switched on and off, deleted.

use super::{Kms, page, tags, time};
use crate::http::Caller;
use crate::models::kms::{
    CancelKeyDeletionRequest, CancelKeyDeletionResponse, CreateKeyRequest, CreateKeyResponse, DescribeKeyRequest,
    DescribeKeyResponse, DisableKeyRequest, EnableKeyRequest, KeyListEntry, KeyMetadata, ListKeysRequest,
    ListKeysResponse, ScheduleKeyDeletionRequest, ScheduleKeyDeletionResponse, UpdateKeyDescriptionRequest, faults,
};
use crate::wire::{Fault, Text};
use millrace_access::keyring::{Key, KeyState, Manager, NewKey};

/// The only kind of key that there is here.
const SYMMETRIC: &str = "SYMMETRIC_DEFAULT";
const PENDING_DAYS: i32 = 30;

pub fn create(kms: &Kms, caller: &Caller, input: CreateKeyRequest) -> Result<CreateKeyResponse, Fault> {
    let refuse = |what: String| Err(faults::UNSUPPORTED_OPERATION_EXCEPTION.because(what));
    let spec = input.key_spec.as_ref().or(input.customer_master_key_spec.as_ref());
    if let Some(spec) = spec.filter(|spec| spec.as_str() != SYMMETRIC) {
        return refuse(format!("KeySpec {spec} is not supported by Millrace yet: keys are {SYMMETRIC}."));
    }
    if let Some(usage) = input.key_usage.filter(|usage| usage.as_str() != "ENCRYPT_DECRYPT") {
        return refuse(format!("KeyUsage {usage} is not supported by Millrace yet: keys are for ENCRYPT_DECRYPT."));
    }
    if let Some(origin) = input.origin.filter(|origin| origin.as_str() != "AWS_KMS") {
        return refuse(format!(
            "Origin {origin} is not supported by Millrace yet: key material is made here, AWS_KMS."
        ));
    }
    if input.multi_region == Some(true) {
        return refuse("Multi-Region keys are not supported by Millrace yet.".into());
    }
    let policy = input.policy.map(|policy| policy.to_string()).unwrap_or_default();
    if !policy.is_empty() {
        super::policies::check(&policy)?;
    }
    let description = input.description.map(|text| text.to_string()).unwrap_or_default();
    let tags = tags::checked(input.tags.unwrap_or_default())?;
    let key = kms.ring.create(&caller.scope, NewKey { description, policy, tags })?;
    Ok(CreateKeyResponse { key_metadata: Some(metadata(&key)) })
}

pub fn describe(kms: &Kms, caller: &Caller, input: DescribeKeyRequest) -> Result<DescribeKeyResponse, Fault> {
    let key = kms.key(caller, &input.key_id)?;
    Ok(DescribeKeyResponse { key_metadata: Some(metadata(&key)) })
}

pub fn list(kms: &Kms, caller: &Caller, input: ListKeysRequest) -> Result<ListKeysResponse, Fault> {
    let (keys, next_marker) =
        page(kms.ring.keys(&caller.scope), |key| key.id.clone(), input.marker.as_ref(), input.limit);
    let entry = |key: &Key| KeyListEntry { key_id: Some(key.id.as_str().into()), key_arn: Some(key.arn().into()) };
    let keys = keys.iter().map(|key| entry(key)).collect();
    Ok(ListKeysResponse { keys: Some(keys), truncated: Some(next_marker.is_some()), next_marker })
}

pub fn enable(kms: &Kms, caller: &Caller, input: EnableKeyRequest) -> Result<(), Fault> {
    Ok(kms.ring.set_enabled(&*kms.key(caller, &input.key_id)?, true)?)
}

pub fn disable(kms: &Kms, caller: &Caller, input: DisableKeyRequest) -> Result<(), Fault> {
    Ok(kms.ring.set_enabled(&*kms.key(caller, &input.key_id)?, false)?)
}

pub fn describe_anew(kms: &Kms, caller: &Caller, input: UpdateKeyDescriptionRequest) -> Result<(), Fault> {
    let key = kms.key(caller, &input.key_id)?;
    let edited = kms.ring.edit(&key.id, |key| {
        key.description = input.description.to_string();
        Ok(())
    });
    Ok(edited?)
}

pub fn schedule_deletion(
    kms: &Kms,
    caller: &Caller,
    input: ScheduleKeyDeletionRequest,
) -> Result<ScheduleKeyDeletionResponse, Fault> {
    let key = kms.key(caller, &input.key_id)?;
    let days = input.pending_window_in_days.unwrap_or(PENDING_DAYS);
    if !(7..=30).contains(&days) {
        let message = "PendingWindowInDays must be between 7 and 30";
        return Err(crate::wire::kinds::VALIDATION.because(message));
    }
    let at = kms.ring.schedule_deletion(&key, days.unsigned_abs())?;
    Ok(ScheduleKeyDeletionResponse {
        key_id: Some(key.arn().into()),
        deletion_date: Some(time(at)),
        key_state: Some("PendingDeletion".into()),
        pending_window_in_days: Some(days),
    })
}

pub fn cancel_deletion(
    kms: &Kms,
    caller: &Caller,
    input: CancelKeyDeletionRequest,
) -> Result<CancelKeyDeletionResponse, Fault> {
    let key = kms.key(caller, &input.key_id)?;
    kms.ring.cancel_deletion(&key)?;
    Ok(CancelKeyDeletionResponse { key_id: Some(key.arn().into()) })
}

fn metadata(key: &Key) -> KeyMetadata {
    let word = |word: &str| Some(Text::from(word));
    let (state, deletion_date) = match key.state {
        KeyState::Enabled => ("Enabled", None),
        KeyState::Disabled => ("Disabled", None),
        KeyState::PendingDeletion(at) => ("PendingDeletion", Some(time(at))),
    };
    KeyMetadata {
        aws_account_id: word(&key.scope.account),
        key_id: key.id.as_str().into(),
        arn: Some(key.arn().into()),
        creation_date: Some(time(key.created)),
        enabled: Some(key.state == KeyState::Enabled),
        description: word(&key.description),
        key_usage: word("ENCRYPT_DECRYPT"),
        key_state: word(state),
        deletion_date,
        valid_to: None,
        origin: word("AWS_KMS"),
        custom_key_store_id: None,
        cloud_hsm_cluster_id: None,
        expiration_model: None,
        key_manager: word(if key.manager == Manager::Aws { "AWS" } else { "CUSTOMER" }),
        customer_master_key_spec: word(SYMMETRIC),
        key_spec: word(SYMMETRIC),
        encryption_algorithms: Some(vec![SYMMETRIC.into()]),
        signing_algorithms: None,
        key_agreement_algorithms: None,
        encapsulation_algorithms: None,
        multi_region: Some(false),
        multi_region_configuration: None,
        pending_deletion_window_in_days: None,
        mac_algorithms: None,
        xks_key_configuration: None,
        current_key_material_id: None,
    }
}
