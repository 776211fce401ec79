//! ListRegistries: by name, a page at a time.

use super::names::{AVAILABLE, moment, registry_arn, told};
use super::{Glue, SCHEMAS_PAGE, page};
use crate::http::Caller;
use crate::models::glue::{ListRegistriesInput, ListRegistriesResponse, RegistryListItem};
use crate::wire::{Fault, Text};
use millrace_schema::registry::store::RegistryInfo;

pub fn call(glue: &Glue, caller: &Caller, input: ListRegistriesInput) -> Result<ListRegistriesResponse, Fault> {
    let all = glue.registry.registries(&caller.scope)?;
    let max = input.max_results.or(SCHEMAS_PAGE);
    let (found, next_token) = page(all, |registry| &registry.name, input.next_token.as_ref(), max);
    let item = |registry: RegistryInfo| RegistryListItem {
        registry_arn: registry_arn(caller, &registry.name),
        registry_name: told(&registry.name),
        description: registry.description.map(Text::from),
        status: Some(AVAILABLE),
        created_time: moment(registry.created),
        updated_time: moment(registry.updated),
    };
    Ok(ListRegistriesResponse { registries: Some(found.into_iter().map(item).collect()), next_token })
}
