//! CreateRegistry.

use super::names::{kept_tags, registry_arn, shown_tags};
use super::{Glue, shapes};
use crate::http::Caller;
use crate::models::glue::{CreateRegistryInput, CreateRegistryResponse};
use crate::wire::{Fault, Text};

pub fn call(glue: &Glue, caller: &Caller, input: CreateRegistryInput) -> Result<CreateRegistryResponse, Fault> {
    let CreateRegistryInput { registry_name, description, tags } = input;
    let (description, tags) = (shapes::text(description), kept_tags(tags));
    let made = glue.registry.create_registry(&caller.scope, &registry_name, description, tags)?;
    Ok(CreateRegistryResponse {
        registry_arn: registry_arn(caller, &made.name),
        registry_name: Some(registry_name),
        description: made.description.map(Text::from),
        tags: shown_tags(made.tags),
    })
}
