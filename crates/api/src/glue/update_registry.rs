//! UpdateRegistry: another description.

use super::Glue;
use super::names::{named_registry, registry_arn, told};
use crate::http::Caller;
use crate::models::glue::{UpdateRegistryInput, UpdateRegistryResponse};
use crate::wire::Fault;

pub fn call(glue: &Glue, caller: &Caller, input: UpdateRegistryInput) -> Result<UpdateRegistryResponse, Fault> {
    let name = named_registry(caller, &input.registry_id)?;
    glue.registry.change_registry(&caller.scope, &name, |registry| {
        registry.description = Some(input.description.to_string());
        Ok(())
    })?;
    Ok(UpdateRegistryResponse { registry_arn: registry_arn(caller, &name), registry_name: told(&name) })
}
