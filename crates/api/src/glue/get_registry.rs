//! GetRegistry.

use super::Glue;
use super::names::{AVAILABLE, moment, named_registry, registry_arn, told};
use crate::http::Caller;
use crate::models::glue::{GetRegistryInput, GetRegistryResponse};
use crate::wire::{Fault, Text};

pub fn call(glue: &Glue, caller: &Caller, input: GetRegistryInput) -> Result<GetRegistryResponse, Fault> {
    let name = named_registry(caller, &input.registry_id)?;
    let registry = glue.registry.registry(&caller.scope, &name)?;
    Ok(GetRegistryResponse {
        registry_arn: registry_arn(caller, &name),
        registry_name: told(&registry.name),
        description: registry.description.map(Text::from),
        status: Some(AVAILABLE),
        created_time: moment(registry.created),
        updated_time: moment(registry.updated),
    })
}
