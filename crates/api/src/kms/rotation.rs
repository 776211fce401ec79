//! Rotation: by the calendar, and on demand.

use super::{Kms, page, time};
use crate::http::Caller;
use crate::models::kms::{
    DisableKeyRotationRequest, EnableKeyRotationRequest, GetKeyRotationStatusRequest, GetKeyRotationStatusResponse,
    ListKeyRotationsRequest, ListKeyRotationsResponse, RotateKeyOnDemandRequest, RotateKeyOnDemandResponse,
    RotationsListEntry,
};
use crate::wire::{Fault, kinds};
use millrace_access::keyring::RotationType;

/// A year, as on AWS.
const PERIOD_DAYS: i32 = 365;

pub fn enable(kms: &Kms, caller: &Caller, input: EnableKeyRotationRequest) -> Result<(), Fault> {
    let days = input.rotation_period_in_days.unwrap_or(PERIOD_DAYS);
    if !(90..=2560).contains(&days) {
        return Err(kinds::VALIDATION.because("RotationPeriodInDays must be between 90 and 2560"));
    }
    Ok(kms.ring.set_rotation(&*kms.key(caller, &input.key_id)?, Some(days.unsigned_abs()))?)
}

pub fn disable(kms: &Kms, caller: &Caller, input: DisableKeyRotationRequest) -> Result<(), Fault> {
    Ok(kms.ring.set_rotation(&*kms.key(caller, &input.key_id)?, None)?)
}

pub fn status(
    kms: &Kms,
    caller: &Caller,
    input: GetKeyRotationStatusRequest,
) -> Result<GetKeyRotationStatusResponse, Fault> {
    let key = kms.key(caller, &input.key_id)?;
    let days = key.rotation.and_then(|rotation| i32::try_from(rotation.period_days).ok());
    Ok(GetKeyRotationStatusResponse {
        key_rotation_enabled: Some(key.rotation.is_some()),
        key_id: Some(key.arn().into()),
        rotation_period_in_days: days,
        next_rotation_date: key.rotation.map(|rotation| time(rotation.next)),
        on_demand_rotation_start_date: None,
    })
}

pub fn on_demand(
    kms: &Kms,
    caller: &Caller,
    input: RotateKeyOnDemandRequest,
) -> Result<RotateKeyOnDemandResponse, Fault> {
    let key = kms.key(caller, &input.key_id)?;
    kms.ring.rotate(&key)?;
    Ok(RotateKeyOnDemandResponse { key_id: Some(key.arn().into()) })
}

pub fn list(kms: &Kms, caller: &Caller, input: ListKeyRotationsRequest) -> Result<ListKeyRotationsResponse, Fault> {
    if input.include_key_material.is_some_and(|which| which.as_str() != "ROTATIONS_ONLY") {
        let message = "IncludeKeyMaterial ALL_KEY_MATERIAL is not supported by Millrace yet: leave it out.";
        return Err(kinds::VALIDATION.because(message));
    }
    let key = kms.key(caller, &input.key_id)?;
    let all: Vec<_> = key.rotations().enumerate().collect();
    let name = |(number, _): &(usize, _)| format!("{number:08}");
    let (rotations, next_marker) = page(all, name, input.marker.as_ref(), input.limit);
    let entry = |(_, (at, by))| RotationsListEntry {
        key_id: Some(key.arn().into()),
        key_material_id: None,
        key_material_description: None,
        import_state: None,
        key_material_state: None,
        expiration_model: None,
        valid_to: None,
        rotation_date: Some(time(at)),
        rotation_type: Some(if by == RotationType::OnDemand { "ON_DEMAND" } else { "AUTOMATIC" }.into()),
    };
    let rotations = rotations.into_iter().map(entry).collect();
    Ok(ListKeyRotationsResponse { rotations: Some(rotations), truncated: Some(next_marker.is_some()), next_marker })
}
