//! DeleteRegistry: the registry goes with its schemas and their versions.

use super::Glue;
use super::names::{DELETING, named_registry, registry_arn, told};
use crate::http::Caller;
use crate::models::glue::{DeleteRegistryInput, DeleteRegistryResponse};
use crate::wire::Fault;

pub fn call(glue: &Glue, caller: &Caller, input: DeleteRegistryInput) -> Result<DeleteRegistryResponse, Fault> {
    let name = named_registry(caller, &input.registry_id)?;
    glue.registry.delete_registry(&caller.scope, &name)?;
    Ok(DeleteRegistryResponse {
        registry_arn: registry_arn(caller, &name),
        registry_name: told(&name),
        status: Some(DELETING),
    })
}
